import { solveRidge } from '../ridge.js';

/*
 * ARMA coefficients by two regressions (Hannan and Rissanen, Biometrika 1982): a long autoregression gives the shocks,
 * and the series is then regressed on its own lags and theirs. A fit in milliseconds, where the likelihood takes seconds
 * for hardly better forecasts; missing values cost the rows that they stand in, and nothing else.
 */

export interface Arma {
  /** Mean of the series. */
  mean: number;
  /** Of lags 1 … p of the departure from the mean. */
  ar: Float64Array;
  /** Of lags 1 … q of the shocks. */
  ma: Float64Array;
}

/** Lags of the long autoregression. */
const LONG = 16;
/** Orders tried, the first where nothing is better by the Bayesian criterion. */
const ORDERS = [
  [1, 0],
  [2, 0],
  [3, 0],
  [1, 1],
  [2, 1],
  [3, 2],
] as const;
/** Beyond so many spreads a departure is cut: one spike must not set the coefficients. */
const WILD = 6;
const RIDGE = 1e-6;

/**
 * @param series NaN where missing.
 * @returns null where fewer than some hundred rows are whole, or nothing varies.
 */
export function fitArma(series: Float64Array): Arma | null {
  const known = series.filter((value) => !Number.isNaN(value));
  if (known.length < 8 * LONG) return null;
  const middle = known.slice().sort()[known.length >> 1] ?? 0;
  const spread = known.reduce((sum, value) => sum + Math.abs(value - middle), 0) / known.length;
  if (!(spread > 1e-12 * Math.abs(middle))) return null;
  const cut = (value: number): number => Math.max(-WILD, Math.min(WILD, (value - middle) / spread));
  const mean = known.reduce((sum, value) => sum + cut(value), 0) / known.length;
  const x = series.map((value) => cut(value) - mean);
  const long = regress(x, [{ of: x, lags: LONG }]);
  if (long === null) return null;
  const shocks = residuals(x, [{ of: x, lags: LONG }], long.weights);
  let best: { criterion: number; p: number; weights: Float64Array } | null = null;
  for (const [p, q] of ORDERS) {
    const found = regress(x, [
      { of: x, lags: p },
      { of: shocks, lags: q },
    ]);
    if (found === null) continue;
    const criterion = found.rows * Math.log(Math.max(found.variance, 1e-12)) + (p + q) * Math.log(found.rows);
    if (best === null || criterion < best.criterion) best = { criterion, p, weights: found.weights };
  }
  if (best === null) return null;
  const ar = best.weights.slice(0, best.p);
  const ma = best.weights.slice(best.p);
  settle(ar, 1);
  settle(ma, -1);
  return { mean: middle + mean * spread, ar, ma };
}

interface Lagged {
  of: Float64Array;
  lags: number;
}

/** Least squares of `y` on lags; null with too few whole rows. */
function regress(
  y: Float64Array,
  on: readonly Lagged[],
): { weights: Float64Array; variance: number; rows: number } | null {
  const n = on.reduce((sum, { lags }) => sum + lags, 0);
  const moments = new Float64Array((n * (n + 1)) / 2);
  const products = new Float64Array(n);
  const row = new Float64Array(n);
  let rows = 0;
  let squares = 0;
  for (let t = 0; t < y.length; t++) {
    const value = y[t] ?? Number.NaN;
    if (Number.isNaN(value) || !fill(row, on, t)) continue;
    rows++;
    squares += value * value;
    for (let i = 0, at = 0; i < n; i++) {
      const own = row[i] ?? 0;
      products[i] = (products[i] ?? 0) + own * value;
      for (let j = 0; j <= i; j++, at++) moments[at] = (moments[at] ?? 0) + own * (row[j] ?? 0);
    }
  }
  if (rows < 4 * LONG) return null;
  const weights = new Float64Array(n);
  solveRidge(moments, products, RIDGE * rows, weights);
  const explained = weights.reduce((sum, weight, i) => sum + weight * (products[i] ?? 0), 0);
  return { weights, variance: Math.max(0, squares - explained) / rows, rows };
}

function residuals(y: Float64Array, on: readonly Lagged[], weights: Float64Array): Float64Array {
  const row = new Float64Array(weights.length);
  return y.map((value, t) =>
    fill(row, on, t) ? value - row.reduce((sum, one, i) => sum + one * (weights[i] ?? 0), 0) : Number.NaN,
  );
}

/** Writes the lags of bin t; false where one of them is missing. */
function fill(row: Float64Array, on: readonly Lagged[], t: number): boolean {
  let at = 0;
  for (const { of, lags } of on) {
    for (let lag = 1; lag <= lags; lag++) {
      const value = of[t - lag] ?? Number.NaN;
      if (Number.isNaN(value)) return false;
      row[at++] = value;
    }
  }
  return true;
}

/** Draws coefficients in until what they carry on fades: regressions may end outside of what is stationary. */
function settle(coefficients: Float64Array, sign: 1 | -1): void {
  const n = coefficients.length;
  if (n === 0) return;
  for (let tries = 0; tries < 200; tries++) {
    const past = new Float64Array(n);
    past[0] = 1;
    let largest = 0;
    for (let t = 0; t < 400; t++) {
      let next = 0;
      for (let i = 0; i < n; i++) next += sign * (coefficients[i] ?? 0) * (past[i] ?? 0);
      past.copyWithin(1, 0, n - 1);
      past[0] = next;
      if (t >= 300) largest = Math.max(largest, Math.abs(next));
    }
    if (largest < 0.5) return;
    for (let i = 0; i < n; i++) coefficients[i] = (coefficients[i] ?? 0) * 0.99 ** (i + 1);
  }
}
