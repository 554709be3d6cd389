import { normalCdf, probit } from '../../domain/normal.js';
import { FULL, ROWS, type Dependence } from './dependence.js';
import { unitDraw } from './draws.js';
import { createRankSort } from './rank-sort.js';

/*
 * The rows of several series laid beside each other by origin, and ranked: what ties bins, components and workloads
 * together in the paths.
 */

/** Below so many learnt rows, guessed ones stand beside them: a handful of rows would be a handful of futures. */
const FEWEST = 64;
/** The guess: a departure keeps so much of itself from bin to bin … */
const CARRIED = 0.93;
/** … and so much of it is common to all series. Too much rather than too little: sums then come out wide. */
const COMMON = 0.5;

export interface Template {
  readonly rows: number;
  /** Rows in ascending order of their share in column (series, step); valid until the next call. */
  ranked(series: number, step: number): Uint16Array;
}

export function createTemplate(
  series: readonly (Dependence | null)[],
  { steps, seed }: { steps: number; seed: number },
): Template {
  const learnt = [...new Set(series.flatMap((one) => one?.origins ?? []))].sort((a, b) => a - b).slice(-ROWS);
  const rows = Math.max(FEWEST, learnt.length);
  // By series and column, so that a column is ready to be sorted.
  const columns = series.map((dependence, s) => {
    const all = new Uint16Array(rows * steps);
    const origins = dependence?.origins ?? [];
    let place = 0;
    for (let r = 0; r < rows; r++) {
      const origin = learnt[r] ?? Number.POSITIVE_INFINITY;
      while (place < origins.length && (origins[place] ?? 0) < origin) place++;
      // A series without this row (it was down, or is younger) lends another of its own: its own ties hold, those to
      // the others are lost in this row.
      const row = origins[place] === origin ? place : Math.floor(unitDraw(seed, r, s) * origins.length);
      if (dependence === null || r >= learnt.length || row >= origins.length) {
        guess(all, rows, r, s, steps, seed);
        continue;
      }
      const begin = dependence.begin(row);
      for (let t = 0; t < steps; t++) all[t * rows + r] = dependence.shares[begin + t] ?? 0;
    }
    return all;
  });
  const sort = createRankSort(rows);
  return {
    rows,
    ranked: (s, t) => sort((columns[s] ?? new Uint16Array(rows * steps)).subarray(t * rows, (t + 1) * rows)),
  };
}

/** A row that nobody has seen: departures that fade slowly, half of them common to all series. */
function guess(out: Uint16Array, rows: number, row: number, series: number, steps: number, seed: number): void {
  const noise = (of: number, t: number): number => probit(unitDraw(seed + of, row, t));
  const fresh = Math.sqrt(1 - CARRIED ** 2);
  let common = noise(1, 0);
  let alone = noise(1000 + series, 0);
  for (let t = 0; t < steps; t++) {
    if (t > 0) {
      common = CARRIED * common + fresh * noise(1, t);
      alone = CARRIED * alone + fresh * noise(1000 + series, t);
    }
    const share = normalCdf(Math.sqrt(COMMON) * common + Math.sqrt(1 - COMMON) * alone);
    out[t * rows + row] = Math.round(share * FULL);
  }
}
