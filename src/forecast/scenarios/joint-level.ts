import type { Dependence } from './dependence.js';
import { createRankSort } from './rank-sort.js';

/*
 * The level of each bin with which a whole window is covered with a stated probability: from the rows in which past
 * forecasts turned out. Misses come together, so that far less is needed than the nth part of the allowed misses in each
 * bin (Bonferroni), which is safe and dear. The shares are ranked bin by bin first: a level that is off by itself is
 * for the calibration to mend, not for this.
 */

/** Below so many rows nothing can be said, and Bonferroni stands. */
const FEWEST = 64;
/** So many rows have to lie beyond a share that is read off directly; beyond that the tail is taken as straight. */
const BEYOND = 5;

export interface JointLevel {
  /** Of each bin; between the level asked and Bonferroni's. */
  binLevel: number;
  /** Rows that it rests on; 0 where it is Bonferroni's. */
  rows: number;
}

/**
 * @param bins of the window, ≥ 1. A longer one than the rows is taken as several of them one after another, each of which
 *   has to hold by itself.
 * @param level of the window, in (0, 1).
 */
export function jointLevel(dependence: Dependence | undefined, bins: number, level: number): JointLevel {
  const cautious = 1 - (1 - level) / Math.max(1, bins);
  const rows = dependence?.origins.length ?? 0;
  if (dependence === undefined || bins <= 1 || rows < FEWEST) return { binLevel: cautious, rows: 0 };
  const steps = Math.min(bins, dependence.steps);
  const misses = 1 - level ** (steps / bins);
  const highest = rankedMaxima(dependence, rows, steps);
  const readable = Math.max(misses, BEYOND / rows);
  const at = Math.min(rows - 1, Math.max(0, Math.ceil((1 - readable) * rows) - 1));
  const binLevel = 1 - ((1 - (highest[at] ?? 1)) * misses) / readable;
  return { binLevel: Math.min(cautious, Math.max(level, binLevel)), rows };
}

/** By row the highest of its bins' ranks, as shares; ascending. */
function rankedMaxima(dependence: Dependence, rows: number, steps: number): Float64Array {
  const column = new Uint16Array(rows);
  const sort = createRankSort(rows);
  const highest = new Float64Array(rows);
  for (let t = 0; t < steps; t++) {
    for (let r = 0; r < rows; r++) column[r] = dependence.shares[dependence.begin(r) + t] ?? 0;
    sort(column).forEach((r, rank) => {
      highest[r] = Math.max(highest[r] ?? 0, (rank + 0.5) / rows);
    });
  }
  return highest.sort();
}
