import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PlanBlock } from '../../src/domain/plan.js';
import { createAllocator, type AllocationInput } from '../../src/allocate/index.js';
import { bruteForce } from './allocate-brute.js';
import { broken, costOf } from './allocate-check.js';
import { AT, demandOf, inputOf, policyOf, stateOf } from './allocate-fixtures.js';

const cents = (most: number) => fc.integer({ min: 5, max: most }).map((value) => value / 100);

/** Small enough that every plan there is can be looked at. */
const problem = fc
  .record({
    workloads: fc.array(
      fc.record({
        request: fc.constantFrom(0.5, 1, 1.5, 2, 3),
        min: fc.integer({ min: 0, max: 2 }),
        more: fc.integer({ min: 0, max: 2 }),
        now: fc.integer({ min: 0, max: 3 }),
        criticality: fc.constantFrom('low' as const, 'normal' as const, 'critical' as const),
        demand: fc.array(
          fc.integer({ min: 0, max: 900 }).map((value) => value / 100),
          { minLength: 2, maxLength: 2 },
        ),
      }),
      { minLength: 1, maxLength: 2 },
    ),
    pools: fc.array(
      fc.record({
        price: cents(90),
        cores: fc.constantFrom(2, 3, 4, 8),
        max: fc.integer({ min: 0, max: 4 }),
        spot: fc.boolean(),
        fixed: fc.boolean(),
      }),
      { minLength: 1, maxLength: 2 },
    ),
    budget: fc.option(cents(300), { nil: undefined }),
    spotMaxShare: fc.constantFrom(1, 0.5),
  })
  .map(({ workloads, pools, budget, spotMaxShare }) => {
    const policy = policyOf({
      spotMaxShare,
      ...(budget === undefined ? {} : { budget: { perHour: budget } }),
      workloads: workloads.map((one, index) => ({
        name: `w${index}`,
        criticality: one.criticality,
        components: { cpu: { request: one.request } },
        replicas: { min: one.min, max: one.min + one.more },
      })),
      pools: pools.map((one, index) => ({
        name: `p${index}`,
        pricePerHour: one.price,
        node: { cpu: one.cores },
        max: one.max,
        size: one.fixed ? ('fixed' as const) : ('variable' as const),
        capacityType: one.spot ? ('spot' as const) : ('on-demand' as const),
        leadTime: '0s',
      })),
    });
    const state = stateOf(
      policy,
      Object.fromEntries(workloads.map((one, index) => [`w${index}`, one.now])),
      Object.fromEntries(pools.map((one, index) => [`p${index}`, one.max])),
    );
    const demand = workloads.map((one, index) => demandOf(`w${index}`, 'cpu', one.demand));
    return inputOf(policy, demand, { state });
  });

/** Stored plans join equal neighbours: takes them apart again. */
const unjoined = (input: AllocationInput, blocks: readonly PlanBlock[]): PlanBlock[] =>
  input.blocks.map(({ from, to }) => {
    const holder = blocks.find((block) => block.from <= from && to <= block.to);
    if (holder === undefined) throw new Error('a block is missing');
    return { ...holder, from, to };
  });

/** The same with nodes that are paid in any case, of both pools and at times of one block alone. */
const reserved = fc
  .tuple(
    problem,
    fc.array(
      fc.record({
        pool: fc.constantFrom('p0', 'p1'),
        nodes: fc.integer({ min: 1, max: 4 }),
        until: fc.constantFrom(AT + 1800, AT + 3600, AT + 86_400),
        pricePerHour: fc.constantFrom(0, 0.2, 1),
      }),
      { maxLength: 2 },
    ),
  )
  .map(([input, reservations]): AllocationInput => ({ ...input, policy: { ...input.policy, reservations } }));

test.each([
  { what: 'any', any: problem, runs: 150, least: 40 },
  { what: 'with nodes that are paid in any case', any: reserved, runs: 60, least: 15 },
])(
  'a plan is feasible, costs what it says, and is within its stated gap of the best of all plans: $what',
  async ({ any, runs, least }) => {
    const allocator = await createAllocator();
    let compared = 0;
    fc.assert(
      fc.property(any, (input) => {
        const best = bruteForce(input);
        const { plan } = allocator.allocate(input);
        const blocks = unjoined(input, plan.blocks);
        if (best === null) {
          expect(plan.conflict).not.toBeNull();
          return;
        }
        compared++;
        expect(broken(input, blocks)).toEqual([]);
        expect(plan.check).toEqual({ ok: true, broken: 0, breaches: [] });
        const cost = costOf(input, blocks);
        expect(plan.solver.objective).toBeCloseTo(cost, 6);
        expect(cost).toBeGreaterThanOrEqual(best - 1e-6);
        // The gap is a proof: nothing is cheaper than cost · (1 − gap).
        expect(best).toBeGreaterThanOrEqual(cost * (1 - plan.solver.gap) - 1e-6 * (1 + cost));
      }),
      { numRuns: runs, seed: 7 },
    );
    expect(compared).toBeGreaterThan(least);
  },
);
