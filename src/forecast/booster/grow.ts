import { MISSING } from './bins.js';
import { STRIDE, UNIT, bestSplit, fillHistogram, type Split, type SplitRules } from './histogram.js';

/** Codes of a fit's rows, and how many value bins each column has. */
export interface Encoded {
  rows: number;
  columns: number;
  /** [column][row]. */
  codes: Uint8Array;
  binsOf: Int32Array;
}

/** Inner nodes of one tree in the order of their making; a child < 0 is the leaf −1 − child. */
export interface Grown {
  column: number[];
  bin: number[];
  missingLeft: boolean[];
  left: number[];
  right: number[];
  leaves: number;
}

export interface GrowRules extends SplitRules {
  /** Most leaves. */
  leaves: number;
}

/** Grows trees on one encoded matrix, keeping its buffers from tree to tree. */
export interface Grower {
  /**
   * Grows one tree leaf by leaf, the most gainful first.
   * @param count the rows `sample[0 … count)` take part; the order among them is changed: afterwards each leaf's rows
   *   stand together.
   * @param gradients whole numbers by row, 0 … MOST_GRADIENT.
   * @param centre what they are measured from.
   * @param chosen columns that may be split on.
   */
  grow(sample: Int32Array, count: number, gradients: Uint8Array, centre: number, chosen: readonly number[]): Grown;
  /** Where leaf k's rows begin in the sample after the last growth; entry `leaves` … their ends. */
  readonly begins: Int32Array;
  readonly ends: Int32Array;
}

export function createGrower(data: Encoded, rules: GrowRules): Grower {
  const { rows, columns, codes, binsOf } = data;
  const most = Math.max(2, rules.leaves);
  const histograms: Float64Array[] = [];
  const begins = new Int32Array(most);
  const ends = new Int32Array(most);
  const totals = new Float64Array(most);
  const packed = new Float64Array(rows);
  const aside = new Int32Array(rows);
  const splits: Split[] = [];
  // Of each leaf: the node above it, and on which side of it it hangs.
  const parents = new Int32Array(most);
  const isLeft = new Uint8Array(most);

  const histogramOf = (leaf: number): Float64Array => {
    let histogram = histograms[leaf];
    if (histogram === undefined) {
      histogram = new Float64Array(columns * STRIDE);
      histograms[leaf] = histogram;
    }
    return histogram;
  };

  const fill = (leaf: number, sample: Int32Array, gradients: Uint8Array, chosen: readonly number[]): void => {
    const begin = begins[leaf] ?? 0;
    const end = ends[leaf] ?? 0;
    let total = 0;
    for (let at = begin; at < end; at++) {
      const one = 1 + UNIT * (gradients[sample[at] ?? 0] ?? 0);
      packed[at - begin] = one;
      total += one;
    }
    totals[leaf] = total;
    fillHistogram(histogramOf(leaf), codes, rows, chosen, sample, begin, end, packed);
  };

  /** Puts the rows of a leaf that go left first, keeping the order within each side. @returns where the right begins. */
  const part = (sample: Int32Array, leaf: number, split: Split): number => {
    const begin = begins[leaf] ?? 0;
    const end = ends[leaf] ?? 0;
    const from = split.column * rows;
    const { bin, missingLeft } = split;
    let to = begin;
    let right = 0;
    for (let at = begin; at < end; at++) {
      const row = sample[at] ?? 0;
      const code = codes[from + row] ?? 0;
      if (code === MISSING ? missingLeft : code <= bin) sample[to++] = row;
      else aside[right++] = row;
    }
    sample.set(aside.subarray(0, right), to);
    return to;
  };

  const find = (leaf: number, centre: number, chosen: readonly number[]): void => {
    const size = (ends[leaf] ?? 0) - (begins[leaf] ?? 0);
    splits[leaf] =
      size < 2 * rules.minLeaf
        ? { column: -1, bin: 0, missingLeft: false, gain: Number.NEGATIVE_INFINITY, leftCount: 0 }
        : bestSplit(histogramOf(leaf), chosen, binsOf, totals[leaf] ?? 0, centre, rules);
  };

  return {
    begins,
    ends,
    grow(sample, count, gradients, centre, chosen) {
      const tree: Grown = { column: [], bin: [], missingLeft: [], left: [], right: [], leaves: 1 };
      begins[0] = 0;
      ends[0] = count;
      parents[0] = -1;
      fill(0, sample, gradients, chosen);
      find(0, centre, chosen);
      while (tree.leaves < rules.leaves) {
        let leaf = -1;
        let gain = Number.NEGATIVE_INFINITY;
        for (let k = 0; k < tree.leaves; k++) {
          const one = splits[k]?.gain ?? Number.NEGATIVE_INFINITY;
          if (one > gain) {
            gain = one;
            leaf = k;
          }
        }
        const split = splits[leaf];
        if (split === undefined) break;
        const fresh = tree.leaves++;
        const node = tree.column.length;
        const parent = parents[leaf] ?? -1;
        if (parent >= 0) (isLeft[leaf] === 1 ? tree.left : tree.right)[parent] = node;
        tree.column.push(split.column);
        tree.bin.push(split.bin);
        tree.missingLeft.push(split.missingLeft);
        tree.left.push(-1 - leaf);
        tree.right.push(-1 - fresh);
        const middle = part(sample, leaf, split);
        begins[fresh] = middle;
        ends[fresh] = ends[leaf] ?? 0;
        ends[leaf] = middle;
        parents[leaf] = parents[fresh] = node;
        isLeft[leaf] = 1;
        isLeft[fresh] = 0;
        if (tree.leaves === rules.leaves) break;
        // The smaller side is counted, the larger is what it leaves of the parent.
        const [small, large] =
          middle - (begins[leaf] ?? 0) <= (ends[fresh] ?? 0) - middle ? [leaf, fresh] : [fresh, leaf];
        const parentTotal = totals[leaf] ?? 0;
        if (small === leaf) {
          const kept = histogramOf(leaf);
          histograms[leaf] = histogramOf(fresh);
          histograms[fresh] = kept;
        }
        fill(small, sample, gradients, chosen);
        totals[large] = parentTotal - (totals[small] ?? 0);
        subtract(histogramOf(large), histogramOf(small), chosen);
        find(leaf, centre, chosen);
        find(fresh, centre, chosen);
      }
      return tree;
    },
  };
}

function subtract(from: Float64Array, what: Float64Array, chosen: readonly number[]): void {
  for (const column of chosen) {
    for (let at = column * STRIDE; at < (column + 1) * STRIDE; at++) from[at] = (from[at] ?? 0) - (what[at] ?? 0);
  }
}
