import { foundBy, looksAt } from '../../behavior/tasks/known.js';
import { isHeadroomError } from '../../domain/errors.js';
import { binLabel, sliceSeries, type Series } from '../../domain/series.js';
import type { EpochSeconds } from '../../domain/time.js';
import { calendarOf } from '../calendar.js';
import { FEATURE_CONTEXT } from '../features.js';
import type { GlobalModel } from '../global.js';
import type { FitForecaster } from '../port.js';
import {
  loadGlobalBooster,
  trainGlobalBooster,
  type GlobalBoosterOptions,
  type GlobalMethod,
} from './global-booster.js';

/*
 * Trees that learn from one series alone, by name: for a file at the command line there are no other series to train on.
 * They are trained within each fit, on what the fit sees, so that nothing after its origin reaches them.
 */

const DAY = 86_400;

/** Names by which trees of a series' own are asked for. */
export const OWN_MODELS = ['booster', 'random-forest'] as const;
export type OwnModel = (typeof OWN_MODELS)[number];

export const isOwnModel = (name: string): name is OwnModel => OWN_MODELS.some((one) => one === name);

const METHODS: Record<OwnModel, GlobalMethod> = { booster: 'boosting', 'random-forest': 'forest' };

/** Of one series: fewer rows, smaller leaves. */
const SETTINGS: GlobalBoosterOptions = {
  rows: 20_000,
  trees: { rounds: 200, minLeaf: 100, patience: 30 },
};

/** The last part of a fit's window, which tells how good the trees are: they must not have learnt from it. */
const JUDGED_SPAN = 7 * DAY;
const JUDGED_BINS = 1000;

/** A model that is another one later. */
interface Stand extends GlobalModel {
  become(model: GlobalModel, from: EpochSeconds): void;
}

function standFor(name: OwnModel, first: GlobalModel, from: EpochSeconds, asksTasks: boolean): Stand {
  let current = first;
  let since = from;
  return {
    name,
    levels: first.levels,
    context: FEATURE_CONTEXT,
    asksTasks,
    become(model, later) {
      current = model;
      since = later;
    },
    predict(requests, aheads) {
      // What it had learnt from it would answer too well, and be trusted too much.
      const asked = requests.filter(({ origin }) => origin >= since);
      const answers = current.predict(asked, aheads);
      if (asked.length === requests.length) return answers;
      const size = aheads.length * first.levels.length;
      const out = new Float32Array(requests.length * size).fill(Number.NaN);
      let next = 0;
      requests.forEach(({ origin }, index) => {
        if (origin < since) return;
        out.set(answers.subarray(next * size, (next + 1) * size), index * size);
        next++;
      });
      return out;
    },
  };
}

/**
 * A fit whose ensemble has trees of the series' own beside its other models. They are trained twice: on the first part of
 * the window, to be weighed and calibrated on the rest, which they have not seen; then on all of it, to forecast.
 * @param say told where a window is too short to train on; the forecast is then made without.
 */
export function fitWithOwn(
  fit: FitForecaster,
  names: readonly OwnModel[],
  say?: (note: string) => void,
): FitForecaster {
  if (names.length === 0) return fit;
  return (series, options) => {
    const count = series.values.length;
    const judged = Math.max(JUDGED_BINS, Math.ceil(JUDGED_SPAN / series.step));
    const cut = Math.max(count - judged, Math.floor(count / 2));
    // Once for all trees of the series; of each part they see what that part had shown.
    const found = foundBy(series, calendarOf(options.timeZone), looksAt(series));
    const asksTasks = found.some(({ tasks }) => tasks.length > 0);
    const train = (name: OwnModel, part: Series): GlobalModel | null => {
      try {
        const one = {
          start: part.start,
          step: part.step,
          values: part.values,
          censored: part.censored,
          timeZone: options.timeZone,
          inputs: { scheduled: { found } },
        };
        return loadGlobalBooster(
          trainGlobalBooster([one], { ...SETTINGS, method: METHODS[name], seed: options.seed ?? 1 }),
        );
      } catch (error) {
        if (!isHeadroomError(error) || error.kind !== 'invalid-input') throw error;
        say?.(`${name} is left out: ${count} bins are too few to train it on and to judge it by`);
        return null;
      }
    };
    const stands = names.flatMap((name): { name: OwnModel; stand: Stand }[] => {
      const model = train(name, sliceSeries(series, 0, cut));
      // From the last bin that it was trained on, the next one is new to it.
      return model === null ? [] : [{ name, stand: standFor(name, model, binLabel(series, cut - 1), asksTasks) }];
    });
    const globals = [...(options.globals ?? []), ...stands.map(({ stand }) => stand)];
    const fitted = fit(series, { ...options, ...(globals.length === 0 ? {} : { globals }) });
    for (const { name, stand } of stands) {
      const model = train(name, series);
      if (model !== null) stand.become(model, binLabel(series, count - 1));
    }
    return fitted;
  };
}
