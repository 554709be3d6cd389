import { HeadroomError } from '../domain/errors.js';
import type { QuantileForecast } from '../domain/forecast.js';
import { binLabel, sliceSeries, type Series } from '../domain/series.js';
import { isoTime, type EpochSeconds } from '../domain/time.js';
import type { FitForecaster, FittedForecaster } from './port.js';

const DAY = 86_400;
/** A fit sees no more than this of what lies before its origin, or so many bins where the step is long. */
const HISTORY = 28 * DAY;
const HISTORY_BINS = 4032;
/** Models that only a fit can renew are renewed so often; in between, bins are observed one by one. */
const REFIT_EVERY = 7 * DAY;

/**
 * `n` evenly spaced bin indices from ⌊0.7·bins⌋ to bins − 1 − horizon, both inclusive; fewer where there are not that
 * many bins between, none where there are none.
 */
export function rollingOrigins(bins: number, horizon: number, n: number): number[] {
  const first = Math.floor(0.7 * bins);
  const last = bins - 1 - horizon;
  if (last < first || first < 0) return [];
  if (n === 1) return [first];
  const origins = new Set<number>();
  for (let k = 0; k < n; k++) origins.add(Math.round(first + ((last - first) * k) / (n - 1)));
  return [...origins];
}

/**
 * Index of the last bin known at a time: a bin is known at its label + step.
 * @throws HeadroomError `invalid-input` where none is.
 */
export function originAt(series: Series, at: EpochSeconds | undefined): number {
  const last = series.values.length - 1;
  if (at === undefined) return last;
  const index = Math.min(last, Math.floor((at - series.start) / series.step) - 1);
  if (index >= 0) return index;
  throw new HeadroomError({
    kind: 'invalid-input',
    component: 'forecast',
    action: `forecasting at ${isoTime(at)}`,
    problem: `the first bin, ${isoTime(series.start)}, is not known before ${isoTime(series.start + series.step)}`,
    remedy: 'give a later time',
  });
}

/**
 * Forecasts from several origins in one pass: a fit on what is known at the first origin, then bin by bin, with a new
 * fit every week of the series. Nothing after an origin reaches its forecast.
 * @param origins indices of bins, ascending.
 * @throws HeadroomError as {@link FitForecaster}.
 */
export function forecastAtOrigins(
  series: Series,
  origins: readonly number[],
  options: {
    fit: FitForecaster;
    horizon: number;
    levels: readonly number[];
    timeZone: string;
    leadSteps?: number;
    /** Passed on to the fit. */
    models?: readonly string[];
    scenarios?: { steps: number };
    /** Sees the forecaster as it stands at each origin. */
    onOrigin?: (fitted: FittedForecaster) => void;
  },
): QuantileForecast[] {
  const { horizon, levels, timeZone } = options;
  const history = Math.max(HISTORY_BINS, Math.floor(HISTORY / series.step));
  const refitEvery = Math.max(1, Math.floor(REFIT_EVERY / series.step));
  const level = levels.at(-1) ?? 0.99;
  const leadSteps = Math.min(options.leadSteps ?? 3, horizon);
  let fitted: FittedForecaster | null = null;
  let fittedAt = 0;
  let index = 0;
  return origins.map((origin) => {
    for (; fitted !== null && index <= origin && index - fittedAt < refitEvery; index++) {
      fitted.observe(binLabel(series, index), series.values[index] ?? Number.NaN, series.censored[index] === 1);
    }
    if (fitted === null || index <= origin) {
      // Further than a week from the last fit: the bins between are history to the new one.
      fitted = options.fit(sliceSeries(series, origin + 1 - history, origin + 1), {
        timeZone,
        levels,
        level,
        leadSteps,
        horizon,
        ...(options.models === undefined ? {} : { models: options.models }),
        ...(options.scenarios === undefined ? {} : { scenarios: options.scenarios }),
      });
      fittedAt = origin + 1;
      index = origin + 1;
    }
    options.onOrigin?.(fitted);
    return fitted.forecast(horizon, levels);
  });
}
