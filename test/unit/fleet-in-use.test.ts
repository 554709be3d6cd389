import { describe, expect, it } from 'vitest';
import { gather, type GatherStore } from '../../activities/fleet/gather.js';
import { decidedFleet, summaryOf } from '../../activities/fleet/plan.js';
import { unpackInput } from '../../activities/fleet/work.js';
import { createFleetWord } from '../../activities/grants.js';
import { createFleetSolver } from '../../src/allocate/fleet/index.js';
import { runningOn } from '../../src/allocate/fleet-in-use.js';
import { fleetOnce } from '../../src/cli/fleet-once.js';
import type { AccountPolicy } from '../../src/domain/account.js';
import { readAccountFile } from '../../src/domain/account-file.js';
import type { ClusterState } from '../../src/domain/cluster.js';
import { readFleetFile } from '../../src/domain/fleet-file.js';
import type { ObservedPool } from '../../src/domain/fleet-plan.js';
import type { Plan } from '../../src/domain/plan.js';
import { runningNow } from '../../src/domain/running.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { forecastOf, START } from './fleet-world.js';

/* Workloads run on `general`; another pool would be cheaper. What is taken away beneath them is an outage. */

const fleet = readFleetFile(
  `version: headroom/v1
fleet: shared
mode: auto
horizon: 2h
moving: { saving: 0 }
pools:
  - { name: general, pricePerHour: 4, node: { cpu: 4 }, max: 6, leadTime: 2m, provisioning: { kind: simulated } }
  - { name: cheap, pricePerHour: 1, node: { cpu: 4 }, max: 6, leadTime: 2m, provisioning: { kind: simulated } }
`,
  'fleet.yaml',
);
const shop = readAccountFile(
  `version: headroom/v1
account: shop
pools:
  - { name: general, pricePerHour: 4, node: { cpu: 4 }, max: 6 }
  - { name: cheap, pricePerHour: 1, node: { cpu: 4 }, max: 6 }
workloads:
  - name: web
    components: { cpu: { request: 1 } }
    replicas: { min: 1, max: 20 }
`,
  'shop.yaml',
);

/** `seen`: replicas that the cluster had, where the plan wants others. */
const planOf = (replicas: number, seen = replicas): Plan => ({
  ...{ id: 'p', account: 'shop', at: START, snapshotId: 's', forecastId: 'f', placements: [], reasons: [] },
  ...{ conflict: null, costPerHour: 1, currency: 'USD' },
  verdict: { kind: 'hold', reason: 'mode', detail: '' },
  solver: { iterations: 0, objective: 0, gap: 0, warm: false, status: 'optimal' },
  fields:
    seen === replicas
      ? []
      : [
          {
            target: { field: 'replicas', workload: 'web', value: replicas },
            seen: { value: seen, owner: null },
            reason: '',
          },
        ],
  blocks: [
    {
      ...{ from: START, to: START + 300, nodes: {}, costPerHour: 1 },
      workloads: [
        { workload: 'web', replicas, request: { cpu: 1 }, shortfall: {}, pools: { general: replicas, cheap: 0 } },
      ],
    },
  ],
});

const given = (some: Partial<Plan>): Plan => ({ ...planOf(8), ...some });

/** A plan that gives its workload up, as one that no budget allows does: it is held, and nothing is ended. */
const givenUp = (running: Plan['running'], pools: Record<string, number> = {}): Plan =>
  given({
    verdict: { kind: 'hold', reason: 'infeasible', detail: '' },
    running,
    blocks: [
      {
        ...{ from: START, to: START + 300, nodes: {}, costPerHour: 0 },
        workloads: [{ workload: 'web', replicas: 0, request: { cpu: 1 }, shortfall: { cpu: 8 }, pools }],
      },
    ],
  });
const web = (replicas: number, more: Partial<NonNullable<Plan['running']>[number]> = {}) => [
  { workload: 'web', replicas, request: { cpu: 1 }, ...more },
];

describe('what an account has on a pool is what runs there', () => {
  it.each([
    {
      name: 'though its plan gives the workload up',
      plan: givenUp(web(12, { placed: { general: 12 } })),
      expected: { general: 12 },
    },
    {
      name: 'though its plan gives it up, and nobody sees where it runs: on each pool that it may use',
      plan: givenUp(web(12)),
      expected: { general: 12, cheap: 12 },
    },
    {
      name: 'though a hold has no fields and plans less',
      plan: given({ running: web(15) }),
      expected: { general: 15 },
    },
    {
      name: 'though the plan has no block, as some answers',
      plan: given({ blocks: [], running: web(5, { placed: { cheap: 5 } }) }),
      expected: { cheap: 5 },
    },
    {
      name: 'on the pool that its pods are on, not on the one that the plan has for them',
      plan: given({ running: web(8, { placed: { cheap: 8 } }) }),
      expected: { cheap: 8 },
    },
    {
      name: 'and what is planned beyond what was seen, where the plan has it',
      plan: given({ running: web(5, { placed: { cheap: 2, general: 3 } }) }),
      expected: { cheap: 2, general: 6 },
    },
    {
      name: 'and what is pending, beside what was seen',
      plan: givenUp(web(6, { placed: { cheap: 2, general: 2 } })),
      expected: { cheap: 3, general: 3 },
    },
    {
      name: 'by the requests that it runs with, where the plan has smaller ones',
      plan: given({ running: web(8, { request: { cpu: 3 } }) }),
      expected: { general: 24 },
    },
    { name: 'nothing where nothing runs and nothing is planned', plan: givenUp([]), expected: {} },
  ])('$name', ({ plan, expected }) => {
    const found = [...runningOn(plan, shop)].map(([pool, { cpu }]) => [pool, cpu]);
    expect(Object.fromEntries(found)).toEqual(expected);
  });
});

describe('what a plan keeps of what ran', () => {
  it('what is being let go still runs; what is not there does not', () => {
    const owners = { replicas: null, request: null, floor: null };
    const one = { ...{ workload: 'web', exists: true, replicas: 6, readyReplicas: 15 }, autoscaler: null, owners };
    const gone = { ...one, workload: 'api', exists: false, replicas: 0, readyReplicas: 0, request: {} };
    expect(runningNow({ workloads: [{ ...one, request: { cpu: 1 }, placed: { general: 15 } }, gone] })).toEqual(
      web(15, { placed: { general: 15 } }),
    );
  });
});

async function stored(plan: Plan | null, at = START, policy: AccountPolicy = shop): Promise<EmbeddedStore> {
  const store = await createEmbeddedStore({ path: ':memory:' });
  await store.putRecord({ kind: 'account', id: 'shop@1', account: 'shop', at, body: policy });
  const forecast = forecastOf('shop', at, 8);
  await store.putRecord({ kind: 'forecast', id: forecast.id, account: 'shop', at, body: forecast });
  if (plan !== null) await store.putRecord({ kind: 'plan', id: plan.id, account: 'shop', at, body: plan });
  return store;
}

const seenAs = (pool: string, nodes: number): ObservedPool => ({
  pool,
  state: { pool, nodes, readyNodes: nodes, owner: null },
  problem: null,
});

async function decide(store: GatherStore, general: number, at = START) {
  const seen = [seenAs('general', general), seenAs('cheap', 4)];
  const packed = await gather(store, fleet, at, seen, new AbortController().signal);
  const input = unpackInput(packed);
  const plan = (await createFleetSolver()).solve(input);
  const { record } = decidedFleet(plan, { fleet, fleetId: 'f', planId: 'fleet/1', at }, packed, input, seen);
  return { record, general: record.pools[0], summary: summaryOf(record) };
}

describe('a pool that accounts run on', () => {
  it.each([
    { name: 'as its newest plan has it', plan: planOf(8), now: 2, order: 2, at: START },
    { name: 'as the cluster had it, where the plan wants less', plan: planOf(8, 12), now: 3, order: 3, at: START },
    {
      name: 'though the account fell silent: what was stopped still runs',
      plan: planOf(8),
      now: 2,
      order: 2,
      at: START + 2 * 86_400,
    },
    {
      name: 'though its newest plan gives the workload up and is held',
      plan: givenUp(web(8, { placed: { general: 8 } })),
      now: 2,
      order: 2,
      at: START,
    },
    { name: 'and nodes beyond those go', plan: planOf(8), now: 4, order: 2, at: START },
  ])('keeps the nodes beneath them: $name', async ({ plan, now, order, at }) => {
    const store = await stored(plan);
    const { general, record, summary } = await decide(store, now, at);
    await store.close();
    expect(general).toMatchObject({ order, planned: order, inUse: { nodes: order, accounts: ['shop'] } });
    expect(general?.words).toMatch(new RegExp(`^${order} nodes: shop runs there`));
    expect(record.costPerHour, 'and they cost what they cost').toBeGreaterThanOrEqual(order * 4);
    expect(summary.fields.filter(({ target }) => 'pool' in target && target.pool === 'general')).toHaveLength(
      order === now ? 0 : 1,
    );
  });

  it('nobody runs there: it is let go', async () => {
    const store = await stored(null);
    const { general } = await decide(store, 2);
    await store.close();
    expect(general).toMatchObject({ order: 0 });
    expect(general?.inUse).toBeUndefined();
  });
});

describe('a cheaper pool that an account may only move to', () => {
  const [workload] = shop.workloads;
  if (workload === undefined) throw new Error('shop has no workload');
  const policy = (pools: string[]) => ({
    ...shop,
    workloads: [{ ...workload, pools, mayMoveTo: ['general', 'cheap'] }],
  });

  it('gets no nodes that its workloads cannot use; the pool that they run on has what they need', async () => {
    const store = await stored(null, START, policy(['general']));
    const { record } = await decide(store, 0);
    await store.close();
    expect(record.pools).toMatchObject([
      { pool: 'general', order: 2 },
      { pool: 'cheap', planned: 0 },
    ]);
  });

  it('an account that may run on none of the pools is not counted, and no grant binds it', async () => {
    const elsewhere = policy(['own']);
    const store = await stored(null, START, elsewhere);
    const { record } = await decide(store, 0);
    const body = { fleetId: 'shared@1', policy: fleet, ended: false };
    await store.putRecord({ kind: 'fleet', id: 'shared@1', account: 'fleet_main', at: START, body });
    const state: ClusterState = { at: START, workloads: [], pools: [] };
    const word = await createFleetWord(store)(elsewhere, state, START);
    const ofOthers = await createFleetWord(store)(policy(['general']), state, START);
    await store.close();
    expect(record.accounts).toBe(0);
    expect(word.grant, 'it would be held to its guarantee for good').toBeNull();
    expect(ofOthers.grant).not.toBeNull();
  });
});

describe('an account in another currency than the fleet', () => {
  it.each([
    { name: 'is named in the plan’s notes, with what follows', currency: 'EUR', noted: true },
    { name: 'and one in the same currency is not', currency: 'USD', noted: false },
  ])('$name', async ({ currency, noted }) => {
    const store = await stored(null, START, { ...shop, currency });
    const { record } = await decide(store, 0);
    await store.close();
    expect(record.accounts, 'it still gets its nodes').toBe(1);
    const words = /another currency than the fleet’s USD: shop \(EUR\); no budget of theirs binds the fleet’s plan/;
    expect(words.test(record.notes.join('\n'))).toBe(noted);
  });
});

describe('fleet plan before any cycle', () => {
  it('counts on an unread pool what accounts’ plans have there, says so, and shows no zero', async () => {
    const store = await stored(planOf(12));
    const { record } = await fleetOnce(store, fleet, START);
    await store.close();
    expect(record.pools[0]).toMatchObject({ now: null, ready: null, planned: 3 });
    expect(record.pools[0]?.words).toMatch(/not read, and left as it is: nobody has read it yet/);
    expect(record.notes.join('\n')).toMatch(
      /pool general was not read: counted with 3 nodes, by the newest plans of shop/,
    );
    expect(record.notes.join('\n')).toMatch(/pool cheap was not read: counted with 0 nodes, its minimum/);
    expect(record.short, 'what runs is not short of what it runs on').toBe(0);
  });
});
