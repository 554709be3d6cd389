import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { persistence, quantilesOf, seasonalNaive } from '../../bench/forecast/naive.js';
import { geometricMean, naiveError, pinball, score } from '../../bench/forecast/score.js';
import { originsOf } from '../../bench/forecast/traces.js';
import type { Series } from '../../src/domain/series.js';

/* If these are wrong, docs/forecast.md tells its readers figures that nobody reached. */

const seriesOf = (values: readonly number[], step = 3600): Series => ({
  start: 0,
  step,
  values: Float64Array.from(values),
  censored: new Uint8Array(values.length),
});
const levels = [0.1, 0.5, 0.9];

describe('pinball loss', () => {
  test.each([
    { name: 'exact', level: 0.9, stated: 5, truth: 5, loss: 0 },
    { name: 'too low costs its level', level: 0.9, stated: 3, truth: 5, loss: 1.8 },
    { name: 'too high costs the rest', level: 0.9, stated: 7, truth: 5, loss: 0.2 },
  ])('$name', ({ level, stated, truth, loss }) => expect(pinball(level, stated, truth)).toBeCloseTo(loss, 12));
});

describe('score', () => {
  // Two origins, two steps ahead, three levels; truths 10, 20 after the first and 30 and a hole after the second.
  const values = Float64Array.from([4, 6, 4, 10, 20, 30, Number.NaN]);
  const forecasts = {
    origins: [2, 4],
    aheads: 2,
    levels,
    quantiles: Float64Array.from([8, 10, 12, 10, 15, 18, 20, 30, 40, 1, 2, 3]),
  };

  test('WQL is twice the pinball loss over levels × sum of truths, and leaves holes out', () => {
    const both = score(forecasts, values, 2, 2);
    // 10: .1×2 + 0 + .1×2 = .4; 20: .1×10 + .5×5 + .9×2 = 5.3; 30: .1×10 + 0 + .1×10 = 2.
    expect(both.wql).toBeCloseTo((2 * (0.4 + 5.3 + 2)) / (3 * 60), 12);
    expect(both.bins).toBe(3);
    expect(both.covered).toEqual([0, 2, 2]);
  });

  test('a shorter horizon takes its own bins alone', () => {
    const near = score(forecasts, values, 1, 2);
    expect(near.wql).toBeCloseTo((2 * (0.4 + 2)) / (3 * 40), 12);
    expect(near.bins).toBe(2);
  });

  test('MASE is the error of the median over that of the same time a day before, up to the first origin', () => {
    // Seasonal errors before the origin with a season of 2: |4 − 4| alone, so none; with 1: 2 and 2.
    expect(score(forecasts, values, 2, 2).mase).toBeNull();
    expect(score(forecasts, values, 2, 1).mase).toBeCloseTo(5 / 3 / 2, 12);
  });

  test.each([
    { name: 'all truths zero', values: [1, 0, 0], wql: null },
    { name: 'all truths missing', values: [1, Number.NaN, Number.NaN], wql: null },
  ])('says nothing of a series with $name', ({ values: seen, wql }) => {
    const one = { origins: [0], aheads: 2, levels, quantiles: Float64Array.from([0, 0, 0, 0, 0, 0]) };
    expect(score(one, Float64Array.from(seen), 2, 1).wql).toBe(wql);
  });

  test('does not change with the unit of the series', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-3, max: 1e6, noNaN: true }), (unit) => {
        const scaled = {
          ...forecasts,
          quantiles: forecasts.quantiles.map((value) => value * unit),
        };
        const there = score(
          scaled,
          values.map((value) => value * unit),
          2,
          1,
        );
        const here = score(forecasts, values, 2, 1);
        expect(there.wql).toBeCloseTo(here.wql ?? Number.NaN, 9);
        expect(there.mase).toBeCloseTo(here.mase ?? Number.NaN, 9);
      }),
    );
  });
});

test('geometric means of ratios, and of nothing', () => {
  expect(geometricMean([0.5, 2])).toBeCloseTo(1, 12);
  expect(geometricMean([])).toBeNull();
  expect(naiveError(Float64Array.from([1, Number.NaN, 4, 2]), 1)).toBe(2);
});

describe('naive peers', () => {
  const season = 24;
  const wave = Array.from({ length: 10 * season }, (_, index) => 10 + (index % season));

  test('quantiles of residuals are between order statistics', () => {
    expect(quantilesOf(Float64Array.from([0, 1, 2, 3, 4]), [0.1, 0.5, 0.95])).toEqual([0.4, 2, 3.8]);
  });

  test('the seasonal one repeats the day, at no spread where days are equal', () => {
    const stated = seasonalNaive(seriesOf(wave), 200, 3, levels);
    expect([...stated]).toEqual([201, 202, 203].flatMap((index) => levels.map(() => wave[index])));
  });

  test('persistence spreads as the series moved so many steps on', () => {
    const steady = Array.from({ length: 100 }, (_, index) => 5 + index);
    const stated = persistence(seriesOf(steady), 80, 2, levels);
    expect([...stated]).toEqual([86, 86, 86, 87, 87, 87]);
  });

  test.each([
    { name: 'persistence', peer: persistence },
    { name: 'seasonal naive', peer: seasonalNaive },
  ])('$name sees nothing after its origin, and stays finite where the origin is a hole', ({ peer }) => {
    const holed = wave.map((value, index) => (index === 200 || index % 7 === 0 ? Number.NaN : value));
    const told = holed.map((value, index) => (index > 200 ? 1e6 : value));
    const stated = peer(seriesOf(holed), 200, 30, levels);
    expect(stated).toEqual(peer(seriesOf(told), 200, 30, levels));
    expect(stated.every(Number.isFinite)).toBe(true);
  });
});

test('origins are those of `forecast --rolling`, and none stands before a hole', () => {
  const whole = seriesOf(Array.from({ length: 300 }, () => 1));
  expect(originsOf(whole, 3)).toEqual([210, 243, 275]);
  const holed = seriesOf(Array.from({ length: 300 }, (_, index) => (index > 230 ? Number.NaN : 1)));
  expect(originsOf(holed, 3)).toEqual([210, 220, 229]);
});
