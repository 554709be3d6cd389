import { HeadroomError } from './errors.js';
import type { EpochSeconds } from './time.js';

/**
 * One component of one workload on a regular grid. Bin k is labelled `start + k·step`, aligned to the epoch, and is
 * known at its label + step.
 */
export interface Series {
  start: EpochSeconds;
  /** Seconds; > 0. */
  step: number;
  /** The mean of what fell into each bin. NaN is a missing bin, and nothing else: missing is never zero. */
  values: Float64Array;
  /** 1 where usage stood at its capacity limit: the value is a lower bound of demand, not demand itself. */
  censored: Uint8Array;
}

export interface Sample {
  at: EpochSeconds;
  value: number;
  censored?: boolean;
}

export const seriesEnd = (series: Series): EpochSeconds => series.start + series.values.length * series.step;

/** Label of bin `index`. */
export const binLabel = (series: Series, index: number): EpochSeconds => series.start + index * series.step;

/** Index of the last bin with a value, or -1. */
export function lastKnownIndex(series: Series): number {
  for (let index = series.values.length - 1; index >= 0; index--) {
    if (!Number.isNaN(series.values[index])) return index;
  }
  return -1;
}

/** Bins `from` (inclusive) to `to` (exclusive), clamped to what is there; shares memory with the original. */
export function sliceSeries(series: Series, from: number, to: number): Series {
  const first = Math.max(0, Math.min(from, series.values.length));
  const last = Math.max(first, Math.min(to, series.values.length));
  return {
    start: series.start + first * series.step,
    step: series.step,
    values: series.values.subarray(first, last),
    censored: series.censored.subarray(first, last),
  };
}

/**
 * Bins samples: the value of a bin is the mean of what falls in, a bin is censored where any of its samples is, an
 * empty bin is NaN.
 * @param samples strictly increasing in time (a violation is an error that names both times, never a repair).
 * @param range the grid to fill; without it, from the first sample's bin to the last one's.
 */
export function binSamples(
  samples: readonly Sample[],
  step: number,
  range?: { from: EpochSeconds; to: EpochSeconds },
): Series {
  const first = samples[0];
  const last = samples.at(-1);
  const start = Math.floor((range?.from ?? first?.at ?? 0) / step) * step;
  const end = range?.to ?? (last === undefined ? start : Math.floor(last.at / step) * step + step);
  const count = Math.max(0, Math.ceil((end - start) / step));
  const sums = new Float64Array(count);
  const counts = new Uint32Array(count);
  const censored = new Uint8Array(count);
  let previous = Number.NEGATIVE_INFINITY;
  for (const sample of samples) {
    if (!(sample.at > previous)) {
      throw new HeadroomError({
        kind: 'invalid-input',
        component: 'domain/series',
        action: 'putting samples on a grid',
        problem: `time ${sample.at} follows ${previous}`,
        remedy: 'give every time once, in increasing order',
      });
    }
    previous = sample.at;
    if (Number.isNaN(sample.value)) continue;
    const index = Math.floor((sample.at - start) / step);
    if (index < 0 || index >= count) continue;
    sums[index] = (sums[index] ?? 0) + sample.value;
    counts[index] = (counts[index] ?? 0) + 1;
    if (sample.censored === true) censored[index] = 1;
  }
  const values = sums.map((sum, index) => (counts[index] === 0 ? Number.NaN : sum / (counts[index] ?? 1)));
  return { start, step, values, censored };
}

/** Averages a series to a coarser step (a whole multiple), by the same rule as {@link binSamples}. */
export function coarsen(series: Series, step: number): Series {
  const samples: Sample[] = [];
  for (let index = 0; index < series.values.length; index++) {
    const value = series.values[index] ?? Number.NaN;
    samples.push({ at: binLabel(series, index), value, censored: series.censored[index] === 1 });
  }
  return binSamples(samples, step, { from: series.start, to: seriesEnd(series) });
}
