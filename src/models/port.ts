import type { EpochSeconds } from '../domain/time.js';
import type { FeatureInputs } from '../forecast/feature-inputs.js';
import type { GlobalModel } from '../forecast/global.js';
import type { HyperParameters } from './card.js';

/* What can be trained on many series and kept as bytes: one entry of registry.ts a kind. */

/** One series as a trainer sees it: by a pseudonym, never by its name. */
export interface TrainingSeries {
  id: string;
  start: EpochSeconds;
  /** Seconds between bins. */
  step: number;
  /** IANA name. */
  timeZone: string;
  /** Demand by bin; NaN is a missing bin. */
  values: Float32Array;
  /** 1 where usage was throttled: the value is a lower bound of demand. Absent where none is. */
  censored?: Uint8Array;
  /** What was known besides; a trainer that cannot use it leaves it. Absent where nobody said. */
  inputs?: FeatureInputs;
  /** It is one of several accounts' series: how busy they are together is known of each. */
  together?: true;
}

export interface TrainProgress {
  /** Share of the work done, in [0, 1]; a guess where early stopping may end it. */
  done: number;
  /** A few words for a person: `tree 40 of 300, pinball 0.113`. */
  note: string;
}

export interface TrainOptions {
  /** Quantile levels, ascending. */
  levels: readonly number[];
  /** Seconds ahead that forecasts will be asked for, at most. */
  horizon: number;
  seed: number;
  /** Overrides of the trainer's own defaults; unknown names are refused. */
  hyperParameters?: HyperParameters;
  signal: AbortSignal;
  onProgress?(progress: TrainProgress): void;
  /** What an interrupted run of the same data, options and code had left; a trainer that cannot use it starts anew. */
  checkpoint?: Uint8Array;
  /** Takes what a later run could go on from. The result is the same with and without an interruption. */
  onCheckpoint?(state: Uint8Array): void;
}

export interface Trained {
  /** What `load` reads: a format of the trainer's own, with a version in it. */
  weights: Uint8Array;
  /** All that shaped the fit, defaults included, so that it can be repeated. */
  hyperParameters: HyperParameters;
  /** What did the arithmetic: `js`, `tensorflow-wasm`, `tensorflow-native`. */
  backend: string;
}

/**
 * Trains and loads one kind of global model. Heavy work runs in worker threads of its own: `train` leaves the calling
 * thread free. The same series, options, code and backend give the same bytes.
 */
export interface Trainer {
  readonly kind: string;
  /**
   * @throws HeadroomError `invalid-input` where the series are too few or too short; the signal's reason when aborted.
   */
  train(series: readonly TrainingSeries[], options: TrainOptions): Promise<Trained>;
  /** @throws HeadroomError `invalid-input` where the bytes are not its own, or damaged. */
  load(weights: Uint8Array): Promise<GlobalModel>;
}
