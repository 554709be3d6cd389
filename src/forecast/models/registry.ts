import type { ModelEntry } from './model.js';
import { persistence } from './persistence.js';
import { seasonalNaiveDay, seasonalNaiveWeek } from './seasonal-naive.js';

/** The ensemble's models at a series' own step, in the order in which `weights` shows them. */
export const MODELS: readonly ModelEntry[] = [
  // The last value: hard to beat a few steps ahead.
  persistence,
  // The same local time a day and a week ago: carries what recurs exactly.
  seasonalNaiveDay,
  seasonalNaiveWeek,
];

/** The models of the coarser resolutions: cheap ones only, since they run beside the fine ones. */
export const COARSE_MODELS: readonly ModelEntry[] = [persistence, seasonalNaiveDay, seasonalNaiveWeek];
