/*
 * Residual distributions with forgetting: a bank of histograms over relative residuals (residual / local scale), on
 * cells whose width grows with the residual, so that one layout serves a calm series and a bursty one. An update is
 * O(1); the memory is bounded; older residuals fade exponentially, by giving newer ones more weight ("forward decay",
 * Cormode et al., ICDE 2009) and renormalising now and then.
 */

/** Cells on each side of zero; the outermost reaches |r| ≈ 1e3. */
const SIDE = 60;
const CELLS = 2 * SIDE + 1;
/** Residuals below this share of the scale are as good as none. */
const FINEST = 0.01;
const GROWTH = Math.log(1.212);
/** Where the weights are renormalised; float32 keeps seven digits. */
const LARGE = 1e6;

const edges = Float64Array.from({ length: SIDE + 1 }, (_, k) => FINEST * Math.exp(GROWTH * k));

/** The cell of a relative residual. */
function cellOf(residual: number): number {
  const size = Math.abs(residual);
  if (!(size > FINEST)) return SIDE;
  const step = Math.min(SIDE, 1 + Math.floor(Math.log(size / FINEST) / GROWTH));
  return residual > 0 ? SIDE + step : SIDE - step;
}

/** Lower and upper edge of a cell. */
function edge(cell: number, upper: boolean): number {
  const offset = cell - SIDE;
  if (offset === 0) return upper ? FINEST : -FINEST;
  const magnitude = Math.abs(offset);
  const outer = offset > 0 === upper;
  const value = edges[outer ? magnitude : magnitude - 1] ?? 0;
  return offset > 0 ? value : -value;
}

/** Histograms of relative residuals, one a row. */
export interface SketchBank {
  /** Adds a residual. A lower bound spreads over what lies above it, as the row stands (Efron's redistribution). */
  add(row: number, residual: number, isLowerBound: boolean): void;
  /** Time passes for every row: what is in it loses weight against what comes. */
  age(): void;
  /** Writes the quantiles of a row at the bank's levels to `out` from `at`. */
  quantiles(row: number, out: Float32Array, at: number): void;
}

/**
 * @param levels ascending, in (0, 1).
 * @param halfLife bins until a residual counts half.
 * @param prior weight, in residuals, of the wide guess that a row starts with: a residual of the size of the scale, in
 *   a heavy-tailed shape (Laplace), which later residuals outweigh and time forgets.
 */
export function createSketchBank(
  rows: number,
  levels: readonly number[],
  options: { halfLife: number; prior: number },
): SketchBank {
  const mass = new Float32Array(rows * CELLS);
  const totals = new Float64Array(rows);
  const growth = 2 ** (1 / options.halfLife);
  let unit = 1;
  const laplace = (r: number): number => (r < 0 ? 0.5 * Math.exp(r) : 1 - 0.5 * Math.exp(-r));
  for (let cell = 0; cell < CELLS; cell++) {
    const share = laplace(edge(cell, true)) - laplace(edge(cell, false));
    for (let row = 0; row < rows; row++) mass[row * CELLS + cell] = options.prior * share;
  }
  totals.fill(options.prior);
  return {
    add(row, residual, isLowerBound) {
      const base = row * CELLS;
      const cell = cellOf(residual);
      totals[row] = (totals[row] ?? 0) + unit;
      if (isLowerBound) {
        let above = 0;
        for (let k = cell; k < CELLS; k++) above += mass[base + k] ?? 0;
        if (above > 0) {
          const factor = 1 + unit / above;
          for (let k = cell; k < CELLS; k++) mass[base + k] = (mass[base + k] ?? 0) * factor;
          return;
        }
      }
      mass[base + cell] = (mass[base + cell] ?? 0) + unit;
    },
    age() {
      unit *= growth;
      if (unit < LARGE) return;
      for (let k = 0; k < mass.length; k++) mass[k] = (mass[k] ?? 0) / unit;
      for (let row = 0; row < rows; row++) {
        let total = 0;
        for (let k = 0; k < CELLS; k++) total += mass[row * CELLS + k] ?? 0;
        totals[row] = total;
      }
      unit = 1;
    },
    quantiles(row, out, at) {
      const base = row * CELLS;
      const total = totals[row] ?? 0;
      let below = 0;
      let cell = -1;
      let inCell = 0;
      for (let k = 0; k < levels.length; k++) {
        const wanted = (levels[k] ?? 0.5) * total;
        while (cell < CELLS - 1 && (cell < 0 || below + inCell < wanted)) {
          below += inCell;
          cell++;
          inCell = mass[base + cell] ?? 0;
        }
        const low = edge(cell, false);
        const share = inCell > 0 ? Math.min(1, Math.max(0, (wanted - below) / inCell)) : 0.5;
        out[at + k] = low + share * (edge(cell, true) - low);
      }
    },
  };
}
