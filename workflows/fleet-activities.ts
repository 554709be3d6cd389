import { proxyActivities } from '@temporalio/workflow';
import type { FleetActivities } from '../activities/fleet/types.js';
import { NON_RETRYABLE, WORKER_GONE } from './activities.js';
import type { Queues } from './messages.js';

/* The activities of the fleet by queue, with time limits that fit them. */

type Light = Pick<FleetActivities, 'recordFleet' | 'publishGrants'>;
type Compute = Pick<FleetActivities, 'gatherFleet' | 'solveFleet' | 'recommendCommitments'>;

export const fleetLight = (queues: Queues, summary: string): Light =>
  proxyActivities<Light>({
    taskQueue: queues.light,
    startToCloseTimeout: '60s',
    heartbeatTimeout: WORKER_GONE,
    scheduleToCloseTimeout: '3m',
    retry: { initialInterval: '500ms', maximumInterval: '10s', nonRetryableErrorTypes: NON_RETRYABLE },
    summary,
  });

/** Seconds for thousands of accounts; a cycle that cannot be solved is one that the next one makes up for. */
export const fleetCompute = (queues: Queues, summary: string): Compute =>
  proxyActivities<Compute>({
    taskQueue: queues.compute,
    startToCloseTimeout: '3m',
    heartbeatTimeout: WORKER_GONE,
    scheduleToCloseTimeout: '5m',
    retry: { initialInterval: '500ms', maximumAttempts: 3, nonRetryableErrorTypes: NON_RETRYABLE },
    summary,
  });

/** Reads: a pool that cannot be read stays, and the next cycle asks again. */
export const atCluster = (taskQueue: string, summary: string): Pick<FleetActivities, 'observePools'> =>
  proxyActivities<Pick<FleetActivities, 'observePools'>>({
    taskQueue,
    startToCloseTimeout: '45s',
    heartbeatTimeout: WORKER_GONE,
    scheduleToCloseTimeout: '90s',
    retry: { initialInterval: '250ms', maximumAttempts: 2, nonRetryableErrorTypes: NON_RETRYABLE },
    summary,
  });

/** Writes; keys make repeats harmless. What is not done in time is planned anew. */
export const sizing = (taskQueue: string, summary: string): Pick<FleetActivities, 'sizePools'> =>
  proxyActivities<Pick<FleetActivities, 'sizePools'>>({
    taskQueue,
    startToCloseTimeout: '2m',
    heartbeatTimeout: WORKER_GONE,
    scheduleToCloseTimeout: '4m',
    retry: { initialInterval: '250ms', maximumInterval: '15s', nonRetryableErrorTypes: NON_RETRYABLE },
    summary,
  });
