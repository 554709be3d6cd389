import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createActivities } from '../../activities/index.js';
import type { Activities, ApplyInput } from '../../activities/types.js';
import { summarizePlan } from '../../src/allocate/index.js';
import { createSimulatedCluster, type Simulation } from '../../src/cluster/simulated/adapter.js';
import type { Fault } from '../../src/cluster/simulated/faults.js';
import { createEngineHost } from '../../src/cluster/simulated/host.js';
import { buildScenario } from '../../src/cluster/simulated/scenario.js';
import { createEngine } from '../../src/decide/engine.js';
import type { Decider } from '../../src/decide/port.js';
import type { AccountPolicy } from '../../src/domain/account.js';
import { readAccountFile } from '../../src/domain/account-file.js';
import { fieldName } from '../../src/domain/change.js';
import type { ContingencySet } from '../../src/domain/contingency.js';
import type { ChangeOutcome } from '../../src/domain/plan.js';
import { binStart, isoTime, REAL_TIME, type EpochSeconds } from '../../src/domain/time.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import type { account } from '../../workflows/account.js';
import { accountWorkflowId, overrideSignal, statusQuery, stopSignal } from '../../workflows/messages.js';
import { openWorker, tenPast, type OpenWorker } from './environment.js';
import { createFakes, forwarded } from './fakes.js';

/*
 * Each surprise once, from the fault in the simulated cluster to what was written there: the real activities, forecaster
 * and solver, the shipped workflows. The cluster's clock is moved to that of the test environment at every look.
 */

const STEP = 300;
const DAY = 86_400;
const HISTORY_DAYS = 3;

let environment: TestWorkflowEnvironment;
let taskQueue = '';
let present: Activities = createFakes();
let worker: OpenWorker | undefined;
let store: EmbeddedStore;
let decider: Decider;
/** The solver's thread fails whoever asks it. */
let broken = false;

beforeAll(async () => {
  store = await createEmbeddedStore({ path: ':memory:' });
  decider = await createEngine();
  worker = await openWorker(forwarded(() => present));
  ({ environment, taskQueue } = worker);
});
afterAll(async () => {
  await worker?.close();
  await store.close();
});

/** Rises for six hours from the beginning of the test on, whatever the hour of the day. */
const demandAt = (at: EpochSeconds, zero: EpochSeconds): number =>
  10 - 4 * Math.cos((2 * Math.PI * (at - zero)) / DAY) + 0.15 * Math.sin((at - zero) * 0.0113);

const policyOf = (name: string): AccountPolicy =>
  readAccountFile(
    `version: headroom/v1
account: ${name}
mode: auto
ownership: own
level: 0.95
history: ${HISTORY_DAYS}d
horizons: [2h, 6h]
models: [persistence, seasonal-naive-day, recent-mean]
coolDown: 30m
workloads:
  - { name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 60 }, leadTime: 1m }
pools:
  - { name: cheap, capacityType: spot, provider: aws, zone: eu-1a, pricePerHour: 0.1, node: { cpu: 4 }, leadTime: 2m }
  - { name: steady, pricePerHour: 0.4, node: { cpu: 4 }, leadTime: 2m }
verification: { for: 5m, every: 5m }
`,
    'test.yaml',
  );

interface World {
  handle: WorkflowHandle<typeof account>;
  simulation: Simulation;
  /** When the test began: what demand is counted from. */
  zero: EpochSeconds;
  now(): Promise<EpochSeconds>;
  pass(seconds: number): Promise<void>;
  inject(...faults: Fault[]): Promise<void>;
  nodes(pool: string): Promise<number>;
}

interface Seen {
  calls: { name: string; input: unknown }[];
  outcomes: ChangeOutcome[];
}

/** An account on a cluster of its own, with days of the past in the store; its first plan and answers have been made. */
async function live(name: string, work: (world: World, seen: Seen) => Promise<void>): Promise<void> {
  // Each begins at the same place within a bin, however long the one before took: cycles fall on whole bins.
  await tenPast(environment);
  const zero = binStart((await environment.currentTimeMs()) / 1000, STEP);
  await remember(name, zero);
  const values = Array.from({ length: DAY / STEP }, (_, index) => demandAt(zero + index * STEP, zero));
  const pool = { node: { cpu: 4 }, max: 30, provision: { median: '60s' }, grows: 'asked' as const };
  const { model } = buildScenario(
    {
      version: 'headroom-scenario/v1',
      clock: { start: isoTime(zero), mode: 'manual' },
      pools: [
        { name: 'cheap', pricePerHour: 0.1, nodes: 3, ...pool },
        { name: 'steady', pricePerHour: 0.4, ...pool },
      ],
      accounts: [
        {
          name,
          workloads: [
            {
              name: 'web',
              replicas: 9,
              components: { cpu: { request: 1, demand: { start: zero, step: '5m', values } } },
              podStart: { median: '20s' },
              pools: ['cheap', 'steady'],
            },
          ],
        },
      ],
    },
    { what: 'test', directory: '.' },
  );
  const simulation = createSimulatedCluster(createEngineHost({ model }));
  const seen: Seen = { calls: [], outcomes: [] };
  present = activitiesOn(simulation, seen);
  const handle = await environment.client.workflow.start<typeof account>('account', {
    workflowId: accountWorkflowId(name),
    taskQueue,
    args: [
      {
        account: name,
        policy: policyOf(name),
        scale: REAL_TIME,
        queues: { light: taskQueue, compute: taskQueue, cluster: taskQueue },
      },
    ],
  });
  const now = async (): Promise<EpochSeconds> => (await environment.currentTimeMs()) / 1000;
  try {
    await environment.sleep(2 * STEP * 1000);
    await work(
      {
        handle,
        simulation,
        zero,
        now,
        pass: (seconds) => environment.sleep(seconds * 1000),
        async inject(...faults) {
          for (const fault of faults) await simulation.inject(fault);
        },
        async nodes(pool) {
          const state = await simulation.observe(
            { account: name, workloads: [], pools: [pool] },
            AbortSignal.timeout(5000),
          );
          return state.pools[0]?.nodes ?? Number.NaN;
        },
      },
      seen,
    );
  } finally {
    // Its change ends with it: what is left under way would keep the next test from skipping time.
    await handle.signal(stopSignal, { restore: false, author: 'test' });
    await handle.result();
  }
}

async function remember(name: string, zero: EpochSeconds): Promise<void> {
  const samples = Array.from({ length: (HISTORY_DAYS * DAY) / STEP }, (_, index) => {
    const at = zero - HISTORY_DAYS * DAY + index * STEP;
    return { at, value: demandAt(at, zero) };
  });
  await store.writeUsage([{ key: { account: name, workload: 'web', component: 'cpu' }, samples }]);
}

/** The real ones, told apart by name as they are called; the cluster is brought to the present before it is looked at. */
function activitiesOn(simulation: Simulation, seen: Seen): Activities {
  let cursor = 0;
  const catchUp = async (): Promise<void> => {
    await simulation.advance(Math.max(await simulation.now(), (await environment.currentTimeMs()) / 1000));
    const { usage, metrics, cursor: next } = await simulation.samplesSince(cursor, AbortSignal.timeout(5000));
    await store.writeUsage(usage);
    await store.writeMetrics(metrics);
    cursor = next;
  };
  const real = createActivities(
    {
      store,
      source: store,
      cluster: () => simulation,
      fence: { read: () => Promise.resolve(null) },
      decider: {
        ...decider,
        allocate: (request) => (broken ? Promise.reject(new Error('out of memory')) : decider.allocate(request)),
      },
      histories: { fetch: () => Promise.resolve({}), isRunning: () => Promise.resolve(false) },
    },
    summarizePlan,
  );
  const called =
    <In, Out>(called: string, work: (input: In) => Promise<Out>) =>
    async (input: In): Promise<Out> => {
      await catchUp();
      seen.calls.push({ name: called, input });
      return work(input);
    };
  return {
    observe: called('observe', real.observe),
    forecast: called('forecast', real.forecast),
    optimize: called('optimize', real.optimize),
    learn: called('learn', real.learn),
    answer: called('answer', real.answer),
    recordContingency: called('recordContingency', real.recordContingency),
    revalidate: called('revalidate', real.revalidate),
    apply: called('apply', real.apply),
    // Time stands still while an activity runs: what is asked for is ready a minute later, by the next look.
    awaitReady: called('awaitReady', () => Promise.resolve({ ready: true, waited: 60, detail: 'ready' })),
    verify: called('verify', real.verify),
    rollback: called('rollback', real.rollback),
    confirm: called('confirm', real.confirm),
    release: called('release', real.release),
    recordOutcome: called('recordOutcome', async (input) => {
      seen.outcomes.push(input.outcome);
      await real.recordOutcome(input);
    }),
    exportHistory: called('exportHistory', () => Promise.resolve()),
    lookAtMigrations: called('lookAtMigrations', real.lookAtMigrations),
  };
}

const ENDING = ['awaitReady', 'verify', 'recordOutcome', 'exportHistory'];

/** What was written for an answer, and that it is what had been prepared: nobody forecast or solved in between. */
async function written(seen: Seen, key: string, { planless = false } = {}): Promise<string[]> {
  const asked = seen.calls.findIndex(({ name, input }) => name === 'answer' && (input as { key: string }).key === key);
  expect(asked, `${key} is answered`).toBeGreaterThanOrEqual(0);
  const { setId } = seen.calls[asked]?.input as { setId: string };
  const record = await store.getRecord('answers', setId);
  const prepared = (record?.body as ContingencySet).answers.find((one) => one.key === key);
  const writing = seen.calls.findIndex(({ name }, index) => index > asked && name === 'apply');
  // An answer that another change keeps waiting is looked up again when that has ended.
  const again = seen.calls.findLastIndex(({ name }, index) => name === 'answer' && index < writing);
  const since = seen.calls.slice(Math.max(asked, again));
  const first = since.findIndex(({ name }) => name === 'apply');
  expect(first, `the answer to ${key} is written`).toBeGreaterThanOrEqual(0);
  // What a change before it still does is that one's own.
  const between = since.slice(0, first).filter(({ name }) => !ENDING.includes(name));
  expect(between.map(({ name }) => name)).toEqual(['answer', 'recordContingency', 'revalidate']);
  // Of a cycle that saw it, the look alone comes before; where no plan can be made, the attempt at one.
  expect(seen.calls[asked - 1]?.name === 'observe').toBe(!planless);
  const end = since.findIndex(({ name }, index) => index > first && name !== 'apply');
  const targets = since.slice(first, end).map(({ input }) => (input as ApplyInput).mutation.target);
  for (const target of targets) expect(prepared?.plan.fields.map((one) => one.target)).toContainEqual(target);
  return targets.map((target) => `${fieldName(target)} ${target.value}`);
}

describe('a surprise in the simulated cluster', () => {
  it('demand above the 99th percentile: the prepared capacity is written from the first bin that shows it', async () => {
    await live('surge', async ({ handle, now, pass, inject }, seen) => {
      const from = binStart(await now(), STEP) + STEP;
      await inject({ kind: 'surge', from, to: from + 3600, factor: 1.6 });
      await pass(3 * STEP);
      const fields = await written(seen, 'demand');
      expect(fields.some((field) => field.startsWith('web.replicas'))).toBe(true);
      await pass(STEP);
      const answered = seen.outcomes.find(({ firedBy }) => firedBy?.key === 'demand');
      expect(answered).toMatchObject({ result: 'kept' });
      expect((await handle.query(statusQuery)).surprises?.map(({ key }) => key)).toContain('demand');
    });
  });

  it('a spot market lost: the nodes are had on demand, and the next plans leave them there', async () => {
    await live('market', async ({ now, pass, inject, nodes }, seen) => {
      const at = await now();
      await inject(
        { kind: 'stock-out', from: at - STEP, to: at + 7200, pool: 'cheap' },
        { kind: 'interruption', at: at + 30, pool: 'cheap', count: 30 },
      );
      await pass(2 * STEP);
      expect((await written(seen, 'spot-market/aws/eu-1a')).some((field) => field.startsWith('steady.nodes'))).toBe(
        true,
      );
      expect(await nodes('steady')).toBeGreaterThanOrEqual(2);
      await pass(3 * STEP);
      // A plan that counted on the lost market would give these back for its cheaper nodes.
      expect(await nodes('steady')).toBeGreaterThanOrEqual(2);
    });
  });

  it('a pool that cannot grow: after twice its lead time the nodes come from another', async () => {
    await live('stuck', async ({ handle, now, pass, inject, nodes }, seen) => {
      const at = await now();
      // From the tick that the cluster stands at.
      await inject({ kind: 'stock-out', from: at - STEP, to: at + 7200, pool: 'cheap' });
      await handle.signal(overrideSignal, {
        kind: 'override',
        id: 'o-1',
        target: { field: 'replicas', workload: 'web', value: 30 },
        author: 'ann',
        reason: 'a load test',
        since: at,
        until: at + 7200,
      });
      await pass(4 * STEP);
      await written(seen, 'pool-stuck/cheap');
      expect(await nodes('steady')).toBeGreaterThanOrEqual(4);
    });
  });

  it('a forecast gone wrong, so that no plan can be made: capacity follows the recent peak without one', async () => {
    await live('wrong', async ({ pass }, seen) => {
      broken = true;
      await pass(3 * STEP);
      broken = false;
      const fields = await written(seen, 'forecast', { planless: true });
      const replicas = Number(fields.find((field) => field.startsWith('web.replicas'))?.split(' ')[1]);
      // What is asked for at the bottom of the day is 6 cores, and the guard's share of capacity is 70 %.
      expect(replicas).toBeGreaterThanOrEqual(9);
      await pass(STEP);
      const [fired] = seen.outcomes.flatMap(({ firedBy }) => (firedBy === undefined ? [] : [firedBy]));
      expect(fired).toMatchObject({ key: 'forecast', what: 'no plan can be made' });
    });
  });

  it('telemetry gone: what the hours ahead need at most is there before anyone can see it', async () => {
    await live('blind', async ({ now, pass, inject }, seen) => {
      const from = await now();
      await inject({ kind: 'metrics-outage', from, to: from + 7200 });
      await pass(7 * STEP);
      const fields = await written(seen, 'telemetry');
      const writes = seen.calls
        .filter(({ name }) => name === 'apply')
        .map(({ input }) => (input as ApplyInput).mutation);
      const [raise] = fields.filter((field) => field.startsWith('web.replicas'));
      const raised = writes.find(({ target }) => `${fieldName(target)} ${target.value}` === raise);
      expect(raised?.target.value).toBeGreaterThan(raised?.expect.value ?? Number.NaN);
    });
  });

  it('a forecast that is passed by a hair, bin after bin, while what is there covers it: nothing is raised for that', async () => {
    await live('misled', async ({ zero, now, pass, inject }, seen) => {
      for (let miss = 0; miss < 3; miss++) {
        // After the cycle at the beginning of a bin: what it stated, or left standing, is what the bin is judged by.
        const begins = binStart(await now(), STEP) + STEP;
        const late = 45;
        await pass(begins + late - (await now()));
        const [record] = await store.listRecords('answers', 'misled', { limit: 1 });
        const [stated] = (record?.body as ContingencySet).watched;
        const index = Math.round((begins - (stated?.from ?? Number.NaN)) / STEP);
        // Every other bin is just above the 99th percentile: too little for the trigger of demand, and for a throttled pod.
        const wanted = 1.01 * (stated?.above[index] ?? Number.NaN);
        const usual = demandAt(begins, zero);
        const factor = (wanted * STEP - usual * late) / (usual * (STEP - late));
        await inject({ kind: 'surge', from: begins + late, to: begins + STEP, factor });
        await pass(STEP);
      }
      await pass(2 * STEP);
      expect(seen.calls.filter(({ name }) => name === 'answer')).toEqual([]);
      expect(seen.outcomes.filter(({ firedBy }) => firedBy !== undefined)).toEqual([]);
    });
  });
});
