import { describe, expect, it } from 'vitest';
import { binSamples, type Series } from '../../src/domain/series.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import { MODELS } from '../../src/forecast/models/registry.js';
import { createEnsemble } from '../../src/forecast/ensemble.js';
import { calendarOf } from '../../src/forecast/calendar.js';
import { SCALES, type Scale } from '../../src/forecast/scales.js';
import type { FitOptions } from '../../src/forecast/port.js';

const LEVELS = [0.1, 0.5, 0.9, 0.95, 0.99];
const OPTIONS: FitOptions = { timeZone: 'UTC', levels: LEVELS, level: 0.99, leadSteps: 3, horizon: 24 };
// 2026-01-05 was a Monday.
const START = Date.parse('2026-01-05T00:00:00Z') / 1000;
const STEP = 300;

/** Reproducible noise in (−1, 1). */
const noise = (k: number, salt = 0): number => {
  const x = Math.sin((k + 1) * 12.9898 + salt * 78.233) * 43_758.5453;
  return 2 * (x - Math.floor(x)) - 1;
};
const day = (k: number): number => Math.sin((2 * Math.PI * k) / 288);
const service = (k: number): number => 10 + 4 * day(k) + noise(k) + 0.5 * noise(k, 1);
const seriesOf = (count: number, value: (k: number) => number, step = STEP): Series => ({
  start: START,
  step,
  values: Float64Array.from({ length: count }, (_, k) => value(k)),
  censored: new Uint8Array(count),
});
const pinball = (value: number, quantile: number, level: number): number =>
  (value > quantile ? level : level - 1) * (value - quantile);

describe('the ensemble is never worse than its best member by more than 2 %', () => {
  // What a user loses: trust in having many models. One that suits the series must not be drowned by the others.
  let walk = 50;
  const walked = Array.from({ length: 4000 }, (_, k) => (walk = Math.max(1, walk + noise(k, 3))));
  let burst = 0;
  const bursts = Array.from({ length: 4000 }, (_, k) => {
    burst = noise(k, 5) > 0.97 ? 30 + 20 * noise(k, 6) : 0.8 * burst;
    return 2 + burst + 0.3 * noise(k, 7);
  });
  it.each([
    { name: 'a random walk', value: (k: number) => walked[k] ?? 0 },
    { name: 'a day that recurs', value: service },
    { name: 'independent values', value: (k: number) => 10 + 3 * noise(k, 2) },
    { name: 'bursts that die away', value: (k: number) => bursts[k] ?? 0 },
  ])('$name', ({ value }) => {
    const series = seriesOf(3600, value);
    const anchors = [1, 3, 12];
    const lossOf = (models: typeof MODELS, scales: readonly Scale[]): number => {
      const ensemble = createEnsemble(START, {
        step: STEP,
        horizon: 12,
        levels: LEVELS,
        calendar: calendarOf('UTC'),
        models,
        scales,
        exactly: anchors,
      });
      let loss = 0;
      series.values.forEach((actual, k) => {
        if (k === 1440) ensemble.fit({ ...series, values: series.values.subarray(0, k), censored: new Uint8Array(k) });
        ensemble.observe(START + k * STEP, actual, false, ({ ahead, stated, settled }) => {
          if (k < 1800 || !settled || !anchors.includes(ahead)) return;
          for (const level of LEVELS) loss += pinball(actual, stated[ensemble.levels.indexOf(level)] ?? 0, level);
        });
      });
      return loss;
    };
    const best = Math.min(...MODELS.map((model) => lossOf([model], ['steady'])).filter((loss) => loss > 0));
    expect(lossOf(MODELS, SCALES) / best).toBeLessThan(1.02);
  });
});

describe('a series cut at its 80th percentile, where throttling is reported', () => {
  it('is forecast with its true peak, within 10 %', () => {
    const count = 14 * 288;
    // Peaks differ from day to day, and so does what is cut.
    const demand = (k: number): number => (20 + 10 * day(k)) * (1 + 0.15 * noise(Math.floor(k / 288), 9)) + noise(k);
    const whole = seriesOf(count, demand);
    const limit = Float64Array.from(whole.values).sort()[Math.floor(0.8 * count)] ?? 0;
    const cut: Series = {
      ...whole,
      values: whole.values.map((value) => Math.min(value, limit)),
      censored: Uint8Array.from(whole.values, (value) => (value >= limit ? 1 : 0)),
    };
    const options = { ...OPTIONS, horizon: 288 };
    const peakOf = (series: Series): number =>
      Math.max(
        ...fitForecaster(series, options)
          .forecast(288, [0.95])
          .quantiles.map(([value]) => value ?? 0),
      );
    const truth = peakOf(whole);
    const found = peakOf(cut);
    const blind = peakOf({ ...cut, censored: new Uint8Array(count) });
    expect(blind / truth, 'not told of throttling').toBeLessThan(0.9);
    expect(Math.abs(found / truth - 1), `peak ${found} against ${truth}, cut at ${limit}`).toBeLessThan(0.1);
  });
});

describe('bad input is forecast sanely, or refused with its reason', () => {
  const spread = (row: readonly number[]): number => (row[4] ?? 0) - (row[0] ?? 0);
  it.each([
    { name: 'constant', series: seriesOf(2000, () => 7), least: 0, most: 0.1, about: 7 },
    { name: 'all zero', series: seriesOf(2000, () => 0), least: 0, most: 1e-6, about: 0 },
    { name: 'three points', series: seriesOf(3, (k) => [10, 12, 11][k] ?? 0), least: 2, most: 200, about: 11 },
    {
      name: 'a day’s hole',
      series: seriesOf(2600, (k) => (k > 2200 && k < 2488 ? Number.NaN : service(k))),
      least: 2,
      most: 8,
      about: service(2602),
    },
    {
      name: 'a level shift yesterday',
      series: seriesOf(2400, (k) => service(k) + (k >= 2400 - 288 ? 30 : 0)),
      least: 2,
      most: 25,
      about: service(2402) + 30,
    },
    {
      name: 'one spike of a thousand times',
      series: seriesOf(2400, (k) => (k === 2300 ? 1000 : 1) * service(k)),
      least: 2,
      most: 12,
      about: service(2402),
    },
    {
      name: 'ended an hour ago',
      series: seriesOf(2400, (k) => (k >= 2388 ? Number.NaN : service(k))),
      least: 2,
      most: 10,
      about: service(2402),
    },
    { name: 'steps of a second', series: seriesOf(3600, service, 1), least: 2, most: 8, about: service(3602) },
    { name: 'steps of a day', series: seriesOf(200, (k) => 10 + noise(k), 86_400), least: 1, most: 6, about: 10 },
  ])('$name', ({ series, least, most, about }) => {
    const rows = fitForecaster(series, OPTIONS).forecast(24, LEVELS).quantiles;
    for (const row of rows) {
      row.forEach((value, j) => {
        expect(Number.isFinite(value) && value >= (row[j - 1] ?? 0)).toBe(true);
      });
    }
    const third = rows[2] ?? [];
    expect(spread(third)).toBeGreaterThanOrEqual(least);
    expect(spread(third)).toBeLessThanOrEqual(most);
    expect(Math.abs((third[1] ?? 0) - about)).toBeLessThanOrEqual(3);
  });

  it('a counter’s reset, seen as a negative rate, is refused with its time', () => {
    expect(() =>
      fitForecaster(
        seriesOf(300, (k) => (k === 200 ? -4e9 : service(k))),
        OPTIONS,
      ),
    ).toThrow(/2026-01-05T16:40:00Z is -4000000000.*never below zero/s);
  });

  it('a time stated twice is refused with both', () => {
    const samples = [0, 300, 300].map((after) => ({ at: START + after, value: 1 }));
    expect(() => binSamples(samples, 300)).toThrow(`time ${START + 300} follows ${START + 300}`);
  });

  it.each([
    { name: 'an hour', bins: 12 },
    { name: 'a day', bins: 288 },
    { name: 'three days', bins: 864 },
  ])('a young series of $name covers the next hour, and is not absurdly wide', ({ bins }) => {
    const rows = fitForecaster(seriesOf(bins, service), OPTIONS).forecast(12, LEVELS).quantiles;
    const hits = rows.filter(
      (row, k) => service(bins + k) <= (row[4] ?? 0) && service(bins + k) >= 0.5 * (row[0] ?? 0),
    );
    expect(hits.length).toBeGreaterThanOrEqual(11);
    for (const row of rows) expect(spread(row)).toBeLessThan(40);
  });
});

describe('what is zero most of the time', () => {
  // What a user loses: a batch of one in seven bins is paid for in all of them.
  it('is said to be zero at the levels at which it is', () => {
    const sparse = (k: number): number => (noise(k, 8) < 0.7 ? 0 : 3 + 2 * noise(k, 9));
    const fitted = fitForecaster(seriesOf(1440, sparse), { ...OPTIONS, levels: [0.5, 0.8, 0.95], horizon: 1 });
    let nothing = 0;
    let covered = 0;
    const bins = 1000;
    for (let k = 1440; k < 1440 + bins; k++) {
      const [low = Number.NaN, high = Number.NaN] = fitted.forecast(1, [0.8, 0.95]).quantiles[0] ?? [];
      if (low === 0) nothing++;
      if (sparse(k) <= high) covered++;
      fitted.observe(START + k * STEP, sparse(k), false);
    }
    expect(nothing / bins).toBeGreaterThan(0.8);
    expect(covered / bins).toBeGreaterThan(0.92);
  });
});
