import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountPolicy } from '../../src/domain/account.js';
import type { PlanSummary } from '../../src/domain/plan.js';
import { REAL_TIME } from '../../src/domain/time.js';
import type { OptimizeInput } from '../../activities/types.js';
import type { account } from '../../workflows/account.js';
import {
  accountWorkflowId,
  approveUpdate,
  contingencySignal,
  overrideSignal,
  pauseSignal,
  planQuery,
  resumeSignal,
  statusQuery,
  stopSignal,
} from '../../workflows/messages.js';
import { openWorker, tenPast, type OpenWorker } from './environment.js';
import {
  act,
  answerOf,
  countOf,
  createFakes,
  digestOf,
  field,
  forwarded,
  policyOf,
  steady,
  type Fakes,
} from './fakes.js';

const HOUR = 3600;

interface World {
  name: string;
  handle: WorkflowHandle<typeof account>;
  pass(seconds: number): Promise<void>;
  now(): Promise<number>;
}

/*
 * One server serves the whole file: every account ends within its test, so that nothing keeps the next from skipping
 * time. The activities of the test that runs now answer.
 */

let environment: TestWorkflowEnvironment;
let taskQueue = '';
let present: Fakes = createFakes();
let worker: OpenWorker | undefined;
let accounts = 0;

beforeAll(async () => {
  worker = await openWorker(forwarded(() => present));
  ({ environment, taskQueue } = worker);
});
afterAll(async () => {
  await worker?.close();
});

/** An account whose first plan has answers prepared beside it. */
async function live(fakes: Fakes, policy: AccountPolicy, work: (world: World) => Promise<void>): Promise<void> {
  present = fakes;
  // Ten minutes past an hour, as the first one begins: cycles fall on whole hours, and tests count them.
  await tenPast(environment);
  const name = `acme-${++accounts}`;
  const handle = await environment.client.workflow.start<typeof account>('account', {
    workflowId: accountWorkflowId(name),
    taskQueue,
    args: [
      {
        account: name,
        policy: { ...policy, account: name },
        scale: REAL_TIME,
        queues: { light: taskQueue, compute: taskQueue, cluster: taskQueue },
      },
    ],
  });
  const world: World = {
    name,
    handle,
    pass: (seconds) => environment.sleep(seconds * 1000),
    now: async () => (await environment.currentTimeMs()) / 1000,
  };
  try {
    await work(world);
  } finally {
    // Its change ends with it: what is left under way would keep the next test from skipping time.
    await handle.signal(stopSignal, { restore: false, author: 'test' });
    await handle.result();
  }
}

const prepared = (...armed: { key: string; for?: number }[]): Fakes => {
  const fakes = createFakes();
  fakes.digest = digestOf(...armed);
  fakes.answers = (input) => answerOf(input, [field(fakes.values.get('web.replicas') ?? 0, 9)]);
  return fakes;
};

/** The activities from the last look that came before the first write, to that write. */
function untilWritten(fakes: Fakes): string[] {
  const names = fakes.calls.map(({ name }) => name);
  const written = names.indexOf('apply');
  const asked = names.lastIndexOf('answer', written);
  return names.slice(Math.max(0, names.lastIndexOf('observe', asked)), written + 1);
}

describe('a prepared answer is fired', () => {
  it('by what a cycle sees: no forecast and no plan stand between the look and the write', async () => {
    const fakes = prepared({ key: 'demand' });
    await live(fakes, policyOf(), async ({ handle, pass }) => {
      await pass(60);
      fakes.symptoms = [{ key: 'demand', what: 'web/cpu is 12' }];
      await pass(HOUR);
      expect(fakes.values.get('web.replicas')).toBe(9);
      expect(untilWritten(fakes)).toEqual(['observe', 'answer', 'recordContingency', 'revalidate', 'apply']);
      await pass(HOUR);
      expect(fakes.outcomes).toMatchObject([
        { result: 'kept', firedBy: { key: 'demand', setId: 'answers-p-1', what: 'web/cpu is 12' } },
      ]);
      const { log, results } = await handle.query(statusQuery);
      expect(results.kept).toBe(1);
      expect(log.map(({ text }) => text)).toContain('surprise demand: web/cpu is 12');
    });
  });

  it('by a signal between two cycles, without a look at telemetry', async () => {
    const fakes = prepared({ key: 'spot-market/aws/eu-1a' });
    await live(fakes, policyOf(), async ({ name, handle, pass }) => {
      await pass(60);
      const looks = countOf(fakes, 'observe');
      await handle.signal(contingencySignal, { key: 'spot-market/aws/eu-1a', what: 'no nodes are left' });
      await pass(60);
      expect(fakes.values.get('web.replicas')).toBe(9);
      expect(countOf(fakes, 'observe')).toBe(looks);
      expect((await handle.query(statusQuery)).surprises).toMatchObject([
        { key: 'spot-market/aws/eu-1a', changeId: `${name}/1`, waiting: false },
      ]);
    });
  });

  it('for the workloads that surprised, and again for another one while it lasts', async () => {
    const fakes = prepared({ key: 'demand' });
    const asked: (string[] | undefined)[] = [];
    fakes.answers = (input) => {
      asked.push(input.workloads);
      return answerOf(input, [field(fakes.values.get('web.replicas') ?? 0, 9 + asked.length)]);
    };
    await live(fakes, policyOf(), async ({ handle, pass }) => {
      await pass(60);
      fakes.symptoms = [{ key: 'demand', what: 'web/cpu is 12', workloads: ['web'] }];
      await pass(2 * HOUR);
      expect(asked).toEqual([['web']]);
      fakes.symptoms = [{ key: 'demand', what: 'web/cpu is 12; api/cpu is 7', workloads: ['web', 'api'] }];
      await pass(HOUR);
      expect(asked).toEqual([['web'], ['api']]);
      expect((await handle.query(statusQuery)).surprises).toMatchObject([
        { key: 'demand', concerns: ['web'] },
        { key: 'demand', concerns: ['api'] },
      ]);
    });
  });

  it('once for one surprise: while it lasts it is not heard again, plans are told, and after it they are not', async () => {
    const fakes = prepared({ key: 'demand' });
    await live(fakes, policyOf(), async ({ handle, pass }) => {
      await pass(60);
      fakes.symptoms = [{ key: 'demand', what: 'web/cpu is 12' }];
      await pass(5 * HOUR);
      expect(countOf(fakes, 'answer')).toBe(1);
      const told = (): unknown =>
        fakes.calls
          .flatMap(({ name, input }) => (name === 'optimize' ? [(input as OptimizeInput).surprises] : []))
          .at(-1);
      expect(told()).toEqual([{ what: 'web/cpu is 12', pools: [], workloads: ['web'] }]);
      fakes.symptoms = [];
      await pass(4 * HOUR);
      expect((await handle.query(statusQuery)).surprises).toEqual([]);
      expect(told()).toBeUndefined();
      // The next one is another surprise.
      fakes.symptoms = [{ key: 'demand', what: 'web/cpu is 13' }];
      await pass(HOUR);
      expect(countOf(fakes, 'answer')).toBe(2);
    });
  });

  it('not before its condition has held for as long as it asks', async () => {
    const fakes = prepared({ key: 'pool-stuck/general', for: 2 * HOUR });
    await live(fakes, policyOf(), async ({ pass }) => {
      await pass(60);
      fakes.symptoms = [{ key: 'pool-stuck/general', what: '2 of 5 nodes' }];
      await pass(2 * HOUR);
      expect(countOf(fakes, 'answer')).toBe(0);
      await pass(HOUR);
      expect(countOf(fakes, 'answer')).toBe(1);
    });
  });

  it.each<[string, string[]]>([
    ['nobody prepared', []],
    ['is not of the set', ['telemetry']],
  ])('never where the answer is one that %s', async (_name, keys) => {
    const fakes = prepared(...keys.map((key) => ({ key })));
    if (keys.length === 0) fakes.digest = null;
    await live(fakes, policyOf(), async ({ handle, pass }) => {
      await pass(60);
      fakes.symptoms = [{ key: 'demand', what: 'web/cpu is 12' }];
      await handle.signal(contingencySignal, { key: 'demand', what: 'web/cpu is 12' });
      await pass(2 * HOUR);
      expect(countOf(fakes, 'answer')).toBe(0);
      expect(countOf(fakes, 'apply')).toBe(0);
    });
  });

  it('in mode recommend it is shown, in mode approve it asks; only auto acts by itself', async () => {
    for (const mode of ['recommend', 'approve'] as const) {
      const fakes = prepared({ key: 'demand' });
      await live(fakes, { ...policyOf(), mode, approvalWithin: 6 * HOUR }, async ({ handle, pass }) => {
        await pass(60);
        fakes.symptoms = [{ key: 'demand', what: 'web/cpu is 12' }];
        await pass(HOUR);
        expect(countOf(fakes, 'apply')).toBe(0);
        const shown: PlanSummary | null = await handle.query(planQuery);
        expect(shown?.firedBy?.key).toBe('demand');
        const { verdict } = await handle.query(statusQuery);
        expect(verdict).toMatchObject({ kind: 'hold', reason: mode === 'approve' ? 'awaiting-approval' : 'mode' });
        if (mode !== 'approve') return;
        await handle.executeUpdate(approveUpdate, { args: [{ author: 'ann' }] });
        await pass(60);
        expect(fakes.values.get('web.replicas')).toBe(9);
      });
    }
  });

  it('where another change runs, that is superseded, and the answer comes next, before any plan', async () => {
    const fakes = prepared({ key: 'demand' });
    fakes.plans = (count) => (count === 1 ? act([field(2, 5)]) : steady);
    const policy = policyOf();
    policy.verification.for = 5 * HOUR;
    await live(fakes, policy, async ({ name, handle, pass }) => {
      await pass(HOUR);
      expect(fakes.values.get('web.replicas')).toBe(5);
      await handle.signal(contingencySignal, { key: 'demand', what: 'web/cpu is 12' });
      await pass(60);
      expect(fakes.outcomes).toMatchObject([{ changeId: `${name}/1`, result: 'kept' }]);
      expect(fakes.values.get('web.replicas')).toBe(9);
      const names = fakes.calls.map(({ name }) => name);
      expect(names.slice(names.indexOf('answer'), names.lastIndexOf('apply'))).not.toContain('optimize');
    });
  });

  it('a pause keeps it waiting, not the cycles; resuming lets it go', async () => {
    const fakes = prepared({ key: 'demand' });
    await live(fakes, { ...policyOf(), coolDown: 20 * HOUR }, async ({ handle, pass, now }) => {
      await pass(60);
      const at = await now();
      const stamp = { author: 'ann', reason: 'test', since: at, until: at + 10 * HOUR };
      await handle.signal(pauseSignal, { kind: 'pause', ...stamp });
      fakes.symptoms = [{ key: 'demand', what: 'web/cpu is 12' }];
      await pass(4 * HOUR);
      expect(countOf(fakes, 'apply')).toBe(0);
      expect(countOf(fakes, 'optimize')).toBeGreaterThan(3);
      expect((await handle.query(statusQuery)).surprises).toMatchObject([{ waiting: true }]);
      await handle.signal(resumeSignal, { author: 'ann', reason: '' });
      await pass(60);
      expect(fakes.values.get('web.replicas')).toBe(9);
    });
  });

  it('a freeze that no cycle has seen yet stops it before its first write', async () => {
    const fakes = prepared({ key: 'demand' });
    await live(fakes, policyOf(), async ({ handle, pass }) => {
      await pass(60);
      fakes.frozen = true;
      await handle.signal(contingencySignal, { key: 'demand', what: 'web/cpu is 12' });
      await pass(60);
      expect(countOf(fakes, 'apply')).toBe(0);
      expect(fakes.outcomes).toMatchObject([{ result: 'stopped' }]);
    });
  });

  it('telemetry that cannot be read for longer than staleAfter is answered without it', async () => {
    const fakes = prepared({ key: 'telemetry' });
    await live(fakes, policyOf(), async ({ pass }) => {
      await pass(60);
      fakes.failNext.observe = Array.from({ length: 10 }, () => 'final: no route to the bucket');
      await pass(3 * HOUR);
      expect(countOf(fakes, 'answer')).toBe(0);
      await pass(2 * HOUR);
      expect(fakes.values.get('web.replicas')).toBe(9);
      expect(fakes.outcomes).toMatchObject([{ firedBy: { key: 'telemetry' } }]);
    });
  });

  it('two cycles without a plan are a forecast gone wrong; one is not', async () => {
    const fakes = prepared({ key: 'forecast' });
    await live(fakes, policyOf(), async ({ pass }) => {
      await pass(60);
      fakes.failNext.optimize = ['final: out of memory'];
      await pass(2 * HOUR);
      expect(countOf(fakes, 'answer')).toBe(0);
      fakes.failNext.optimize = ['final: out of memory', 'final: out of memory'];
      await pass(2 * HOUR);
      expect(fakes.values.get('web.replicas')).toBe(9);
      expect(fakes.outcomes).toMatchObject([{ firedBy: { key: 'forecast', what: 'no plan can be made' } }]);
    });
  });

  it('an answer that cannot be had is not over: the trigger is heard again', async () => {
    const fakes = prepared({ key: 'demand' });
    await live(fakes, policyOf(), async ({ handle, pass }) => {
      await pass(60);
      fakes.failNext.answer = ['final: the cluster is out of reach'];
      fakes.symptoms = [{ key: 'demand', what: 'web/cpu is 12' }];
      await pass(HOUR);
      expect(fakes.values.get('web.replicas')).toBe(2);
      const { log } = await handle.query(statusQuery);
      expect(log.map(({ text }) => text)).toContain('demand could not be answered: final: the cluster is out of reach');
      await pass(HOUR);
      expect(fakes.values.get('web.replicas')).toBe(9);
    });
  });

  it('an answer with nothing to write leaves the cycle its plan', async () => {
    const fakes = prepared({ key: 'demand' });
    fakes.answers = (input) => answerOf(input, []);
    await live(fakes, policyOf(), async ({ pass }) => {
      await pass(60);
      fakes.symptoms = [{ key: 'demand', what: 'web/cpu is 12' }];
      const plans = countOf(fakes, 'optimize');
      await pass(HOUR);
      expect(countOf(fakes, 'apply')).toBe(0);
      expect(countOf(fakes, 'optimize')).toBe(plans + 1);
    });
  });

  it('an override makes the answers void: they were solved without it', async () => {
    const fakes = prepared({ key: 'demand' });
    await live(fakes, policyOf(), async ({ handle, pass, now }) => {
      await pass(60);
      fakes.digest = null;
      const at = await now();
      await handle.signal(overrideSignal, {
        kind: 'override',
        id: 'o-1',
        target: { field: 'replicas', workload: 'web', value: 3 },
        author: 'ann',
        reason: 'test',
        since: at,
        until: at + 10 * HOUR,
      });
      await pass(60);
      await handle.signal(contingencySignal, { key: 'demand', what: 'web/cpu is 12' });
      await pass(60);
      expect(countOf(fakes, 'answer')).toBe(0);
      expect((await handle.query(statusQuery)).contingencies).toBeNull();
    });
  });
});
