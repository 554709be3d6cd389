/*
 * What is asked of everybody. Fixed before anything was run, so that no figure chooses its own question.
 */

const HOUR = 3600;

/** Levels that are scored, ascending. */
export const LEVELS: readonly number[] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];
/** Levels whose coverage is told. */
export const COVERED: readonly number[] = [0.5, 0.8, 0.9, 0.95, 0.99];
/** Seconds ahead; a score takes every bin from the first up to it. */
export const HORIZONS: readonly { name: string; seconds: number }[] = [
  { name: '1 h', seconds: HOUR },
  { name: '2 h', seconds: 2 * HOUR },
  { name: '24 h', seconds: 24 * HOUR },
];
export const LONGEST = 24 * HOUR;
/** Finer traces are averaged to this; coarser ones keep their own step. */
export const FINEST_STEP = 300;
/** Origins of each series in its last 30 %. */
export const ORIGINS = 24;
/** Share of a series that models are fitted on, and up to which they are chosen and calibrated. */
export const FITTED = 0.6;
export const CHOSEN = 0.7;
export const SEED = 1;
export const TIME_ZONE = 'UTC';

/** Steps of a horizon on a series' grid: at least one. */
export const stepsOf = (seconds: number, step: number): number => Math.max(1, Math.floor(seconds / step));
