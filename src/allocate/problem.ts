import type { AccountPolicy } from '../domain/account.js';
import type { ClusterState } from '../domain/cluster.js';
import type { Component, Resources } from '../domain/component.js';
import type { Override } from '../domain/control.js';
import type { DataSetNeed, Plan, TaskPlacement } from '../domain/plan.js';
import type { PlanPrice } from '../domain/prices.js';
import type { EpochSeconds } from '../domain/time.js';

/** Demand of one component of one workload over consecutive blocks of the plan, ready to be covered. */
export interface DemandBlocks {
  workload: string;
  component: Component;
  level: number;
  /** One entry a block, in the component's unit. `atLevel` is what the capacity has to cover. */
  blocks: { lower: number; median: number; atLevel: number; far: number }[];
  /** The level of `far`: what covering more than asked would take, shown as a rejected alternative; as 0.999. */
  farLevel: number;
}

/** The blocks of the plan, consecutive. Block 0 is the first that a decision can still reach. */
export interface Block {
  from: EpochSeconds;
  to: EpochSeconds;
  /** So many blocks of the plan's horizon in one. Absent: one. */
  joined?: number;
}

export interface AllocationInput {
  account: string;
  at: EpochSeconds;
  snapshotId: string;
  forecastId: string;
  policy: AccountPolicy;
  blocks: Block[];
  /** A workload's component that is absent here has no forecast: its replicas are held, never lowered. */
  demand: DemandBlocks[];
  /**
   * Of workloads whose autoscaler's target may be raised: why their forecast is not acted on as it is (`distrust`, in
   * words), null where it is. One that is absent here counts as not trusted.
   */
  trust?: { workload: string; distrust: string | null }[];
  /** What was seen in the cluster, with owners: becomes the fence of the mutations. */
  state: ClusterState;
  /** Live ones only: an expired override is the caller's to drop and to say so. */
  overrides: Override[];
  /** What the fleet grants the account at most, by component; absent where no fleet shares capacity out. */
  grant?: Resources;
  /** Who says so: the fleet, or the account's own guaranteed share while the fleet is silent. */
  grantFrom?: 'fleet' | 'guaranteed';
  /** When the grant ends: blocks that begin after that are not bound by it, the first one always is. Absent: never. */
  grantUntil?: EpochSeconds;
  /** Where earlier plans put movable tasks: an occurrence that has begun, or is about to, stays where it is. */
  placements?: TaskPlacement[];
  /** Data sets that actions are to be told of; absent where no action asked. */
  dataSets?: readonly DataSetNeed[];
  /** What each pool of `policy` costs, and who said so; absent: the account file alone did. */
  prices?: readonly PlanPrice[];
  /** Last cycle's basis, for a warm start: it makes the answer faster, never another. */
  basis?: SolverBasis;
}

/** Plain data, so that it can be carried between cycles. */
export interface SolverBasis {
  /** Fingerprint of the model's shape: a basis of another shape is dropped. */
  shape: string;
  /** Statuses as HiGHS numbers them. */
  columns: Uint8Array;
  rows: Uint8Array;
}

export interface AllocationResult {
  plan: Plan;
  basis: SolverBasis;
}

/** Synchronous and deterministic once created. */
export interface Allocator {
  /** @throws HeadroomError `invalid-input` where a demand is not a finite amount ≥ 0, or there is no block. */
  allocate(input: AllocationInput): AllocationResult;
}
