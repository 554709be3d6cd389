import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { TrainingRows } from '../../src/forecast/booster/train.js';
import { pythonPeer } from '../python.js';
import type { Data } from './data.js';

const peer = pythonPeer('booster', { peer: 'LightGBM', probe: 'lightgbm', version: 'Python 3.11' });
const { folder, python, source } = peer;
/** A virtual environment with the pinned LightGBM, made once. @throws HeadroomError `unavailable` */
export const provideLightGbm = peer.provide;

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
