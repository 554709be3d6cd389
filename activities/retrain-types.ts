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
  /** Which series did not go in, why, and whose they are: a few names. Absent in histories of earlier releases. */
  leftOut?: { why: string; series: number; accounts: string[] }[];
  /** The class of most series; null where nobody can tell, absent in histories of earlier releases. */
  class?: string | null;
}

export interface SearchInput {
  scope: string;
  kinds: string[];
  dataId: string;
  /** Nothing from here on is looked at. */
  cut: EpochSeconds;
  levels: number[];
  /** Seconds ahead. */
  horizon: number;
  seed: number;
  /** Fits, of whatever effort. */
  fits: number;
  class: string | null;
}

export interface SearchResult {
  /** Names what was found, for {@link TrainInput.searchId}; null where nothing can be searched of these kinds. */
  searchId: string | null;
  /** In words. */
  detail: string;
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
  /** The search whose settings it takes; the usual ones where absent. */
  searchId?: string;
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

export interface TidyInput {
  /** `dataId`s that stay, however old. */
  inUse: string[];
  /** `dataId`s of the run that ends here: their lists name accounts, and go at once. Absent in earlier releases. */
  done?: string[];
}

export interface RetrainActivities {
  gather(input: GatherInput): Promise<GatherResult>;
  /** Chooses hyper-parameters within a budget of fits; goes on where it was interrupted. */
  search(input: SearchInput): Promise<SearchResult>;
  train(input: TrainInput): Promise<TrainResult>;
  compare(input: CompareInput): Promise<CompareResult>;
  crown(input: CrownInput): Promise<void>;
  /** Lets go of what no succession keeps, of the lists of a run that is over, and of what others left long ago. */
  tidy(input: TidyInput): Promise<{ removed: number }>;
}
