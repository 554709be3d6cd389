import { fieldName } from '../../src/domain/change.js';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  contingencyFor,
  createAllocator,
  createHighsSolver,
  mutationsFor,
  planBlocks,
  summarizePlan,
  type AllocationInput,
  type Allocator,
} from '../../src/allocate/index.js';
import type { Plan } from '../../src/domain/plan.js';
import { broken } from './allocate-check.js';
import { AT, demandOf, inputOf, policyOf, simple, stateOf } from './allocate-fixtures.js';

let allocator: Allocator;
beforeAll(async () => {
  allocator = await createAllocator();
});

/** What of a plan is decided; the solver's own work differs between a warm start and a cold one. */
const decided = ({ solver, ...rest }: Plan) => ({ ...rest, objective: solver.objective, gap: solver.gap.toFixed(6) });

/** `count` workloads of two components over a week, each with a wave of its own. */
function wavy(count: number, at = AT, seed = 0): AllocationInput {
  const policy = policyOf({
    spotMaxShare: 0.5,
    workloads: Array.from({ length: count }, (_, index) => ({
      name: `w${index}`,
      components: { cpu: { request: 1 }, memory: { request: '2Gi' } },
      replicas: { min: 1, max: 40 },
    })),
    pools: [
      { name: 'general', pricePerHour: 0.4, node: { cpu: 8, memory: '32Gi' }, max: 9000 },
      { name: 'spot', capacityType: 'spot', pricePerHour: 0.15, node: { cpu: 8, memory: '32Gi' }, max: 9000 },
    ],
  });
  const blocks = planBlocks(policy, at, 3);
  const demand = policy.workloads.flatMap(({ name }, index) => {
    const amounts = blocks.map(
      ({ from }) => 8 + (index % 5) + 5 * Math.sin((from / 86_400) * 2 * Math.PI + index + seed),
    );
    return [
      demandOf(name, 'cpu', amounts),
      demandOf(
        name,
        'memory',
        amounts.map((amount) => amount * 1.9e9),
      ),
    ];
  });
  return { ...inputOf(policy, demand), at, blocks, state: stateOf(policy, {}, { general: 2, spot: 2 }) };
}

describe('the same input', () => {
  test('gives the same plan and the same id, in this instance and in another', async () => {
    const again = await createAllocator();
    const input = wavy(3);
    const first = allocator.allocate(input);
    expect(allocator.allocate(structuredClone(input))).toEqual(first);
    expect(again.allocate(input)).toEqual(first);
  });

  test('gives the same plan with the last cycle’s basis and without', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 6, noNaN: true }), (seed) => {
        const { basis } = allocator.allocate(wavy(3, AT, seed));
        const next = wavy(3, AT + 300, seed);
        const cold = allocator.allocate(next);
        const warm = allocator.allocate({ ...next, basis });
        expect(warm.plan.solver.warm).toBe(true);
        expect(warm.plan.solver.iterations).toBeLessThan(cold.plan.solver.iterations);
        expect(decided(warm.plan)).toEqual(decided(cold.plan));
      }),
      { numRuns: 6, seed: 3 },
    );
  });

  test('drops a basis of another shape', () => {
    const { basis } = allocator.allocate(wavy(2));
    expect(allocator.allocate({ ...wavy(3), basis }).plan.solver.warm).toBe(false);
  });

  test('with any difference has another id', () => {
    const input = inputOf(simple(), [demandOf('web', 'cpu', [3])]);
    const ids = [input, { ...input, at: AT + 1 }, { ...input, forecastId: 'f2' }, { ...input, demand: [] }].map(
      (one) => allocator.allocate(one).plan.id,
    );
    expect(new Set(ids).size).toBe(4);
    expect(ids[0]).toMatch(/^[0-9a-f]{16}$/);
  });
});

describe('size', () => {
  test('five workloads make a plan under 24 KB and a summary under 4 KiB', () => {
    const { plan } = allocator.allocate(wavy(5));
    expect(JSON.stringify(plan).length).toBeLessThan(24_000);
    const summary = summarizePlan(plan);
    expect(Buffer.byteLength(JSON.stringify(summary))).toBeLessThanOrEqual(4096);
    expect(summary.fields.map((field) => field.target)).toEqual(plan.fields.map((field) => field.target));
    expect(summary.reasons.length).toBeGreaterThan(0);
    expect(summary.reasons.every((reason) => reason.rejected.length <= 1)).toBe(true);
  });

  test('500 workloads are planned, whole and within their limits', () => {
    const input = wavy(500);
    const { plan } = allocator.allocate(input);
    expect(plan.blocks[0]?.workloads).toHaveLength(500);
    expect(broken(input, plan.blocks.slice(0, 1))).toEqual([]);
    expect(plan.conflict).toBeNull();
  });
});

describe('odd demand', () => {
  test.each([
    { name: 'nothing', amount: 0, replicas: 1, conflict: false },
    { name: 'next to nothing', amount: 1e-12, replicas: 1, conflict: false },
    { name: 'more than there are atoms', amount: 1e80, replicas: 50, conflict: true },
    { name: 'just what the maximum serves', amount: 50, replicas: 50, conflict: false },
  ])('of $name is planned for', ({ amount, replicas, conflict }) => {
    const { plan } = allocator.allocate(inputOf(simple(), [demandOf('web', 'cpu', [amount])]));
    expect(plan.blocks[0]?.workloads[0]?.replicas).toBe(replicas);
    expect(plan.conflict !== null).toBe(conflict);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, -1])('of %f is refused, with its series', (amount) => {
    expect(() => allocator.allocate(inputOf(simple(), [demandOf('web', 'cpu', [amount])]))).toThrow(/web\/cpu/);
  });

  test('for other blocks than the plan’s is refused', () => {
    const input = inputOf(simple(), [demandOf('web', 'cpu', [1, 2])]);
    expect(() => allocator.allocate({ ...input, blocks: input.blocks.slice(0, 1) })).toThrow(/2 blocks, the plan 1/);
  });
});

test('where the solver runs out of work, there is still a plan that keeps its limits', async () => {
  const starved = await createAllocator({ iterationLimit: 0 });
  const input = wavy(3);
  const { plan } = starved.allocate(input);
  expect(plan.solver.status).not.toBe('optimal');
  expect(broken(input, plan.blocks.slice(0, 1))).toEqual([]);
  expect(plan.blocks[0]?.workloads.every((one) => Object.keys(one.shortfall).length === 0)).toBe(true);
});

test('an LP solved by hand: min 2a + 3b, a + b ≥ 4, a ≤ 3', async () => {
  const solver = await createHighsSolver();
  const model = {
    cost: [2, 3],
    lower: [0, 0],
    upper: [3, Infinity],
    integer: [false, false],
    rowLower: [4],
    rowUpper: [Infinity],
    lowerGroup: [null],
    upperGroup: [null],
    lowerGives: [null],
    upperGives: [null],
    starts: [0, 2],
    indices: [0, 1],
    values: [1, 1],
    groups: new Map(),
  };
  const solution = solver.solve(model, { iterationLimit: 100 });
  expect(solution).toMatchObject({ status: 'optimal', objective: 9, bound: 9 });
  expect([...solution.values]).toEqual([3, 1]);
  expect([...solution.rowDuals]).toEqual([3]);
  expect(solver.solve({ ...model, upper: [1, 1] }, { iterationLimit: 100 }).status).toBe('infeasible');
});

describe('verdict', () => {
  const running = (
    replicas: number,
    demand: number,
    parts: Parameters<typeof simple>[0] = {},
    nodes = Math.ceil(replicas / 4),
  ) => {
    const policy = simple(parts);
    return inputOf(policy, [demandOf('web', 'cpu', [demand])], {
      state: stateOf(policy, { web: replicas }, { general: nodes }),
    });
  };
  const of = (input: AllocationInput) => {
    const { verdict, fields } = allocator.allocate(input).plan;
    return [
      verdict.kind === 'act' ? 'act' : verdict.reason,
      ...fields.map(({ target }) => `${target.field} ${target.value}`),
    ];
  };
  const gone = (input: AllocationInput): AllocationInput => ({
    ...input,
    state: { ...input.state, workloads: input.state.workloads.map((one) => ({ ...one, exists: false })) },
  });

  test.each([
    { name: 'what is there is wanted', input: () => running(4, 4), is: ['steady'] },
    { name: 'a rise goes ahead, nodes first', input: () => running(4, 9), is: ['act', 'nodes 3', 'replicas 9'] },
    { name: 'a fall goes ahead, nodes last', input: () => running(9, 4), is: ['act', 'replicas 4', 'nodes 1'] },
    { name: 'a fall that saves too little is left', input: () => running(40, 39), is: ['steady'] },
    { name: 'a rise as small goes ahead', input: () => running(39, 40), is: ['act', 'replicas 40'] },
    { name: 'no hysteresis, no hold', input: () => running(40, 39, { hysteresis: 0 }), is: ['act', 'replicas 39'] },
    {
      name: 'nothing is changed in a blackout',
      input: () => running(4, 9, { blackouts: [{ name: 'release', from: AT - 60, to: AT + 60, reason: 'release' }] }),
      is: ['blackout'],
    },
    { name: 'a workload that is not there', input: () => gone(running(4, 9, {}, 0)), is: ['workload-missing'] },
    {
      name: 'nothing can be improved',
      input: () => running(4, 9, { pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 }, size: 'fixed' }] }),
      is: ['infeasible'],
    },
  ])('$name', ({ input, is }) => expect(of(input())).toEqual(is));

  test('what is short now and what fits the budget are weighed together: one falls so that the other may rise', () => {
    const policy = policyOf({
      budget: { perHour: 0.8 },
      hysteresis: 0.9,
      workloads: ['a', 'b'].map((name) => ({
        name,
        components: { cpu: { request: 1 } },
        replicas: { min: 1, max: 9 },
      })),
      pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 }, leadTime: '0s' }],
    });
    const state = stateOf(policy, { a: 6, b: 2 }, { general: 2 });
    const input = inputOf(policy, [demandOf('a', 'cpu', [3]), demandOf('b', 'cpu', [5])], { state });
    expect(of(input)).toEqual(['act', 'replicas 5', 'replicas 3']);
  });
});

describe('ownership', () => {
  const floored = (
    floor: number,
    demand: number,
    owner: string | null,
    takeOwnership = false,
    userFloor: number | null = null,
    nodesOf: string | null = null,
  ) => {
    const policy = simple({ ownership: 'floor' }, { takeOwnership, replicas: { min: 2, max: 50 } });
    const state = stateOf(policy, { web: 8 }, { general: 13 });
    state.pools = state.pools.map((pool) => ({ ...pool, owner: nodesOf }));
    const [web] = state.workloads;
    if (web !== undefined) {
      web.autoscaler = { kind: 'hpa', name: 'web', floor, ceiling: 12, ...(userFloor === null ? {} : { userFloor }) };
      web.owners.floor = owner;
    }
    return allocator.allocate(inputOf(policy, [demandOf('web', 'cpu', [demand])], { state })).plan;
  };
  const floorOf = (plan: Plan) => plan.fields.find((one) => one.target.field === 'floor')?.target.value;

  test.each([
    { name: 'raises the floor', plan: () => floored(3, 7, null), is: 7 },
    { name: 'lowers its own floor again, not under the minimum', plan: () => floored(7, 0, 'headroom'), is: 2 },
    {
      name: 'lowers its own floor to what its user set, not under it',
      plan: () => floored(7, 0, 'headroom', false, 4),
      is: 4,
    },
    { name: 'never lowers a floor that somebody else set', plan: () => floored(7, 0, 'kubectl', true), is: undefined },
    { name: 'raises somebody else’s with consent', plan: () => floored(3, 7, 'kubectl', true), is: 7 },
    { name: 'leaves somebody else’s alone without', plan: () => floored(3, 7, 'kubectl'), is: undefined },
    { name: 'never goes above the ceiling', plan: () => floored(3, 30, null), is: 12 },
  ])('$name', ({ plan, is }) => expect(floorOf(plan())).toBe(is));

  test('says what it may not write, and how it could: no plan is “steady” that only lacks consent', () => {
    const others = (floor: number) => floored(floor, 7, 'kubectl', false, null, 'node-autoscaler').verdict;
    const verdict = others(3);
    expect(verdict).toMatchObject({ kind: 'hold', reason: 'not-ours' });
    expect(verdict.detail).toContain(
      'web.floor belongs to kubectl; takeOwnership: true would let it be written (3 → 7)',
    );
    expect(others(7)).toMatchObject({ kind: 'hold', reason: 'steady' });
  });

  test('what a pool lacks in the cluster is said, whatever else is done', () => {
    const missing = ['there is no NodePool general (karpenter.sh/v1)'];
    for (const [running, words] of [
      [4, 'what is there is what the plan wants'],
      [9, '0 to raise, 2 to lower'],
    ] as const) {
      const policy = simple();
      const state = stateOf(policy, { web: running }, { general: Math.ceil(running / 4) });
      state.pools = state.pools.map((pool) => ({ ...pool, missing }));
      const { verdict } = allocator.allocate(inputOf(policy, [demandOf('web', 'cpu', [4])], { state })).plan;
      expect(verdict.detail).toBe(`${words}; pool general: ${missing[0] ?? ''}`);
    }
  });

  test('keeps the nodes of what the autoscaler runs above the floor', () => {
    const plan = floored(7, 2, 'headroom');
    expect(plan.fields.find((one) => one.target.field === 'nodes')?.target.value).toBe(2);
  });
});

describe('request sizes', () => {
  const grid = (demand: readonly number[], current: number, hysteresis = 0.05) => {
    const policy = simple(
      { hysteresis, pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 }, leadTime: '0s' }] },
      { components: { cpu: { request: current, grid: [1, 2, 4] } }, replicas: { min: 1, max: 6 } },
    );
    return allocator.allocate(inputOf(policy, [demandOf('web', 'cpu', demand)])).plan;
  };
  const sizeOf = (plan: Plan) => new Set(plan.blocks.flatMap((block) => block.workloads.map((one) => one.request.cpu)));

  test('one size for the whole plan, the one that can serve it', () => {
    const plan = grid([3, 20, 1], 1);
    expect([...sizeOf(plan)]).toEqual([4]);
    expect(plan.fields.map((one) => one.target)).toContainEqual({
      field: 'request',
      workload: 'web',
      component: 'cpu',
      value: 4,
    });
    expect(plan.conflict).toBeNull();
  });

  test.each([
    // 2.9 cores are two replicas of 2 or three of 1: a quarter saved.
    { name: 'kept where another saves no more than the hysteresis', hysteresis: 0.5, is: 2 },
    { name: 'changed where another saves more', hysteresis: 0.05, is: 1 },
  ])('what runs now is $name', ({ hysteresis, is }) => {
    expect([...sizeOf(grid(new Array<number>(24).fill(2.9), 2, hysteresis))]).toEqual([is]);
  });

  test('where the pods request nothing, why says whose number is reckoned with', () => {
    const policy = simple();
    const state = stateOf(policy, { web: 4 });
    const why = () => {
      const { reasons, fields } = allocator.allocate(inputOf(policy, [demandOf('web', 'cpu', [4])], { state })).plan;
      return { fields, words: reasons.find(({ number }) => number === 'web.request.cpu')?.binding.words };
    };
    expect(why().words).toBeUndefined();
    for (const workload of state.workloads) workload.request = {};
    expect(why().words).toBe(
      'the pods of web request no cpu: what the account file says is reckoned with, and not written',
    );
    expect(why().fields.some(({ target }) => target.field === 'request')).toBe(false);
  });

  test('an overridden request is the only size', () => {
    const policy = simple({}, { components: { cpu: { request: 1, grid: [1, 2, 4] } } });
    const overrides = [
      {
        kind: 'override' as const,
        id: 'o',
        author: 'ann',
        reason: 'leak',
        since: AT,
        until: AT + 60,
        target: { field: 'request' as const, workload: 'web', component: 'cpu' as const, value: 3 },
      },
    ];
    const { plan } = allocator.allocate(inputOf(policy, [demandOf('web', 'cpu', [5])], { overrides }));
    expect([...sizeOf(plan)]).toEqual([3]);
    expect(plan.blocks[0]?.workloads[0]?.replicas).toBe(2);
  });
});

describe('a change', () => {
  const plan = () => {
    const policy = policyOf({
      hysteresis: 0,
      workloads: ['up', 'down'].map((name) => ({
        name,
        components: { cpu: { request: 1 } },
        replicas: { min: 1, max: 30 },
      })),
      pools: [
        { name: 'general', pricePerHour: 0.4, node: { cpu: 4 }, leadTime: '0s' },
        { name: 'old', pricePerHour: 0.9, node: { cpu: 4 }, leadTime: '0s' },
      ],
    });
    const state = stateOf(policy, { up: 2, down: 9 }, { general: 1, old: 3 });
    const input = inputOf(policy, [demandOf('up', 'cpu', [9]), demandOf('down', 'cpu', [2])], { state });
    return { plan: allocator.allocate(input).plan, state };
  };

  test('raises before it lowers, nodes before replicas and the other way round', () => {
    const { plan: made } = plan();
    const mutations = mutationsFor(made, 'change/acme/42', 'acme');
    expect(mutations.map(({ target }) => `${fieldName(target).replace(/\..*/, '')} ${target.value}`)).toEqual([
      'general 3',
      'up 9',
      'down 2',
      'old 0',
    ]);
    expect(mutations.map(({ key }) => key)).toEqual([0, 1, 2, 3].map((index) => `change/acme/42#${index}`));
    expect(mutations[0]?.expect).toEqual({ value: 1, owner: null });
  });

  test('has its reverse written down, the last write first, from what is there', () => {
    const { plan: made, state } = plan();
    const now = {
      ...state,
      pools: state.pools.map((pool) => (pool.pool === 'old' ? { ...pool, nodes: 4, owner: 'ann' } : pool)),
    };
    const contingency = contingencyFor(made, now, 'acme/42', AT + 5);
    expect(contingency.reverse.map(({ target, owner }) => [target.value, owner])).toEqual([
      [4, 'ann'],
      [9, null],
      [2, null],
      [1, null],
    ]);
    expect(contingency.recordedAt).toBe(AT + 5);
    expect(contingency.fallbacks.length).toBeGreaterThan(0);
  });
});
