import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideCapacity, plausibleCeiling, type CapacityInput } from '../../src/allocate/capacity.js';
import { guardFloor, reactiveCapacity, type GuardInput } from '../../src/allocate/guard.js';
import { createEvidence } from '../../src/replay/evidence.js';

const gap = Number.NaN;
const free = { min: 0, max: Number.POSITIVE_INFINITY };
const guardOf = (changed: Partial<GuardInput> = {}): GuardInput => {
  const usage = changed.usage ?? [10];
  const none = Array.from(usage, () => 0);
  return { usage, throttled: none, capacity: Array.from(usage, () => 20), asked: 20, bounds: free, ...changed };
};

describe('the reactive guard: what a tenant has even when forecast and solver are gone', () => {
  it.each([
    { name: 'usage clear of capacity', input: guardOf(), floor: 0, state: 'quiet' },
    { name: 'usage at its capacity', input: guardOf({ usage: [20] }), floor: 22, state: 'saturated' },
    { name: 'usage above it', input: guardOf({ usage: [40] }), floor: 44, state: 'saturated' },
    { name: 'earlier in the window', input: guardOf({ usage: [40, 10, gap] }), floor: 44, state: 'saturated' },
    { name: 'throttled', input: guardOf({ usage: [20], throttled: [1] }), floor: 30, state: 'throttled' },
    { name: 'no capacity known yet', input: guardOf({ capacity: [gap] }), floor: 0, state: 'quiet' },
    { name: 'nothing known: capacity stays', input: guardOf({ usage: [gap, gap] }), floor: 20, state: 'blind' },
    { name: 'nothing known, nothing asked', input: guardOf({ usage: [], asked: gap }), floor: 0, state: 'blind' },
    { name: 'minimum', input: guardOf({ bounds: { min: 5, max: 50 } }), floor: 5, state: 'quiet' },
    { name: 'maximum', input: guardOf({ usage: [99], bounds: { min: 5, max: 50 } }), floor: 50, state: 'saturated' },
    { name: 'idle at no capacity', input: guardOf({ usage: [0], capacity: [0] }), floor: 0, state: 'quiet' },
  ])('$name', ({ input, floor, state }) => {
    const answer = guardFloor(input);
    expect(answer.floor).toBeCloseTo(floor, 9);
    expect(answer.state).toBe(state);
  });

  it.each([
    { name: 'the recent peak with room above', input: guardOf({ usage: [7, 14, gap] }), capacity: 20 },
    { name: 'nothing known: what was asked for', input: guardOf({ usage: [gap] }), capacity: 20 },
    { name: 'zero usage is zero, not missing', input: guardOf({ usage: [0] }), capacity: 0 },
    { name: 'never below the guard', input: guardOf({ usage: [20], throttled: [1] }), capacity: 30 },
    { name: 'within bounds', input: guardOf({ usage: [70], bounds: { min: 0, max: 60 } }), capacity: 60 },
  ])('reactive: $name', ({ input, capacity }) => {
    expect(reactiveCapacity(input)).toBeCloseTo(capacity, 9);
  });
});

describe('the decision', () => {
  const inputOf = (changed: Partial<CapacityInput> = {}): CapacityInput => ({
    quantile: 15,
    gateOpen: true,
    level: 0.99,
    evidence: { peak: 30, bins: 2304 },
    guard: guardOf(),
    ...changed,
  });

  it.each([
    { name: 'the forecast', input: inputOf(), capacity: 15, by: 'forecast' },
    {
      name: 'the guard, where usage ran into capacity',
      input: inputOf({ guard: guardOf({ usage: [20] }) }),
      capacity: 22,
      by: 'guard',
    },
    { name: 'reacting, without a forecast', input: inputOf({ quantile: null }), capacity: 10 / 0.7, by: 'reactive' },
    {
      name: 'reacting, while the gate is closed',
      input: inputOf({ quantile: 3, gateOpen: false }),
      capacity: 10 / 0.7,
      by: 'reactive',
    },
    {
      name: 'a closed gate does not lower what the forecast asks',
      input: inputOf({ gateOpen: false }),
      capacity: 15,
      by: 'forecast',
    },
    {
      name: 'no lowering on a missing bin',
      input: inputOf({ guard: guardOf({ usage: [10, gap] }) }),
      capacity: 20,
      by: 'hold',
    },
    {
      name: 'raising on a missing bin',
      input: inputOf({ quantile: 25, guard: guardOf({ usage: [10, gap] }) }),
      capacity: 25,
      by: 'forecast',
    },
    {
      name: 'no bin at all: capacity stays',
      input: inputOf({ guard: guardOf({ usage: [gap] }) }),
      capacity: 20,
      by: 'hold',
    },
  ])('is by $name', ({ input, capacity, by }) => {
    const decided = decideCapacity(input);
    expect(decided.capacity).toBeCloseTo(capacity, 9);
    expect(decided.by).toBe(by);
  });

  it('does not believe a quantile far beyond anything that was seen', () => {
    const decided = decideCapacity(inputOf({ quantile: 1e9 }));
    expect(decided).toMatchObject({ by: 'ceiling' });
    expect(decided.capacity).toBeGreaterThan(30);
    expect(decided.capacity).toBeLessThan(40);
  });

  it.each([
    { name: 'more room the fewer bins there are', less: { peak: 10, bins: 2304 }, more: { peak: 10, bins: 200 } },
    { name: 'no ceiling without evidence', less: { peak: 10, bins: 10 }, more: { peak: gap, bins: 0 } },
  ])('the ceiling leaves $name', ({ less, more }) => {
    expect(plausibleCeiling(more, 0.99)).toBeGreaterThan(plausibleCeiling(less, 0.99));
    expect(plausibleCeiling(less, 0.999)).toBeGreaterThan(plausibleCeiling(less, 0.99));
  });

  it('stays within bounds, above the guard, and is never NaN once something is known', () => {
    const number = fc.double({ min: 0, max: 1e9, noNaN: true });
    const maybe = fc.oneof({ weight: 4, arbitrary: number }, { weight: 1, arbitrary: fc.constant(gap) });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(maybe, fc.integer({ min: 0, max: 1 }), maybe), { minLength: 1, maxLength: 6 }),
        fc.option(number),
        fc.boolean(),
        fc.tuple(number, number),
        number,
        (bins, quantile, gateOpen, [one, other], asked) => {
          const bounds = { min: Math.min(one, other), max: Math.max(one, other) };
          const guard: GuardInput = {
            usage: bins.map(([usage]) => usage),
            throttled: bins.map(([, throttled]) => throttled),
            capacity: bins.map(([, , capacity]) => capacity),
            asked: Math.min(Math.max(asked, bounds.min), bounds.max),
            bounds,
          };
          const { capacity } = decideCapacity(inputOf({ quantile, gateOpen, guard }));
          expect(capacity).toBeGreaterThanOrEqual(guardFloor(guard).floor);
          expect(capacity).toBeGreaterThanOrEqual(bounds.min);
          expect(capacity).toBeLessThanOrEqual(bounds.max);
        },
      ),
    );
  });
});

describe('the evidence of the last days', () => {
  it('is the peak and the count of the known bins of the window, as a plain search finds them', () => {
    const value = fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: 0, max: 5 }) },
      { weight: 1, arbitrary: fc.constant(gap) },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), fc.array(value, { maxLength: 60 }), (length, values) => {
        const evidence = createEvidence(length);
        values.forEach((pushed, index) => {
          evidence.push(pushed);
          const known = values.slice(Math.max(0, index + 1 - length), index + 1).filter((one) => !Number.isNaN(one));
          expect(evidence.now()).toEqual({ peak: known.length === 0 ? gap : Math.max(...known), bins: known.length });
        });
      }),
    );
  });
});
