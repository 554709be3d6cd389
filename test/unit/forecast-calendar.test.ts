import { describe, expect, it } from 'vitest';
import { parseTime } from '../../src/domain/time.js';
import { calendarOf } from '../../src/forecast/calendar.js';

const at = parseTime;
const HOUR = 3600;

describe('local time', () => {
  it.each([
    { zone: 'UTC', time: '2026-05-01T12:00:00Z', hours: 12, offset: 0 },
    { zone: 'Europe/Berlin', time: '2026-01-15T12:00:00Z', hours: 13, offset: 1 },
    { zone: 'Europe/Berlin', time: '2026-07-15T12:00:00Z', hours: 14, offset: 2 },
    { zone: 'Europe/Berlin', time: '2026-03-29T00:59:59Z', hours: 1 + 3599 / 3600, offset: 1 },
    { zone: 'Europe/Berlin', time: '2026-03-29T01:00:00Z', hours: 3, offset: 2 },
    { zone: 'Asia/Kolkata', time: '2026-05-01T20:00:00Z', hours: 1.5, offset: 5.5 },
    { zone: 'America/New_York', time: '2026-11-01T05:59:00Z', hours: 1 + 59 / 60, offset: -4 },
    { zone: 'America/New_York', time: '2026-11-01T06:00:00Z', hours: 1, offset: -5 },
    { zone: 'Pacific/Auckland', time: '1969-12-31T23:00:00Z', hours: 11, offset: 12 },
  ])('$time in $zone is hour $hours of the day', ({ zone, time, hours, offset }) => {
    const calendar = calendarOf(zone);
    expect(calendar.secondOfDay(at(time)) / HOUR).toBeCloseTo(hours, 6);
    expect(calendar.offset(at(time)) / HOUR).toBeCloseTo(offset, 6);
  });

  it('the week begins on Monday, by the local clock', () => {
    expect(calendarOf('UTC').secondOfWeek(at('2026-01-05T00:00:00Z'))).toBe(0);
    expect(calendarOf('UTC').secondOfWeek(at('2026-01-04T23:00:00Z'))).toBe(167 * HOUR);
    expect(calendarOf('Asia/Tokyo').secondOfWeek(at('2026-01-04T15:00:00Z'))).toBe(0);
  });

  it.each([
    { name: 'an ordinary day', time: '2026-02-10T08:00:00Z', days: 1, before: '2026-02-09T08:00:00Z' },
    { name: 'over the spring change', time: '2026-03-30T07:00:00Z', days: 7, before: '2026-03-23T08:00:00Z' },
    { name: 'over the autumn change', time: '2026-10-25T08:00:00Z', days: 1, before: '2026-10-24T07:00:00Z' },
  ])('the same local time before: $name', ({ time, days, before }) => {
    expect(calendarOf('Europe/Berlin').daysBefore(at(time), days)).toBe(at(before));
  });

  it('an unknown zone is refused', () => {
    expect(() => calendarOf('Europe/Atlantis')).toThrow(RangeError);
  });
});
