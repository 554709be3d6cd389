import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type { RetrainActivities } from '../activities/retrain-types.js';
import type { Activities } from '../activities/types.js';
import type { Queues } from './messages.js';

/**
 * The activities by queue, with time limits that fit them. Errors that trying again cannot mend are named once, in
 * activities/failures.ts, by the same words.
 */
export const NON_RETRYABLE = ['invalid-input', 'not-found', 'refused'];

/** Activities heartbeat every few seconds: one whose worker died is taken up elsewhere after this. */
export const WORKER_GONE = '12s';

type Light = Pick<Activities, 'recordContingency' | 'recordOutcome' | 'exportHistory' | 'lookAtMigrations'>;
type Compute = Pick<Activities, 'forecast' | 'optimize' | 'learn'>;
type AtCluster = Pick<
  Activities,
  'observe' | 'answer' | 'revalidate' | 'apply' | 'awaitReady' | 'verify' | 'rollback' | 'confirm' | 'release'
>;

export const light = (queues: Queues, summary: string): Light =>
  proxyActivities<Light>({
    taskQueue: queues.light,
    startToCloseTimeout: '20s',
    scheduleToCloseTimeout: '2m',
    retry: { initialInterval: '500ms', maximumInterval: '10s', nonRetryableErrorTypes: NON_RETRYABLE },
    summary,
  });

/** A first forecast fits its models, which takes seconds; a steady one milliseconds. */
export const compute = (queues: Queues, summary: string): Compute =>
  proxyActivities<Compute>({
    taskQueue: queues.compute,
    startToCloseTimeout: '3m',
    heartbeatTimeout: WORKER_GONE,
    scheduleToCloseTimeout: '5m',
    retry: { initialInterval: '500ms', maximumAttempts: 3, nonRetryableErrorTypes: NON_RETRYABLE },
    summary,
  });

/** Reads: a cycle that cannot read holds, and the next one tries again; so few attempts. */
export const reading = (queues: Queues, summary: string): AtCluster =>
  proxyActivities<AtCluster>({
    taskQueue: queues.cluster,
    startToCloseTimeout: '30s',
    heartbeatTimeout: WORKER_GONE,
    scheduleToCloseTimeout: '90s',
    retry: { initialInterval: '250ms', maximumAttempts: 3, nonRetryableErrorTypes: NON_RETRYABLE },
    summary,
  });

/** Writes: repeated until they are known to have happened or not; the keys make repeats harmless. */
export const writing = (queues: Queues, summary: string): AtCluster =>
  proxyActivities<AtCluster>({
    taskQueue: queues.cluster,
    startToCloseTimeout: '20s',
    scheduleToCloseTimeout: '10m',
    heartbeatTimeout: WORKER_GONE,
    retry: { initialInterval: '250ms', maximumInterval: '15s', nonRetryableErrorTypes: NON_RETRYABLE },
    summary,
  });

/** Waits for ready capacity: long, heartbeating, taken up by another worker where one dies. */
export const waiting = (queues: Queues, summary: string, wallMs: number): AtCluster =>
  proxyActivities<AtCluster>({
    taskQueue: queues.cluster,
    startToCloseTimeout: Math.ceil(wallMs + 60_000),
    scheduleToCloseTimeout: Math.ceil(2 * wallMs + 600_000),
    heartbeatTimeout: WORKER_GONE,
    retry: { initialInterval: '500ms', maximumInterval: '10s', nonRetryableErrorTypes: NON_RETRYABLE },
    summary,
  });

type Training = Pick<RetrainActivities, 'train' | 'search'>;

/** A fit of minutes to hours, or a search of some: it says how far it is, is taken up from its checkpoint, and is really over when cancelled. */
export const training = (queues: Pick<Queues, 'compute'>, summary: string): Training =>
  proxyActivities<Training>({
    taskQueue: queues.compute,
    startToCloseTimeout: '6h',
    scheduleToCloseTimeout: '24h',
    heartbeatTimeout: '30s',
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { initialInterval: '5s', maximumInterval: '5m', maximumAttempts: 6, nonRetryableErrorTypes: NON_RETRYABLE },
    summary,
  });

type Comparing = Omit<RetrainActivities, keyof Training>;

/** What stands around a fit: reading its data, scoring, and saying who serves. */
export const comparing = (queues: Pick<Queues, 'compute'>, summary: string): Comparing =>
  proxyActivities<Comparing>({
    taskQueue: queues.compute,
    startToCloseTimeout: '20m',
    scheduleToCloseTimeout: '1h',
    heartbeatTimeout: '30s',
    retry: { initialInterval: '1s', maximumInterval: '30s', maximumAttempts: 8, nonRetryableErrorTypes: NON_RETRYABLE },
    summary,
  });
