import { describe, expect, it } from 'vitest';
import type { Series } from '../../src/domain/series.js';
import { calendarOf } from '../../src/forecast/calendar.js';
import { createHistory } from '../../src/forecast/history.js';
import { forecastMstl } from '../../src/forecast/models/augurs.js';
import type { Model, ModelEntry } from '../../src/forecast/models/model.js';
import { mstl } from '../../src/forecast/models/mstl.js';
import { recentMean } from '../../src/forecast/models/recent-mean.js';
import { regression } from '../../src/forecast/models/regression.js';
import { COARSE_MODELS, MODELS } from '../../src/forecast/models/registry.js';
import { seasonalNaiveDay, seasonalNaiveWeek } from '../../src/forecast/models/seasonal-naive.js';

// 2026-01-05 was a Monday.
const START = Date.parse('2026-01-05T00:00:00Z') / 1000;
const HOUR = 3600;

interface Run {
  model: Model | null;
  tell(label: number, value: number): void;
}
const create = (entry: ModelEntry, step: number, timeZone = 'UTC'): Run => {
  const history = createHistory(step, 2017);
  const model = entry.create({ step, calendar: calendarOf(timeZone), anchors: [1, 2, 3, 6, 12, 24], history });
  return {
    model,
    tell(label, value) {
      history.set(label, value);
      model?.observe(label, value);
    },
  };
};
const seriesOf = (values: readonly number[], step: number, start = START): Series => ({
  start,
  step,
  values: Float64Array.from(values),
  censored: new Uint8Array(values.length),
});

describe('the registry', () => {
  it('names each model once, as the weights show them', () => {
    const names = MODELS.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
    expect(names).toEqual(
      expect.arrayContaining(['persistence', 'seasonal-naive-day', 'seasonal-naive-week', 'mstl-ets']),
    );
    expect(COARSE_MODELS.every((entry) => names.includes(entry.name))).toBe(true);
  });

  it.each(MODELS.map((entry) => ({ name: entry.name, entry })))(
    '$name sits out before it has seen anything',
    ({ entry }) => {
      const { model } = create(entry, 300);
      expect(model?.name).toBe(entry.name);
      expect(model?.predict(START, 1)).toBeNaN();
    },
  );
});

describe('seasonal naive', () => {
  it.each([
    { name: 'a day back', entry: seasonalNaiveDay, ahead: 5, expected: 24 * 9 + 4 },
    { name: 'a week back', entry: seasonalNaiveWeek, ahead: 5, expected: 24 * 3 + 4 },
    { name: 'further than a day ahead: the last day known', entry: seasonalNaiveDay, ahead: 30, expected: 24 * 9 + 5 },
  ])('$name', ({ entry, ahead, expected }) => {
    const { model, tell } = create(entry, HOUR);
    for (let k = 0; k < 240; k++) tell(START + k * HOUR, k);
    expect(model?.predict(START + (239 + ahead) * HOUR, ahead)).toBe(expected);
  });

  it('steps over a missing bin to the day before it', () => {
    const { model, tell } = create(seasonalNaiveDay, HOUR);
    for (let k = 0; k < 240; k++) if (k !== 220) tell(START + k * HOUR, k);
    expect(model?.predict(START + 244 * HOUR, 5)).toBe(196);
  });

  it('keeps to the local clock when it changes', () => {
    const from = Date.parse('2026-03-27T00:00:00Z') / 1000;
    const { model, tell } = create(seasonalNaiveDay, HOUR, 'Europe/Berlin');
    const localHour = (label: number): number => (calendarOf('Europe/Berlin').secondOfDay(label) / HOUR) | 0;
    for (let k = 0; k < 60; k++) tell(from + k * HOUR, localHour(from + k * HOUR));
    const target = Date.parse('2026-03-29T15:00:00Z') / 1000;
    expect(model?.predict(target, (target - from) / HOUR - 59)).toBe(17);
  });

  it.each([
    { name: 'steps longer than half a season', entry: seasonalNaiveDay, step: 86_400 },
    { name: 'a season of too many bins', entry: seasonalNaiveDay, step: 1 },
  ])('is left out for $name', ({ entry, step }) => {
    expect(create(entry, step).model).toBeNull();
  });
});

describe('MSTL with ETS', () => {
  const step = 900;
  const week = (k: number): number => {
    const day = Math.floor(k / 96) % 7;
    return 10 + 3 * Math.sin((2 * Math.PI * k) / 96) - (day >= 5 ? 4 : 0) + (((k * 7919) % 101) - 50) / 200;
  };

  it('finds the day and the week', () => {
    const run = create(mstl, step);
    const values = Array.from({ length: 21 * 96 }, (_, k) => week(k));
    run.model?.fit?.(seriesOf(values, step));
    // Monday noon, and Saturday noon: the same hour, four apart.
    for (const k of [21 * 96 + 48, 26 * 96 + 48]) {
      expect(Math.abs((run.model?.predict(START + k * step, k - 21 * 96 + 1) ?? NaN) - week(k))).toBeLessThan(0.8);
    }
  });

  it('follows a level that moved, without a new fit', () => {
    const run = create(mstl, step);
    run.model?.fit?.(
      seriesOf(
        Array.from({ length: 21 * 96 }, (_, k) => week(k)),
        step,
      ),
    );
    for (let k = 21 * 96; k < 21 * 96 + 48; k++) run.tell(START + k * step, week(k) + 20);
    const k = 21 * 96 + 50;
    expect(Math.abs((run.model?.predict(START + k * step, 3) ?? NaN) - week(k) - 20)).toBeLessThan(1.5);
  });

  it.each([
    { name: 'less than two days', values: Array.from({ length: 191 }, (_, k) => week(k)) },
    { name: 'a constant', values: Array.from({ length: 1000 }, () => 4) },
    { name: 'nothing known', values: Array.from({ length: 1000 }, () => NaN) },
  ])('sits out on $name', ({ values }) => {
    const { model } = create(mstl, step);
    model?.fit?.(seriesOf(values, step));
    expect(model?.predict(START + 2000 * step, 1)).toBeNaN();
  });

  it('fits through a hole of a day', () => {
    const run = create(mstl, step);
    const values = Array.from({ length: 14 * 96 }, (_, k) => (k > 500 && k < 596 ? NaN : week(k)));
    run.model?.fit?.(seriesOf(values, step));
    const k = 14 * 96 + 20;
    expect(Math.abs((run.model?.predict(START + k * step, 21) ?? NaN) - week(k))).toBeLessThan(1);
  });

  it('the library says null, and does not throw, where it finds no fit', () => {
    expect(forecastMstl(new Float64Array(10), [24], 5)).toBeNull();
  });
});

describe('profile regression', () => {
  it('learns that a departure decays half-way in six bins, which neither persistence nor a season can say', () => {
    const run = create(regression, 300);
    let departure = 0;
    let shock = 1;
    const errors = { regression: 0, persistence: 0, mean: 0 };
    let pending: { at: number; regression: number; persistence: number }[] = [];
    for (let k = 0; k < 4000; k++) {
      shock = (shock * 16_807) % 2_147_483_647;
      departure = departure * 0.5 ** (1 / 6) + (shock / 2_147_483_647 - 0.5);
      const value = 20 + departure;
      run.tell(START + k * 300, value);
      for (const one of pending.filter(({ at }) => at === k && k > 2000)) {
        errors.regression += Math.abs(one.regression - value);
        errors.persistence += Math.abs(one.persistence - value);
        errors.mean += Math.abs(20 - value);
      }
      pending = pending.filter(({ at }) => at > k);
      pending.push({ at: k + 6, regression: run.model?.predict(START + (k + 6) * 300, 6) ?? NaN, persistence: value });
    }
    expect(errors.regression).toBeLessThan(0.95 * errors.persistence);
    expect(errors.regression).toBeLessThan(0.98 * errors.mean);
  });

  it('is not bent by one value of a thousand times', () => {
    const run = create(regression, 300);
    const value = (k: number): number => 10 + 3 * Math.sin((2 * Math.PI * k) / 288);
    for (let k = 0; k < 2016; k++) run.tell(START + k * 300, k === 1900 ? 1e4 : value(k));
    for (const ahead of [1, 6, 24]) {
      const k = 2015 + ahead;
      expect(Math.abs((run.model?.predict(START + k * 300, ahead) ?? NaN) - value(k))).toBeLessThan(1.5);
    }
  });
});

it('the recent mean forgets yesterday slowly and a spike at once', () => {
  const run = create(recentMean, 300);
  for (let k = 0; k < 2016; k++) run.tell(START + k * 300, k === 2000 ? 1e5 : 10 + (k % 3));
  expect(run.model?.predict(START, 1)).toBeCloseTo(11, 0);
});
