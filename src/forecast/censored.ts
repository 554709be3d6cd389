/*
 * What demand was while usage stood at its limit. Nobody saw it, but how steeply it rose before and fell after tells how high
 * it went between: a smooth bridge from one side to the other, each with its own slope. It is an estimate for models to go on
 * with; as a target of learning such a bin stays the lower bound that it is.
 */

/** Runs so near each other are one, in which noise let some values slip under the limit. */
const GAP_BINS = 3;
const GAP_SHARE = 0.1;
/** Bins on each side that a slope is read from, as a share of the run, and their limits. */
const SIDE_SHARE = 0.5;
const LEAST_SIDE = 6;
const MOST_SIDE = 144;
/** A bridge rises by no more than so many times what the limit stands above the lowest value on its sides. */
const HIGHEST = 1.5;

interface Run {
  /** First and last bin. */
  from: number;
  to: number;
}

function runsOf(censored: Uint8Array): Run[] {
  const runs: Run[] = [];
  for (let index = 0; index < censored.length; index++) {
    if (censored[index] !== 1) continue;
    const last = runs.at(-1);
    const gap = last === undefined ? Number.POSITIVE_INFINITY : index - last.to - 1;
    if (last !== undefined && gap <= Math.max(GAP_BINS, GAP_SHARE * (last.to - last.from + 1))) last.to = index;
    else runs.push({ from: index, to: index });
  }
  return runs;
}

/** Value and slope of a series beside a run. */
interface Edge {
  value: number;
  /** A bin, towards later ones. */
  slope: number;
  lowest: number;
}

/**
 * A parabola through the known bins beside a run, read at its edge: a line would be as steep as the middle of them.
 * @param at the run's first or last bin; @param way −1 for the bins before it, 1 for those after.
 * @returns null where fewer than {@link LEAST_SIDE} of them are known.
 */
function edgeOf(values: Float64Array, censored: Uint8Array, at: number, way: -1 | 1, side: number): Edge | null {
  // Moments of x = 0 … −1 across the side, for well conditioned equations; x runs away from the run.
  let n = 0;
  let lowest = Number.POSITIVE_INFINITY;
  const power = [0, 0, 0, 0, 0];
  const product = [0, 0, 0];
  for (let k = 1; k <= side; k++) {
    const value = values[at + way * k] ?? Number.NaN;
    if (Number.isNaN(value) || censored[at + way * k] === 1) continue;
    const x = k / side;
    n++;
    lowest = Math.min(lowest, value);
    for (let p = 0, xp = 1; p < 5; p++, xp *= x) {
      power[p] = (power[p] ?? 0) + xp;
      if (p < 3) product[p] = (product[p] ?? 0) + xp * value;
    }
  }
  if (n < LEAST_SIDE) return null;
  const [s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0] = power;
  const [t0 = 0, t1 = 0, t2 = 0] = product;
  const determinant = s0 * (s2 * s4 - s3 * s3) - s1 * (s1 * s4 - s2 * s3) + s2 * (s1 * s3 - s2 * s2);
  if (!(Math.abs(determinant) > 1e-12)) return null;
  const value = (t0 * (s2 * s4 - s3 * s3) - s1 * (t1 * s4 - t2 * s3) + s2 * (t1 * s3 - t2 * s2)) / determinant;
  const slope = (s0 * (t1 * s4 - t2 * s3) - t0 * (s1 * s4 - s2 * s3) + s2 * (s1 * t2 - s2 * t1)) / determinant;
  return { value, slope: (way * slope) / side, lowest };
}

/**
 * Estimates of what stood at its limit, by bin; NaN where a bin is no lower bound, or nothing tells.
 * @param values NaN is a missing bin; those that are `censored` are the least that demand was.
 */
export function bridgeCensored(values: Float64Array, censored: Uint8Array): Float64Array {
  const estimates = new Float64Array(values.length).fill(Number.NaN);
  for (const { from, to } of runsOf(censored)) {
    const length = to - from + 1;
    const side = Math.max(LEAST_SIDE, Math.min(MOST_SIDE, Math.ceil(SIDE_SHARE * length)));
    const before = edgeOf(values, censored, from, -1, side);
    const after = edgeOf(values, censored, to, 1, side);
    if (before === null || after === null) continue;
    const rise = Math.max(0, before.slope);
    const fall = Math.min(0, after.slope);
    const lowest = Math.min(before.lowest, after.lowest);
    for (let index = from; index <= to; index++) {
      const bound = values[index] ?? Number.NaN;
      if (censored[index] !== 1 || Number.isNaN(bound)) continue;
      // Cubic Hermite interpolation.
      const u = (index - from + 0.5) / length;
      const bridge =
        (1 + 2 * u) * (1 - u) ** 2 * before.value +
        u * (1 - u) ** 2 * length * rise +
        u * u * (3 - 2 * u) * after.value +
        u * u * (u - 1) * length * fall;
      estimates[index] = Math.max(bound, Math.min(bridge, bound + HIGHEST * Math.max(0, bound - lowest)));
    }
  }
  return estimates;
}
