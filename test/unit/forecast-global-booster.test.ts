import { beforeAll, describe, expect, it } from 'vitest';
import { loadGlobalBooster, trainGlobalBooster } from '../../src/forecast/booster/global-booster.js';
import { sampleRows, type TrainingSeries } from '../../src/forecast/booster/training-rows.js';
import { FEATURE_CONTEXT } from '../../src/forecast/features.js';
import { calendarOf } from '../../src/forecast/calendar.js';
import type { GlobalModel } from '../../src/forecast/global.js';

/* What a user loses when this fails: the model of all series says nonsense of one, or the trained file is not what it was. */

const STEP = 1800;
const DAY = 48;
const START = Date.parse('2026-03-02T00:00:00Z') / 1000;

const noise = (seed: number, k: number): number => {
  const x = Math.sin(seed * 127.1 + k * 311.7) * 43_758.5453;
  return x - Math.floor(x) - 0.5;
};
/** A day's swing, a little noise. */
const valueAt = (seed: number, k: number): number =>
  20 * (1 + 0.6 * Math.sin((2 * Math.PI * k) / DAY + (seed % 3))) + 4 * noise(seed, k);
const seriesOf = (seed: number, factor = 1, bins = 12 * DAY): TrainingSeries => ({
  start: START,
  step: STEP,
  values: Float64Array.from({ length: bins }, (_, k) => factor * valueAt(seed, k)),
  timeZone: 'UTC',
});
const OPTIONS = { rows: 6000, trees: { rounds: 40, minLeaf: 40 }, seed: 5 };

describe('the global booster', () => {
  let bytes: Uint8Array;
  let model: GlobalModel;
  beforeAll(() => {
    bytes = trainGlobalBooster(
      [1, 2, 3, 4, 5, 6].map((seed) => seriesOf(seed, seed)),
      OPTIONS,
    );
    model = loadGlobalBooster(bytes);
  });
  const ask = (values: readonly number[], aheads: readonly number[]): number[][] => {
    const request = {
      values: Float32Array.from(values),
      origin: START + (values.length - 1) * STEP,
      step: STEP,
      calendar: calendarOf('UTC'),
    };
    const flat = model.predict([request], aheads);
    const L = model.levels.length;
    return aheads.map((_, a) => [...flat.subarray(a * L, (a + 1) * L)]);
  };

  it('forecasts a series it never saw, in a unit it never saw, closer than its last value and its yesterday', () => {
    const values = seriesOf(17, 1e6).values;
    const losses = [0, 0, 0];
    let inside = 0;
    let asked = 0;
    const [low, middle, high] = [0.05, 0.5, 0.95].map((level) => model.levels.indexOf(level));
    for (let origin = 5 * DAY; origin < 11 * DAY; origin += 7) {
      const aheads = [1, 4, 12, 30, 48];
      ask([...values.subarray(0, origin + 1)], aheads).forEach((quantiles, a) => {
        const actual = values[origin + (aheads[a] ?? 1)] ?? Number.NaN;
        const said = [quantiles[middle ?? 0], values[origin], values[origin + (aheads[a] ?? 1) - DAY]];
        said.forEach((one, k) => (losses[k] = (losses[k] ?? 0) + Math.abs(actual - (one ?? 0))));
        asked++;
        if (actual >= (quantiles[low ?? 0] ?? 0) && actual <= (quantiles[high ?? 0] ?? 0)) inside++;
      });
    }
    expect((losses[0] ?? 1) / (losses[1] ?? 1)).toBeLessThan(0.35);
    expect((losses[0] ?? 1) / (losses[2] ?? 1)).toBeLessThan(0.9);
    expect(inside / asked).toBeGreaterThan(0.82);
    expect(inside / asked).toBeLessThan(0.98);
  });

  const day = Array.from({ length: 10 * DAY }, (_, k) => valueAt(9, k));
  it.each([
    { name: 'one bin', values: [5], says: true },
    { name: 'an hour', values: [5, 6], says: true },
    { name: 'zeros', values: Array<number>(300).fill(0), says: true },
    { name: 'a constant', values: Array<number>(300).fill(7), says: true },
    { name: 'one spike of 1000 ×', values: day.map((value, k) => (k === 400 ? 1000 * value : value)), says: true },
    { name: 'a hole of a day up to now', values: day.map((value, k) => (k > 9 * DAY ? NaN : value)), says: true },
    { name: 'huge', values: day.map((value) => value * 1e25), says: true },
    { name: 'tiny', values: day.map((value) => value * 1e-9), says: true },
    { name: 'no known bin', values: [NaN, NaN], says: false },
    { name: 'no bin', values: [], says: false },
  ])('says finite, ordered, non-negative quantiles, or nothing: $name', ({ values, says }) => {
    for (const quantiles of ask(values, [1, 2, 48, 500])) {
      if (!says) expect(quantiles.every(Number.isNaN)).toBe(true);
      else {
        expect(quantiles.every((value) => Number.isFinite(value) && value >= 0)).toBe(true);
        expect(quantiles).toEqual([...quantiles].sort((a, b) => a - b));
      }
    }
  });

  it('says the same of many requests as of each', () => {
    const requests = [100, 200, 300].map((bins) => ({
      values: Float32Array.from(day.slice(0, bins)),
      origin: START + (bins - 1) * STEP,
      step: STEP,
      calendar: calendarOf('UTC'),
    }));
    const together = model.predict(requests, [1, 9]);
    expect([...together]).toEqual(requests.flatMap((request) => [...model.predict([request], [1, 9])]));
  });

  it.each([
    { name: 'growing', from: (_: number) => 0, length: (k: number) => 300 + k },
    { name: 'sliding, the whole context', from: (k: number) => k, length: () => FEATURE_CONTEXT },
    { name: 'sliding, shorter than the context', from: (k: number) => k, length: () => 120 },
    { name: 'with a jump', from: () => 0, length: (k: number) => 300 + k + (k > 2 ? 5 : 0) },
  ])('says the same of windows of one array as of each by itself: $name', ({ from, length }) => {
    const all = Float32Array.from({ length: FEATURE_CONTEXT + 20 }, (_, k) =>
      k % 50 === 7 ? Number.NaN : valueAt(3, k),
    );
    const requests = [0, 1, 2, 3, 4].map((k) => {
      const values = all.subarray(from(k), from(k) + length(k));
      return { values, origin: START + (from(k) + length(k) - 1) * STEP, step: STEP, calendar: calendarOf('UTC') };
    });
    const each = requests.flatMap((one) => [...model.predict([{ ...one, values: one.values.slice() }], [1, 9])]);
    expect([...model.predict(requests, [1, 9])]).toEqual(each);
  });

  it('is a forest where that is asked for, under its own name', () => {
    const forest = { trees: 8, minLeaf: 20 };
    const other = loadGlobalBooster(
      trainGlobalBooster([seriesOf(1), seriesOf(2)], { ...OPTIONS, method: 'forest', forest }),
    );
    expect([model.name, other.name]).toEqual(['global-booster', 'global-forest']);
    const values = Float32Array.from(day);
    const request = { values, origin: START + (values.length - 1) * STEP, step: STEP, calendar: calendarOf('UTC') };
    const median = other.levels.indexOf(0.5);
    const said = other.predict([request], [DAY])[median] ?? 0;
    expect(Math.abs(said - valueAt(9, day.length - 1 + DAY))).toBeLessThan(6);
  });

  it('is trained again to the very same bytes', () => {
    const again = trainGlobalBooster(
      [1, 2, 3, 4, 5, 6].map((seed) => seriesOf(seed, seed)),
      OPTIONS,
    );
    expect(Buffer.from(again).equals(Buffer.from(bytes))).toBe(true);
  });

  it.each([
    { name: 'cut off', damage: (whole: Uint8Array) => whole.subarray(0, whole.length - 9) },
    { name: 'one bit changed', damage: (whole: Uint8Array) => whole.map((byte, k) => (k === 5000 ? byte ^ 4 : byte)) },
    { name: 'foreign', damage: () => new TextEncoder().encode('{"model": "of another house, long enough to be one"}') },
    { name: 'empty', damage: () => new Uint8Array(0) },
  ])('refuses bytes that are $name', ({ damage }) => {
    expect(() => loadGlobalBooster(damage(bytes))).toThrow(/forecast\/artifact: reading a global-booster/);
  });

  it('refuses to learn from next to nothing', () => {
    expect(() => trainGlobalBooster([seriesOf(1, 1, 20)], OPTIONS)).toThrow(/give series of some days/);
  });
});

describe('rows to learn from', () => {
  const options = { rows: 2000, aheads: 4, young: 0.2, seed: 1 };
  it('end where the part ends: nothing after the cut is seen or learnt', () => {
    const whole = seriesOf(1);
    const changed = { ...whole, values: whole.values.map((value, k) => (k >= 0.7 * 12 * DAY ? -1e6 : value)) };
    expect(sampleRows([changed], { from: 0, to: 0.7 }, options)).toEqual(
      sampleRows([whole], { from: 0, to: 0.7 }, options),
    );
  });
  it('never have a missing or a censored bin as their target', () => {
    const whole = seriesOf(1);
    const odd = whole.values.map((value, k) => (k % 2 === 0 ? 1e9 : value));
    const censored = Uint8Array.from(odd, (value) => (value === 1e9 ? 1 : 0));
    const rows = sampleRows([{ ...whole, values: odd, censored }], { from: 0, to: 1 }, options);
    const missing = sampleRows(
      [{ ...whole, values: whole.values.map((value, k) => (k % 2 === 0 ? Number.NaN : value)) }],
      { from: 0, to: 1 },
      options,
    );
    expect(rows.count).toBeGreaterThan(200);
    expect(missing.count).toBe(rows.count);
    expect([...missing.targets].some(Number.isNaN)).toBe(false);
  });
});
