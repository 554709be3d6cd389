/**
 * Makes quantiles non-decreasing in the level. Where some of the middle levels have crossed, all of them become their
 * mean (pool adjacent violators; Barlow, Bartholomew, Bremner and Brunk 1972): to raise the upper one to the lower one
 * alone would leave it too high on average. Beyond them a level only moves outward, and is never less cautious than it was.
 * @param middle the lowest and the highest of the middle levels, as indices.
 */
export function straighten(
  from: Float64Array | Float32Array,
  to: Float64Array,
  [low, high]: readonly [low: number, high: number],
): void {
  for (let l = 0; l < to.length; l++) to[l] = from[l] ?? 0;
  for (let l = low + 1; l <= high; l++) {
    if ((to[l] ?? 0) >= (to[l - 1] ?? 0)) continue;
    let begin = l;
    let sum = to[l] ?? 0;
    let mean = sum;
    while (begin > low && (to[begin - 1] ?? 0) > mean) {
      begin--;
      sum += to[begin] ?? 0;
      mean = sum / (l - begin + 1);
    }
    to.fill(mean, begin, l + 1);
  }
  for (let l = high + 1; l < to.length; l++) to[l] = Math.max(to[l] ?? 0, to[l - 1] ?? 0);
  for (let l = low - 1; l >= 0; l--) to[l] = Math.min(to[l] ?? 0, to[l + 1] ?? 0);
}

export const logit = (p: number): number => Math.log(p / (1 - p));

/** Reads between learnt levels, linear in the logit, where the tails of most series are close to straight. */
export function readLevel(levels: readonly number[], values: Float64Array, level: number): number {
  const exact = levels.indexOf(level);
  if (exact >= 0) return values[exact] ?? 0;
  let upper = levels.findIndex((known) => known > level);
  if (upper === -1) upper = levels.length - 1;
  if (upper === 0) upper = 1;
  const x0 = logit(levels[upper - 1] ?? 0.5);
  const x1 = logit(levels[upper] ?? 0.5);
  const y0 = values[upper - 1] ?? 0;
  const y1 = values[upper] ?? 0;
  return Math.max(0, y0 + ((logit(level) - x0) / (x1 - x0)) * (y1 - y0));
}
