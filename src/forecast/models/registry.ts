import type { ModelEntry } from './model.js';
import { mstl } from './mstl.js';
import { persistence } from './persistence.js';
import { recentMean } from './recent-mean.js';
import { regression } from './regression.js';
import { seasonalNaiveDay, seasonalNaiveWeek } from './seasonal-naive.js';

/** The ensemble's models at a series' own step, in the order in which `weights` shows them. */
export const MODELS: readonly ModelEntry[] = [
  // The last value: hard to beat a few steps ahead.
  persistence,
  // The same local time a day and a week ago: carries what recurs exactly.
  seasonalNaiveDay,
  seasonalNaiveWeek,
  // Several seasons decomposed at once over the fit's window: the smoothest view of what recurs.
  mstl,
  // The mean of the last day: for series whose next value owes nothing to the last one.
  recentMean,
  // The local day and week as learnt, corrected by how the series departs from it now.
  regression,
];

/** The models of the coarser resolutions: cheap ones only, since they run beside the fine ones. */
export const COARSE_MODELS: readonly ModelEntry[] = [persistence, seasonalNaiveDay, seasonalNaiveWeek, regression];
