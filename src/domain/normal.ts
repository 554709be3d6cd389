// Acklam's coefficients, the highest power first.
const A = [
  -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716, 2.506628277459239,
] as const;
const B = [
  -54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1,
] as const;
const C = [
  -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
] as const;
const D = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1] as const;

function horner(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (const k of coefficients) sum = sum * x + k;
  return sum;
}

/**
 * The standard normal quantile (P. J. Acklam's rational approximation, relative error < 1.2e-9).
 * @param level in (0, 1).
 */
export function probit(level: number): number {
  if (level < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(level));
    return horner(C, q) / horner(D, q);
  }
  if (level > 1 - 0.02425) return -probit(1 - level);
  const q = level - 0.5;
  const r = q * q;
  return (horner(A, r) * q) / horner(B, r);
}

/**
 * The standard normal distribution function (G. West, "Better approximations to cumulative normal functions", 2005,
 * after Hart; double precision, relative error < 1e-14 in the middle).
 */
export function normalCdf(z: number): number {
  const size = Math.abs(z);
  if (size > 37) return z > 0 ? 1 : 0;
  const density = Math.exp((-size * size) / 2);
  let tail: number;
  if (size < 7.07106781186547) {
    let above = 3.52624965998911e-2 * size + 0.700383064443688;
    for (const k of [6.37396220353165, 33.912866078383, 112.079291497871, 221.213596169931, 220.206867912376]) {
      above = above * size + k;
    }
    let below = 8.83883476483184e-2 * size + 1.75566716318264;
    for (const k of [
      16.064177579207, 86.7807322029461, 296.564248779674, 637.333633378831, 793.826512519948, 440.413735824752,
    ]) {
      below = below * size + k;
    }
    tail = (density * above) / below;
  } else {
    const fraction = size + 1 / (size + 2 / (size + 3 / (size + 4 / (size + 0.65))));
    tail = density / fraction / 2.506628274631;
  }
  return z > 0 ? 1 - tail : tail;
}
