import type { EpochSeconds } from '../domain/time.js';
import type { Calendar } from './calendar.js';
import { amountWithin, tasksAt, untilNext, type KnownTasks } from './schedule.js';

/** What may be known besides a series, each only where someone gave it: plain data, which goes to a thread as it is. */
export interface FeatureInputs {
  /** Local dates, as 2026-12-25. */
  holidays?: readonly string[];
  /** Announced events: demand times `factor` from `from` to `to`. */
  events?: readonly { from: EpochSeconds; to: EpochSeconds; factor: number }[];
  /** Scheduled tasks of the account file, and those that the series itself shows. */
  scheduled?: KnownTasks;
  /** Load of the whole system, on a grid; the last bin at the origin counts, and the one a day before. */
  systemLoad?: { start: EpochSeconds; step: number; values: Float32Array | Float64Array };
}

const DAY = 86_400;
const HOUR = 3600;

/** Numbers that an {@link Outlook} writes. */
export const OUTLOOK_WIDTH = 6;

/**
 * Writes holiday, event, what tasks add to the target's bin (relative to `level`), system load, its change against the day
 * before, and the logarithm of the hours from the target to the next run of any task.
 */
export type Outlook = (
  origin: EpochSeconds,
  target: EpochSeconds,
  step: number,
  inputs: FeatureInputs | undefined,
  level: number,
  out: Float64Array,
  at: number,
) => void;

export function createOutlook(calendar: Calendar): Outlook {
  let dates: readonly string[] = [];
  let days = new Set<number>();
  const isHoliday = (holidays: readonly string[], target: EpochSeconds): number => {
    if (holidays !== dates) {
      dates = holidays;
      days = new Set(holidays.map((date) => Date.parse(`${date}T00:00:00Z`) / 1000 / DAY));
    }
    return days.has(Math.floor((target + calendar.offset(target)) / DAY)) ? 1 : 0;
  };
  return (origin, target, step, inputs, level, out, at) => {
    const { holidays, events, scheduled, systemLoad } = inputs ?? {};
    out[at] = holidays === undefined ? Number.NaN : isHoliday(holidays, target);
    const covers = ({ from, to }: { from: EpochSeconds; to: EpochSeconds }): boolean => from <= target && target < to;
    out[at + 1] =
      events === undefined ? Number.NaN : events.filter(covers).reduce((product, { factor }) => product * factor, 1);
    // Of what was found in the data, what was known at the origin.
    const tasks = scheduled === undefined ? null : tasksAt(scheduled, calendar, origin);
    out[at + 2] =
      tasks === null
        ? Number.NaN
        : amountWithin(tasks, calendar, target, target + step) / Math.max(Math.abs(level), 1e-12);
    // The load of the target is not known; that of the origin is, and how it compares with a day before.
    const loadAt = (time: EpochSeconds): number =>
      systemLoad === undefined
        ? Number.NaN
        : (systemLoad.values[Math.floor((time - systemLoad.start) / systemLoad.step)] ?? Number.NaN);
    out[at + 3] = loadAt(origin);
    out[at + 4] = loadAt(origin) - loadAt(calendar.daysBefore(origin, 1));
    out[at + 5] = tasks === null ? Number.NaN : Math.log1p(untilNext(tasks, calendar, target) / HOUR);
  };
}
