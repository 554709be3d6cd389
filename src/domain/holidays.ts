import type { EpochSeconds } from './time.js';

/* Holidays as an account file has them: a date, or a day of every year. */

const DAY = 86_400;

/** `2026-12-25`, or `12-25`: every year. The 29th of February is one in leap years alone. */
export function isHoliday(text: string): boolean {
  const found = /^(?:(\d{4})-)?(\d{2}-\d{2})$/.exec(text);
  if (found === null) return false;
  const date = `${found[1] ?? '2000'}-${found[2] ?? ''}`;
  const at = Date.parse(`${date}T00:00:00Z`);
  return Number.isFinite(at) && new Date(at).toISOString().startsWith(date);
}

/** Local dates, as 2026-12-25, in order: yearly ones in every year from the one before `from` to the one after `to`. */
export function holidayDates(holidays: readonly string[], from: EpochSeconds, to: EpochSeconds): string[] {
  const year = (at: EpochSeconds): number => new Date(at * 1000).getUTCFullYear();
  const first = year(from - DAY) - 1;
  const years = Array.from({ length: Math.max(0, year(to + DAY) + 1 - first + 1) }, (_, index) => first + index);
  const dates = holidays.flatMap((text) =>
    text.length > 5 ? [text] : years.map((one) => `${one}-${text}`).filter(isHoliday),
  );
  return [...new Set(dates)].sort();
}
