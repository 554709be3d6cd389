import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isHeadroomError } from '../../src/domain/errors.js';
import type { Series } from '../../src/domain/series.js';
import { parsePolicies } from '../../src/replay/registry.js';
import { scoreCapacities } from '../../src/replay/score.js';
import { replay, type ReplayOptions } from '../../src/replay/simulate.js';
import { timelineRows } from '../../src/replay/timeline.js';
import { createNaiveFit } from './replay-naive-forecaster.js';

const gap = Number.NaN;
const seriesOf = (values: readonly number[]): Series => ({
  start: 1_767_225_600,
  step: 300,
  values: Float64Array.from(values),
  censored: new Uint8Array(values.length),
});
const options = (changed: Partial<ReplayOptions> = {}): ReplayOptions => ({
  lead: 600,
  level: 0.99,
  warmup: 0,
  timeZone: 'UTC',
  fit: createNaiveFit().fit,
  ...changed,
});

describe('scores, as CONTRACTS.md states them', () => {
  it.each([
    {
      name: 'exactly enough is no violation',
      demand: [2, 4],
      capacity: [2, 4],
      first: 0,
      score: { cost: 1, violations: 0, depth: 0, slack: 0, changes: 1 },
    },
    {
      name: 'depth is the mean shortfall in violated bins over mean demand',
      demand: [4, 4, 4, 4],
      capacity: [1, 3, 6, 6],
      first: 0,
      score: { cost: 1, violations: 0.5, depth: 0.5, slack: 4 / 16, changes: 2 },
    },
    {
      name: 'the warm-up does not count',
      demand: [100, 4, 4],
      capacity: [0, 8, 8],
      first: 1,
      score: { cost: 2, violations: 0, depth: 0, slack: 0.5, changes: 0 },
    },
    {
      name: 'missing bins are neither served nor violated',
      demand: [gap, 4, gap, 4],
      capacity: [1000, 4, 1000, 2],
      first: 0,
      score: { cost: 0.75, violations: 0.5, depth: 0.5, slack: 0, changes: 1 },
    },
    {
      name: 'no demand at all has no cost in its units',
      demand: [0, 0],
      capacity: [1, 1],
      first: 0,
      score: { cost: null, violations: 0, depth: 0, slack: 1, changes: 0 },
    },
  ])('$name', ({ demand, capacity, first, score }) => {
    expect(scoreCapacities(seriesOf(demand), Float64Array.from(capacity), first)).toEqual(score);
  });

  it('clairvoyant@v is the cheapest of all capacities with at most that share of violations', () => {
    const demands = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 4, maxLength: 9 });
    fc.assert(
      fc.property(demands, fc.double({ min: 0, max: 0.9, noNaN: true }), (scored, share) => {
        const series = seriesOf([1, 1, 1, ...scored]);
        const [best] = replay(series, parsePolicies(`clairvoyant@${share}`), options()).policies;
        expect(best?.violations ?? 1).toBeLessThanOrEqual(share + 1e-9);
        // Every bin has either its demand or nothing in a cheapest capacity: try all of them.
        const total = scored.reduce((sum, value) => sum + value, 0);
        for (let mask = 0; mask < 2 ** scored.length; mask++) {
          const given = scored.filter((_, bit) => (mask & (1 << bit)) !== 0);
          if (given.length / scored.length > share) continue;
          const cost = (total - given.reduce((sum, value) => sum + value, 0)) / total;
          expect(best?.cost ?? 0).toBeLessThanOrEqual(cost + 1e-9);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('clairvoyant costs 1.00 without violations, whatever the demand', () => {
    const value = fc.oneof(fc.double({ min: 0.001, max: 1e12, noNaN: true }), fc.constant(gap));
    fc.assert(
      fc.property(fc.array(value, { maxLength: 60 }), (values) => {
        const series = seriesOf([1, 1, 1, 1, ...values]);
        const [best] = replay(series, parsePolicies('clairvoyant'), options()).policies;
        expect(best?.cost).toBeCloseTo(1, 9);
        expect(best).toMatchObject({ violations: 0, depth: 0, slack: 0 });
      }),
    );
  });
});

describe('what is scored', () => {
  it.each([
    {
      name: 'a share of all bins, missing ones too',
      values: [1, 1, gap, gap, 1, 1, 1, 1, gap, 1],
      warmup: 0.6,
      bins: 3,
    },
    { name: 'never a bin that no decision could reach', values: [1, 1, 1, 1, 1], warmup: 0, bins: 2 },
    { name: 'never a bin before the first that is known', values: [gap, gap, 1, 1, 1, 1], warmup: 0, bins: 1 },
  ])('$name', ({ values, warmup, bins }) => {
    expect(replay(seriesOf(values), parsePolicies('hpa:0.5'), options({ warmup })).bins).toBe(bins);
  });

  it.each([
    { name: 'nothing left', values: [1, 1], changed: {}, says: 'none is left to score' },
    { name: 'nothing known', values: [gap, gap, gap, gap], changed: {}, says: 'none is left to score' },
    { name: 'negative lead', values: [1, 1, 1, 1], changed: { lead: -1 }, says: 'lead of -1s' },
    { name: 'infinite lead', values: [1, 1, 1, 1], changed: { lead: Infinity }, says: 'lead of Infinitys' },
    { name: 'level 1', values: [1, 1, 1, 1], changed: { level: 1 }, says: 'level of 1' },
    { name: 'warm-up of all', values: [1, 1, 1, 1], changed: { warmup: 1 }, says: 'warm-up of 100 %' },
    { name: 'no replica', values: [1, 1, 1, 1], changed: { replicaSize: 0 }, says: 'replica of size 0' },
  ])('$name is refused', ({ values, changed, says }) => {
    try {
      replay(seriesOf(values), parsePolicies('hpa:0.5'), options(changed));
      expect.unreachable();
    } catch (error) {
      if (!isHeadroomError(error)) throw error;
      expect(error.message).toContain(says);
    }
  });
});

describe('the timeline', () => {
  it('has a row for every bin after the warm-up, empty where it is missing, and gives the scores again', () => {
    const values = Array.from({ length: 80 }, (_, bin) => (bin % 13 === 5 ? gap : 1 / 3 + ((bin * 7) % 11)));
    const played = replay(seriesOf(values), parsePolicies('hpa:0.7,clairvoyant@0.1'), options({ warmup: 0.5 }));
    const [header, ...rows] = [...timelineRows(played)];
    expect(header).toBe('timestamp,demand,hpa:0.7,clairvoyant@0.1');
    expect(rows).toHaveLength(40);
    const cells = rows.map((row) => row.split(','));
    expect(cells[0]?.[0]).toBe(String(1_767_225_600 + 40 * 300));
    const missing = cells.filter((row) => row[1] === '');
    expect(missing).toHaveLength(3);
    expect(missing.every((row) => row.slice(1).every((cell) => cell === ''))).toBe(true);
    const known = cells.filter((row) => row[1] !== '').map((row) => row.map(Number));
    const sum = (column: number) => known.reduce((total, row) => total + (row[column] ?? 0), 0);
    played.policies.forEach((policy, at) => {
      expect(sum(at + 2) / sum(1)).toBeCloseTo(policy.cost ?? 0, 12);
      const violated = known.filter((row) => (row[1] ?? 0) > (row[at + 2] ?? 0)).length;
      expect(violated / known.length).toBe(policy.violations);
    });
  });
});
