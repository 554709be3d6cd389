import { probit } from '../domain/normal.js';

/*
 * Quantiles of the two distributions that credible intervals come from. Series and continued fractions as in Numerical
 * Recipes (Press et al., 3rd edition, 6.2 and 6.4); quantiles by bisection, which cannot run away.
 */

const LANCZOS = [
  0.999_999_999_999_809_93, 676.520_368_121_885_1, -1259.139_216_722_402_8, 771.323_428_777_653_13,
  -176.615_029_162_140_59, 12.507_343_278_686_905, -0.138_571_095_265_720_12, 9.984_369_578_019_571_6e-6,
  1.505_632_735_149_311_6e-7,
];

/** ln Γ(x), x > 0; Lanczos' approximation. */
export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * x))) - logGamma(1 - x);
  const shifted = x - 1;
  let sum = LANCZOS[0] ?? 1;
  for (let index = 1; index < LANCZOS.length; index++) sum += (LANCZOS[index] ?? 0) / (shifted + index);
  const t = shifted + LANCZOS.length - 1.5;
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(t) - t + Math.log(sum);
}

const TERMS = 500;
const TINY = 1e-300;
const CLOSE = 1e-12;

/** P(X ≤ x) of a Gamma(shape, rate 1). */
export function gammaCdf(shape: number, x: number): number {
  if (!(x > 0)) return 0;
  const front = Math.exp(shape * Math.log(x) - x - logGamma(shape));
  if (x < shape + 1) {
    let term = 1 / shape;
    let sum = term;
    for (let n = 1; n < TERMS + 20 * Math.sqrt(shape); n++) {
      term *= x / (shape + n);
      sum += term;
      if (term < sum * CLOSE) break;
    }
    return Math.min(1, front * sum);
  }
  let b = x + 1 - shape;
  let c = 1 / TINY;
  let d = 1 / b;
  let h = d;
  for (let n = 1; n < TERMS + 20 * Math.sqrt(shape); n++) {
    const a = -n * (n - shape);
    b += 2;
    d = 1 / nonZero(a * d + b);
    c = nonZero(b + a / c);
    h *= d * c;
    if (Math.abs(d * c - 1) < CLOSE) break;
  }
  return Math.max(0, 1 - front * h);
}

const nonZero = (value: number): number => (Math.abs(value) < TINY ? TINY : value);

/**
 * The value below which a Gamma(shape, rate) lies with probability `p`.
 * @param p in (0, 1); shape > 0; rate > 0.
 */
export function gammaQuantile(p: number, shape: number, rate: number): number {
  // Beyond this the normal's cube (Wilson and Hilferty, 1931) is closer than anything a reader could tell apart.
  if (shape > 1e5) {
    const z = probit(p);
    return (shape * (1 - 1 / (9 * shape) + z / (3 * Math.sqrt(shape))) ** 3) / rate;
  }
  let high = shape + 10 * Math.sqrt(shape) + 40;
  // In logarithms: with a small shape the lower quantiles lie near zero, many powers of ten apart.
  let low = -700;
  high = Math.log(high);
  for (let step = 0; step < 80 && high - low > 1e-10; step++) {
    const middle = (low + high) / 2;
    if (gammaCdf(shape, Math.exp(middle)) < p) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2) / rate;
}

/** P(X ≤ x) of a Beta(a, b). */
export function betaCdf(a: number, b: number, x: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(1 - x));
  return x < (a + 1) / (a + b + 2) ? (front * betaFraction(a, b, x)) / a : 1 - (front * betaFraction(b, a, 1 - x)) / b;
}

function betaFraction(a: number, b: number, x: number): number {
  let c = 1;
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1));
  let h = d;
  for (let m = 1; m < TERMS; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / nonZero(1 + even * d);
    c = nonZero(1 + even / c);
    h *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / nonZero(1 + odd * d);
    c = nonZero(1 + odd / c);
    h *= d * c;
    if (Math.abs(d * c - 1) < CLOSE) break;
  }
  return h;
}

/** The value below which a Beta(a, b) lies with probability `p`; 0 or 1 where one of the two has no weight. */
export function betaQuantile(p: number, a: number, b: number): number {
  if (!(a > 0)) return 0;
  if (!(b > 0)) return 1;
  let low = 0;
  let high = 1;
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (betaCdf(a, b, middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
