/**
 * Makes quantiles non-decreasing in the level, outward from the median: an upper level is never below a lower one, and
 * the median stays what it is.
 */
export function straighten(from: Float64Array | Float32Array, to: Float64Array, median: number): void {
  to[median] = from[median] ?? 0;
  for (let l = median + 1; l < to.length; l++) to[l] = Math.max(from[l] ?? 0, to[l - 1] ?? 0);
  for (let l = median - 1; l >= 0; l--) to[l] = Math.min(from[l] ?? 0, to[l + 1] ?? 0);
}

/** Reads between learnt levels, linear in the logit, where the tails of most series are close to straight. */
export function readLevel(levels: readonly number[], values: Float64Array, level: number): number {
  const exact = levels.indexOf(level);
  if (exact >= 0) return values[exact] ?? 0;
  const logit = (p: number): number => Math.log(p / (1 - p));
  let upper = levels.findIndex((known) => known > level);
  if (upper === -1) upper = levels.length - 1;
  if (upper === 0) upper = 1;
  const x0 = logit(levels[upper - 1] ?? 0.5);
  const x1 = logit(levels[upper] ?? 0.5);
  const y0 = values[upper - 1] ?? 0;
  const y1 = values[upper] ?? 0;
  return Math.max(0, y0 + ((logit(level) - x0) / (x1 - x0)) * (y1 - y0));
}
