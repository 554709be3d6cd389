import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { z } from 'zod';
import { checkoutRoot } from '../result.js';
import { bytesOf, cacheFolder, hashOf, writeWhole } from './cache.js';
import { createFeatureReader, featureNames } from './features.js';
import { CHOSEN, FITTED, LONGEST, SEED, stepsOf } from './setting.js';
import type { Trace } from './traces.js';

/*
 * The rows that a global model is trained on, chosen on, and asked for, as float32 files: the very same for the peer and
 * for whoever wants to be compared with it.
 */

/** Origins of each series that training and choice draw, and targets of each. */
const DRAWN = { train: 200, valid: 60 } as const;
const TARGETS = 24;

const matrixSchema = z.object({
  features: z.array(z.string()),
  train: z.object({ rows: z.number(), x: z.string(), y: z.string() }),
  valid: z.object({ rows: z.number(), x: z.string(), y: z.string() }),
  /** By id of the series: rows [origin][ahead], and what turns an answer into the series' own unit. */
  test: z.record(z.string(), z.object({ rows: z.number(), x: z.string(), unit: z.string() })),
});
export type Matrix = z.infer<typeof matrixSchema>;

interface MatrixTask {
  trace: Trace;
  origins: readonly number[];
}

/** Origins and targets: half near (log-uniform over the steps ahead), half anywhere within the day. */
function draw(trace: Trace, part: keyof typeof DRAWN, seed: number): { origin: number; ahead: number }[] {
  const { series } = trace;
  const bins = series.values.length;
  const [first, end] =
    part === 'train'
      ? [Math.floor(0.02 * bins), Math.floor(FITTED * bins)]
      : [Math.floor(FITTED * bins), Math.floor(CHOSEN * bins)];
  const aheads = stepsOf(LONGEST, series.step);
  const random = xoroshiro128plus(seed);
  const drawn: { origin: number; ahead: number }[] = [];
  for (let k = 0; k < DRAWN[part]; k++) {
    const origin = uniformInt(random, first, end - 2);
    for (let target = 0; target < TARGETS; target++) {
      const share = uniformFloat64(random);
      const ahead = target % 2 === 0 ? Math.floor(aheads ** share) : 1 + Math.floor(aheads * share);
      // Nothing of a later part is learnt.
      if (origin + ahead < end && ahead <= aheads) drawn.push({ origin, ahead });
    }
  }
  return drawn;
}

/** Writes the matrix, or finds it where an earlier run left it. */
export function provideMatrix(tasks: readonly MatrixTask[], say: (line: string) => void): Matrix {
  const code = ['features.js', 'matrix.js', 'setting.js'].map((file) =>
    readFileSync(join(checkoutRoot(), 'dist', 'bench', 'forecast', file)),
  );
  const key = hashOf(
    ...code,
    ...tasks.flatMap(({ trace, origins }) => [trace.id, JSON.stringify(origins), bytesOf(trace.series.values)]),
  );
  const folder = join(cacheFolder(), 'matrix', key);
  const index = join(folder, 'matrix.json');
  if (existsSync(index)) return matrixSchema.parse(JSON.parse(readFileSync(index, 'utf8')));
  say(`writing the feature matrix of ${tasks.length} series …`);
  const F = featureNames.length;
  const learn = (part: keyof typeof DRAWN): Matrix['train'] => {
    const x: Float32Array[] = [];
    const y: number[] = [];
    tasks.forEach(({ trace }, index) => {
      const reader = createFeatureReader(trace.series);
      for (const { origin, ahead } of draw(trace, part, SEED + 1000 * index + (part === 'train' ? 0 : 1))) {
        const truth = trace.series.values[origin + ahead] ?? Number.NaN;
        if (Number.isNaN(truth) || Number.isNaN(trace.series.values[origin])) continue;
        const row = new Float32Array(F);
        reader.read(origin, ahead, row);
        x.push(row);
        y.push(truth / reader.unit(origin));
      }
    });
    const flat = new Float32Array(x.length * F);
    x.forEach((row, index) => flat.set(row, index * F));
    const files = { x: join(folder, `${part}.x.f32`), y: join(folder, `${part}.y.f32`) };
    writeWhole(files.x, bytesOf(flat));
    writeWhole(files.y, bytesOf(Float32Array.from(y)));
    return { rows: y.length, ...files };
  };
  const [train, valid] = [learn('train'), learn('valid')];
  const test = Object.fromEntries(
    tasks.map(({ trace, origins }, index) => {
      const reader = createFeatureReader(trace.series);
      const aheads = stepsOf(LONGEST, trace.series.step);
      const rows = origins.length * aheads;
      const x = new Float32Array(rows * F);
      origins.forEach((origin, o) => {
        for (let ahead = 1; ahead <= aheads; ahead++) {
          const at = (o * aheads + ahead - 1) * F;
          reader.read(origin, ahead, x.subarray(at, at + F));
        }
      });
      const files = { x: join(folder, `test-${index}.x.f32`), unit: join(folder, `test-${index}.unit.f64`) };
      writeWhole(files.x, bytesOf(x));
      writeWhole(files.unit, bytesOf(Float64Array.from(origins, (origin) => reader.unit(origin))));
      return [trace.id, { rows, ...files }];
    }),
  );
  const matrix: Matrix = { features: [...featureNames], train, valid, test };
  writeWhole(index, JSON.stringify(matrix));
  return matrix;
}
