import { normalCdf, probit } from '../../domain/normal.js';
import { ROWS, type Dependence } from './dependence.js';
import { unitDraw } from './draws.js';

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
  const own = series.map((one) => one?.origins() ?? []);
  const learnt = [...new Set(own.flat())].sort((a, b) => a - b).slice(-ROWS);
  const rows = Math.max(FEWEST, learnt.length);
  const shares = series.map((dependence, s) => {
    const all = new Float32Array(rows * steps);
    const row = new Float32Array(dependence?.steps ?? 0);
    const origins = own[s] ?? [];
    for (let r = 0; r < rows; r++) {
      const origin = learnt[r];
      // A series without this row (it was down, or is younger) lends another of its own: its own ties hold, those to
      // the others are lost in this row.
      const substitute = origins[Math.floor(unitDraw(seed, r, s) * origins.length)];
      const found =
        dependence !== null &&
        origin !== undefined &&
        (dependence.row(origin, row) || (substitute !== undefined && dependence.row(substitute, row)));
      if (found) all.set(row.subarray(0, steps), r * steps);
      else guess(all, r, s, steps, seed);
    }
    return all;
  });
  const keys = new Uint32Array(rows);
  const ranked = new Uint16Array(rows);
  return {
    rows,
    ranked(s, t) {
      const all = shares[s];
      for (let r = 0; r < rows; r++) {
        keys[r] = Math.round((all?.[r * steps + t] ?? 0.5) * 65_535) * 65_536 + r;
      }
      keys.sort();
      for (let r = 0; r < rows; r++) ranked[r] = (keys[r] ?? 0) & 0xffff;
      return ranked;
    },
  };
}

/** A row that nobody has seen: departures that fade slowly, half of them common to all series. */
function guess(out: Float32Array, row: number, series: number, steps: number, seed: number): void {
  const noise = (of: number, t: number): number => probit(unitDraw(seed + of, row, t));
  const fresh = Math.sqrt(1 - CARRIED ** 2);
  let common = noise(1, 0);
  let alone = noise(1000 + series, 0);
  for (let t = 0; t < steps; t++) {
    if (t > 0) {
      common = CARRIED * common + fresh * noise(1, t);
      alone = CARRIED * alone + fresh * noise(1000 + series, t);
    }
    out[row * steps + t] = normalCdf(Math.sqrt(COMMON) * common + Math.sqrt(1 - COMMON) * alone);
  }
}
