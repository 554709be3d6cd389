import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { z } from 'zod';
import type { Series } from '../../src/domain/series.js';
import { ROW_NAMES, ROW_WIDTH, writeRow, type Frame } from '../../src/forecast/booster/relative.js';
import { calendarOf } from '../../src/forecast/calendar.js';
import { createFeatureState } from '../../src/forecast/features.js';
import { checkoutRoot } from '../result.js';
import { bytesOf, cacheFolder, hashOf, writeWhole } from './cache.js';
import { CHOSEN, FITTED, LONGEST, SEED, stepsOf, TIME_ZONE } from './setting.js';
import type { Trace } from './traces.js';

/*
 * The rows that a global peer is trained on, chosen on, and asked for, as float32 files: the product's own features
 * (src/forecast/features.ts) in the product's own units (booster/relative.ts).
 */

/** Origins of each series that training and choice draw, and targets of each. */
const DRAWN = { train: 200, valid: 60 } as const;
const TARGETS = 24;
/** A target further from the last value than this, in units, says no more than that it is far: as in training ours. */
const FARTHEST = 100;

const matrixSchema = z.object({
  features: z.array(z.string()),
  train: z.object({ rows: z.number(), x: z.string(), y: z.string() }),
  valid: z.object({ rows: z.number(), x: z.string(), y: z.string() }),
  /** By id of the series: rows [origin][ahead], and of each the last value and the unit of an answer. */
  test: z.record(z.string(), z.object({ rows: z.number(), x: z.string(), frame: z.string() })),
});
export type Matrix = z.infer<typeof matrixSchema>;

interface MatrixTask {
  trace: Trace;
  origins: readonly number[];
}

/** Targets by origin, ascending: half near (log-uniform over the steps ahead), half anywhere within the day. */
function draw(series: Series, part: keyof typeof DRAWN, seed: number): Map<number, number[]> {
  const bins = series.values.length;
  const [first, end] =
    part === 'train'
      ? [Math.floor(0.02 * bins), Math.floor(FITTED * bins)]
      : [Math.floor(FITTED * bins), Math.floor(CHOSEN * bins)];
  const aheads = stepsOf(LONGEST, series.step);
  const random = xoroshiro128plus(seed);
  const drawn = new Map<number, number[]>();
  for (let k = 0; k < DRAWN[part]; k++) {
    const origin = uniformInt(random, first, end - 2);
    const targets = drawn.get(origin) ?? [];
    drawn.set(origin, targets);
    for (let target = 0; target < TARGETS; target++) {
      const share = uniformFloat64(random);
      const ahead = target % 2 === 0 ? Math.floor(aheads ** share) : 1 + Math.floor(aheads * share);
      // Nothing of a later part is learnt.
      if (origin + ahead < end && ahead <= aheads) targets.push(ahead);
    }
  }
  return new Map([...drawn].sort(([a], [b]) => a - b));
}

/** Follows a series and stops at origins, given ascending. */
function visit(
  series: Series,
  origins: Iterable<number>,
  stop: (origin: number, write: (ahead: number, out: Float32Array, at: number) => Frame | null) => void,
): void {
  const state = createFeatureState({ step: series.step, calendar: calendarOf(TIME_ZONE) });
  let next = 0;
  for (const origin of origins) {
    for (; next <= origin; next++) state.observe(series.start + next * series.step, series.values[next] ?? Number.NaN);
    stop(origin, (ahead, out, at) => writeRow(state.describe(ahead), out, at));
  }
}

/** Hash of all that the rows depend on but the series. */
export const matrixCode = (): string => {
  const built = (...parts: string[]): string => join(checkoutRoot(), 'dist', ...parts);
  const files = ['features.js', 'feature-inputs.js', 'calendar.js', 'booster/relative.js'];
  return hashOf(
    ...files.map((file) => readFileSync(built('src', 'forecast', file))),
    ...['matrix.js', 'setting.js'].map((file) => readFileSync(built('bench', 'forecast', file))),
  );
};

/** Writes the matrix, or finds it where an earlier run left it. */
export function provideMatrix(tasks: readonly MatrixTask[], say: (line: string) => void): Matrix {
  const key = hashOf(
    matrixCode(),
    ...tasks.flatMap(({ trace, origins }) => [trace.id, JSON.stringify(origins), bytesOf(trace.series.values)]),
  );
  const folder = join(cacheFolder(), 'matrix', key);
  const index = join(folder, 'matrix.json');
  if (existsSync(index)) return matrixSchema.parse(JSON.parse(readFileSync(index, 'utf8')));
  say(`writing the feature matrix of ${tasks.length} series …`);
  const F = ROW_WIDTH;
  const learn = (part: keyof typeof DRAWN): Matrix['train'] => {
    const x: Float32Array[] = [];
    const y: number[] = [];
    tasks.forEach(({ trace: { series } }, index) => {
      const drawn = draw(series, part, SEED + 1000 * index + (part === 'train' ? 0 : 1));
      visit(series, drawn.keys(), (origin, write) => {
        for (const ahead of drawn.get(origin) ?? []) {
          const row = new Float32Array(F);
          const truth = series.values[origin + ahead] ?? Number.NaN;
          const frame = Number.isNaN(truth) ? null : write(ahead, row, 0);
          if (frame === null) continue;
          x.push(row);
          y.push(Math.max(-FARTHEST, Math.min(FARTHEST, (truth - frame.last) / frame.unit)));
        }
      });
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
    tasks.map(({ trace: { id, series }, origins }, index) => {
      const aheads = stepsOf(LONGEST, series.step);
      const rows = origins.length * aheads;
      const x = new Float32Array(rows * F);
      const frames: number[] = [];
      visit(series, origins, (_, write) => {
        for (let ahead = 1; ahead <= aheads; ahead++) {
          const frame = write(ahead, x, (frames.length / 2) * F);
          frames.push(frame?.last ?? 0, frame?.unit ?? 0);
        }
      });
      const files = { x: join(folder, `test-${index}.x.f32`), frame: join(folder, `test-${index}.frame.f64`) };
      writeWhole(files.x, bytesOf(x));
      writeWhole(files.frame, bytesOf(Float64Array.from(frames)));
      return [id, { rows, ...files }];
    }),
  );
  const matrix: Matrix = { features: [...ROW_NAMES], train, valid, test };
  writeWhole(index, JSON.stringify(matrix));
  return matrix;
}
