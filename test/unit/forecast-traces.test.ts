import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { binLabel, sliceSeries } from '../../src/domain/series.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import { readCsvSeries } from '../../src/telemetry/csv.js';

/*
 * What a user loses when this fails: a 99 % that is not one. Real series, forecast bin by bin three steps ahead over
 * the last 30 %; each may be off by luck, together they may not.
 */
const traces = fileURLToPath(new URL('../../../shared/traces/', import.meta.url));
const skip = existsSync(traces) ? false : 'the traces are not beside the checkout (../shared/traces)';

const CASES = [
  { path: 'bitbrains_rnd/vm220.csv', column: 'cpu', step: 300 },
  { path: 'nab/ec2_cpu_77c1ca.csv', column: 'value', step: 300 },
  { path: 'nab/nyc_taxi.csv', column: 'value', step: 1800 },
];
const LEVELS = [0.5, 0.9, 0.99];
const AHEAD = 3;

describe('coverage on real series', () => {
  if (skip !== false) {
    it.skip(`skipped: ${skip}`, () => undefined);
    return;
  }
  it('holds at 0.5, 0.9 and 0.99, three steps ahead', async () => {
    const hits = LEVELS.map(() => 0);
    let scored = 0;
    for (const { path, column, step } of CASES) {
      const whole = await readCsvSeries(`${traces}${path}`, { column, step });
      const series = sliceSeries(whole, whole.values.length - 6000, whole.values.length);
      const from = Math.floor(0.7 * series.values.length);
      const fitted = fitForecaster(sliceSeries(series, 0, from), {
        timeZone: 'UTC',
        levels: LEVELS,
        level: 0.99,
        leadSteps: AHEAD,
        horizon: AHEAD,
      });
      for (let origin = from - 1; origin + AHEAD < series.values.length; origin++) {
        if (origin >= from) fitted.observe(binLabel(series, origin), series.values[origin] ?? Number.NaN, false);
        const actual = series.values[origin + AHEAD] ?? Number.NaN;
        if (Number.isNaN(actual)) continue;
        scored++;
        fitted.forecast(AHEAD, LEVELS).quantiles[AHEAD - 1]?.forEach((value, j) => {
          if (actual <= value) hits[j] = (hits[j] ?? 0) + 1;
        });
      }
    }
    LEVELS.forEach((level, j) => {
      const coverage = (hits[j] ?? 0) / scored;
      const allowed = level === 0.99 ? 0.006 : 0.03;
      expect(Math.abs(coverage - level), `coverage at ${level}: ${coverage} of ${scored}`).toBeLessThan(allowed);
    });
  });
});
