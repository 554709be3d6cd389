import { describe, expect, it } from 'vitest';
import type { Series } from '../../src/domain/series.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import type { FitForecaster } from '../../src/forecast/port.js';
import { forecastAtOrigins, originAt, rollingOrigins } from '../../src/forecast/rolling.js';

const START = Date.parse('2026-01-05T00:00:00Z') / 1000;
const service = (k: number): number => 10 + 4 * Math.sin((2 * Math.PI * k) / 288) + ((k * 7919) % 101) / 50;
const seriesOf = (values: readonly number[]): Series => ({
  start: START,
  step: 300,
  values: Float64Array.from(values),
  censored: new Uint8Array(values.length),
});

describe('rolling origins', () => {
  it.each([
    { name: 'both ends are taken', bins: 100, horizon: 9, n: 3, origins: [70, 80, 90] },
    { name: 'one origin is the first', bins: 100, horizon: 9, n: 1, origins: [70] },
    { name: 'no more than there are', bins: 10, horizon: 1, n: 9, origins: [7, 8] },
    { name: 'the very last', bins: 10, horizon: 2, n: 4, origins: [7] },
    { name: 'none where the horizon leaves no room', bins: 10, horizon: 3, n: 4, origins: [] },
    { name: 'none in nothing', bins: 0, horizon: 1, n: 4, origins: [] },
  ])('$name', ({ bins, horizon, n, origins }) => {
    expect(rollingOrigins(bins, horizon, n)).toEqual(origins);
  });
});

describe('the bin known at a time', () => {
  const series = seriesOf([1, 2, 3, 4]);
  it.each([
    { name: 'a bin is known at its label + step', at: 300, index: 0 },
    { name: 'not a second before the next', at: 599, index: 0 },
    { name: 'then the next', at: 600, index: 1 },
    { name: 'after the end, the last', at: 1e6, index: 3 },
  ])('$name', ({ at, index }) => {
    expect(originAt(series, START + at)).toBe(index);
  });

  it('is the last one where no time is given', () => expect(originAt(series, undefined)).toBe(3));

  it('is refused before the first is known', () => {
    expect(() => originAt(series, START + 299)).toThrow('the first bin, 2026-01-05T00:00:00Z, is not known before');
  });
});

describe('one pass over many origins', () => {
  const options = { fit: fitForecaster, horizon: 12, levels: [0.1, 0.5, 0.99], timeZone: 'UTC' };
  const values = Array.from({ length: 1500 }, (_, k) => service(k));

  it('says the same of an origin whatever comes after it, poison included', () => {
    const origins = [1050, 1200, 1350];
    const clean = forecastAtOrigins(seriesOf(values), origins, options);
    origins.forEach((origin, k) => {
      const poisoned = values.map((value, index) => (index > origin ? 1e9 : value));
      expect(forecastAtOrigins(seriesOf(poisoned), origins.slice(0, k + 1), options)[k]).toEqual(clean[k]);
    });
    expect(clean.map(({ origin }) => (origin - START) / 300)).toEqual(origins);
  });

  it('gives every bin once, in order, and fits anew after a week', () => {
    const calls: string[] = [];
    const fit: FitForecaster = (series, fitOptions) => {
      calls.push(`fit ${series.values.length}`);
      const fitted = fitForecaster(seriesOf([1, 2, 3]), fitOptions);
      let expected = series.start + series.values.length * 300;
      return {
        lastBin: 0,
        data: 'fresh',
        observe: (label) => {
          expect(label).toBe(expected);
          expected += 300;
          calls.push('observe');
        },
        forecast: (horizon, levels) => fitted.forecast(horizon, levels),
        forecastAll: () => [],
        drift: () => null,
        gate: () => fitted.gate(),
      };
    };
    const long = Array.from({ length: 3000 }, () => 1);
    forecastAtOrigins(seriesOf(long), [99, 101, 101 + 2016], { ...options, fit });
    expect(calls.filter((call) => call !== 'observe')).toEqual(['fit 100', 'fit 2118']);
    expect(calls.slice(1, 3)).toEqual(['observe', 'observe']);
  });
});
