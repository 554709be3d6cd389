import type { Mutation, MutationResult } from '../../src/domain/cluster.js';
import type { Freeze } from '../../src/domain/control.js';
import type { FleetPolicy } from '../../src/domain/fleet.js';
import type { FleetPlanSummary, ObservedPool } from '../../src/domain/fleet-plan.js';
import type { EpochSeconds } from '../../src/domain/time.js';

/*
 * What crosses between the fleet's workflow and its activities: ids of records, and what pools are. Accounts and their
 * demand never do: they stay in the store.
 */

/** Names the fleet's policy without sending it along: a record of the store, written by `recordFleet`. */
export interface FleetRef {
  fleetId: string;
}

export interface RecordFleetInput extends FleetRef {
  at: EpochSeconds;
  policy: FleetPolicy;
  /** The fleet was stopped: from here on it binds nobody. */
  ended: boolean;
}

export interface GatherFleetInput extends FleetRef {
  planId: string;
  at: EpochSeconds;
  pools: ObservedPool[];
}

export interface GatherFleetResult {
  inputId: string;
  accounts: number;
  unknown: number;
  freeze: Freeze | null;
}

export interface SizePoolsInput extends FleetRef {
  changeId: string;
  mutations: Mutation[];
}

export interface PoolSized {
  pool: string;
  field: string;
  result: MutationResult | { kind: 'frozen'; detail: string } | { kind: 'failed'; detail: string };
}

export interface RecommendInput extends FleetRef {
  recommendationId: string;
  at: EpochSeconds;
}

/** What of a recommendation the workflow is told. */
export interface RecommendResult {
  recommendationId: string;
  /** A line a pool, bounded. */
  lines: string[];
  /** Pools for which something is worth reserving: a person decides. */
  open: number;
}

export interface FleetActivities {
  /** What accounts go by where the fleet is silent, and other activities by its id. */
  recordFleet(input: RecordFleetInput): Promise<void>;
  /** The pools of one cluster, each as it stands or with the reason why that is not known. */
  observePools(input: FleetRef & { cluster: string }): Promise<{ pools: ObservedPool[] }>;
  /** The accounts' demand, out of the store: no account is asked. */
  gatherFleet(input: GatherFleetInput): Promise<GatherFleetResult>;
  solveFleet(
    input: FleetRef & { planId: string; inputId: string; at: EpochSeconds },
  ): Promise<{ plan: FleetPlanSummary }>;
  /** All grants of a plan at once; a repeat writes the same. */
  publishGrants(
    input: FleetRef & { planId: string; at: EpochSeconds; until: EpochSeconds },
  ): Promise<{ grants: number }>;
  /** What is worth reserving, by the nodes that the fleet's plans had: a record, which a person decides on. */
  recommendCommitments(input: RecommendInput): Promise<RecommendResult>;
  /** The mutations of one cluster, in order, each behind the fence and keyed by its cycle. */
  sizePools(input: SizePoolsInput): Promise<{ sized: PoolSized[] }>;
}
