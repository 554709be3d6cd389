import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { QuantileForecast } from '../../src/domain/forecast.js';
import { normalCdf, probit } from '../../src/domain/normal.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import { createDependence, FULL, ROWS, type Dependence } from '../../src/forecast/scenarios/dependence.js';
import { unitDraw } from '../../src/forecast/scenarios/draws.js';
import {
  coveringCapacity,
  pathPeaks,
  pathTotals,
  quantilesOf,
  sumQuantiles,
} from '../../src/forecast/scenarios/joint.js';
import { jointLevel } from '../../src/forecast/scenarios/joint-level.js';
import { createReader, scoresOf, transform } from '../../src/forecast/scenarios/marginal.js';
import { samplePaths } from '../../src/forecast/scenarios/paths.js';
import { createShape } from '../../src/forecast/scenarios/shape.js';

const LEVELS = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999];
const SCORES = LEVELS.map(probit);
const STEP = 300;
const STEPS = 24;
/** One standard normal draw; (seed, k) decide it. */
const normal = (seed: number, k: number): number => probit(unitDraw(seed, k, 7));

interface World {
  /** Value of bin k. */
  at(k: number): number;
  /** The true forecast from bin k on. */
  from(k: number): QuantileForecast;
}

/** An autoregressive series around 100 whose every conditional quantile is known; worlds may share their shocks. */
function world(options: { seed: number; carried: number; shared?: { seed: number; part: number } }): World {
  const { seed, carried, shared } = options;
  const values = [0];
  const shock = (k: number): number =>
    shared === undefined
      ? normal(seed, k)
      : Math.sqrt(shared.part) * normal(shared.seed, k) + Math.sqrt(1 - shared.part) * normal(seed, k);
  const state = (k: number): number => {
    while (values.length <= k) values.push(carried * (values.at(-1) ?? 0) + shock(values.length));
    return values[k] ?? 0;
  };
  return {
    at: (k) => 100 + state(k),
    from(k) {
      let variance = 0;
      const quantiles = Array.from({ length: STEPS }, (_, index) => {
        variance = variance * carried ** 2 + 1;
        const spread = Math.sqrt(variance);
        const middle = 100 + state(k) * carried ** (index + 1);
        return SCORES.map((score) => middle + score * spread);
      });
      return { origin: k * STEP, step: STEP, levels: LEVELS, quantiles, weights: {} };
    },
  };
}

const learner = (seed = 1) => createDependence({ step: STEP, steps: STEPS, stride: 3600, seed });

/** What is learnt of a world from so many hourly forecasts. */
function learnt(one: World, rows: number, from = 0): Dependence {
  const dependence = learner();
  for (let k = from; k < from + rows * 12 + STEPS; k++) {
    dependence.observe(k * STEP, one.at(k), false);
    if (dependence.due(k * STEP)) dependence.remember(one.from(k));
  }
  return dependence;
}

const flat = (rows: number, quantiles: readonly number[], levels = LEVELS): QuantileForecast => ({
  origin: 0,
  step: STEP,
  levels: [...levels],
  quantiles: Array.from({ length: rows }, () => [...quantiles]),
  weights: {},
});

describe('the normal distribution', () => {
  test.each([-8, -6, -3, -1, -0.1, 0, 0.1, 1, 3, 5])('function and quantile undo each other at %d', (z) => {
    expect(probit(normalCdf(z))).toBeCloseTo(z, 6);
  });
});

describe('where a bin lies in what was stated', () => {
  const scores = scoresOf([0.1, 0.5, 0.9, 0.99]);
  test.each([
    { name: 'at a level', values: [1, 5, 9, 12], value: 9, share: 0.9 },
    { name: 'between two', values: [1, 5, 9, 12], value: 5 + 4 / 2, share: normalCdf(probit(0.9) / 2) },
    { name: 'in a value that several levels share', values: [0, 0, 9, 12], value: 0, share: 0.25 },
    { name: 'in a constant', values: [4, 4, 4, 4], value: 4, share: 0.5 },
    { name: 'above a constant', values: [4, 4, 4, 4], value: 5, share: 1 },
    { name: 'below a constant', values: [4, 4, 4, 4], value: 3, share: 0 },
  ])('$name', ({ values, value, share }) => {
    expect(transform(scores, values, value, 0.5)).toBeCloseTo(share, 6);
  });

  it('is read back as what it was, tails included', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.1, max: 10, noNaN: true }), { minLength: 4, maxLength: 4 }),
        fc.double({ min: -2.5, max: 3.5, noNaN: true }),
        (steps, score) => {
          let sum = 20;
          const values = steps.map((step) => (sum += step));
          const out = new Float64Array(1);
          createReader(scores, Float64Array.of(score))(values, out);
          if ((out[0] ?? 0) > 0) {
            expect(transform(scores, values, out[0] ?? 0, 0.5)).toBeCloseTo(normalCdf(score), 5);
          }
        },
      ),
    );
  });
});

describe('sample paths', () => {
  it('have exactly the stated quantiles in every bin, however they hang together', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.5, max: 50, noNaN: true }), { minLength: 9, maxLength: 9 }),
        fc.integer({ min: 700, max: 3000 }),
        (jumps, paths) => {
          let sum = 5;
          const quantiles = jumps.map((jump) => (sum += jump));
          const { values } = samplePaths([{ forecast: flat(3, quantiles), dependence: null }], { paths, seed: 3 });
          LEVELS.forEach((level, j) => {
            const below = values[0]?.slice(0, paths).filter((value) => value <= (quantiles[j] ?? 0) * (1 + 1e-7));
            expect(Math.abs((below?.length ?? 0) - level * paths)).toBeLessThanOrEqual(2);
          });
        },
      ),
      { numRuns: 30 },
    );
  });

  it('cover a sum over two hours as often as they say, where independent or lock-step bins would not', () => {
    const one = world({ seed: 5, carried: 0.5 });
    const dependence = learnt(one, ROWS);
    const levels = [0.5, 0.8, 0.9, 0.99];
    const hits = levels.map(() => 0);
    const lockstep = levels.map(() => 0);
    const alone = levels.map(() => 0);
    const origins = 300;
    for (let k = 0; k < origins; k++) {
      const origin = 10_000 + k * STEPS;
      const forecast = one.from(origin);
      const scenarios = samplePaths([{ forecast, dependence }], { paths: 600, seed: 1 });
      const totals = quantilesOf(pathTotals(scenarios), levels);
      const actual = Array.from({ length: STEPS }, (_, t) => one.at(origin + t + 1)).reduce((a, b) => a + b, 0);
      const middle = forecast.quantiles.reduce((sum, row) => sum + (row[3] ?? 0), 0);
      const spreads = forecast.quantiles.map((row) => ((row[5] ?? 0) - (row[3] ?? 0)) / probit(0.9));
      levels.forEach((level, j) => {
        if (actual <= (totals[j] ?? 0)) hits[j] = (hits[j] ?? 0) + 1;
        const z = probit(level);
        if (actual <= middle + z * spreads.reduce((a, b) => a + b, 0)) lockstep[j] = (lockstep[j] ?? 0) + 1;
        if (actual <= middle + z * Math.hypot(...spreads)) alone[j] = (alone[j] ?? 0) + 1;
      });
    }
    levels.forEach((level, j) => {
      const tolerance = 3.5 * Math.sqrt((level * (1 - level)) / origins) + 0.004;
      expect(Math.abs((hits[j] ?? 0) / origins - level), `at ${level}`).toBeLessThan(tolerance);
    });
    // The two short cuts, at 0.9: one asks for too much, the other for too little.
    expect((lockstep[2] ?? 0) / origins).toBeGreaterThan(0.92);
    expect((alone[2] ?? 0) / origins).toBeLessThan(0.84);
  });

  it('keep two workloads that rise together together', () => {
    const shared = { seed: 77, part: 0.9 };
    const series = [1, 2].map((seed) => world({ seed, carried: 0.8, shared }));
    const dependence = series.map((one) => learnt(one, ROWS));
    let hits = 0;
    let apart = 0;
    const origins = 300;
    for (let k = 0; k < origins; k++) {
      const origin = 10_000 + k * STEPS;
      const forecasts = series.map((one) => one.from(origin));
      const actual = series.reduce((sum, one) => sum + one.at(origin + 6), 0);
      const together = samplePaths(
        forecasts.map((forecast, s) => ({ forecast, dependence: dependence[s] ?? null })),
        { paths: 600, seed: 1 },
      );
      if (actual <= (sumQuantiles(together, [0.9])[5]?.[0] ?? 0)) hits++;
      const row = forecasts.map((forecast) => forecast.quantiles[5] ?? []);
      const spread = row.map((values) => (values[5] ?? 0) - (values[3] ?? 0));
      if (actual <= row.reduce((sum, values) => sum + (values[3] ?? 0), 0) + Math.hypot(...spread)) apart++;
    }
    expect(Math.abs(hits / origins - 0.9)).toBeLessThan(0.055);
    // As if they were independent, it would have held far less often.
    expect(apart / origins).toBeLessThan(hits / origins - 0.04);
  });

  it('of a young series are spread wider than independent bins: a guess errs to the wide side', () => {
    const scenarios = samplePaths(
      [
        {
          forecast: flat(
            STEPS,
            LEVELS.map((p) => 100 + probit(p)),
          ),
          dependence: null,
        },
      ],
      {
        paths: 1024,
        seed: 1,
      },
    );
    const [low, high] = quantilesOf(pathTotals(scenarios), [0.05, 0.95]);
    expect((high ?? 0) - (low ?? 0)).toBeGreaterThan(2 * 2 * 1.645 * Math.sqrt(STEPS));
  });

  it('are the same for the same seed', () => {
    const one = world({ seed: 5, carried: 0.9 });
    const draw = () =>
      samplePaths([{ forecast: one.from(9000), dependence: learnt(one, 80) }], { paths: 700, seed: 4 });
    expect(draw().values).toEqual(draw().values);
  });

  it('never go below zero, nor astray where all that is stated is one value', () => {
    const forecast = flat(
      4,
      LEVELS.map((p) => Math.max(0, probit(p))),
    );
    const { values } = samplePaths(
      [
        { forecast, dependence: null },
        {
          forecast: flat(
            4,
            LEVELS.map(() => 3),
          ),
          dependence: null,
        },
      ],
      {
        paths: 500,
        seed: 1,
      },
    );
    expect(values[0]?.every((value) => value >= 0 && Number.isFinite(value))).toBe(true);
    expect(values[1]?.every((value) => value === 3)).toBe(true);
  });

  it.each([
    { name: 'no series', series: [], paths: 10 },
    { name: 'no paths', series: [{ forecast: flat(2, LEVELS), dependence: null }], paths: 0 },
    {
      name: 'two origins',
      series: [flat(2, LEVELS), { ...flat(2, LEVELS), origin: 300 }].map((forecast) => ({
        forecast,
        dependence: null,
      })),
      paths: 10,
    },
    { name: 'a single level', series: [{ forecast: flat(2, [1], [0.5]), dependence: null }], paths: 10 },
  ])('are refused for $name, with what to give instead', ({ series, paths }) => {
    expect(() => samplePaths(series, { paths, seed: 1 })).toThrow(/forecast\/scenarios/);
  });
});

describe('capacity over a window', () => {
  const one = world({ seed: 9, carried: 0.9 });
  const dependence = learnt(one, 200);
  const scenarios = samplePaths([{ forecast: one.from(8000), dependence }], { paths: 1000, seed: 1 });

  test.each([0.5, 0.9, 0.99, 0.999])('covers a share %d of the scenarios, and no capacity below it does', (share) => {
    const capacity = coveringCapacity(scenarios, share);
    const peaks = pathPeaks(scenarios);
    expect(peaks.filter((peak) => peak <= capacity).length).toBeGreaterThanOrEqual(share * 1000);
    expect(peaks.filter((peak) => peak < capacity).length).toBeLessThan(share * 1000);
  });

  it('lies between what one bin and what the sum of all risks would ask for', () => {
    const last = one.from(8000).quantiles.at(-1) ?? [];
    const capacity = coveringCapacity(scenarios, 0.99);
    expect(capacity).toBeGreaterThan(last[7] ?? 0);
    expect(capacity).toBeLessThan((last[8] ?? 0) * 1.05);
  });
});

describe('the level of a bin for a window', () => {
  const rowsOf = (share: (row: number, t: number) => number, rows: number): Dependence => {
    const dependence = learner();
    const uniform = LEVELS.map((p) => 100 + probit(p));
    for (let r = 0; r < rows; r++) {
      const origin = r * 7200;
      dependence.remember({ ...flat(STEPS, uniform), origin });
      for (let t = 0; t < STEPS; t++) {
        dependence.observe(origin + (t + 1) * STEP, 100 + probit(share(r, t)), false);
      }
    }
    return dependence;
  };
  test.each([
    {
      name: 'independent bins: nearly the nth part of the misses',
      share: (r: number, t: number) => unitDraw(1, r, t),
      from: 0.9985,
      to: 0.9998,
    },
    { name: 'bins in lock-step: the level itself', share: (r: number) => unitDraw(1, r, 0), from: 0.99, to: 0.9912 },
    {
      name: 'pairs of bins: half as many chances to miss',
      share: (r: number, t: number) => unitDraw(1, r, t >> 3),
      from: 0.994,
      to: 0.9985,
    },
  ])('$name', ({ share, from, to }) => {
    const { binLevel, rows } = jointLevel(rowsOf(share, 500), STEPS, 0.99);
    expect(rows).toBe(500);
    expect(binLevel).toBeGreaterThanOrEqual(from);
    expect(binLevel).toBeLessThanOrEqual(to);
  });

  test.each([
    { name: 'nothing was learnt', dependence: undefined, bins: 12, is: 1 - 0.01 / 12 },
    { name: 'too little was learnt', dependence: rowsOf(() => 0.5, 20), bins: 12, is: 1 - 0.01 / 12 },
    { name: 'the window is one bin', dependence: rowsOf(() => 0.5, 100), bins: 1, is: 0.99 },
  ])('is the safe one where $name', ({ dependence, bins, is }) => {
    expect(jointLevel(dependence, bins, 0.99)).toEqual({ binLevel: is, rows: 0 });
  });

  it('asks for more over a longer window and a higher level', () => {
    const dependence = rowsOf((r, t) => unitDraw(1, r, t >> 3), 400);
    const at = (bins: number, level: number) => jointLevel(dependence, bins, level).binLevel;
    expect(at(24, 0.99)).toBeGreaterThan(at(6, 0.99));
    expect(at(96, 0.99)).toBeGreaterThan(at(24, 0.99));
    expect(at(24, 0.999)).toBeGreaterThan(at(24, 0.99));
    expect(at(24, 0.999)).toBeLessThan(1);
  });
});

describe('what is learnt of a series', () => {
  it('is bounded: the newest rows stay', () => {
    const dependence = learnt(world({ seed: 5, carried: 0.9 }), ROWS + 30);
    const origins = dependence.origins;
    expect(origins).toHaveLength(ROWS);
    expect(origins).toEqual([...origins].sort((a, b) => a - b));
    // Origins of the first hours have made room.
    expect(origins[0]).toBe(30 * 3600);
  });

  it('goes through missing bins: a few are bridged, a row with half of them is left out', () => {
    const one = world({ seed: 5, carried: 0.9 });
    const dependence = learner();
    for (let k = 0; k < 100; k++) {
      const missing = (k >= 3 && k < 6) || (k > 30 && k < 50);
      dependence.observe(k * STEP, missing ? Number.NaN : one.at(k), false);
      if (dependence.due(k * STEP)) dependence.remember(one.from(k));
    }
    expect(dependence.origins).toContain(0);
    const row = dependence.shares.subarray(0, STEPS);
    expect(row.every((share) => share > 0)).toBe(true);
    expect(row[3]).toBe(row[1]);
    expect(dependence.origins).not.toContain(24 * STEP);
  });

  it('of a bin at its limit is only that demand lay above', () => {
    const dependence = learner();
    dependence.remember(
      flat(
        STEPS,
        LEVELS.map((p) => 100 + probit(p)),
      ),
    );
    for (let t = 1; t <= STEPS; t++) dependence.observe(t * STEP, 100, true);
    const row = Array.from(dependence.shares.subarray(0, STEPS), (share) => share / FULL);
    expect(Math.min(...row)).toBeGreaterThanOrEqual(0.499);
    expect(Math.max(...row)).toBeGreaterThan(0.8);
  });

  it('comes with a fit that is asked for it, and with no other', () => {
    const values = Float64Array.from({ length: 2016 }, (_, k) => 10 + 3 * Math.sin(k / 46) + unitDraw(3, k, 1));
    const series = { start: 0, step: STEP, values, censored: new Uint8Array(values.length) };
    const options = { timeZone: 'UTC', levels: [0.5, 0.99], level: 0.99, leadSteps: 3, horizon: 12 };
    const fitted = fitForecaster(series, { ...options, scenarios: { steps: 12 } });
    expect(fitted.dependence?.origins.length).toBeGreaterThan(150);
    expect(fitForecaster(series, options).dependence).toBeUndefined();
    // To learn it changes nothing of the forecast.
    expect(fitted.forecast(12, [0.5, 0.99])).toEqual(fitForecaster(series, options).forecast(12, [0.5, 0.99]));
  });
});

describe('the shape between levels', () => {
  it('keeps the levels and moves what lies between to where bins fell', () => {
    const shape = createShape();
    // Between 0.9 and 0.99 every bin fell just above 0.9.
    for (let k = 0; k < 5000; k++) {
      const share = unitDraw(1, k, 0);
      shape.observe(share > 0.9 && share < 0.99 ? probit(0.9 + (share - 0.9) / 100) : probit(share));
    }
    const levels = scoresOf([0.1, 0.5, 0.9, 0.99]);
    const at = scoresOf([0.05, 0.1, 0.5, 0.9, 0.95, 0.98, 0.99]);
    const out = new Float64Array(at.length);
    shape.bend(levels, at, at.map(normalCdf), out);
    [1, 2, 3, 6].forEach((k) => expect(out[k]).toBeCloseTo(at[k] ?? 0, 1));
    expect(normalCdf(out[4] ?? 0)).toBeLessThan(0.91);
    expect(normalCdf(out[5] ?? 0)).toBeLessThan(0.93);
    expect([...out]).toEqual([...out].sort((a, b) => a - b));
  });
});
