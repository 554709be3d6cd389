import type { AccountPolicy, PoolPolicy, WorkloadPolicy } from '../../domain/account.js';
import type { ClusterState, WorkloadState } from '../../domain/cluster.js';
import type { Component, Resources } from '../../domain/component.js';
import type { Override } from '../../domain/control.js';
import type { Plan, PlanBlock, PlannedWorkload } from '../../domain/plan.js';
import { isoTime, type EpochSeconds } from '../../domain/time.js';

/*
 * What the checker reads, and how it speaks. Nothing under checker/ imports the builder, the rounding or a constraint:
 * every rule is written again from its words, so that one mistake cannot be made in both.
 */

/** Facts of a plan's problem. An AllocationInput is one; of a stored plan there may be less: what lacks is not checked. */
export interface CheckFacts {
  policy: AccountPolicy;
  at: EpochSeconds;
  state?: ClusterState;
  demand?: readonly {
    workload: string;
    component: Component;
    blocks: readonly { atLevel: number }[];
  }[];
  /** The blocks that `demand` is of. */
  blocks?: readonly { from: EpochSeconds; to: EpochSeconds }[];
  overrides?: readonly Override[];
  grant?: Resources;
  /** The grant binds the first block, and those that begin before this; absent: all. */
  grantUntil?: EpochSeconds;
  /** What links will carry, by workload: the forecast with announced events in it, by resolution, the finest first. */
  traffic?: readonly { workload: string; resolutions: readonly (readonly TrafficBin[])[] }[];
  placements?: readonly { task: string; scheduled: EpochSeconds; start: EpochSeconds }[];
}

/** A bin of a forecast: the values at ascending levels. */
export interface TrafficBin {
  from: EpochSeconds;
  to: EpochSeconds;
  levels: readonly number[];
  values: readonly number[];
}

/** One limit that a plan does not keep. */
export interface Breach {
  /** The limit's kind, as `budget`. */
  limit: string;
  /** Start of the block; the plan's own time where it is of no block. */
  from: EpochSeconds;
  /** What is broken and by how much, in words. */
  words: string;
  /** It is of a kind that gives where limits contradict each other, and the plan says that they do. */
  declared: boolean;
}

/** Kinds that may give, and only where the plan names the conflict; every other limit holds whatever happens. */
const GIVING = new Set([
  'minimum',
  'spot-share',
  'spot-market',
  'zones',
  'disruption',
  'missing-data',
  'override',
  'pool-minimum',
  'step',
  'blackout',
]);

export interface Check {
  facts: CheckFacts;
  plan: Plan;
  /** By name, and of each block of the plan by name: an account may have thousands. */
  policies: ReadonlyMap<string, WorkloadPolicy>;
  states: ReadonlyMap<string, WorkloadState>;
  planned: readonly ReadonlyMap<string, PlannedWorkload>[];
  /** `workload/component` of each series of demand. */
  forecast: ReadonlySet<string>;
  breaches: Breach[];
  /** Limits that could not be checked, and which fact lacks. */
  unchecked: Map<string, string>;
  /** Limits that were looked at. */
  checked: Set<string>;
}

export function report(check: Check, limit: string, block: PlanBlock | null, words: string): void {
  const from = block?.from ?? check.plan.at;
  const declared = GIVING.has(limit) && check.plan.conflict !== null;
  check.breaches.push({ limit, from, words: `${isoTime(from)}: ${words}`, declared });
}

/** A workload as policy and cluster have it. */
export interface Subject {
  policy: WorkloadPolicy;
  state: WorkloadState | null;
  /** What a write would change: replicas, or the floor of its autoscaler. Null where the cluster's state is not known. */
  now: number | null;
  /** What runs, or is asked for by the floor. */
  running: number | null;
  max: number;
  override: number | null;
}

export function subjectOf({ facts, states }: Check, policy: WorkloadPolicy): Subject {
  const state = states.get(policy.name) ?? null;
  const owned = (policy.ownership ?? facts.policy.ownership) === 'floor';
  const autoscaler = owned ? (state?.autoscaler ?? null) : null;
  const now = facts.state === undefined ? null : autoscaler === null ? (state?.replicas ?? 0) : autoscaler.floor;
  let override: number | null = null;
  for (const { target } of facts.overrides ?? []) {
    if (target.field === 'replicas' && target.workload === policy.name) override = target.value;
  }
  return {
    policy,
    state,
    now,
    running: now === null ? null : Math.max(now, state?.replicas ?? 0),
    max: Math.min(policy.replicas.max, autoscaler?.ceiling ?? Number.POSITIVE_INFINITY),
    override,
  };
}

/** Nodes that a pool has; null where that is not known. */
export function nodesNow(facts: CheckFacts, pool: PoolPolicy): number | null {
  if (facts.state === undefined) return null;
  const state = facts.state.pools.find((one) => one.pool === pool.name);
  return state?.nodes ?? (pool.size === 'fixed' ? pool.max : pool.min);
}

/** Relative tolerance of amounts: what comes of adding up a thousand of them. */
export const NEAR = 1e-6;
export const above = (value: number, bound: number): boolean => value > bound + NEAR * Math.max(1, Math.abs(bound));
