import type { Series } from '../../src/domain/series.js';

/*
 * The two peers that need no library, each with empirical quantiles of its own past residuals: those of the last 28 days
 * known at the origin, for persistence apart for each step ahead. Neither is ever refused: with no residual at all it
 * states its middle.
 */

const DAY = 86_400;
const WINDOW = 28 * DAY;
/** Residuals are sorted at each of the first steps, then at every so many; between, quantiles are interpolated. */
const EACH = 24;
const EVERY = 6;

export type Naive = (series: Series, origin: number, aheads: number, levels: readonly number[]) => Float64Array;

/** Quantiles by linear interpolation between order statistics, of ascending values. */
export function quantilesOf(ascending: Float64Array, levels: readonly number[]): number[] {
  if (ascending.length === 0) return levels.map(() => 0);
  return levels.map((level) => {
    const at = level * (ascending.length - 1);
    const below = ascending[Math.floor(at)] ?? 0;
    return below + (at - Math.floor(at)) * ((ascending[Math.ceil(at)] ?? 0) - below);
  });
}

function residuals(values: Float64Array, from: number, to: number, lag: number): Float64Array {
  const found = new Float64Array(Math.max(0, to - from + 1));
  let count = 0;
  for (let index = Math.max(from, lag); index <= to; index++) {
    const residual = (values[index] ?? Number.NaN) - (values[index - lag] ?? Number.NaN);
    if (!Number.isNaN(residual)) found[count++] = residual;
  }
  return found.subarray(0, count).sort();
}

/** The last value, with what was added to it so many steps later. */
export const persistence: Naive = (series, origin, aheads, levels) => {
  const { values, step } = series;
  const L = levels.length;
  const from = origin + 1 - Math.floor(WINDOW / step);
  let last = origin;
  while (last > 0 && Number.isNaN(values[last])) last--;
  const middle = values[last] ?? 0;
  const stated = new Float64Array(aheads * L);
  let before = 0;
  for (let ahead = 1; ahead <= aheads; ahead++) {
    if (ahead > EACH && ahead % EVERY !== 0 && ahead !== aheads) continue;
    const offsets = quantilesOf(residuals(values, from, origin, ahead + origin - last), levels);
    offsets.forEach((offset, l) => (stated[(ahead - 1) * L + l] = Math.max(0, middle + offset)));
    for (let between = before + 1; before > 0 && between < ahead; between++) {
      const share = (between - before) / (ahead - before);
      for (let l = 0; l < L; l++) {
        const near = stated[(before - 1) * L + l] ?? 0;
        stated[(between - 1) * L + l] = near + share * ((stated[(ahead - 1) * L + l] ?? 0) - near);
      }
    }
    before = ahead;
  }
  return stated;
};

/** The same time of the last day that is known, with what was added to it a day later. */
export const seasonalNaive: Naive = (series, origin, aheads, levels) => {
  const { values, step } = series;
  const L = levels.length;
  const season = Math.round(DAY / step);
  const offsets = quantilesOf(residuals(values, origin + 1 - Math.floor(WINDOW / step), origin, season), levels);
  const stated = new Float64Array(aheads * L);
  for (let ahead = 1; ahead <= aheads; ahead++) {
    let from = origin + ahead - season * Math.ceil(ahead / season);
    while (from >= 0 && Number.isNaN(values[from])) from -= season;
    let middle = values[from] ?? Number.NaN;
    for (let back = origin; Number.isNaN(middle) && back >= 0; back--) middle = values[back] ?? Number.NaN;
    offsets.forEach((offset, l) => (stated[(ahead - 1) * L + l] = Math.max(0, (middle || 0) + offset)));
  }
  return stated;
};
