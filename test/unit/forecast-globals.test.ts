import { describe, expect, it } from 'vitest';
import type { Series } from '../../src/domain/series.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import type { GlobalModel, GlobalRequest } from '../../src/forecast/global.js';
import type { FitOptions } from '../../src/forecast/port.js';

const LEVELS = [0.1, 0.5, 0.9, 0.99];
const OPTIONS: FitOptions = { timeZone: 'UTC', levels: LEVELS, level: 0.99, leadSteps: 3, horizon: 36 };
const START = Date.parse('2026-01-05T00:00:00Z') / 1000;
const STEP = 300;

/** Reproducible noise in (−1, 1). */
const noise = (k: number, salt = 0): number => {
  const x = Math.sin((k + 1) * 12.9898 + salt * 78.233) * 43_758.5453;
  return 2 * (x - Math.floor(x)) - 1;
};
const seriesOf = (count: number, value: (k: number) => number): Series => ({
  start: START,
  step: STEP,
  values: Float64Array.from({ length: count }, (_, k) => value(k)),
  censored: new Uint8Array(count),
});
const indexOf = (label: number): number => Math.round((label - START) / STEP);

/** What no model of one series can know: each half hour's load is drawn afresh. */
const drawn = (k: number): number => 10 + 6 * noise(Math.floor(k / 6), 7) + 0.4 * noise(k, 1);
const middleOf = (k: number): number => 10 + 6 * noise(Math.floor(k / 6), 7);

/** A global model made of a function from target's index to its quantiles. */
const globalOf = (
  name: string,
  quantiles: (target: number, request: GlobalRequest) => readonly [number, number, number],
  seen: GlobalRequest[] = [],
): GlobalModel => ({
  name,
  levels: [0.1, 0.5, 0.9],
  context: 48,
  predict(requests, aheads) {
    seen.push(...requests);
    const rows = requests.flatMap((request) =>
      aheads.flatMap((ahead) => quantiles(indexOf(request.origin) + ahead, request)),
    );
    return Float32Array.from(rows);
  },
});
const knowing = globalOf('knowing', (k) => [middleOf(k) - 0.32, middleOf(k), middleOf(k) + 0.32]);

/** Mean pinball loss of the rows 12 bins ahead, over `count` bins bin by bin, and the last weights. */
function roll(globals: readonly GlobalModel[], count = 400, horizon = 12) {
  const fitted = fitForecaster(seriesOf(1400, drawn), { ...OPTIONS, globals });
  let loss = 0;
  const hits = LEVELS.map(() => 0);
  for (let k = 1400; k < 1400 + count; k++) {
    const row = fitted.forecast(horizon, LEVELS).quantiles[horizon - 1] ?? [];
    const actual = drawn(k + horizon - 1);
    row.forEach((value, j) => {
      const level = LEVELS[j] ?? 0.5;
      loss += (actual > value ? level : level - 1) * (actual - value);
      if (actual <= value) hits[j] = (hits[j] ?? 0) + 1;
    });
    fitted.observe(START + k * STEP, drawn(k), false);
  }
  return { loss: loss / count, hits: hits.map((n) => n / count), weights: fitted.forecast(1, LEVELS).weights };
}

describe('a global model in the ensemble', () => {
  const alone = roll([]);

  it('that knows more than the others gets the weight, and the loss falls', () => {
    const joined = roll([knowing]);
    expect(joined.loss).toBeLessThan(0.35 * alone.loss);
    expect(joined.weights['knowing']).toBeGreaterThan(0.5);
    expect(Object.values(joined.weights).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
  });

  it('that states widths of nothing is widened to what its errors are', () => {
    const sure = globalOf('sure', (k) => [middleOf(k) - 1e-3, middleOf(k), middleOf(k) + 1e-3]);
    const joined = roll([sure]);
    expect(joined.loss).toBeLessThan(0.5 * alone.loss);
    LEVELS.forEach((level, j) => {
      expect(Math.abs((joined.hits[j] ?? 0) - level), `coverage at ${level}`).toBeLessThan(level > 0.95 ? 0.03 : 0.08);
    });
  });

  it.each([
    { name: 'far too high', model: globalOf('wrong', () => [900, 1000, 1100]) },
    { name: 'always zero', model: globalOf('wrong', () => [0, 0, 0]) },
    { name: 'without an answer', model: globalOf('wrong', () => [Number.NaN, Number.NaN, Number.NaN]) },
    { name: 'infinite', model: globalOf('wrong', () => [0, 1, Infinity]) },
  ])('that is $name costs nothing', ({ model }) => {
    const joined = roll([model]);
    expect(joined.loss).toBeLessThan(1.02 * alone.loss);
    expect(joined.weights['wrong']).toBeLessThan(0.1);
  });

  it('is never shown a bin after its origin, and no more than its context', () => {
    const seen: GlobalRequest[] = [];
    const model = globalOf('watched', (k) => [middleOf(k) - 1, middleOf(k), middleOf(k) + 1], seen);
    const fitted = fitForecaster(seriesOf(1200, drawn), { ...OPTIONS, globals: [model] });
    fitted.observe(START + 1200 * STEP, drawn(1200), false);
    fitted.forecast(36, LEVELS);
    expect(seen.length).toBeGreaterThan(1000);
    for (const { values, origin } of seen) {
      const last = indexOf(origin);
      expect(values.length).toBeLessThanOrEqual(48);
      for (let k = 0; k < values.length; k++) {
        expect(values[values.length - 1 - k]).toBe(Math.fround(drawn(last - k)));
      }
    }
  });

  it('sees a missing bin as missing', () => {
    const seen: GlobalRequest[] = [];
    const model = globalOf('watched', (k) => [middleOf(k) - 1, middleOf(k), middleOf(k) + 1], seen);
    const fitted = fitForecaster(
      seriesOf(1200, (k) => (k === 1190 ? Number.NaN : drawn(k))),
      { ...OPTIONS, globals: [model] },
    );
    fitted.observe(START + 1200 * STEP, Number.NaN, false);
    const { quantiles } = fitted.forecast(36, LEVELS);
    expect(quantiles.flat().every(Number.isFinite)).toBe(true);
    const values = seen.at(-1)?.values ?? new Float32Array();
    expect(values.at(-1)).toBeNaN();
    expect(values.at(-11)).toBeNaN();
    expect(values.at(-2)).toBe(Math.fround(drawn(1199)));
  });

  it('answers the same in batches and one by one', () => {
    const batches = fitForecaster(seriesOf(1500, drawn), { ...OPTIONS, globals: [knowing] });
    const single = fitForecaster(seriesOf(1400, drawn), { ...OPTIONS, globals: [knowing] });
    for (let k = 1400; k < 1500; k++) single.observe(START + k * STEP, drawn(k), false);
    const [a, b] = [batches, single].map((one) => one.forecast(12, [0.5]).quantiles.flat());
    a?.forEach((value, k) => expect(Math.abs(value - (b?.[k] ?? 0))).toBeLessThan(0.3));
  });

  it('joins a series of an hour too', () => {
    const fitted = fitForecaster(seriesOf(12, drawn), { ...OPTIONS, globals: [knowing] });
    const row = fitted.forecast(12, [0.1, 0.5, 0.9]).quantiles[11] ?? [];
    expect(row.every((value) => Number.isFinite(value) && value >= 0)).toBe(true);
  });
});
