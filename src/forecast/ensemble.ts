import type { QuantileForecast } from '../domain/forecast.js';
import type { Series } from '../domain/series.js';
import type { EpochSeconds } from '../domain/time.js';
import { chooseAnchors } from './anchors.js';
import type { Calendar } from './calendar.js';
import { createCombination } from './combine.js';
import { createCalibration } from './conformal.js';
import type { FeatureInputs } from './feature-inputs.js';
import { createGlobalBank } from './global-bank.js';
import type { GlobalModel } from './global.js';
import { createHistory } from './history.js';
import { createLearner, type Scored } from './learn.js';
import { readLevel, straighten } from './levels.js';
import { layOut, type Member } from './members.js';
import type { Model, ModelEntry } from './models/model.js';
import { createScaleBank, type Scale } from './scales.js';
import { createShocks, movedAt, statesBoth, type Shift } from './shocks.js';
import { createSketchBank } from './sketch.js';
import { createStateTracker } from './state.js';
import type { Ways } from './ways.js';
import { createWeightBank } from './weights.js';

export type { Scored };

/*
 * Models of one series, and global ones, as one forecast: who stands in it (members.ts), what they say together
 * (combine.ts), and what is learnt when a bin comes (learn.ts).
 */

const DAY = 86_400;
/** Levels that are always learnt, so that others can be read between them. */
export const BASE_LEVELS = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999] as const;
/** Sketch quantiles move slowly: read anew every so many bins. */
const REFRESH = 4;
/**
 * What a global model's own quantiles count beside all other members together, before anything is known of the series:
 * they have proven themselves on bins of many series that they had not seen (its card), the others on none.
 */
const TRUST = 2;

export interface EnsembleOptions {
  step: number;
  horizon: number;
  levels: readonly number[];
  calendar: Calendar;
  models: readonly ModelEntry[];
  /** Scales that each model stands with. */
  scales: readonly Scale[];
  /** Models trained on many series; they are asked once {@link Ensemble.prepare} was called. */
  globals?: readonly GlobalModel[];
  /** What is known besides the series, for these. */
  inputs?: () => FeatureInputs | undefined;
  /** Horizons that must be learnt exactly, beside those chosen by default. */
  exactly: readonly number[];
}

/** One series at one resolution. */
export interface Ensemble {
  readonly lastBin: EpochSeconds;
  readonly levels: readonly number[];
  /**
   * Takes the next bin; `onScored` sees what had been stated for it.
   * @param estimate of a lower bound, what demand may have been; without it the models go on with their own.
   * @returns the value, or what was estimated of a lower bound: a window for {@link Ensemble.fit} is made of these.
   */
  observe(
    label: EpochSeconds,
    value: number,
    censored: boolean,
    onScored?: (scored: Scored) => void,
    estimate?: number,
  ): number;
  forecast(horizon: number, levels: readonly number[]): QuantileForecast;
  /** The two ways that a suspected shock may go, bin by bin; null where none is suspected. */
  ways(horizon: number, levels: readonly number[]): Ways | null;
  /**
   * Announces the values of the next bins, for the global models to answer for all of them in one batch (nothing else
   * looks at them), and wakes those models up.
   */
  prepare(values: Float64Array): void;
  /** Lets the models that need a whole window learn from one; it ends with the last bin. */
  fit(window: Series): void;
  /** Known bins taken in. */
  readonly known: number;
}

export function createEnsemble(start: EpochSeconds, options: EnsembleOptions): Ensemble {
  const { step, calendar } = options;
  const levels = [...new Set([...BASE_LEVELS, ...options.levels])].sort((a, b) => a - b);
  const anchors = chooseAnchors(options.horizon, options.exactly);
  const binsPerDay = DAY / step;
  const globals = options.globals ?? [];
  const G = globals.length;
  const history = createHistory(
    step,
    Math.max(Math.ceil(Math.min(2016, Math.max(64, 7 * binsPerDay))) + 1, ...globals.map((one) => one.context)),
  );
  const context = { step, calendar, anchors, history };
  const entries = options.models.flatMap((entry): { model: Model; scales: readonly Scale[] }[] => {
    const model = entry.create(context);
    const scales = entry.byState === true ? options.scales : options.scales.filter((scale) => scale !== 'state');
    return model === null ? [] : [{ model, scales }];
  });
  const members = layOut(entries, globals, levels, anchors);
  const { models, low, high, middle: middleLevel } = members;
  const Q = members.all.length;
  const scales = createScaleBank({ models: models.length, anchors, binsPerDay, calendar });
  const halfLife = Math.max(200, Math.min(10 * binsPerDay, 3000));
  const sketches = createSketchBank(members.rows, levels, { halfLife, prior: 20 });
  const finished = members.all.map(({ states: one }) => one === 0);
  const trained = globals.filter(({ trust }) => trust === undefined).length;
  const priorOf = ({ model }: Member): number =>
    (Q - G) * (globals[model - models.length]?.trust ?? TRUST / Math.max(1, trained));
  const cellAheads = anchors.flatMap((ahead) => levels.map(() => ahead));
  const weights = createWeightBank(cellAheads, Q, {
    halfLife: Math.max(100, Math.min(4 * binsPerDay, 1200)),
    finished,
    prior: members.all.map((one) => (one.states === 0 ? priorOf(one) : 1)),
  });
  const calibration = createCalibration(anchors, levels);
  const bank = createGlobalBank({
    ...{ globals, levels, anchors, step, calendar, history },
    ...(options.inputs === undefined ? {} : { inputs: options.inputs }),
  });
  const states = createStateTracker(binsPerDay);
  const shocks = createShocks(step);
  const parts = { scales, sketches, weights, calibration, states, binsPerDay };
  const combination = createCombination(members, { ...parts, bank });
  const { stated, own } = combination;
  const learner = createLearner(members, { ...parts, step, combination });

  let lastBin = start - step;
  let lastKnown = Number.NaN;
  let known = 0;
  let peak = 0;
  const peakKeep = 2 ** (-1 / Math.max(100, 7 * binsPerDay));
  let sinceRefresh = REFRESH;

  const refresh = (): void => combination.refresh(lastBin + step, lastKnown + step);
  const combine = (target: EpochSeconds, ahead: number): void => combination.combine(target, ahead, { peak, known });
  /** What is stated: while a wild value waits for the next ones to say what it was, both ways that it may go. */
  const state = (target: EpochSeconds, ahead: number): void => {
    combine(target, ahead);
    const suspected = shocks.suspected(ahead, lastBin);
    if (suspected === null) return;
    statesBoth(levels, suspected, (level) => readLevel(levels, stated, level), own);
    straighten(own, stated, [low, high]);
  };

  const take = (label: EpochSeconds, value: number): void => {
    sketches.age();
    history.set(label, value);
    peak = Math.max(value, peak * peakKeep);
    scales.level(value);
    states.observe(value);
    shocks.see(label, value);
    for (const model of models) model.observe(label, value);
    lastKnown = label;
    known++;
    sinceRefresh++;
  };
  /** A new level: what was learnt of the old one goes along. */
  const move = ({ delta, keeps }: Shift): void => {
    learner.move(delta);
    history.move(delta, keeps ?? Number.POSITIVE_INFINITY);
    states.move(delta);
    for (const model of models) model.move?.(delta);
    peak = Math.max(0, peak + delta);
    sinceRefresh = REFRESH;
  };

  return {
    get lastBin() {
      return lastBin;
    },
    get known() {
      return known;
    },
    levels,
    observe(label, value, censored, onScored, estimate = Number.NaN) {
      lastBin = label;
      let taken = value;
      if (!Number.isNaN(value)) {
        // A bound says too little of where demand was to be wild.
        let expected = Number.NaN;
        const expect = (): number => {
          if (Number.isNaN(expected)) {
            combine(label, Math.round((label - lastKnown) / step));
            expected = stated[middleLevel] ?? 0;
          }
          return expected;
        };
        const isWild = !censored && (shocks.isWild(value) || shocks.goesBack(label, value, expect));
        for (let a = 0; a < anchors.length; a++) {
          const scored = learner.learn(a, { label, value, censored, isWild });
          if (scored !== null) onScored?.(scored);
        }
        if (isWild) {
          // What global models were asked ahead of time knows nothing of this.
          bank.forget();
          const shift = shocks.hold(label, value, expect());
          if (shift !== null) {
            move(shift);
            for (const held of shocks.release()) take(held.label, held.value);
          }
        } else {
          for (const spike of shocks.dismiss()) history.set(spike.label, spike.value);
          // The bound is the least that demand was; the middle of what was expected may be more.
          if (censored && known > 0) taken = Math.max(value, Number.isNaN(estimate) ? expect() : estimate);
          take(label, taken);
        }
      }
      if (combination.asksGlobals) bank.moveTo(label);
      if (sinceRefresh >= REFRESH) {
        refresh();
        sinceRefresh = 0;
      }
      if (known > 0) learner.remember(label, Math.round((label - lastKnown) / step), state);
      return taken;
    },
    prepare(values) {
      if (G === 0) return;
      combination.wakeGlobals();
      bank.prepare(lastBin + step, values);
    },
    fit(window) {
      const clean = withoutShocks(window);
      for (const model of models) model.fit?.(clean);
      if (known > 0) refresh();
    },
    ways,
    forecast(horizon, asked) {
      const gap = Math.round((lastBin - lastKnown) / step);
      const quantiles: number[][] = [];
      if (combination.asksGlobals) bank.ask(horizon);
      const learnt = asked.map((level) => levels.indexOf(level));
      for (let ahead = 1; ahead <= horizon; ahead++) {
        state(lastBin + ahead * step, ahead + gap);
        quantiles.push(
          learnt.map((at, k) => (at >= 0 ? (stated[at] ?? 0) : readLevel(levels, stated, asked[k] ?? 0.5))),
        );
      }
      return { origin: lastBin, step, levels: [...asked], quantiles, weights: combination.modelWeights() };
    },
  };

  function ways(horizon: number, asked: readonly number[]): Ways | null {
    if (shocks.suspected(horizon, lastBin) === null) return null;
    const gap = Math.round((lastBin - lastKnown) / step);
    if (combination.asksGlobals) bank.ask(horizon);
    const both: Ways = { shares: [], expected: [], moved: [] };
    for (let ahead = 1; ahead <= horizon; ahead++) {
      combine(lastBin + ahead * step, ahead + gap);
      const read = (level: number): number => readLevel(levels, stated, level);
      const suspected = shocks.suspected(ahead + gap, lastBin);
      both.shares.push(suspected?.share ?? 0);
      both.expected.push(asked.map(read));
      both.moved.push(
        asked.map((level) => Math.max(0, suspected === null ? read(level) : movedAt(suspected, read, level))),
      );
    }
    return both;
  }

  /** As it would have been at today's level, spikes left out. */
  function withoutShocks(window: Series): Series {
    const { shifts, spikes } = shocks.since(window.start);
    if (shifts.length === 0 && spikes.length === 0) return window;
    const values = window.values.slice();
    const indexOf = (label: EpochSeconds): number => Math.round((label - window.start) / step);
    for (const { from, delta } of shifts) {
      for (let k = 0; k < Math.min(values.length, indexOf(from)); k++) values[k] = (values[k] ?? Number.NaN) + delta;
    }
    // Once all are in: down and up again is where it was.
    for (let k = 0; k < values.length; k++) values[k] = Math.max(0, values[k] ?? Number.NaN);
    for (const label of spikes) values[indexOf(label)] = Number.NaN;
    return { ...window, values };
  }
}
