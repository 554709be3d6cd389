import { describe, expect, it } from 'vitest';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import type { FittedForecaster } from '../../src/forecast/port.js';
import { coveringCapacity, pathTotals, quantilesOf } from '../../src/forecast/scenarios/joint.js';
import { samplePaths, type Scenarios } from '../../src/forecast/scenarios/paths.js';

/*
 * What looks wild is a spike or a new level, and not a new level at five past and a spike at ten past: capacity for two
 * hours that was summed up from paths which jump to and fro is too little for the one and too much for the other.
 */

const STEP = 300;
const DAY = 288;
const STEPS = 12;
const PATHS = 2048;
const LEVELS = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999];
const usual = (k: number): number => 10 + 2 * Math.sin((2 * Math.PI * k) / DAY) + 0.3 * Math.sin(k * 12.9898);
const JUMP = 90;

/** Four quiet days, then so many bins far above. */
function after(wild: number): FittedForecaster {
  const count = 4 * DAY + wild;
  const values = Float64Array.from({ length: count }, (_, k) => usual(k) + (k >= 4 * DAY ? JUMP : 0));
  return fitForecaster(
    { start: 0, step: STEP, values, censored: new Uint8Array(count) },
    { timeZone: 'UTC', levels: [0.5, 0.99], level: 0.99, leadSteps: 3, horizon: STEPS, scenarios: { steps: STEPS } },
  );
}
function drawn(fitted: FittedForecaster, series = 1): Scenarios {
  const one = {
    forecast: fitted.forecast(STEPS, LEVELS),
    dependence: fitted.dependence ?? null,
    ways: fitted.ways?.(STEPS, LEVELS) ?? null,
  };
  return samplePaths(
    Array.from({ length: series }, () => one),
    { paths: PATHS, seed: 1 },
  );
}
/** By path, in which bins demand is up there. */
const upOf = ({ values }: Scenarios, path: number, series = 0): boolean[] =>
  Array.from({ length: STEPS }, (_, t) => (values[series]?.[t * PATHS + path] ?? 0) > JUMP / 2);
const pathsOf = Array.from({ length: PATHS }, (_, p) => p);

describe('paths after a wild value', () => {
  it('go one way each: as many as are stated to stay up there, in every bin, and the others in none', () => {
    const fitted = after(1);
    const paths = drawn(fitted);
    const stays = pathsOf.filter((p) => upOf(paths, p).every(Boolean));
    const goes = pathsOf.filter((p) => !upOf(paths, p).some(Boolean));
    expect(stays.length + goes.length).toBe(PATHS);
    expect(stays.length / PATHS).toBeCloseTo(fitted.ways?.(STEPS, LEVELS)?.shares[0] ?? 0, 2);
    expect(stays.length).toBeGreaterThan(0.1 * PATHS);
  });

  it('have bin by bin the quantiles that are stated', () => {
    const fitted = after(1);
    const paths = drawn(fitted);
    const stated = fitted.forecast(STEPS, [0.1, 0.5, 0.9, 0.99]).quantiles;
    for (const t of [0, 5, 11]) {
      const seen = quantilesOf(pathTotals(paths, { from: t, to: t + 1 }), [0.1, 0.5, 0.9, 0.99]);
      seen.forEach((value, k) => expect(Math.abs(value / (stated[t]?.[k] ?? 0) - 1)).toBeLessThan(0.1));
    }
  });

  it('sum up to less than both ways at once, and to no less than the spike’s way', () => {
    const fitted = after(1);
    const totals = pathTotals(drawn(fitted)).sort();
    // A total is near one way or near the other; between them there is nothing.
    const between = totals.filter((total) => total > STEPS * 30 && total < STEPS * 70);
    expect(between.length).toBe(0);
    expect(coveringCapacity(drawn(fitted), 0.99)).toBeGreaterThan(JUMP);
  });

  it('of several series that are suspected at once go the same way', () => {
    const paths = drawn(after(1), 2);
    for (const p of pathsOf) expect(upOf(paths, p, 1)).toEqual(upOf(paths, p, 0));
  });

  it('leave a young level at some bin, and do not come back to it', () => {
    const paths = drawn(after(8));
    const crossings = pathsOf.map((p) => {
      const up = upOf(paths, p);
      return {
        first: up[0],
        ups: up.filter((one, t) => one && t > 0 && up[t - 1] === false).length,
        last: up[STEPS - 1],
      };
    });
    expect(crossings.every(({ ups }) => ups === 0)).toBe(true);
    const left = crossings.filter(({ first, last }) => first === true && last === false).length;
    expect(left).toBeGreaterThan(0.02 * PATHS);
    expect(left).toBeLessThan(0.6 * PATHS);
  });

  it('are what they were where nothing is suspected', () => {
    const fitted = after(0);
    expect(fitted.ways?.(STEPS, LEVELS)).toBeNull();
    const one = { forecast: fitted.forecast(STEPS, LEVELS), dependence: fitted.dependence ?? null };
    expect(drawn(fitted)).toEqual(samplePaths([one], { paths: PATHS, seed: 1 }));
  });
});
