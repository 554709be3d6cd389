import type { Interval } from './peers.js';

/** Winkler's score of an interval that misses a share `alpha`: its width, and 2 / alpha of what it missed by. */
export function winkler([low, high]: Interval, alpha: number, value: number): number {
  return high - low + (2 / alpha) * (Math.max(0, low - value) + Math.max(0, value - high));
}

/** Bins under a quantile, and bins at it. */
export interface Counts {
  bins: number;
  under: number;
  at: number;
}

/** A value this near to the quantile, relatively, is at it. */
const TIE = 1e-6;

export function count(counts: Counts, value: number, quantile: number): void {
  counts.bins++;
  if (Math.abs(value - quantile) <= TIE * Math.abs(quantile)) counts.at++;
  else if (value < quantile) counts.under++;
}

/**
 * Share of bins at or under the quantile, bins at it counted as far as the level needs them: where a fifth of all bins
 * are exactly zero, every quantile up to 0.2 is zero, and no forecast's share can be 0.1.
 */
export const coverage = ({ bins, under, at }: Counts, level: number): number =>
  Math.max(under, Math.min(level * bins, under + at)) / bins;

/**
 * The error that a perfect forecaster of independent bins exceeds in 5 % of windows of n bins: the smallest e with
 * P(|X / n − p| ≤ e) ≥ 0.95, X ~ Binomial(n, p).
 */
export function perfectError(n: number, p: number): number {
  const mass = new Float64Array(n + 1);
  let log = n * Math.log1p(-p);
  for (let k = 0; k <= n; k++) {
    mass[k] = Math.exp(log);
    log += Math.log((n - k) / (k + 1)) + Math.log(p / (1 - p));
  }
  const errors = Array.from(mass, (share, k) => ({ error: Math.abs(k / n - p), share })).sort(
    (a, b) => a.error - b.error,
  );
  let sum = 0;
  for (const { error, share } of errors) {
    sum += share;
    if (sum >= 0.95) return error;
  }
  return 1;
}
