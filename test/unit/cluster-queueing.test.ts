import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDraws } from '../../src/cluster/simulated/draws.js';
import { demandTable, gridDemand, tableDemand } from '../../src/cluster/simulated/demand.js';
import { serve } from '../../src/cluster/simulated/queueing.js';

const model = { latency: 0.2, timeout: 5, errorRate: 0.001 };

describe('latency and errors under load', () => {
  test.each([
    { row: 'idle', servers: 4, load: 0, latency: [0.2, 0.2], errors: [0.001, 0.001] },
    {
      row: 'half used: the wait of 1 % hardly counts',
      servers: 4,
      load: 0.5,
      latency: [0.2, 0.3],
      errors: [0.001, 0.0011],
    },
    { row: 'nearly full', servers: 4, load: 0.98, latency: [1, 5], errors: [0.001, 0.5] },
    { row: 'one server queues sooner than four', servers: 1, load: 0.7, latency: [0.5, 1.5], errors: [0.001, 0.01] },
    {
      row: 'twice too much: half of it fails, and what is late',
      servers: 4,
      load: 2,
      latency: [5, 5],
      errors: [0.5, 1],
    },
    { row: 'no server at all', servers: 0, load: 0.1, latency: [5, 5], errors: [1, 1] },
    { row: 'endlessly too much', servers: 3, load: Number.POSITIVE_INFINITY, latency: [5, 5], errors: [1, 1] },
  ])('$row', ({ servers, load, latency, errors }) => {
    const served = serve(model, servers, load);
    expect(served.latencyP99).toBeGreaterThanOrEqual(latency[0] ?? 0);
    expect(served.latencyP99).toBeLessThanOrEqual(latency[1] ?? 0);
    expect(served.errorRate).toBeGreaterThanOrEqual((errors[0] ?? 0) - 1e-12);
    expect(served.errorRate).toBeLessThanOrEqual((errors[1] ?? 0) + 1e-12);
  });

  test('the exact single-server queue: M/M/1 waits longer than t with probability ρ·exp(−(1−ρ)t/S)', () => {
    const mean = model.latency / Math.log(100);
    for (const load of [0.3, 0.6, 0.9]) {
      const wait = serve(model, 1, load).latencyP99 - model.latency;
      expect(load * Math.exp((-(1 - load) * wait) / mean)).toBeCloseTo(0.01, 9);
    }
  });

  test('more load never helps, more servers never hurt, and all stays in its range', () => {
    const load = fc.double({ min: 0, max: 5, noNaN: true });
    fc.assert(
      fc.property(load, load, fc.integer({ min: 1, max: 500 }), (a, b, servers) => {
        const [less, more] = [Math.min(a, b), Math.max(a, b)].map((value) => serve(model, servers, value));
        const wider = serve(model, servers + 1, Math.max(a, b));
        if (less === undefined || more === undefined) return;
        expect(more.latencyP99).toBeGreaterThanOrEqual(less.latencyP99 - 1e-9);
        expect(more.errorRate).toBeGreaterThanOrEqual(less.errorRate - 1e-9);
        expect(wider.latencyP99).toBeLessThanOrEqual(more.latencyP99 + 1e-9);
        for (const { latencyP99, errorRate } of [less, more, wider]) {
          expect(latencyP99).toBeGreaterThanOrEqual(model.latency);
          expect(latencyP99).toBeLessThanOrEqual(model.timeout);
          expect(errorRate).toBeGreaterThanOrEqual(model.errorRate);
          expect(errorRate).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});

describe('draws', () => {
  const draws = createDraws(7);
  const many = Array.from({ length: 4000 }, (_, index) => index);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

  test('depend on what they are for, and on nothing else', () => {
    const first = draws.uniform('pod acme/web 1');
    draws.uniform('pod acme/web 2');
    expect(draws.uniform('pod acme/web 1')).toBe(first);
    expect(createDraws(8).uniform('pod acme/web 1')).not.toBe(first);
    expect(new Set(many.map((index) => draws.uniform(`pod ${index}`))).size).toBe(many.length);
  });

  test('are spread as they say', () => {
    const uniform = many.map((index) => draws.uniform(`u ${index}`));
    expect(mean(uniform)).toBeCloseTo(0.5, 1);
    expect(mean(uniform.map((value) => (value - 0.5) ** 2))).toBeCloseTo(1 / 12, 2);
    expect(mean(many.map((index) => draws.exponential(`e ${index}`, 4)))).toBeCloseTo(0.25, 1);
    const logs = many.map((index) => Math.log(draws.logNormal(`l ${index}`, 30, 0.4)));
    expect(mean(logs)).toBeCloseTo(Math.log(30), 1);
    expect(mean(logs.map((value) => (value - Math.log(30)) ** 2))).toBeCloseTo(0.16, 1);
    expect(draws.exponential('never', 0)).toBe(Number.POSITIVE_INFINITY);
    expect(draws.logNormal('fixed', 30, 0)).toBe(30);
  });
});

describe('demand', () => {
  const table = demandTable(
    [
      { at: 300, value: 2 },
      { at: 0, value: 1 },
      { at: 600, value: 3 },
      { at: 1800, value: 4 },
    ],
    'acme/web',
  );

  test.each([
    { row: 'before the first', at: -1, value: Number.NaN },
    { row: 'the first', at: 0, value: 1 },
    { row: 'until the next', at: 299, value: 1 },
    { row: 'a hole', at: 1000, value: Number.NaN },
    { row: 'after the hole', at: 1800, value: 4 },
    { row: 'after the last', at: 2100, value: Number.NaN },
  ])('table, $row', ({ at, value }) => expect(tableDemand(table)(at)).toBe(value));

  test('reading a table out of order is reading it in order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -100, max: 60_000 })), (times) => {
        const shared = tableDemand(table);
        for (const at of times) expect(shared(at)).toBe(tableDemand(table)(at));
      }),
    );
  });

  test.each([
    {
      row: 'a time twice',
      rows: [
        { at: 5, value: 1 },
        { at: 5, value: 2 },
      ],
      words: 'row 3: time 5 is there twice',
    },
    { row: 'negative', rows: [{ at: 5, value: -1 }], words: 'row 2: value -1' },
    { row: 'infinite', rows: [{ at: 5, value: Number.POSITIVE_INFINITY }], words: 'row 2: value Infinity' },
    { row: 'no time', rows: [{ at: Number.NaN, value: 1 }], words: 'row 2: the time cannot be read' },
  ])('table with $row is refused, row named', ({ rows, words }) => {
    expect(() => demandTable(rows, 'acme/web')).toThrow(words);
  });

  test('a grid repeats, in both directions, where it shall', () => {
    const values = [1, 2, 3];
    const repeated = gridDemand({ start: 600, step: 300, values, repeat: true });
    expect([0, 300, 600, 899, 1500].map(repeated)).toEqual([2, 3, 1, 1, 1]);
    const once = gridDemand({ start: 600, step: 300, values, repeat: false });
    expect([0, 600, 1500].map(once)).toEqual([Number.NaN, 1, Number.NaN]);
  });
});
