import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createSeriesRegistry,
  intervalAfter,
  newSeries,
  recentWatermark,
  refuseTooFine,
  type KnownSeries,
} from '../../src/telemetry/embedded/series-registry.js';

const name = { kind: 'usage' as const, account: 'acme', workload: 'web', name: 'cpu' };

/** A series that has taken these writes, each the times of its rows. */
function after(writes: readonly (readonly number[])[]): KnownSeries {
  const registry = createSeriesRegistry();
  const series = newSeries(1, name, null);
  registry.add(series);
  writes.forEach((times, index) => {
    const newer = times.filter((time) => time > series.newest);
    const rows = times.map((time) => ({ time, value: 1, censored: false, seq: index + 1 }));
    const mark = { seq: index + 1, first: Math.min(...times), last: Math.max(...times) };
    registry.note(series, mark, rows, intervalAfter(series, newer));
  });
  return series;
}

describe('what memory knows of a series', () => {
  it('its watermark of a window is exact, or left to the file', () => {
    const times = fc.uniqueArray(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(
        fc.array(
          times.map((some) => some.sort((a, b) => a - b)),
          { maxLength: 30 },
        ),
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 0, max: 40 }),
        (writes, from, length) => {
          const to = from + length;
          const inside = writes.map((some) => some.some((time) => time >= from && time < to));
          const known = recentWatermark(after(writes), from, to);
          if (known !== undefined) expect(known).toBe(inside.lastIndexOf(true) + 1);
        },
      ),
    );
  });

  it.each([
    ['no write at all', [], 0],
    ['the newest write is inside', [[1], [2], [3]], 3],
    ['the newest is past the window', [[1], [2], [3], [12]], 3],
    ['an old correction is the newest', [[5], [6], [2]], 3],
    ['a write that begins before and ends after', [[5], [-3, 20]], undefined],
    [
      'none of the last ones, and older ones forgotten',
      [[5], ...Array.from({ length: 20 }, (_, i) => [30 + i])],
      undefined,
    ],
  ])('%s', (_, writes, expected) => {
    expect(recentWatermark(after(writes), 0, 10)).toBe(expected);
  });

  const steps = (count: number, gap: number): number[][] => Array.from({ length: count }, (_, index) => [index * gap]);
  it.each([
    ['one sample', steps(1, 300), null],
    ['two samples', steps(2, 300), null],
    ['three samples', steps(3, 300), 300],
    ['three samples with an outage between', [[0], [300], [90_000]], 300],
    ['a whole history in one write', [Array.from({ length: 500 }, (_, index) => index * 60)], 60],
    ['jitter does not move it', [...steps(20, 300), ...steps(9, 302).map(([at]) => [6000 + (at ?? 0)])], 300],
    ['a new interval is learnt', [...steps(20, 300), ...Array.from({ length: 40 }, (_, i) => [6000 + i * 60])], 60],
    ['a late sample teaches nothing', [...steps(20, 300), [10], [20], [30]], 300],
  ])('interval: %s', (_, writes, expected) => {
    expect(after(writes).interval).toBe(expected);
  });

  it.each([
    ['the interval itself', 300, true],
    ['a hair finer, as clocks jitter', 298, true],
    ['half', 150, false],
    ['coarser', 3600, true],
  ])('a step of %s', (_, step, allowed) => {
    const check = (): void => refuseTooFine(after(steps(5, 300)), step, 'reading');
    if (allowed) expect(check).not.toThrow();
    else expect(check).toThrow('finer than the 5m between the samples of web cpu; ask for 5m or coarser');
  });
});
