import type { EpochSeconds } from '../domain/time.js';
import type { Calendar } from './calendar.js';
import type { FeatureInputs } from './feature-inputs.js';

/*
 * A model that is trained on many series at once and then says quantiles of any of them: a booster, a network. It is an
 * artifact: trained elsewhere (the `retrain` workflow, or a fit's own history), loaded here, never changed by a forecast.
 */

/** One origin of one series, as a global model sees it. */
export interface GlobalRequest {
  /** The bins up to and including the origin, oldest first; NaN is a missing bin. As many as there are, up to `context`. */
  values: Float32Array;
  /** Label of the last of them. */
  origin: EpochSeconds;
  /** Seconds between bins. */
  step: number;
  calendar: Calendar;
  /** What is known beside the series, where anything is; models that cannot use it leave it. */
  inputs?: FeatureInputs;
}

export interface GlobalModel {
  /** As the ensemble's weights show it. */
  readonly name: string;
  /** Ascending, each in (0, 1). */
  readonly levels: readonly number[];
  /** Bins of history that it looks at; fewer are allowed, and make it less sure. */
  readonly context: number;
  /** Seconds between the bins of series that it was trained on, where it says: of hours it joins hourly forecasts, too. */
  readonly steps?: readonly number[];
  /**
   * What its quantiles count beside all of the series' own members together, before anything is known of the series. One
   * that says so stands by its quantiles alone; default: what trained models have earned (ensemble.ts).
   */
  readonly trust?: number;
  /** Whether it asks which scheduled tasks are due: to look for them costs milliseconds a series. */
  readonly asksTasks?: boolean;
  /**
   * Quantiles in the unit of each series, non-decreasing in the level, ≥ 0; NaN where it has too little to say.
   * @param aheads steps from the origin, ascending, each ≥ 1.
   * @returns [request][ahead][level], flat. Many requests at once cost far less than one by one.
   */
  predict(requests: readonly GlobalRequest[], aheads: readonly number[]): Float32Array;
}
