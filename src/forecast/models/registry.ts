import { HeadroomError } from '../../domain/errors.js';
import { arima } from './arima.js';
import { hourOfWeek } from './hour-of-week.js';
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

/** Models that are there by name alone: they cost more than they bring on the traces (docs/forecast.md has the figures). */
const SELECTABLE: readonly ModelEntry[] = [
  // Lags and shocks of the series, of its steps or of its change since yesterday.
  arima,
  // The local hour of the week, by Bayes.
  hourOfWeek,
];

/** Models whose library is loaded on demand. */
const LOADED: Record<string, () => Promise<ModelEntry>> = {
  // A bending trend with Fourier seasons, by Stan.
  prophet: async () => (await import('./prophet.js')).prophet,
};
const loaded = new Map<string, ModelEntry>();

/** Every name that {@link modelsNamed} knows. */
export const modelNames = (): string[] => [
  ...[...MODELS, ...SELECTABLE].map(({ name }) => name),
  ...Object.keys(LOADED),
];

/** Loads what the models with these names need; once a thread. Names that need nothing are passed over. */
export async function loadModels(names: readonly string[] = []): Promise<void> {
  for (const name of names) {
    const load = LOADED[name];
    if (load !== undefined && !loaded.has(name)) loaded.set(name, await load());
  }
}

/**
 * The models of a series' own step: the default ones, or those named and persistence, in the registry's order.
 * @throws HeadroomError `invalid-input` on a name that does not exist, or whose library was not loaded.
 */
export function modelsNamed(names?: readonly string[]): readonly ModelEntry[] {
  if (names === undefined) return MODELS;
  const known = [...MODELS, ...SELECTABLE, ...loaded.values()];
  for (const name of names) {
    if (known.some((entry) => entry.name === name)) continue;
    const isLoadable = name in LOADED;
    throw new HeadroomError({
      kind: 'invalid-input',
      component: 'forecast/models',
      action: `choosing the model "${name}"`,
      problem: isLoadable ? 'its library was not loaded' : 'there is no such model',
      remedy: isLoadable ? 'call loadModels first' : `there are: ${modelNames().join(', ')}`,
    });
  }
  // Some models say nothing before their first fit, or of a short series: without one that always does, what was stated
  // meanwhile would be nothing at all, and calibrated against.
  return known.filter((entry) => entry === persistence || names.includes(entry.name));
}
