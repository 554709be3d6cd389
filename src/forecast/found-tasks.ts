import { FIND_SPAN, foundBy, lookEvery, looksAt } from '../behavior/tasks/known.js';
import { seriesEnd, type Series } from '../domain/series.js';
import type { EpochSeconds } from '../domain/time.js';
import { calendarOf, type Calendar } from './calendar.js';
import type { FeatureInputs } from './feature-inputs.js';
import type { FoundTasks } from './schedule.js';

/* The tasks that series show, for models that ask for them: found once for all models of a fit or of a training. */

/** Follows one series; each list was found from what was known by then. */
export interface TaskMemory {
  /** Takes the next bin. */
  observe(label: EpochSeconds, value: number): void;
  /** What is told besides the series, with what it showed; the same object while nothing of it is new. */
  told(inputs: FeatureInputs | undefined): FeatureInputs;
}

/**
 * @param window that a fit looks at; its end is the present.
 * @param from the first origin that models will be asked at.
 */
export function followTasks(window: Series, calendar: Calendar, from: EpochSeconds): TaskMemory {
  const { step } = window;
  const end = seriesEnd(window);
  const every = lookEvery(step);
  const ends: EpochSeconds[] = [];
  for (let at = end; at > window.start; at -= every) {
    ends.unshift(at);
    if (at <= from) break;
  }
  let found: readonly FoundTasks[] = foundBy(window, calendar, ends);
  let last: { inputs: FeatureInputs | undefined; found: readonly FoundTasks[]; all: FeatureInputs } | null = null;
  let due = end + every;
  // As far back as a later look goes.
  const bins = Math.ceil(FIND_SPAN / step);
  let values = [...window.values.subarray(Math.max(0, window.values.length - bins))];
  return {
    observe(label, value) {
      values.push(value);
      const now = label + step;
      if (now < due) return;
      values = values.slice(-bins);
      const seen = { start: now - values.length * step, step, values: Float64Array.from(values) };
      const newest = foundBy({ ...seen, censored: new Uint8Array(values.length) }, calendar, [now]);
      // Nobody asks from an origin before the present any more.
      found = [...found.slice(-1), ...newest];
      due = now + every;
    },
    told(inputs) {
      if (last === null || last.inputs !== inputs || last.found !== found) {
        last = { inputs, found, all: withFound(inputs, found) };
      }
      return last.all;
    },
  };
}

/** What is told besides a series, with what it showed itself. */
const withFound = (inputs: FeatureInputs | undefined, found: readonly FoundTasks[]): FeatureInputs => ({
  ...inputs,
  scheduled: { ...inputs?.scheduled, found },
});

/**
 * A series with what it had shown by and by among its inputs, where nobody has looked yet.
 * @param from the first origin that is asked; without it the first of the series.
 */
export function withFoundTasks<
  One extends {
    start: EpochSeconds;
    step: number;
    values: Float32Array | Float64Array;
    timeZone: string;
    inputs?: FeatureInputs;
  },
>(one: One, from: EpochSeconds = one.start): One {
  const { start, step, values, timeZone, inputs } = one;
  if (inputs?.scheduled?.found !== undefined) return one;
  const series = { start, step, values: Float64Array.from(values), censored: new Uint8Array(values.length) };
  const ends = looksAt(one);
  const first = Math.max(
    0,
    ends.findLastIndex((end) => end <= from),
  );
  const found = foundBy(series, calendarOf(timeZone), ends.slice(first));
  return { ...one, inputs: withFound(inputs, found) };
}

/** Whether any task is known of any of the series. */
export const knowTasks = (series: readonly { inputs?: FeatureInputs }[]): boolean =>
  series.some(({ inputs }) => {
    const { declared = [], found = [] } = inputs?.scheduled ?? {};
    return declared.length > 0 || found.some(({ tasks }) => tasks.length > 0);
  });
