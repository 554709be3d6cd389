import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createModels } from '../../src/decide/models.js';
import type { AnnouncedEvent } from '../../src/domain/control.js';
import { holidayDates, isHoliday } from '../../src/domain/holidays.js';
import { loadGlobalBooster, trainGlobalBooster } from '../../src/forecast/booster/global-booster.js';
import { calendarOf } from '../../src/forecast/calendar.js';
import type { FeatureInputs } from '../../src/forecast/feature-inputs.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import type { GlobalModel } from '../../src/forecast/global.js';
import { inputsOf, ordinary, withinSpan } from '../../src/forecast/known-inputs.js';
import { describeSeries, readSnapshots, snapshotAccounts } from '../../src/models/collect.js';
import type { TrainingSeries } from '../../src/models/port.js';
import { loadPseudonyms } from '../../src/models/pseudonyms.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { policyOf } from './allocate-fixtures.js';

/*
 * A holiday looks like a fault to who knows the weekday alone: capacity for thousands who stay at home, or none for those
 * who all come. What is known ahead has to reach the models that can use it, the same way in training and in serving.
 */

const STEP = 1800;
const DAY = 86_400;
const START = Date.parse('2026-03-02T00:00:00Z') / 1000;
const signal = new AbortController().signal;
const dateOf = (at: number): string => new Date(at * 1000).toISOString().slice(0, 10);

describe('after training on holidays', () => {
  const HOLIDAYS = [5, 11, 18, 26, 33, 39, 47, 54].map((day) => dateOf(START + day * DAY));
  const EVENT_DAYS = [8, 15, 22, 29, 36, 43, 50];
  /** A third of the demand on holidays; events of three times were announced, divided out, and brought nothing. */
  const seriesOf = (seed: number): TrainingSeries => ({
    id: `s${seed}`,
    start: START,
    step: STEP,
    timeZone: 'UTC',
    values: Float32Array.from({ length: 60 * 48 }, (_, k) => {
      const at = START + k * STEP;
      const x = Math.sin(seed * 127.1 + k * 311.7) * 43_758.5453;
      const usual = 20 * seed * (1 + 0.5 * Math.sin((2 * Math.PI * k) / 48)) * (1 + 0.05 * (x - Math.floor(x) - 0.5));
      const off = HOLIDAYS.includes(dateOf(at)) ? 1 / 3 : 1;
      return usual * off * (isOn(at) ? 1 / 3 : 1);
    }),
    inputs: { holidays: HOLIDAYS, events },
  });
  const events = EVENT_DAYS.map((day) => ({
    from: START + day * DAY + 9 * 3600,
    to: START + day * DAY + 15 * 3600,
    factor: 3,
  }));
  const isOn = (at: number): boolean => events.some(({ from, to }) => at >= from && at < to);

  let model: GlobalModel;
  beforeAll(() => {
    const series = [1, 2, 3, 4].map(seriesOf);
    model = loadGlobalBooster(
      trainGlobalBooster(series, { rows: 12_000, trees: { rounds: 60, minLeaf: 40 }, validation: 0, seed: 3 }),
    );
  });
  /** The median of noon, at half past ten of an ordinary day of a series that it never saw. */
  const noon = (inputs: FeatureInputs): number => {
    const { values } = seriesOf(7);
    const origin = 58 * 48 + 21;
    const request = { values: values.subarray(0, origin + 1), origin: START + origin * STEP, step: STEP };
    const flat = model.predict([{ ...request, calendar: calendarOf('UTC'), inputs }], [3]);
    return flat[model.levels.indexOf(0.5)] ?? Number.NaN;
  };
  const today = dateOf(START + 58 * DAY);

  it('a holiday is forecast lower than the same day without it', () => {
    // Half past ten was as ever: only the date tells.
    const usual = noon({ holidays: [], events: [] });
    const off = noon({ holidays: [today], events: [] });
    expect(off).toBeLessThan(0.9 * usual);
    expect(noon({ holidays: ['2026-01-01'], events: [] })).toBeCloseTo(usual, 6);
  });

  it('events that never bring what is announced are forecast so', () => {
    const usual = noon({ holidays: [], events: [] });
    const at = START + 58 * DAY;
    expect(noon({ holidays: [], events: [{ from: at + 11 * 3600, to: at + 14 * 3600, factor: 3 }] })).toBeLessThan(
      0.95 * usual,
    );
  });
});

describe('what training and serving are told of one account', () => {
  let folder: string;
  let store: EmbeddedStore;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headroom-ahead-'));
    store = await createEmbeddedStore({ path: ':memory:' });
  });
  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  const END = START + 6 * DAY;
  const policy = policyOf({
    step: STEP,
    holidays: ['03-05', '2026-03-09'],
    workloads: [{ name: 'web', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 9 } }],
    pools: [{ name: 'general', pricePerHour: 1, node: { cpu: 4 } }],
    tasks: [{ name: 'report', workload: 'web', cron: '0 2 * * *', duration: 3600, demand: { cpu: 2 } }],
    events: [{ name: 'filed', from: START + 2 * DAY, to: START + 2 * DAY + 3600, multiplier: 2 }],
  });
  const told: AnnouncedEvent = {
    ...{ name: 'campaign', from: START + 4 * DAY, to: START + 4 * DAY + 7200, expect: { multiplier: 4 } },
    ...{ uncertainty: 0.2, author: 'ada' },
  };
  const values = Array.from({ length: 6 * 48 }, (_, k) => {
    const at = START + k * STEP;
    return 8 * (at >= told.from && at < told.to ? 4 : 1);
  });

  async function trained(): Promise<TrainingSeries> {
    const samples = values.map((value, k) => ({ at: START + k * STEP, value }));
    await store.writeUsage([{ key: { account: 'acme', workload: 'web', component: 'cpu' }, samples }]);
    await store.putRecord({ kind: 'account', id: 'p1', account: 'acme', at: START, body: policy });
    await store.putRecord({ kind: 'event', id: 'event/acme/campaign', account: 'acme', at: told.from, body: told });
    const names = await loadPseudonyms(join(folder, 'key'));
    const wanted = { account: null, at: END, days: 6, most: 10 };
    const { snapshots } = await snapshotAccounts(store, names, wanted, signal);
    // Through the list's file, as the activities hand it on.
    const [series] = await readSnapshots(
      store,
      names,
      JSON.parse(JSON.stringify(snapshots)) as typeof snapshots,
      signal,
    );
    if (series === undefined) throw new Error('nothing to train on');
    return series;
  }

  it('is the same: dates, events and factors, and demand without what they added', async () => {
    const series = await trained();
    const asked: FeatureInputs[] = [];
    const model: GlobalModel = {
      ...{ name: 'listener', levels: [0.1, 0.5, 0.9], context: 48 },
      predict(requests, aheads) {
        for (const { inputs } of requests) if (inputs !== undefined) asked.push(inputs);
        return new Float32Array(requests.length * aheads.length * 3).fill(Number.NaN);
      },
    };
    const models = createModels(fitForecaster);
    const served = { globals: [model], key: 'k', urgent: false };
    const bins = {
      ...{ workload: 'web', component: 'cpu' as const },
      series: { start: START, step: STEP, values: Float64Array.from(values), censored: new Uint8Array(values.length) },
    };
    const request = {
      ...{ account: 'acme', policyId: 'p1', policy, snapshotId: 's', at: END, leadTimes: {}, events: [] },
      ...{ past: [told], bins: [bins] },
    };
    models.forecast(request, served);
    const last = asked.at(-1);
    if (last === undefined) throw new Error('no model was told anything');
    expect(series.inputs).toMatchObject({ events: expect.any(Array), holidays: expect.any(Array) });
    expect(withinSpan(last, START, END)).toEqual(withinSpan(series.inputs ?? {}, START, END));
    expect(withinSpan(last, START, END)).toEqual({
      events: [
        { from: START + 2 * DAY, to: START + 2 * DAY + 3600, factor: 2 },
        { from: told.from, to: told.to, factor: 4 },
      ],
      holidays: ['2026-03-05', '2026-03-09'],
      scheduled: {
        declared: [{ timing: { cron: '0 2 * * *', timeZone: 'UTC' }, duration: 3600, amount: 2 }],
      },
    });
    expect([...series.values.subarray(4 * 48, 4 * 48 + 4)]).toEqual([8, 8, 8, 8]);

    // What is announced later reaches the same fit at its next forecast.
    const next = { ...told, name: 'next', from: END + DAY, to: END + DAY + 3600 };
    const empty = {
      ...bins,
      series: { ...bins.series, start: END, values: new Float64Array(0), censored: new Uint8Array(0) },
    };
    models.forecast({ ...request, at: END + 60, events: [next], bins: [empty] }, served);
    const bin = { ...empty, series: { ...empty.series, values: Float64Array.of(8), censored: new Uint8Array(1) } };
    models.forecast({ ...request, at: END + STEP, events: [next], bins: [bin] }, served);
    expect(asked.at(-1)?.events).toContainEqual({ from: next.from, to: next.to, factor: 4 });
  });

  it('changes the hash of the data where it says something else of their time, and not for what comes after it', async () => {
    const series = await trained();
    const hashOf = (inputs: FeatureInputs | undefined) => {
      const { inputs: _, ...rest } = series;
      return describeSeries([inputs === undefined ? rest : { ...rest, inputs }]).hash;
    };
    const inputs = series.inputs ?? {};
    const later = { from: END + DAY, to: END + 2 * DAY, factor: 2 };
    expect(hashOf({ ...inputs, events: [...(inputs.events ?? []), later] })).toBe(hashOf(inputs));
    expect(hashOf({ ...inputs, events: [] })).not.toBe(hashOf(inputs));
    expect(hashOf({ ...inputs, holidays: [] })).not.toBe(hashOf(inputs));
  });
});

describe('parts', () => {
  it.each([
    { text: '2026-12-25', is: true },
    { text: '12-25', is: true },
    { text: '02-29', is: true },
    { text: '2026-02-29', is: false },
    { text: '13-01', is: false },
    { text: '25.12.', is: false },
    { text: '', is: false },
  ])('"$text" is a day: $is', ({ text, is }) => expect(isHoliday(text)).toBe(is));

  it('days of every year stand in each year around, the 29th of February in leap years', () => {
    const at = (date: string): number => Date.parse(`${date}T00:00:00Z`) / 1000;
    expect(holidayDates(['12-25', '2024-05-01'], at('2026-06-01'), at('2026-07-01'))).toEqual([
      ...['2024-05-01', '2025-12-25', '2026-12-25', '2027-12-25'],
    ]);
    expect(holidayDates(['02-29'], at('2027-06-01'), at('2027-07-01'))).toEqual(['2028-02-29']);
  });

  it.each([
    { name: 'memory follows load in part alone', component: 'memory' as const, expect: { multiplier: 3 }, factors: [] },
    { name: 'absolute demand has no factor', component: 'cpu' as const, expect: { demand: { cpu: 5 } }, factors: [] },
    { name: 'a multiple', component: 'cpu' as const, expect: { multiplier: 3 }, factors: [3] },
  ])('events: $name', ({ component, expect: expected, factors }) => {
    const event = { name: 'e', from: START, to: START + 600, expect: expected, uncertainty: 0, author: 'a' };
    const { events } = inputsOf({ events: [event] }, 'web', component, START, START + DAY);
    expect((events ?? []).map(({ factor }) => factor)).toEqual(factors);
  });

  it('what was divided out comes back by multiplying, wherever the event lies', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(20), fc.double({ min: 0.1, max: 50, noNaN: true }), (from, length, multiplier) => {
        const series = { start: START, step: 60, values: new Float64Array(60).fill(6), censored: new Uint8Array(60) };
        const span = { from: START + from * 60, to: START + (from + length) * 60 };
        const event = { ...span, name: 'e', expect: { multiplier }, uncertainty: 0, author: 'a' };
        ordinary(series, 'web', 'cpu', [event]).values.forEach((value, bin) => {
          const on = bin >= from && bin < from + length;
          expect(value * (on ? multiplier : 1)).toBeCloseTo(6, 9);
        });
      }),
    );
  });
});
