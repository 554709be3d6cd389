import type { Component } from '../../domain/component.js';
import { binLabel, seriesEnd, type Series } from '../../domain/series.js';
import type { EpochSeconds } from '../../domain/time.js';
import type { Calendar } from '../../forecast/calendar.js';
import { cronOf } from './cron.js';
import { bestFold, dueRuns, WEEK, type Fold, type Span, type Start } from './periods.js';
import { pulsesOf } from './pulses.js';

/* Scheduled tasks in a series: of usage, or of how often an operation was done. */

const DAY = 86_400;
/** Tasks of one series; what is left after them is noise. */
const MOST_TASKS = 8;
/** A run so much larger than the task's own is another task's, that came at the same time. */
const ANOTHER = 1.6;

export interface FoundTask {
  /** Seconds between runs; of a task that runs on some days of the week only, a day. */
  period: number;
  /** Local seconds after a multiple of the period (of the day, of the week from Thursday, as the epoch). */
  phase: number;
  /** Days it runs on, 0 is Monday; null: every day, or its period is no day. */
  days: number[] | null;
  /** Five fields in the account's time zone; null where no such line says it. */
  cron: string | null;
  /** Seconds: half of the runs are shorter, and nine of ten. */
  duration: { median: number; most: number };
  /** What a run adds while it lasts, in the series' unit: half of the runs add less, and nine of ten. */
  footprint: { median: number; most: number };
  /** Seconds by which starts lie around the phase: median distance. */
  jitter: number;
  /** Runs that were due while the series was seen, and those that came. */
  due: number;
  runs: number;
  /** That the next run comes: (runs + 1) / (due + 2). */
  probability: number;
  /** False where it did not come the last few times. */
  active: boolean;
  last: EpochSeconds;
  /** The first time on the schedule that is still to come. */
  next: EpochSeconds;
}

/**
 * Tasks of a series, the most frequent first. Missed runs, jitter of up to half an hour and runs that meet are allowed;
 * a schedule needs four runs (a weekly one three), and days of the local clock.
 * @param at the present, which may be later than the series' end: `next` comes after it.
 */
export function findTasks(series: Series, calendar: Calendar, at: EpochSeconds = seriesEnd(series)): FoundTask[] {
  const local = (at: EpochSeconds): number => at + calendar.offset(at);
  const spans = knownSpans(series).map(([from, to]): Span => [local(from), local(to)]);
  let starts: Start[] = pulsesOf(series).map((pulse) => ({ ...pulse, at: local(pulse.at) }));
  const end = local(seriesEnd(series));
  const found: { task: FoundTask; fold: Fold }[] = [];
  while (found.length < MOST_TASKS) {
    const fold = bestFold(starts, spans, series.step);
    if (fold === null) break;
    const members = fold.members.map((index) => starts[index]).filter((start) => start !== undefined);
    const height = quantileOf(members, 0.5, ({ height: one }) => one);
    found.push({ fold, task: describe(fold, members, spans, end) });
    starts = starts.flatMap((start) => {
      // A start beside the window is a run of the task that came a little earlier or later, and no other schedule.
      if (Math.abs(start.at - nearest(start.at, fold)) > 2 * fold.tolerance + series.step) return [start];
      return start.height > ANOTHER * height ? [{ ...start, height: start.height - height }] : [];
    });
  }
  return joinDays(found.map(({ task }) => task)).map((task) => onClock(task, calendar, at));
}

/** Spans of known bins; a hole of a single bin hides no task. */
function knownSpans(series: Series): Span[] {
  const spans: [number, number][] = [];
  for (let index = 0; index < series.values.length; index++) {
    if (Number.isNaN(series.values[index])) continue;
    const from = binLabel(series, index);
    const last = spans.at(-1);
    if (last !== undefined && from - last[1] <= series.step) last[1] = from + series.step;
    else spans.push([from, from + series.step]);
  }
  return spans;
}

function quantileOf<T>(items: readonly T[], level: number, read: (item: T) => number): number {
  const values = items.map(read).sort((a, b) => a - b);
  return values[Math.min(values.length - 1, Math.floor(level * values.length))] ?? Number.NaN;
}

/** Monday is 0; the epoch began on a Thursday. */
const weekday = (local: number): number => (((Math.floor(local / DAY) + 3) % 7) + 7) % 7;

/** The days of the week that a daily schedule keeps to; null where it keeps to all of them. */
function daysOf(members: readonly Start[], spans: readonly Span[], fold: Fold): number[] | null {
  const due = new Array<number>(7).fill(0);
  const came = Array.from({ length: 7 }, () => new Set<number>());
  for (const [from, to] of spans) {
    const first = Math.ceil((from - fold.phase) / DAY);
    for (let day = first; day * DAY + fold.phase < to; day++) {
      const index = weekday(day * DAY + fold.phase);
      due[index] = (due[index] ?? 0) + 1;
    }
  }
  for (const { at } of members) {
    const day = Math.round((at - fold.phase) / DAY);
    came[weekday(day * DAY + fold.phase)]?.add(day);
  }
  const share = (day: number): number => (came[day]?.size ?? 0) / Math.max(1, due[day] ?? 0);
  if (due.some((count) => count < 2)) return null;
  const kept = [0, 1, 2, 3, 4, 5, 6].filter((day) => share(day) >= 0.5);
  const left = [0, 1, 2, 3, 4, 5, 6].filter((day) => !kept.includes(day));
  const clear = kept.length > 0 && left.length > 0 && left.every((day) => share(day) <= 0.25);
  return clear ? kept : null;
}

function describe(fold: Fold, members: readonly Start[], spans: readonly Span[], end: number): FoundTask {
  const { phase, tolerance } = fold;
  const days = fold.period === DAY ? daysOf(members, spans, fold) : null;
  const period = fold.period;
  const kept = days === null ? members : members.filter(({ at }) => days.includes(weekday(nearest(at, fold))));
  const due =
    days === null
      ? fold.due
      : days.reduce((sum, day) => sum + dueRuns(spans, WEEK, ((day - 3 + 7) % 7) * DAY + phase, tolerance), 0);
  const runs = Math.min(due, new Set(kept.map(({ at }) => Math.round((at - phase) / period))).size);
  const last = kept.at(-1)?.at ?? Number.NaN;
  const missed = dueRuns([[nearest(last, fold) + tolerance, end]], period, phase, tolerance);
  const dueSince = days === null ? missed : (missed * days.length) / 7;
  return {
    ...{ period, phase, days, cron: null },
    duration: {
      median: quantileOf(kept, 0.5, (one) => one.duration),
      most: quantileOf(kept, 0.9, (one) => one.duration),
    },
    footprint: { median: quantileOf(kept, 0.5, (one) => one.height), most: quantileOf(kept, 0.9, (one) => one.height) },
    jitter: quantileOf(kept, 0.5, ({ at }) => Math.abs(at - nearest(at, fold))),
    ...{ due, runs, probability: (runs + 1) / (due + 2), active: dueSince < 3 || (runs / due) ** dueSince > 0.01 },
    // Said on the clock, once days are joined.
    ...{ last, next: Number.NaN },
  };
}

/** The time on the schedule that a start belongs to. */
const nearest = (at: number, fold: { period: number; phase: number }): number =>
  Math.round((at - fold.phase) / fold.period) * fold.period + fold.phase;

/** Weekly tasks at one time of the day with a like footprint are one task of several days. */
function joinDays(tasks: readonly FoundTask[]): FoundTask[] {
  const joined: FoundTask[] = [];
  for (const task of tasks) {
    if (task.period !== WEEK) {
      joined.push(task);
      continue;
    }
    const day = weekday(task.phase);
    const time = task.phase % DAY;
    const same = joined.find(
      (one) =>
        one.period === DAY &&
        one.days !== null &&
        !one.days.includes(day) &&
        Math.abs(one.phase - time) <= 900 &&
        Math.max(one.footprint.median, task.footprint.median) <=
          ANOTHER * Math.min(one.footprint.median, task.footprint.median),
    );
    if (same === undefined) {
      joined.push({ ...task, period: DAY, phase: time, days: [day] });
      continue;
    }
    same.days = [...(same.days ?? []), day].sort((a, b) => a - b);
    same.due += task.due;
    same.runs += task.runs;
    same.probability = (same.runs + 1) / (same.due + 2);
    same.active ||= task.active;
    same.last = Math.max(same.last, task.last);
    same.duration.most = Math.max(same.duration.most, task.duration.most);
    same.footprint.most = Math.max(same.footprint.most, task.footprint.most);
  }
  return joined.sort((one, other) => other.runs - one.runs);
}

/** From the local clock back to time, and the line that says the schedule. */
function onClock(task: FoundTask, calendar: Calendar, at: EpochSeconds): FoundTask {
  const moment = (local: number): EpochSeconds => {
    const guess = local - calendar.offset(local);
    return Math.round(local - calendar.offset(guess));
  };
  const { period, phase, days } = task;
  const from = Math.floor((at + calendar.offset(at) - phase) / period) * period + phase;
  // A week of days, and one time more where the clock is put back or forward meanwhile.
  let next = from;
  while (moment(next) <= at || (days !== null && !days.includes(weekday(next)))) next += period;
  return { ...task, cron: cronOf(task), last: moment(task.last), next: moment(next) };
}

/** A task with what it adds of each component of its workload. */
export interface WorkloadTask extends FoundTask {
  workload: string;
  footprints: Partial<Record<Component, { median: number; most: number }>>;
}

/** The same schedule in several components of a workload is one task. */
export function joinComponents(
  found: readonly { workload: string; component: Component; tasks: readonly FoundTask[] }[],
): WorkloadTask[] {
  const joined: WorkloadTask[] = [];
  for (const { workload, component, tasks } of found) {
    for (const task of tasks) {
      const same = joined.find(
        (one) =>
          one.workload === workload &&
          Math.abs(one.period - task.period) < 0.01 * task.period &&
          Math.abs(one.phase - task.phase) <= 900 &&
          String(one.days) === String(task.days) &&
          one.footprints[component] === undefined,
      );
      if (same === undefined) {
        joined.push({ ...task, workload, footprints: { [component]: task.footprint } });
        continue;
      }
      same.footprints[component] = task.footprint;
      same.duration.most = Math.max(same.duration.most, task.duration.most);
    }
  }
  return joined;
}
