import { seriesEnd, sliceSeries, type Series } from '../../domain/series.js';
import type { EpochSeconds } from '../../domain/time.js';
import type { Calendar } from '../../forecast/calendar.js';
import type { FoundTasks, ScheduledTask } from '../../forecast/schedule.js';
import { findTasks, type FoundTask } from './find.js';

/*
 * Tasks that the data show, as models are told of them: at an origin only what had been found by then, from bins that were
 * known then. Looking costs milliseconds, so that it is done every few days and not at every bin, in training and in
 * forecasting alike.
 */

const DAY = 86_400;
/** A schedule takes days to show, and does not change from one to the next. */
export const FIND_EVERY = 3 * DAY;
/** As far back as is looked. */
export const FIND_SPAN = 28 * DAY;

/** A task that goes on, by what a run is expected to add: its median, as often as runs came that were due. */
const scheduled = ({ period, phase, days, duration, footprint, probability }: FoundTask): ScheduledTask => ({
  timing: { period, phase, days },
  duration: duration.median,
  amount: footprint.median * probability,
});

/** What the last weeks of a series show. */
export function scheduledOf(series: Series, calendar: Calendar): ScheduledTask[] {
  const bins = Math.ceil(FIND_SPAN / series.step);
  const seen = sliceSeries(series, series.values.length - bins, series.values.length);
  return findTasks(seen, calendar)
    .filter(({ active }) => active)
    .map(scheduled);
}

/** Of longer bins too few lie within a task, or between two, to tell it. */
const LONGEST_STEP = 5400;

/**
 * What a series had shown by and by; nothing of one whose bins are too long to show tasks.
 * @param ends moments up to which it is looked at, ascending; what begins at them is known to none of it.
 */
export function foundBy(series: Series, calendar: Calendar, ends: readonly EpochSeconds[]): FoundTasks[] {
  if (series.step > LONGEST_STEP) return [];
  return ends.map((end) => {
    const bins = Math.floor((Math.min(end, seriesEnd(series)) - series.start) / series.step);
    return { since: end - series.step, tasks: scheduledOf(sliceSeries(series, 0, bins), calendar) };
  });
}

/** Seconds between two looks at a series: whole bins. */
export const lookEvery = (step: number): number => Math.max(1, Math.round(FIND_EVERY / step)) * step;

/** Moments at which one looks at a whole series, from its start on. */
export function looksAt({
  start,
  step,
  values,
}: Pick<Series, 'start' | 'step'> & { values: ArrayLike<number> }): EpochSeconds[] {
  const every = lookEvery(step);
  const count = Math.floor((values.length * step) / every);
  return Array.from({ length: count }, (_, k) => start + (k + 1) * every);
}
