import { describe, expect, it } from 'vitest';
import { createModels, type Models } from '../../src/decide/models.js';
import type { AccountPolicy } from '../../src/domain/account.js';
import type { AnnouncedEvent } from '../../src/domain/control.js';
import { HeadroomError } from '../../src/domain/errors.js';
import type { Series } from '../../src/domain/series.js';
import type { Drift } from '../../src/forecast/drift.js';
import type { FitForecaster, FitOptions } from '../../src/forecast/port.js';
import { AT, policyOf } from './allocate-fixtures.js';

const STEP = 300;
const HOUR = 3600;
const DAY = 86_400;

const policy = policyOf({
  level: 0.98,
  workloads: [
    {
      name: 'web',
      level: 0.97,
      components: { cpu: { request: 1, level: 0.995 } },
      replicas: { min: 1, max: 50 },
      leadTime: '10m',
    },
  ],
  pools: [{ name: 'general', pricePerHour: 1, node: { cpu: 4 } }],
});

const bare = { name: 'web', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 50 } };
const plain = { workloads: [bare], pools: [{ name: 'general', pricePerHour: 1, node: { cpu: 4 } }] };

interface Recorder {
  fit: FitForecaster;
  fits: { series: Series; options: FitOptions }[];
  /** What the latest forecaster was given, after its fit. */
  observed: { label: number; value: number; censored: boolean }[];
  data: 'fresh' | 'cold';
  refuse: Error | null;
  drift: Drift | null;
}

/** A forecaster that keeps what it is told, and insists, as the port says, on the next label. */
function recorder(): Recorder {
  const kept: Recorder = {
    fits: [],
    observed: [],
    data: 'fresh',
    refuse: null,
    drift: null,
    fit(series, options) {
      if (kept.refuse !== null) throw kept.refuse;
      kept.fits.push({ series, options });
      kept.observed = [];
      let lastBin = series.start + (series.values.length - 1) * series.step;
      return {
        get lastBin() {
          return lastBin;
        },
        get data() {
          return kept.data;
        },
        observe(label, value, censored) {
          if (label !== lastBin + series.step) throw new Error(`label ${label} after ${lastBin}`);
          if (!Number.isNaN(value) && !(value >= 0 && Number.isFinite(value))) throw new Error(`value ${value}`);
          lastBin = label;
          kept.observed.push({ label, value, censored });
        },
        forecast: (_horizon, levels) => one(lastBin, levels),
        forecastAll: (levels) => [one(lastBin, levels)],
        gate: () => ({ open: true, level: options.level, scored: 0, misses: 0, coverage: null }),
        drift: () => kept.drift,
      };
    },
  };
  const one = (origin: number, levels: readonly number[]) => ({
    origin,
    step: STEP,
    levels: [...levels],
    quantiles: [levels.map((level) => level)],
    weights: { fake: 1 },
  });
  return kept;
}

const seriesOf = (start: number, values: readonly number[], censored: readonly number[] = []): Series => ({
  start,
  step: STEP,
  values: Float64Array.from(values),
  censored: Uint8Array.from(values.map((_, index) => censored[index] ?? 0)),
});

function ask(
  models: Models,
  series: Series,
  more: { policyId?: string; account?: string; policy?: AccountPolicy; events?: AnnouncedEvent[] } = {},
) {
  const account = more.account ?? 'acme';
  return models.forecast({
    account,
    policyId: more.policyId ?? 'p1',
    policy: more.policy ?? policy,
    snapshotId: `s-${series.start}`,
    at: series.start + series.values.length * STEP + 15,
    leadTimes: {},
    events: more.events ?? [],
    bins: [{ workload: 'web', component: 'cpu', series }],
  });
}

const ten = Array.from({ length: 10 }, (_, index) => index);

describe('models of an account', () => {
  it('are fitted once, and then take in each new bin once, in order', () => {
    const fake = recorder();
    const models = createModels(fake.fit);
    expect(models.wanted('acme', policy, AT)).toEqual({ since: null });
    ask(models, seriesOf(AT, ten));
    const next = AT + 10 * STEP;
    expect(models.wanted('acme', policy, next + 15)).toEqual({ since: next });
    ask(models, seriesOf(next, [10, Number.NaN, 12], [0, 0, 1]));
    // Nothing new: no harm.
    ask(models, seriesOf(next + 3 * STEP, []));
    expect(fake.fits).toHaveLength(1);
    expect(fake.observed).toEqual([
      { label: next, value: 10, censored: false },
      { label: next + STEP, value: Number.NaN, censored: false },
      { label: next + 2 * STEP, value: 12, censored: true },
    ]);
    expect(models.wanted('acme', policy, next + 3 * STEP).since).toBe(next + 3 * STEP);
  });

  it('that are given bins which they know are fitted anew, rather than told twice', () => {
    const fake = recorder();
    const models = createModels(fake.fit);
    ask(models, seriesOf(AT, ten));
    ask(models, seriesOf(AT + 5 * STEP, [...ten, 10]));
    expect(fake.fits).toHaveLength(2);
    expect(fake.observed).toEqual([]);
  });

  it.each([
    ['an hour later', HOUR, false],
    ['a hole of two days, less a bin', 2 * DAY - STEP, false],
    ['a hole of more than two days', 2 * DAY + STEP, true],
  ])('%s: fitted anew %s', (_name, later, anew) => {
    const models = createModels(recorder().fit);
    ask(models, seriesOf(AT, ten));
    const next = AT + 10 * STEP;
    expect(models.wanted('acme', policy, next + later)).toEqual({ since: anew ? null : next });
  });

  it('are fitted anew after a week of new data', () => {
    const models = createModels(recorder().fit);
    ask(models, seriesOf(AT, ten));
    const fittedAt = AT + 10 * STEP + 15;
    for (let day = 1; day < 7; day++) {
      const from = models.wanted('acme', policy, fittedAt + day * DAY).since ?? 0;
      expect(from).toBeGreaterThan(0);
      ask(
        models,
        seriesOf(
          from,
          Array.from({ length: DAY / STEP }, () => 1),
        ),
      );
    }
    expect(models.wanted('acme', policy, fittedAt + 7 * DAY)).toEqual({ since: null });
  });

  it('are fitted anew a day after forecasts began to err more', () => {
    const fake = recorder();
    const models = createModels(fake.fit);
    ask(models, seriesOf(AT, ten));
    const next = AT + 10 * STEP;
    const since = next + 2 * STEP;
    fake.drift = { since, times: 3.00001 };
    // Whoever reads the forecast learns of it: `status` shows it, and training is told.
    expect(ask(models, seriesOf(next, [1, 1, 1])).series[0]?.drift).toEqual({ since, times: 3 });
    expect(models.wanted('acme', policy, since + DAY - 1).since).toBe(next + 3 * STEP);
    expect(models.wanted('acme', policy, since + DAY).since).toBeNull();
  });

  it('that are cold are fitted again once there is half as much more', () => {
    const fake = recorder();
    fake.data = 'cold';
    const models = createModels(fake.fit);
    // Four hours are known: again after two.
    ask(
      models,
      seriesOf(
        AT,
        Array.from({ length: 48 }, () => 1),
      ),
    );
    const fittedAt = AT + 48 * STEP + 15;
    expect(models.wanted('acme', policy, fittedAt + 2 * HOUR - 1).since).not.toBeNull();
    expect(models.wanted('acme', policy, fittedAt + 2 * HOUR).since).toBeNull();
  });

  it('of another policy, or of another account, are no use', () => {
    const fake = recorder();
    const models = createModels(fake.fit);
    ask(models, seriesOf(AT, ten));
    const at = AT + 11 * STEP;
    const other = { ...policy, level: 0.9 };
    expect(models.wanted('acme', other, at).since).toBeNull();
    expect(models.wanted('beta', policy, at).since).toBeNull();
    ask(models, seriesOf(AT + 10 * STEP, [1]), { policy: other });
    expect(fake.fits).toHaveLength(2);
  });

  it.each([
    ['the account’s level, to another that is forecast anyway', { level: 0.95 }, { level: 0.99 }],
    ['a workload’s level', {}, { workloads: [{ ...bare, level: 0.95 }] }],
    ['a lead time', {}, { workloads: [{ ...bare, leadTime: '1h' }] }],
    ['the time zone', {}, { timeZone: 'Europe/Berlin' }],
  ])('are fitted anew where a policy changes %s', (_name, before, after) => {
    const models = createModels(recorder().fit);
    ask(models, seriesOf(AT, ten), { policy: policyOf({ ...plain, ...before }) });
    const wanted = (policy: AccountPolicy) => models.wanted('acme', policy, AT + 11 * STEP).since;
    expect(wanted(policyOf({ ...plain, ...before }))).toBe(AT + 10 * STEP);
    expect(wanted(policyOf({ ...plain, ...before, ...after }))).toBeNull();
  });

  it('stay as they are where a policy changes what no fit depends on', () => {
    const models = createModels(recorder().fit);
    ask(models, seriesOf(AT, ten));
    const other: AccountPolicy = { ...policy, mode: 'auto', coolDown: 60 };
    expect(models.wanted('acme', other, AT + 11 * STEP).since).toBe(AT + 10 * STEP);
  });

  it('learn what demand would have been without an announced event', () => {
    const fake = recorder();
    const models = createModels(fake.fit);
    ask(models, seriesOf(AT, ten));
    const next = AT + 10 * STEP;
    const sale: AnnouncedEvent = {
      name: 'sale',
      from: next + STEP,
      to: next + 2 * STEP,
      expect: { multiplier: 3 },
      uncertainty: 0.2,
      author: 'ann',
    };
    ask(models, seriesOf(next, [10, 33, 12]), { events: [sale] });
    expect(fake.observed.map(({ value }) => value)).toEqual([10, 11, 12]);
  });

  it('forget on request', () => {
    const models = createModels(recorder().fit);
    ask(models, seriesOf(AT, ten));
    models.forget('acme');
    expect(models.wanted('acme', policy, AT + 11 * STEP).since).toBeNull();
    expect(models.evidence('acme', 'web', 'cpu')).toEqual({ peak: Number.NaN, bins: 0 });
  });

  it('are kept for so many accounts, those used last', () => {
    const models = createModels(recorder().fit, 2);
    for (const account of ['one', 'two']) ask(models, seriesOf(AT, ten), { account });
    ask(models, seriesOf(AT + 10 * STEP, [1]), { account: 'one' });
    ask(models, seriesOf(AT, ten), { account: 'three' });
    const known = ['one', 'two', 'three'].filter(
      (account) => models.wanted(account, policy, AT + 11 * STEP).since !== null,
    );
    expect(known).toEqual(['one', 'three']);
  });
});

describe('readings that are no demand', () => {
  it.each([
    ['negative', -1],
    ['infinite', Number.POSITIVE_INFINITY],
    ['negative infinite', Number.NEGATIVE_INFINITY],
    ['missing', Number.NaN],
  ])('%s: missing, in the fit and after it, never zero', (_name, bad) => {
    const fake = recorder();
    const models = createModels(fake.fit);
    ask(models, seriesOf(AT, [bad, bad, 3, bad, 5]));
    const { series } = fake.fits[0] ?? { series: seriesOf(0, []) };
    // What comes before the first reading is not a part of the series.
    expect(series.start).toBe(AT + 2 * STEP);
    expect([...series.values]).toEqual([3, Number.NaN, 5]);
    ask(models, seriesOf(AT + 5 * STEP, [bad, 7]));
    expect(fake.observed.map(({ value }) => value)).toEqual([Number.NaN, 7]);
    expect(models.evidence('acme', 'web', 'cpu')).toEqual({ peak: 7, bins: 3 });
  });
});

describe('what a fit is told', () => {
  it('the levels that the policy names, its own level, and how far a decision reaches', () => {
    const fake = recorder();
    ask(createModels(fake.fit), seriesOf(AT, ten));
    const { options } = fake.fits[0] ?? { options: null };
    expect(options?.levels).toEqual([...(options?.levels ?? [])].sort((a, b) => a - b));
    expect(options?.levels).toEqual(expect.arrayContaining([0.97, 0.98, 0.995]));
    expect(options?.level).toBe(0.995);
    // Ten minutes of lead on five-minute bins: the third bin is the first that is reached.
    expect(options?.leadSteps).toBe(3);
    expect(options?.horizon).toBe(24);
    expect(options?.coarse).toEqual([{ step: HOUR, horizon: 7 * DAY }]);
    // Neither paths nor models by name, unless they are asked for.
    expect(options?.scenarios).toBeUndefined();
    expect(options?.models).toBeUndefined();
  });

  it('the models that the policy names, and to learn how misses come together where it asks for a window', () => {
    const fake = recorder();
    const asked = policyOf({ ...plain, models: ['arima', 'persistence'], workloads: [{ ...bare, window: '2h' }] });
    const { series } = ask(createModels(fake.fit), seriesOf(AT, ten), { policy: asked });
    expect(fake.fits[0]?.options.models).toEqual(['arima', 'persistence']);
    expect(fake.fits[0]?.options.scenarios).toEqual({ steps: 24 });
    // This forecaster has learnt nothing: each of the 24 bins takes its part of the risk.
    expect(series[0]?.window).toEqual({ length: 7200, level: 0.99, binLevel: 1 - 0.01 / 24, rows: 0 });
  });
});

describe('a series that cannot be fitted', () => {
  const refusal = new HeadroomError({
    kind: 'invalid-input',
    component: 'forecast',
    action: 'fitting web/cpu',
    problem: 'no known bin',
    remedy: 'wait for data',
  });

  it('is missing with its reason, and tried again within the hour', () => {
    const fake = recorder();
    fake.refuse = refusal;
    const models = createModels(fake.fit);
    const forecast = ask(models, seriesOf(AT, [Number.NaN]));
    expect(forecast.series).toEqual([]);
    expect(forecast.missing).toEqual([
      { workload: 'web', component: 'cpu', reason: 'no-data', detail: refusal.message },
    ]);
    const fittedAt = AT + STEP + 15;
    expect(models.wanted('acme', policy, fittedAt + HOUR - 1).since).not.toBeNull();
    expect(models.wanted('acme', policy, fittedAt + HOUR).since).toBeNull();
    fake.refuse = null;
    expect(ask(models, seriesOf(AT, ten)).series).toHaveLength(1);
  });

  it('for a reason that nobody foresaw is not hidden', () => {
    const fake = recorder();
    fake.refuse = new TypeError('a bug');
    expect(() => ask(createModels(fake.fit), seriesOf(AT, ten))).toThrow('a bug');
  });
});

describe('a forecast’s id', () => {
  it('is the same for the same snapshot, policy and lead times, and another otherwise', () => {
    const models = createModels(recorder().fit);
    const first = ask(models, seriesOf(AT, ten)).id;
    const again = ask(models, seriesOf(AT, ten)).id;
    const other = ask(models, seriesOf(AT, ten), { policyId: 'p2' }).id;
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });
});
