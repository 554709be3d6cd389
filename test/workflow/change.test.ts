import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { orderChange } from '../../src/domain/change.js';
import type { FieldTarget, MutationResult } from '../../src/domain/cluster.js';
import type { ChangeOutcome, PlannedField } from '../../src/domain/plan.js';
import { REAL_TIME } from '../../src/domain/time.js';
import type { account } from '../../workflows/account.js';
import type { change } from '../../workflows/change.js';
import {
  accountWorkflowId,
  changeWorkflowId,
  haltSignal,
  statusQuery,
  supersedeSignal,
  type ChangeInput,
} from '../../workflows/messages.js';
import { openWorker, type OpenWorker } from './environment.js';
import { countOf, createFakes, field, forwarded, policyOf, type Fakes } from './fakes.js';

/*
 * One server serves the whole file: every change ends within its test, so that nothing keeps the next from skipping
 * time. The activities of the test that runs now answer.
 */

let environment: TestWorkflowEnvironment;
let taskQueue = '';
let fakes: Fakes = createFakes();
let worker: OpenWorker | undefined;

const ACTIVITIES = forwarded(() => fakes);

beforeAll(async () => {
  worker = await openWorker(ACTIVITIES);
  ({ environment, taskQueue } = worker);
});
afterAll(async () => {
  await worker?.close();
});

const replicas = (workload: string, from: number, to: number): PlannedField => ({
  ...field(from, to),
  target: { field: 'replicas', workload, value: to },
});

/** Three workloads that all go up; what the cluster has before is what the plan saw. */
const THREE = [replicas('web', 2, 5), replicas('api', 3, 6), replicas('jobs', 1, 4)];
const BEFORE = { 'web.replicas': 2, 'api.replicas': 3, 'jobs.replicas': 1 };
const AFTER = { 'web.replicas': 5, 'api.replicas': 6, 'jobs.replicas': 4 };

type Handle = WorkflowHandle<typeof change>;
interface Scene {
  fields: PlannedField[];
  input: Partial<ChangeInput>;
  /** Prepares the fakes; `handle` is the change once it runs. */
  prepare: (fakes: Fakes, handle: () => Handle) => void;
}

let changes = 0;

async function play(scene: Partial<Scene>): Promise<{ outcome: ChangeOutcome; handle: Handle }> {
  fakes = createFakes();
  fakes.values = new Map(Object.entries(BEFORE));
  let handle: Handle | null = null;
  const started = (): Handle => {
    if (handle === null) throw new Error('the change has not started');
    return handle;
  };
  scene.prepare?.(fakes, started);
  const fields = scene.fields ?? THREE;
  const changeId = `acme/${++changes}`;
  const at = (await environment.currentTimeMs()) / 1000;
  handle = await environment.client.workflow.start<typeof change>('change', {
    workflowId: changeWorkflowId(changeId),
    taskQueue,
    args: [
      {
        order: orderChange(
          {
            id: 'p-1',
            at,
            verdict: { kind: 'act', source: 'forecast', detail: 'test' },
            fields,
            costPerHour: 1,
            currency: 'EUR',
            conflict: null,
            reasons: [],
          },
          changeId,
          'acme',
          at,
          600,
        ),
        policyId: 'acme@1',
        verification: { for: 600, every: 120, failAfter: 2 },
        whenPaused: 'finish',
        raisesOnly: fields.every(({ target, seen }) => target.value >= seen.value),
        scale: REAL_TIME,
        queues: { light: taskQueue, compute: taskQueue, cluster: taskQueue },
        ...scene.input,
      },
    ],
  });
  return { outcome: await handle.result(), handle };
}

const names = (): string[] => fakes.calls.map(({ name }) => name);
const valuesNow = (): Record<string, number> => Object.fromEntries(fakes.values);
const rolledBackFields = (): string[] =>
  fakes.calls.flatMap(({ name, input }) =>
    name === 'rollback' ? [fieldOf((input as { step: { target: FieldTarget } }).step.target)] : [],
  );
const fieldOf = (target: FieldTarget): string =>
  'workload' in target ? target.workload : 'pool' in target ? target.pool : target.task;

/** Runs `then` once, after the n-th call (from 1) of an activity did its work and before its answer. */
function after<Name extends 'revalidate' | 'apply' | 'awaitReady' | 'verify' | 'rollback' | 'confirm'>(
  of: Fakes,
  name: Name,
  count: number,
  then: () => unknown,
): void {
  const original = of[name] as (input: unknown) => Promise<unknown>;
  let calls = 0;
  Object.assign(of, {
    [name]: async (input: unknown) => {
      const result = await original(input);
      if (++calls === count) await then();
      return result;
    },
  });
}

/** Resolves when one of these activities is called next. */
function nextCall(of: Fakes, watched: readonly ('rollback' | 'recordOutcome')[]): Promise<void> {
  return new Promise((called) => {
    for (const name of watched) {
      const original = of[name] as (input: unknown) => Promise<unknown>;
      Object.assign(of, {
        [name]: (input: unknown) => {
          called();
          return original(input);
        },
      });
    }
  });
}

/** Readings of the one check, in order; the last one stays. Null cannot be read. */
function readings(of: Fakes, values: (number | null)[]): void {
  const original = of.verify;
  let reading = 0;
  of.verify = (input) => {
    of.errorRate = values[Math.min(reading++, values.length - 1)] ?? null;
    return original(input);
  };
}

describe('a change that goes well', () => {
  it('writes the contingency down before it writes anything else, and is kept once the checks have held', async () => {
    const { outcome } = await play({});
    expect(names()).toEqual([
      ...['recordContingency', 'revalidate', 'apply', 'apply', 'apply', 'awaitReady'],
      ...['verify', 'verify', 'verify', 'verify', 'verify', 'recordOutcome'],
    ]);
    expect(outcome).toMatchObject({ result: 'kept', applied: 3, leadTime: 90, restored: true });
    expect(outcome.endedAt - outcome.startedAt).toBeGreaterThanOrEqual(600);
    expect(valuesNow()).toEqual(AFTER);
    expect(fakes.outcomes).toEqual([outcome]);
  });

  it('its contingency is the way back, last write first', async () => {
    await play({});
    expect(fakes.calls[0]?.input).toMatchObject({
      account: 'acme',
      contingency: {
        reverse: [
          { target: { workload: 'jobs', value: 1 }, owner: 'headroom' },
          { target: { workload: 'api', value: 3 }, owner: 'headroom' },
          { target: { workload: 'web', value: 2 }, owner: 'headroom' },
        ],
      },
    });
  });

  it('tells in its details, for the Temporal UI, what was written and what the checks say', async () => {
    const { handle } = await play({});
    const page = await handle.query<string>('__temporal_workflow_metadata').catch(() => null);
    expect(JSON.stringify(page)).toContain('web.replicas: 2 → 5 (written)');
    expect(JSON.stringify(page)).toContain('check web error_rate: 0.01 ≤ 0.1 holds');
  });
});

interface Case {
  name: string;
  scene: Partial<Scene>;
  outcome: Partial<ChangeOutcome>;
  detail?: RegExp;
  /** Workloads put back, in that order. */
  back?: string[];
  values: Record<string, number>;
  applies: number;
}

const halt = (handle: Handle): Promise<void> => handle.signal(haltSignal, { reason: 'paused by ann' });
const moved: MutationResult = { kind: 'moved', value: 7, owner: 'kubectl' };
/** The n-th answer of apply is this; those before it really write. */
const answerAt =
  (count: number, answer: MutationResult) =>
  (of: Fakes): void => {
    const original = of.apply;
    let calls = 0;
    of.apply = async (input) => {
      if (++calls !== count) return original(input);
      of.calls.push({ name: 'apply', input, at: Date.now() });
      return answer;
    };
  };

const NO_NAMESPACE: MutationResult = { kind: 'not-found', detail: 'namespaces "warm" not found' };
const warm = (from: number, to: number): PlannedField => ({
  ...field(from, to),
  target: { field: 'warm', pool: 'general', value: to },
});

const cases: Case[] = [
  {
    name: 'stale at revalidation: nothing is written',
    scene: { prepare: (of) => void of.values.set('api.replicas', 9) },
    outcome: { result: 'stale', applied: 0, detail: 'set by kubectl' },
    values: { ...BEFORE, 'api.replicas': 9 },
    applies: 0,
  },
  {
    name: 'no contingency on record: nothing is written',
    scene: { prepare: (of) => void (of.failNext.recordContingency = ['final: disk full']) },
    outcome: { result: 'failed', applied: 0 },
    detail: /disk full/,
    values: BEFORE,
    applies: 0,
  },
  {
    name: 'the first field moved since: stale',
    scene: { prepare: answerAt(1, moved) },
    outcome: { result: 'stale', applied: 0, detail: 'web.replicas was set to 7 by kubectl meanwhile' },
    values: BEFORE,
    applies: 1,
  },
  {
    name: 'the second of three moved since: the first is put back, and the edit stays',
    scene: { prepare: answerAt(2, moved) },
    outcome: { result: 'rolled-back', applied: 1, restored: true },
    detail: /api\.replicas was set to 7 by kubectl/,
    back: ['web'],
    values: BEFORE,
    applies: 2,
  },
  {
    name: 'the third is refused: the others are put back, last first',
    scene: { prepare: answerAt(3, { kind: 'refused', detail: 'exceeded quota' }) },
    outcome: { result: 'rolled-back', applied: 2, detail: 'exceeded quota' },
    back: ['api', 'web'],
    values: BEFORE,
    applies: 3,
  },
  {
    name: 'the first is refused: failed, nothing to put back',
    scene: { prepare: answerAt(1, { kind: 'refused', detail: 'exceeded quota' }) },
    outcome: { result: 'failed', applied: 0, detail: 'exceeded quota' },
    values: BEFORE,
    applies: 1,
  },
  {
    name: 'the second is not there any more',
    scene: { prepare: answerAt(2, { kind: 'not-found', detail: 'api is gone' }) },
    outcome: { result: 'rolled-back', applied: 1, detail: 'api is gone' },
    back: ['web'],
    values: BEFORE,
    applies: 2,
  },
  {
    name: 'warm capacity has no namespace: the raise goes ahead without it, and says so',
    scene: {
      fields: [warm(0, 4), ...THREE],
      prepare: (of) => {
        of.values.set('general', 0);
        answerAt(1, NO_NAMESPACE)(of);
      },
    },
    outcome: { result: 'kept', applied: 3, leftOut: [{ field: 'general.warm', why: 'namespaces "warm" not found' }] },
    detail: /^checks held for 10m; without general\.warm \(namespaces "warm" not found\)$/,
    values: { ...AFTER, general: 0 },
    applies: 4,
  },
  {
    name: 'nothing but what the cluster will not have: failed, in its words',
    scene: {
      fields: [warm(0, 4)],
      prepare: (of) => {
        of.values.set('general', 0);
        answerAt(1, NO_NAMESPACE)(of);
      },
    },
    outcome: { result: 'failed', applied: 0, restored: true },
    detail: /^nothing was written; without general\.warm \(namespaces/,
    values: { ...BEFORE, general: 0 },
    applies: 1,
  },
  {
    name: 'gone on without, then a needed one is refused: what was written goes back, what was left out is not touched',
    scene: {
      fields: [warm(0, 4), ...THREE],
      prepare: (of) => {
        of.values.set('general', 0);
        answerAt(1, NO_NAMESPACE)(of);
        answerAt(3, { kind: 'refused', detail: 'exceeded quota' })(of);
      },
    },
    outcome: { result: 'rolled-back', applied: 1, restored: true },
    detail: /^exceeded quota; without general\.warm/,
    back: ['web'],
    values: { ...BEFORE, general: 0 },
    applies: 3,
  },
  {
    name: 'frozen when it begins: stopped',
    scene: { prepare: (of) => void (of.frozen = true) },
    outcome: { result: 'stopped', applied: 0, detail: 'frozen by ops' },
    values: BEFORE,
    applies: 0,
  },
  {
    name: 'frozen between revalidation and the first write: stopped',
    scene: { prepare: (of) => after(of, 'revalidate', 1, () => void (of.frozen = true)) },
    outcome: { result: 'stopped', applied: 0, detail: 'frozen by ops' },
    values: BEFORE,
    applies: 1,
  },
  {
    name: 'frozen between writes, policy finish: goes on',
    scene: { prepare: (of) => after(of, 'apply', 1, () => void (of.frozen = true)) },
    outcome: { result: 'kept', applied: 3 },
    values: AFTER,
    applies: 3,
  },
  {
    name: 'frozen between writes, policy roll-back: goes back',
    scene: {
      input: { whenPaused: 'roll-back' },
      prepare: (of) => after(of, 'apply', 2, () => void (of.frozen = true)),
    },
    outcome: { result: 'rolled-back', applied: 2, detail: 'frozen by ops' },
    back: ['api', 'web'],
    values: BEFORE,
    applies: 3,
  },
  ...(['finish', 'roll-back'] as const).map((whenPaused): Case => ({
    name: `paused before the first write, policy ${whenPaused}: stopped`,
    scene: { input: { whenPaused }, prepare: (of, handle) => after(of, 'revalidate', 1, () => halt(handle())) },
    outcome: { result: 'stopped', applied: 0, detail: 'paused by ann' },
    values: BEFORE,
    applies: 0,
  })),
  {
    name: 'paused between writes, policy finish: goes on',
    scene: { prepare: (of, handle) => after(of, 'apply', 1, () => halt(handle())) },
    outcome: { result: 'kept', applied: 3 },
    values: AFTER,
    applies: 3,
  },
  {
    name: 'paused between writes, policy roll-back: goes back before the next write',
    scene: {
      input: { whenPaused: 'roll-back' },
      prepare: (of, handle) => after(of, 'apply', 1, () => halt(handle())),
    },
    outcome: { result: 'rolled-back', applied: 1, detail: 'paused by ann' },
    back: ['web'],
    values: BEFORE,
    applies: 1,
  },
  {
    name: 'paused during verification, policy finish: goes on',
    scene: { prepare: (of, handle) => after(of, 'verify', 1, () => halt(handle())) },
    outcome: { result: 'kept', applied: 3 },
    values: AFTER,
    applies: 3,
  },
  {
    name: 'paused during verification, policy roll-back: goes back',
    scene: {
      input: { whenPaused: 'roll-back' },
      prepare: (of, handle) => after(of, 'verify', 2, () => halt(handle())),
    },
    outcome: { result: 'rolled-back', applied: 3, detail: 'paused by ann' },
    back: ['jobs', 'api', 'web'],
    values: BEFORE,
    applies: 3,
  },
  {
    name: 'paused during the last reading, policy roll-back: still goes back',
    scene: {
      input: { whenPaused: 'roll-back' },
      prepare: (of, handle) => after(of, 'verify', 5, () => halt(handle())),
    },
    outcome: { result: 'rolled-back', applied: 3, detail: 'paused by ann' },
    back: ['jobs', 'api', 'web'],
    values: BEFORE,
    applies: 3,
  },
  {
    name: 'not ready in time: rolled back, with what was missing',
    scene: {
      prepare: (of) => {
        of.awaitReady = async () => ({ ready: false, waited: 600, detail: 'web: 3 of 5 replicas ready' });
      },
    },
    outcome: { result: 'rolled-back', leadTime: null, detail: 'not ready in time: web: 3 of 5 replicas ready' },
    back: ['jobs', 'api', 'web'],
    values: BEFORE,
    applies: 3,
  },
  {
    name: 'checks fail twice in a row: rolled back, with the check',
    scene: { prepare: (of) => readings(of, [0.01, 0.5]) },
    outcome: { result: 'rolled-back', leadTime: 90, detail: 'web error_rate 0.500 is above 0.1' },
    back: ['jobs', 'api', 'web'],
    values: BEFORE,
    applies: 3,
  },
  {
    name: 'one failed reading between good ones: kept',
    scene: { prepare: (of) => readings(of, [0.01, 0.5, 0.01]) },
    outcome: { result: 'kept' },
    values: AFTER,
    applies: 3,
  },
  {
    name: 'the last reading fails: one more decides, and it holds',
    scene: { prepare: (of) => readings(of, [0.01, 0.01, 0.01, 0.01, 0.5, 0.01]) },
    outcome: { result: 'kept' },
    values: AFTER,
    applies: 3,
  },
  {
    name: 'a failed reading, then one that cannot be read, then a failed one: two in a row',
    scene: { prepare: (of) => readings(of, [0.5, null, 0.5, 0.01]) },
    outcome: { result: 'rolled-back' },
    back: ['jobs', 'api', 'web'],
    values: BEFORE,
    applies: 3,
  },
  {
    name: 'nothing can be read, and it only raises: kept',
    scene: { prepare: (of) => readings(of, [null]) },
    outcome: { result: 'kept', detail: 'no check could be read; kept, since it only raises capacity' },
    values: AFTER,
    applies: 3,
  },
  {
    name: 'nothing can be read, and it lowers something: rolled back',
    scene: {
      fields: [replicas('web', 2, 5), replicas('api', 3, 1)],
      prepare: (of) => readings(of, [null]),
    },
    outcome: { result: 'rolled-back', detail: 'no check could be read; what was lowered is put back' },
    back: ['api', 'web'],
    values: BEFORE,
    applies: 2,
  },
  {
    name: 'the reading itself fails throughout, and it only raises: kept',
    scene: { prepare: (of) => void (of.failNext.verify = Array.from({ length: 9 }, () => 'final: no route')) },
    outcome: { result: 'kept', checks: [] },
    values: AFTER,
    applies: 3,
  },
  {
    name: 'a repeated write after a worker died counts as written',
    scene: { prepare: answerAt(1, { kind: 'repeated', value: 5 }) },
    outcome: { result: 'kept', applied: 3 },
    values: { ...AFTER, 'web.replicas': 2 },
    applies: 3,
  },
];

describe('a change ends', () => {
  it.each(cases.map((one) => [one.name, one] as const))(
    '%s',
    async (_name, { scene, outcome: expected, detail, back, values, applies }) => {
      const { outcome } = await play(scene);
      expect(outcome).toMatchObject(expected);
      if (detail !== undefined) expect(outcome.detail).toMatch(detail);
      expect(rolledBackFields()).toEqual(back ?? []);
      expect(valuesNow()).toEqual(values);
      expect(countOf(fakes, 'apply')).toBe(applies);
      // Whatever happened, it is on record, last of all.
      expect(fakes.outcomes).toEqual([outcome]);
      expect(names().at(-1)).toBe('recordOutcome');
      if (back !== undefined) expect(names()).toContain('confirm');
    },
  );

  it('the reading that has to decide comes at the usual pace, not at once', async () => {
    const times: number[] = [];
    await play({
      prepare: (of) => {
        readings(of, [0.01, 0.01, 0.01, 0.01, 0.5, 0.01]);
        const original = of.verify;
        of.verify = (input) => {
          times.push(input.to);
          return original(input);
        };
      },
    });
    expect(times).toHaveLength(6);
    expect((times[5] ?? 0) - (times[4] ?? 0)).toBeGreaterThanOrEqual(119);
  });

  it('paused while it waits for capacity, policy roll-back: goes back without waiting for it', async () => {
    const { outcome } = await play({
      input: { whenPaused: 'roll-back' },
      prepare: (of, handle) => {
        const goingBack = nextCall(of, ['rollback']);
        of.awaitReady = async () => {
          await halt(handle());
          // Capacity that comes only after the change has turned back: to wait for it would be to wait for ever.
          await goingBack;
          return { ready: true, waited: 20, detail: '' };
        };
      },
    });
    expect(outcome).toMatchObject({ result: 'rolled-back', detail: 'paused by ann', leadTime: null });
    expect(valuesNow()).toEqual(BEFORE);
  });
});

describe('a plan that needs more', () => {
  it('ends a verification that has held', async () => {
    const { outcome } = await play({
      prepare: (of, handle) => after(of, 'verify', 2, () => handle().signal(supersedeSignal, { planId: 'p-9' })),
    });
    expect(outcome).toMatchObject({ result: 'kept' });
    expect(outcome.detail).toMatch(/plan p-9 needs more/);
    expect(outcome.endedAt - outcome.startedAt).toBeLessThan(600);
  });

  it.each([
    ['whose last reading failed', [0.5, 0.5, 0.5]],
    ['that has read nothing yet', [null, 0.5, 0.5]],
  ])('does not end one %s', async (_name, values) => {
    const { outcome } = await play({
      prepare: (of, handle) => {
        readings(of, values);
        after(of, 'awaitReady', 1, () => handle().signal(supersedeSignal, { planId: 'p-9' }));
      },
    });
    expect(outcome.result).toBe('rolled-back');
  });
});

describe('answers that are lost', () => {
  it('a write whose answer was lost is repeated with the same key', async () => {
    const { outcome } = await play({
      prepare: (of) => {
        let lost = false;
        of.afterApply = () => {
          if (lost) return;
          lost = true;
          throw ApplicationFailure.create({ type: 'unavailable', message: 'connection reset' });
        };
      },
    });
    const keys = fakes.calls.flatMap(({ name, input }) =>
      name === 'apply' ? [(input as { mutation: { key: string } }).mutation.key.split('#')[1]] : [],
    );
    expect(keys).toEqual(['0', '0', '1', '2']);
    expect(outcome).toMatchObject({ result: 'kept', applied: 3 });
  });

  it('a write that was never answered is taken for written, and put back', async () => {
    const { outcome } = await play({
      prepare: (of) => {
        let calls = 0;
        of.afterApply = () => {
          if (++calls >= 2) throw ApplicationFailure.create({ type: 'unavailable', message: 'connection reset' });
        };
      },
    });
    expect(outcome).toMatchObject({ result: 'rolled-back', applied: 2, restored: true });
    expect(outcome.detail).toMatch(/connection reset/);
    expect(rolledBackFields()).toEqual(['api', 'web']);
    expect(valuesNow()).toEqual(BEFORE);
  });

  it('a write that the cluster will not have, by an error, is not taken for written', async () => {
    const { outcome } = await play({
      prepare: (of) => {
        of.apply = async () => {
          throw ApplicationFailure.create({ type: 'not-found', message: 'no such cluster', nonRetryable: true });
        };
      },
    });
    expect(outcome).toMatchObject({ result: 'failed', applied: 0 });
    expect(rolledBackFields()).toEqual([]);
  });

  it('an outcome that cannot be recorded is still an outcome', async () => {
    const { outcome } = await play({
      prepare: (of) => void (of.failNext.recordOutcome = ['final: disk full']),
    });
    expect(outcome).toMatchObject({ result: 'kept', applied: 3 });
    expect(fakes.outcomes).toEqual([]);
  });
});

describe('going back', () => {
  it('keeps trying until the last known good is back', async () => {
    const { outcome } = await play({
      prepare: (of) => {
        readings(of, [0.5]);
        of.failNext.rollback = ['final: no route', 'final: no route', 'final: no route'];
      },
    });
    expect(countOf(fakes, 'rollback')).toBe(6);
    expect(outcome).toMatchObject({ result: 'rolled-back', restored: true });
    expect(valuesNow()).toEqual(BEFORE);
  });

  it('believes what it reads, not what it wrote', async () => {
    const { outcome } = await play({
      prepare: (of) => {
        readings(of, [0.5]);
        after(of, 'rollback', 3, () => void of.values.set('api.replicas', 77));
      },
    });
    expect(countOf(fakes, 'confirm')).toBe(2);
    expect(outcome.restored).toBe(true);
    expect(valuesNow()).toEqual(BEFORE);
  });

  it('keeps the nodes that another account needs, and says for whom', async () => {
    const { outcome } = await play({
      fields: [
        {
          target: { field: 'nodes', pool: 'general', value: 8 },
          seen: { value: 3, owner: null },
          reason: 'more room',
        },
        ...THREE,
      ],
      prepare: (of) => {
        of.values.set('general', 3);
        readings(of, [0.5]);
        const original = of.rollback;
        of.rollback = async (input) => {
          if (input.step.target.field !== 'nodes') return original(input);
          of.values.set('general', 5);
          return { kind: 'applied', value: 5, note: 'blog needs them, too' };
        };
      },
    });
    expect(outcome).toMatchObject({ result: 'rolled-back', restored: true });
    expect(outcome.detail).toContain('kept for others: general.nodes (5: blog needs them, too)');
    expect(valuesNow()).toEqual({ ...BEFORE, general: 5 });
  });

  it.each([
    ['a person’s edit', { kind: 'moved', value: 11, owner: 'kubectl' } as const],
    ['an object that a person deleted', { kind: 'not-found', detail: 'gone' } as const],
  ])('leaves %s as it is, and says so', async (_name, answer) => {
    const { outcome } = await play({
      prepare: (of) => {
        readings(of, [0.5]);
        const original = of.rollback;
        of.rollback = async (input) => {
          if (!('workload' in input.step.target) || input.step.target.workload !== 'api') return original(input);
          of.values.set('api.replicas', 11);
          return answer;
        };
      },
    });
    expect(outcome).toMatchObject({ result: 'rolled-back', restored: true });
    expect(outcome.detail).toMatch(/left as someone set it meanwhile: api\.replicas/);
    expect(valuesNow()).toEqual({ ...BEFORE, 'api.replicas': 11 });
  });

  it('knows its own writes by their keys', async () => {
    await play({ prepare: (of) => readings(of, [0.5]) });
    const back = fakes.calls.find(({ name }) => name === 'rollback');
    expect(back?.input).toMatchObject({
      changeKeys: [0, 1, 2].map((index) => `change/acme/${changes}#${index}`),
      step: { target: { value: 1 }, owner: 'headroom' },
    });
  });

  it.each([
    ['before anything is written', 'revalidate', 1, { result: 'failed', applied: 0 }, []],
    ['between writes', 'apply', 2, { result: 'rolled-back', applied: 2 }, ['api', 'web']],
    ['while it waits for capacity', 'awaitReady', 1, { result: 'rolled-back', applied: 3 }, ['jobs', 'api', 'web']],
    ['during verification', 'verify', 2, { result: 'rolled-back', applied: 3 }, ['jobs', 'api', 'web']],
  ] as const)('a cancellation %s ends where it began', async (_name, activity, count, expected, back) => {
    const { outcome } = await play({
      prepare: (of, handle) => {
        const moved = nextCall(of, ['rollback', 'recordOutcome']);
        after(of, activity, count, async () => {
          await handle().cancel();
          // The test server trips over an answer that crosses its cancellation; a write is waited for, whatever comes.
          if (activity !== 'apply') await moved;
        });
      },
    });
    expect(outcome).toMatchObject({ ...expected, detail: 'cancelled', restored: true });
    expect(rolledBackFields()).toEqual(back);
    expect(valuesNow()).toEqual(BEFORE);
    expect(fakes.outcomes).toEqual([outcome]);
  });

  it('cannot be cancelled', async () => {
    const { outcome } = await play({
      prepare: (of, handle) => {
        readings(of, [0.5]);
        after(of, 'rollback', 1, () => handle().cancel());
      },
    });
    expect(outcome).toMatchObject({ result: 'rolled-back', restored: true });
    expect(valuesNow()).toEqual(BEFORE);
  });
});

describe('the account', () => {
  it('hears of trouble while it lasts, and of the end', async () => {
    const handle = await environment.client.workflow.start<typeof account>('account', {
      workflowId: accountWorkflowId('acme'),
      taskQueue,
      args: [
        {
          account: 'acme',
          policy: { ...policyOf(), mode: 'observe' },
          scale: REAL_TIME,
          queues: { light: taskQueue, compute: taskQueue, cluster: taskQueue },
        },
      ],
    });
    try {
      const { outcome } = await play({
        prepare: (of) => {
          readings(of, [0.5]);
          of.failNext.rollback = ['final: no route'];
        },
      });
      const { events } = await handle.fetchHistory();
      const signals = (events ?? []).flatMap(
        (event) => event.workflowExecutionSignaledEventAttributes?.signalName ?? [],
      );
      expect(signals).toEqual(['attention', 'change-ended']);
      const { log } = await handle.query(statusQuery);
      expect(log.map(({ text }) => text).join()).toContain(
        `putting back ${outcome.changeId} failed (1): final: no route`,
      );
    } finally {
      await handle.terminate('end of test');
    }
  });
});
