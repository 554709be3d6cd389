import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  binLabel,
  binSamples,
  coarsen,
  lastKnownIndex,
  seriesEnd,
  sliceSeries,
  type Sample,
  type Series,
} from '../../src/domain/series.js';

const seriesOf = (values: readonly number[], start = 0, step = 10): Series => ({
  start,
  step,
  values: Float64Array.from(values),
  censored: new Uint8Array(values.length),
});

/** Strictly increasing times within a few bins, with values that may be missing. */
const samples = fc.uniqueArray(fc.integer({ min: 0, max: 999 }), { maxLength: 60 }).chain((times) =>
  fc.tuple(
    ...[...times]
      .sort((a, b) => a - b)
      .map((at) =>
        fc.record({
          at: fc.constant(at),
          value: fc.oneof(fc.double({ min: 0, max: 100, noNaN: true }), fc.constant(Number.NaN)),
          censored: fc.boolean(),
        }),
      ),
  ),
);

describe('samples on a grid', () => {
  it.each<[string, Sample[], number[], number]>([
    ['none', [], [], 0],
    ['one', [{ at: 25, value: 3 }], [3], 20],
    [
      'a bin is the mean of what falls in',
      [
        { at: 20, value: 2 },
        { at: 29, value: 4 },
      ],
      [3],
      20,
    ],
    [
      'an empty bin is missing, never zero',
      [
        { at: 5, value: 1 },
        { at: 25, value: 3 },
      ],
      [1, Number.NaN, 3],
      0,
    ],
    ['a zero is a value', [{ at: 5, value: 0 }], [0], 0],
    [
      'a missing sample is none',
      [
        { at: 5, value: Number.NaN },
        { at: 6, value: 4 },
      ],
      [4],
      0,
    ],
    ['only missing samples', [{ at: 5, value: Number.NaN }], [Number.NaN], 0],
    ['before the epoch', [{ at: -1, value: 1 }], [1], -10],
  ])('%s', (_name, given, values, start) => {
    const series = binSamples(given, 10);
    expect([...series.values]).toEqual(values);
    expect(series.start).toBe(start);
  });

  it('fills the range that was asked for, aligned, and nothing beyond', () => {
    const series = binSamples(
      [
        { at: 5, value: 1 },
        { at: 35, value: 4 },
        { at: 95, value: 9 },
      ],
      10,
      { from: 12, to: 51 },
    );
    expect(series.start).toBe(10);
    expect([...series.values]).toEqual([Number.NaN, Number.NaN, 4, Number.NaN, Number.NaN]);
  });

  it('a bin is censored where any of its samples is', () => {
    const series = binSamples(
      [
        { at: 1, value: 1 },
        { at: 2, value: 1, censored: true },
        { at: 15, value: 1 },
      ],
      10,
    );
    expect([...series.censored]).toEqual([1, 0]);
  });

  it.each([
    ['a time twice', [1, 1], /time 1 follows 1/],
    ['a time that goes backwards', [5, 3], /time 3 follows 5/],
    ['no time', [5, Number.NaN], /time NaN follows 5/],
  ])('%s is refused by name, never repaired', (_name, times, words) => {
    expect(() =>
      binSamples(
        times.map((at) => ({ at, value: 1 })),
        10,
      ),
    ).toThrow(words);
  });

  it('no bin is outside what fell in, and every known sample is in one', () => {
    fc.assert(
      fc.property(samples, fc.integer({ min: 1, max: 200 }), (given, step) => {
        const series = binSamples(given, step);
        for (let index = 0; index < series.values.length; index++) {
          const label = binLabel(series, index);
          expect(Math.abs(label % step)).toBe(0);
          const inside = given.filter(({ at, value }) => at >= label && at < label + step && !Number.isNaN(value));
          const value = series.values[index] ?? Number.NaN;
          if (inside.length === 0) expect(value).toBeNaN();
          else {
            expect(value).toBeGreaterThanOrEqual(Math.min(...inside.map((one) => one.value)) - 1e-9);
            expect(value).toBeLessThanOrEqual(Math.max(...inside.map((one) => one.value)) + 1e-9);
          }
        }
        for (const { at } of given) expect(at).toBeLessThan(seriesEnd(series));
      }),
    );
  });
});

describe('a coarser step', () => {
  it('averages what is known, and a bin without any stays missing', () => {
    const fine = seriesOf([1, 3, Number.NaN, 5, Number.NaN, Number.NaN]);
    fine.censored[1] = 1;
    const coarse = coarsen(fine, 20);
    expect([...coarse.values]).toEqual([2, 5, Number.NaN]);
    expect([...coarse.censored]).toEqual([1, 0, 0]);
  });

  it('begins at its own grid, where the series begins within a bin', () => {
    const coarse = coarsen(seriesOf([4, 6, 8], 10), 20);
    expect(coarse.start).toBe(0);
    expect([...coarse.values]).toEqual([4, 7]);
  });
});

describe('parts of a series', () => {
  const series = seriesOf([1, Number.NaN, 3, Number.NaN]);
  it.each([
    ['a middle', 1, 3, 10, [Number.NaN, 3]],
    ['beyond both ends', -5, 99, 0, [1, Number.NaN, 3, Number.NaN]],
    ['nothing', 2, 2, 20, []],
    ['the wrong way round', 3, 1, 30, []],
    ['behind the end', 9, 12, 40, []],
  ])('%s', (_name, from, to, start, values) => {
    const part = sliceSeries(series, from, to);
    expect(part.start).toBe(start);
    expect([...part.values]).toEqual(values);
    expect(part.censored).toHaveLength(values.length);
  });

  it.each([
    ['a gap at the end', [1, 2, Number.NaN], 1],
    ['all known', [1, 2], 1],
    ['nothing known', [Number.NaN], -1],
    ['nothing', [], -1],
    ['a zero is known', [0, Number.NaN], 0],
  ])('the last that is known: %s', (_name, values, index) => {
    expect(lastKnownIndex(seriesOf(values))).toBe(index);
  });
});
