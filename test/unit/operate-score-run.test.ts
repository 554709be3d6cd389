import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isHeadroomError } from '../../src/domain/errors.js';
import { scoreRun, type RunInput } from '../../src/operate/score-run.js';

const run = (changed: Partial<RunInput> = {}): RunInput => ({
  step: 300,
  lead: 0,
  demand: [4, 4, 4, 4, 4],
  capacity: [8, 8, 8, 8, 8],
  ...changed,
});

describe('a live run is scored as a backtest is, or its cost says nothing beside its peers', () => {
  it.each([
    {
      // Bin 0 is before any decision: with no lead, the first decision is made at the end of bin 0 for bin 1.
      name: 'twice the demand',
      input: run(),
      live: { cost: 2, violations: 0, depth: 0, slack: 0.5 },
      bins: 4,
    },
    {
      name: 'exactly enough is no violation',
      input: run({ capacity: [1, 4, 4, 4, 4] }),
      live: { cost: 1, violations: 0, depth: 0, slack: 0 },
      bins: 4,
    },
    {
      name: 'half the bins short by a quarter',
      input: run({ capacity: [1, 3, 3, 5, 5] }),
      live: { cost: 1, violations: 0.5, depth: 0.25, slack: 1 / 8 },
      bins: 4,
    },
    {
      name: 'a lead of two bins puts off what counts',
      input: run({ lead: 600, capacity: [0, 0, 0, 4, 4] }),
      live: { cost: 1, violations: 0, depth: 0, slack: 0 },
      bins: 2,
    },
    {
      name: 'unknown demand is neither met nor missed',
      input: run({ demand: [4, 4, null, 4, 4], capacity: [4, 4, 1000, 4, 4] }),
      live: { cost: 1, violations: 0, depth: 0, slack: 0 },
      bins: 3,
    },
    {
      name: 'unknown capacity is not counted as none',
      input: run({ capacity: [4, 4, null, 4, 4] }),
      live: { cost: 1, violations: 0, depth: 0, slack: 0 },
      bins: 3,
    },
    {
      name: 'bins before the first that counts',
      input: run({ capacity: [0, 0, 0, 4, 4], firstScored: 3 }),
      live: { cost: 1, violations: 0, depth: 0, slack: 0 },
      bins: 2,
    },
  ])('$name', ({ input, live, bins }) => {
    const scored = scoreRun(input);
    expect(scored.live).toEqual(live);
    expect(scored.bins).toBe(bins);
    expect(scored.clairvoyant).toEqual({ cost: 1, violations: 0 });
  });

  it('gives the autoscalers the same lead: demand that doubles is met that much later', () => {
    const demand = [4, 4, 4, 4, 4, 4, 12, 12, 12, 12, 12, 12];
    const capacity = demand.map(() => 100);
    // At 70 %, 4 / 0.7 is short of 12: until the first decision that saw 12 is in effect, the lead and one bin later.
    expect(scoreRun(run({ demand, capacity })).hpa70.violations).toBeCloseTo(1 / 11);
    expect(scoreRun(run({ demand, capacity, lead: 600 })).hpa70.violations).toBeCloseTo(3 / 9);
  });

  it('rounds the peers up to whole replicas where the run has them', () => {
    const input = run({ replicaSize: 3 });
    expect(scoreRun(run()).hpa50.cost).toBeCloseTo(2);
    expect(scoreRun(input).hpa50.cost).toBeCloseTo(9 / 4);
    expect(scoreRun(input).clairvoyantAt(0).cost).toBeCloseTo(6 / 4);
    expect(scoreRun(input).clairvoyant.cost).toBe(1);
  });

  it('gives up the dearest of the bins that count, not of those that the run does not know', () => {
    const demand = [4, 100, 8, 4, 4];
    const capacity = [4, null, 8, 4, 4];
    const at = scoreRun(run({ demand, capacity })).clairvoyantAt(0.34);
    expect(at.violations).toBeCloseTo(1 / 3);
    expect(at.cost).toBeCloseTo(8 / 16);
  });

  it.each([
    { name: 'lengths differ', input: run({ capacity: [4, 4] }) },
    { name: 'nothing at all', input: run({ demand: [], capacity: [] }) },
    { name: 'capacity never known', input: run({ capacity: [null, null, null, null, null] }) },
    { name: 'demand never known', input: run({ demand: [null, null, null, null, null] }) },
    { name: 'over before the lead is', input: run({ lead: 3600 }) },
    { name: 'first scored bin beyond the end', input: run({ firstScored: 5 }) },
  ])('refuses a run that cannot be scored: $name', ({ input }) => {
    let thrown: unknown;
    try {
      scoreRun(input);
    } catch (error) {
      thrown = error;
    }
    expect(isHeadroomError(thrown) && thrown.kind).toBe('invalid-input');
  });

  it('does not depend on the unit', () => {
    const value = fc.option(fc.double({ min: 0.01, max: 1e6, noNaN: true }), { nil: null, freq: 8 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(value, value), { minLength: 6, maxLength: 60 }),
        fc.constantFrom(2, 1024, 2 ** -20),
        (bins, unit) => {
          fc.pre(bins.slice(3).some(([one, other]) => one !== null && other !== null));
          fc.pre(bins[0]?.[0] !== null && bins[0]?.[1] !== null);
          const scaled = (index: 0 | 1, by: number) =>
            bins.map((bin) => (bin[index] === null ? null : bin[index] * by));
          const at = (by: number) => {
            const { clairvoyantAt, ...rest } = scoreRun(
              run({ lead: 300, demand: scaled(0, by), capacity: scaled(1, by) }),
            );
            return { ...rest, at1: clairvoyantAt(0.01) };
          };
          // Powers of two: exact in binary, so that the scores are equal to the last bit.
          expect(at(unit)).toEqual(at(1));
        },
      ),
    );
  });
});
