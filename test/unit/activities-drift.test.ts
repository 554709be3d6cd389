import { describe, expect, it } from 'vitest';
import { createDriftWatch } from '../../activities/drift.js';
import type { AccountPolicy } from '../../src/domain/account.js';
import { createModels } from '../../src/decide/models.js';
import type { AccountForecast } from '../../src/domain/forecast.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import { createRandom } from '../../src/forecast/neural/random.js';
import { policyOf } from '../workflow/fakes.js';

/* Models are trained anew when forecasts begin to miss: told too late they serve on; told at every cycle nobody listens. */

const forecastOf = (open: boolean, data: 'fresh' | 'cold' = 'fresh', account = 'acme'): AccountForecast => ({
  id: 'f',
  account,
  snapshotId: 's',
  at: 0,
  missing: [],
  series: [
    {
      workload: 'web',
      component: 'cpu',
      resolutions: [],
      data,
      gate: { open, level: 0.99, coverage: 0.9, misses: 29, scored: 288, ...(open ? {} : { reason: 'covered 90 %' }) },
    },
  ],
});

describe('drift', () => {
  const cases: { name: string; forecasts: AccountForecast[]; told: number }[] = [
    { name: 'an open gate', forecasts: [forecastOf(true)], told: 0 },
    { name: 'one that closes', forecasts: [forecastOf(true), forecastOf(false)], told: 1 },
    { name: 'one that stays closed', forecasts: [forecastOf(false), forecastOf(false), forecastOf(false)], told: 1 },
    { name: 'one that closes again', forecasts: [forecastOf(false), forecastOf(true), forecastOf(false)], told: 2 },
    { name: 'a series that is cold', forecasts: [forecastOf(false, 'cold')], told: 0 },
    { name: 'two accounts', forecasts: [forecastOf(false), forecastOf(false, 'fresh', 'globex')], told: 2 },
  ];
  it('of errors that have grown is told before the gate closes, once, and again when it was over', async () => {
    const drifting = (drift: boolean, open = true): AccountForecast => {
      const forecast = forecastOf(open);
      const series = forecast.series.map((one) => (drift ? { ...one, drift: { since: 7, times: 2.34 } } : one));
      return { ...forecast, series };
    };
    const told: { reason: string; series: string[] }[] = [];
    const watch = createDriftWatch((_account, reason, series) => {
      told.push({ reason, series });
      return Promise.resolve();
    });
    for (const one of [drifting(true), drifting(true), drifting(true, false), drifting(false, false)]) await watch(one);
    // The gate closed for the same shift: that is no news.
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ series: ['acme/web/cpu'] });
    expect(told[0]?.reason).toContain('web/cpu: its errors are 2.3 × what they used to be');
    for (const one of [drifting(false), drifting(true)]) await watch(one);
    expect(told).toHaveLength(2);
  });

  it('that nobody heard is told again', async () => {
    let down = true;
    let calls = 0;
    const watch = createDriftWatch(() => {
      calls++;
      return down ? Promise.reject(new Error('away')) : Promise.resolve();
    });
    await expect(watch(forecastOf(false))).rejects.toThrow('away');
    down = false;
    for (let k = 0; k < 3; k++) await watch(forecastOf(false));
    expect(calls).toBe(2);
  });

  it.each(cases)('of $name is told $told times', async ({ forecasts, told }) => {
    const reasons: string[] = [];
    const watch = createDriftWatch((account, reason) => {
      reasons.push(`${account}: ${reason}`);
      return Promise.resolve();
    });
    for (const forecast of forecasts) await watch(forecast);
    expect(reasons).toHaveLength(told);
    if (told > 0) expect(reasons[0]).toContain('forecasts of acme miss (web/cpu: covered 90 %)');
  });
});

describe('a series whose demand has changed its ways', () => {
  it('is told once, though it goes on for days: from bins to the word that training hears', async () => {
    const step = 3600;
    const policy: AccountPolicy = { ...policyOf(), step, models: ['persistence', 'recent-mean', 'seasonal-naive-day'] };
    const random = createRandom(5);
    const start = 1_760_400_000;
    const quiet = 12 * 24;
    /** Twelve quiet days, then swings five times as wide. */
    const values = Float64Array.from(
      { length: quiet + 6 * 24 },
      (_, k) => 50 + (k < quiet ? 2 : 10) * (random.uniform() - 0.5),
    );
    const models = createModels(fitForecaster);
    const told: string[][] = [];
    const watch = createDriftWatch((_account, _reason, series) => {
      told.push(series);
      return Promise.resolve();
    });
    const since: (number | null)[] = [];
    for (let end = quiet; end <= values.length; end += 6) {
      const at = start + end * step;
      const from = models.wanted('acme', policy, at).since ?? start;
      const bins = values.subarray((from - start) / step, end);
      const series = { start: from, step, values: bins, censored: new Uint8Array(bins.length) };
      const forecast = models.forecast({
        ...{ account: 'acme', policyId: 'p', policy, snapshotId: `s${end}`, at, leadTimes: {}, events: [] },
        bins: [{ workload: 'web', component: 'cpu', series }],
      });
      since.push(forecast.series[0]?.drift?.since ?? null);
      await watch(forecast);
    }
    const first = since.find((one) => one !== null) ?? 0;
    expect(since[0]).toBeNull();
    expect(first).toBeGreaterThanOrEqual(start + quiet * step);
    expect(first).toBeLessThan(start + (quiet + 4 * 24) * step);
    expect(told).toEqual([['acme/web/cpu']]);
  });
});
