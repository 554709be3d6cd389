import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountPolicy } from '../../src/domain/account.js';
import type { ProposedMove } from '../../src/domain/migration-proposal.js';
import { REAL_TIME } from '../../src/domain/time.js';
import type { account } from '../../workflows/account.js';
import { accountWorkflowId, pauseSignal, resumeSignal, statusQuery, stopSignal } from '../../workflows/messages.js';
import type { migration } from '../../workflows/migration.js';
import { migrationWorkflowId } from '../../workflows/migration-messages.js';
import { openWorker, tenPast, type OpenWorker } from './environment.js';
import { act, countOf, createFakes, field, forwarded, policyOf, steady, type Fakes, type PlanScript } from './fakes.js';
import { createMigrationFakes, migrateForwarded, orderOf, type MigrationFakes } from './migration-fakes.js';

/*
 * An account begins what its plans propose, where its file says so. What a user loses where this fails: a workload that moves
 * although nobody agreed, during an incident, twice at once, or to and fro.
 */

type Migration = typeof migration;
const HOUR = 3600;
const DAY = 24 * HOUR;
const WORDS = 'saves 0.8 EUR/h over 1d';
const MOVE: ProposedMove = { workload: 'web', from: 'general', to: 'spot', confidence: 0.9, words: WORDS };
const proposed = (over: Partial<ProposedMove> = {}): PlanScript => ({
  ...steady,
  moves: [{ ...MOVE, ...over }],
});
const AUTO: Partial<AccountPolicy> = { migrations: 'auto' };

let environment: TestWorkflowEnvironment;
let taskQueue = '';
let present: Fakes = createFakes();
let moving: MigrationFakes = createMigrationFakes();
let worker: OpenWorker | undefined;
let accounts = 0;

beforeAll(async () => {
  worker = await openWorker({ ...migrateForwarded(() => moving), ...forwarded(() => present) });
  ({ environment, taskQueue } = worker);
});
afterAll(async () => {
  await worker?.close();
});

interface World {
  name: string;
  handle: WorkflowHandle<typeof account>;
  /** Lets so many seconds go by. */
  pass(seconds: number): Promise<void>;
  now(): Promise<number>;
  /** What the account said of migrations. */
  said(): Promise<string[]>;
  /** A migration of it by number; of one that does not exist, every question fails. */
  migration(number: number): WorkflowHandle<typeof migration>;
}

/** An account with these plans; what its migrations leave in the store is what the fakes of migrations were told. */
async function live(
  plans: Fakes['plans'],
  policy: Partial<AccountPolicy>,
  work: (world: World) => Promise<void>,
  prepare: () => unknown = () => undefined,
): Promise<void> {
  present = createFakes();
  moving = createMigrationFakes();
  present.plans = plans;
  present.migrations = ({ began }) => {
    const outcome = moving.outcomes.find(({ id }) => id === began) ?? null;
    const ends = moving.outcomes.map(({ endedAt }) => endedAt);
    const waits = began !== null && outcome === null;
    return { running: waits ? [began] : [], last: ends.length, endedAt: ends.at(-1) ?? null, outcome };
  };
  prepare();
  await tenPast(environment);
  const name = `mover-${++accounts}`;
  const handle = await environment.client.workflow.start<typeof account>('account', {
    workflowId: accountWorkflowId(name),
    taskQueue,
    args: [
      {
        account: name,
        policy: { ...policyOf(), ...policy, account: name },
        scale: REAL_TIME,
        queues: { light: taskQueue, compute: taskQueue, cluster: taskQueue },
      },
    ],
  });
  try {
    await work({
      name,
      handle,
      pass: (seconds) => environment.sleep(seconds * 1000),
      now: async () => (await environment.currentTimeMs()) / 1000,
      said: async () =>
        (await handle.query(statusQuery)).log
          .map(({ text }) => text.replaceAll(name, 'acme'))
          .filter((text) => text.includes('migration')),
      migration: (number) =>
        environment.client.workflow.getHandle<typeof migration>(migrationWorkflowId(`${name}/web/${number}`)),
    });
  } finally {
    await handle.signal(stopSignal, { restore: false, author: 'test' });
    await handle.result();
  }
}

const MOVED = [
  `migration acme/web/1 of web to pool spot begun: ${WORDS}`,
  'migration acme/web/1 moved: acme/web is web-1 now; the old one is gone',
];

describe('migrations: auto', () => {
  it('begins what the plan proposes, says what became of it, and lets the workload rest for a day', async () => {
    await live(
      () => proposed(),
      AUTO,
      async ({ name, handle, pass, said }) => {
        await pass(2 * HOUR);
        expect(await said()).toEqual(MOVED);
        expect(moving.outcomes).toMatchObject([{ id: `${name}/web/1`, result: 'moved', target: { pool: 'spot' } }]);
        expect((await handle.query(statusQuery)).moving).toBeUndefined();
        await pass(DAY - 3 * HOUR);
        expect(moving.outcomes).toHaveLength(1);
        await pass(4 * HOUR);
        expect(moving.outcomes.map(({ id }) => id)).toEqual([`${name}/web/1`, `${name}/web/2`]);
      },
    );
  });

  const nothing: [name: string, policy: Partial<AccountPolicy>, plan: () => PlanScript, prepare?: () => unknown][] = [
    ['nothing where the file does not say so', {}, () => proposed()],
    ['nothing where a person approves changes', { ...AUTO, mode: 'approve' }, () => proposed()],
    ['nothing where nothing is touched', { ...AUTO, mode: 'recommend' }, () => proposed()],
    ['nothing that is no surer than a coin', AUTO, () => proposed({ confidence: 0.5 })],
    [
      'nothing during a blackout',
      AUTO,
      () => ({ ...proposed(), verdict: { kind: 'hold', reason: 'blackout', detail: 'launch' } }),
    ],
    ['nothing while everything is frozen', AUTO, () => proposed(), () => (present.frozen = true)],
    [
      'nothing beside a migration that somebody else began',
      AUTO,
      () => proposed(),
      () => (present.migrations = () => ({ running: ['acme/api/3'], last: 0, endedAt: null, outcome: null })),
    ],
    [
      'nothing of what was moved by hand just now',
      AUTO,
      () => proposed(),
      () =>
        (present.migrations = () => ({ running: [], last: 1, endedAt: Number.MAX_SAFE_INTEGER / 2, outcome: null })),
    ],
  ];
  it.each(nothing)('%s', async (_name, policy, plan, prepare) => {
    await live(
      () => plan(),
      policy,
      async ({ pass, said }) => {
        await pass(3 * HOUR);
        expect(countOf(present, 'optimize')).toBeGreaterThan(1);
        expect(moving.points).toEqual([]);
        expect(await said()).toEqual([]);
      },
      prepare,
    );
  });

  it('waits while the account is paused, and for the end of a change', async () => {
    await live(
      (count) => (count === 0 ? act([field(2, 4)]) : count === 1 ? steady : proposed()),
      AUTO,
      async ({ handle, pass, now, said }) => {
        await pass(HOUR / 4);
        await handle.signal(pauseSignal, {
          ...{ kind: 'pause', author: 'ann', reason: 'audit' },
          ...{ since: await now(), until: (await now()) + DAY },
        });
        await pass(4 * HOUR);
        expect(moving.points).toEqual([]);
        await handle.signal(resumeSignal, { author: 'ann', reason: '' });
        await pass(2 * HOUR);
        expect(await said()).toEqual(MOVED);
      },
    );
    await live(
      (count) => (count === 0 ? { ...act([field(2, 4)]), moves: [MOVE] } : proposed()),
      { ...AUTO, verification: { ...policyOf().verification, for: 3 * HOUR } },
      async ({ pass }) => {
        await pass(2 * HOUR);
        // Cycles went by, and each proposed it.
        expect(countOf(present, 'optimize')).toBeGreaterThan(1);
        expect(moving.points).toEqual([]);
        await pass(5 * HOUR);
        expect(present.outcomes).toMatchObject([{ result: 'kept' }]);
        expect(moving.outcomes).toMatchObject([{ result: 'moved' }]);
      },
    );
  });

  it('of what is refused, or goes back, nothing is tried again for a day', async () => {
    await live(
      () => proposed(),
      AUTO,
      async ({ pass, said }) => {
        await pass(6 * HOUR);
        expect(moving.outcomes).toMatchObject([{ result: 'refused' }]);
        expect(await said()).toEqual([
          MOVED[0],
          'migration acme/web/1 refused: a volume would be copied as it is now; --copy-volumes consents',
        ]);
      },
      () => (moving.survey = { refusals: ['a volume would be copied as it is now; --copy-volumes consents'] }),
    );
  });

  it('of several takes the best that does not rest', async () => {
    const api = { ...MOVE, workload: 'api' };
    await live(
      () => ({ ...steady, moves: [{ ...MOVE, confidence: 0.6 }, MOVE, api] }),
      AUTO,
      async ({ name, pass }) => {
        await pass(3 * HOUR);
        expect(moving.outcomes.map(({ id }) => id.replace(name, 'acme'))).toEqual(['acme/web/1', 'acme/api/1']);
      },
      // Each workload has its own.
      () =>
        (present.migrations = ({ workload, began }) => {
          const own = moving.outcomes.filter((one) => one.workload === workload);
          const outcome = own.find(({ id }) => id === began) ?? null;
          const waits = began !== null && outcome === null;
          return { running: waits ? [began] : [], last: own.length, endedAt: own.at(-1)?.endedAt ?? null, outcome };
        }),
    );
  });

  it('takes the next number where one is taken, and notices one that was terminated', async () => {
    await live(
      (count) => (count === 0 ? steady : proposed()),
      AUTO,
      async ({ name, pass, said, handle, migration }) => {
        // A number without a record: somebody's migration that was refused before it left any.
        await environment.client.workflow.start<Migration>('migration', {
          workflowId: migrationWorkflowId(`${name}/web/1`),
          taskQueue,
          args: [
            {
              order: orderOf(1, { id: `${name}/web/1`, account: name }),
              scale: REAL_TIME,
              queues: { light: taskQueue, cluster: taskQueue },
            },
          ],
        });
        await migration(1).result();
        moving.outcomes = [];
        let told = false;
        moving.at = { awaitCopy: () => Promise.resolve((told = true)) };
        present.migrations = () => ({ running: [], last: 0, endedAt: null, outcome: null });
        await pass(HOUR);
        expect(told).toBe(true);
        await pass(HOUR);
        expect(await said()).toEqual([
          `migration acme/web/2 of web to pool spot begun: ${WORDS}`,
          'migration acme/web/2 ended without a word (terminated?)',
        ]);
        expect((await handle.query(statusQuery)).moving).toBeUndefined();
      },
    );
  });
});
