import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createAllocator, type AllocationInput, type Allocator } from '../../src/allocate/index.js';
import { CONSTRAINTS } from '../../src/allocate/constraints/index.js';
import type { ClusterState } from '../../src/domain/cluster.js';
import type { Override } from '../../src/domain/control.js';
import type { Plan } from '../../src/domain/plan.js';
import { AT, blocksOf, demandOf, inputOf, policyOf, simple, stateOf } from './allocate-fixtures.js';

let allocator: Allocator;
beforeAll(async () => {
  allocator = await createAllocator();
});

const override = (target: Override['target']): Override => ({
  kind: 'override',
  id: 'o1',
  author: 'ann',
  reason: 'match day',
  since: AT - 60,
  until: AT + 7200,
  target,
});
const replicas = (plan: Plan, block = 0): number => blockAt(plan, block).workloads[0]?.replicas ?? -1;
const priceOf = (plan: Plan, number: string): number | null | undefined =>
  plan.reasons.find((reason) => reason.number === number)?.binding.pricePerHour;
const words = (plan: Plan): string => (plan.conflict?.set ?? []).map((one) => one.words).join(' | ');
const nodes = (plan: Plan, pool = 'general', block = 0): number => blockAt(plan, block).nodes[pool] ?? -1;
/** Stored plans join equal neighbours. */
function blockAt(plan: Plan, block: number) {
  const from = (plan.blocks[0]?.from ?? 0) + block * 3600;
  const found = plan.blocks.find((one) => one.from <= from && from < one.to);
  if (found === undefined) throw new Error(`no block ${block}`);
  return found;
}

const spotPools = [
  { name: 'general', pricePerHour: 0.4, node: { cpu: 4 }, leadTime: '0s' },
  { name: 'spot', capacityType: 'spot' as const, pricePerHour: 0.1, node: { cpu: 4 }, leadTime: '0s' },
];

interface Row {
  constraint: string;
  user: string;
  input: () => AllocationInput;
  check: (plan: Plan) => void;
}

/** Each row fails where its constraint is taken out of the list: checked by the test below the table. */
const ROWS: Row[] = [
  {
    constraint: 'demand',
    user: 'gets what its demand takes, with the room that its utilization keeps',
    input: () =>
      inputOf(simple({}, { components: { cpu: { request: 1, utilization: 0.5 } } }), [demandOf('web', 'cpu', [3.2])]),
    check: (plan) => expect(replicas(plan)).toBe(7),
  },
  {
    constraint: 'replica-limits',
    user: 'keeps its minimum where there is no demand',
    input: () => inputOf(simple({}, { replicas: { min: 3, max: 9 } }), [demandOf('web', 'cpu', [0])]),
    check: (plan) => {
      expect(replicas(plan)).toBe(3);
      expect(priceOf(plan, 'web.replicas')).toBeCloseTo(0.1001, 6);
    },
  },
  {
    constraint: 'missing-data',
    user: 'keeps its replicas where there is no forecast',
    input: () => {
      const policy = simple({}, { components: { cpu: { request: 1 }, memory: { request: '1Gi' } } });
      return inputOf(policy, [demandOf('web', 'cpu', [1])], { state: stateOf(policy, { web: 6 }, { general: 2 }) });
    },
    check: (plan) => {
      expect(replicas(plan)).toBe(6);
      expect(plan.fields).toEqual([]);
      expect(priceOf(plan, 'web.replicas')).toBeGreaterThan(0);
      expect(plan.reasons[0]?.binding.words).toContain('no forecast of memory');
    },
  },
  {
    constraint: 'overrides',
    user: 'has the nodes that an operator insists on',
    input: () =>
      inputOf(simple(), [demandOf('web', 'cpu', [1])], {
        overrides: [override({ field: 'pool', pool: 'general', value: 5 })],
      }),
    check: (plan) => {
      expect(nodes(plan)).toBe(5);
      expect(priceOf(plan, 'general.nodes')).toBeCloseTo(0.4, 6);
    },
  },
  {
    constraint: 'step-limits',
    user: 'begins a steep rise early enough for its steps',
    input: () => {
      const policy = simple({ cycle: '1h', step: '1h' }, { replicas: { min: 1, max: 50, stepUp: 3 } });
      return inputOf(policy, [demandOf('web', 'cpu', [1, 1, 10])], {
        state: stateOf(policy, { web: 1 }, { general: 1 }),
      });
    },
    check: (plan) => {
      expect(replicas(plan, 0)).toBe(4);
      expect(replicas(plan, 1)).toBe(7);
      expect(replicas(plan, 2)).toBe(10);
    },
  },
  {
    constraint: 'pool-fit',
    user: 'has nodes under its replicas, by the component that takes most of them',
    input: () => {
      const policy = simple(
        { pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4, memory: '8Gi' }, leadTime: '0s' }] },
        { components: { cpu: { request: 1 }, memory: { request: '4Gi' } }, replicas: { min: 4, max: 4 } },
      );
      return inputOf(policy, [demandOf('web', 'cpu', [1]), demandOf('web', 'memory', [1])]);
    },
    check: (plan) => {
      expect(nodes(plan)).toBe(2);
      expect(plan.solver.gap).toBeLessThan(0.01);
    },
  },
  {
    constraint: 'pool-size',
    user: 'keeps the nodes that the pool has at least',
    input: () =>
      inputOf(
        simple({ pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 }, min: 3 }] }),
        [demandOf('web', 'cpu', [1])],
        {
          state: stateOf(simple(), {}, { general: 3 }),
        },
      ),
    check: (plan) => {
      expect(nodes(plan)).toBe(3);
      expect(priceOf(plan, 'general.nodes')).toBeCloseTo(0.4, 6);
    },
  },
  {
    constraint: 'lead-time',
    user: 'does not count on nodes before they can be ready, and asks for them in time',
    input: () => {
      const policy = simple({ pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 }, leadTime: '2h' }] });
      return inputOf(policy, [demandOf('web', 'cpu', [4, 9, 12])], {
        state: stateOf(policy, { web: 4 }, { general: 1 }),
      });
    },
    check: (plan) => {
      expect(nodes(plan, 'general', 1)).toBe(1);
      expect(words(plan)).toContain('a node of pool general takes 2h');
      expect(nodes(plan, 'general', 2)).toBe(3);
      expect(plan.fields).toMatchObject([{ target: { field: 'nodes', value: 3 } }]);
    },
  },
  {
    constraint: 'budget',
    user: 'never spends more than its budget',
    input: () => inputOf(simple({ budget: { perHour: 1 } }), [demandOf('web', 'cpu', [30])]),
    check: (plan) => {
      expect(nodes(plan)).toBe(2);
      expect(words(plan)).toContain('budget 1.00 USD/h');
      expect(plan.costPerHour).toBeLessThanOrEqual(1);
    },
  },
  {
    constraint: 'held',
    user: 'fills the nodes that are paid in any case, however cheap others are',
    input: () => {
      const reservations = [{ pool: 'general', nodes: 2, until: AT + 86_400, pricePerHour: 0.3 }];
      const pools = spotPools.map((pool) => ({ ...pool, capacityType: 'on-demand' as const }));
      return inputOf(simple({ reservations, pools }), [demandOf('web', 'cpu', [12])]);
    },
    check: (plan) => {
      expect([nodes(plan), nodes(plan, 'spot')]).toEqual([2, 1]);
      expect(plan.costPerHour).toBeCloseTo(0.7, 6);
    },
  },
  {
    constraint: 'spot-share',
    user: 'has at most its share on spot, however cheap',
    input: () => inputOf(simple({ spotMaxShare: 0.5, pools: spotPools }), [demandOf('web', 'cpu', [9])]),
    check: (plan) => {
      expect(blockAt(plan, 0).workloads[0]?.pools).toEqual({ general: 5, spot: 4 });
      expect(plan.reasons[0]?.binding.constraint).toBe('demand');
      // Half on general at 0.1001 a core, half on spot at 0.025025.
      expect(priceOf(plan, 'web.replicas')).toBeCloseTo(0.06256, 4);
    },
  },
  {
    constraint: 'grant',
    user: 'takes no more than the fleet grants, nor less than it is guaranteed',
    input: () =>
      inputOf(simple({ guaranteedShare: { cpu: 6 } }), [demandOf('web', 'cpu', [30])], { grant: { cpu: 4 } }),
    check: (plan) => {
      expect(replicas(plan)).toBe(6);
      expect(words(plan)).toContain('the fleet grants 6 cores of cpu');
    },
  },
  {
    constraint: 'quota',
    user: 'plans no replica that its namespace has no room for, and takes it from what the quota counts',
    input: () => {
      const policy = policyOf({
        workloads: ['web', 'api'].map((name) => ({
          name,
          components: { cpu: { request: 1 } },
          replicas: { min: 1, max: 50 },
        })),
        pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 }, leadTime: '0s' }],
      });
      const state: ClusterState = {
        ...stateOf(policy, { web: 2, api: 2 }),
        quotas: [
          { quota: 'acme/compute requests.cpu', component: 'cpu', each: { web: 1 }, room: 5 },
          { quota: 'acme/compute pods', each: { web: 1, api: 1 }, room: 12 },
        ],
      };
      return inputOf(policy, [demandOf('web', 'cpu', [9]), demandOf('api', 'cpu', [9])], { state });
    },
    check: (plan) => {
      const counts = Object.fromEntries(blockAt(plan, 0).workloads.map((one) => [one.workload, one.replicas]));
      expect(counts).toEqual({ web: expect.any(Number), api: expect.any(Number) });
      expect(counts['web']).toBeLessThanOrEqual(5);
      expect((counts['web'] ?? 0) + (counts['api'] ?? 0)).toBe(12);
      expect(words(plan)).toContain('quota acme/compute');
    },
  },
  {
    constraint: 'disruption',
    user: 'is not lowered under what its disruption budget promises',
    input: () => {
      const policy = simple();
      const state = stateOf(policy, { web: 7 }, { general: 2 });
      const workloads = state.workloads.map((web) => ({ ...web, disruption: { name: 'web-budget', minAvailable: 5 } }));
      return inputOf(policy, [demandOf('web', 'cpu', [1])], { state: { ...state, workloads } });
    },
    check: (plan) => {
      expect(replicas(plan)).toBe(5);
      expect(plan.reasons.find((reason) => reason.number === 'web.replicas')?.binding.words).toContain(
        'PodDisruptionBudget web-budget wants 5 of web available',
      );
      expect(priceOf(plan, 'web.replicas')).toBeCloseTo(0.1001, 4);
    },
  },
  {
    constraint: 'blackout',
    user: 'has before a blackout what it will need during it',
    input: () => {
      const policy = simple({
        blackouts: [{ name: 'release', from: AT + 3600, to: AT + 3 * 3600, reason: 'release night' }],
      });
      return inputOf(policy, [demandOf('web', 'cpu', [1, 1, 7, 1])], {
        state: stateOf(policy, { web: 1 }, { general: 1 }),
      });
    },
    check: (plan) => expect([0, 1, 2, 3].map((block) => replicas(plan, block))).toEqual([7, 7, 7, 1]),
  },
  {
    constraint: 'tasks',
    user: 'runs its nightly task where there is room',
    input: () => {
      const policy = simple({
        tasks: [
          { name: 'report', workload: 'web', cron: '0 11 * * *', duration: '1h', demand: { cpu: 3 }, later: '2h' },
        ],
      });
      return inputOf(policy, [demandOf('web', 'cpu', [2, 4, 4, 1])], {
        state: stateOf(policy, { web: 4 }, { general: 1 }),
      });
    },
    check: (plan) => {
      expect(plan.placements).toMatchObject([{ task: 'report', scheduled: AT + 3600, start: AT + 3 * 3600 }]);
      expect(replicas(plan, 3)).toBe(4);
    },
  },
  {
    constraint: 'churn',
    user: 'keeps a replica over a lull that is shorter than starting it again',
    input: () => {
      const policy = simple({ pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 }, size: 'fixed' }] });
      return inputOf(policy, [demandOf('web', 'cpu', [4, 3, 4, 4])], {
        blocks: blocksOf(4, 120),
        state: stateOf(policy, { web: 4 }, { general: 4 }),
      });
    },
    check: (plan) => expect(plan.blocks.map((block) => block.workloads[0]?.replicas)).toEqual([4]),
  },
  {
    constraint: 'spot-markets',
    user: 'is told that two markets are too few for what one of them may have',
    input: () => {
      const spot = (name: string) => ({
        ...{ name, capacityType: 'spot' as const, zone: name, pricePerHour: 0.1, node: { cpu: 4 }, leadTime: '0s' },
      });
      const policy = simple({ spotMarketMaxShare: 0.25, pools: [spot('a'), spot('b')] });
      return inputOf(policy, [demandOf('web', 'cpu', [4])], { state: stateOf(policy, { web: 4 }) });
    },
    check: (plan) => {
      const constraints = plan.conflict?.set.map((one) => one.constraint);
      expect(constraints).toEqual(expect.arrayContaining(['replica-limits', 'spot-markets']));
    },
  },
  {
    constraint: 'zones',
    user: 'is told that its second zone has too few nodes to lose the first',
    input: () => {
      const zone = (name: string, max: number) => ({
        name,
        zone: name,
        max,
        pricePerHour: 0.4,
        node: { cpu: 4 },
        leadTime: '0s',
      });
      const policy = simple(
        { surviveZone: 0.5, pools: [zone('a', 9), zone('b', 1)] },
        { replicas: { min: 12, max: 12 } },
      );
      return inputOf(policy, [demandOf('web', 'cpu', [12])], { state: stateOf(policy, { web: 12 }) });
    },
    check: (plan) => {
      const constraints = plan.conflict?.set.map((one) => one.constraint);
      expect(constraints).toEqual(expect.arrayContaining(['replica-limits', 'zones', 'pool-size']));
    },
  },
  {
    constraint: 'anti-affinity',
    user: 'pays for the nodes that apart means, and is told a gap that is near',
    input: () => {
      const policy = simple({}, { antiAffinity: { perNode: 1 } });
      return inputOf(policy, [demandOf('web', 'cpu', [4, 4])], { state: stateOf(policy, { web: 4 }) });
    },
    check: (plan) => {
      expect(plan.blocks[0]?.nodes).toEqual({ general: 4 });
      expect(plan.solver.gap).toBeLessThan(0.01);
    },
  },
  {
    constraint: 'residency',
    user: 'keeps data where they may be: what runs is left alone, and why is said',
    input: () => {
      const policy = simple({}, { residency: { regions: ['eu-1'] } });
      return inputOf(policy, [demandOf('web', 'cpu', [4])], { state: stateOf(policy, { web: 3 }) });
    },
    check: (plan) => {
      expect(plan.conflict?.set.map((one) => one.words).join()).toContain('data of web may be in eu-1 alone');
      expect(plan.fields).toEqual([]);
    },
  },
  {
    constraint: 'whole-numbers',
    user: 'is told a gap that is near',
    input: () => {
      const policy = policyOf({
        workloads: Array.from({ length: 7 }, (_, index) => ({
          name: `w${index}`,
          components: { cpu: { request: 1 } },
          replicas: { min: 0, max: 9 },
        })),
        pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 }, leadTime: '0s' }],
      });
      return inputOf(
        policy,
        policy.workloads.map(({ name }) => demandOf(name, 'cpu', new Array<number>(10).fill(1.1))),
      );
    },
    check: (plan) => expect(plan.solver.gap).toBeLessThan(0.01),
  },
];

describe('a workload', () => {
  test.each(ROWS)('$user ($constraint)', ({ input, check }) => {
    check(allocator.allocate(input()).plan);
  });
});

describe('what a constraint is there for is lost without it', () => {
  afterEach(() => {
    vi.doUnmock('../../src/allocate/constraints/index.js');
    vi.resetModules();
  });
  test.each(ROWS)('$constraint', async ({ constraint, input, check }) => {
    vi.resetModules();
    vi.doMock('../../src/allocate/constraints/index.js', () => ({
      CONSTRAINTS: CONSTRAINTS.filter((one) => one.name !== constraint),
    }));
    const room = await import('../../src/allocate/index.js');
    const { plan } = (await room.createAllocator()).allocate(input());
    expect(() => check(plan)).toThrow();
  });
});

test('every constraint has its row', () => {
  expect(ROWS.map((row) => row.constraint).sort()).toEqual(CONSTRAINTS.map((one) => one.name).sort());
});

describe('by hand', () => {
  test('3.2 cores of demand on 1-core replicas, 4-core nodes at 0.40: 4 replicas on one node', () => {
    const { plan } = allocator.allocate(inputOf(simple(), [demandOf('web', 'cpu', [3.2])]));
    expect(plan).toMatchObject({ costPerHour: 0.4, conflict: null });
    // 4 replicas for an hour: one node, 0.001 of it for its occupancy, 3 replicas started at 5 minutes of theirs.
    expect(plan.solver.objective).toBeCloseTo(0.4 + 0.0004 + (3 * 0.1 * 0.001) / 12, 9);
  });

  test.each([
    // A core is a quarter of a node and 0.001 of that for its occupancy: 0.1001 an hour.
    {
      name: 'demand',
      policy: simple(),
      demand: 3.2,
      binding: { constraint: 'demand', pricePerHour: 0.1001, unit: 'cores' },
    },
    {
      name: 'the minimum',
      policy: simple({}, { replicas: { min: 6, max: 9 } }),
      demand: 2,
      binding: { constraint: 'replica-limits', pricePerHour: 0.1001, unit: 'replicas' },
    },
    {
      // One replica more serves a core, worth 20 × 0.10, and costs 0.1001.
      name: 'the maximum',
      policy: simple({}, { replicas: { min: 1, max: 5 } }),
      demand: 8,
      binding: { constraint: 'replica-limits', pricePerHour: -1.9, unit: 'replicas' },
    },
    {
      // A unit of money buys 2.5 nodes, 10 cores, each worth 20 × 0.10; and it is spent.
      name: 'the budget',
      policy: simple({ budget: { perHour: 0.8 } }),
      demand: 20,
      binding: { constraint: 'budget', pricePerHour: -19, unit: 'USD/h' },
    },
  ])('the price of $name is its dual, with its sign', ({ policy, demand, binding }) => {
    const { plan } = allocator.allocate(inputOf(policy, [demandOf('web', 'cpu', [demand])]));
    const found = plan.reasons.find((reason) => reason.number === 'web.replicas')?.binding;
    expect(found).toMatchObject({ constraint: binding.constraint, unit: binding.unit });
    expect(found?.pricePerHour).toBeCloseTo(binding.pricePerHour, 1);
    expect(Math.sign(found?.pricePerHour ?? 0)).toBe(Math.sign(binding.pricePerHour));
  });
});
