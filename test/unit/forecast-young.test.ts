import { describe, expect, it } from 'vitest';
import { fitForecaster } from '../../src/forecast/forecaster.js';

const LEVELS = [0.1, 0.5, 0.9, 0.99];
const DAY = 288;

/** Widths between 10 % and 99 % over the value, by step ahead; and all rows. */
function forecastConstant(bins: number): { width: (ahead: number) => number; rows: number[][] } {
  const series = {
    start: 1_780_000_200,
    step: 300,
    values: new Float64Array(bins).fill(5),
    censored: new Uint8Array(bins),
  };
  const fitted = fitForecaster(series, { timeZone: 'UTC', levels: LEVELS, level: 0.99, leadSteps: 3, horizon: DAY });
  const rows = fitted.forecast(DAY, LEVELS).quantiles;
  return { rows, width: (ahead) => ((rows[ahead - 1]?.[3] ?? 0) - (rows[ahead - 1]?.[0] ?? 0)) / 5 };
}

describe('a value that has not changed yet: nobody plans on a certainty that three readings cannot give', () => {
  it.each([
    { bins: 2, near: 1 },
    { bins: 3, near: 0.5 },
    { bins: 12, near: 0.1 },
    { bins: 48, near: 0.01 },
  ])('$bins equal readings: wide at once, and no less wide further ahead', ({ bins, near }) => {
    const { rows, width } = forecastConstant(bins);
    expect(width(1)).toBeGreaterThan(near);
    for (let ahead = 2; ahead <= DAY; ahead++) expect(width(ahead)).toBeGreaterThanOrEqual(width(ahead - 1) - 1e-6);
    for (const row of rows) expect(row[1]).toBeCloseTo(5, 6);
  });

  it('gets surer with every reading', () => {
    const widths = [2, 3, 6, 12, 24, 48, 96, DAY].map((bins) => forecastConstant(bins).width(1));
    expect([...widths].sort((a, b) => b - a)).toEqual(widths);
  });

  it('a week of it is a constant, at every step: a model that has just woken up widens nothing', () => {
    const { width } = forecastConstant(7 * DAY);
    for (let ahead = 1; ahead <= DAY; ahead++) expect(width(ahead)).toBeLessThan(0.01);
  });
});
