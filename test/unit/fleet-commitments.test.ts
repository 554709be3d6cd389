import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectedCost, planCommitment } from '../../src/allocate/fleet/commitments.js';

const input = (scenarios: number[][], price = 0.6) => ({
  pool: 'main',
  onDemandPerHour: 1,
  scenarios,
  terms: [{ name: 'one year', hours: scenarios[0]?.length ?? 1, pricePerHour: price }],
});

describe('how many nodes to reserve', () => {
  it.each([
    ['steady demand is reserved whole', [[7, 7, 7, 7]], 0.6, 7],
    ['a peak of one hour in ten is not', [[3, 3, 3, 3, 3, 3, 3, 3, 3, 30]], 0.6, 3],
    ['nothing pays at the same price', [[5, 5, 5, 5]], 1, 0],
    ['what is free is reserved for the highest', [[1, 9]], 0, 9],
    ['parts of a node are whole ones', [[2.2, 2.2]], 0.5, 3],
    ['unknown hours are left out, not read as zero', [[4, Number.NaN, 4, Number.NaN]], 0.6, 4],
  ])('%s', (_, scenarios, price, nodes) => {
    expect(planCommitment(input(scenarios, price)).nodes).toBe(nodes);
  });

  it('is the newsvendor’s quantile, and no other number costs less', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 99 }),
        (needs, cents) => {
          const price = cents / 100;
          const { nodes, costPerHour } = planCommitment(input([needs], price));
          const sorted = Float64Array.from(needs).sort();
          // The smallest demand whose distribution reaches the critical ratio 1 − reserved / on-demand.
          const quantile = sorted.find((_, index) => (index + 1) / sorted.length >= 1 - price - 1e-12) ?? 0;
          const cost = (count: number): number => expectedCost(sorted, count, price, 1);
          expect(cost(nodes)).toBeCloseTo(cost(quantile), 9);
          expect(costPerHour).toBeCloseTo(cost(nodes), 9);
          for (let count = 0; count <= 31; count++) expect(cost(count)).toBeGreaterThanOrEqual(cost(nodes) - 1e-9);
        },
      ),
      { numRuns: 200, seed: 5 },
    );
  });

  it('counts what is reserved already, and takes the term that saves most', () => {
    const steady = Array.from({ length: 100 }, () => 10);
    const plan = planCommitment({
      pool: 'main',
      onDemandPerHour: 1,
      scenarios: [steady],
      reserved: steady.map(() => 4),
      terms: [
        { name: 'a month', hours: 50, pricePerHour: 0.8 },
        { name: 'a season', hours: 100, pricePerHour: 0.6 },
        { name: 'three years', hours: 26_280, pricePerHour: 0.3 },
      ],
    });
    expect(plan).toMatchObject({ term: 'a season', nodes: 6 });
    expect(plan.costPerHour).toBeCloseTo(3.6, 9);
    expect(plan.words).toContain('reserve 6 nodes of pool main for a season');
  });

  it.each([
    ['no scenario', { ...input([[1]]), scenarios: [] }],
    ['a price of 1e12', { ...input([[1]]), onDemandPerHour: 1e12 }],
    ['a negative price of a term', input([[1]], -1)],
    ['paths of different length', input([[1, 2], [1]])],
  ])('refuses %s', (_, wrong) => {
    expect(() => planCommitment(wrong)).toThrow(/planning commitments of pool main/);
  });
});
