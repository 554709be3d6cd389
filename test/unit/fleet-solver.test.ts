import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkFleet } from '../../src/allocate/checker/fleet.js';
import { createFleetSolver } from '../../src/allocate/fleet/index.js';
import type { FleetAccount, FleetInput, FleetPool } from '../../src/allocate/fleet/index.js';
import { bruteForce } from './fleet-brute-force.js';
import { someFleet } from './fleet-random.js';

const GIB = 2 ** 30;
const solver = await createFleetSolver();

const pool = (name: string, rest: Partial<FleetPool> = {}): FleetPool => ({
  name,
  capacityType: 'on-demand',
  pricePerHour: 1,
  node: { cpu: 16, memory: 64 * GIB },
  size: 'variable',
  min: 0,
  max: 10,
  now: 2,
  warm: 0,
  readyFrom: 0,
  startPrice: 0.1,
  interruptionsPerHour: 0,
  recoverySeconds: 300,
  ...rest,
});

const account = (name: string, cpu: number | readonly number[], rest: Partial<FleetAccount> = {}): FleetAccount => {
  const cores = typeof cpu === 'number' ? [cpu, cpu] : cpu;
  return {
    name,
    weight: 20,
    guaranteed: {},
    pools: null,
    demand: { cpu: Float64Array.from(cores), memory: Float64Array.from(cores, (value) => value * 2 * GIB) },
    spotMaxShare: 1,
    budgetPerHour: null,
    running: [],
    placementPerHour: {},
    movePrice: 0,
    ...rest,
  };
};

const fleet = (pools: FleetPool[], accounts: FleetAccount[], blocks = 2): FleetInput => ({
  blocks: Array.from({ length: blocks }, (_, t) => ({ from: 3600 * t, to: 3600 * (t + 1) })),
  pools,
  accounts,
});

const granted = (input: FleetInput, name: string, component: 'cpu' | 'memory' = 'cpu'): number =>
  solver.solve(input).grants.find((grant) => grant.account === name)?.amount[component] ?? Number.NaN;

describe('what a fleet’s plan gives', () => {
  it('serves everybody with the fewest nodes where there is room', () => {
    const input = fleet([pool('main')], [account('a', 20), account('b', 20)]);
    const plan = solver.solve(input);
    expect(plan.status).toBe('proven');
    expect([...plan.nodes]).toEqual([3, 3]);
    expect([...plan.shortfall]).toEqual([0, 0, 0, 0]);
    expect(checkFleet(input, plan).broken).toEqual([]);
  });

  it('one wrong, huge forecast cannot take what another is guaranteed', () => {
    const wrong = account('wrong', 10_000, { weight: 400 });
    const small = account('small', 8, { weight: 5, guaranteed: { cpu: 8, memory: 16 * GIB } });
    const input = fleet([pool('main', { max: 2 })], [wrong, small]);
    expect(granted(input, 'small')).toBeCloseTo(8, 6);
    expect(granted(input, 'small', 'memory')).toBeGreaterThanOrEqual(16 * GIB);
    expect(granted(input, 'wrong')).toBeCloseTo(24, 5);
  });

  it('the least critical gives first, and equals share what is scarce', () => {
    const input = fleet(
      [pool('main', { max: 2 })],
      [
        account('critical', 20, { weight: 400 }),
        account('one', 16, { weight: 20 }),
        account('two', 16, { weight: 20 }),
        account('low', 16, { weight: 5 }),
      ],
    );
    const plan = solver.solve(input);
    const has = new Map(plan.grants.map((grant) => [grant.account, grant.amount.cpu ?? 0]));
    expect(has.get('critical')).toBeCloseTo(20, 6);
    expect(has.get('low')).toBeCloseTo(0, 6);
    expect(has.get('one')).toBeCloseTo(6, 6);
    expect(has.get('two')).toBeCloseTo(6, 6);
    expect(plan.grants[3]?.bound).toContain('pool main is at its 2 nodes');
  });

  it('equals get equal shares of what is scarce, however dear the rest of what they ask for is, within a step', () => {
    // Of the same cores one takes its memory besides, the other eight times as much of it: there is enough memory for both.
    const cases = fc.record({
      cores: fc.integer({ min: 9, max: 30 }),
      weight: fc.constantFrom(5, 20, 80, 400),
      slim: fc.double({ min: 0.1, max: 2, noNaN: true }),
      rich: fc.double({ min: 4, max: 8, noNaN: true }),
      nodes: fc.integer({ min: 1, max: 2 }),
      placement: fc.double({ min: 0, max: 0.2, noNaN: true }),
    });
    let short = 0;
    fc.assert(
      fc.property(cases, ({ cores, weight, slim, rich, nodes, placement }) => {
        const asks = (name: string, memory: number, rest: Partial<FleetAccount> = {}): FleetAccount =>
          account(name, cores, {
            weight,
            demand: {
              cpu: Float64Array.from([cores, cores]),
              memory: Float64Array.from([cores, cores], (amount) => amount * memory * GIB),
            },
            ...rest,
          });
        const input = fleet(
          [pool('main', { max: nodes, node: { cpu: 16, memory: 1024 * GIB } })],
          [asks('slim', slim), asks('rich', rich * 8, { placementPerHour: { main: placement } })],
        );
        const plan = solver.solve(input);
        expect(checkFleet(input, plan).broken).toEqual([]);
        const served = input.accounts.map((_, a) => plan.placed.extra[a * 2] ?? 0);
        if (served.every((share) => share > 1 - 1e-6)) return;
        short++;
        // A step is a quarter of the demand.
        expect(Math.abs((served[0] ?? 0) - (served[1] ?? 0))).toBeLessThanOrEqual(0.25 + 1e-6);
      }),
      { numRuns: 60, seed: 5 },
    );
    expect(short).toBeGreaterThan(30);
  });

  it('what is unknown is held, and never read as zero', () => {
    const blind = account('blind', [Number.NaN, Number.NaN], {
      running: [{ pool: 'main', amount: { cpu: 12, memory: 24 * GIB } }],
    });
    const input = fleet([pool('main')], [blind, account('seen', 2)]);
    const plan = solver.solve(input);
    expect(plan.grants[0]?.amount.cpu).toBeGreaterThanOrEqual(12 - 1e-9);
    expect(plan.notes).toEqual([
      'blind: demand of cpu is unknown: what it has is held',
      'blind: demand of memory is unknown: what it has is held',
    ]);
    expect(checkFleet(input, plan).broken).toEqual([]);
  });

  it('new nodes come no sooner than they can be ready', () => {
    const input = fleet([pool('main', { now: 1, readyFrom: 1 })], [account('a', 30)]);
    const plan = solver.solve(input);
    expect([...plan.nodes]).toEqual([1, 2]);
    expect(plan.shortfall[0]).toBeCloseTo(14, 6);
    expect(plan.grants[0]?.bound).toContain('no new one before');
  });

  it('grants of several blocks cover the highest of them', () => {
    const input = { ...fleet([pool('main')], [account('a', [4, 20])]), grantBlocks: 2 };
    expect(granted(input, 'a')).toBeGreaterThanOrEqual(20 - 1e-9);
  });

  it('the same input and basis give the same plan, and a basis no worse one', () => {
    const input = fleet(
      [pool('main', { max: 4 }), pool('cheap', { pricePerHour: 0.5, max: 1 })],
      [account('a', 20), account('b', [3, 30]), account('c', 9)],
    );
    const first = solver.solve(input);
    const { basis } = first;
    const again = solver.solve({ ...input, basis });
    expect(solver.solve({ ...input, basis })).toEqual(again);
    expect(solver.solve(input)).toEqual(first);
    expect(again.work.warm).toBe(true);
    expect(again.objective).toBeLessThanOrEqual(first.objective * 1.01);
    expect(solver.solve({ ...input, basis: { ...basis, shape: 'another' } }).work.warm).toBe(false);
  });

  it('a fleet of nobody keeps the minimum', () => {
    const plan = solver.solve(fleet([pool('main', { min: 1 })], []));
    expect([...plan.nodes]).toEqual([1, 1]);
    expect(plan.grants).toEqual([]);
  });
});

describe('limits that contradict each other', () => {
  const cases: { name: string; input: FleetInput; set: string[] }[] = [
    {
      name: 'guarantees above all capacity',
      input: fleet(
        [pool('main', { max: 1 })],
        [account('a', 12, { guaranteed: { cpu: 12 } }), account('b', 12, { guaranteed: { cpu: 12 } })],
      ),
      set: ['what a is guaranteed', 'what b is guaranteed', 'pool main has at most 1 nodes'],
    },
    {
      name: 'an account whose guarantee exceeds the fleet',
      input: fleet([pool('main', { max: 1 })], [account('a', 99, { guaranteed: { cpu: 99 } }), account('b', 1)]),
      set: ['what a is guaranteed', 'pool main has at most 1 nodes'],
    },
    {
      name: 'a budget that the guarantee breaks',
      input: fleet([pool('main')], [account('a', 16, { guaranteed: { cpu: 16 }, budgetPerHour: 0.5 })]),
      set: ['what a is guaranteed', 'budget of 0.5 an hour of a'],
    },
    {
      name: 'a minimum above the maximum',
      input: fleet([pool('main', { min: 5, max: 2 })], [account('a', 1)]),
      set: ['minimum 5 nodes of pool main', 'maximum 2 nodes of pool main'],
    },
    {
      name: 'a guarantee of what its pools do not have',
      input: fleet(
        [pool('main'), pool('gpu', { node: { cpu: 8, memory: 32 * GIB, gpu: 4 } })],
        [account('a', 1, { pools: ['main'], guaranteed: { gpu: 1 }, demand: { gpu: [1, 1] } })],
      ),
      set: ['what a is guaranteed', 'a may use pools main alone'],
    },
    {
      name: 'a guarantee above all that the pools can ever have, though little is asked for now',
      input: fleet([pool('main'), pool('other')], [account('a', 1, { pools: ['main'], guaranteed: { cpu: 1000 } })]),
      set: ['what a is guaranteed: 1000 cores of cpu', 'pool main can have 160 cores of cpu at most'],
    },
    {
      name: 'guarantees that are too much together alone: the fewest that are',
      input: fleet(
        [pool('main')],
        [100, 90, 5].map((cpu, index) => account(`a${index}`, 1, { guaranteed: { cpu } })),
      ),
      set: [
        'what a0 is guaranteed: 100 cores of cpu',
        'what a1 is guaranteed: 90 cores of cpu',
        'all pools can have 160 cores of cpu at most',
      ],
    },
  ];
  it.each([
    {
      name: 'its budget, where a pool could still grow',
      pools: [pool('main')],
      more: { budgetPerHour: 0.5 },
      words: /its budget of 0.5 an hour/,
    },
    {
      name: 'not its budget, where there is no node at all',
      pools: [pool('main', { max: 0, now: 0 })],
      more: { budgetPerHour: 0.9 },
      words: /pool main may have no node/,
    },
    {
      name: 'not its budget, where the pool is full and money is left',
      pools: [pool('main', { max: 1, now: 1 })],
      more: { budgetPerHour: 1.9 },
      words: /pool main is at its 1 nodes/,
    },
  ])('an account that is short is told what would help: $name', ({ pools, more, words }) => {
    const [grant] = solver.solve(fleet(pools, [account('a', 32, more)])).grants;
    expect(grant?.short).toHaveProperty('cpu');
    expect(grant?.bound).toMatch(words);
  });

  it('guarantees that fill the fleet to the last core are none', () => {
    const accounts = [100, 60].map((cpu, index) => account(`a${index}`, 1, { guaranteed: { cpu } }));
    expect(solver.solve(fleet([pool('main')], accounts))).toMatchObject({ status: 'proven', conflicts: [] });
  });

  it.each(cases)('$name', ({ input, set }) => {
    const plan = solver.solve(input);
    expect(plan.status).toBe('least-bad');
    expect(plan.conflicts.flatMap((conflict) => conflict.set.map(({ words }) => words)).sort()).toEqual(
      [...set].sort(),
    );
    expect(plan.conflicts[0]?.gaveUp).not.toBe('');
    expect(checkFleet(input, plan).broken).toEqual([]);
  });
});

describe('input that is no problem', () => {
  const good = fleet([pool('main')], [account('a', 4)]);
  const cases: [string, FleetInput, RegExp][] = [
    [
      'a price is missing',
      { ...good, pools: [pool('main', { pricePerHour: Number.NaN })] },
      /price of pool main is NaN/,
    ],
    ['a price is negative', { ...good, pools: [pool('main', { pricePerHour: -1 })] }, /price of pool main is -1/],
    [
      'a price is 1e12',
      { ...good, pools: [pool('main', { pricePerHour: 1e12 })] },
      /price of pool main is 1000000000000/,
    ],
    ['a pool without capacity', { ...good, pools: [pool('main', { node: {} })] }, /node of pool main offers nothing/],
    ['two pools of one name', { ...good, pools: [pool('main'), pool('main')] }, /two pools named main/],
    ['two accounts of one name', { ...good, accounts: [account('a', 1), account('a', 1)] }, /two accounts named a/],
    ['an unknown pool', { ...good, accounts: [account('a', 1, { pools: ['x'] })] }, /names pool x/],
    ['infinite demand', { ...good, accounts: [account('a', Number.POSITIVE_INFINITY)] }, /asks for Infinity of cpu/],
    ['too few blocks of demand', { ...good, accounts: [account('a', [1])] }, /1 blocks of demand, the plan 2/],
    ['no pool', { ...good, pools: [] }, /no pool/],
    ['no block', { ...good, blocks: [] }, /no block/],
    ['half a node', { ...good, pools: [pool('main', { max: 1.5 })] }, /maximum of pool main is 1.5/],
  ];
  it.each(cases)('%s', (_, input, words) => {
    expect(() => solver.solve(input)).toThrow(words);
  });
});

describe('any fleet', () => {
  it('has a plan that the independent checker finds nothing wrong with, and that costs no less than its bound', () => {
    fc.assert(
      fc.property(someFleet(2, 5, 3), (input) => {
        const plan = solver.solve(input);
        expect(checkFleet(input, plan).broken).toEqual([]);
        expect(plan.gap).toBeGreaterThanOrEqual(0);
        expect(Number.isFinite(plan.objective)).toBe(true);
      }),
      { numRuns: 80, seed: 11 },
    );
  });

  it('costs what the best of all numbers of nodes costs, where they can be tried', async () => {
    const least = await bruteForce();
    fc.assert(
      fc.property(someFleet(2, 3, 2), (input) => {
        const plan = solver.solve(input);
        const best = least(input);
        expect(plan.lowerBound).toBeLessThanOrEqual(best * (1 + 1e-6) + 1e-6);
        expect(plan.objective).toBeLessThanOrEqual(best * 1.01 + 1e-6);
      }),
      { numRuns: 25, seed: 12 },
    );
  });

  it('grants no more than the pools can hold, and no guarantee less', () => {
    fc.assert(
      fc.property(someFleet(2, 6, 3), (input) => {
        const plan = solver.solve({ ...input, grantBlocks: 3 });
        // Of all accounts, and of those that can go nowhere but to one pool.
        const sets = [input.pools, ...input.pools.map((one) => [one])];
        for (const component of plan.components) {
          for (const set of sets) {
            const names = set.map(({ name }) => name);
            let [granted, promised] = [0, 0];
            input.accounts.forEach((account, a) => {
              const within = (account.pools ?? plan.pools).every((name) => names.includes(name));
              const got = plan.grants[a]?.amount[component];
              const share = account.guaranteed[component] ?? 0;
              if (got !== undefined) expect(got).toBeGreaterThanOrEqual(share * (1 - 1e-9));
              if (!within) return;
              granted += got ?? 0;
              promised += share;
            });
            const room = [0, 1, 2].map((t) =>
              set.reduce((sum, { name, node }) => {
                const count = plan.nodes[plan.pools.indexOf(name) * 3 + t] ?? 0;
                return sum + count * (node[component] ?? 0);
              }, 0),
            );
            expect(granted, `${component} of ${names.join()}`).toBeLessThanOrEqual(
              Math.max(promised, ...room) * (1 + 1e-6) + 1e-6,
            );
          }
        }
      }),
      { numRuns: 60, seed: 13 },
    );
  });

  it('whose peaks come in turns: each is cut by weight, and told', () => {
    const input = {
      ...fleet(
        [pool('main', { max: 1, now: 1 })],
        [account('a', [16, 0], { weight: 80 }), account('b', [0, 16], { weight: 20, guaranteed: { cpu: 2 } })],
      ),
      grantBlocks: 2,
    };
    const plan = solver.solve(input);
    const [a, b] = plan.grants.map(({ amount: { cpu = Number.NaN } }) => cpu);
    expect((a ?? 0) + (b ?? 0)).toBeCloseTo(16, 6);
    expect(b, 'the guarantee, and the smaller part').toBeGreaterThan(2);
    expect(a).toBeGreaterThan(b ?? 0);
    expect(plan.grants[1]?.bound).toContain('cut by weight');
    expect(checkFleet(input, plan).broken).toEqual([]);
  });
});
