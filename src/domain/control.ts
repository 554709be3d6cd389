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
  expect:
    /** `components`: those that it multiplies; {@link FOLLOWING} where absent. */
    { multiplier: number; components?: Component[] } | { demand: Partial<Record<Component, number>> };
  /** Relative half-width of a 90 % interval around what is expected: 0.2 means ± 20 %. */
  uncertainty: number;
  author: string;
}

/**
 * Components that an announced multiple reaches by itself: what is used per request comes and goes with requests. Memory and
 * storage do not follow in any such proportion (caches and heaps stand, data stay): how much they do is in their own history,
 * or somebody names them. An accelerator is held, not shared out by load; it is named, too.
 */
export const FOLLOWING: readonly Component[] = ['cpu', 'io', 'network'];

/** Whether what is announced says anything of a component. */
export const reaches = ({ expect }: Pick<AnnouncedEvent, 'expect'>, component: Component): boolean =>
  'demand' in expect ? expect.demand[component] !== undefined : (expect.components ?? FOLLOWING).includes(component);

/** The memo field of the fleet workflow in which the fence is read, without a worker, before every write. */
export const FREEZE_MEMO = 'HeadroomFreeze';
