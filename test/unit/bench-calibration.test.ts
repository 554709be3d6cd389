import { describe, expect, it } from 'vitest';
import { count, coverage, perfectError, winkler } from '../../bench/calibration/measures.js';
import { geometricMean } from '../../bench/forecast/score.js';
import { createAci, createEnbpi, createSortedWindow, type Interval } from '../../bench/calibration/peers.js';

/* What a user loses when this fails: a figure of calibration that says more, or less, than was measured. */

describe('the Winkler score', () => {
  it.each([
    { name: 'within: the width', interval: [2, 6], value: 3, score: 4 },
    { name: 'at the edge: the width', interval: [2, 6], value: 6, score: 4 },
    { name: 'below by one: 2 / alpha more', interval: [2, 6], value: 1, score: 24 },
    { name: 'above by half', interval: [2, 6], value: 6.5, score: 14 },
  ])('$name', ({ interval, value, score }) => {
    expect(winkler([interval[0] ?? 0, interval[1] ?? 0], 0.1, value)).toBeCloseTo(score, 9);
  });
});

describe('coverage', () => {
  const of = (values: readonly number[], quantile: number) => {
    const counts = { bins: 0, under: 0, at: 0 };
    for (const value of values) count(counts, value, quantile);
    return counts;
  };
  it.each([
    { name: 'no ties', values: [1, 2, 3, 4], quantile: 2.5, level: 0.9, share: 0.5 },
    { name: 'zeros, more than the level needs', values: [0, 0, 0, 5], quantile: 0, level: 0.5, share: 0.5 },
    { name: 'zeros, fewer than the level needs', values: [0, 4, 4, 5], quantile: 0, level: 0.5, share: 0.25 },
    { name: 'all under, ties or not', values: [1, 1, 1, 2], quantile: 2, level: 0.5, share: 0.75 },
  ])('$name', ({ values, quantile, level, share }) => {
    expect(coverage(of(values, quantile), level)).toBeCloseTo(share, 9);
  });
});

it('the perfect forecaster errs by what the binomial distribution says', () => {
  // X of 4 at 1/2: |X/4 − 1/2| is 0 in 6/16, ≤ 1/4 in 14/16, ≤ 1/2 always.
  expect(perfectError(4, 0.5)).toBeCloseTo(0.5, 9);
  // About 1.96 standard deviations.
  expect(perfectError(10_000, 0.9)).toBeCloseTo(1.96 * 0.003, 3);
});

it('the geometric mean of 0.5 and 2 is 1', () => {
  expect(geometricMean([0.5, 2])).toBeCloseTo(1, 12);
});

describe('a window in order', () => {
  it('forgets the oldest and reads conformal quantiles', () => {
    const window = createSortedWindow(4);
    expect(window.quantile(0.5)).toBeNaN();
    for (const value of [100, 3, 1, 2, 4]) window.add(value);
    // 1, 2, 3, 4: the ⌈p · 5⌉-th.
    expect([0.1, 0.4, 0.6, 0.99].map((p) => window.quantile(p))).toEqual([1, 2, 3, 4]);
  });
});

describe.each([
  { name: 'ACI', create: createAci },
  { name: 'EnbPI', create: createEnbpi },
])('$name', ({ create }) => {
  const noise = (k: number): number => {
    const x = Math.sin((k + 1) * 12.9898) * 43_758.5453;
    return x - Math.floor(x);
  };
  it('covers what it was asked for on independent residuals, about as narrowly as can be', () => {
    const peer = create(0.2);
    let hits = 0;
    let width = 0;
    for (let k = 0; k < 4000; k++) {
      const [low, high]: Interval = peer.interval(10);
      const value = 10 + 2 * (noise(k) - 0.5);
      if (k >= 2000) {
        if (value >= low && value <= high) hits++;
        width += (high - low) / 2000;
      }
      peer.learn(value, 10, [low, high]);
    }
    expect(Math.abs(hits / 2000 - 0.8)).toBeLessThan(0.025);
    expect(Math.abs(width - 1.6)).toBeLessThan(0.08);
  });
});
