import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { calendarOf } from '../../src/forecast/calendar.js';
import { createCalibration } from '../../src/forecast/conformal.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import type { GlobalModel } from '../../src/forecast/global.js';
import { createSameTime } from '../../src/forecast/same-time.js';

/* What a user loses when this fails: a day ahead, what a series was at this time of other days is told wrong, or not at all. */

const HOUR = 3600;
const DAY = 86_400;
/** A Monday. */
const START = Date.parse('2026-03-02T00:00:00Z') / 1000;
const model = createSameTime();
const at = (level: number): number => model.levels.indexOf(level);

/** Quantiles of the bin `ahead` steps after the last of `count` bins. */
function quantiles(
  count: number,
  value: (label: number) => number,
  { step = HOUR, ahead = 1, timeZone = 'UTC' } = {},
): number[] {
  const values = Float32Array.from({ length: count }, (_, k) => value(START + k * step));
  const origin = START + (count - 1) * step;
  return [...model.predict([{ values, origin, step, calendar: calendarOf(timeZone) }], [ahead])];
}
const hourOf = (label: number): number => Math.floor((label % DAY) / HOUR);

describe('what a series was at this time of other days', () => {
  it.each([
    { name: 'tomorrow at this hour', ahead: 24 },
    { name: 'in an hour', ahead: 1 },
    { name: 'the day after tomorrow, which yesterday cannot tell', ahead: 40 },
  ])('repeats what recurs exactly: $name', ({ ahead }) => {
    const said = quantiles(7 * 24, (label) => 10 + hourOf(label), { ahead });
    const hour = hourOf(START + (7 * 24 - 1 + ahead) * HOUR);
    expect(said).toEqual(model.levels.map(() => 10 + hour));
  });

  it('spreads as the days did, later ones more than earlier ones', () => {
    // 1 … 14 by day, so that the middle of the weights lies above that of the days.
    const said = quantiles(14 * 24, (label) => 1 + Math.floor((label - START) / DAY));
    expect(said[at(0.5)]).toBeGreaterThan(8);
    expect(said[at(0.05)]).toBeLessThan(2.5);
    expect(said[at(0.99)]).toBe(14);
  });

  it('believes the same day of the week twice', () => {
    const busy = (label: number): number => (Math.floor((label - START) / DAY) % 7 === 0 ? 100 : 0);
    // A Monday is asked for: two of fourteen days, four of sixteen votes.
    expect(quantiles(14 * 24, busy)[at(0.9)]).toBeGreaterThan(80);
    expect(quantiles(15 * 24, busy)[at(0.7)]).toBe(0);
  });

  it('reads the local clock when it is put forward', () => {
    // Summer time begins on the 29th: work at 9 in Berlin is 8 UTC until then, and 7 UTC after.
    const berlin = calendarOf('Europe/Berlin');
    const at9 = (label: number): number => (berlin.secondOfDay(label) === 9 * HOUR ? 50 : 0);
    const count = (27 * DAY) / HOUR;
    const said = (ahead: number) => quantiles(count, at9, { ahead, timeZone: 'Europe/Berlin' })[at(0.5)];
    // The next bin is midnight UTC.
    expect([said(7), said(8), said(9)]).toEqual([0, 50, 0]);
  });

  it('leaves holes out, and does not take them for zero', () => {
    const holed = (label: number): number => (Math.floor((label - START) / DAY) % 2 === 0 ? Number.NaN : 7);
    expect(quantiles(8 * 24, holed)).toEqual(model.levels.map(() => 7));
  });

  it.each([
    { name: 'less than two days', count: 47, step: HOUR },
    { name: 'nothing but holes', count: 100, step: HOUR, value: Number.NaN },
    { name: 'two bins a day', count: 100, step: 12 * HOUR },
    { name: 'steps so short that a day does not fit', count: 4032, step: 1 },
  ])('says nothing of $name', ({ count, step, value = 1 }) => {
    expect(quantiles(count, () => value, { step })).toEqual(model.levels.map(() => Number.NaN));
  });

  it('stays between what was seen, in the order of the levels', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.constant(0)), {
          minLength: 48,
          maxLength: 400,
        }),
        fc.integer({ min: 1, max: 48 }),
        (seen, ahead) => {
          const said = quantiles(seen.length, (label) => seen[Math.round((label - START) / HOUR)] ?? 0, { ahead });
          const values = [...Float32Array.from(seen)];
          expect(Math.min(...said)).toBeGreaterThanOrEqual(Math.min(...values));
          expect(Math.max(...said)).toBeLessThanOrEqual(Math.max(...values));
          said.forEach((quantile, l) => expect(quantile).toBeGreaterThanOrEqual(said[l - 1] ?? 0));
        },
      ),
    );
  });
});

describe('beside trained models', () => {
  const trained: GlobalModel = {
    name: 'trained',
    levels: [0.1, 0.5, 0.9],
    context: 24,
    predict: (requests, aheads) => Float32Array.from(requests.flatMap(() => aheads.flatMap(() => [5, 10, 15]))),
  };
  const values = Float64Array.from({ length: 14 * 24 }, (_, k) => 10 + 5 * Math.sin(k) + (k % 24));
  const series = { start: START, step: HOUR, values, censored: new Uint8Array(values.length) };
  const options = { timeZone: 'UTC', levels: [0.1, 0.5, 0.9], level: 0.9, leadSteps: 2, horizon: 24 };
  const weightsOf = (globals: readonly GlobalModel[], more: { models?: readonly string[] } = {}) =>
    fitForecaster(series, { ...options, ...more, globals }).forecast(24, options.levels).weights;

  it('it has a weight; alone, or where models were chosen by name, it is not asked', () => {
    expect(weightsOf([trained])['same-time']).toBeGreaterThan(0.02);
    expect(weightsOf([])).not.toHaveProperty('same-time');
    expect(weightsOf([trained], { models: ['persistence'] })).not.toHaveProperty('same-time');
  });
});

describe('corrections a day ahead', () => {
  it('move less in the middle than where capacity is asked for, and for the next hour as they did', () => {
    const levels = [0.5, 0.95];
    const calibration = createCalibration([12, 288], levels);
    const moves = [0, 1].map((anchor) =>
      levels.map((_, level) => {
        calibration.judge(level, true);
        calibration.settle(anchor);
        return calibration.offset(anchor, level);
      }),
    );
    const slowed = levels.map((_, level) => (moves[0]?.[level] ?? 0) / (moves[1]?.[level] ?? 0));
    expect(slowed[0]).toBeGreaterThan(1.8 * (slowed[1] ?? 0));
    expect(moves[0]?.[0]).toBeGreaterThan(0);
  });
});
