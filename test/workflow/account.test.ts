import { WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import { describe, expect, it } from 'vitest';
import type { AccountPolicy } from '../../src/domain/account.js';
import type { PlannedField } from '../../src/domain/plan.js';
import { REAL_TIME } from '../../src/domain/time.js';
import type { account, AccountResult } from '../../workflows/account.js';
import {
  accountWorkflowId,
  announceSignal,
  approveUpdate,
  clearOverrideSignal,
  nudgeSignal,
  overrideSignal,
  pauseSignal,
  policyQuery,
  rejectUpdate,
  resumeSignal,
  setPolicyUpdate,
  statusQuery,
  stopSignal,
  whyQuery,
} from '../../workflows/messages.js';
import { withWorker } from './environment.js';
import { act, countOf, createFakes, field, policyOf, steady, type Fakes } from './fakes.js';

const HOUR = 3600;
const DAY = 24 * HOUR;

interface World {
  fakes: Fakes;
  handle: WorkflowHandle<typeof account>;
  /** Lets simulated time pass. */
  pass(seconds: number): Promise<void>;
  now(): Promise<number>;
  stop(restore?: boolean): Promise<AccountResult>;
}

/** An account on fakes for the time of one test; stopped at its end, whatever happens. */
async function live(
  options: { policy?: AccountPolicy; fakes?: Fakes },
  work: (world: World) => Promise<void>,
): Promise<void> {
  const fakes = options.fakes ?? createFakes();
  await withWorker(fakes, async (environment, taskQueue) => {
    const name = 'acme';
    const handle = await environment.client.workflow.start<typeof account>('account', {
      workflowId: accountWorkflowId(name),
      taskQueue,
      args: [
        {
          account: name,
          policy: { ...(options.policy ?? policyOf()), account: name },
          scale: REAL_TIME,
          queues: { light: taskQueue, compute: taskQueue, cluster: taskQueue },
        },
      ],
    });
    let stopped = false;
    const world: World = {
      fakes,
      handle,
      pass: (seconds) => environment.sleep(seconds * 1000),
      now: async () => (await environment.currentTimeMs()) / 1000,
      async stop(restore = false) {
        stopped = true;
        await handle.signal(stopSignal, { restore, author: 'test' });
        return handle.result();
      },
    };
    await work(world);
    if (!stopped) await handle.terminate('end of test');
  });
}

const stampOf = (now: number, seconds: number) => ({ author: 'ann', reason: 'test', since: now, until: now + seconds });

describe('account workflow', () => {
  it('lives through a month of hourly cycles, continuing as new, and forgets nothing', async () => {
    const fakes = createFakes();
    // Every second day something has to change.
    fakes.plans = (count) =>
      count % 48 === 47 ? act([field(fakes.values.get('web.replicas') ?? 0, 3 + (count % 5))]) : steady;
    await live({ fakes }, async ({ handle, pass }) => {
      const firstRun = (await handle.describe()).runId;
      await pass(30 * DAY);
      const status = await handle.query(statusQuery);
      expect(status.cycle).toBeGreaterThanOrEqual(720);
      // Changes wake the account when they end: a few cycles more, not many.
      expect(status.cycle).toBeLessThan(780);
      expect(status.results.kept).toBeGreaterThanOrEqual(14);
      expect(status.learnt.bins).toBe(status.cycle);
      expect((await handle.describe()).runId).not.toBe(firstRun);
      expect(countOf(fakes, 'exportHistory')).toBe(status.results.kept);
    });
  });

  it('pauses across days: plans go on, no change begins, and the pause ends by itself', async () => {
    const fakes = createFakes();
    await live({ fakes }, async ({ handle, pass, now }) => {
      await pass(2 * HOUR);
      await handle.signal(pauseSignal, { kind: 'pause', ...stampOf(await now(), 3 * DAY) });
      fakes.plans = () => (fakes.values.get('web.replicas') === 9 ? steady : act([field(2, 9)]));
      await pass(3 * DAY - 2 * HOUR);
      expect(countOf(fakes, 'apply')).toBe(0);
      const paused = await handle.query(statusQuery);
      expect(paused.verdict).toMatchObject({ kind: 'hold', reason: 'paused' });
      expect(paused.holds.paused).toBeGreaterThan(60);
      await pass(5 * HOUR);
      expect(fakes.values.get('web.replicas')).toBe(9);
      expect((await handle.query(statusQuery)).pause).toBeNull();
    });
  });

  it('resume ends a pause at once', async () => {
    const fakes = createFakes();
    await live({ fakes }, async ({ handle, pass, now }) => {
      await handle.signal(pauseSignal, { kind: 'pause', ...stampOf(await now(), 10 * DAY) });
      fakes.plans = () => (fakes.values.get('web.replicas') === 9 ? steady : act([field(2, 9)]));
      await pass(5 * HOUR);
      expect(countOf(fakes, 'apply')).toBe(0);
      await handle.signal(resumeSignal, { author: 'ann', reason: '' });
      await pass(60);
      expect(countOf(fakes, 'apply')).toBe(1);
    });
  });

  it('an override reaches every plan until it expires, and says that it did', async () => {
    const fakes = createFakes();
    const overridesOf = (): number[] =>
      fakes.calls.flatMap(({ name, input }) =>
        name === 'optimize' ? [(input as { overrides: unknown[] }).overrides.length] : [],
      );
    await live({ fakes }, async ({ handle, pass, now }) => {
      await pass(HOUR);
      await handle.signal(overrideSignal, {
        kind: 'override',
        id: 'o-1',
        target: { field: 'replicas', workload: 'web', value: 12 },
        ...stampOf(await now(), 4 * HOUR),
      });
      await pass(3 * HOUR);
      expect(overridesOf().at(-1)).toBe(1);
      await pass(3 * HOUR);
      expect(overridesOf().at(-1)).toBe(0);
      const { log, overrides } = await handle.query(statusQuery);
      expect(overrides).toEqual([]);
      expect(log.map(({ text }) => text)).toContain('override o-1 by ann expired');
    });
  });

  it('an override that has expired on arrival is ignored with a word', async () => {
    await live({}, async ({ handle, pass, now }) => {
      await pass(HOUR);
      const at = await now();
      await handle.signal(overrideSignal, {
        kind: 'override',
        id: 'o-old',
        target: { field: 'replicas', workload: 'web', value: 12 },
        ...stampOf(at - 2 * HOUR, HOUR),
      });
      await pass(60);
      const { overrides, log } = await handle.query(statusQuery);
      expect(overrides).toEqual([]);
      expect(log.map(({ text }) => text)).toContain('override o-old by ann had expired on arrival; ignored');
    });
  });

  it('a second override of the same field replaces the first; clearing takes it away', async () => {
    await live({}, async ({ handle, pass, now }) => {
      const at = await now();
      for (const [id, value] of [
        ['o-1', 5],
        ['o-2', 7],
      ] as const) {
        await handle.signal(overrideSignal, {
          kind: 'override',
          id,
          target: { field: 'replicas', workload: 'web', value },
          ...stampOf(at, DAY),
        });
      }
      await pass(60);
      expect((await handle.query(statusQuery)).overrides.map(({ id }) => id)).toEqual(['o-2']);
      await handle.signal(clearOverrideSignal, { id: 'o-2', author: 'ann' });
      await pass(60);
      expect((await handle.query(statusQuery)).overrides).toEqual([]);
    });
  });

  it('approve mode: waits, carries out what is approved, refuses what is not pending', async () => {
    const fakes = createFakes();
    fakes.plans = () => (fakes.values.get('web.replicas') === 8 ? steady : act([field(2, 8)]));
    await live(
      { fakes, policy: { ...policyOf(), mode: 'approve', approvalWithin: 6 * HOUR } },
      async ({ handle, pass }) => {
        await pass(90);
        const waiting = await handle.query(statusQuery);
        expect(waiting.verdict).toMatchObject({ kind: 'hold', reason: 'awaiting-approval' });
        await expect(handle.executeUpdate(approveUpdate, { args: [{ author: 'ann', planId: 'p-0' }] })).rejects.toThrow(
          WorkflowUpdateFailedError,
        );
        expect(countOf(fakes, 'apply')).toBe(0);
        const { changeId } = await handle.executeUpdate(approveUpdate, { args: [{ author: 'ann' }] });
        expect(changeId).toBe('acme/1');
        await pass(HOUR);
        expect(fakes.values.get('web.replicas')).toBe(8);
        expect(fakes.outcomes).toMatchObject([{ result: 'kept' }]);
      },
    );
  });

  it('an approval that never comes is a rejection, and nothing is touched', async () => {
    const fakes = createFakes();
    fakes.plans = () => act([field(2, 8)]);
    await live(
      { fakes, policy: { ...policyOf(), mode: 'approve', approvalWithin: 4 * HOUR } },
      async ({ handle, pass }) => {
        await pass(5.5 * HOUR);
        const status = await handle.query(statusQuery);
        expect(status.verdict).toMatchObject({ kind: 'hold', reason: 'rejected' });
        expect(status.approval).toBeNull();
        expect(countOf(fakes, 'apply')).toBe(0);
        // After the cool-down it asks again.
        await pass(3 * HOUR);
        expect((await handle.query(statusQuery)).verdict).toMatchObject({ reason: 'awaiting-approval' });
      },
    );
  });

  it.each([
    [
      'approve',
      (handle: World['handle']) => handle.executeUpdate(approveUpdate, { args: [{ author: 'ann' }] }),
      /nothing waits for approval/,
    ],
    [
      'reject',
      (handle: World['handle']) => handle.executeUpdate(rejectUpdate, { args: [{ author: 'ann', reason: '' }] }),
      /nothing to reject/,
    ],
    [
      'a policy whose minimum is above its maximum',
      (handle: World['handle']) => {
        const policy = policyOf();
        const [web] = policy.workloads;
        if (web === undefined) throw new Error('no workload');
        const wrong = { ...policy, workloads: [{ ...web, replicas: { min: 60, max: 50 } }] };
        return handle.executeUpdate(setPolicyUpdate, { args: [{ policy: wrong, author: 'ann' }] });
      },
      /minimum 60 is above maximum 50/,
    ],
    [
      'a policy of another account',
      (handle: World['handle']) =>
        handle.executeUpdate(setPolicyUpdate, {
          args: [{ policy: { ...policyOf(), account: 'other' }, author: 'ann' }],
        }),
      /for account "other"/,
    ],
  ])('refuses %s with words, before it enters the history', async (_name, send, words) => {
    await live({}, async ({ handle, pass }) => {
      await pass(60);
      const before = (await handle.describe()).historyLength;
      const error: unknown = await send(handle).then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
      expect(String((error as WorkflowUpdateFailedError).cause?.message)).toMatch(words);
      expect((await handle.describe()).historyLength).toBeLessThanOrEqual(before + 3);
    });
  });

  it('a policy set takes effect at once and raises the revision', async () => {
    await live({}, async ({ handle, pass }) => {
      await pass(60);
      const result = await handle.executeUpdate(setPolicyUpdate, {
        args: [{ policy: { ...policyOf(), level: 0.95 }, author: 'ann' }],
      });
      expect(result.revision).toBe(2);
      await pass(60);
      expect(await handle.query(policyQuery)).toMatchObject({ revision: 2, policy: { level: 0.95 } });
      expect((await handle.query(statusQuery)).cycle).toBe(2);
    });
  });

  it('a policy set while a cycle observes is sent by the next one', async () => {
    const fakes = createFakes();
    const sent: (string | undefined)[] = [];
    const { observe } = fakes;
    let setOnce: (() => Promise<unknown>) | null = null;
    fakes.observe = async (input) => {
      const set = setOnce;
      setOnce = null;
      await set?.();
      if (input.policy !== undefined) sent.push(input.policyId);
      return observe(input);
    };
    await live({ fakes }, async ({ handle, pass }) => {
      await pass(60);
      const policy = { ...policyOf(), level: 0.9 };
      setOnce = () => handle.executeUpdate(setPolicyUpdate, { args: [{ policy, author: 'ann' }] });
      await pass(3 * HOUR);
      const { policyId } = await handle.query(statusQuery);
      expect(policyId).toContain('@2-');
      expect(sent).toContain(policyId);
    });
  });

  it('recommend mode plans and touches nothing', async () => {
    const fakes = createFakes();
    fakes.plans = () => act([field(2, 8)]);
    await live({ fakes, policy: { ...policyOf(), mode: 'recommend' } }, async ({ handle, pass }) => {
      await pass(DAY);
      expect(countOf(fakes, 'recordContingency')).toBe(0);
      expect((await handle.query(statusQuery)).verdict).toMatchObject({ kind: 'hold', reason: 'mode' });
    });
  });

  it('telemetry down for ten cycles: ten holds with their reason, then it goes on', async () => {
    const fakes = createFakes();
    await live({ fakes }, async ({ handle, pass }) => {
      await pass(60);
      // Three attempts a cycle.
      fakes.failNext.observe = Array.from({ length: 30 }, () => 'telemetry/influxdb: connection refused');
      await pass(10 * HOUR);
      const down = await handle.query(statusQuery);
      expect(down.verdict).toMatchObject({ kind: 'hold', reason: 'missing-data' });
      expect(down.verdict?.detail).toContain('connection refused');
      expect(down.holds['missing-data']).toBe(10);
      await pass(HOUR);
      expect((await handle.query(statusQuery)).verdict).toMatchObject({ reason: 'steady' });
    });
  });

  it('stale data hold first, then may only raise', async () => {
    const fakes = createFakes();
    await live({ fakes }, async ({ handle, pass }) => {
      await pass(60);
      fakes.freshness = 'stale';
      await pass(2 * HOUR);
      expect((await handle.query(statusQuery)).verdict).toMatchObject({ kind: 'hold', reason: 'stale-data' });
      await pass(4 * HOUR);
      const last = fakes.calls.filter(({ name }) => name === 'optimize').at(-1);
      expect(last?.input).toMatchObject({ raiseOnly: ['web'] });
    });
  });

  it('data that were never there are a hold for ever, not a plan', async () => {
    const fakes = createFakes();
    fakes.freshness = 'missing';
    await live({ fakes }, async ({ handle, pass }) => {
      await pass(DAY);
      expect(countOf(fakes, 'optimize')).toBe(0);
      expect((await handle.query(statusQuery)).verdict).toMatchObject({ reason: 'missing-data' });
    });
  });

  it('without a forecast the guard still decides', async () => {
    const fakes = createFakes();
    fakes.plans = () => (fakes.values.get('web.replicas') === 6 ? steady : act([field(2, 6)], 'guard'));
    await live({ fakes }, async ({ pass }) => {
      fakes.failNext.forecast = ['final: no model'];
      await pass(HOUR / 2);
      const first = fakes.calls.find(({ name }) => name === 'optimize');
      expect(first?.input).toMatchObject({ forecastId: null });
      expect(fakes.values.get('web.replicas')).toBe(6);
    });
  });

  it('after a roll-back it cools down, but the guard is not kept waiting', async () => {
    const fakes = createFakes();
    fakes.errorRate = 0.5;
    fakes.plans = (count) => (count === 0 ? act([field(2, 8)]) : steady);
    await live({ fakes }, async ({ handle, pass }) => {
      await pass(0.6 * HOUR);
      expect(fakes.outcomes).toMatchObject([{ result: 'rolled-back', restored: true }]);
      expect(fakes.values.get('web.replicas')).toBe(2);
      fakes.errorRate = 0.01;
      fakes.plans = () => act([field(2, 5)]);
      await handle.signal(nudgeSignal, { reason: 'test' });
      await pass(60);
      expect((await handle.query(statusQuery)).verdict).toMatchObject({ reason: 'cooling-down' });
      fakes.plans = () => (fakes.values.get('web.replicas') === 5 ? steady : act([field(2, 5)], 'guard'));
      await handle.signal(nudgeSignal, { reason: 'test' });
      await pass(60);
      expect(fakes.values.get('web.replicas')).toBe(5);
    });
  });

  it('a reduction that was put back does not keep a raise waiting', async () => {
    const fakes = createFakes();
    fakes.values.set('web.replicas', 8);
    fakes.errorRate = 0.5;
    fakes.plans = (count) => (count === 0 ? act([field(8, 4)]) : steady);
    await live({ fakes }, async ({ handle, pass }) => {
      await pass(0.6 * HOUR);
      expect(fakes.outcomes).toMatchObject([{ result: 'rolled-back', restored: true }]);
      fakes.errorRate = 0.01;
      fakes.plans = () => (fakes.values.get('web.replicas') === 12 ? steady : act([field(8, 12)]));
      await handle.signal(nudgeSignal, { reason: 'test' });
      await pass(60);
      expect(fakes.values.get('web.replicas')).toBe(12);
      fakes.plans = () => act([field(12, 3)]);
      await pass(HOUR);
      expect((await handle.query(statusQuery)).verdict).toMatchObject({ reason: 'cooling-down' });
    });
  });

  it('a plan that needs more ends a verification that has held', async () => {
    const fakes = createFakes();
    const policy = {
      ...policyOf(),
      cycle: 300,
      step: 300,
      verification: { ...policyOf().verification, for: 4 * HOUR, every: 300 },
    };
    fakes.plans = (count) =>
      count === 0 ? act([field(2, 4)]) : (fakes.values.get('web.replicas') ?? 0) < 7 ? act([field(4, 7)]) : steady;
    await live({ fakes, policy }, async ({ pass }) => {
      await pass(1500);
      expect(fakes.values.get('web.replicas')).toBe(7);
      expect(fakes.outcomes[0]).toMatchObject({ result: 'kept' });
      expect(fakes.outcomes[0]?.detail).toMatch(/needs more/);
    });
  });

  it('stop --restore puts back what was there before the first change, not before the last', async () => {
    const fakes = createFakes();
    fakes.plans = (count) => (count < 4 ? act([field(fakes.values.get('web.replicas') ?? 0, 4 + count)]) : steady);
    await live({ fakes }, async ({ pass, stop }) => {
      await pass(6 * HOUR);
      expect(fakes.values.get('web.replicas')).toBeGreaterThan(4);
      const result = await stop(true);
      expect(result.restored).toEqual([{ field: 'web.replicas', result: 'back to 2' }]);
      expect(fakes.values.get('web.replicas')).toBe(2);
      expect(countOf(fakes, 'release')).toBe(1);
    });
  });

  it('what stop --restore left to a person is on record, and so is what it could not free', async () => {
    const fakes = createFakes();
    fakes.plans = (count) => (count === 0 ? act([field(2, 6)]) : steady);
    fakes.rollback = () => Promise.resolve({ kind: 'moved', value: 9, owner: 'kubectl' });
    fakes.release = () => Promise.resolve({ problems: ['Deployment acme/web: patch is forbidden'] });
    await live({ fakes }, async ({ pass, stop }) => {
      await pass(2 * HOUR);
      await stop(true);
      expect(fakes.outcomes.at(-1)).toMatchObject({ changeId: 'acme/stop-1', result: 'stopped', planId: '' });
      expect(fakes.outcomes.at(-1)?.detail).toBe(
        'stopped by test with --restore: web.replicas left at 9, set by kubectl since; it was 2; ' +
          'marks of changes stay on Deployment acme/web: patch is forbidden',
      );
    });
  });

  it('a change that went on without warm capacity holds up that alone, never a raise', async () => {
    const fakes = createFakes();
    fakes.values.set('general', 0);
    const warm: PlannedField = { ...field(0, 4), target: { field: 'warm', pool: 'general', value: 4 } };
    fakes.apply = (input) => {
      fakes.calls.push({ name: 'apply', input, at: Date.now() });
      const { target } = input.mutation;
      if (target.field === 'warm') return Promise.resolve({ kind: 'not-found', detail: 'no namespace warm' });
      fakes.values.set('web.replicas', target.value);
      return Promise.resolve({ kind: 'applied', value: target.value });
    };
    let surge = false;
    fakes.plans = () => (surge && fakes.values.get('web.replicas') !== 6 ? act([warm, field(2, 6)]) : act([warm]));
    await live({ fakes, policy: { ...policyOf(), coolDown: DAY } }, async ({ handle, pass }) => {
      await pass(2.5 * HOUR);
      // The first plan met the refusal; the next ones know of it and begin no change.
      expect(fakes.outcomes).toMatchObject([{ result: 'failed', applied: 0 }]);
      expect((await handle.query(statusQuery)).verdict).toMatchObject({ reason: 'cooling-down' });
      surge = true;
      await pass(1.2 * HOUR);
      expect(fakes.values.get('web.replicas')).toBe(6);
      expect(fakes.outcomes.at(-1)).toMatchObject({ result: 'kept', leftOut: [{ field: 'general.warm' }] });
      await pass(HOUR);
      expect((await handle.query(statusQuery)).verdict).toMatchObject({ reason: 'cooling-down' });
      expect(fakes.outcomes).toHaveLength(2);
    });
  });

  it('stop leaves what runs as it is, and gives up its claims', async () => {
    const fakes = createFakes();
    fakes.plans = (count) => (count === 0 ? act([field(2, 6)]) : steady);
    await live({ fakes }, async ({ pass, stop }) => {
      await pass(2 * HOUR);
      const result = await stop();
      expect(result.restored).toEqual([]);
      expect(fakes.values.get('web.replicas')).toBe(6);
      expect(countOf(fakes, 'release')).toBe(1);
    });
  });

  it('announced events reach the plans, and why answers before and after the first plan', async () => {
    const fakes = createFakes();
    await live({ fakes }, async ({ handle, pass, now }) => {
      const at = await now();
      await handle.signal(announceSignal, {
        name: 'sale',
        from: at + DAY,
        to: at + DAY + HOUR,
        expect: { multiplier: 3 },
        uncertainty: 0.2,
        author: 'ann',
      });
      await pass(HOUR);
      const last = fakes.calls.filter(({ name }) => name === 'optimize').at(-1);
      expect(last?.input).toMatchObject({ events: [{ name: 'sale' }] });
      expect(await handle.query(whyQuery)).toMatchObject({ verdict: 'hold (steady): nothing to do' });
    });
  });

  it('a frozen fleet holds with its author', async () => {
    const fakes = createFakes();
    fakes.frozen = true;
    fakes.plans = () => act([field(2, 6)]);
    await live({ fakes }, async ({ handle, pass }) => {
      await pass(3 * HOUR);
      expect(countOf(fakes, 'apply')).toBe(0);
      expect((await handle.query(statusQuery)).verdict).toMatchObject({ reason: 'frozen' });
    });
  });
});
