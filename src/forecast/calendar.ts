import type { EpochSeconds } from '../domain/time.js';

const DAY = 86_400;

/** Local time of an account: what "the same hour" means, across daylight saving. */
export interface Calendar {
  /** Seconds to add to UTC at this moment. */
  offset(at: EpochSeconds): number;
  /** Seconds since local midnight, in [0, 86 400). */
  secondOfDay(at: EpochSeconds): number;
  /** Seconds since the local week began (Monday), in [0, 604 800). */
  secondOfWeek(at: EpochSeconds): number;
  /** The moment that reads the same on the local clock `days` days before. */
  daysBefore(at: EpochSeconds, days: number): EpochSeconds;
}

/** Seconds between UTC and the zone's clock at one moment. */
function readOffset(format: Intl.DateTimeFormat, at: EpochSeconds): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(at * 1000)) parts[type] = Number(value);
  const local = Date.UTC(
    parts['year'] ?? 1970,
    (parts['month'] ?? 1) - 1,
    parts['day'] ?? 1,
    parts['hour'] ?? 0,
    parts['minute'] ?? 0,
    parts['second'] ?? 0,
  );
  return local / 1000 - Math.floor(at);
}

/** Calendars are immutable but for what they remember, so that all series of one zone share one. */
const calendars = new Map<string, Calendar>();

/**
 * The calendar of a zone.
 * @param timeZone IANA name; the account schema has checked it.
 * @throws RangeError where the zone is unknown.
 */
export function calendarOf(timeZone: string): Calendar {
  const known = calendars.get(timeZone);
  if (known !== undefined) return known;
  const calendar = createCalendar(timeZone);
  calendars.set(timeZone, calendar);
  return calendar;
}

function createCalendar(timeZone: string): Calendar {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const fixed = timeZone === 'UTC' || timeZone === 'Etc/UTC';
  // Reading a zone costs microseconds, far more than a model's update: quarter hours are remembered, since no zone
  // has ever changed its clock elsewhere. The map is emptied when it has grown to some two years.
  const remembered = new Map<number, number>();
  let lastQuarter = Number.NaN;
  let lastOffset = 0;
  const offset = (at: EpochSeconds): number => {
    if (fixed) return 0;
    const quarter = Math.floor(at / 900);
    if (quarter === lastQuarter) return lastOffset;
    // A day whose two ends agree holds no change of the clock.
    const day = Math.floor(at / DAY);
    let found = remembered.get(-1 - day);
    if (found === undefined) {
      const from = readOffset(format, day * DAY);
      const to = readOffset(format, (day + 1) * DAY);
      if (remembered.size > 70_000) remembered.clear();
      if (from === to) remembered.set(-1 - day, from);
      found = from === to ? from : remembered.get(quarter);
      if (found === undefined) {
        found = readOffset(format, quarter * 900);
        remembered.set(quarter, found);
      }
    }
    lastQuarter = quarter;
    lastOffset = found;
    return found;
  };
  const local = (at: EpochSeconds): number => at + offset(at);
  const within = (at: number, period: number): number => ((at % period) + period) % period;
  return {
    offset,
    secondOfDay: (at) => within(local(at), DAY),
    // 1970-01-01 was a Thursday: three days after the Monday that starts its week.
    secondOfWeek: (at) => within(local(at) + 3 * DAY, 7 * DAY),
    daysBefore: (at, days) => {
      const guess = at - days * DAY;
      return guess + offset(at) - offset(guess);
    },
  };
}
