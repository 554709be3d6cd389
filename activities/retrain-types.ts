import type { EpochSeconds } from '../src/domain/time.js';

/*
 * What crosses between the retrain workflow and its activities: small plain JSON. Neither series nor weights do: data are
 * named by the id of a list of snapshots, models by the hash of their content.
 */

export interface GatherInput {
  /** One account's own models; null for those of all accounts. */
  account: string | null;
  at: EpochSeconds;
  days: number;
  mostSeries: number;
}

export interface GatherResult {
  /** Names the snapshots that were taken. */
  dataId: string;
  series: number;
  accounts: number;
  /** Series beyond `mostSeries`. */
  left: number;
  from: EpochSeconds;
  /** Bins labelled before this are known. */
  to: EpochSeconds;
}

export interface TrainInput {
  scope: string;
  kind: string;
  dataId: string;
  /** What lies before it is trained on, what follows is held back. */
  cut: EpochSeconds;
  levels: number[];
  /** Seconds ahead. */
  horizon: number;
  seed: number;
}

export interface TrainResult {
  id: string;
  bytes: number;
  /** On what was held back; null where there was too little. */
  wql: number | null;
}

export interface CompareInput {
  scope: string;
  kind: string;
  dataId: string;
  challenger: string;
  /** The challenger saw nothing from here on. */
  from: EpochSeconds;
  levels: number[];
  horizon: number;
}

/** `unknown`: there is too little that neither has seen. `same`: it is the champion. */
export interface CompareResult {
  verdict: 'better' | 'worse' | 'unknown' | 'same';
  /** Null where nobody serves yet: it was then measured against the last value. */
  champion: string | null;
  ratio: number | null;
  units: number;
  detail: string;
}

export interface CrownInput {
  scope: string;
  kind: string;
  id: string;
  act: 'challenge' | 'promote' | 'reject';
  at: EpochSeconds;
  by: string;
  reason: string;
  /** What the comparison measured; absent where it measured nothing. */
  judged?: { ratio: number; units: number };
}

export interface RetrainActivities {
  gather(input: GatherInput): Promise<GatherResult>;
  train(input: TrainInput): Promise<TrainResult>;
  compare(input: CompareInput): Promise<CompareResult>;
  crown(input: CrownInput): Promise<void>;
  /** Lets go of what no succession keeps, and of lists of snapshots that are not `dataId`s in use. */
  tidy(input: { inUse: string[] }): Promise<{ removed: number }>;
}
