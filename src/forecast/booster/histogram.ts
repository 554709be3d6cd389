/*
 * Histograms of a leaf. Gradients of quantile losses are whole numbers (on how many of the levels a row lies at or under
 * its quantile), so that count and sum of a bin fit one float64: count + UNIT · sum. One addition a row and column, exact,
 * and so the same whatever the order; a sibling's histogram is the parent's less the other's, exactly.
 */

/** Bins of a column: codes are bytes. */
export const STRIDE = 256;
/** Weight of the sum in a packed number: counts stay below it. */
export const UNIT = 2 ** 23;
/** Most rows of a fit. */
export const MOST_ROWS = UNIT - 1;
/** Largest whole gradient: keeps the packed sum below 2^53. */
export const MOST_GRADIENT = 127;

/**
 * Adds rows of a leaf to a histogram.
 * @param codes [column][row].
 * @param chosen columns to fill.
 * @param leafRows rows by number, from `begin` to `end`.
 * @param packed 1 + UNIT · gradient, in the order of `leafRows`, from index 0.
 */
export function fillHistogram(
  histogram: Float64Array,
  codes: Uint8Array,
  rows: number,
  chosen: readonly number[],
  leafRows: Int32Array,
  begin: number,
  end: number,
  packed: Float64Array,
): void {
  for (const column of chosen) histogram.fill(0, column * STRIDE, (column + 1) * STRIDE);
  // Two columns at a time share the reads of row and gradient.
  let k = 0;
  for (; k + 1 < chosen.length; k += 2) {
    fillTwo(histogram, codes, rows, chosen[k] ?? 0, chosen[k + 1] ?? 0, leafRows, begin, end, packed);
  }
  if (k < chosen.length) fillOne(histogram, codes, rows, chosen[k] ?? 0, leafRows, begin, end, packed);
}

function fillOne(
  histogram: Float64Array,
  codes: Uint8Array,
  rows: number,
  column: number,
  leafRows: Int32Array,
  begin: number,
  end: number,
  packed: Float64Array,
): void {
  const from = column * rows;
  const base = column * STRIDE;
  for (let at = begin; at < end; at++) {
    const cell = base + (codes[from + (leafRows[at] ?? 0)] ?? 0);
    histogram[cell] = (histogram[cell] ?? 0) + (packed[at - begin] ?? 0);
  }
}

function fillTwo(
  histogram: Float64Array,
  codes: Uint8Array,
  rows: number,
  first: number,
  second: number,
  leafRows: Int32Array,
  begin: number,
  end: number,
  packed: Float64Array,
): void {
  const firstFrom = first * rows;
  const firstBase = first * STRIDE;
  const secondFrom = second * rows;
  const secondBase = second * STRIDE;
  for (let at = begin; at < end; at++) {
    const row = leafRows[at] ?? 0;
    const add = packed[at - begin] ?? 0;
    const cell = firstBase + (codes[firstFrom + row] ?? 0);
    histogram[cell] = (histogram[cell] ?? 0) + add;
    const other = secondBase + (codes[secondFrom + row] ?? 0);
    histogram[other] = (histogram[other] ?? 0) + add;
  }
}

/** Where to part a leaf. `gain` is −∞ where nothing is worth it. */
export interface Split {
  column: number;
  /** Codes up to this go left. */
  bin: number;
  missingLeft: boolean;
  gain: number;
  leftCount: number;
}

export interface SplitRules {
  minLeaf: number;
  l2: number;
  minGain: number;
}

/**
 * The best split of a leaf: the largest fall of the sum of G² / (n + l2) over its two sides (second-order boosting with
 * a hessian of 1, as for any quantile loss), missing values tried on either side.
 * @param binsOf value bins of each column.
 * @param total packed count and sum of the leaf.
 * @param centre what a row's whole gradient is measured from.
 */
export function bestSplit(
  histogram: Float64Array,
  chosen: readonly number[],
  binsOf: Int32Array,
  total: number,
  centre: number,
  rules: SplitRules,
): Split {
  const { minLeaf, l2, minGain } = rules;
  const sum = Math.floor(total / UNIT);
  const count = total - sum * UNIT;
  const gradient = sum - centre * count;
  const before = (gradient * gradient) / (count + l2);
  const best: Split = { column: -1, bin: 0, missingLeft: false, gain: Number.NEGATIVE_INFINITY, leftCount: 0 };
  let most = before + minGain;
  for (const column of chosen) {
    const base = column * STRIDE;
    const bins = binsOf[column] ?? 0;
    const missing = histogram[base + STRIDE - 1] ?? 0;
    const missingSum = Math.floor(missing / UNIT);
    const missingCount = missing - missingSum * UNIT;
    for (let side = 0; side < (missingCount > 0 ? 2 : 1); side++) {
      let leftCount = side === 1 ? missingCount : 0;
      let leftSum = side === 1 ? missingSum : 0;
      // With missing values on the right, all values on the left are a split too.
      const last = side === 0 && missingCount > 0 ? bins : bins - 1;
      for (let bin = 0; bin < last; bin++) {
        const packed = histogram[base + bin] ?? 0;
        if (packed === 0) continue;
        const binSum = Math.floor(packed / UNIT);
        leftSum += binSum;
        leftCount += packed - binSum * UNIT;
        if (leftCount < minLeaf) continue;
        const rightCount = count - leftCount;
        if (rightCount < minLeaf) break;
        const left = leftSum - centre * leftCount;
        const right = gradient - left;
        const after = (left * left) / (leftCount + l2) + (right * right) / (rightCount + l2);
        if (after > most) {
          most = after;
          best.column = column;
          best.bin = bin;
          best.missingLeft = side === 1;
          best.leftCount = leftCount;
        }
      }
    }
    // Where a split meets no missing value, one that comes later goes with the larger side.
    if (best.column === column && missingCount === 0) best.missingLeft = best.leftCount * 2 >= count;
  }
  if (best.column >= 0) best.gain = most - before;
  return best;
}
