import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { reachedWords } from '../../src/cli/commands/backtest.js';
import { wilsonInterval } from '../../src/replay/interval.js';
import { sixDigits } from '../../src/replay/six-digits.js';

describe('a capacity in six digits', () => {
  test.each([
    [2.5, 2.5],
    [2.5000000000000004, 2.5],
    [2.5000010778395305, 2.50001],
    [1 / 3, 0.333334],
    [1.1, 1.1],
    [0.1 + 0.2, 0.3],
    [123456, 123456],
    [123456.2, 123457],
    [999999.5, 1000000],
    [17179869184.5, 17179900000],
    [3e-9, 3e-9],
    [0, 0],
    [Number.NaN, Number.NaN],
  ])('%f is %f', (capacity, wanted) => {
    expect(sixDigits(capacity)).toBe(wanted);
  });

  it('covers what was covered, at a hundred-thousandth more, and stays as it is when it is rounded again', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-9, max: 1e15, noNaN: true }), (capacity) => {
        const rounded = sixDigits(capacity);
        expect(rounded).toBeGreaterThanOrEqual(capacity * (1 - 2e-12));
        expect(rounded).toBeLessThanOrEqual(capacity * (1 + 1.1e-5));
        expect(sixDigits(rounded)).toBe(rounded);
      }),
      { seed: 3 },
    );
  });
});

describe('how sure a share of missed bins is', () => {
  // From Brown, Cai, DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16 (2001), section 3.1.1.
  test.each([
    { hits: 5, count: 10, low: 0.2366, high: 0.7634 },
    { hits: 0, count: 10, low: 0, high: 0.2775 },
    { hits: 10, count: 10, low: 0.7225, high: 1 },
    { hits: 0, count: 0, low: 0, high: 1 },
  ])('$hits of $count', ({ hits, count, low, high }) => {
    const interval = wilsonInterval(hits, count);
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
  });

  test.each([
    {
      name: 'a little more, on few bins',
      violations: 14 / 1152,
      bins: 1152,
      says: /1\.22 % reached \(14 of 1152\): which so many bins do not tell apart/,
    },
    {
      name: 'the same share, on very many',
      violations: 0.0122,
      bins: 100_000,
      says: /\(1220 of 100000\): more than was asked/,
    },
    {
      name: 'far fewer',
      violations: 0,
      bins: 1152,
      says: /0 % reached \(0 of 1152\): fewer than was asked\. 95 % interval 0 % to 0\.332 %/,
    },
  ])('is told: $name', ({ violations, bins, says }) => {
    expect(reachedWords(violations, bins, 0.99)).toMatch(says);
    expect(reachedWords(violations, bins, 0.99)).toMatch(/^at most 1 % of bins above capacity asked/);
  });
});
