import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bridgeCensored } from '../../src/forecast/censored.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';

const DAY = 288;
const START = Date.parse('2026-01-05T00:00:00Z') / 1000;
const noise = (k: number): number => {
  const x = Math.sin((k + 1) * 12.9898) * 43_758.5453;
  return 2 * (x - Math.floor(x)) - 1;
};
const wave = (k: number): number => 20 + 10 * Math.sin((2 * Math.PI * k) / DAY);

/** Values at their limit, which is their 80th percentile. */
function cutAt80(count: number, demand: (k: number) => number) {
  const whole = Float64Array.from({ length: count }, (_, k) => demand(k));
  const limit = whole.slice().sort()[Math.floor(0.8 * count)] ?? 0;
  return {
    whole,
    limit,
    values: whole.map((value) => Math.min(value, limit)),
    censored: Uint8Array.from(whole, (value) => (value >= limit ? 1 : 0)),
  };
}

describe('what demand was while usage stood at its limit', () => {
  it.each([
    { name: 'a smooth peak', demand: wave, within: 0.02 },
    { name: 'a noisy one', demand: (k: number) => wave(k) + noise(k), within: 0.1 },
    { name: 'one that climbs from day to day', demand: (k: number) => wave(k) * (1 + k / (20 * DAY)), within: 0.03 },
  ])('$name is found again from its sides', ({ demand, within }) => {
    const { whole, values, censored } = cutAt80(6 * DAY, demand);
    const found = bridgeCensored(values, censored);
    for (let day = 1; day < 5; day++) {
      const peak = (all: Float64Array): number =>
        all.slice(day * DAY, (day + 1) * DAY).reduce((most, value) => (value > most ? value : most), 0);
      expect(Math.abs(peak(found) / peak(whole) - 1)).toBeLessThan(within);
    }
  });

  it('is never under what was seen, never said of other bins, and finite, whatever comes in', () => {
    const bin = fc.tuple(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.boolean(), fc.boolean());
    fc.assert(
      fc.property(fc.array(bin, { maxLength: 120 }), (bins) => {
        const values = Float64Array.from(bins, ([value, , isMissing]) => (isMissing ? Number.NaN : value));
        const censored = Uint8Array.from(bins, ([, isBound]) => (isBound ? 1 : 0));
        bridgeCensored(values, censored).forEach((estimate, k) => {
          if (Number.isNaN(estimate)) return;
          expect(censored[k]).toBe(1);
          expect(estimate).toBeGreaterThanOrEqual(values[k] ?? 0);
          expect(estimate).toBeLessThan(1e7);
        });
      }),
    );
  });

  it.each([
    { name: 'still throttled at the end', from: 500, to: 600 },
    { name: 'from the beginning on', from: 0, to: 100 },
    { name: 'all the time', from: 0, to: 600 },
  ])('is not guessed where one side is unknown: $name', ({ from, to }) => {
    const values = new Float64Array(600).fill(7);
    const censored = Uint8Array.from(values, (_, k) => (k >= from && k < to ? 1 : 0));
    expect(bridgeCensored(values, censored).every((one) => Number.isNaN(one))).toBe(true);
  });
});

describe('a day ahead of a series that was throttled at every peak', () => {
  it.each([
    { name: 'without noise', demand: wave },
    { name: 'with noise', demand: (k: number) => wave(k) + noise(k) },
    { name: 'over four weeks', demand: (k: number) => wave(k) + noise(k), days: 28 },
  ])('$name: capacity for the peak is planned, no more and no less', ({ demand, days = 14 }) => {
    const { values, censored } = cutAt80(days * DAY, demand);
    const levels = [0.5, 0.95];
    const series = { start: START, step: 300, values, censored };
    const fitted = fitForecaster(series, { timeZone: 'UTC', levels, level: 0.95, leadSteps: 3, horizon: DAY });
    const rows = fitted.forecast(DAY, levels).quantiles;
    levels.forEach((_, l) => {
      const peak = Math.max(...rows.map((row) => row[l] ?? 0));
      expect(Math.abs(peak / 30 - 1)).toBeLessThan(0.1);
    });
  });
});
