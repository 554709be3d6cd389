import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  binStart,
  formatDuration,
  isoTime,
  parseDuration,
  parseTime,
  REAL_TIME,
  simulatedNow,
  wallMilliseconds,
} from '../../src/domain/time.js';

describe('durations', () => {
  it.each([
    ['90s', 90],
    ['5m', 300],
    ['1h30m', 5400],
    ['2d', 172_800],
    ['1w', 604_800],
    ['250ms', 0.25],
    ['1.5h', 5400],
    ['1m30s500ms', 90.5],
    [' 10m ', 600],
    ['0s', 0],
  ])('%s is %d seconds', (text, seconds) => {
    expect(parseDuration(text)).toBeCloseTo(seconds, 9);
  });

  it.each(['', '5', 'm', '-5m', '5 m', '1h 30m', '5min', '1e3s', 'Infinity', '5M', '.5h'])(
    '"%s" is none, and the refusal shows how to write one',
    (text) => {
      expect(() => parseDuration(text)).toThrow(/is not a duration; write for example/);
    },
  );

  it.each([
    [0, '0s'],
    [90, '1m30s'],
    [86_400, '1d'],
    [-300, '-5m'],
    [0.25, '250ms'],
    [59.6, '1m'],
  ])('%d is written %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it('what is written reads back, to the second', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), (seconds) => {
        expect(parseDuration(formatDuration(seconds))).toBe(seconds);
      }),
    );
  });
});

describe('times', () => {
  it.each([
    ['2026-05-01T12:00:00Z', 1_777_636_800],
    ['2026-05-01T14:00:00+02:00', 1_777_636_800],
    ['2026-05-01T14:00:00+0200', 1_777_636_800],
    ['2026-05-01 12:00:00Z', 1_777_636_800],
    ['2026-05-01T12:00Z', 1_777_636_800],
    ['2026-05-01T12:00:00.500Z', 1_777_636_800.5],
    ['2026-05-01', 1_777_593_600],
    ['1777636800', 1_777_636_800],
    ['-1', -1],
    ['2024-02-29T00:00:00Z', 1_709_164_800],
  ])('%s', (text, seconds) => {
    expect(parseTime(text)).toBe(seconds);
  });

  it.each([
    ['no zone: it would mean this machine’s', '2026-05-01T12:00:00'],
    ['empty', ''],
    ['a word', 'tomorrow'],
    ['a month that is not', '2026-13-01T00:00:00Z'],
    ['an hour that is not', '2026-05-01T25:00:00Z'],
    ['a day that is not: it would become the 2nd of March', '2026-02-30T00:00:00Z'],
    ['the same without a time', '2026-02-30'],
    ['a leap day of another year', '2026-02-29T10:00:00+02:00'],
    ['American', '05/01/2026'],
    ['not a number', 'NaN'],
    ['infinite', 'Infinity'],
  ])('%s is refused', (_name, text) => {
    expect(() => parseTime(text)).toThrow(/is not a time; write epoch seconds or ISO-8601/);
  });

  it('are written to the second, and read back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_800 }), (seconds) => {
        expect(parseTime(isoTime(seconds))).toBe(seconds);
      }),
    );
    expect(isoTime(1_777_636_800.4)).toBe('2026-05-01T12:00:00Z');
  });

  it.each([
    [8.64e12, '+275760-09-13T00:00:00Z'],
    [Number.MAX_SAFE_INTEGER, 'the end of time'],
    [Number.POSITIVE_INFINITY, 'the end of time'],
    [Number.NEGATIVE_INFINITY, 'no time'],
    [Number.NaN, 'no time'],
  ])('%d is written without a throw', (seconds, text) => {
    expect(isoTime(seconds)).toBe(text);
  });
});

describe('the clock', () => {
  it('runs as fast as its scale says', () => {
    const scale = { wallEpochMs: 1_000_000, epoch: 500, factor: 60 };
    expect(simulatedNow(scale, 1_000_000)).toBe(500);
    expect(simulatedNow(scale, 1_001_000)).toBe(560);
    expect(wallMilliseconds(scale, 3600)).toBe(60_000);
    expect(simulatedNow(REAL_TIME, 5000)).toBe(5);
  });

  it('a simulated duration is over when its wall time is', () => {
    const scales = fc.record({
      wallEpochMs: fc.integer({ min: 0, max: 2e12 }),
      epoch: fc.integer({ min: 0, max: 2e9 }),
      factor: fc.double({ min: 0.1, max: 5000, noNaN: true }),
    });
    fc.assert(
      fc.property(scales, fc.integer({ min: 0, max: 1e6 }), (scale, seconds) => {
        const later = simulatedNow(scale, scale.wallEpochMs + wallMilliseconds(scale, seconds));
        expect(later - scale.epoch).toBeCloseTo(seconds, 1);
      }),
    );
  });

  it.each([
    [1000, 300, 900],
    [900, 300, 900],
    [899.999, 300, 600],
    [-1, 300, -300],
  ])('the bin of %d on a grid of %d begins at %d', (at, step, start) => {
    expect(binStart(at, step)).toBe(start);
  });
});
