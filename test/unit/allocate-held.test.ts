import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkPlan, createAllocator, type AllocationInput, type Allocator } from '../../src/allocate/index.js';
import type { AccountFile } from '../../src/domain/account.js';
import { readAccountFile } from '../../src/domain/account-file.js';
import type { Plan } from '../../src/domain/plan.js';
import { AT, blocksOf, demandOf, inputOf, policyOf, stateOf } from './allocate-fixtures.js';
import { randomProblem } from './allocate-random.js';

/* Nodes that an account has paid for: what its owner loses where a plan does not know of them. */

let allocator: Allocator;
beforeAll(async () => {
  allocator = await createAllocator({ wholeBlocks: true });
});

const HOUR = 3600;
type Reservation = NonNullable<AccountFile['reservations']>[number];
const one = (nodes: number, until: number, rest: Partial<Reservation> = {}): Reservation => ({
  ...{ name: 'one-year', pool: 'dear', nodes, until: AT + until * HOUR, pricePerHour: 0.6 },
  ...rest,
});

/** `dear` would not be used, were some of its nodes not paid. */
function problem(
  reservations: Reservation[],
  { demand = [12, 12, 12], ...parts }: Partial<AccountFile> & { demand?: number[] } = {},
): AllocationInput {
  const policy = policyOf({
    workloads: [{ name: 'web', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 40 } }],
    pools: [
      { name: 'dear', pricePerHour: 1, node: { cpu: 4 }, leadTime: '0s', max: 8 },
      { name: 'cheap', pricePerHour: 0.5, node: { cpu: 4 }, leadTime: '0s' },
    ],
    hysteresis: 0,
    ...parts,
    reservations,
  });
  return inputOf(policy, [demandOf('web', 'cpu', demand)], {
    blocks: blocksOf(demand.length),
    state: stateOf(policy, { web: 12 }),
  });
}

const solve = (input: AllocationInput): Plan => allocator.allocate(input).plan;
const nodesOf = (plan: Plan, pool: string): (number | undefined)[] => plan.blocks.map(({ nodes }) => nodes[pool]);
const costs = (plan: Plan): number[] => plan.blocks.map(({ costPerHour }) => Number(costPerHour.toFixed(4)));

describe('nodes that an account has paid for', () => {
  it.each<[string, Reservation[], number[], number[]]>([
    ['none: the cheapest pool', [], [0, 0, 0], [1.5, 1.5, 1.5]],
    ['are filled first, until they end', [one(2, 2)], [2, 2, 0], [1.7, 1.7, 1.5]],
    ['not begun yet', [one(2, 9, { from: AT + 2 * HOUR })], [0, 0, 2], [1.5, 1.5, 1.7]],
    ['ends within an hour: that hour is not counted on', [one(2, 1.5)], [2, 0, 0], [1.7, 2.1, 1.5]],
    ['two together', [one(1, 3), one(1, 1)], [2, 1, 1], [1.7, 1.6, 1.6]],
    ['more than is needed: paid all the same, and not run', [one(7, 3)], [3, 3, 3], [4.2, 4.2, 4.2]],
  ])('%s', (_, reservations, nodes, bill) => {
    const input = problem(reservations);
    const plan = solve(input);
    expect(plan.check).toMatchObject({ ok: true });
    expect(nodesOf(plan, 'dear')).toEqual(nodes);
    expect(costs(plan)).toEqual(bill);
    expect(plan.solver.gap).toBeLessThan(0.01);
  });

  it('are said apart, with why, in the plan', () => {
    const plan = solve(problem([one(2, 2)]));
    expect(plan.heldPerHour).toBeCloseTo(1.2, 6);
    expect(plan.held).toMatchObject([{ pool: 'dear', name: 'one-year', nodes: 2, until: AT + 2 * HOUR }]);
    const reason = plan.reasons.find(({ number }) => number === 'dear.nodes');
    expect(reason?.binding.words).toMatch(/2 of them are paid in any case: 2 by one-year until 2026-03-02T12:00:00Z$/);
    // One node less saves nothing.
    expect(reason?.rejected).toMatchObject([{ costPerHour: 0 }]);
  });

  it('count in the budget, and leave the rest of it to be spent', () => {
    // 1.2 of 1.7 is paid; 0.5 buys one cheap node more.
    const enough = solve(problem([one(2, 3)], { budget: { perHour: 1.7 } }));
    expect(enough.conflict).toBeNull();
    expect(costs(enough)).toEqual([1.7, 1.7, 1.7]);
    const short = solve(problem([one(2, 3)], { budget: { perHour: 1.6 }, demand: [12, 12, 12] }));
    expect(costs(short)).toEqual([1.2, 1.2, 1.2]);
    expect(short.blocks[0]?.workloads[0]).toMatchObject({ replicas: 8, shortfall: { cpu: 4 } });
    expect(short.check).toMatchObject({ ok: true });
  });

  it('whoever states the bill of a plan too low is found out', () => {
    const input = problem([one(2, 2)]);
    const plan = solve(input);
    const forged = { ...plan, blocks: plan.blocks.map((block) => ({ ...block, costPerHour: 0.5 })) };
    expect(
      checkPlan(input, forged)
        .breaches.map(({ words }) => words)
        .join(),
    ).toMatch(/it states 0.5 USD\/h/);
  });

  it('plans are those of nodes that cost nothing', () => {
    const paid = solve(problem([one(8, 3, { pricePerHour: 0 })]));
    const free = solve(
      problem([], {
        pools: [
          { name: 'dear', pricePerHour: 0, node: { cpu: 4 }, leadTime: '0s', max: 8 },
          { name: 'cheap', pricePerHour: 0.5, node: { cpu: 4 }, leadTime: '0s' },
        ],
      }),
    );
    expect(nodesOf(paid, 'dear')).toEqual(nodesOf(free, 'dear'));
    expect(costs(paid)).toEqual(costs(free));
  });
});

describe('any account with any reservations', () => {
  const reservation = fc.record({
    pool: fc.constantFrom('p0', 'p1'),
    nodes: fc.integer({ min: 1, max: 5 }),
    from: fc.constantFrom(AT - HOUR, AT, AT + HOUR),
    until: fc.constantFrom(AT + HOUR / 2, AT + HOUR, AT + 3 * HOUR, AT + 9 * HOUR),
    pricePerHour: fc.constantFrom(0, 0.1, 2),
  });
  const some = randomProblem({
    more: fc.array(reservation, { minLength: 1, maxLength: 3 }).map((reservations) => (file) => ({
      ...file,
      // Of those pools alone that a file may have them of.
      reservations: reservations.filter(({ pool }) =>
        file.pools.some(
          ({ name, size, capacityType }) => name === pool && size === 'variable' && capacityType === 'on-demand',
        ),
      ),
    })),
  });

  it('has a plan that the checker finds nothing wrong with, and that is never dearer than without them', () => {
    let used = 0;
    fc.assert(
      fc.property(some, (input) => {
        const plan = solve(input);
        expect(plan.check?.breaches.filter(({ declared }) => !declared)).toEqual([]);
        if (plan.held === undefined) return;
        used += 1;
        const { reservations: _, ...policy } = input.policy;
        const { budget } = policy;
        const before = solve({ ...input, policy });
        // With a budget what is paid takes from what else can be bought.
        if (budget !== undefined || plan.conflict !== null || before.conflict !== null) return;
        const hours = (block: { from: number; to: number }): number => (block.to - block.from) / HOUR;
        const paid = plan.blocks.reduce((sum, block) => {
          const each = (plan.held ?? []).map((own) => {
            const overlap = Math.max(0, Math.min(block.to, own.until) - Math.max(block.from, own.from));
            return own.nodes * own.pricePerHour * (overlap / (block.to - block.from));
          });
          return sum + hours(block) * each.reduce((all, money) => all + money, 0);
        }, 0);
        const bound = plan.solver.objective * (1 - plan.solver.gap) - paid;
        expect(bound).toBeLessThanOrEqual(before.solver.objective * (1 + 1e-6) + 1e-6);
      }),
      { numRuns: 60, seed: 41 },
    );
    expect(used, 'otherwise nothing was tried').toBeGreaterThan(20);
  });
});

describe('reservations in an account file', () => {
  const file = (reservation: string, more = ''): string => `version: headroom/v1
account: shop
pools:
  - { name: general, pricePerHour: 1, node: { cpu: 4 }, max: 4 }
  - { name: own, size: fixed, pricePerHour: 1, node: { cpu: 4 }, max: 4 }
workloads: [{ name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 4 } }]
${more}
reservations:
  - { until: "2026-05-05T00:00:00Z", pricePerHour: 0.5, ${reservation} }
`;
  it.each([
    ['an unknown pool', file('pool: genral, nodes: 1'), /"genral" is not defined.*did you mean "general"/],
    ['a fixed pool', file('pool: own, nodes: 1'), /pool "own" is of a fixed size/],
    ['more than the pool', file('pool: general, nodes: 5'), /5 nodes are above the pool’s maximum of 4/],
    [
      'more than the budget',
      file('pool: general, nodes: 4', 'budget: { perHour: 1.5 }'),
      /costs 2 an hour .*above the budget of 1.5/,
    ],
    ['end before start', file('pool: general, nodes: 1, from: "2027-01-01T00:00:00Z"'), /is not after its beginning/],
  ])('%s is refused in words', (_, text, words) => {
    expect(() => readAccountFile(text, 'shop.yaml')).toThrow(words);
  });
});
