import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { createAllocator, summarizePlan, type AllocationInput, type Allocator } from '../../src/allocate/index.js';
import type { AccountFile } from '../../src/domain/account.js';
import { NO_LIMIT, type ClusterState, type FieldTarget, type PoolState } from '../../src/domain/cluster.js';
import { AT, blocksOf, demandOf, inputOf, simple, stateOf } from './allocate-fixtures.js';

/* Where nodes are made by an autoscaler: the plan's nodes become fields that Headroom can own. */

let allocator: Allocator;
beforeAll(async () => {
  allocator = await createAllocator();
});

type PoolFile = AccountFile['pools'][number];
const POOL: PoolFile = {
  name: 'general',
  pricePerHour: 0.4,
  node: { cpu: 4 },
  leadTime: '1h',
  provisioning: { placeholders: { share: 1 } },
};
const AUTOSCALER = 'node-autoscaler';

/** `web` of 1-core replicas, as many as run now, on a pool that an autoscaler sizes. */
function planned(options: {
  demand: number[];
  running?: number;
  nodes?: number;
  warm?: Partial<NonNullable<PoolState['warm']>>;
  nodePool?: PoolState['nodePool'];
  pool?: Partial<PoolFile>;
  parts?: Parameters<typeof simple>[0];
  input?: Partial<AllocationInput>;
  tune?: (state: ClusterState) => void;
}) {
  const { running = 4, nodes = 1, pool = {} } = options;
  const policy = simple({ pools: [{ ...POOL, ...pool }], ...options.parts });
  const state = stateOf(policy, { web: running }, { general: nodes });
  for (const one of state.pools) {
    one.owner = AUTOSCALER;
    if (options.warm !== undefined) one.warm = { replicas: 0, ready: 0, owner: null, ...options.warm };
    if (options.nodePool !== undefined) one.nodePool = options.nodePool;
  }
  options.tune?.(state);
  const demand = [demandOf('web', 'cpu', options.demand)];
  const input = inputOf(policy, demand, { state, blocks: blocksOf(options.demand.length), ...options.input });
  return { plan: allocator.allocate(input).plan, state };
}

const of = (plan: { fields: { target: FieldTarget }[] }, field: FieldTarget['field']) =>
  plan.fields.map(({ target }) => target).filter((target) => target.field === field);

describe('warm capacity', () => {
  test('a surge an hour ahead: the nodes that it needs beyond what pods take are kept warm now', () => {
    const { plan } = planned({ demand: [4, 12, 12], warm: {} });
    expect(of(plan, 'warm')).toEqual([{ field: 'warm', pool: 'general', value: 2, nodes: 3 }]);
    // A node autoscaler's nodes are never written themselves.
    expect(of(plan, 'nodes')).toEqual([]);
    expect(plan.fields[0]?.reason).toContain('3 nodes wanted, pods take 1');
  });

  test.each([
    { row: 'a quarter of a node each', share: 0.25, demand: [4, 12], value: 8 },
    { row: 'what pods take is half a node more', share: 0.5, demand: [6, 12], value: 3 },
    { row: 'nothing ahead', share: 1, demand: [4, 4], value: null },
    { row: 'it is here by now: pods ask for their nodes themselves', share: 1, demand: [12, 12], value: null },
  ])('$row', ({ share, demand, value }) => {
    const pool = { provisioning: { placeholders: { share } } };
    const running = demand[0] ?? 0;
    const { plan } = planned({ demand, warm: {}, pool, running, nodes: Math.ceil(running / 4) });
    expect(of(plan, 'warm').map((target) => target.value)).toEqual(value === null ? [] : [value]);
  });

  test('pods that move in take the place of placeholders, which go first: nobody is pushed out', () => {
    const { plan } = planned({
      demand: [12, 12],
      running: 4,
      nodes: 3,
      warm: { replicas: 2, ready: 2, owner: 'headroom' },
    });
    expect(plan.fields.map(({ target }) => `${target.field} ${target.value}`)).toEqual(['warm 0', 'replicas 12']);
  });

  test('over: they are let go, so that the autoscaler can take the nodes away', () => {
    const { plan } = planned({ demand: [4, 4], nodes: 3, warm: { replicas: 2, ready: 2, owner: 'headroom' } });
    expect(of(plan, 'warm')).toMatchObject([{ value: 0 }]);
  });

  test('a person who set them is named, and left alone until the file consents', () => {
    const warm = { replicas: 5, ready: 5, owner: 'kubectl' };
    const { plan } = planned({ demand: [4, 4], nodes: 6, warm });
    expect(of(plan, 'warm')).toEqual([]);
    expect(plan.verdict.detail).toContain('general.warm belongs to kubectl; provisioning.takeOwnership: true');
    const pool = { provisioning: { placeholders: { share: 1 }, takeOwnership: true } };
    expect(of(planned({ demand: [4, 4], nodes: 6, warm, pool }).plan, 'warm')).toMatchObject([{ value: 0 }]);
  });

  test('a cluster that keeps nothing warm, or a pool that asks for nothing, gets no such field', () => {
    expect(of(planned({ demand: [4, 12] }).plan, 'warm')).toEqual([]);
    const { plan } = planned({ demand: [4, 12], warm: {}, pool: { provisioning: {} } });
    expect(of(plan, 'warm')).toEqual([]);
  });

  test('whatever the demand: pods and placeholders together need no more nodes than the plan wants', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 2, maxLength: 4 }),
        fc.constantFrom(0.2, 0.25, 0.5, 1),
        fc.integer({ min: 0, max: 12 }),
        (demand, share, now) => {
          const running = Math.max(1, demand[0] ?? 1);
          const pool = { provisioning: { placeholders: { share } } };
          const warm = { replicas: now, ready: now, owner: 'headroom' };
          const { plan } = planned({ demand, running, nodes: Math.ceil(running / 4), warm, pool });
          const [target] = of(plan, 'warm');
          if (target?.field !== 'warm' || target.nodes === undefined) return;
          const replicas = of(plan, 'replicas')[0]?.value ?? running;
          expect(Number.isInteger(target.value) && target.value >= 0).toBe(true);
          if (target.value > 0) expect(replicas / 4 + target.value * share).toBeLessThanOrEqual(target.nodes + 1e-6);
        },
      ),
    );
  });
});

describe('what a provisioner may grow to', () => {
  const limit = (value: number, more: object = {}) => ({
    limit: { resource: 'cpu' as const, value, owner: null, perNode: 4.5, ...more },
  });
  test.each([
    { row: 'the maximum of the pool', nodePool: limit(NO_LIMIT), pool: { max: 20 }, value: 90 },
    { row: 'as it is', nodePool: limit(90), pool: { max: 20 }, value: null },
    { row: 'the budget: 4 an hour pays for 10 nodes', nodePool: limit(90), pool: { max: 20 }, budget: 4, value: 45 },
    { row: 'never below what runs', nodePool: limit(90), pool: { max: 20 }, budget: 0.4, nodes: 7, value: 31.5 },
    {
      row: 'what a node counts is not known yet',
      nodePool: limit(90, { perNode: null }),
      pool: { max: 2 },
      value: null,
    },
    { row: 'somebody else’s', nodePool: limit(90, { owner: 'argocd' }), pool: { max: 2 }, value: null },
  ])('$row', ({ nodePool, pool, budget, nodes, value }) => {
    const parts = budget === undefined ? {} : { budget: { perHour: budget } };
    const { plan } = planned({
      demand: [4, 4],
      nodePool,
      pool,
      parts: { ...parts, pools: [{ ...POOL, ...pool }] },
      ...(nodes === undefined ? {} : { nodes }),
    });
    const found = of(plan, 'limit').map((target) => target.value);
    expect(found).toEqual(value === null ? [] : [Math.ceil(value)]);
  });
});

describe('which pool comes first', () => {
  const pools: PoolFile[] = [
    { ...POOL, name: 'reserve', pricePerHour: 0.5, leadTime: '0s' },
    { ...POOL, name: 'spot', capacityType: 'spot', pricePerHour: 0.2, leadTime: '0s' },
  ];
  const ALONE: Record<string, number> = { spot: 0 };
  const weighted = (weights: Record<string, number>) => {
    const { plan } = planned({
      demand: [8, 8],
      running: 8,
      parts: { pools },
      tune: (state) => {
        for (const pool of state.pools) {
          const value = weights[pool.pool];
          if (value !== undefined) pool.nodePool = { weight: { value, owner: value === 0 ? null : 'headroom' } };
        }
      },
    });
    return of(plan, 'weight').map((target) => `${'pool' in target ? target.pool : ''} ${target.value}`);
  };
  test.each([
    {
      row: 'the one that the plan uses, then the one that it leaves empty',
      weights: { reserve: 0, spot: 0 },
      fields: ['spot 90', 'reserve 80'],
    },
    { row: 'as it is', weights: { reserve: 80, spot: 90 }, fields: [] },
    { row: 'one alone has no order', weights: ALONE, fields: [] },
  ])('$row', ({ weights, fields }) => expect(weighted(weights)).toEqual(fields));
});

describe('what is done before capacity is needed', () => {
  const web = {
    prefetch: [{ name: 'catalogue', url: 'http://hooks.test/prefetch', ahead: '90m' }],
    prepull: { ahead: '30m' },
  };
  const actions = (prepared: Record<string, number> | undefined, demand: number[]) => {
    const policy = simple({}, web);
    const state = stateOf(policy, { web: 4 }, { general: 5 });
    const [workload] = state.workloads;
    if (workload !== undefined && prepared !== undefined) workload.prepared = prepared;
    const { plan } = allocator.allocate(inputOf(policy, [demandOf('web', 'cpu', demand)], { state }));
    return plan.fields.flatMap(({ target, seen }) =>
      target.field === 'prepared' ? [{ action: target.action, at: target.value - AT, seen: seen.value }] : [],
    );
  };
  const hour = 3600;
  const NOTHING: Record<string, number> = {};
  test.each([
    {
      row: 'an hour ahead: what needs 90 minutes, and not yet what needs 30',
      prepared: NOTHING,
      demand: [4, 9],
      done: [{ action: 'prefetch.catalogue', at: hour, seen: 0 }],
    },
    {
      row: 'done for this rise, though it has wandered',
      prepared: { 'prefetch.catalogue': AT + hour - 300 },
      demand: [4, 9],
      done: [],
    },
    {
      row: 'long ago: again',
      prepared: { 'prefetch.catalogue': AT - 7 * hour },
      demand: [4, 9],
      done: [{ action: 'prefetch.catalogue', at: hour, seen: AT - 7 * hour }],
    },
    { row: 'nothing ahead', prepared: NOTHING, demand: [4, 4], done: [] },
    { row: 'a cluster that keeps no book of it', prepared: undefined, demand: [4, 9], done: [] },
  ])('$row', ({ prepared, demand, done }) => expect(actions(prepared, demand)).toEqual(done));

  test('where more is needed at once, all of it is done before the replicas are raised', () => {
    const policy = simple({}, web);
    const state = stateOf(policy, { web: 4 }, { general: 5 });
    for (const workload of state.workloads) workload.prepared = {};
    for (const pool of state.pools) pool.owner = AUTOSCALER;
    const { plan } = allocator.allocate(inputOf(policy, [demandOf('web', 'cpu', [9, 9])], { state }));
    expect(plan.fields.map(({ target }) => target.field)).toEqual(['prepared', 'prepared', 'replicas']);
  });
});

describe('a warm-up that asked which data sets will be read', () => {
  const hour = 3600;
  const warmUp = [{ name: 'fill', ahead: '15m', image: 'fill', dataSets: { atLeast: 0.5 } }];
  const action = 'warm-up.fill';
  const told = (from: number, names: [string, number][] = [['orders', 0.92]]) => [
    {
      ...{ workload: 'web', action, from },
      dataSets: names.map(([dataSet, probability]) => ({ dataSet, probability })),
      next: { dataSet: 'invoices', probability: 0.31 },
    },
  ];
  const planned = (at: number, last: number, dataSets?: ReturnType<typeof told>, demand = [4, 4]) => {
    const policy = simple({}, { warmUp });
    const state = stateOf(policy, { web: 4 }, { general: 5 });
    for (const workload of state.workloads) workload.prepared = last === 0 ? {} : { [action]: last };
    const more = { state, at, ...(dataSets === undefined ? {} : { dataSets }) };
    return allocator.allocate(inputOf(policy, [demandOf('web', 'cpu', demand)], more)).plan;
  };
  const TEN_TO = AT + hour - 600;
  test.each([
    { row: 'a quarter of an hour before they are read', at: TEN_TO, last: 0, sets: told(AT + hour), value: AT + hour },
    { row: 'done for this hour', at: TEN_TO, last: AT + hour, sets: told(AT + hour), value: null },
    { row: 'done for the hour before', at: TEN_TO, last: AT, sets: told(AT + hour), value: AT + hour },
    { row: 'the hour has begun', at: AT + 60, last: 0, sets: told(AT), value: null },
    { row: 'none is likely', at: TEN_TO, last: 0, sets: told(AT + hour, []), value: null },
    { row: 'nobody can say', at: TEN_TO, last: 0, sets: undefined, value: null },
  ])('$row', ({ at, last, sets, value }) => {
    const plan = planned(at, last, sets);
    expect(of(plan, 'prepared').map((target) => target.value)).toEqual(value === null ? [] : [value]);
    expect(plan.dataSets).toEqual(value === null ? undefined : sets);
  });

  test('says in the plan which and why, and keeps their names out of what goes through histories', () => {
    const plan = planned(
      TEN_TO,
      0,
      told(AT + hour, [
        ['orders', 0.92],
        ['customers', 0.6],
      ]),
    );
    expect(plan.fields.find(({ target }) => target.field === 'prepared')?.reason).toBe(
      '2 data sets likely to be read from 2026-03-02T11:00:00Z',
    );
    const reason = plan.reasons.find(({ number }) => number === 'web.prepared.warm-up.fill');
    expect(reason?.binding.words).toBe('likely to be read: orders 92 %, customers 60 %');
    expect(reason?.rejected).toEqual([
      { alternative: 'invoices', why: '31 %, below 50 % (atLeast)', costPerHour: null },
    ]);
    const summary = JSON.stringify(summarizePlan(plan));
    for (const name of ['orders', 'customers', 'invoices']) expect(summary).not.toContain(name);
    expect(summary).toContain('2 data sets likely');
  });
});

describe('tasks that a plan moves', () => {
  // At eleven, in the busy hour; to be put off by up to two hours.
  const tasks = [
    {
      name: 'report',
      workload: 'web',
      cron: '0 11 * * *',
      duration: '30m',
      demand: { cpu: 4 },
      later: '2h',
      target: {},
    },
  ];
  const scheduled = AT + 3600;
  const starts = (task: Partial<NonNullable<ClusterState['tasks']>[number]> | null, at = AT) => {
    const policy = simple({ tasks, cycle: '30m' });
    const state = stateOf(policy, { web: 8 }, { general: 2 });
    if (task !== null) state.tasks = [{ task: 'report', refusal: null, next: scheduled, moved: [], ...task }];
    const demand = [demandOf('web', 'cpu', [8, 8, 2, 2])];
    const { plan } = allocator.allocate(inputOf(policy, demand, { state, at }));
    return { fields: plan.fields.filter(({ target }) => target.field === 'start'), detail: plan.verdict.detail };
  };
  test('its move is written, fenced by its schedule, which is nobody’s doing', () => {
    expect(starts({}).fields).toMatchObject([
      { target: { field: 'start', task: 'report', scheduled }, seen: { value: scheduled, owner: null } },
    ]);
    expect(starts({}).fields[0]?.target.value).toBeGreaterThan(scheduled);
  });
  test.each([
    { row: 'no CronJob in the file: the plan shows it, nothing is written', task: null },
    { row: 'another run is to come before it', task: { next: scheduled - 60 } },
    { row: 'it has begun', task: { moved: [{ scheduled, start: AT - 60, begun: true }] } },
  ])('$row', ({ task }) => expect(starts(task).fields).toEqual([]));
  test('one that cannot be moved says why', () => {
    const { fields, detail } = starts({ refusal: 'it is suspended', next: null });
    expect(fields).toEqual([]);
    expect(detail).toContain('report stays as scheduled: it is suspended');
  });
});
