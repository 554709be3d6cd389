import { describe, expect, it } from 'vitest';
import { loadGlobalBooster, trainGlobalBooster } from '../../src/forecast/booster/global-booster.js';
import { inHours, joinRows, sampleRows } from '../../src/forecast/booster/training-rows.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import type { GlobalModel, GlobalRequest } from '../../src/forecast/global.js';

/*
 * The hourly forecast of a week is what nodes are bought by: one that does not know of Friday's holiday, which the forecast
 * of the next two hours will, buys a full day for nobody.
 */

const STEP = 900;
const HOUR = 3600;
const DAY = 86_400;
const MONDAY = Date.parse('2026-03-02T00:00:00Z') / 1000;
const DAYS = 16;
const dateOf = (at: number): string => new Date(at * 1000).toISOString().slice(0, 10);
const HOLIDAYS = [3, 6, 10, 13, 18].map((day) => dateOf(MONDAY + day * DAY));
const demand = (at: number): number => (HOLIDAYS.includes(dateOf(at)) ? 2 : 10);
const count = (DAYS * DAY) / STEP;
const series = {
  start: MONDAY,
  step: STEP,
  values: Float64Array.from({ length: count }, (_, k) => demand(MONDAY + k * STEP)),
  censored: new Uint8Array(count),
};

/** Knows what a holiday is like, and notes what it is asked. */
function knowing(asked: GlobalRequest[], steps?: readonly number[]): GlobalModel {
  return {
    ...{ name: 'knowing', levels: [0.1, 0.5, 0.9], context: 96 },
    ...(steps === undefined ? {} : { steps }),
    predict(requests, aheads) {
      asked.push(...requests);
      return Float32Array.from(
        requests.flatMap(({ origin, step, inputs }) =>
          aheads.flatMap((ahead) => {
            const off = inputs?.holidays?.includes(dateOf(origin + ahead * step)) === true;
            return [0.99, 1, 1.01].map((width) => width * (off ? 2 : 10));
          }),
        ),
      );
    },
  };
}

const INPUTS = { holidays: HOLIDAYS };
const options = {
  ...{ timeZone: 'UTC', levels: [0.1, 0.5, 0.9], level: 0.9, leadSteps: 2, horizon: 8 },
  coarse: [{ step: HOUR, horizon: 4 * DAY }],
  inputs: () => INPUTS,
};
/** Medians of the hours of the holiday in two days. */
const fridayOf = (globals: readonly GlobalModel[]): number[] => {
  const [, hourly] = fitForecaster(series, { ...options, globals }).forecastAll([0.5]);
  if (hourly === undefined) throw new Error('no hours were forecast');
  return hourly.quantiles.flatMap(([value], k) =>
    dateOf(hourly.origin + (k + 1) * HOUR) === HOLIDAYS[4] ? [value ?? Number.NaN] : [],
  );
};

describe('hours ahead', () => {
  it('know of a holiday where a model was trained on hours', () => {
    const asked: GlobalRequest[] = [];
    const hours = fridayOf([knowing(asked, [STEP, HOUR])]);
    expect(hours).toHaveLength(24);
    for (const hour of hours) expect(hour).toBeLessThan(7);
    expect(asked.filter(({ step }) => step === HOUR).every(({ inputs }) => inputs?.holidays === HOLIDAYS)).toBe(true);
  });

  it.each<{ name: string; steps?: number[] }>([
    { name: 'on other bins alone', steps: [STEP] },
    { name: 'before that was noted' },
  ])('ask no model that was trained $name', ({ steps }) => {
    const asked: GlobalRequest[] = [];
    const hours = fridayOf([knowing(asked, steps)]);
    expect(asked.some(({ step }) => step === STEP)).toBe(true);
    expect(asked.some(({ step }) => step === HOUR)).toBe(false);
    for (const hour of hours) expect(hour).toBeGreaterThan(8);
  });

  it('are asked for once an hour, not at each forecast', () => {
    const asked: GlobalRequest[] = [];
    const fitted = fitForecaster(series, { ...options, globals: [knowing(asked, [STEP, HOUR])] });
    const first = fitted.forecastAll([0.5]);
    const before = asked.length;
    expect(fitted.forecastAll([0.5])).toEqual(first);
    expect(asked.length).toBe(before);
  });
});

describe('rows of hours', () => {
  const training = { ...series, timeZone: 'UTC' };
  it.each([
    { name: 'a quarter of an hour', one: training, hours: DAYS * 24 },
    { name: 'an hour', one: { ...training, step: HOUR }, hours: 0 },
    { name: 'seven minutes, no part of an hour', one: { ...training, step: 420 }, hours: 0 },
    { name: 'less than two weeks', one: { ...training, values: training.values.subarray(0, 13 * 96) }, hours: 0 },
  ])('of bins of $name: $hours', ({ one, hours }) => {
    const [hourly] = inHours(one);
    expect(hourly?.values.length ?? 0).toBe(hours);
    if (hourly !== undefined) expect(hourly.values[3 * 24]).toBe(2);
  });

  it('say of an hour that is part a bound that it is one, and of a missing one that it is missing', () => {
    const values = training.values.slice();
    values.fill(Number.NaN, 4, 8);
    const censored = training.censored.slice();
    censored[9] = 1;
    const [hourly] = inHours({ ...training, values, censored });
    expect(hourly?.values[1]).toBeNaN();
    expect([...(hourly?.censored?.subarray(1, 4) ?? [])]).toEqual([0, 1, 0]);
  });

  it('stand behind the others, with their bounds', () => {
    const options = { rows: 40, aheads: 2, young: 0, seed: 1, bounds: true };
    const one = sampleRows([training], { from: 0, to: 1 }, options);
    const bound = { ...training, censored: new Uint8Array(count).fill(1) };
    const other = sampleRows([bound], { from: 0, to: 1 }, options);
    const both = joinRows(one, other);
    expect(both.count).toBe(one.count + other.count);
    expect([...both.targets]).toEqual([...one.targets, ...other.targets]);
    expect([...(both.bounds ?? [])]).toEqual([...new Uint8Array(one.count), ...new Uint8Array(other.count).fill(1)]);
    expect(both.values.subarray(one.values.length)).toEqual(other.values);
  });

  it('are noted by the model, which then says hours', () => {
    const settings = { rows: 2000, validation: 0, trees: { rounds: 5 } };
    const steps = (hourly: boolean) => loadGlobalBooster(trainGlobalBooster([training], { ...settings, hourly })).steps;
    expect(steps(true)).toEqual([STEP, HOUR]);
    expect(steps(false)).toEqual([STEP]);
  });
});
