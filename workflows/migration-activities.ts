import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { MigrateActivities } from '../activities/migrate-types.js';
import type { Activities } from '../activities/types.js';
import { NON_RETRYABLE, WORKER_GONE } from './activities.js';
import type { MigrationInput } from './migration-messages.js';

/* The activities of a migration, with time limits that fit them. Errors that a repeat cannot mend are named once. */

type Queues = MigrationInput['queues'];

type Recording = Pick<MigrateActivities, 'recordMigration' | 'recordMigrationOutcome' | 'retargetAccount'>;
/** The store, and the account: some attempts, then it is said. */
export const noting = (queues: Queues, summary: string): Recording =>
  proxyActivities<Recording>({
    taskQueue: queues.light,
    startToCloseTimeout: '30s',
    scheduleToCloseTimeout: '10m',
    heartbeatTimeout: WORKER_GONE,
    retry: { initialInterval: '500ms', maximumInterval: '10s', nonRetryableErrorTypes: NON_RETRYABLE },
    summary,
  });

type Looking = Pick<MigrateActivities, 'surveyMigration' | 'confirmAsBefore' | 'prefetch'> & Pick<Activities, 'verify'>;
/** Reads: few attempts; who asks decides what blindness means. */
export const looking = (queues: Pick<Queues, 'cluster'>, summary: string): Looking =>
  proxyActivities<Looking>({
    taskQueue: queues.cluster,
    startToCloseTimeout: '60s',
    scheduleToCloseTimeout: '3m',
    heartbeatTimeout: WORKER_GONE,
    retry: { initialInterval: '250ms', maximumAttempts: 3, nonRetryableErrorTypes: NON_RETRYABLE },
    summary,
  });

/**
 * The first look: a worker that restarts, a cluster that is out of reach for some seconds, end nothing that was asked for;
 * after half a minute it is said.
 */
export const surveying = (queues: Pick<Queues, 'cluster'>, summary: string): Pick<Looking, 'surveyMigration'> =>
  proxyActivities<Pick<Looking, 'surveyMigration'>>({
    taskQueue: queues.cluster,
    startToCloseTimeout: '60s',
    scheduleToCloseTimeout: '10m',
    heartbeatTimeout: WORKER_GONE,
    retry: {
      ...{ initialInterval: '250ms', maximumInterval: '10s', maximumAttempts: 8 },
      nonRetryableErrorTypes: NON_RETRYABLE,
    },
    summary,
  });

type Writing = Pick<MigrateActivities, 'writeMigration' | 'warmWorkload'>;
/** Writes: repeated until they are known to have happened or not; each is safe to repeat. */
export const moving = (queues: Queues, summary: string): Writing =>
  proxyActivities<Writing>({
    taskQueue: queues.cluster,
    startToCloseTimeout: '60s',
    scheduleToCloseTimeout: '10m',
    heartbeatTimeout: WORKER_GONE,
    retry: { initialInterval: '250ms', maximumInterval: '15s', nonRetryableErrorTypes: NON_RETRYABLE },
    summary,
  });

type Waiting = Pick<MigrateActivities, 'awaitStaged' | 'awaitCopy' | 'awaitStopped' | 'awaitSource' | 'watchMigration'>;
/** Long, heartbeating, taken up by another worker where one dies, and over at once when cancelled. */
export const watching = (queues: Queues, summary: string, wallMs: number): Waiting =>
  proxyActivities<Waiting>({
    taskQueue: queues.cluster,
    startToCloseTimeout: Math.ceil(wallMs + 60_000),
    scheduleToCloseTimeout: Math.ceil(2 * wallMs + 600_000),
    heartbeatTimeout: WORKER_GONE,
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    retry: { initialInterval: '500ms', maximumInterval: '10s', nonRetryableErrorTypes: NON_RETRYABLE },
    summary,
  });
