import { occurrences } from '../domain/occurrences.js';
import type { EpochSeconds } from '../domain/time.js';
import type { Calendar } from './calendar.js';

/*
 * Scheduled tasks as models are told of them: those of the account file, known at any time, and those that the data show,
 * each list from the moment on when it could be known. What of them is due is read off lazily: a rule of a few numbers
 * stands for years of runs, and goes to a training thread as it is.
 */

const DAY = 86_400;
const HOUR = 3600;

/** When a task begins. */
export type Timing =
  /** Five fields of cron, on the clock of a zone. */
  | { cron: string; timeZone: string }
  /** Every `period` seconds of the account's clock, `phase` after a multiple of it; on some days alone, 0 is Monday. */
  | { period: number; phase: number; days: readonly number[] | null };

export interface ScheduledTask {
  timing: Timing;
  /** Seconds. */
  duration: number;
  /** What a run is expected to add while it lasts, in the unit of the series. */
  amount: number;
}

/** What the data had shown by a moment. */
export interface FoundTasks {
  /** Label of the last bin that was looked at: from that origin on this is what is known. */
  since: EpochSeconds;
  tasks: readonly ScheduledTask[];
}

/** Tasks that a series is told of; absent where nobody said. */
export interface KnownTasks {
  /** Of the account file. */
  declared?: readonly ScheduledTask[];
  /** By `since`, ascending; at an origin the last one that is not later counts. */
  found?: readonly FoundTasks[];
}

/** Beyond this the next run is as good as none. */
export const FARTHEST_RUN = 8 * DAY;

/** Starts by day (UTC) of lines of cron: reading one costs more than a model's update, and many series share them. */
const crons = new Map<string, readonly EpochSeconds[]>();
const MOST_DAYS = 20_000;
/** Of tasks that were found, for as long as somebody holds them. */
const rules = new WeakMap<ScheduledTask, Map<number, readonly EpochSeconds[]>>();

function cronDay(cron: string, timeZone: string, day: number): readonly EpochSeconds[] {
  const key = `${day} ${timeZone} ${cron}`;
  let starts = crons.get(key);
  if (starts === undefined) {
    if (crons.size >= MOST_DAYS) crons.clear();
    starts = occurrences(cron, timeZone, day * DAY, (day + 1) * DAY);
    crons.set(key, starts);
  }
  return starts;
}

/** Monday is 0; the epoch began on a Thursday. */
const weekday = (local: number): number => (((Math.floor(local / DAY) + 3) % 7) + 7) % 7;

function ruleDay(
  { period, phase, days }: Extract<Timing, { period: number }>,
  calendar: Calendar,
  day: number,
): readonly EpochSeconds[] {
  const [from, to] = [day * DAY, (day + 1) * DAY];
  const starts: EpochSeconds[] = [];
  // An hour around, for a clock that is put forward or back within the day.
  const first = Math.ceil((from + calendar.offset(from) - HOUR - phase) / period);
  const last = Math.floor((to + calendar.offset(to) + HOUR - phase) / period);
  for (let k = first; k <= last; k++) {
    const local = k * period + phase;
    if (days !== null && !days.includes(weekday(local))) continue;
    const guess = local - calendar.offset(local);
    const at = Math.round(local - calendar.offset(guess));
    if (at >= from && at < to && at !== starts.at(-1)) starts.push(at);
  }
  return starts;
}

/** Starts of a task within one day (UTC), ascending. */
function startsOn(task: ScheduledTask, calendar: Calendar, day: number): readonly EpochSeconds[] {
  const { timing } = task;
  if ('cron' in timing) return cronDay(timing.cron, timing.timeZone, day);
  let known = rules.get(task);
  if (known === undefined) rules.set(task, (known = new Map()));
  let starts = known.get(day);
  if (starts === undefined) known.set(day, (starts = ruleDay(timing, calendar, day)));
  return starts;
}

/** Starts of a task in [from, to), ascending. */
export function startsWithin(
  task: ScheduledTask,
  calendar: Calendar,
  from: EpochSeconds,
  to: EpochSeconds,
): EpochSeconds[] {
  const starts: EpochSeconds[] = [];
  for (let day = Math.floor(from / DAY); day * DAY < to; day++) {
    for (const at of startsOn(task, calendar, day)) if (at >= from && at < to) starts.push(at);
  }
  return starts;
}

/** What tasks are expected to add to a bin, in the mean over it. */
export function amountWithin(
  tasks: readonly ScheduledTask[],
  calendar: Calendar,
  from: EpochSeconds,
  to: EpochSeconds,
): number {
  let sum = 0;
  for (const task of tasks) {
    for (let day = Math.floor((from - task.duration) / DAY); day * DAY < to; day++) {
      for (const at of startsOn(task, calendar, day)) {
        const shared = Math.min(to, at + task.duration) - Math.max(from, at);
        if (shared > 0) sum += (task.amount * shared) / (to - from);
      }
    }
  }
  return sum;
}

/** Seconds from a moment to the next start of any of the tasks, {@link FARTHEST_RUN} at most. */
export function untilNext(tasks: readonly ScheduledTask[], calendar: Calendar, from: EpochSeconds): number {
  let next = from + FARTHEST_RUN;
  for (const task of tasks) {
    for (let day = Math.floor(from / DAY); day * DAY < next; day++) {
      const start = startsOn(task, calendar, day).find((at) => at >= from);
      if (start === undefined) continue;
      next = Math.min(next, start);
      break;
    }
  }
  return next - from;
}

/** A found task that begins when a declared one does is that one. */
const SAME_SPAN = 14 * DAY;
const SAME_WITHIN = 900;
const SAME_SHARE = 0.8;

function isSame(one: ScheduledTask, other: ScheduledTask, calendar: Calendar, at: EpochSeconds): boolean {
  const [own, others] = [one, other].map((task) => startsWithin(task, calendar, at - SAME_SPAN, at + DAY));
  if (own === undefined || others === undefined || own.length === 0) return false;
  // Both ascend: the one beside each is found on the way.
  let k = 0;
  let near = 0;
  for (const start of own) {
    while ((others[k] ?? Number.POSITIVE_INFINITY) < start - SAME_WITHIN) k++;
    if ((others[k] ?? Number.POSITIVE_INFINITY) <= start + SAME_WITHIN) near++;
  }
  return near >= SAME_SHARE * own.length && near >= SAME_SHARE * others.length;
}

const NONE: readonly ScheduledTask[] = [];
const merged = new WeakMap<FoundTasks, WeakMap<readonly ScheduledTask[], readonly ScheduledTask[]>>();

/**
 * All tasks that are known at an origin: the declared ones, and what was found by then beside them.
 * @returns null where nothing is known: that is not the same as no task.
 */
export function tasksAt(
  { declared = NONE, found = [] }: KnownTasks,
  calendar: Calendar,
  origin: EpochSeconds,
): readonly ScheduledTask[] | null {
  let newest: FoundTasks | null = null;
  for (const one of found) if (one.since <= origin) newest = one;
  if (newest === null) return declared.length === 0 ? null : declared;
  if (declared.length === 0) return newest.tasks;
  let known = merged.get(newest);
  if (known === undefined) merged.set(newest, (known = new WeakMap()));
  let all = known.get(declared);
  if (all === undefined) {
    const { since, tasks } = newest;
    const news = tasks.filter((task) => !declared.some((one) => isSame(one, task, calendar, since)));
    known.set(declared, (all = [...declared, ...news]));
  }
  return all;
}
