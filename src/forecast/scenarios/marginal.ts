import { normalCdf, probit } from '../../domain/normal.js';

/*
 * One bin's distribution, read from its stated quantiles: piecewise linear in the normal score between the levels, since
 * tails are nearer to that than to a straight line in probability. Beyond the last level the steeper of the last two
 * slopes goes on: nothing is known there, and a tail that ended at the last level would hide the very days that capacity
 * is kept for. Below the first level the same, down to zero.
 */

/** Stated values this close to each other, relatively, are one value that has a probability of its own. */
const TIE = 1e-6;

/** The normal scores of the levels; once a set of levels. */
export const scoresOf = (levels: readonly number[]): Float64Array =>
  Float64Array.from(levels, (level) => probit(level));

/**
 * Reads distributions with the same levels at the same many normal scores.
 * @param scores of the stated levels, ascending, at least two.
 * @param at ascending normal scores.
 * @returns a function of the values stated at the levels (non-decreasing), which writes as many, non-decreasing, ≥ 0.
 */
export function createReader(
  scores: Float64Array,
  at: Float64Array,
): (values: ArrayLike<number>, out: Float64Array) => void {
  const last = scores.length - 1;
  /** Where the part between levels k − 1 and k begins in `at`. */
  const begins = new Int32Array(last + 3);
  for (let k = 0, place = 0; k <= last; k++) {
    while (place < at.length && (at[place] ?? 0) <= (scores[k] ?? 0)) place++;
    begins[k + 1] = place;
  }
  begins[last + 2] = at.length;
  return (values, out) => {
    const slopes = tails(scores, values);
    for (let part = 0; part <= last + 1; part++) {
      const anchor = Math.max(0, part - 1);
      const score = scores[anchor] ?? 0;
      const value = values[anchor] ?? 0;
      let slope = slopes.lower;
      if (part > last) slope = slopes.upper;
      else if (part > 0) slope = ((values[part] ?? 0) - value) / ((scores[part] ?? 0) - score);
      const to = begins[part + 1] ?? 0;
      for (let k = begins[part] ?? 0; k < to; k++) {
        const read = value + slope * ((at[k] ?? 0) - score);
        out[k] = read > 0 ? read : 0;
      }
    }
  };
}

/**
 * The probability integral transform of what came: where in its stated distribution it lies, in (0, 1).
 * @param draw in (0, 1): decides within a value that has a probability of its own (an idle series' zero, a constant),
 *   so that what was stated rightly comes out uniform there too (Czado, Gneiting and Held, Biometrics 2009).
 */
export function transform(scores: Float64Array, values: ArrayLike<number>, value: number, draw: number): number {
  const last = scores.length - 1;
  const close = TIE * Math.abs(value);
  let below = -1;
  let above = last + 1;
  for (let k = 0; k <= last; k++) {
    const stated = values[k] ?? 0;
    if (stated < value - close) below = k;
    else if (stated > value + close) {
      above = k;
      break;
    }
  }
  const slopes = tails(scores, values);
  const reach = (edge: number, slope: number): number => (slope > 0 ? Math.abs(value - edge) / slope : 9);
  if (above - below === 1) {
    if (below === -1) {
      const score = (scores[0] ?? 0) - reach(values[0] ?? 0, slopes.lower);
      // The distribution ends at zero: all that lies below is there.
      return value <= 0 ? draw * normalCdf(score) : clampShare(normalCdf(score));
    }
    if (above > last) return clampShare(normalCdf((scores[last] ?? 0) + reach(values[last] ?? 0, slopes.upper)));
    const share = (value - (values[below] ?? 0)) / ((values[above] ?? 0) - (values[below] ?? 0));
    const z0 = scores[below] ?? 0;
    return clampShare(normalCdf(z0 + share * ((scores[above] ?? 0) - z0)));
  }
  // A value that several levels share has their whole probability; one level alone is a point on the way.
  const shared = above - below > 2;
  const from = below === -1 && (shared || value <= 0) ? 0 : normalCdf(scores[below + 1] ?? 0);
  const to = above > last && shared ? 1 : normalCdf(scores[above - 1] ?? 0);
  return clampShare(from + draw * (to - from));
}

const clampShare = (share: number): number => Math.min(1 - 1e-7, Math.max(1e-7, share));

/** Slopes per normal score beyond the first and the last level. */
function tails(scores: Float64Array, values: ArrayLike<number>): { lower: number; upper: number } {
  const last = scores.length - 1;
  const slope = (k: number): number =>
    k < 1 || k > last ? 0 : ((values[k] ?? 0) - (values[k - 1] ?? 0)) / ((scores[k] ?? 0) - (scores[k - 1] ?? 0));
  return { lower: Math.max(slope(1), slope(2)), upper: Math.max(slope(last), slope(last - 1)) };
}
