import type { Scenarios } from './paths.js';

/* What scenarios are asked: sums, peaks, and the capacity that covers a share of them. */

/** Which part of the scenarios a question is about; all of them by default. */
export interface Part {
  /** Indices of series; they must be in one unit. */
  series?: readonly number[];
  /** First bin and the one after the last. */
  from?: number;
  to?: number;
}

const within = (scenarios: Scenarios, part: Part): { series: readonly number[]; from: number; to: number } => ({
  series: part.series ?? scenarios.values.map((_, s) => s),
  from: Math.max(0, part.from ?? 0),
  to: Math.min(scenarios.steps, part.to ?? scenarios.steps),
});

/** By path: the sum over series and bins, in unit × bins. */
export function pathTotals(scenarios: Scenarios, part: Part = {}): Float64Array {
  const { series, from, to } = within(scenarios, part);
  const { paths, values } = scenarios;
  const totals = new Float64Array(paths);
  for (const s of series) {
    const one = values[s];
    for (let t = from; t < to; t++) {
      for (let p = 0; p < paths; p++) totals[p] = (totals[p] ?? 0) + (one?.[t * paths + p] ?? 0);
    }
  }
  return totals;
}

/** By path: the highest bin of the sum over series. */
export function pathPeaks(scenarios: Scenarios, part: Part = {}): Float64Array {
  const { series, from, to } = within(scenarios, part);
  const { paths, values } = scenarios;
  const peaks = new Float64Array(paths);
  const sum = new Float64Array(paths);
  for (let t = from; t < to; t++) {
    sum.fill(0);
    for (const s of series) {
      const one = values[s];
      for (let p = 0; p < paths; p++) sum[p] = (sum[p] ?? 0) + (one?.[t * paths + p] ?? 0);
    }
    for (let p = 0; p < paths; p++) peaks[p] = Math.max(peaks[p] ?? 0, sum[p] ?? 0);
  }
  return peaks;
}

/** Quantiles of the sum over series, bin by bin: `[bin][level]`, non-decreasing in the level. */
export function sumQuantiles(scenarios: Scenarios, levels: readonly number[], part: Part = {}): number[][] {
  const { from, to } = within(scenarios, part);
  return Array.from({ length: Math.max(0, to - from) }, (_, k) =>
    quantilesOf(pathTotals(scenarios, { ...part, from: from + k, to: from + k + 1 }), levels),
  );
}

/**
 * The least capacity that stays above demand in every bin of at least this share of the scenarios.
 * @param share in (0, 1).
 */
export function coveringCapacity(scenarios: Scenarios, share: number, part: Part = {}): number {
  const peaks = pathPeaks(scenarios, part).sort();
  const needed = Math.min(peaks.length, Math.ceil(share * peaks.length - 1e-9));
  return peaks[Math.max(0, needed - 1)] ?? Number.NaN;
}

/** Sample quantiles, linear between the middles of equal shares; sorts its argument. */
export function quantilesOf(sample: Float64Array, levels: readonly number[]): number[] {
  sample.sort();
  const n = sample.length;
  return levels.map((level) => {
    const at = Math.min(n - 1, Math.max(0, level * n - 0.5));
    const low = Math.floor(at);
    const below = sample[low] ?? Number.NaN;
    return below + (at - low) * ((sample[Math.min(n - 1, low + 1)] ?? below) - below);
  });
}
