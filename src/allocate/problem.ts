import type { AccountPolicy } from '../domain/account.js';
import type { ClusterState } from '../domain/cluster.js';
import type { Component } from '../domain/component.js';
import type { Override } from '../domain/control.js';
import type { EpochSeconds } from '../domain/time.js';

/** Demand of one component of one workload over consecutive blocks of the plan, ready to be covered. */
export interface DemandBlocks {
  workload: string;
  component: Component;
  level: number;
  /** One entry a block, in the component's unit. `atLevel` is what the capacity has to cover. */
  blocks: { lower: number; median: number; atLevel: number; far: number }[];
  /** The level of `far`: what the price of a shortfall beyond `atLevel` is taken from, as 0.999. */
  farLevel: number;
}

/** The blocks of the plan: 5-minute blocks for two hours, then hourly. Block 0 is the first that can still be reached. */
export interface Block {
  from: EpochSeconds;
  to: EpochSeconds;
}

export interface AllocationInput {
  account: string;
  at: EpochSeconds;
  snapshotId: string;
  forecastId: string;
  policy: AccountPolicy;
  blocks: Block[];
  demand: DemandBlocks[];
  /** What was seen in the cluster, with owners: becomes the fence of the mutations. */
  state: ClusterState;
  /** Live ones only: an expired override is the caller's to drop and to say so. */
  overrides: Override[];
  /** Last cycle's basis, for a warm start; the plan does not depend on it beyond ties (see solver.ts). */
  basis?: SolverBasis;
}

/** Plain data, so that it can be carried between cycles. */
export interface SolverBasis {
  /** Fingerprint of the model's shape: a basis of another shape is dropped. */
  shape: string;
  columns: number[];
  rows: number[];
}
