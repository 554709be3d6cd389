/**
 * Solves (A + ridge·I) x = b by Cholesky's decomposition; the ridge keeps it solvable where data excite few directions.
 * @param moments lower triangle of A, row by row; symmetric, positive semi-definite.
 * @param out receives x.
 */
export function solveRidge(moments: Float64Array, products: Float64Array, ridge: number, out: Float64Array): void {
  const n = products.length;
  const factor = new Float64Array(moments.length);
  const at = (i: number, j: number): number => (i * (i + 1)) / 2 + j;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = (moments[at(i, j)] ?? 0) + (i === j ? ridge : 0);
      for (let k = 0; k < j; k++) sum -= (factor[at(i, k)] ?? 0) * (factor[at(j, k)] ?? 0);
      factor[at(i, j)] = i === j ? Math.sqrt(Math.max(sum, ridge * 1e-6)) : sum / (factor[at(j, j)] ?? 1);
    }
  }
  for (let i = 0; i < n; i++) {
    let sum = products[i] ?? 0;
    for (let k = 0; k < i; k++) sum -= (factor[at(i, k)] ?? 0) * (out[k] ?? 0);
    out[i] = sum / (factor[at(i, i)] ?? 1);
  }
  for (let i = n - 1; i >= 0; i--) {
    let sum = out[i] ?? 0;
    for (let k = i + 1; k < n; k++) sum -= (factor[at(k, i)] ?? 0) * (out[k] ?? 0);
    out[i] = sum / (factor[at(i, i)] ?? 1);
  }
}
