import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { standardised } from '../../src/forecast/booster/global-booster.js';
import { fitLocationScale } from '../../src/forecast/booster/location-scale.js';
import type { TrainingRows } from '../../src/forecast/booster/train.js';
import { sampleRows } from '../../src/forecast/booster/training-rows.js';
import { readTraces } from '../forecast/traces.js';

/** A matrix to fit on and one to score on, column by column. */
export interface Data {
  name: string;
  train: TrainingRows;
  test: TrainingRows;
}

/** Rows whose middle and width depend on some of 30 features, a fiftieth of them missing. */
export function generated(rows: number, seed: number): TrainingRows {
  const columns = 30;
  const random = xoroshiro128plus(seed);
  const normal = (): number =>
    Math.sqrt(-2 * Math.log(1 - uniformFloat64(random))) * Math.cos(2 * Math.PI * uniformFloat64(random));
  const values = new Float32Array(rows * columns);
  const target = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const x = Array.from({ length: columns }, normal);
    x.forEach((value, column) => {
      values[column * rows + row] = uniformFloat64(random) < 0.02 ? Number.NaN : value;
    });
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = x;
    target[row] = 2 * Math.sin(a) + b * c + Math.sign(d) * e + Math.exp(0.5 * f) * normal();
  }
  return { matrix: { rows, columns, values }, target };
}

/** Rows of the global model on real series: learnt from the first 60 %, scored on the last 30 %; null where there are none. */
export async function ofTraces(folder: string, rows: number): Promise<Data | null> {
  if (!existsSync(join(folder, 'INDEX.csv'))) return null;
  const { traces } = await readTraces(folder);
  const series = traces.map(({ series: one }) => ({ ...one, timeZone: 'UTC' }));
  const drawn = { aheads: 4, young: 0.1 };
  const train = sampleRows(series, { from: 0, to: 0.6 }, { ...drawn, rows, seed: 1 });
  const test = sampleRows(series, { from: 0.7, to: 1 }, { ...drawn, rows: rows / 4, seed: 2 });
  const straight = fitLocationScale(train.values, train.targets, train.count);
  return { name: 'traces', train: standardised(train, straight), test: standardised(test, straight) };
}
