import { describe, expect, it, test } from 'vitest';
import { expectedForecast } from '../../src/allocate/expected.js';
import { readSystem, type SystemStore } from '../../src/cli/system-load.js';
import { systemForecast, systemGrid, type SystemAccount } from '../../src/decide/system.js';
import type { AnnouncedEvent } from '../../src/domain/control.js';
import type { AccountForecast, QuantileForecast } from '../../src/domain/forecast.js';
import { probit } from '../../src/domain/normal.js';
import type { Series } from '../../src/domain/series.js';
import { aggregateForecasts, type AggregateGrid } from '../../src/forecast/aggregate.js';
import { unitDraw } from '../../src/forecast/scenarios/draws.js';
import { dependenceOfUsage } from '../../src/forecast/scenarios/from-usage.js';
import { AT, policyOf } from './allocate-fixtures.js';

/*
 * What a user loses when this fails: the size of the fleet. The sum of all accounts' 99 % is far more than the whole will
 * ever need; as if they were independent, far less than it will need on the day when all of them are busy.
 */
const STEP = 300;
const LEVELS = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999];
const SCORES = LEVELS.map(probit);
const GRID: AggregateGrid = { origin: AT - STEP, step: STEP, steps: 12 };

const normal = (middle: number, spread: number, bins = 12, step = STEP): QuantileForecast => ({
  origin: AT - step,
  step,
  levels: LEVELS,
  quantiles: Array.from({ length: bins }, () => SCORES.map((score) => Math.max(0, middle + spread * score))),
  weights: {},
});

/** Usage around 100 that carries 0.8 of a departure on; a part of each shock is every world's. */
function worldOf(seed: number, part: number): { at(k: number): number; usage(from: number, to: number): Series } {
  const values = [0];
  const at = (k: number): number => {
    while (values.length <= k) {
      const n = values.length;
      const draw = (of: number): number => probit(unitDraw(of, n, 3));
      values.push(0.8 * (values[n - 1] ?? 0) + Math.sqrt(part) * draw(999) + Math.sqrt(1 - part) * draw(seed));
    }
    return 100 + (values[k] ?? 0);
  };
  return {
    at,
    usage: (from, to) => ({
      start: from * STEP,
      step: STEP,
      values: Float64Array.from({ length: to - from }, (_, k) => at(from + k)),
      censored: new Uint8Array(to - from),
    }),
  };
}

describe('the sum of series', () => {
  test.each([
    { name: 'that rise together', part: 0.9 },
    { name: 'that know nothing of each other', part: 0 },
  ])('$name is covered as often as it says', ({ part }) => {
    const worlds = [1, 2, 3, 4].map((seed) => worldOf(seed, part));
    const dependence = worlds.map((one) => dependenceOfUsage(one.usage(0, 4032), 12));
    const levels = [0.5, 0.9, 0.99];
    const hits = levels.map(() => 0);
    const origins = 250;
    for (let k = 0; k < origins; k++) {
      const origin = 5000 + 13 * k;
      const grid = { origin: origin * STEP, step: STEP, steps: 12 };
      const series = worlds.map((one, s) => {
        let variance = 0;
        const quantiles = Array.from({ length: 12 }, (_, t) => {
          variance = 0.64 * variance + 1;
          const middle = 100 + (one.at(origin) - 100) * 0.8 ** (t + 1);
          const spread = Math.sqrt(variance);
          return SCORES.map((score) => middle + score * spread);
        });
        const forecast = { origin: grid.origin, step: STEP, levels: LEVELS, quantiles, weights: {} };
        return { resolutions: [forecast], dependence: dependence[s] ?? null };
      });
      const { quantiles } = aggregateForecasts(series, grid, { levels, seed: 1, paths: 700 });
      const actual = worlds.reduce((sum, one) => sum + one.at(origin + 7), 0);
      levels.forEach((_, j) => {
        if (actual <= (quantiles[6]?.[j] ?? 0)) hits[j] = (hits[j] ?? 0) + 1;
      });
    }
    levels.forEach((level, j) => {
      const tolerance = 3 * Math.sqrt((level * (1 - level)) / origins) + 0.005;
      expect(Math.abs((hits[j] ?? 0) / origins - level), `at ${level}`).toBeLessThan(tolerance);
    });
  });

  it('asks for less than its parts one by one, and is theirs where there is one part', () => {
    const parts = [1, 2, 3].map((seed) => ({
      resolutions: [normal(100, 10)],
      dependence: dependenceOfUsage(worldOf(seed, 0.2).usage(0, 4032), 12),
    }));
    const sum = aggregateForecasts(parts, GRID, { levels: LEVELS, seed: 1 });
    expect(sum.quantiles[0]?.[7]).toBeLessThan(sum.apart);
    expect(sum.apart).toBeCloseTo(3 * (100 + 10 * (SCORES[8] ?? 0)), 6);
    const alone = aggregateForecasts(parts.slice(0, 1), GRID, { levels: LEVELS, seed: 1 });
    LEVELS.slice(0, 8).forEach((_, j) => {
      expect(alone.quantiles[3]?.[j]).toBeCloseTo(100 + 10 * (SCORES[j] ?? 0), 0);
    });
  });

  test.each([
    { name: 'finer bins: their mean', resolutions: [normal(10, 0, 120, 60)], middle: 10 },
    { name: 'coarser bins: theirs', resolutions: [normal(10, 0, 1, 3600)], middle: 10 },
    { name: 'a forecast that ends early: its last row goes on', resolutions: [normal(10, 0, 3)], middle: 10 },
    {
      name: 'several resolutions: the one that reaches',
      resolutions: [normal(99, 0, 3), normal(10, 0, 2, 3600)],
      middle: 10,
    },
  ])('takes $name', ({ resolutions, middle }) => {
    const shifted = resolutions.map((one) => ({ ...one, origin: AT - one.step }));
    const { quantiles } = aggregateForecasts([{ resolutions: shifted, dependence: null }], GRID, {
      levels: [0.5],
      seed: 1,
    });
    expect(quantiles).toHaveLength(12);
    quantiles.forEach((row) => expect(row[0]).toBeCloseTo(middle, 5));
  });
});

const policy = policyOf({
  workloads: [{ name: 'web', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 50 } }],
  pools: [{ name: 'general', pricePerHour: 1, node: { cpu: 4 } }],
  tasks: [{ name: 'report', workload: 'web', cron: '30 10 * * *', duration: '10m', demand: { cpu: 7 } }],
});

const forecastOf = (account: string, extra: Partial<AccountForecast> = {}): AccountForecast => ({
  id: `f-${account}`,
  account,
  snapshotId: 's',
  at: AT,
  missing: [],
  series: [
    {
      workload: 'web',
      component: 'cpu',
      resolutions: [normal(10, 1)],
      gate: { open: true, level: 0.99, scored: 0, misses: 0, coverage: null },
      data: 'fresh',
    },
  ],
  ...extra,
});

const sale: AnnouncedEvent = {
  name: 'sale',
  from: AT,
  to: AT + 3600,
  expect: { multiplier: 3 },
  uncertainty: 0,
  author: 'ann',
};

describe('what is known of the future', () => {
  it('is in every level: events multiply, tasks at fixed times are added, and levels stay in order', () => {
    const { series } = expectedForecast(forecastOf('acme'), policy, [sale]);
    const rows = series[0]?.resolutions[0]?.quantiles ?? [];
    expect(rows[0]?.[3]).toBeCloseTo(30, 9);
    expect(rows[6]?.[3]).toBeCloseTo(37, 9);
    expect(rows[6]?.[7]).toBeCloseTo(37 + 3 * (SCORES[7] ?? 0), 6);
    expect(rows.every((row) => row.every((value, j) => j === 0 || value >= (row[j - 1] ?? 0)))).toBe(true);
  });
});

describe('the whole system', () => {
  const account = (name: string, extra: Partial<AccountForecast> = {}): SystemAccount => ({
    forecast: forecastOf(name, extra),
    policy,
    usage: [],
  });
  const of = (accounts: SystemAccount[]) =>
    systemForecast(
      accounts,
      systemGrid(
        accounts.map(({ forecast }) => forecast),
        3600,
      ),
      { levels: [0.5, 0.99], seed: 1 },
    );

  it('is all accounts, by resource, with events and tasks', () => {
    const system = of([account('a'), account('b', { events: [sale] })]);
    expect(system.components.map(({ component, accounts, series }) => ({ component, accounts, series }))).toEqual([
      { component: 'cpu', accounts: 2, series: 2 },
    ]);
    expect(system.origin).toBe(AT - STEP);
    // 10 and 30, and both reports at half past.
    expect(system.components[0]?.quantiles[0]?.[0]).toBeCloseTo(40, 0);
    expect(system.components[0]?.quantiles[6]?.[0]).toBeCloseTo(54, 0);
    expect(system.missing).toEqual([]);
  });

  it('names what is not in it, and adds no zeros for it', () => {
    const system = of([
      account('a', { missing: [{ workload: 'web', component: 'memory', reason: 'no-data', detail: 'never seen' }] }),
      account('old', { at: AT - 5 * 3600 }),
      { ...account('nameless'), policy: null },
    ]);
    expect(system.missing).toEqual([
      { account: 'a', workload: 'web', component: 'memory', reason: 'no-data: never seen' },
      { account: 'old', reason: 'its newest forecast is 5 h old' },
      { account: 'nameless', reason: 'its policy is not known: its events and tasks are left out' },
    ]);
    expect(system.components.map(({ component, accounts }) => ({ component, accounts }))).toEqual([
      { component: 'cpu', accounts: 2 },
    ]);
  });

  it('reaches a day by the hours of each account', () => {
    const grid = systemGrid(
      [
        forecastOf('a', {
          series: [{ ...forecastOf('a').series[0]!, resolutions: [normal(1, 0), normal(2, 0, 24, 3600)] }],
        }),
      ],
      86_400,
    );
    expect(grid).toEqual({ origin: AT - 3600, step: 3600, steps: 24 });
  });

  it('is read from the store: newest forecasts, their policies, a fortnight of usage', async () => {
    const asked: unknown[] = [];
    const store: SystemStore = {
      newestRecords: () =>
        Promise.resolve([
          { account: 'b', at: AT, id: 'x' },
          { account: 'a', at: AT, id: 'x' },
        ]),
      listRecords: (kind, name) =>
        Promise.resolve([{ kind, id: 'x', account: name, at: AT, body: forecastOf(name, { policyId: 'p1' }) }]),
      getRecord: (kind, id) => Promise.resolve({ kind, id, account: 'a', at: AT, body: policy }),
      readUsage: (query) => {
        asked.push([query.account, query.from, query.to, query.step]);
        const usage = worldOf(query.account === 'a' ? 1 : 2, 0.5).usage(0, 4032);
        return Promise.resolve({ ...query, series: query.series.map((one) => ({ ...one, series: usage })) });
      },
    };
    const system = await readSystem(store, { horizon: 3600, levels: [0.5, 0.99], seed: 1 }, AbortSignal.timeout(5000));
    expect(asked).toEqual(['a', 'b'].map((name) => [name, AT - 14 * 86_400, AT, STEP]));
    expect(system.components[0]?.series).toBe(2);
    expect(system.components[0]?.quantiles[0]?.[0]).toBeCloseTo(20, 0);
  });

  it('of a store without forecasts is refused, with what to do', async () => {
    const none = { newestRecords: () => Promise.resolve([]) };
    const store: SystemStore = {
      ...none,
      listRecords: () => Promise.resolve([]),
      getRecord: () => Promise.resolve(null),
      readUsage: () => Promise.reject(new Error('never asked')),
    };
    await expect(
      readSystem(store, { horizon: 3600, levels: [0.5], seed: 1 }, AbortSignal.timeout(5000)),
    ).rejects.toThrow(/headroom start/);
  });
});
