import type { Component } from '../domain/component.js';
import { reaches, type AnnouncedEvent } from '../domain/control.js';
import { holidayDates } from '../domain/holidays.js';
import { binLabel, type Series } from '../domain/series.js';
import type { EpochSeconds } from '../domain/time.js';
import type { FeatureInputs } from './feature-inputs.js';
import type { ScheduledTask } from './schedule.js';

/*
 * What is known of an account besides its series, as models of many series are given it: the same when they are trained
 * and when they forecast.
 *
 * Anticipated events are known inputs: a plan multiplies the forecast by what was announced. So the models must see what
 * demand would have been without the event, or they would take a campaign for the new normal, and their own forecasts of
 * it for misses. That an event is on, and of what factor, they see beside it: where more or less comes than is announced
 * they can learn by how much.
 */

export interface KnownAhead {
  /** As the account file has them; absent where it names none: that is not the same as no holiday. */
  holidays?: readonly string[];
  /** Of the account file, and announced. */
  events: readonly AnnouncedEvent[];
  /** Tasks of the account file, on the clock of its zone. */
  tasks?: { timeZone: string; of: readonly DeclaredTask[] };
}

/** What of a task of the account file says when it runs, and what it takes. */
export interface DeclaredTask {
  workload: string;
  cron: string;
  /** Seconds. */
  duration: number;
  demand: Partial<Record<Component, number>>;
  /** Seconds by which it may be moved, and by what. */
  earlier: number;
  later: number;
  target?: object | undefined;
}

/** One that Headroom itself moves does not run when its schedule says. */
const isMoved = ({ earlier, later, target }: DeclaredTask): boolean => target !== undefined && earlier + later > 0;

function declaredOf(tasks: NonNullable<KnownAhead['tasks']>, workload: string, component: Component): ScheduledTask[] {
  return tasks.of
    .filter((task) => task.workload === workload && !isMoved(task))
    .flatMap(({ cron, duration, demand }) => {
      const amount = demand[component];
      return amount === undefined ? [] : [{ timing: { cron, timeZone: tasks.timeZone }, duration, amount }];
    });
}

const touches = (event: AnnouncedEvent, workload: string): boolean =>
  event.workloads === undefined || event.workloads.includes(workload);

/**
 * A series as the models learn from it: within an announced multiple, demand divided by it (where more came than was
 * announced, the rest stays, and the forecast rises by it); within an absolute announcement, missing.
 */
export function ordinary(
  series: Series,
  workload: string,
  component: Component,
  events: readonly AnnouncedEvent[],
): Series {
  const own = events.filter((event) => touches(event, workload));
  if (own.length === 0) return series;
  let values: Float64Array | null = null;
  for (let index = 0; index < series.values.length; index++) {
    const from = binLabel(series, index);
    const over = own.filter((event) => reaches(event, component) && event.from < from + series.step && event.to > from);
    if (over.length === 0) continue;
    values ??= series.values.slice();
    values[index] = over.reduce((value, { expect }) => without(value, expect, component), values[index] ?? Number.NaN);
  }
  return values === null ? series : { ...series, values };
}

/** What an announced multiple multiplies; null: memory and storage follow load in part only, dividing would teach too little. */
const factorOf = (expect: AnnouncedEvent['expect'], component: Component): number | null =>
  'demand' in expect ||
  !reaches({ expect }, component) ||
  component === 'memory' ||
  component === 'storage' ||
  expect.multiplier <= 0
    ? null
    : expect.multiplier;

function without(value: number, expect: AnnouncedEvent['expect'], component: Component): number {
  if ('demand' in expect) return expect.demand[component] === undefined ? value : Number.NaN;
  const factor = factorOf(expect, component);
  return factor === null ? Number.NaN : value / factor;
}

/** Events that are known now, and those that were: an event that is announced again replaces what it was. */
export function mergeEvents(past: readonly AnnouncedEvent[], now: readonly AnnouncedEvent[]): AnnouncedEvent[] {
  const again = (event: AnnouncedEvent): boolean =>
    now.some(({ name, from, to }) => name === event.name && from < event.to && to > event.from);
  return [...past.filter((event) => !again(event)), ...now];
}

/** What of inputs can matter to the bins from `from` to `to`. */
export function withinSpan(inputs: FeatureInputs, from: EpochSeconds, to: EpochSeconds): FeatureInputs {
  const { holidays, events, ...rest } = inputs;
  // A day around, whatever the zone.
  const [first, last] = [from - DAY, to + DAY].map((at) => new Date(at * 1000).toISOString().slice(0, 10));
  return {
    ...rest,
    ...(events === undefined ? {} : { events: events.filter((event) => event.from < to && event.to > from) }),
    ...(holidays === undefined
      ? {}
      : { holidays: holidays.filter((date) => date >= (first ?? '') && date <= (last ?? '')) }),
  };
}

const DAY = 86_400;

/** The inputs of one series; `from` and `to` span its bins and what is forecast. */
export function inputsOf(
  known: KnownAhead,
  workload: string,
  component: Component,
  from: EpochSeconds,
  to: EpochSeconds,
): FeatureInputs {
  const events = known.events
    .filter((event) => touches(event, workload) && event.from < to && event.to > from)
    .flatMap((event) => {
      const factor = factorOf(event.expect, component);
      return factor === null ? [] : [{ from: event.from, to: event.to, factor }];
    })
    // In one order, whoever named them first.
    .sort((one, other) => one.from - other.from || one.to - other.to || one.factor - other.factor);
  const declared = known.tasks === undefined ? [] : declaredOf(known.tasks, workload, component);
  return {
    events,
    ...(declared.length === 0 ? {} : { scheduled: { declared } }),
    ...(known.holidays === undefined ? {} : { holidays: holidayDates(known.holidays, from, to) }),
  };
}
