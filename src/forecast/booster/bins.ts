/*
 * Features as small codes: each column is cut into at most 254 bins of about equal count, so that a split is found in a
 * histogram and not in a sort (as LightGBM does: Ke et al., NIPS 2017). A missing value has a code of its own.
 */

/** Rows of features, column by column: column c stands at c · rows. NaN is missing. */
export interface Matrix {
  rows: number;
  columns: number;
  values: Float32Array;
}

/** Code of a missing value. */
export const MISSING = 255;
/** Most bins of a column, beside the one of missing values. */
export const MOST_VALUE_BINS = 254;
/** Rows that the cuts are chosen from; more would not move them. */
const SAMPLE = 100_000;

export interface Binning {
  /** Of each column the upper ends of its bins but the last, ascending: code k holds values in (end k−1, end k]. */
  ends: readonly Float32Array[];
}

/** Cuts columns into bins; a column of one value has a single bin and is never split on but by being missing. */
export function createBinning(matrix: Matrix, most = MOST_VALUE_BINS): Binning {
  const { rows, columns, values } = matrix;
  const stride = Math.max(1, Math.floor(rows / SAMPLE));
  const sample = new Float32Array(Math.ceil(rows / stride));
  const ends: Float32Array[] = [];
  for (let column = 0; column < columns; column++) {
    let count = 0;
    for (let row = 0; row < rows; row += stride) {
      const value = values[column * rows + row] ?? Number.NaN;
      if (!Number.isNaN(value)) sample[count++] = value;
    }
    ends.push(cut(sample.subarray(0, count).sort(), Math.min(most, MOST_VALUE_BINS)));
  }
  return { ends };
}

/** @param sorted ascending. @returns upper ends of all bins but the last. */
function cut(sorted: Float32Array, most: number): Float32Array {
  const distinct: number[] = [];
  const counts: number[] = [];
  for (const value of sorted) {
    const last = distinct.length - 1;
    if (last >= 0 && value === distinct[last]) counts[last] = (counts[last] ?? 0) + 1;
    else {
      distinct.push(value);
      counts.push(1);
    }
  }
  const ends: number[] = [];
  // A value of many rows (an idle series' zero) fills a bin alone; what it leaves is shared by the others.
  let rowsLeft = sorted.length;
  let binsLeft = most;
  let filled = 0;
  for (let k = 0; k + 1 < distinct.length && ends.length + 1 < most; k++) {
    filled += counts[k] ?? 0;
    const share = rowsLeft / binsLeft;
    const fewValues = distinct.length <= most;
    if (fewValues || filled >= share || (counts[k + 1] ?? 0) >= share) {
      const end = middle(distinct[k] ?? 0, distinct[k + 1] ?? 0);
      ends.push(end);
      rowsLeft -= filled;
      binsLeft--;
      filled = 0;
    }
  }
  return Float32Array.from(ends);
}

/** Half-way in float32, but never up to the upper value: it would fall into the lower bin. */
function middle(low: number, high: number): number {
  const half = Math.fround(low + (high - low) / 2);
  return half < high ? half : low;
}

/** The bin of a value; {@link MISSING} for NaN. */
export function codeOf(ends: Float32Array, value: number): number {
  if (Number.isNaN(value)) return MISSING;
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const half = (low + high) >> 1;
    if (value <= (ends[half] ?? 0)) high = half;
    else low = half + 1;
  }
  return low;
}

/** Codes of a whole matrix, column by column. */
export function encode(binning: Binning, matrix: Matrix): Uint8Array {
  const { rows, columns, values } = matrix;
  const codes = new Uint8Array(rows * columns);
  for (let column = 0; column < columns; column++) {
    const ends = binning.ends[column] ?? new Float32Array(0);
    for (let at = column * rows; at < (column + 1) * rows; at++) codes[at] = codeOf(ends, values[at] ?? Number.NaN);
  }
  return codes;
}
