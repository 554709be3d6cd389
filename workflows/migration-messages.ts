import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { ClusterMigrationOrder } from '../src/domain/cluster-migration.js';
import type { MigrationOrder, MigrationState } from '../src/domain/migration.js';
import type { EpochSeconds, TimeScale } from '../src/domain/time.js';
import type { Queues } from './messages.js';

/** `migration/acme/web/1`. */
export const migrationWorkflowId = (id: string): string => `migration/${id}`;
export const prefetchWorkflowId = (account: string, at: EpochSeconds): string =>
  `prefetch/${account}/${Math.floor(at)}`;

export interface MigrationInput {
  order: MigrationOrder;
  scale: TimeScale;
  queues: Pick<Queues, 'light' | 'cluster'>;
}

/** `migration/shop/@west/1`: the account with all of its workloads, to another cluster. */
export interface ClusterMigrationInput {
  order: ClusterMigrationOrder;
  scale: TimeScale;
  /** `cluster`: of the cluster that it leaves. */
  queues: Pick<Queues, 'light' | 'cluster'>;
}

export interface PrefetchWorkflowInput {
  account: string;
  policyId: string;
  at: EpochSeconds;
  workload: string | null;
  /** Says what would be fetched, and fetches nothing. */
  dry: boolean;
  queues: Pick<Queues, 'cluster'>;
}

export const migrationStatusQuery = defineQuery<MigrationState>('status');
/** Refused after the point of no return, with words. Answers what it will take back. */
export const cancelMigrationUpdate = defineUpdate<{ phase: string }, [{ author: string; reason: string }]>('cancel');
