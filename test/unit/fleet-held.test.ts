import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkFleet } from '../../src/allocate/checker/fleet.js';
import { createFleetSolver } from '../../src/allocate/fleet/index.js';
import { explainNodes } from '../../src/allocate/fleet/explain.js';
import type { FleetAccount, FleetInput, FleetPool } from '../../src/allocate/fleet/index.js';
import type { Held } from '../../src/domain/held.js';
import { bruteForce } from './fleet-brute-force.js';
import { someFleet, someHeld, withHeld } from './fleet-random.js';

/* Nodes that are paid in any case: what a fleet that has bought reservations loses where its plans do not know of them. */

const HOUR = 3600;
const solver = await createFleetSolver();

const pool = (name: string, rest: Partial<FleetPool> = {}): FleetPool => ({
  ...{ name, capacityType: 'on-demand', pricePerHour: 1, node: { cpu: 8 }, size: 'variable' },
  ...{ min: 0, max: 10, now: 0, warm: 0, readyFrom: 0, startPrice: 0 },
  ...{ interruptionsPerHour: 0, recoverySeconds: 300 },
  ...rest,
});

const shop = (cpu: readonly number[], rest: Partial<FleetAccount> = {}): FleetAccount => ({
  ...{ name: 'shop', weight: 20, guaranteed: {}, pools: null, demand: { cpu }, spotMaxShare: 1, budgetPerHour: null },
  ...{ running: [], placementPerHour: {}, movePrice: 0 },
  ...rest,
});

const one = (nodes: number, until: number, rest: Partial<Held> = {}): Held => ({
  ...{ name: 'one-year', nodes, from: 0, until: until * HOUR, pricePerHour: 0.6 },
  ...rest,
});

const fleet = (pools: FleetPool[], accounts: FleetAccount[]): FleetInput => ({
  blocks: [0, 1, 2].map((t) => ({ from: t * HOUR, to: (t + 1) * HOUR })),
  pools,
  accounts,
});

const numbers = (values: ArrayLike<number>): number[] => Array.from(values, (value) => Math.round(value * 1e6) / 1e6);

describe('nodes that are paid in any case', () => {
  /** `dear` would never be used, were three of its nodes not paid for two of the three hours. */
  const input = (held: Held[]): FleetInput =>
    fleet([pool('dear', { held }), pool('cheap', { pricePerHour: 0.5 })], [shop([40, 40, 40])]);

  it('are filled first, cost what they cost and no more, and from their end on the cheapest place is taken again', () => {
    const problem = input([one(3, 2)]);
    const plan = solver.solve(problem);
    expect(checkFleet(problem, plan).broken).toEqual([]);
    expect([...plan.nodes]).toEqual([3, 3, 0, 2, 2, 5]);
    expect(numbers(plan.heldPerHour)).toEqual([1.8, 1.8, 0]);
    expect(numbers(plan.costPerHour)).toEqual([2.8, 2.8, 2.5]);
    expect(plan.status).toBe('proven');
  });

  it.each<[string, Held[], number[], number[]]>([
    ['not begun yet', [one(3, 9, { from: 2 * HOUR })], [0, 0, 3], [0, 0, 1.8]],
    ['over before the plan begins', [one(3, 0, { from: -HOUR })], [0, 0, 0], [0, 0, 0]],
    // The half hour that is paid is told; nodes of it are not counted on.
    ['ends within an hour', [one(3, 1.5)], [3, 0, 0], [1.8, 0.9, 0]],
    ['two together', [one(1, 3), one(2, 1)], [3, 1, 1], [1.8, 0.6, 0.6]],
    ['more than is needed: the rest need not run', [one(9, 3)], [5, 5, 5], [5.4, 5.4, 5.4]],
  ])('%s', (_, held, nodes, paid) => {
    const problem = input(held);
    const plan = solver.solve(problem);
    expect(checkFleet(problem, plan).broken).toEqual([]);
    expect([...plan.nodes.subarray(0, 3)]).toEqual(nodes);
    expect(numbers(plan.heldPerHour)).toEqual(paid);
  });

  it('are not used where nobody may: they cost what they cost', () => {
    const problem = fleet(
      [pool('dear', { held: [one(3, 3)] }), pool('cheap')],
      [shop([8, 8, 8], { pools: ['cheap'] })],
    );
    const plan = solver.solve(problem);
    expect([...plan.nodes]).toEqual([0, 0, 0, 1, 1, 1]);
    expect(numbers(plan.costPerHour)).toEqual([2.8, 2.8, 2.8]);
  });

  it('plans are those of nodes that cost nothing', () => {
    const demand = [shop([40, 64, 24]), shop([8, 8, 8], { name: 'desk', pools: ['dear'] })];
    const cheap = pool('cheap', { pricePerHour: 0.5, startPrice: 0.2 });
    const paid = solver.solve(
      fleet([pool('dear', { held: [one(10, 3, { pricePerHour: 0 })], max: 4 }), cheap], demand),
    );
    const free = solver.solve(fleet([pool('dear', { pricePerHour: 0, max: 4 }), cheap], demand));
    expect([...paid.nodes]).toEqual([...free.nodes]);
    expect(numbers(paid.costPerHour)).toEqual(numbers(free.costPerHour));
  });

  it('a plan goes on from last cycle’s with them', () => {
    const before = solver.solve(input([one(3, 2)]));
    const problem = { ...input([one(3, 2)]), basis: before.basis };
    const plan = solver.solve(problem);
    expect(plan.work.rounds).toBe(0);
    expect(checkFleet(problem, plan).broken).toEqual([]);
    expect(plan.objective).toBeCloseTo(before.objective, 6);
  });

  it.each<[string, number, RegExp]>([
    ['used whole', 0, /; all are paid in any case: 3 by one-year until 1970-01-01T02:00:00Z$/],
    ['ended', 2, /^nothing is placed on it$/],
  ])('why names them: %s', (_, block, words) => {
    const problem = input([one(3, 2)]);
    expect(explainNodes(problem, solver.solve(problem), 0, block).bound).toMatch(words);
  });

  it('why says what one more saves by what the next one costs', () => {
    const problem = fleet([pool('dear', { max: 2, held: [one(2, 3)] })], [shop([40, 40, 40])]);
    const without = fleet([pool('dear', { max: 2 })], [shop([40, 40, 40])]);
    const price = (of: FleetInput): number => explainNodes(of, solver.solve(of), 0, 0).price;
    expect(price(problem)).toBeCloseTo(price(without), 6);
  });
});

describe('any fleet with any commitments', () => {
  const some = someFleet(2, 4, 3).chain((input) =>
    fc.tuple(
      fc.constant(input),
      fc.tuple(someHeld(3), someHeld(3)).map((held) => withHeld(input, held)),
    ),
  );

  it('has a plan that the checker finds nothing wrong with, and that is never dearer than without them', () => {
    fc.assert(
      fc.property(some, ([without, input]) => {
        const plan = solver.solve(input);
        expect(checkFleet(input, plan).broken).toEqual([]);
        expect(plan.lowerBound).toBeLessThanOrEqual(plan.objective * (1 + 1e-9));
        const paid = plan.heldPerHour.reduce((sum, each) => sum + each, 0);
        const before = solver.solve(without);
        expect(plan.lowerBound - paid).toBeLessThanOrEqual(before.objective * (1 + 1e-9) + 1e-9);
        expect(plan.objective - paid).toBeLessThanOrEqual(before.objective + 0.01 * plan.objective + 1e-9);
      }),
      { numRuns: 60, seed: 31 },
    );
  });

  it('costs what the best of all numbers of nodes costs, where they can be tried', async () => {
    const least = await bruteForce();
    let used = 0;
    fc.assert(
      fc.property(
        someFleet(2, 3, 2).chain((input) => fc.tuple(someHeld(2), someHeld(2)).map((held) => withHeld(input, held))),
        (input) => {
          const plan = solver.solve(input);
          const best = least(input);
          if (plan.heldPerHour.some((each) => each > 0)) used += 1;
          expect(plan.lowerBound).toBeLessThanOrEqual(best * (1 + 1e-6) + 1e-6);
          expect(plan.objective).toBeLessThanOrEqual(best * 1.01 + 1e-6);
        },
      ),
      { numRuns: 25, seed: 32 },
    );
    expect(used, 'otherwise nothing was tried').toBeGreaterThan(10);
  });
});
