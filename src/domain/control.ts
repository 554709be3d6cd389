import type { Component } from './component.js';
import type { EpochSeconds } from './time.js';

/** Every operator action carries who, why and until when. */
export interface Stamp {
  author: string;
  reason: string;
  since: EpochSeconds;
  /** It expires; nothing that an operator sets lasts for ever. */
  until: EpochSeconds;
}

export interface Pause extends Stamp {
  kind: 'pause';
}

export interface Freeze extends Stamp {
  kind: 'freeze';
}

/** What the operator insists on; a constraint of the plan until it expires. */
export type OverrideTarget =
  | { field: 'replicas'; workload: string; value: number }
  | { field: 'request'; workload: string; component: Component; value: number }
  | { field: 'pool'; pool: string; value: number }
  | { field: 'level'; workload?: string; value: number };

export interface Override extends Stamp {
  kind: 'override';
  id: string;
  target: OverrideTarget;
}

/** A known thing to come: a campaign, a migration, a match. */
export interface AnnouncedEvent {
  name: string;
  from: EpochSeconds;
  to: EpochSeconds;
  /** Workloads that it touches; all of the account's where absent. */
  workloads?: string[];
  /** Expected demand: a multiple of the forecast, or absolute by component. */
  expect: { multiplier: number } | { demand: Partial<Record<Component, number>> };
  /** Relative half-width of a 90 % interval around what is expected: 0.2 means ± 20 %. */
  uncertainty: number;
  author: string;
}

/** The memo field of the fleet workflow in which the fence is read, without a worker, before every write. */
export const FREEZE_MEMO = 'HeadroomFreeze';
