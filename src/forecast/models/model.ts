import type { Series } from '../../domain/series.js';
import type { EpochSeconds } from '../../domain/time.js';
import type { Calendar } from '../calendar.js';
import type { History } from '../history.js';

/** What a model is told of the series that it shall follow. */
export interface ModelContext {
  step: number;
  calendar: Calendar;
  /** Steps ahead that residuals are learnt at, ascending; a model with coefficients by horizon fits them there. */
  anchors: readonly number[];
  /** The last known values, kept once for all models. The bin that is being observed is in it already. */
  history: History;
}

/**
 * A model of the middle of a series. Its spread is not its concern: the ensemble learns the residuals of each model by
 * horizon. State is bounded and an observation is O(1).
 */
export interface Model {
  readonly name: string;
  /**
   * Learns from a whole window, which ends with the last observed bin; expensive, and only some models need it. A model
   * that has one sits out until it was called.
   */
  fit?(window: Series): void;
  /** Takes a known value (of a censored bin: the best estimate). Bins that are missing are never told. */
  observe(label: EpochSeconds, value: number): void;
  /**
   * The middle of bin `target`, which lies `ahead` bins after the last observed one.
   * @returns NaN where the model has seen too little to say: it sits this one out.
   */
  predict(target: EpochSeconds, ahead: number): number;
  /**
   * The series has a new level, `delta` from the one that was learnt: what is known of the old one moves along. The history
   * has moved already. A model without a level of its own has nothing to do.
   */
  move?(delta: number): void;
}

/** One line of the registry. */
export interface ModelEntry {
  name: string;
  /** Its residuals are also learnt by the state of the series at the origin (see state.ts): worth it for the models
   * that carry the last value on, or ignore it. */
  byState?: boolean;
  /** Whether it is worth having at this step and resolution; null leaves it out. */
  create(context: ModelContext): Model | null;
}
