import { indexedTraces } from '../forecast/traces.js';

/** One trace at 5-minute steps, or at its own where that is coarser. */
export interface BenchTrace {
  name: string;
  start: number;
  step: number;
  values: Float32Array;
}

/** Bins of a trace that are used, the last ones: a fair share for each. */
const LONGEST = 12_000;
const SHORTEST = 2000;

/**
 * The first column of every `every`-th trace of the folder's index that is long enough.
 * @param folder with INDEX.csv and the files that it names.
 */
export async function readTraces(folder: string, every: number): Promise<BenchTrace[]> {
  const traces: BenchTrace[] = [];
  for (const [at, trace] of ((await indexedTraces(folder)) ?? []).entries()) {
    if (at % every !== 0 || !trace.isThere) continue;
    const { id, series } = await trace.read();
    const skipped = Math.max(0, series.values.length - LONGEST);
    if (series.values.length < SHORTEST) continue;
    const values = Float32Array.from(series.values.subarray(skipped), (value) => (value < 0 ? Number.NaN : value));
    traces.push({ name: id, start: series.start + skipped * series.step, step: series.step, values });
  }
  return traces;
}
