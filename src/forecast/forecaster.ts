import { HeadroomError } from '../domain/errors.js';
import type { QuantileForecast } from '../domain/forecast.js';
import { binLabel, lastKnownIndex, sliceSeries } from '../domain/series.js';
import { isoTime, type EpochSeconds } from '../domain/time.js';
import { calendarOf } from './calendar.js';
import { bridgeCensored } from './censored.js';
import { createDriftDetector } from './drift.js';
import { followTasks } from './found-tasks.js';
import { createEnsemble, type Ensemble, type Scored } from './ensemble.js';
import { createGate } from './gate.js';
import type { GlobalModel } from './global.js';
import { COARSE_MODELS, modelsNamed } from './models/registry.js';
import type { FitForecaster, FitOptions } from './port.js';
import { createSameTime } from './same-time.js';
import { SCALES } from './scales.js';
import { createDependence, strideOf } from './scenarios/dependence.js';

const DAY = 86_400;
/** Less history than this shows no daily cycle: forecasts are a wide guess. */
const COLD_SPAN = 2 * DAY;
const COLD_BINS = 24;
/**
 * A throttled bin's demand was above its usage, if only by so much, relatively: where usage stands at the very quantile
 * that capacity was set to, that bin is a miss and not a tie.
 */
const ABOVE = 1e-6;
/** Global models are asked over the last week of a fit, or so many bins: enough to weigh them and to learn their errors. */
const GLOBAL_SPAN = 7 * DAY;
const GLOBAL_BINS = 1000;
/** And over so many coarse bins. */
const GLOBAL_COARSE = 500;
/** Origins that they are asked for at once. */
const BATCH = 128;
/** Beyond this a value is no demand but a mistake; it also keeps float32 from overflowing. */
const LARGEST = 1e30;

const refuse = (action: string, problem: string, remedy: string): HeadroomError =>
  new HeadroomError({ kind: 'invalid-input', component: 'forecast', action, problem, remedy });

function checkValue(action: string, label: EpochSeconds, value: number): void {
  if (Number.isNaN(value) || (value >= 0 && value <= LARGEST)) return;
  const problem = `the bin at ${isoTime(label)} is ${value}`;
  throw refuse(action, problem, value < 0 ? 'demand is never below zero: mend or drop it' : 'mend or drop it');
}

function checkOptions(action: string, options: FitOptions): void {
  const { levels, level, horizon, leadSteps } = options;
  const isLevel = (p: number): boolean => p > 0 && p < 1;
  if (!isLevel(level)) throw refuse(action, `level ${level} is not between 0 and 1`, 'give one as 0.99');
  if (!levels.every((p, k) => isLevel(p) && (k === 0 || p > (levels[k - 1] ?? 0)))) {
    throw refuse(action, `levels ${levels.join(', ')} are not ascending in (0, 1)`, 'give them as 0.1, 0.5, 0.99');
  }
  const isCount = (n: number): boolean => Number.isInteger(n) && n >= 1;
  if (!isCount(horizon)) throw refuse(action, `a horizon of ${horizon} steps is none`, 'give a whole number ≥ 1');
  if (!isCount(leadSteps)) throw refuse(action, `a lead of ${leadSteps} steps is none`, 'give a whole number ≥ 1');
}

/** A coarser resolution kept alongside: takes a bin when the last fine bin of it is in. */
interface Coarse {
  step: number;
  ensemble: Ensemble;
  sum: number;
  /** With lower bounds as what they are estimated to stand for. */
  estimated: number;
  known: number;
  censored: boolean;
}

/** What is known of the same time of other days stands beside trained models, where nobody has named who shall stand. */
const besideTrained = (trained: readonly GlobalModel[], names?: readonly string[]): readonly GlobalModel[] =>
  trained.length === 0 || names !== undefined ? trained : [...trained, createSameTime()];

/** See {@link FitForecaster}. */
export const fitForecaster: FitForecaster = (series, options) => {
  const action = `fitting on ${series.values.length} bins of ${series.step}s`;
  checkOptions(action, options);
  if (!(series.step > 0)) throw refuse(action, `a step of ${series.step}s is none`, 'give one above 0');
  if (lastKnownIndex(series) === -1) throw refuse(action, 'no bin has a value', 'check that the series is collected');
  series.values.forEach((value, index) => checkValue(action, binLabel(series, index), value));
  const { step } = series;
  const calendar = calendarOf(options.timeZone);
  const levels = [...new Set([...options.levels, options.level])].sort((a, b) => a - b);
  const asked = Math.max(0, series.values.length - Math.max(GLOBAL_BINS, Math.ceil(GLOBAL_SPAN / step)));
  const asksTasks = (options.globals ?? []).some((one) => one.asksTasks === true);
  const tasks = asksTasks ? followTasks(series, calendar, binLabel(series, asked)) : null;
  const inputs = tasks === null ? options.inputs : () => tasks.told(options.inputs?.());
  const horizon = Math.max(options.horizon, options.leadSteps);
  const fine = createEnsemble(series.start, {
    step,
    horizon,
    levels,
    calendar,
    models: modelsNamed(options.models),
    scales: SCALES,
    globals: besideTrained(options.globals ?? [], options.models),
    ...(inputs === undefined ? {} : { inputs }),
    exactly: [options.leadSteps],
  });
  const levelAt = fine.levels.indexOf(options.level);
  const gate = createGate(options.level);
  const drift = createDriftDetector(step);
  const medianAt = fine.levels.indexOf(0.5);
  const coarse = [...new Set((options.coarse ?? []).map((one) => one.step))].map((coarseStep): Coarse => {
    const ratio = coarseStep / step;
    if (!Number.isInteger(ratio) || ratio < 2) {
      throw refuse(action, `a coarse step of ${coarseStep}s is no multiple of ${step}s`, 'give a whole multiple');
    }
    const longest = Math.max(...(options.coarse ?? []).map((one) => (one.step === coarseStep ? one.horizon : 0)));
    return {
      step: coarseStep,
      ensemble: createEnsemble(Math.floor(series.start / coarseStep) * coarseStep, {
        step: coarseStep,
        horizon: Math.max(1, Math.ceil(longest / coarseStep)),
        levels,
        calendar,
        models: COARSE_MODELS,
        scales: ['steady', 'hourly'],
        globals: (options.globals ?? []).filter(({ steps }) => steps?.includes(coarseStep) === true),
        ...(inputs === undefined ? {} : { inputs }),
        exactly: [],
      }),
      sum: 0,
      estimated: 0,
      known: 0,
      censored: false,
    };
  });
  const dependence =
    options.scenarios === undefined
      ? undefined
      : createDependence({
          step,
          steps: Math.min(options.scenarios.steps, horizon),
          stride: strideOf(step),
          seed: options.seed ?? 0,
        });
  let first = Number.NaN;

  const take = (label: EpochSeconds, seen: number, censored: boolean, estimate?: number): number => {
    const value = censored ? seen * (1 + ABOVE) : seen;
    if (!Number.isNaN(value) && Number.isNaN(first)) first = label;
    const onScored = (scored: Scored): void => {
      if (scored.ahead !== options.leadSteps) return;
      if (scored.settled && !censored) drift.observe(label, Math.abs(value - (scored.stated[medianAt] ?? 0)), value);
      const missed = value > (scored.stated[levelAt] ?? 0);
      // A bound at or under the stated quantile proves neither a hit nor a miss.
      if (!censored || missed) gate.score(missed);
    };
    const gone = fine.observe(label, value, censored, onScored, estimate);
    dependence?.observe(label, value, censored);
    if (dependence?.due(label) === true && !Number.isNaN(value)) {
      dependence.remember(fine.forecast(dependence.steps, fine.levels));
    }
    for (const one of coarse) {
      if (!Number.isNaN(value)) {
        one.sum += value;
        one.estimated += estimate === undefined || Number.isNaN(estimate) ? value : estimate;
        one.known++;
        one.censored ||= censored;
      }
      if ((label + step) % one.step !== 0) continue;
      const mean = (sum: number): number => (one.known > 0 ? sum / one.known : Number.NaN);
      const more = one.estimated > one.sum ? mean(one.estimated) : undefined;
      one.ensemble.observe(label + step - one.step, mean(one.sum), one.censored, undefined, more);
      one.sum = 0;
      one.estimated = 0;
      one.known = 0;
      one.censored = false;
    }
    return gone;
  };
  // What needs a whole window is fitted on the first half and then rolls through the second like everything else, so
  // that weights, residuals and calibration come from bins that it had not seen; the last fit is the one that serves.
  const half = Math.floor(series.values.length / 2);
  // A window knows what came after a bin at its limit, which the bin by itself does not.
  const estimates = series.censored.includes(1) ? bridgeCensored(series.values, series.censored) : null;
  // Bounds as they are estimated. Of spikes and shifts of level the fit knows by itself.
  const window = { ...series, values: new Float64Array(series.values.length) };
  series.values.forEach((value, index) => {
    if (index === half) fine.fit(sliceSeries(window, 0, half));
    if (index >= asked && (index - asked) % BATCH === 0) fine.prepare(series.values.subarray(index, index + BATCH));
    for (const one of coarse) {
      // Of what comes they are told nothing ahead, but from here on they are asked.
      const wakes = series.values.length - (GLOBAL_COARSE * one.step) / step;
      if (index === Math.max(0, wakes)) one.ensemble.prepare(new Float64Array(0));
    }
    const isBound = series.censored[index] === 1;
    window.values[index] = take(binLabel(series, index), value, isBound, estimates?.[index]);
  });
  fine.fit(window);

  return {
    get lastBin() {
      return fine.lastBin;
    },
    get data() {
      const span = Number.isNaN(first) ? 0 : fine.lastBin + step - first;
      return span < COLD_SPAN || fine.known < COLD_BINS ? 'cold' : 'fresh';
    },
    observe(label, value, censored) {
      const observing = `observing the bin at ${isoTime(label)}`;
      if (label !== fine.lastBin + step) {
        throw refuse(observing, `the next bin is ${isoTime(fine.lastBin + step)}`, 'give every bin once, in order');
      }
      checkValue(observing, label, value);
      tasks?.observe(label, value);
      take(label, value, censored);
    },
    forecast(wanted, asked) {
      if (!(Number.isInteger(wanted) && wanted >= 1 && wanted <= horizon)) {
        throw refuse('forecasting', `a horizon of ${wanted} steps is not in 1 … ${horizon}`, 'fit with a longer one');
      }
      return fine.forecast(wanted, asked);
    },
    ways: (wanted, asked) => fine.ways(Math.min(wanted, horizon), asked),
    forecastAll(asked) {
      const resolutions: QuantileForecast[] = [fine.forecast(options.horizon, asked)];
      for (const { step: coarseStep, horizon: seconds } of options.coarse ?? []) {
        const one = coarse.find((candidate) => candidate.step === coarseStep);
        if (one === undefined || one.ensemble.known === 0) continue;
        resolutions.push(one.ensemble.forecast(Math.max(1, Math.ceil(seconds / coarseStep)), asked));
      }
      return resolutions;
    },
    gate: () => gate.state(),
    drift: () => drift.state(),
    ...(dependence === undefined ? {} : { dependence }),
  };
};
