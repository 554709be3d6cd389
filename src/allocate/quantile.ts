import { probit } from '../domain/normal.js';

/**
 * The value at a level between (or beyond) the stated ones: linear in the normal score, since tails are nearer to
 * that than to a straight line in probability. Below the lowest level it is the lowest value; above the highest the
 * last slope goes on, and never falls.
 * @param levels ascending, each in (0, 1).
 * @param values one a level, non-decreasing.
 */
export function atLevel(levels: readonly number[], values: readonly number[], level: number): number {
  const last = levels.length - 1;
  const first = values[0] ?? Number.NaN;
  if (last < 1 || level <= (levels[0] ?? 0)) return first;
  let right = 1;
  while (right < last && (levels[right] ?? 1) < level) right++;
  const zLeft = probit(levels[right - 1] ?? 0.5);
  const zRight = probit(levels[right] ?? 0.5);
  const left = values[right - 1] ?? first;
  const slope = Math.max(0, ((values[right] ?? left) - left) / (zRight - zLeft));
  return left + slope * (probit(level) - zLeft);
}
