import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { EpochSeconds, TimeScale } from '../src/domain/time.js';
import type { Queues } from './messages.js';

export const retrainWorkflowId = (scope: string): string => `retrain/${scope}`;

export interface RetrainSettings {
  /** Kinds of model, in the order in which they are trained. */
  kinds: string[];
  /** Seconds from the end of one run to the next. */
  every: number;
  /** Days of history to train on. */
  days: number;
  /** Seconds at the end of the data that neither champion nor challenger is fitted on. */
  holdOut: number;
  /** Seconds that a challenger is scored beside the champion before it takes its place; 0 for none. */
  shadow: number;
  /** Quantile levels, ascending. */
  levels: number[];
  /** Seconds ahead that the models answer. */
  horizon: number;
  seed: number;
  /** Series to train on, at most. */
  mostSeries: number;
  /** Fits of the search over models and hyper-parameters that goes before a run's own; none where 0 or absent. */
  fits?: number;
}

export interface RetrainInput {
  scope: string;
  /** The account of a scope of its own; null for the models of all. */
  account: string | null;
  settings: RetrainSettings;
  scale: TimeScale;
  queues: Pick<Queues, 'compute'>;
  /** Present after continue-as-new. */
  state?: RetrainState;
}

/** A challenger that is scored beside the champion and not used. */
export interface Shadow {
  kind: string;
  id: string;
  since: EpochSeconds;
  until: EpochSeconds;
}

export type RetrainPhase = 'waiting' | 'gathering' | 'searching' | 'training' | 'comparing' | 'stopping';

/** Everything that the workflow carries from run to run: plain JSON, bounded in size. */
export interface RetrainState {
  /** 1 for the first. */
  run: number;
  phase: RetrainPhase;
  /** What it is doing, in words. */
  detail: string;
  nextRunAt: EpochSeconds;
  lastRunAt: EpochSeconds | null;
  shadows: Shadow[];
  /** What a person should look at; null where all is well. Absent in runs of earlier releases, as what follows. */
  attention?: string | null;
  /** Runs in a row in which nothing was trained. */
  failures?: number;
  /** Series whose drift was answered by bringing a run forward, and when; the newest first. */
  drifts?: { series: string; at: EpochSeconds }[];
  /** The next run was brought forward by drift. */
  hastened?: boolean;
  /** Newest first. */
  log: { at: EpochSeconds; text: string }[];
}

export type RetrainStatus = RetrainState & { scope: string; settings: RetrainSettings; now: EpochSeconds };

/** Begin a run now. */
export const retrainNowSignal = defineSignal<[{ author: string; reason: string; fits?: number }]>('retrain-now');
/**
 * The data have changed their ways: train soon, but not again and again.
 * `series` names those that have: each brings one run forward in the time between two, however often it is told.
 */
export const driftSignal = defineSignal<[{ reason: string; series?: string[] }]>('drift');
/** End the run that is under way; the next one comes at its time. */
export const cancelRunSignal = defineSignal<[{ author: string }]>('cancel-run');
/** What is not among `settings` stays as it is. */
export const retrainSettingsSignal = defineSignal<[{ settings: Partial<RetrainSettings>; author: string }]>('settings');
export const stopRetrainSignal = defineSignal<[{ author: string }]>('stop');
export const retrainStatusQuery = defineQuery<RetrainStatus>('status');
