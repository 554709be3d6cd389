import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCsvSeries } from '../../src/telemetry/csv.js';

/** One trace at 5-minute steps, or at its own where that is coarser. */
export interface BenchTrace {
  name: string;
  start: number;
  step: number;
  values: Float32Array;
}

const FINEST = 300;
/** Bins of a trace that are used, the last ones: a fair share for each. */
const LONGEST = 12_000;
const SHORTEST = 2000;

/**
 * The first column of every `every`-th trace of the folder's index that is long enough.
 * @param folder with INDEX.csv and the files that it names.
 */
export async function readTraces(folder: string, every: number): Promise<BenchTrace[]> {
  const index = join(folder, 'INDEX.csv');
  if (!existsSync(index)) return [];
  const rows = readFileSync(index, 'utf8').trim().split('\n').slice(1);
  const traces: BenchTrace[] = [];
  for (const [at, row] of rows.entries()) {
    const path = row.split(',')[2] ?? '';
    if (at % every !== 0 || !existsSync(join(folder, path))) continue;
    const column = readFileSync(join(folder, path), 'utf8').split('\n', 1)[0]?.trim().split(',')[1] ?? 'value';
    const interval = Number(/,(\d+),\d+,\d{4}-\d\d-\d\dT/.exec(row)?.[1] ?? FINEST);
    const step = Math.max(FINEST, interval);
    const series = await readCsvSeries(join(folder, path), { column, step });
    const skipped = Math.max(0, series.values.length - LONGEST);
    if (series.values.length < SHORTEST) continue;
    const values = Float32Array.from(series.values.subarray(skipped), (value) => (value < 0 ? Number.NaN : value));
    traces.push({ name: path.replace('.csv', ''), start: series.start + skipped * step, step, values });
  }
  return traces;
}
