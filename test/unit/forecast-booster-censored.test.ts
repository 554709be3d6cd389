import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createGlobalBooster,
  loadGlobalBooster,
  standardised,
  trainGlobalBooster,
} from '../../src/forecast/booster/global-booster.js';
import { fitLocationScale } from '../../src/forecast/booster/location-scale.js';
import { boundedQuantileOf } from '../../src/forecast/booster/order-statistic.js';
import { BOOSTER_DEFAULTS, trainBooster, type TrainingRows } from '../../src/forecast/booster/train.js';
import { sampleRows } from '../../src/forecast/booster/training-rows.js';
import { calendarOf } from '../../src/forecast/calendar.js';
import type { GlobalModel } from '../../src/forecast/global.js';
import { cutSeries, describeSeries, partOf } from '../../src/models/collect.js';

/* What a user loses when this fails: a model that was never told of peaks, since all of them were throttled. */

const STEP = 1800;
const DAY = 48;
const START = Date.parse('2026-01-05T00:00:00Z') / 1000;
const SPLIT = 28 * DAY;
const LEVELS = [0.1, 0.5, 0.9, 0.95, 0.99];
const noise = (k: number, salt: number): number => {
  const x = Math.sin((k + 1) * 12.9898 + salt * 78.233) * 43_758.5453;
  return 2 * (x - Math.floor(x)) - 1;
};
const pinball = (value: number, quantile: number, level: number): number =>
  (value > quantile ? level : level - 1) * (value - quantile);

/** Forty days whose peaks differ, cut at their 80th percentile. */
const services = [1, 2, 3].map((salt) => {
  const demand = Float64Array.from({ length: 40 * DAY }, (_, k) => {
    const day = (20 + 10 * Math.sin((2 * Math.PI * k) / DAY)) * (1 + 0.15 * noise(Math.floor(k / DAY), salt));
    return day + noise(k, salt);
  });
  const limit = demand.slice().sort()[Math.floor(0.8 * demand.length)] ?? 0;
  return {
    demand,
    limit,
    seen: demand.map((value) => Math.min(value, limit)),
    censored: Uint8Array.from(demand, (value) => (value >= limit ? 1 : 0)),
  };
});
const training = services.map(({ seen, censored }) => ({
  start: START,
  step: STEP,
  values: seen.slice(0, SPLIT),
  censored: censored.slice(0, SPLIT),
  timeZone: 'UTC',
}));
const TREES = { rounds: 60, leaves: 15, minLeaf: 40 };
const ROWS = 5000;

/** As it was before bounds could be learnt from. */
function withoutThem(): GlobalModel {
  const rows = sampleRows(training, { from: 0, to: 1 }, { rows: ROWS, aheads: 4, young: 0.15, seed: 1 });
  const straight = fitLocationScale(rows.values, rows.targets, rows.count);
  const booster = trainBooster(standardised(rows, straight), { ...BOOSTER_DEFAULTS, ...TREES, levels: LEVELS });
  return createGlobalBooster({ method: 'boosting', booster, steps: [], ...straight });
}

/** Mean pinball loss of what was truly wanted, on the last twelve days. */
function lossOf(model: GlobalModel): { all: number; throttled: number } {
  const aheads = [1, 4, 12, 24, 48];
  const sums = { all: 0, throttled: 0 };
  const counts = { all: 0, throttled: 0 };
  for (const { demand, seen, limit } of services) {
    const history = Float32Array.from(seen);
    const origins = Array.from({ length: 60 }, (_, k) => SPLIT + 8 * k);
    const requests = origins.map((origin) => ({
      values: history.subarray(0, origin + 1),
      origin: START + origin * STEP,
      step: STEP,
      calendar: calendarOf('UTC'),
    }));
    const said = model.predict(requests, aheads);
    origins.forEach((origin, r) => {
      aheads.forEach((ahead, a) => {
        const truth = demand[origin + ahead] ?? 0;
        LEVELS.forEach((level, l) => {
          const loss = pinball(truth, said[(r * aheads.length + a) * LEVELS.length + l] ?? 0, level);
          sums.all += loss;
          counts.all++;
          if (truth < limit) return;
          sums.throttled += loss;
          counts.throttled++;
        });
      });
    });
  }
  return { all: sums.all / counts.all, throttled: sums.throttled / counts.throttled };
}

describe('bins that are lower bounds, as targets', () => {
  const bytes = trainGlobalBooster(training, { levels: LEVELS, rows: ROWS, trees: TREES, validation: 0 });

  it('teach of the peaks that leaving them out hides', () => {
    const told = lossOf(loadGlobalBooster(bytes));
    const untold = lossOf(withoutThem());

    expect(told.all / untold.all).toBeLessThan(0.95);
    expect(told.throttled / untold.throttled).toBeLessThan(0.85);
  });

  it('the same rows and seed give the same bytes', () => {
    expect(trainGlobalBooster(training, { levels: LEVELS, rows: ROWS, trees: TREES, validation: 0 })).toEqual(bytes);
  });
});

describe('a fit on rows of which some are bounds', () => {
  const rowsOf = (bounds?: Uint8Array): TrainingRows => {
    const count = 600;
    const values = Float32Array.from({ length: count }, (_, k) => k / count);
    const target = values.map((value, k) => Math.min(0.7, value + 0.05 * noise(k, 1)));
    return { matrix: { rows: count, columns: 1, values }, target, ...(bounds === undefined ? {} : { bounds }) };
  };
  const options = { ...BOOSTER_DEFAULTS, levels: [0.1, 0.5, 0.9], rounds: 60, leaves: 7, minLeaf: 20, rowShare: 1 };

  it.each(['turns', 'sum'] as const)('%s: no bound among them changes nothing, bit for bit', (structure) => {
    const fits = [undefined, new Uint8Array(600)].map((bounds) =>
      trainBooster(rowsOf(bounds), { ...options, structure }),
    );
    expect(fits[1]?.steps.length).toBeGreaterThan(0);
    expect(fits[1]).toEqual(fits[0]);
  });

  it.each(['turns', 'sum'] as const)('%s: a covered bound pulls nothing down', (structure) => {
    const { target } = rowsOf();
    // Half of the rows beyond the cut say that they were at least next to nothing.
    const bounds = Uint8Array.from(target, (_, k) => (k > 300 && k % 2 === 0 ? 1 : 0));
    const lowered = { ...rowsOf(bounds), target: target.map((value, k) => (bounds[k] === 1 ? 0.01 : value)) };
    const fitted = trainBooster(lowered, { ...options, structure });
    const blind = trainBooster({ matrix: lowered.matrix, target: lowered.target }, { ...options, structure });
    const middle = (booster: typeof fitted): number => booster.base[1] ?? 0;
    expect(middle(fitted)).toBeGreaterThan(middle(blind));
  });

  it('refuses bounds that are not one a row', () => {
    expect(() => trainBooster(rowsOf(new Uint8Array(3)), options)).toThrow(/3 bounds/);
  });
});

describe('the cheapest value among known ones and lower bounds', () => {
  const cost = (s: number, rows: readonly [number, boolean][], level: number): number =>
    rows.reduce((sum, [value, isBound]) => sum + (isBound && value <= s ? 0 : pinball(value, s, level)), 0);

  it('costs no more than any other', () => {
    const row = fc.tuple(fc.integer({ min: -20, max: 20 }), fc.boolean());
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1, maxLength: 30 }),
        fc.constantFrom(0.05, 0.5, 0.9, 0.99),
        (rows, level) => {
          const values = Float32Array.from(rows, ([value]) => value);
          const isBound = Uint8Array.from(rows, ([, bound]) => (bound ? 1 : 0));
          const found = cost(boundedQuantileOf(values, isBound, rows.length, level), rows, level);
          for (const [value] of rows) expect(found).toBeLessThanOrEqual(cost(value, rows, level) + 1e-6);
        },
      ),
    );
  });
});

describe('throttled bins of a series that is trained on for all accounts', () => {
  const whole = {
    ...{ id: 'a', start: START, step: STEP, timeZone: 'UTC' },
    values: Float32Array.from({ length: 20 * DAY }, (_, k) => k),
    censored: Uint8Array.from({ length: 20 * DAY }, (_, k) => (k % 7 === 0 ? 1 : 0)),
  };

  it('stay with their values wherever it is cut', () => {
    const to = START + 15 * DAY * STEP;
    for (const part of [...cutSeries([whole], to), partOf(whole, 100, 300), partOf(whole, 3)]) {
      expect(part.censored).toHaveLength(part.values.length);
      part.values.forEach((value, k) => expect(part.censored?.[k]).toBe(value % 7 === 0 ? 1 : 0));
    }
    expect(partOf(whole, 100).start).toBe(START + 100 * STEP);
  });

  it('are part of what a card vouches for; where there are none the hash is what it was', () => {
    const { censored, ...bare } = whole;
    const none = { ...bare, censored: new Uint8Array(censored.length) };
    expect(describeSeries([whole]).hash).not.toBe(describeSeries([bare]).hash);
    expect(describeSeries([none]).hash).toBe(describeSeries([bare]).hash);
  });
});
