import { readFileSync } from 'node:fs';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { CrossingActivities } from '../../activities/crossing-types.js';
import type { MigrateActivities } from '../../activities/migrate-types.js';
import type { RetrainActivities } from '../../activities/retrain-types.js';
import type { FleetActivities } from '../../activities/fleet/types.js';
import type { Activities } from '../../activities/types.js';
import { findTool } from '../../src/temporal/home.js';
import { addSearchAttributes, ATTRIBUTE_NAMES } from '../../src/temporal/namespace.js';

const HOUR = 3_600_000;
/** Every test begins ten minutes past a whole hour. */
const FIRST = 600_000;

/** The bundle that ships: `make test` builds it first. */
export const BUNDLE = new URL('../../dist/workflow-bundle.js', import.meta.url).pathname;

/**
 * Runs a worker of the shipped bundle while `work` goes on, on a time-skipping server of its own: time is global to one,
 * and what one test leaves under way would keep the next from skipping.
 */
export async function withWorker<T>(
  activities:
    | Activities
    | MigrateActivities
    | Partial<MigrateActivities & CrossingActivities>
    | RetrainActivities
    | FleetActivities
    | Record<string, never>,
  work: (environment: TestWorkflowEnvironment, taskQueue: string) => Promise<T>,
): Promise<T> {
  installOnce();
  const path = await findTool('temporal-test-server', process.env);
  const environment = await TestWorkflowEnvironment.createTimeSkipping(
    path === undefined ? {} : { server: { executable: { type: 'existing-path', path } } },
  );
  try {
    // Time begins at the machine's own: cycles fall on whole hours, and none may fall within a test that counts them.
    await environment.sleep((HOUR - (Date.now() % HOUR) + FIRST) % HOUR);
    const namespace = environment.namespace ?? 'default';
    await addSearchAttributes(environment.connection, namespace, ATTRIBUTE_NAMES);
    const taskQueue = 'test';
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      namespace,
      taskQueue,
      workflowBundle: { code: readFileSync(BUNDLE, 'utf8') },
      activities: { ...activities },
      shutdownGraceTime: '100ms',
      // A cancellation comes with the answer to a heartbeat.
      maxHeartbeatThrottleInterval: '100ms',
    });
    return await worker.runUntil(() => work(environment, taskQueue));
  } finally {
    await environment.teardown();
  }
}

/** A worker that serves a whole file: what one test leaves under way keeps the next from skipping time. */
export interface OpenWorker {
  environment: TestWorkflowEnvironment;
  taskQueue: string;
  close(): Promise<void>;
}

/** {@link withWorker}, from `beforeAll` to `afterAll`. */
export function openWorker(activities: Parameters<typeof withWorker>[0]): Promise<OpenWorker> {
  return new Promise((opened, failed) => {
    const running: Promise<void> = withWorker(
      activities,
      (environment, taskQueue) =>
        new Promise<void>((end) => {
          const close = async (): Promise<void> => {
            end();
            await running;
          };
          opened({ environment, taskQueue, close });
        }),
    );
    running.catch(failed);
  });
}

/** Lets time pass until ten minutes past a whole hour. */
export async function tenPast(environment: TestWorkflowEnvironment): Promise<void> {
  const past = (await environment.currentTimeMs()) % HOUR;
  await environment.sleep((HOUR - past + FIRST) % HOUR);
}

let installed = false;

/** The SDK's runtime is one a process; its warnings about the test server are not ours to act on. */
function installOnce(): void {
  if (!installed) {
    Runtime.install({
      logger: new DefaultLogger('ERROR'),
      telemetryOptions: { logging: { filter: 'ERROR', forward: {} } },
    });
  }
  installed = true;
}
