import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeRow, ROW_WIDTH } from '../../src/forecast/booster/relative.js';
import { calendarOf } from '../../src/forecast/calendar.js';
import type { FeatureInputs } from '../../src/forecast/feature-inputs.js';
import {
  createFeatureState,
  FEATURE_CONTEXT,
  LEVEL_FEATURES,
  PLAIN_FEATURES,
  SCALE_FEATURES,
} from '../../src/forecast/features.js';

/* What a user loses when this fails: a model that was trained on other numbers than it is asked with. */

const NAMES: readonly string[] = [...LEVEL_FEATURES, ...SCALE_FEATURES, ...PLAIN_FEATURES];

interface Case {
  step?: number;
  timeZone?: string;
  /** Label of the last bin. */
  origin?: number;
  ahead?: number;
  inputs?: FeatureInputs;
}

function describeAll(values: readonly number[], options: Case = {}): Record<string, number> {
  const { step = 300, timeZone = 'UTC', ahead = 1 } = options;
  const origin = options.origin ?? Date.parse('2026-03-04T12:00:00Z') / 1000;
  const state = createFeatureState({ step, calendar: calendarOf(timeZone) });
  values.forEach((value, k) => state.observe(origin - (values.length - 1 - k) * step, value));
  const { levels, scales, plain } = state.describe(ahead, options.inputs);
  const all = [...levels, ...scales, ...plain];
  return Object.fromEntries(NAMES.map((name, k) => [name, all[k] ?? Number.NaN]));
}

/** A cheap generator of values that look like nothing, by seed. */
const noise = (seed: number, k: number): number => {
  const x = Math.sin(seed * 127.1 + k * 311.7) * 43_758.5453;
  return x - Math.floor(x);
};

const known = (value: number | undefined): number => (value === undefined || Number.isNaN(value) ? 0 : value);

describe('features', () => {
  it('are the same from all of a series’ bins and from the last ones alone', () => {
    const steps = fc.constantFrom(10, 60, 300, 900, 3600, 86_400);
    const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Kolkata', 'America/New_York');
    fc.assert(
      fc.property(
        steps,
        zones,
        fc.nat(9999),
        fc.integer({ min: 1, max: 400 }),
        fc.nat(500),
        (step, timeZone, seed, more, ahead) => {
          const values = Array.from({ length: FEATURE_CONTEXT + more }, (_, k) => {
            if (noise(seed, k) < 0.05 || (k > 500 && k < 700)) return Number.NaN;
            return noise(seed + 1, k) < 0.02 ? 1e5 : 100 * noise(seed + 2, k);
          });
          // Around the last change of Berlin's clock in 2025, so that the windows hold it.
          const origin = Math.round(Date.parse('2025-10-27T00:00:00Z') / 1000 / step + seed) * step;
          const of = (part: readonly number[]): Record<string, number> =>
            describeAll(part, { step, timeZone, origin, ahead: ahead + 1 });
          expect(of(values.slice(more))).toEqual(of(values));
        },
      ),
      { numRuns: 25 },
    );
  });

  const daily = (hour: number): number => (hour === 9 ? 50 : 5);
  it.each([
    { name: 'the last value', values: [1, 2, 7], feature: 'last', wanted: 7 },
    { name: 'the last known value', values: [1, 7, NaN], feature: 'last', wanted: 7 },
    { name: 'how old it is', values: [1, 7, NaN, NaN], feature: 'age', wanted: 2 },
    { name: 'a missing lag is missing', values: [1, NaN, 7], feature: 'lag 1', wanted: NaN },
    { name: 'a mean without what is missing', values: [3, NaN, 7], feature: 'mean 3', wanted: 5 },
    { name: 'a rolling mean', values: [0, 0, ...Array<number>(12).fill(6)], feature: 'mean 12', wanted: 6 },
    { name: 'a rolling maximum', values: [99, ...Array<number>(11).fill(1), 5], feature: 'max 12', wanted: 5 },
    { name: 'a day’s maximum', values: [99, ...Array<number>(200).fill(1)], feature: 'max day', wanted: 99 },
    { name: 'nothing of the day before in an hour', values: [1, 2, 3], feature: 'day before', wanted: NaN },
    { name: 'the rate of change', values: [0, 2, 0, 2, 0], feature: 'step 12', wanted: 2 },
    { name: 'no rate across a hole', values: [0, NaN, 9], feature: 'step 12', wanted: NaN },
    { name: 'a constant’s burstiness', values: [4, 4, 4, 4], feature: 'burstiness day', wanted: -1 },
    { name: 'time since a burst', values: [1, 9, 1, 1, 1], feature: 'since high', wanted: Math.log1p(0.25) },
    {
      name: 'the same minute of the hour before',
      values: Array.from({ length: 30 }, (_, k) => k),
      feature: 'same minute',
      wanted: 18,
    },
    { name: 'the hour of the target', values: [1], ahead: 12, feature: 'hour', wanted: 13 },
    { name: 'the local hour', values: [1], ahead: 12, timeZone: 'Asia/Tokyo', feature: 'hour', wanted: 22 },
    {
      name: 'the local day of the week',
      values: [1],
      ahead: 144,
      timeZone: 'Asia/Tokyo',
      feature: 'weekday',
      wanted: 3,
    },
    { name: 'no holidays given', values: [1], feature: 'holiday', wanted: NaN },
    { name: 'a holiday', values: [1], feature: 'holiday', inputs: { holidays: ['2026-03-04'] }, wanted: 1 },
    { name: 'another day', values: [1], feature: 'holiday', inputs: { holidays: ['2026-03-05'] }, wanted: 0 },
    {
      name: 'a local holiday that has begun',
      values: [1],
      ahead: 40,
      timeZone: 'Asia/Tokyo',
      feature: 'holiday',
      inputs: { holidays: ['2026-03-05'] },
      wanted: 1,
    },
    {
      name: 'an announced event',
      values: [1],
      feature: 'event',
      inputs: { events: [{ from: 1772625600, to: 1772629200, factor: 3 }] },
      wanted: 3,
    },
    {
      name: 'a task that will run, by the series’ level',
      values: [4, 4],
      feature: 'scheduled',
      inputs: {
        scheduled: { declared: [{ timing: { cron: '0 12 * * *', timeZone: 'UTC' }, duration: 3600, amount: 8 }] },
      },
      wanted: 2,
    },
    {
      name: 'a task that will fill half of a bin',
      values: [4, 4],
      feature: 'scheduled',
      inputs: {
        scheduled: { declared: [{ timing: { cron: '5 12 * * *', timeZone: 'UTC' }, duration: 150, amount: 8 }] },
      },
      wanted: 1,
    },
    {
      name: 'a task that is not due',
      values: [4, 4],
      feature: 'scheduled',
      inputs: {
        scheduled: { declared: [{ timing: { cron: '0 2 * * *', timeZone: 'UTC' }, duration: 3600, amount: 8 }] },
      },
      wanted: 0,
    },
    { name: 'no tasks given', values: [4, 4], feature: 'scheduled', wanted: NaN },
    {
      name: 'the time until the next run',
      values: [4, 4],
      feature: 'until scheduled',
      inputs: {
        scheduled: { declared: [{ timing: { cron: '5 15 * * *', timeZone: 'UTC' }, duration: 60, amount: 8 }] },
      },
      wanted: Math.log1p(3),
    },
    {
      name: 'the system’s load at the origin, never later',
      values: [1, 1],
      feature: 'system load',
      inputs: { systemLoad: { start: 1772625300, step: 300, values: Float32Array.of(0.25, 0.5, 0.75) } },
      wanted: 0.5,
    },
  ] as (Case & { name: string; values: number[]; feature: string; wanted: number })[])(
    '$name',
    ({ values, feature, wanted, ...options }) => {
      const seen = describeAll(values, options)[feature];
      if (Number.isNaN(wanted)) expect(seen).toBeNaN();
      else expect(seen).toBeCloseTo(wanted, 6);
    },
  );

  it.each([
    { name: 'before the clock changes', to: '2026-03-28T23:00:00Z' },
    { name: 'after it changed', to: '2026-03-30T23:00:00Z' },
  ])('know the same local time of past days $name', ({ to }) => {
    const timeZone = 'Europe/Berlin';
    const calendar = calendarOf(timeZone);
    const origin = Date.parse(to) / 1000;
    const values = Array.from({ length: 14 * 24 }, (_, k) =>
      daily(Math.floor(calendar.secondOfDay(origin - (14 * 24 - 1 - k) * 3600) / 3600)),
    );
    for (let ahead = 1; ahead <= 24; ahead++) {
      const seen = describeAll(values, { step: 3600, timeZone, origin, ahead });
      const wanted = daily(Math.floor(calendar.secondOfDay(origin + ahead * 3600) / 3600));
      expect(seen['day before'], `hour ${ahead}`).toBe(wanted);
    }
  });

  it('of a target never use what comes after the origin', () => {
    // Two days ahead the day before is not known: the same time of the last day that is, stands there.
    const values = Array.from({ length: 10 * 24 }, (_, k) => k);
    const seen = describeAll(values, { step: 3600, ahead: 30 });
    expect(seen['day before']).toBe(values.length - 1 + 30 - 48);
    expect(Math.max(...LEVEL_FEATURES.slice(0, -2).map((name) => known(seen[name])))).toBeLessThan(values.length);
  });

  it('make the same row of a series in another unit', () => {
    const values = Array.from({ length: 900 }, (_, k) => 10 + 5 * Math.sin(k / 20) + noise(1, k));
    const rowOf = (factor: number): number[] => {
      const state = createFeatureState({ step: 300, calendar: calendarOf('UTC') });
      values.forEach((value, k) => state.observe(k * 300, value * factor));
      const row = new Float32Array(ROW_WIDTH);
      expect(writeRow(state.describe(7), row, 0)?.last).toBeCloseTo((values.at(-1) ?? 0) * factor, 2);
      return [...row];
    };
    const [one, other] = [rowOf(1), rowOf(1024)];
    one.forEach((value, k) => expect(known(other[k])).toBeCloseTo(known(value), 4));
  });
});
