import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { demandBlocks, planBlocks, type Block } from '../../src/allocate/index.js';
import { joinBlocks } from '../../src/allocate/blocks.js';
import { blackoutAt } from '../../src/allocate/blackout.js';
import { occurrences } from '../../src/domain/occurrences.js';
import { probit } from '../../src/domain/normal.js';
import { atLevel } from '../../src/allocate/quantile.js';
import { underEvents } from '../../src/allocate/demand.js';
import type { Component } from '../../src/domain/component.js';
import type { AnnouncedEvent, Override } from '../../src/domain/control.js';
import type { AccountForecast } from '../../src/domain/forecast.js';
import { AT, blocksOf, demandOf, inputOf, simple } from './allocate-fixtures.js';

const LEVELS = [0.1, 0.5, 0.9, 0.99];

/** Bins of five minutes from AT for `fine`, hours from AT for `hourly`; each by its median, spread by ± shares. */
function forecastOf(fine: readonly number[], hourly: readonly number[] = []): AccountForecast {
  const rows = (medians: readonly number[]) =>
    medians.map((median) => [median * 0.6, median, median * 1.3, median * 1.5]);
  const one = (step: number, medians: readonly number[]) => ({
    origin: AT - step,
    step,
    levels: LEVELS,
    quantiles: rows(medians),
    weights: { persistence: 1 },
  });
  return {
    id: 'f1',
    account: 'acme',
    snapshotId: 's1',
    at: AT,
    missing: [],
    series: [
      {
        workload: 'web',
        component: 'cpu',
        data: 'fresh',
        gate: { open: true, level: 0.99, scored: 0, misses: 0, coverage: null },
        resolutions: [...(fine.length > 0 ? [one(300, fine)] : []), ...(hourly.length > 0 ? [one(3600, hourly)] : [])],
      },
    ],
  };
}

const cover = (
  forecast: AccountForecast,
  blocks: Block[],
  more: { events?: AnnouncedEvent[]; overrides?: Override[]; policy?: ReturnType<typeof simple> } = {},
) => demandBlocks({ forecast, policy: more.policy ?? simple(), blocks, ...more })[0];

describe('an announced multiple reaches what follows traffic, and what it names', () => {
  const [values, bin] = [[0.6, 1, 1.3, 1.5], { from: AT, to: AT + 300 }];
  const sale = (expect: AnnouncedEvent['expect']): AnnouncedEvent => ({
    ...{ name: 'sale', from: AT, to: AT + 300, uncertainty: 0.2, author: 'ada' },
    expect,
  });
  test.each<[string, AnnouncedEvent['expect'], Component, number]>([
    ['cpu follows', { multiplier: 3 }, 'cpu', 3],
    ['network follows', { multiplier: 3 }, 'network', 3],
    ['stored data stay', { multiplier: 3 }, 'storage', 1],
    ['memory has its own history', { multiplier: 3 }, 'memory', 1],
    ['memory that is named', { multiplier: 3, components: ['cpu', 'memory'] }, 'memory', 3],
    ['network that is not named', { multiplier: 3, components: ['cpu', 'memory'] }, 'network', 1],
    ['an amount is for what it names', { demand: { memory: 7 } }, 'memory', 7],
    ['and for nothing else', { demand: { memory: 7 } }, 'cpu', 1],
  ])('%s', (_name, expected, component, median) => {
    const event = sale(expected);
    expect(underEvents([event], component, bin, LEVELS, values, 0.5)).toBeCloseTo(median, 9);
    // What it does not reach has no more spread either.
    if (median === 1) expect(underEvents([event], component, bin, LEVELS, values, 0.99)).toBe(1.5);
  });
});

describe('levels', () => {
  test.each([
    { name: 'a stated level is itself', level: 0.9, value: 13 },
    { name: 'the median', level: 0.5, value: 10 },
    { name: 'below the lowest stays there', level: 0.01, value: 6 },
    {
      name: 'between two, on the normal score',
      level: 0.975,
      value: 13 + ((1.959964 - 1.281552) / (2.326348 - 1.281552)) * 2,
    },
    {
      name: 'above the highest the slope goes on',
      level: 0.999,
      value: 13 + ((3.090232 - 1.281552) / (2.326348 - 1.281552)) * 2,
    },
  ])('$name', ({ level, value }) => {
    expect(atLevel(LEVELS, [6, 10, 13, 15], level)).toBeCloseTo(value, 4);
  });

  test('a higher level never asks for less', () => {
    const amounts = fc.array(fc.double({ min: 0, max: 1e12, noNaN: true }), { minLength: 4, maxLength: 4 });
    const level = fc.double({ min: 0.001, max: 0.9999, noNaN: true });
    fc.assert(
      fc.property(amounts, level, level, (values, a, b) => {
        const sorted = [...values].sort((x, y) => x - y);
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        expect(atLevel(LEVELS, sorted, high)).toBeGreaterThanOrEqual(atLevel(LEVELS, sorted, low) - 1e-6);
      }),
    );
  });

  test.each([
    [0.5, 0],
    [0.95, 1.6448536],
    [0.999, 3.0902323],
    [0.001, -3.0902323],
  ])('the normal score of %f is %f', (level, score) => expect(probit(level)).toBeCloseTo(score, 6));
});

describe('a block', () => {
  test('has the highest of its bins', () => {
    const found = cover(forecastOf([1, 2, 7, 3, 1, 1, 1, 1, 1, 1, 1, 1]), blocksOf(1));
    expect(found?.blocks[0]).toMatchObject({ median: 7, atLevel: 10.5 });
  });

  test('is answered by the finest resolution that reaches it', () => {
    const found = cover(forecastOf([2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2], [5, 6, 7]), blocksOf(3));
    expect(found?.blocks.map((block) => block.median)).toEqual([2, 6, 7]);
  });

  test('beyond the forecast repeats the last that it reaches, and is not zero', () => {
    const found = cover(forecastOf([], [5, 6]), blocksOf(4));
    expect(found?.blocks.map((block) => block.median)).toEqual([5, 6, 6, 6]);
  });

  test('of a series without a forecast is left out, not zero', () => {
    expect(cover({ ...forecastOf([1]), series: [] }, blocksOf(1))).toBeUndefined();
  });

  test('is asked for jointly where the workload names a window: each bin takes its part of the risk', () => {
    const policy = simple({}, { window: '1h', level: 0.99 });
    expect(cover(forecastOf([1]), blocksOf(1), { policy })?.level).toBeCloseTo(1 - 0.01 / 12, 9);
  });

  test.each([
    {
      name: 'what was learnt',
      window: { length: 3600, level: 0.99, binLevel: 0.996, rows: 300 },
      level: 0.99,
      is: 0.996,
    },
    {
      name: 'what was learnt, at another level that an override asks for',
      window: { length: 3600, level: 0.99, binLevel: 0.996, rows: 300 },
      level: 0.98,
      is: 0.992,
    },
    {
      name: 'the safe part, where something was learnt of another window',
      window: { length: 7200, level: 0.99, binLevel: 0.996, rows: 300 },
      level: 0.99,
      is: 1 - 0.01 / 12,
    },
  ])('over a window takes $name', ({ window, level: asked, is }) => {
    const policy = simple({}, { window: '1h', level: asked });
    const forecast = forecastOf([1]);
    const series = forecast.series.map((one) => ({ ...one, window }));
    expect(cover({ ...forecast, series }, blocksOf(1), { policy })?.level).toBeCloseTo(is, 9);
  });

  const level = (value: number, workload?: string): Override => ({
    kind: 'override',
    id: String(value),
    author: 'ann',
    reason: 'sale',
    since: AT,
    until: AT + 1,
    target: { field: 'level', value, ...(workload === undefined ? {} : { workload }) },
  });
  test.each([
    { name: 'of the account', overrides: [level(0.9)], is: 0.9 },
    { name: 'of the workload, before the account’s', overrides: [level(0.95, 'web'), level(0.9)], is: 0.95 },
    { name: 'of another workload', overrides: [level(0.95, 'batch')], is: 0.99 },
  ])('takes an overridden level $name', ({ overrides, is }) => {
    expect(cover(forecastOf([1]), blocksOf(1), { overrides })?.level).toBe(is);
  });
});

describe('an event', () => {
  const event = (parts: Partial<AnnouncedEvent>): AnnouncedEvent => ({
    name: 'sale',
    from: AT + 3600,
    to: AT + 7200,
    expect: { multiplier: 3 },
    uncertainty: 0,
    author: 'ann',
    ...parts,
  });
  const medians = (parts: Partial<AnnouncedEvent>) =>
    cover(forecastOf([], [4, 4, 4]), blocksOf(3), { events: [event(parts)] })?.blocks.map((block) => block.median);

  test.each([
    { name: 'multiplies its window', parts: {}, is: [4, 12, 4] },
    { name: 'replaces the forecast where it is absolute', parts: { expect: { demand: { cpu: 20 } } }, is: [4, 20, 4] },
    { name: 'of another component changes nothing', parts: { expect: { demand: { memory: 20 } } }, is: [4, 4, 4] },
    { name: 'of another workload changes nothing', parts: { workloads: ['batch'] }, is: [4, 4, 4] },
    { name: 'counts wherever it touches when demand rises', parts: { from: AT + 7100 }, is: [4, 12, 4] },
    {
      name: 'counts only where it is whole when demand falls',
      parts: { from: AT + 3700, expect: { multiplier: 0 } },
      is: [4, 4, 4],
    },
    { name: 'may close the shop', parts: { expect: { multiplier: 0 } }, is: [4, 0, 4] },
  ])('$name', ({ parts, is }) => expect(medians(parts)).toEqual(is));

  test('± 20 % at 90 %: an absolute demand of 10 is 12 at the level 0.95', () => {
    const policy = simple({ level: 0.95 });
    const events = [event({ expect: { demand: { cpu: 10 } }, uncertainty: 0.2 })];
    const found = cover(forecastOf([], [4, 4, 4]), blocksOf(3), { events, policy });
    expect(found?.blocks[1]?.atLevel).toBeCloseTo(12, 6);
  });

  test('its uncertainty only ever raises what is to be covered', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 5, noNaN: true }),
        fc.double({ min: 0, max: 10, noNaN: true }),
        (uncertainty, multiplier) => {
          const at = (u: number) =>
            cover(forecastOf([], [4, 4]), blocksOf(2), { events: [event({ expect: { multiplier }, uncertainty: u })] })
              ?.blocks[1]?.atLevel ?? 0;
          expect(at(uncertainty)).toBeGreaterThanOrEqual(at(0) - 1e-9);
        },
      ),
    );
  });

  test('of the account file counts like an announced one', () => {
    const policy = simple({
      events: [{ name: 'sale', from: AT + 3600, to: AT + 7200, multiplier: 2, uncertainty: 0 }],
    });
    expect(cover(forecastOf([], [4, 4]), blocksOf(2), { policy })?.blocks[1]?.median).toBe(8);
  });
});

test('a task that cannot be moved is added where it runs', () => {
  const policy = simple({
    tasks: [{ name: 'report', workload: 'web', cron: '30 11 * * *', duration: '1h', demand: { cpu: 3 } }],
  });
  const found = cover(forecastOf([], [4, 4, 4, 4]), blocksOf(4), { policy });
  expect(found?.blocks.map((block) => block.median)).toEqual([4, 7, 7, 4]);
});

describe('blocks', () => {
  test.each([
    { name: 'a decision on the bin’s edge with no lead', at: AT, lead: 1, from: AT },
    { name: 'ten minutes of lead', at: AT, lead: 3, from: AT + 600 },
    { name: 'a decision within a bin counts from the next', at: AT + 10, lead: 3, from: AT + 900 },
  ])('$name', ({ at, lead, from }) => expect(planBlocks(simple(), at, lead)[0]?.from).toBe(from));

  test('follow each other without a gap to the end of a day, and as many at any time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 86_400 }), fc.integer({ min: 1, max: 20 }), (offset, lead) => {
        const blocks = planBlocks(simple(), AT + offset, lead);
        blocks.slice(1).forEach((block, index) => expect(block.from).toBe(blocks[index]?.to));
        expect((blocks.at(-1)?.to ?? 0) - (blocks[0]?.from ?? 0)).toBe(86_400);
        expect(blocks).toHaveLength(24 + 22);
      }),
    );
  });

  test.each([1, 2, 3, 7, 40])('joined to %i keep the first, the whole time, and the highest demand', (most) => {
    const policy = simple();
    const amounts = Array.from({ length: 41 }, (_, index) => (index * 7) % 13);
    const joined = joinBlocks(inputOf(policy, [demandOf('web', 'cpu', amounts)]), most);
    expect(joined.blocks[0]).toEqual(blocksOf(1)[0]);
    expect(joined.blocks.at(-1)?.to).toBe(blocksOf(41)[40]?.to);
    expect(joined.blocks.length).toBeLessThanOrEqual(Math.max(2, most));
    joined.blocks.forEach((block, index) => {
      expect(index === 0 || block.from === joined.blocks[index - 1]?.to).toBe(true);
      const [first, last] = [(block.from - AT) / 3600, (block.to - AT) / 3600];
      expect(joined.demand[0]?.blocks[index]?.atLevel).toBe(Math.max(...amounts.slice(first, last)));
      expect(block.joined ?? 1).toBe(last - first);
    });
  });
});

describe('schedules', () => {
  test('follow the account’s time zone through the change of the clocks', () => {
    // 2026-03-29: Berlin goes from UTC+1 to UTC+2.
    const from = Date.parse('2026-03-28T00:00:00Z') / 1000;
    const found = occurrences('0 6 * * *', 'Europe/Berlin', from, from + 2 * 86_400);
    expect(found.map((at) => new Date(at * 1000).toISOString())).toEqual([
      '2026-03-28T05:00:00.000Z',
      '2026-03-29T04:00:00.000Z',
    ]);
  });

  test('that are none are refused with their text', () => {
    expect(() => occurrences('every day', 'UTC', 0, 1)).toThrow(/reading the schedule "every day".*five fields/);
  });

  test.each([
    { name: 'before', at: AT - 1, is: null },
    { name: 'at its start', at: AT, is: 'night' },
    { name: 'at its last second', at: AT + 3599, is: 'night' },
    { name: 'at its end', at: AT + 3600, is: null },
    { name: 'a day later', at: AT + 86_400 + 60, is: 'night' },
  ])('a recurring blackout $name', ({ at, is }) => {
    const policy = simple({ blackouts: [{ name: 'night', cron: '0 10 * * *', duration: '1h', reason: 'backup' }] });
    expect(blackoutAt(policy, at)?.name ?? null).toBe(is);
  });
});
