import { binLabel, sliceSeries, type Series } from '../../domain/series.js';
import type { EpochSeconds } from '../../domain/time.js';
import { fitArma, type Arma } from './hannan-rissanen.js';
import type { Model, ModelContext, ModelEntry } from './model.js';

const DAY = 86_400;
/** A fit looks at no more bins than this: coefficients are settled long before. */
const MOST = 4032;
/** What of the fit's window is kept to judge the differencings by, and how. */
const JUDGED = 0.3;
const JUDGED_EVERY = 3;
/** Bins without data over which the state is carried on; after more it starts anew. */
const CARRIED = 48;

/**
 * ARIMA by Hannan and Rissanen's regressions: of the series itself, of its steps, or of its change since the same time
 * yesterday, whichever would have erred least over the last part of the window (several steps ahead, where they differ).
 * Between fits the state is the last lags and shocks.
 */
export const arima: ModelEntry = {
  name: 'arima',
  create: (context): Model => createArima(context),
};

/** What the ARMA model is of. */
type Differencing = 'none' | 'step' | 'day';

function createArima({ step, calendar, anchors, history }: ModelContext): Model {
  const season = DAY / step;
  const daily = Number.isInteger(season) && season >= 8 && 2 * season <= history.capacity;
  const choices: Differencing[] = daily ? ['none', 'step', 'day'] : ['none', 'step'];
  const horizon = anchors[anchors.length - 1] ?? 1;
  let filter: Filter | null = null;
  let differencing: Differencing = 'none';
  let last = Number.NaN;
  let lastLabel = Number.NaN;
  let most = Number.POSITIVE_INFINITY;

  return {
    name: 'arima',
    fit(window) {
      const series = sliceSeries(window, window.values.length - MOST, window.values.length);
      const found = choose(series, choices, season, Math.min(12, horizon));
      filter = found?.filter ?? null;
      differencing = found?.differencing ?? 'none';
      most = 3 * series.values.reduce((top, value) => (value > top ? value : top), 0);
      lastLabel = Number.NaN;
      for (let index = series.values.length - 1; index >= 0 && Number.isNaN(lastLabel); index--) {
        last = series.values[index] ?? Number.NaN;
        if (!Number.isNaN(last)) lastLabel = binLabel(series, index);
      }
    },
    observe(label, value) {
      if (filter !== null) {
        const gap = Math.round((label - lastLabel) / step);
        let change = value;
        // Over a hole the steps are not known one by one.
        if (differencing === 'step') change = gap === 1 ? value - last : Number.NaN;
        if (differencing === 'day') change = value - history.at(calendar.daysBefore(label, 1));
        if (gap > CARRIED) filter.reset();
        else for (let missing = 1; missing < gap; missing++) filter.take(Number.NaN);
        filter.take(change);
      }
      last = value;
      lastLabel = label;
    },
    predict(target, ahead) {
      if (filter === null || Number.isNaN(lastLabel)) return Number.NaN;
      let base = 0;
      if (differencing === 'step') base = last + filter.sum(ahead);
      else if (differencing === 'day') base = yesterday(target, ahead) + filter.ahead(ahead);
      else base = filter.ahead(ahead);
      return Math.max(0, Math.min(most, base));
    },
  };

  /** The same local time on the last day that is known. */
  function yesterday(target: EpochSeconds, ahead: number): number {
    const origin = target - ahead * step;
    for (let back = 1; back <= 7; back++) {
      const label = calendar.daysBefore(target, back);
      if (label > origin) continue;
      const value = history.at(label);
      if (!Number.isNaN(value)) return value;
    }
    return Number.NaN;
  }
}

/** An ARMA model at a moment of its series. */
interface Filter {
  /** Takes the next value; NaN: the expected one stands in, and there was no shock. */
  take(value: number): void;
  /** Expected value so many steps from now, and the sum up to there. */
  ahead(steps: number): number;
  sum(steps: number): number;
  reset(): void;
}

function createFilter({ mean, ar, ma }: Arma): Filter {
  const lags = new Float64Array(ar.length);
  const shocks = new Float64Array(ma.length);
  /** Expected departures from the mean, as far as they were asked for since the last value. */
  let path: number[] = [];
  let sums: number[] = [];
  const extend = (steps: number): void => {
    for (let k = path.length; k < steps; k++) {
      let next = 0;
      for (let i = 0; i < ar.length; i++) next += (ar[i] ?? 0) * (k > i ? (path[k - i - 1] ?? 0) : (lags[i - k] ?? 0));
      for (let j = k; j < ma.length; j++) next += (ma[j] ?? 0) * (shocks[j - k] ?? 0);
      path.push(next);
      sums.push((sums[k - 1] ?? 0) + mean + next);
    }
  };
  return {
    take(value) {
      extend(1);
      const expected = path[0] ?? 0;
      const departure = Number.isNaN(value) ? expected : value - mean;
      lags.copyWithin(1, 0, lags.length - 1);
      if (lags.length > 0) lags[0] = departure;
      shocks.copyWithin(1, 0, shocks.length - 1);
      if (shocks.length > 0) shocks[0] = departure - expected;
      path = [];
      sums = [];
    },
    ahead(steps) {
      extend(steps);
      return mean + (path[steps - 1] ?? 0);
    },
    sum(steps) {
      extend(steps);
      return sums[steps - 1] ?? 0;
    },
    reset() {
      lags.fill(0);
      shocks.fill(0);
      path = [];
      sums = [];
    },
  };
}

/** The differencing that errs least over the last part, fitted on the whole; its filter stands at the end. */
function choose(
  series: Series,
  choices: readonly Differencing[],
  season: number,
  reach: number,
): { differencing: Differencing; filter: Filter } | null {
  const { values } = series;
  const from = Math.floor((1 - JUDGED) * values.length);
  let best: { differencing: Differencing; error: number } | null = null;
  for (const differencing of choices) {
    const lag = lagOf(differencing, season);
    const changes = difference(values, lag);
    const arma = fitArma(changes.subarray(0, from));
    if (arma === null) continue;
    const filter = createFilter(arma);
    for (const change of changes.subarray(0, from)) filter.take(change);
    let error = 0;
    let judged = 0;
    for (let t = from; t + reach < values.length; t++) {
      filter.take(changes[t] ?? Number.NaN);
      if (t % JUDGED_EVERY !== 0) continue;
      const to = values[t + reach] ?? Number.NaN;
      let expected = filter.ahead(reach);
      if (differencing === 'step') expected = (values[t] ?? Number.NaN) + filter.sum(reach);
      if (differencing === 'day') expected += values[t + reach - lag] ?? Number.NaN;
      const off = Math.abs(expected - to);
      if (Number.isNaN(off)) continue;
      error += off;
      judged++;
    }
    if (judged > 0 && (best === null || error / judged < best.error)) best = { differencing, error: error / judged };
  }
  if (best === null) return null;
  const changes = difference(values, lagOf(best.differencing, season));
  const arma = fitArma(changes);
  if (arma === null) return null;
  const filter = createFilter(arma);
  // Up to the last known bin: what is missing after it, the next observation steps over.
  const end = values.findLastIndex((value) => !Number.isNaN(value)) + 1;
  for (const change of changes.subarray(0, end)) filter.take(change);
  return { differencing: best.differencing, filter };
}

const lagOf = (differencing: Differencing, season: number): number => ({ none: 0, step: 1, day: season })[differencing];

/** Changes over a lag; the values themselves over none. */
const difference = (values: Float64Array, lag: number): Float64Array =>
  lag === 0 ? values : values.map((value, t) => value - (values[t - lag] ?? Number.NaN));
