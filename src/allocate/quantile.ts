/**
 * The standard normal quantile (P. J. Acklam's rational approximation, relative error < 1.2e-9).
 * @param level in (0, 1).
 */
export function probit(level: number): number {
  const a = [
    -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716, 2.506628277459239,
  ];
  const b = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572];
  const c = [
    -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
    2.938163982698783,
  ];
  const d = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416];
  const horner = (coefficients: readonly number[], x: number): number =>
    coefficients.reduce((sum, k) => sum * x + k, 0);
  if (level < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(level));
    return horner(c, q) / horner([...d, 1], q);
  }
  if (level > 1 - 0.02425) return -probit(1 - level);
  const q = level - 0.5;
  const r = q * q;
  return (horner(a, r) * q) / horner([...b, 1], r);
}

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
