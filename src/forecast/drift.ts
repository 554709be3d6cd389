import type { EpochSeconds } from '../domain/time.js';

/*
 * Drift: forecasts err more than they used to, and not for a moment. A fast mean of the errors is held against a slow
 * one and against how far the fast one usually wanders from it (a control chart on exponentially weighted means: Roberts,
 * Technometrics 1959; on errors of a forecaster as in Gama et al., SBIA 2004). Bursts are bounded, so that one of them is
 * no drift. Errors that are next to nothing beside the series itself are none either: a constant that is forecast to the
 * last digit has errors of rounding, and twice as many of those say nothing. An observation is O(1).
 */

/** Since when, and how many times as large as usual errors are now. */
export interface Drift {
  since: EpochSeconds;
  times: number;
}

export interface DriftDetector {
  /**
   * @param error size of the error of a forecast for the bin at `label`, in the series' unit.
   * @param size of what came, in the same unit: what errors are small or large beside.
   */
  observe(label: EpochSeconds, error: number, size: number): void;
  /** Null where errors are as usual, or where too little is known to say. */
  state(): Drift | null;
}

const DAY = 86_400;
/** One error counts no more than this many usual ones. */
const MOST = 6;
/** Wanderings of the fast mean that are usual. */
const BEGINS = 5;
const ENDS = 2;
/** Errors that are so little above the usual ones are no drift, however steady they were. */
const LEAST_TIMES = 1.5;
/** Errors below this share of the series' usual size matter to no plan, whatever they used to be. */
const FLOOR = 0.005;

export function createDriftDetector(step: number): DriftDetector {
  const perDay = Math.max(1, DAY / step);
  const rateOf = (halfLife: number): number => 1 - 2 ** (-1 / halfLife);
  const fastRate = rateOf(Math.max(12, perDay / 4));
  const slowRate = rateOf(Math.max(60, 7 * perDay));
  const fewest = Math.max(48, 2 * perDay);
  let known = 0;
  let slow = 0;
  let fast = 0;
  let wander = 0;
  let level = 0;
  let since: EpochSeconds | null = null;
  return {
    observe(label, error, size) {
      known++;
      const bounded = slow > 0 ? Math.min(error, MOST * slow) : error;
      const rate = Math.max(slowRate, 1 / known);
      slow += rate * (bounded - slow);
      fast += Math.max(fastRate, 1 / known) * (bounded - fast);
      level += rate * (Math.abs(size) - level);
      const off = fast - slow;
      if (known >= fewest) {
        const bound = (times: number): number => Math.max(times * wander, (LEAST_TIMES - 1) * slow);
        const matters = fast > FLOOR * level;
        if (since === null && matters && off > bound(BEGINS)) since = label;
        if (since !== null && (!matters || off < Math.max(ENDS * wander, 0.5 * (LEAST_TIMES - 1) * slow))) since = null;
      }
      // What is a drift now is not what is usual, until the slow mean has come to it.
      if (since === null) wander += rate * (Math.abs(off) - wander);
    },
    state: () => (since === null ? null : { since, times: slow > 0 ? fast / slow : 1 }),
  };
}
