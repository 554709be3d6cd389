import { readFileSync } from 'node:fs';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { Activities } from '../../activities/types.js';
import { findTool } from '../../src/temporal/home.js';

/** The bundle that ships: `make test` builds it first. */
export const BUNDLE = new URL('../../dist/workflow-bundle.js', import.meta.url).pathname;

/** A time-skipping server of this file's own: time in it is global, so nothing else may share it. */
export async function createEnvironment(): Promise<TestWorkflowEnvironment> {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  const path = await findTool('temporal-test-server', process.env);
  return TestWorkflowEnvironment.createTimeSkipping(
    path === undefined ? {} : { server: { executable: { type: 'existing-path', path } } },
  );
}

/** Runs a worker of the shipped bundle while `work` goes on. */
export async function withWorker<T>(
  environment: TestWorkflowEnvironment,
  activities: Activities,
  work: (taskQueue: string) => Promise<T>,
): Promise<T> {
  const taskQueue = `test-${Math.random().toString(36).slice(2)}`;
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    ...(environment.namespace === undefined ? {} : { namespace: environment.namespace }),
    taskQueue,
    workflowBundle: { code: readFileSync(BUNDLE, 'utf8') },
    activities: { ...activities },
    // Time is skipped while nothing is under way: a long poll of a lost worker must not hold a test up.
    shutdownGraceTime: '100ms',
  });
  return worker.runUntil(() => work(taskQueue));
}
