import { HeadroomError } from '../../domain/errors.js';
import type { EpochSeconds } from '../../domain/time.js';

/**
 * What would be consumed at a time with no throttling, in the component's unit; NaN where the trace knows nothing (the
 * load then goes on as it was, unmeasured).
 */
export type DemandAt = (at: EpochSeconds) => number;

export interface DemandTable {
  /** Labels, strictly increasing: the value holds from its label for one step. */
  times: Float64Array;
  values: Float64Array;
  /** Seconds. */
  step: number;
}

/** A table on a regular grid from `start`; `repeat` begins again at its end and goes back before its start. */
export function gridDemand(options: {
  start: EpochSeconds;
  step: number;
  values: readonly number[];
  repeat: boolean;
}): DemandAt {
  const { start, step, values, repeat } = options;
  return (at) => {
    let index = Math.floor((at - start) / step);
    if (repeat) index = ((index % values.length) + values.length) % values.length;
    return values[index] ?? Number.NaN;
  };
}

/** A table with times of its own; a time with no row within a step has no value. */
export function tableDemand(table: DemandTable): DemandAt {
  const { times, values, step } = table;
  // Time mostly goes forward: start from the last hit.
  let index = 0;
  return (at) => {
    if (times.length === 0 || at < (times[0] ?? 0)) return Number.NaN;
    if (at < (times[index] ?? 0)) index = 0;
    if (at - (times[index] ?? 0) > 64 * step) index = lastAtOrBefore(times, at);
    while (index + 1 < times.length && (times[index + 1] ?? Number.POSITIVE_INFINITY) <= at) index++;
    return at < (times[index] ?? 0) + step ? (values[index] ?? Number.NaN) : Number.NaN;
  };
}

function lastAtOrBefore(times: Float64Array, at: number): number {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((times[middle] ?? 0) <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The sampling interval of times: the most frequent difference, since gaps and jitter are the exceptions. */
export function usualStep(times: Float64Array): number {
  const counts = new Map<number, number>();
  for (let index = 1; index < times.length; index++) {
    const difference = (times[index] ?? 0) - (times[index - 1] ?? 0);
    counts.set(difference, (counts.get(difference) ?? 0) + 1);
  }
  let best = 60;
  let most = 0;
  for (const [difference, count] of counts) {
    if (count > most) [best, most] = [difference, count];
  }
  return best;
}

/**
 * Checks and builds a table from rows; a NaN is a hole, as a row that is not there.
 * @throws HeadroomError `invalid-input` naming the row where time does not increase or a value is negative or infinite.
 */
export function demandTable(rows: readonly { at: number; value: number }[], what: string): DemandTable {
  const fail = (row: number, problem: string) =>
    new HeadroomError({
      kind: 'invalid-input',
      component: 'cluster/simulated',
      action: `reading demand of ${what}`,
      problem: `row ${row + 2}: ${problem}`,
      remedy: 'give every time once, and values that are finite and not negative (leave unknown ones empty)',
    });
  const sorted = rows.map((row, index) => ({ ...row, index })).sort((a, b) => a.at - b.at);
  const times = new Float64Array(sorted.length);
  const values = new Float64Array(sorted.length);
  sorted.forEach((row, index) => {
    if (!Number.isFinite(row.at)) throw fail(row.index, 'the time cannot be read');
    if (index > 0 && row.at <= (times[index - 1] ?? 0)) throw fail(row.index, `time ${row.at} is there twice`);
    if (row.value < 0 || row.value === Number.POSITIVE_INFINITY) throw fail(row.index, `value ${row.value}`);
    times[index] = row.at;
    values[index] = row.value;
  });
  return { times, values, step: usualStep(times) };
}
