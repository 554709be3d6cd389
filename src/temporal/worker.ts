import { readFile } from 'node:fs/promises';
import { DefaultLogger, Runtime, Worker, type LogEntry, type NativeConnection } from '@temporalio/worker';
import type { Queues } from '../../workflows/messages.js';
import { BUNDLE_PATH, buildIdOf } from './bundle.js';
import { DEPLOYMENT_NAME } from './namespace.js';

export interface HeadroomWorker {
  buildId: string;
  /** Resolves when all have drained; rejects where one of them failed. */
  run(): Promise<void>;
  /** Lets running activities end, takes no new ones. */
  shutdown(): void;
}

/** What the SDK warns of and is meant so: the queues of compute and cluster have activities alone. */
const EXPECTED = new Set(['No workflows registered, not polling for workflow tasks']);

/** Warnings and errors on standard error, a line each; the SDK's own words about its state are left out. */
export function installLogger(): void {
  const write = ({ level, timestampNanos, message, meta }: LogEntry): void => {
    if (EXPECTED.has(message)) return;
    const time = new Date(Number(timestampNanos / 1_000_000n)).toISOString();
    const { error, workflowId, activityType } = meta ?? {};
    const where = [activityType, workflowId].filter((part) => part !== undefined).join(' of ');
    const why = error instanceof Error ? `: ${error.message}` : '';
    process.stderr.write(`${time} ${level} ${message}${where === '' ? '' : ` (${where})`}${why}\n`);
  };
  Runtime.install({ logger: new DefaultLogger('WARN', write) });
}

/** Accounts whose workflow code stays in memory between cycles; beyond it, it is replayed. */
const CACHED_WORKFLOWS = 600;

/** A worker that was killed holds up the accounts in its memory for so long, until another replays them. Default: 10s. */
const GONE_AFTER = '4s';

/**
 * One worker a queue, in this process. Workflows run on the light queue alone; the activities of a queue are those that
 * the workflows send there, all of them being known everywhere.
 * @param versioning false where the server knows no worker deployments (the time-skipping test server).
 */
export async function createWorkers(options: {
  connection: NativeConnection;
  namespace: string;
  queues: Queues;
  /** Which of the queues to serve. */
  serve: readonly (keyof Queues)[];
  /** Queues of activities besides those. */
  others?: readonly string[];
  activities: object;
  versioning: boolean;
  /** The worker deployment that this build is a version of. */
  deployment?: string;
  bundlePath?: string;
}): Promise<HeadroomWorker> {
  const code = await readFile(options.bundlePath ?? BUNDLE_PATH, 'utf8');
  const buildId = buildIdOf(code);
  const version = { deploymentName: options.deployment ?? DEPLOYMENT_NAME, buildId };
  const names = [...new Set([...options.serve.map((role) => options.queues[role]), ...(options.others ?? [])])];
  const workers = await Promise.all(
    names.map((taskQueue) =>
      Worker.create({
        connection: options.connection,
        namespace: options.namespace,
        taskQueue,
        activities: { ...options.activities },
        ...(taskQueue === options.queues.light && options.serve.includes('light')
          ? {
              workflowBundle: { code },
              maxCachedWorkflows: CACHED_WORKFLOWS,
              stickyQueueScheduleToStartTimeout: GONE_AFTER,
            }
          : {}),
        ...(options.versioning
          ? {
              workerDeploymentOptions: {
                version,
                useWorkerVersioning: true,
                defaultVersioningBehavior: 'AUTO_UPGRADE' as const,
              },
            }
          : {}),
        maxConcurrentActivityTaskExecutions: 40,
        // A cancellation comes with the answer to a heartbeat: a fit that is called off ends soon.
        maxHeartbeatThrottleInterval: '5s',
        shutdownGraceTime: '5s',
      }),
    ),
  );
  return {
    buildId,
    run: async () => {
      await Promise.all(workers.map((worker) => worker.run()));
    },
    shutdown() {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    },
  };
}
