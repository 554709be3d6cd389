import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { covers, extendTail, MOST_ROWS, newTail, visitTail, type TailRow } from '../../src/telemetry/embedded/tail.js';

type Visited = [time: number, value: number, censored: boolean];

/** What the log says: of each time in the window the newest row as of the watermark. */
function fromLog(log: readonly TailRow[], window: { from: number; to: number; watermark: number }): Visited[] {
  const newest = new Map<number, TailRow>();
  for (const row of log) {
    if (row.time >= window.from && row.time < window.to && row.seq <= window.watermark) newest.set(row.time, row);
  }
  return [...newest.values()]
    .sort((a, b) => a.time - b.time)
    .map(({ time, value, censored }) => [time, value, censored]);
}

const write = fc.uniqueArray(
  fc.record({ time: fc.integer({ min: 0, max: 120 }), value: fc.integer({ min: 0, max: 9 }), censored: fc.boolean() }),
  { selector: ({ time }) => time, maxLength: 90, size: 'max' },
);

describe('the newest rows of a series, in memory', () => {
  it('say what the log says of every window that they cover, corrections and late rows included', () => {
    fc.assert(
      fc.property(
        fc.array(write, { maxLength: 8 }),
        fc.integer({ min: -1, max: 121 }),
        fc.integer({ min: 0, max: 121 }),
        fc.integer({ min: 0, max: 9 }),
        (writes, from, length, watermark) => {
          const tail = newTail(Number.NEGATIVE_INFINITY);
          const log: TailRow[] = [];
          writes.forEach((samples, index) => {
            const rows = samples.map((row) => ({ ...row, seq: index + 1 })).sort((a, b) => a.time - b.time);
            extendTail(tail, rows);
            log.push(...rows);
          });
          expect(tail.rows.length).toBeLessThanOrEqual(MOST_ROWS);
          if (!covers(tail, from)) return;
          const window = { from, to: from + length, watermark };
          const visited: Visited[] = [];
          visitTail(tail, window, (...row) => visited.push(row));
          expect(visited).toEqual(fromLog(log, window));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('of a large first write keep the end, and know that there is more', () => {
    const tail = newTail(Number.NEGATIVE_INFINITY);
    const length = 2 * MOST_ROWS;
    const rows = Array.from({ length }, (_, time) => ({ time, value: time, censored: false, seq: 1 }));
    extendTail(tail, rows);
    expect(covers(tail, length - MOST_ROWS)).toBe(true);
    expect(covers(tail, length - MOST_ROWS - 1)).toBe(false);
  });

  it('cover the last samples of a live series, and nothing that is in the file alone', () => {
    const tail = newTail(1000);
    expect(covers(tail, 1000)).toBe(false);
    expect(covers(tail, 1001)).toBe(true);
    const last = 2 * MOST_ROWS;
    for (let index = 1; index <= last; index++) {
      extendTail(tail, [{ time: 1000 + index, value: index, censored: false, seq: index }]);
    }
    expect(covers(tail, 1001 + last - MOST_ROWS)).toBe(true);
    expect(covers(tail, 1000 + last - MOST_ROWS)).toBe(false);
    extendTail(tail, [{ time: 900, value: 5, censored: false, seq: last + 1 }]);
    expect(tail.rows.some(({ time }) => time === 900)).toBe(false);
  });
});
