import type { BehaviorRow, RowKind } from '../../behavior/events.js';
import type { EpochSeconds } from '../../domain/time.js';

export interface BehaviorQuery {
  account: string;
  /** Bins that start in [from, to). */
  from: EpochSeconds;
  to: EpochSeconds;
  kind?: RowKind;
  /** At most so many rows, 1 to 200,000; the oldest first. */
  limit: number;
}

/** Reads aggregated behaviour: what the profiles, the transitions and the prefetch lists are made from. */
export interface BehaviorSource {
  /** Rows in order of time; rows of one bin add up. `account` is matched exactly. */
  readEvents(query: BehaviorQuery, signal: AbortSignal): Promise<BehaviorRow[]>;
}

/** What closing one bin of one account came to. */
export interface BehaviorPart {
  /** Names the closing: writing the same part twice writes once. */
  id: string;
  account: string;
  at: EpochSeconds;
  rows: BehaviorRow[];
}

export interface BehaviorStore extends BehaviorSource {
  /** All rows or none, once: `written` is 0 where the part is there already. */
  writeBehavior(part: BehaviorPart): Promise<{ written: number }>;
}
