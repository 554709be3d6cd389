import { describe, expect, it } from 'vitest';
import { createDriftWatch } from '../../activities/drift.js';
import type { AccountForecast } from '../../src/domain/forecast.js';

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
