import { normalCdf } from '../../domain/normal.js';

/*
 * The shape of a distribution between its stated levels. Quantiles are calibrated at the levels; what lies between two of
 * them was drawn with a ruler, and for a series of rare spikes the ruler's mean is far too high: sums over hours then
 * come out too large. Where past bins in fact fell, between the levels, is remembered in one histogram over normal
 * scores, and the levels themselves stay where they are.
 */

/** Cells over −LIMIT … LIMIT. */
const CELLS = 360;
const LIMIT = 4.5;
/** Bins that the ruler counts for. */
const PRIOR = 50;
/** Bins until a bin counts half. */
const HALF_LIFE = 6000;
const LARGE = 1e6;

export interface Shape {
  /** Takes the normal score at which a bin fell in its stated distribution. */
  observe(score: number): void;
  /**
   * Moves normal scores to where the past says they lie, each within its two neighbouring levels.
   * @param levels normal scores of the stated levels, ascending.
   * @param at ascending normal scores.
   * @param shares the probabilities below them.
   * @param out receives as many, ascending.
   */
  bend(levels: Float64Array, at: Float64Array, shares: Float64Array, out: Float64Array): void;
}

export function createShape(): Shape {
  const mass = new Float64Array(CELLS);
  for (let k = 0; k < CELLS; k++) mass[k] = PRIOR * (normalCdf(edge(k + 1)) - normalCdf(edge(k)));
  const growth = 2 ** (1 / HALF_LIFE);
  let unit = 1;
  return {
    observe(score) {
      const cell = Math.min(CELLS - 1, Math.max(0, Math.floor(((score + LIMIT) / (2 * LIMIT)) * CELLS)));
      mass[cell] = (mass[cell] ?? 0) + unit;
      unit *= growth;
      if (unit < LARGE) return;
      for (let k = 0; k < CELLS; k++) mass[k] = (mass[k] ?? 0) / unit;
      unit = 1;
    },
    bend(levels, at, shares, out) {
      const total = new Float64Array(CELLS + 1);
      for (let k = 0; k < CELLS; k++) total[k + 1] = (total[k] ?? 0) + (mass[k] ?? 0);
      const cumulated = (score: number): number => {
        const place = Math.min(CELLS, Math.max(0, ((score + LIMIT) / (2 * LIMIT)) * CELLS));
        const cell = Math.min(CELLS - 1, Math.floor(place));
        return (total[cell] ?? 0) + (place - cell) * (mass[cell] ?? 0);
      };
      let interval = 0;
      let cell = 0;
      let last = -1;
      let from = 0;
      let share = 0;
      let start = 0;
      for (let k = 0; k < at.length; k++) {
        const score = at[k] ?? 0;
        while (interval < levels.length && (levels[interval] ?? 0) <= score) interval++;
        if (interval !== last) {
          const low = levels[interval - 1] ?? Number.NEGATIVE_INFINITY;
          const high = levels[interval] ?? Number.POSITIVE_INFINITY;
          start = cumulated(low);
          from = normalCdf(low);
          share = (cumulated(high) - start) / (normalCdf(high) - from);
          last = interval;
          cell = 0;
        }
        const wanted = start + share * ((shares[k] ?? 0) - from);
        while (cell < CELLS - 1 && (total[cell + 1] ?? 0) < wanted) cell++;
        const inCell = mass[cell] ?? 0;
        const part = inCell > 0 ? Math.min(1, Math.max(0, (wanted - (total[cell] ?? 0)) / inCell)) : 0.5;
        out[k] = edge(cell) + part * (edge(cell + 1) - edge(cell));
      }
    },
  };
}

const edge = (cell: number): number => -LIMIT + (2 * LIMIT * cell) / CELLS;
