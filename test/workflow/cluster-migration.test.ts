import { WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClusterMigrationOrder } from '../../src/domain/cluster-migration.js';
import type { MigrationOutcome } from '../../src/domain/migration.js';
import { REAL_TIME } from '../../src/domain/time.js';
import type { clusterMigration } from '../../workflows/cluster-migration.js';
import { cancelMigrationUpdate, migrationWorkflowId } from '../../workflows/migration-messages.js';
import {
  createCrossingFakes,
  crossingForwarded,
  crossingOf,
  here,
  THERE,
  type CrossingFakes,
} from './crossing-fakes.js';
import { openWorker, type OpenWorker } from './environment.js';

/*
 * An account of two workloads that moves to another cluster. What a user loses where this fails: a workload in two clusters, one
 * in none, or traffic that meets nobody.
 */

let environment: TestWorkflowEnvironment;
let taskQueue = '';
let fakes: CrossingFakes = createCrossingFakes();
let worker: OpenWorker | undefined;

beforeAll(async () => {
  worker = await openWorker(crossingForwarded(() => fakes));
  ({ environment, taskQueue } = worker);
});
afterAll(async () => {
  await worker?.close();
});

type Handle = WorkflowHandle<typeof clusterMigration>;
let number = 0;

async function play(
  prepare: (fakes: CrossingFakes, handle: () => Handle) => void = () => undefined,
  over: Partial<ClusterMigrationOrder> = {},
): Promise<MigrationOutcome> {
  fakes = createCrossingFakes();
  let handle: Handle | null = null;
  prepare(fakes, () => {
    if (handle === null) throw new Error('the move has not started');
    return handle;
  });
  const order = crossingOf(++number, over);
  handle = await environment.client.workflow.start<typeof clusterMigration>('clusterMigration', {
    workflowId: migrationWorkflowId(order.id),
    taskQueue,
    args: [{ order, scale: REAL_TIME, queues: { light: taskQueue, cluster: taskQueue } }],
  });
  return handle.result();
}
const cancel = (handle: Handle): Promise<unknown> =>
  handle.executeUpdate(cancelMigrationUpdate, { args: [{ author: 'ann', reason: 'no' }] });

const FORWARD = [
  ...['openCrossing', 'web source:survey', 'api target:survey', 'recordCrossing'],
  ...['web source:claim', 'api source:claim', 'web target:copy', 'api target:ready'],
  ...[
    'web traffic:route-10',
    'api traffic:route-10',
    'web target:watch-10',
    'web traffic:route-100',
    'api traffic:route-100',
  ],
  ...['api traffic:watch-100', 'placeAccount'],
];
const AFTER = [
  ...['web target:hand-over', 'api target:hand-over', 'web traffic:hand-over', 'web source:lower', 'api source:lower'],
  ...['web source:retire', 'api source:retire'],
];

describe('a move to another cluster', () => {
  it('records the way back first, makes all of it ready, leads it over, tells the account, hands over, drains', async () => {
    const outcome = await play();
    expect(outcome).toMatchObject({ result: 'moved', restored: true });
    expect(fakes.world).toEqual(THERE);
    const first = (point: string): number => fakes.points.indexOf(point);
    const order = [
      ...['recordCrossing', 'web source:claim', 'api target:copy', 'web traffic:route-10', 'web traffic:route-100'],
      ...['placeAccount', 'api target:hand-over', 'web traffic:hand-over', 'api source:lower', 'web source:retire'],
    ].map(first);
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(order).not.toContain(-1);
    // Nothing is led anywhere before every copy is ready.
    expect(first('api target:ready')).toBeLessThan(first('web traffic:route-10'));
    expect(outcome.steps.every(({ state }) => state === 'done' || state === 'left-out')).toBe(true);
  });

  it.each(FORWARD)('an error at %s that a repeat cannot mend ends in what was there', async (point) => {
    const outcome = await play((of) => (of.failNext[point] = ['final: forbidden']));
    expect(fakes.world).toEqual(here());
    expect(outcome).toMatchObject({ restored: true });
    expect(outcome.result).toMatch(/went-back|failed/);
    expect(fakes.outcomes).toHaveLength(1);
  });

  it.each([...FORWARD, ...AFTER])(
    'an answer that is lost at %s changes nothing: all of it moves, once',
    async (point) => {
      expect((await play((of) => (of.loseNext[point] = ['the worker was killed']))).result).toBe('moved');
      expect(fakes.world).toEqual(THERE);
    },
  );

  it.each(AFTER)('past the point of no return an error at %s is tried until it works', async (point) => {
    expect((await play((of) => (of.failNext[point] = ['final: forbidden', 'final: forbidden']))).result).toBe('moved');
    expect(fakes.world).toEqual(THERE);
  });

  it.each(['web source:claim', 'api target:copy', 'web target:watch-10', 'web traffic:route-100', 'placeAccount'])(
    'cancelled at %s all goes back',
    async (point) => {
      const outcome = await play((of, handle) => {
        of.at[point] = async () => {
          delete of.at[point];
          await cancel(handle());
        };
      });
      expect(outcome).toMatchObject({ result: 'went-back', restored: true });
      expect(outcome.detail).toContain('cancelled by ann');
      expect(fakes.world).toEqual(here());
    },
  );

  it('past the point of no return a cancellation is refused', async () => {
    let said: unknown = null;
    const outcome = await play((of, handle) => {
      of.at['web source:lower'] = async () => {
        said = await cancel(handle()).catch((error: unknown) => error);
      };
    });
    expect(outcome.result).toBe('moved');
    expect(said).toBeInstanceOf(WorkflowUpdateFailedError);
  });

  it.each(['source', 'target', 'traffic'] as const)(
    'what the %s refuses is said, and nothing is touched',
    async (side) => {
      const outcome = await play((of) => (of.refusals[side] = ['there is no room']));
      expect(outcome).toMatchObject({ result: 'refused', detail: 'web: there is no room; api: there is no room' });
      expect(fakes.points.some((point) => /claim|copy|route/.test(point))).toBe(false);
    },
  );

  it.each([
    ['fail', 0.4, /error_rate 0.4.* is above 0.1/],
    ['cannot be read', null, /no check could be read in the target/],
  ])('checks of the target that %s end in what was there, whatever the source’s say', async (_, value, words) => {
    const outcome = await play((of) => (of.errorRate.target = value));
    expect(outcome).toMatchObject({ result: 'went-back', detail: expect.stringMatching(words) as string });
    expect(fakes.world).toEqual(here());
  });

  it('somebody else who leads the traffic elsewhere ends it, and is named', async () => {
    const outcome = await play((of) => {
      of.at['web traffic:watch-10'] = () => Promise.resolve((of.world.web.weight = 70));
    });
    expect(outcome).toMatchObject({
      result: 'went-back',
      detail: expect.stringContaining('web: somebody else led it') as string,
    });
  });

  it.each([
    ['finish', 'moved', THERE],
    ['roll-back', 'went-back', here()],
  ] as const)('a freeze on the way with whenPaused: %s', async (whenPaused, result, world) => {
    const outcome = await play(
      (of) => (of.at['web traffic:route-10'] = () => Promise.resolve((of.halted = 'frozen by ops'))),
      { whenPaused },
    );
    expect(outcome.result).toBe(result);
    expect(fakes.world).toEqual(world);
  });

  it('while frozen none begins', async () => {
    expect(await play((of) => (of.halted = 'frozen by ops'))).toMatchObject({
      result: 'stopped',
      detail: 'frozen by ops',
    });
    expect(fakes.world).toEqual(here());
  });

  it('the old ones that are to be removed are kept for the cooling time', async () => {
    const outcome = await play(undefined, { old: 'remove' });
    expect(outcome.endedAt - outcome.startedAt).toBeGreaterThanOrEqual(600);
    expect(fakes.world).toEqual(THERE);
  });
});
