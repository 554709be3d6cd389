import type { GateState, QuantileForecast } from '../domain/forecast.js';
import type { Series } from '../domain/series.js';
import type { Dependence } from './scenarios/dependence.js';
import type { Drift } from './drift.js';
import type { FeatureInputs } from './feature-inputs.js';
import type { GlobalModel } from './global.js';
import type { Ways } from './ways.js';

/** What a fit may assume about its series. */
export interface FitOptions {
  /** IANA name; the calendar (hour of day, day of week) follows it across daylight saving. */
  timeZone: string;
  /** Levels that will be asked for, ascending; calibrated each by itself. */
  levels: readonly number[];
  /** The level that capacity is planned at; it is scored by the gate. */
  level: number;
  /** Steps from the last known bin to the first bin that a decision can still reach: ⌈lead / step⌉ + 1. */
  leadSteps: number;
  /** Steps ahead at the series' own resolution. */
  horizon: number;
  /** Longer horizons in coarser bins, in seconds: hourly for a day and for a week. */
  coarse?: readonly { step: number; horizon: number }[];
  /** Names of the models of the series' own step, instead of the default ones. */
  models?: readonly string[];
  /** Learn how the bins of one forecast hang together, over so many steps (≤ horizon), for sample paths. */
  scenarios?: { steps: number };
  /** Trained models that join the ensemble at the series' own step. */
  globals?: readonly GlobalModel[];
  /** What is known besides the series, for the trained models: asked anew at each origin, since events are announced meanwhile. */
  inputs?: () => FeatureInputs | undefined;
  /** Seeds whatever is random in a fit; the same seed and data give the same fit. */
  seed?: number;
}

/** A model of one series: the fit is expensive and rare, an observation is O(1), a forecast is cheap. */
export interface FittedForecaster {
  /** Label of the last bin taken in. */
  readonly lastBin: number;
  /**
   * Takes the next bin (label lastBin + step). NaN is a missing bin: time passes and nothing is learnt. A censored
   * value is a lower bound. Scores the forecasts that were made for this bin, then updates weights, calibration and gate.
   * @throws HeadroomError `invalid-input` on an infinite value or a label that is not the next.
   */
  observe(label: number, value: number, censored: boolean): void;
  /** At the series' own step, for the next `horizon` bins (≤ the fitted one). */
  forecast(horizon: number, levels: readonly number[]): QuantileForecast;
  /**
   * What lies behind a forecast at a suspected shock, for whoever draws paths; null where none is suspected, absent of a
   * forecaster that suspects nothing.
   */
  ways?(horizon: number, levels: readonly number[]): Ways | null;
  /** The fine resolution first, then the coarse ones. */
  forecastAll(levels: readonly number[]): QuantileForecast[];
  gate(): GateState;
  /** Where forecasts have been erring more than they used to; null where they have not. */
  drift(): Drift | null;
  /** What was learnt for sample paths; absent where it was not asked for. */
  readonly dependence?: Dependence;
  /** `cold` while there is too little history for more than a wide guess. */
  readonly data: 'fresh' | 'cold';
}

/**
 * Fits on a series (its last bin is the origin); missing bins are allowed anywhere. Refuses what cannot be forecast.
 * @throws HeadroomError `invalid-input`: no known bin at all, a negative or infinite value.
 */
export type FitForecaster = (series: Series, options: FitOptions) => FittedForecaster;
