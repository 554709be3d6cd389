import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { HeadroomError } from '../../src/domain/errors.js';
import { checkoutRoot } from '../result.js';

const folder = join(
  process.env['HEADROOM_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'headroom'),
  'bench-allocate',
);
/** The Python of that environment. */
export const python = join(folder, 'venv', 'bin', 'python');
const source = (file: string): string => join(checkoutRoot(), 'bench', 'allocate', file);

/** A virtual environment with the pinned native HiGHS, made once. @throws HeadroomError `unavailable` */
export function provideNativeHighs(): void {
  const wanted = readFileSync(source('requirements.txt'), 'utf8');
  const stamp = join(folder, 'requirements.txt');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  mkdirSync(folder, { recursive: true });
  try {
    execFileSync(process.env['PYTHON'] ?? 'python3', ['-m', 'venv', join(folder, 'venv')], { stdio: 'inherit' });
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', '-r', source('requirements.txt')], { stdio: 'inherit' });
  } catch (error) {
    throw new HeadroomError({
      kind: 'unavailable',
      component: 'bench/allocate',
      action: 'installing native HiGHS',
      problem: error instanceof Error ? error.message : String(error),
      remedy: 'check Python 3.9 or later and that the package index is in reach (pip download highspy)',
    });
  }
  writeFileSync(stamp, wanted);
}

const answerSchema = z.object({
  objective: z.number(),
  bound: z.number(),
  wall: z.number(),
  cpu: z.number(),
  status: z.string(),
  version: z.string(),
});
export type NativeAnswer = z.infer<typeof answerSchema>;

/** Native HiGHS on an MPS file: the program with whole numbers to a relative gap, within so many seconds. */
export function askNativeHighs(mps: string, gap: number, seconds: number): NativeAnswer {
  const file = join(folder, 'problem.mps');
  writeFileSync(file, mps);
  const said = execFileSync(python, [source('highs_peer.py'), file, String(gap), String(seconds)], {
    encoding: 'utf8',
    maxBuffer: 1 << 24,
  });
  return answerSchema.parse(JSON.parse(said.trim().split('\n').at(-1) ?? ''));
}
