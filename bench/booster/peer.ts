import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { HeadroomError } from '../../src/domain/errors.js';
import type { TrainingRows } from '../../src/forecast/booster/train.js';
import { checkoutRoot } from '../result.js';
import type { Data } from './data.js';

const folder = join(
  process.env['HEADROOM_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'headroom'),
  'bench-booster',
);
const python = join(folder, 'venv', 'bin', 'python');
const source = (file: string): string => join(checkoutRoot(), 'bench', 'booster', file);

/** A virtual environment with the pinned LightGBM, made once. @throws HeadroomError `unavailable` */
export function provideLightGbm(): void {
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
      component: 'bench/booster',
      action: 'installing LightGBM',
      problem: error instanceof Error ? error.message : String(error),
      remedy: 'check Python 3.11 and that the package index is in reach (pip download lightgbm)',
    });
  }
  writeFileSync(stamp, wanted);
}

const answerSchema = z.object({
  losses: z.array(z.number()),
  cpu: z.array(z.number()),
  wall: z.array(z.number()),
  version: z.string(),
});
export type PeerAnswer = z.infer<typeof answerSchema>;

export interface PeerRules {
  levels: readonly number[];
  rounds: number;
  leaves: number;
  minLeaf: number;
  learningRate: number;
  l2: number;
  threads: number;
}

/** LightGBM on the same matrix, a model a level: losses on the test part, seconds of each. */
export function askLightGbm(data: Data, rules: PeerRules): PeerAnswer {
  const write = (part: string, { matrix, target }: TrainingRows): { x: string; y: string } => {
    const files = { x: join(folder, `${data.name}-${part}-x.bin`), y: join(folder, `${data.name}-${part}-y.bin`) };
    writeFileSync(files.x, new Uint8Array(matrix.values.buffer, matrix.values.byteOffset, matrix.values.byteLength));
    writeFileSync(files.y, new Uint8Array(target.buffer, target.byteOffset, target.byteLength));
    return files;
  };
  const job = join(folder, `${data.name}.json`);
  const { columns } = data.train.matrix;
  const parts = { train: write('train', data.train), test: write('test', data.test) };
  writeFileSync(job, JSON.stringify({ ...rules, columns, ...parts }));
  const said = execFileSync(python, [source('lightgbm_peer.py'), job], { encoding: 'utf8', maxBuffer: 1 << 24 });
  return answerSchema.parse(JSON.parse(said.trim().split('\n').at(-1) ?? ''));
}
