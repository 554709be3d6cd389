import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { poolOrders, type PlannedPool } from '../../src/allocate/fleet-orders.js';
import type { PoolState } from '../../src/domain/cluster.js';
import { fleetFileSchema, type FleetFile, type FleetPolicy } from '../../src/domain/fleet.js';

/* What is asked of each pool: what is needed comes at once, what is let go goes last, in steps, and where it is worth it. */

type File = Omit<FleetFile, 'version' | 'fleet'>;
type PoolFile = FleetFile['pools'][number];

const policyOf = (file: File): FleetPolicy => fleetFileSchema.parse({ version: 'headroom/v1', fleet: 'f', ...file });
const pool = (name: string, more: Partial<PoolFile> = {}): PoolFile => ({
  ...{ name, pricePerHour: 1, node: { cpu: 4 }, provisioning: { kind: 'simulated' as const } },
  ...more,
});

interface Seen {
  nodes: number[];
  state?: Partial<PoolState> | null;
  readyFrom?: number;
}

function plannedOf(policy: FleetPolicy, seen: Seen[]): PlannedPool[] {
  return policy.pools.map((one, index) => {
    const { nodes, state, readyFrom = 0 } = seen[index] ?? { nodes: [] };
    const now = state?.nodes ?? 0;
    return {
      pool: one,
      nodes,
      readyFrom,
      seen: {
        pool: one.name,
        state: state === null ? null : { pool: one.name, nodes: now, readyNodes: now, owner: null, ...state },
        problem: state === null ? 'no route' : null,
      },
    };
  });
}

const ordersOf = (file: File, seen: Seen[]) => {
  const policy = policyOf(file);
  return poolOrders(policy, plannedOf(policy, seen));
};

describe('pool orders', () => {
  it.each([
    { name: 'more is needed', now: 2, nodes: [5], order: 5, words: /5 nodes are needed/ },
    { name: 'as many as there are', now: 5, nodes: [5], order: 5, words: /are what is needed/ },
    { name: 'fewer are enough', now: 9, nodes: [5], order: 5, words: /5 nodes are enough/ },
    { name: 'many fewer: in steps', now: 20, nodes: [5], order: 15, words: /5 go now/ },
    {
      name: 'what is needed before a new node could be ready',
      now: 2,
      nodes: [2, 6, 3],
      ready: 2,
      order: 6,
      words: /6/,
    },
    { name: 'what is needed later is asked for later', now: 2, nodes: [2, 2, 9], ready: 1, order: 2, words: /2/ },
    { name: 'never more than the maximum', now: 2, nodes: [50], order: 30, words: /30 nodes are needed/ },
    { name: 'nothing at all', now: 3, nodes: [0], order: 0, words: /0 nodes are enough/ },
    { name: 'no block', now: 3, nodes: [], order: 0, words: /0 nodes are enough/ },
  ])('$name', ({ now, nodes, order, words, ready = 0 }) => {
    const [one] = ordersOf({ pools: [pool('a', { max: 30 })] }, [{ nodes, state: { nodes: now }, readyFrom: ready }]);
    expect(one).toMatchObject({ order });
    expect(one?.words).toMatch(words);
    expect(one?.fields).toEqual(
      order === now
        ? []
        : [
            {
              target: { field: 'nodes', pool: 'a', value: order },
              seen: { value: now, owner: null },
              reason: one?.words,
            },
          ],
    );
  });

  it.each([
    { name: 'that go to a maximum of none', now: 3, order: 0 },
    { name: 'that are at it', now: 0, order: 0 },
  ])('nodes $name are not said to be enough: accounts may be short of them', ({ now, order }) => {
    const [one] = ordersOf({ pools: [pool('a', { max: 0 })] }, [{ nodes: [0], state: { nodes: now } }]);
    expect(one).toMatchObject({ order });
    expect(one?.words).toMatch(/^0 nodes are its maximum/);
  });

  it.each([
    ['a pool that was not read', {}, null, /not read, and left as it is: no route/],
    ['a fixed pool', { size: 'fixed' as const }, { nodes: 2 }, /a fixed pool/],
    ['a pool that nobody provisions', { provisioning: { kind: 'none' as const } }, { nodes: 2 }, /nobody provisions/],
  ])('%s is never written', (_name, more, state, words) => {
    const [one] = ordersOf({ pools: [pool('a', more)] }, [{ nodes: [7], state }]);
    expect(one?.fields).toEqual([]);
    expect(one?.words).toMatch(words);
  });

  it('nodes move between pools by being there first and going after', () => {
    const file = { pools: [pool('dear', { pricePerHour: 4 }), pool('cheap')] };
    const first = ordersOf(file, [
      { nodes: [0], state: { nodes: 4 } },
      { nodes: [4], state: { nodes: 0 } },
    ]);
    expect(
      first.map(({ order }) => order),
      'what replaces it is asked for',
    ).toEqual([4, 4]);
    expect(first[0]?.words).toMatch(/go when what takes their place is ready: cheap \(0 of 4\)/);
    const coming = ordersOf(file, [
      { nodes: [0], state: { nodes: 4 } },
      { nodes: [4], state: { nodes: 4, readyNodes: 3 } },
    ]);
    expect(
      coming.map(({ order }) => order),
      'and waited for',
    ).toEqual([4, 4]);
    const there = ordersOf(file, [
      { nodes: [0], state: { nodes: 4 } },
      { nodes: [4], state: { nodes: 4 } },
    ]);
    expect(there.map(({ order }) => order)).toEqual([0, 4]);
  });

  it('what saves less than the threshold is not worth letting go', () => {
    const file = (saving: number): File => ({ moving: { saving }, pools: [pool('a'), pool('b')] });
    const seen: Seen[] = [
      { nodes: [9], state: { nodes: 10 } },
      { nodes: [10], state: { nodes: 10 } },
    ];
    expect(ordersOf(file(0.1), seen)[0]).toMatchObject({ order: 10, words: expect.stringContaining('less than 10 %') });
    expect(ordersOf(file(0.05), seen)[0]).toMatchObject({ order: 9 });
  });

  it('Karpenter is told how far it may grow, and its warm nodes by placeholders', () => {
    const provisioning = { kind: 'karpenter' as const, placeholders: { share: 0.5 } };
    const state: Partial<PoolState> = {
      nodes: 2,
      nodePool: { limit: { resource: 'cpu', value: 100, owner: 'ops', perNode: 4.2 } },
      warm: { replicas: 0, ready: 0, owner: null },
    };
    const [one] = ordersOf({ pools: [pool('a', { provisioning, warm: 2 })] }, [{ nodes: [5], state }]);
    expect(one?.fields.map(({ target, seen }) => [target, seen])).toEqual([
      [
        { field: 'limit', pool: 'a', resource: 'cpu', value: 21 },
        { value: 100, owner: 'ops' },
      ],
      [
        { field: 'warm', pool: 'a', value: 4 },
        { value: 0, owner: null },
      ],
    ]);
  });

  it('always within bounds and steps, and never lower while something is on its way', () => {
    const count = fc.nat({ max: 40 });
    const seenPool = fc.record({ now: count, ready: count, nodes: fc.array(count, { minLength: 1, maxLength: 4 }) });
    fc.assert(
      fc.property(fc.array(seenPool, { minLength: 1, maxLength: 4 }), fc.nat({ max: 4 }), (pools, readyFrom) => {
        const policy = policyOf({
          moving: { mostUp: 7, mostDown: 3, saving: 0 },
          pools: pools.map((_, index) => pool(`p${index}`, { min: 1, max: 25 })),
        });
        const planned = plannedOf(
          policy,
          pools.map(({ now, ready, nodes }) => ({
            nodes,
            state: { nodes: now, readyNodes: Math.min(now, ready) },
            readyFrom,
          })),
        );
        const orders = poolOrders(policy, planned);
        const needs = planned.map(({ nodes }) => {
          const until = Array.from(nodes).slice(0, Math.min(readyFrom, nodes.length - 1) + 1);
          return Math.min(25, Math.max(1, ...until));
        });
        const onItsWay = pools.some(({ now, ready }, index) => Math.min(now, ready) < (needs[index] ?? 0));
        orders.forEach(({ order, now }, index) => {
          const [before, need] = [now ?? 0, needs[index] ?? 0];
          expect(order).toBeLessThanOrEqual(Math.max(before, Math.min(need, before + 7)));
          if (order < before) {
            expect(order).toBeGreaterThanOrEqual(Math.max(need, before - 3));
            expect(onItsWay).toBe(false);
          }
          if (need > before) expect(order).toBe(Math.min(need, before + 7));
        });
      }),
    );
  });
});
