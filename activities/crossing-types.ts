import type { ClusterMigrationOrder } from '../src/domain/cluster-migration.js';
import type { MigrationOutcome, MigrationSurvey } from '../src/domain/migration.js';
import type { EpochSeconds } from '../src/domain/time.js';
import type { Halted } from './migrate-types.js';

/** What a move to another cluster is by, before any side of it is looked at. */
export interface Opened {
  /** The policy that holds there, by which its worker finds its cluster, pools and checks. */
  policyIdThere: string;
  refusals: string[];
  /** What it costs once, in words; empty where the account file prices nothing of it. */
  costs: string[];
}

export interface CrossingActivities {
  /** Residency, pools, budget, blackouts and tasks, by the account file alone; the policy there goes into the store. */
  openCrossing(input: { order: ClusterMigrationOrder; at: EpochSeconds }): Promise<Opened | Halted>;
  /** Tells the account in which cluster it is from now on. Null: it does not run, so nobody has to be told. */
  placeAccount(input: {
    order: ClusterMigrationOrder;
    back: boolean;
    /** The task queue of the cluster that it is then in. */
    queue: string;
  }): Promise<{ revision: number | null; detail: string }>;
  recordCrossing(input: { order: ClusterMigrationOrder; survey: MigrationSurvey; at: EpochSeconds }): Promise<void>;
  recordCrossingOutcome(input: { order: ClusterMigrationOrder; outcome: MigrationOutcome }): Promise<void>;
}
