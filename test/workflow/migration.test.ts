import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MigrateActivities } from '../../activities/migrate-types.js';
import type { MigrationOrder, MigrationOutcome } from '../../src/domain/migration.js';
import { REAL_TIME } from '../../src/domain/time.js';
import type { migration } from '../../workflows/migration.js';
import {
  cancelMigrationUpdate,
  migrationStatusQuery,
  migrationWorkflowId,
} from '../../workflows/migration-messages.js';
import { openWorker, type OpenWorker } from './environment.js';
import {
  BEFORE,
  createMigrationFakes,
  migrateForwarded,
  orderOf,
  type MigrationFakes,
  type Point,
} from './migration-fakes.js';

/*
 * One server serves the whole file; the activities of the test that runs now answer. What a user loses where this fails: a
 * workload between two places, traffic to pods that are not there, or a copy that nobody takes away.
 */

let environment: TestWorkflowEnvironment;
let taskQueue = '';
let fakes: MigrationFakes = createMigrationFakes();
let worker: OpenWorker | undefined;

const ACTIVITIES: MigrateActivities & Pick<MigrationFakes, 'verify'> = {
  ...migrateForwarded(() => fakes),
  verify: (input) => fakes.verify(input),
};

beforeAll(async () => {
  worker = await openWorker(ACTIVITIES);
  ({ environment, taskQueue } = worker);
});
afterAll(async () => {
  await worker?.close();
});

type Handle = WorkflowHandle<typeof migration>;
let number = 0;

async function play(
  prepare: (fakes: MigrationFakes, handle: () => Handle) => void = () => undefined,
  over: Partial<MigrationOrder> = {},
): Promise<{ outcome: MigrationOutcome; handle: Handle }> {
  fakes = createMigrationFakes();
  let handle: Handle | null = null;
  prepare(fakes, () => {
    if (handle === null) throw new Error('the migration has not started');
    return handle;
  });
  const order = orderOf(++number, over);
  handle = await environment.client.workflow.start<typeof migration>('migration', {
    workflowId: migrationWorkflowId(order.id),
    taskQueue,
    args: [{ order, scale: REAL_TIME, queues: { light: taskQueue, cluster: taskQueue } }],
  });
  return { outcome: await handle.result(), handle };
}

const cancel = (handle: Handle): Promise<unknown> =>
  handle.executeUpdate(cancelMigrationUpdate, { args: [{ author: 'ann', reason: 'no' }] });

/** After a migration that went through. */
const MOVED = { claim: null, source: 0, copy: 3, volumes: true, weight: 100, account: 'web-1', serves: 'web-1' };
const stepsOf = ({ steps }: MigrationOutcome): string[] => steps.map(({ state }) => state);

describe('a migration', () => {
  it('records the way back first, makes the copy ready, leads traffic over, verifies, hands over, drains', async () => {
    const { outcome, handle } = await play();
    expect(outcome).toMatchObject({ result: 'moved', restored: true, copy: 'web-1', downtime: { seconds: 0 } });
    expect(fakes.world).toEqual(MOVED);
    const writes = fakes.points.filter((point) => /^(write|route|record|retarget|awaitCopy|warm)/.test(point));
    expect(writes).toEqual([
      ...['recordMigration', 'write:claim', 'write:images', 'write:volumes', 'warmWorkload', 'write:copy', 'awaitCopy'],
      ...['write:copy', 'awaitCopy', 'write:route', 'route:10', 'write:copy', 'awaitCopy', 'write:route', 'route:100'],
      ...['write:copy', 'awaitCopy', 'retargetAccount', 'write:hand-over', 'write:lower', 'write:retire'],
      'recordMigrationOutcome',
    ]);
    expect(new Set(stepsOf(outcome))).toEqual(new Set(['done']));
    expect(await handle.query(migrationStatusQuery)).toMatchObject({
      ...{ phase: 'ended', weight: 100, cancellable: false, attention: null },
      pointOfNoReturn: { passed: true },
    });
  });

  it('a copy grows with its source: what was raised meanwhile is raised there, too, before more traffic comes', async () => {
    const { outcome } = await play((of) => {
      of.at['route:10'] = () => Promise.resolve((of.world.source = 3));
      of.after.watchMigration = () => Promise.resolve((of.world.source = 7));
    });
    expect(outcome.result).toBe('moved');
    expect(fakes.world.copy).toBe(7);
  });

  it('a cluster, a store, an account that does not answer for some seconds ends nothing', async () => {
    const { outcome } = await play((of) => {
      for (const point of ['surveyMigration', 'recordMigration'] as const) {
        of.failNext[point] = Array.from({ length: 6 }, () => 'the worker restarts');
      }
    });
    expect(outcome.result).toBe('moved');
    expect(fakes.world).toEqual(MOVED);
  });

  it('what cannot be read for long is said, and nothing was touched', async () => {
    const { outcome } = await play((of) => {
      of.failNext.surveyMigration = Array.from({ length: 20 }, () => 'the cluster is down');
    });
    expect(outcome).toMatchObject({ result: 'failed', detail: 'the cluster is down', restored: true });
    expect(fakes.points).toEqual(expect.arrayContaining(['surveyMigration', 'recordMigrationOutcome']));
    expect(fakes.world).toEqual(BEFORE);
  });

  it('what is refused is told with its remedies, and nothing was touched', async () => {
    const { outcome } = await play((of) => (of.survey = { refusals: ['it has volumes; --copy-volumes'] }));
    expect(outcome).toMatchObject({ result: 'refused', detail: 'it has volumes; --copy-volumes' });
    expect(fakes.points.filter((point) => point.startsWith('write'))).toEqual([]);
  });
});

/** Points before the point of no return, in order, that a migration does not go on without. */
const NEEDED: Point[] = [
  ...(['write:claim', 'write:images', 'write:volumes', 'write:copy', 'awaitCopy', 'route:10'] as const),
  ...(['watchMigration', 'route:100', 'retargetAccount'] as const),
];
const BEFORE_ANY: Point[] = ['surveyMigration', 'recordMigration'];

describe('what fails before the point of no return ends in what was there', () => {
  it.each(BEFORE_ANY)('%s: nothing is touched', async (point) => {
    const { outcome } = await play((of) => (of.failNext[point] = ['final: no']));
    expect(outcome).toMatchObject({ result: 'failed', restored: true });
    expect(outcome.detail).toContain('final: no');
    expect(fakes.world).toEqual(BEFORE);
  });

  it.each(NEEDED)('%s, for good', async (point) => {
    const { outcome } = await play((of) => (of.failNext[point] = ['final: no']));
    expect(outcome).toMatchObject({
      result: 'went-back',
      restored: true,
      detail: expect.stringContaining('final: no'),
    });
    expect(fakes.world).toEqual(BEFORE);
    expect(stepsOf(outcome)).not.toContain('done');
  });

  it.each<[string, Point, NonNullable<MigrationFakes['answerNext'][Point]>]>([
    ['somebody else has claimed it', 'write:claim', 'moved'],
    ['the cluster will not have the copy', 'write:copy', 'refused'],
    ['the copy fails its probes', 'awaitCopy', 'not-ready'],
    ['the route was changed by somebody', 'route:100', 'moved'],
    ['the copy breaks under traffic', 'watchMigration', 'broken'],
    ['a pause comes while the copy starts', 'awaitCopy', 'halted'],
  ])('%s', async (_why, point, answer) => {
    const { outcome } = await play((of) => (of.answerNext[point] = answer));
    expect(outcome).toMatchObject({ result: 'went-back', restored: true });
    expect(fakes.world).toEqual(BEFORE);
  });

  it('checks that fail: the traffic goes back', async () => {
    const { outcome } = await play((of) => (of.at['route:100'] = () => Promise.resolve((of.errorRate = 0.4))));
    expect(outcome).toMatchObject({ result: 'went-back', detail: expect.stringContaining('error_rate 0.400') });
    expect(fakes.world).toEqual(BEFORE);
  });

  it('checks that nobody can read: the traffic goes back', async () => {
    const { outcome } = await play((of) => (of.errorRate = null));
    expect(outcome).toMatchObject({ result: 'went-back', detail: expect.stringContaining('no check could be read') });
    expect(fakes.world).toEqual(BEFORE);
  });

  it('caches that cannot be warmed are gone without', async () => {
    const { outcome } = await play((of) => (of.failNext.warmWorkload = ['final: no such hook']));
    expect(outcome.result).toBe('moved');
    expect(outcome.steps.find(({ name }) => name === 'warm caches')?.detail).toContain('gone ahead without');
  });

  it('an answer that is lost is asked for again: what was written is written once', async () => {
    const lost = (): Promise<never> => Promise.reject(new Error('the connection broke'));
    const { outcome } = await play((of) => {
      for (const point of ['write:claim', 'write:copy', 'route:10', 'retargetAccount'] as const) of.after[point] = lost;
    });
    expect(outcome.result).toBe('moved');
    expect(fakes.world).toEqual(MOVED);
  });

  it('going back is tried until it works, and says so meanwhile', async () => {
    const { outcome } = await play((of) => {
      of.answerNext.watchMigration = 'broken';
      of.failNext['write:unroute'] = ['final: forbidden'];
      of.failNext['write:discard'] = ['final: forbidden'];
      of.failNext.confirmAsBefore = ['final: down'];
    });
    expect(outcome).toMatchObject({ result: 'went-back', restored: true });
    expect(fakes.world).toEqual(BEFORE);
  });

  it('what somebody else led to the copy stays with it, and is told', async () => {
    const { outcome } = await play((of) => {
      of.answerNext.watchMigration = 'broken';
      of.answerNext['write:unroute'] = 'moved';
    });
    expect(outcome).toMatchObject({
      result: 'went-back',
      restored: false,
      detail: expect.stringContaining('moved by ben'),
    });
    expect(fakes.world).toMatchObject({ copy: 3, weight: 10 });
  });
});

describe('a source that is stopped while its volumes are copied', () => {
  const STOP = { stop: true, copyVolumes: false, steps: [100] };
  /** Of what only a stop has, and of what a stop moves to another place, in order. */
  const SHOWN = ['retargetAccount', 'write:lower', 'awaitStopped', 'write:volumes', 'write:copy', 'route:100'];

  it('is told of first, stops before they are copied, and serves nobody until the copy does: that is the downtime', async () => {
    const { outcome } = await play((of) => {
      of.at['write:volumes'] = () => delay(30);
    }, STOP);
    expect(outcome.result).toBe('moved');
    expect(outcome.downtime.seconds).toBeGreaterThan(0);
    expect(fakes.world).toEqual(MOVED);
    expect(fakes.points.filter((point) => SHOWN.includes(point)).slice(0, 6)).toEqual([
      ...['retargetAccount', 'write:lower', 'awaitStopped', 'write:volumes', 'write:copy', 'awaitStopped'],
    ]);
    const names = outcome.steps.map(({ name }) => name);
    expect(names.slice(4, 8)).toEqual(['tell the account', 'stop the source', 'copy volumes', 'make the copy ready']);
  });

  it.each<[string, (of: MigrationFakes, handle: () => Handle) => void]>([
    ['it does not stop in time', (of) => (of.answerNext.awaitStopped = 'not-ready')],
    ['the stop is not allowed', (of) => (of.failNext['write:lower'] = ['final: forbidden'])],
    ['its volumes cannot be copied', (of) => (of.failNext['write:volumes'] = ['final: no class'])],
    ['the copy does not get ready', (of) => (of.answerNext.awaitCopy = 'not-ready')],
    ['somebody starts it again', (of) => (of.after.awaitCopy = () => Promise.resolve((of.world.source = 1)))],
    ['somebody starts it later', (of) => (of.at['route:100'] = () => Promise.resolve((of.world.source = 1)))],
    [
      'it is cancelled',
      (of, handle) => {
        of.at['write:volumes'] = async () => {
          delete of.at['write:volumes'];
          await cancel(handle());
        };
      },
    ],
  ])('goes back to what it was where %s, and has its replicas again', async (_why, prepare) => {
    const { outcome } = await play(prepare, STOP);
    expect(outcome).toMatchObject({ result: 'went-back', restored: true });
    expect(fakes.world).toEqual(BEFORE);
    expect(outcome.downtime.seconds).toBeGreaterThan(0);
  });
});

describe('a cancellation', () => {
  const EVERY: Point[] = [
    ...([
      'write:claim',
      'write:images',
      'write:volumes',
      'awaitStaged',
      'warmWorkload',
      'write:copy',
      'awaitCopy',
    ] as const),
    ...(['route:10', 'watchMigration', 'verify', 'route:100', 'retargetAccount'] as const),
  ];
  /** What is cut off is under way still, as what waits for minutes is: the test server knows no cancel of what has ended. */
  const CUT_OFF: Point[] = ['awaitStaged', 'awaitCopy', 'watchMigration', 'verify'];
  it.each(EVERY)('at %s: everything is as it was', async (point) => {
    const { outcome } = await play((of, handle) => {
      of.at[point] = async () => {
        const begun = handle();
        delete of.at[point];
        await cancel(begun);
        if (CUT_OFF.includes(point)) await delay(300);
      };
    });
    expect(outcome).toMatchObject({ result: 'went-back', restored: true, detail: 'cancelled by ann: no' });
    expect(fakes.world).toEqual(BEFORE);
  });

  it('before anything is touched, nothing is', async () => {
    const { outcome } = await play(
      (of, handle) => (of.at.surveyMigration = () => cancel(handle()).then(() => delay(300))),
    );
    expect(outcome).toMatchObject({ result: 'stopped', detail: 'cancelled by ann: no' });
    expect(fakes.points.filter((point) => point.startsWith('write'))).toEqual([]);
  });

  it.each(['awaitCopy', 'route:100'] as const)('by the server’s own cancel at %s', async (point) => {
    const { outcome } = await play((of, handle) => {
      of.at[point] = async () => {
        const begun = handle();
        delete of.at[point];
        await begun.cancel();
        // Still under way when the workflow hears of it, as what waits for minutes is.
        await delay(500);
      };
    });
    expect(outcome).toMatchObject({ result: 'went-back', restored: true });
    expect(fakes.world).toEqual(BEFORE);
  });

  it.each(['write:hand-over', 'write:lower', 'write:retire'] as const)(
    'past the point of no return, at %s, is refused, and it goes through',
    async (point) => {
      let refused: unknown = null;
      const { outcome } = await play((of, handle) => {
        of.at[point] = async () => {
          delete of.at[point];
          refused = await cancel(handle()).catch((error: unknown) => error);
          await handle().cancel();
        };
      });
      expect(refused).toBeInstanceOf(WorkflowUpdateFailedError);
      expect(outcome.result).toBe('moved');
      expect(fakes.world).toEqual(MOVED);
    },
  );
});

describe('past the point of no return', () => {
  it.each(['write:hand-over', 'write:lower', 'write:retire'] as const)('%s is tried until it works', async (point) => {
    const { outcome } = await play((of) => (of.failNext[point] = ['final: forbidden', 'final: forbidden']));
    expect(outcome.result).toBe('moved');
    expect(fakes.world).toEqual(MOVED);
  });
});

describe('freeze and pause', () => {
  it('before the first write: nothing is touched', async () => {
    const { outcome } = await play((of) => (of.answerNext.surveyMigration = 'halted'));
    expect(outcome).toMatchObject({ result: 'stopped', detail: 'frozen by ops: incident' });
    const later = await play((of) => (of.halted = 'frozen by ops'));
    expect(later.outcome).toMatchObject({ result: 'stopped', detail: 'frozen by ops' });
    expect(fakes.world).toEqual(BEFORE);
  });

  it('under way: it finishes, or goes back, as the policy says', async () => {
    const halt = (of: MigrationFakes): void => {
      of.at['route:10'] = () => Promise.resolve((of.halted = 'frozen by ops'));
    };
    expect((await play(halt, { whenPaused: 'finish' })).outcome.result).toBe('moved');
    expect((await play(halt, { whenPaused: 'roll-back' })).outcome).toMatchObject({
      ...{ result: 'went-back', detail: 'frozen by ops' },
    });
    expect(fakes.world).toEqual(BEFORE);
  });

  it('past the point of no return it waits for the end of the freeze, where the policy does not say finish', async () => {
    const { outcome } = await play(
      (of) => {
        of.at['write:hand-over'] = () => {
          of.halted = fakes.points.filter((point) => point === 'write:hand-over').length < 3 ? 'frozen by ops' : null;
          return Promise.resolve();
        };
      },
      { whenPaused: 'roll-back' },
    );
    expect(outcome.result).toBe('moved');
    expect(fakes.points.filter((point) => point === 'write:hand-over')).toHaveLength(3);
  });
});
