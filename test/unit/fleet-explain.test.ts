import { describe, expect, it } from 'vitest';
import { explainAccount, explainNodes } from '../../src/allocate/fleet/explain.js';
import { fleetReasons } from '../../src/allocate/fleet/reasons.js';
import { createFleetSolver, type FleetInput } from '../../src/allocate/fleet/index.js';

const GIB = 2 ** 30;
const common = {
  capacityType: 'on-demand' as const,
  node: { cpu: 16, memory: 64 * GIB },
  size: 'variable' as const,
  min: 0,
  now: 1,
  warm: 0,
  readyFrom: 0,
  startPrice: 0,
  interruptionsPerHour: 0,
  recoverySeconds: 0,
};
const input: FleetInput = {
  blocks: [{ from: 0, to: 3600 }],
  pools: [
    { ...common, name: 'cheap', pricePerHour: 0.5, max: 1 },
    { ...common, name: 'dear', pricePerHour: 1, max: 9 },
    { ...common, name: 'idle', pricePerHour: 5, max: 9 },
  ],
  accounts: [
    {
      name: 'a',
      weight: 20,
      guaranteed: {},
      pools: null,
      demand: { cpu: [40], memory: [80 * GIB] },
      spotMaxShare: 1,
      budgetPerHour: null,
      running: [],
      placementPerHour: {},
      movePrice: 0,
    },
  ],
};
const solver = await createFleetSolver();
const plan = solver.solve(input);
const [cheap, dear] = input.pools;
const [account] = input.accounts;
if (cheap === undefined || dear === undefined || account === undefined) throw new Error('no input');
const hours = (count: number) => Array.from({ length: count }, (_, t) => ({ from: t * 3600, to: (t + 1) * 3600 }));

describe('why a number of the fleet’s plan is what it is', () => {
  it.each([
    [0, 'its maximum of 1 nodes', 'the same cpu on pool dear, 0.5 an hour a node more'],
    [1, '24 cpu are placed on it', 'the same cpu on pool idle, 4 an hour a node more'],
    [2, 'nothing is placed on it', null],
  ])('pool %i', (pool, bound, alternative) => {
    const reason = explainNodes(input, plan, pool, 0);
    expect(reason.bound).toContain(bound);
    expect(reason.alternative?.words ?? null).toBe(alternative);
  });

  it('a full pool says what one more node would save', () => {
    // 16 cores that now cost 1 on the dear pool would cost 0.5.
    expect(explainNodes(input, plan, 0, 0).price).toBeCloseTo(0.5, 6);
  });

  it('an account says where it runs, and what the next best place would cost', () => {
    const reason = explainAccount(input, plan, 0, 0);
    expect(reason.what).toContain('40 % on cheap, 60 % on dear');
    expect(reason.bound).toBe('its own demand');
    expect(reason.alternative?.costPerHour).toBeGreaterThanOrEqual(0);
  });
});

describe('what bounds a pool', () => {
  const of = (pool: Partial<typeof cheap>, cpu: number[]) => {
    const one = { ...input, blocks: hours(cpu.length), pools: [{ ...cheap, max: 9, ...pool }] };
    const asked = { ...one, accounts: [{ ...account, demand: { cpu, memory: cpu.map(() => 0) } }] };
    return { asked, solved: solver.solve(asked) };
  };

  it('a node that is not ready yet, in the blocks before it is, and what is placed after', () => {
    const { asked, solved } = of({ readyFrom: 1, now: 1 }, [40, 40]);
    expect(explainNodes(asked, solved, 0, 0).bound).toBe('no new node is ready before 1970-01-01T01:00:00Z');
    expect(explainNodes(asked, solved, 0, 1).bound).toBe('40 cpu are placed on it');
  });

  it('not its lead time, where there is room: nothing is short, and a node more would save nothing', () => {
    const { asked, solved } = of({ readyFrom: 1, now: 5, min: 5 }, [40, 40]);
    expect(explainNodes(asked, solved, 0, 0)).toMatchObject({ bound: 'its minimum of 5 nodes', price: 0 });
  });

  it('not its maximum, where nobody needs so many', () => {
    const { asked, solved } = of({ min: 9, now: 9 }, [40]);
    expect(explainNodes(asked, solved, 0, 0).bound).toBe('its minimum of 9 nodes');
  });
});

describe('what is kept of it', () => {
  it('pools now and when a node asked for now is ready; accounts that are held down alone', () => {
    const asked = {
      ...input,
      blocks: hours(2),
      pools: [
        { ...cheap, max: 9, readyFrom: 1, capacityType: 'spot' as const },
        { ...dear, now: 2, max: 2 },
      ],
      accounts: [
        { ...account, name: 'free', demand: { cpu: [4, 4], memory: [0, 0] } },
        { ...account, name: 'careful', weight: 60, demand: { cpu: [4, 4], memory: [0, 0] }, spotMaxShare: 0.5 },
        {
          ...{ ...account, name: 'silent', demand: {} },
          running: [{ pool: 'dear', amount: { cpu: 1 } }],
        },
        { ...account, name: 'short', pools: ['dear'], weight: 5, demand: { cpu: [90, 90], memory: [0, 0] } },
      ],
    };
    const reasons = fleetReasons(asked, solver.solve(asked));
    expect(reasons.pools.map(({ pool, at }) => [pool, at])).toEqual([
      ['cheap', 0],
      ['cheap', 3600],
      ['dear', 0],
    ]);
    expect(reasons.accounts.map((one) => [one.account, one.bound])).toEqual([
      ['short', expect.stringContaining('short of cpu: pool dear is at its 2 nodes')],
      ['careful', 'at most 50 % of it may be on spot'],
      ['silent', 'its demand of cpu is unknown: it keeps what it has'],
    ]);
    expect(reasons.more).toBe(0);
  });

  it('is bounded, the heaviest first, and says how many there was no room for', () => {
    const accounts = Array.from({ length: 70 }, (_, index) => ({
      ...{ ...account, name: `a${index}`, weight: 1 + (index % 7), pools: ['cheap'] },
      demand: { cpu: [40], memory: [0] },
    }));
    const asked = { ...input, accounts };
    const reasons = fleetReasons(asked, solver.solve(asked));
    expect(reasons.accounts).toHaveLength(50);
    expect(reasons.more).toBeGreaterThanOrEqual(19);
    expect(reasons.accounts[0]?.account).toMatch(/^a\d+$/);
    const weights = reasons.accounts.map((one) => 1 + (Number(one.account.slice(1)) % 7));
    expect(weights).toEqual([...weights].sort((a, b) => b - a));
    expect(JSON.stringify(reasons).length).toBeLessThan(64 * 1024);
  });
});
