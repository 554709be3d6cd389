import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { pythonPeer } from '../python.js';

const peer = pythonPeer('allocate', { peer: 'native HiGHS', probe: 'highspy', version: 'Python 3.9 or later' });
const { folder, source } = peer;
/** The Python of its environment. */
export const { python } = peer;
/** A virtual environment with the pinned native HiGHS, made once. @throws HeadroomError `unavailable` */
export const provideNativeHighs = peer.provide;

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
