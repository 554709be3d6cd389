import type { EpochSeconds } from '../domain/time.js';
import type { FeatureInputs } from './feature-inputs.js';

/*
 * How busy the whole system is: the mean over its series of what each is beside its own week before. Without a unit and
 * causal, so that a series that comes or goes, or is missing for a while, moves it little, and past values never change.
 */

const HOUR = 3600;
const WEEK_HOURS = 168;
/** Known hours of the week before from which on a series counts. */
const LEAST_HOURS = 24;
/** One series is no system. */
const LEAST_SERIES = 2;
/** A series that wakes up from next to nothing does not drown the others. */
const MOST_RATIO = 5;

export interface LoadedSeries {
  start: EpochSeconds;
  /** Seconds between bins; of more than an hour a series is left out. */
  step: number;
  /** NaN is a missing bin. */
  values: Float32Array | Float64Array;
}

export type SystemLoad = NonNullable<FeatureInputs['systemLoad']>;

/**
 * By hour, each labelled by its end: at an origin the last hour that is over is what is known.
 * @returns null where fewer than two series say anything.
 */
export function systemLoadOf(series: readonly LoadedSeries[]): SystemLoad | null {
  const fine = series.filter(({ step, values }) => step <= HOUR && values.length > 0);
  if (fine.length < LEAST_SERIES) return null;
  const first = Math.min(...fine.map(({ start }) => Math.floor(start / HOUR)));
  const last = Math.max(
    ...fine.map(({ start, step, values }) => Math.floor((start + (values.length - 1) * step) / HOUR)),
  );
  const hours = last - first + 1;
  const sum = new Float64Array(hours);
  const count = new Float64Array(hours);
  const hourly = new Float64Array(hours);
  const known = new Float64Array(hours);
  for (const { start, step, values } of fine) {
    hourly.fill(0);
    known.fill(0);
    values.forEach((value, index) => {
      if (Number.isNaN(value)) return;
      const hour = Math.floor((start + index * step) / HOUR) - first;
      hourly[hour] = (hourly[hour] ?? 0) + value;
      known[hour] = (known[hour] ?? 0) + 1;
    });
    let [total, of] = [0, 0];
    const mean = (hour: number): number =>
      (known[hour] ?? 0) > 0 ? (hourly[hour] ?? 0) / (known[hour] ?? 1) : Number.NaN;
    for (let hour = 0; hour < hours; hour++) {
      const value = mean(hour);
      const usual = of >= LEAST_HOURS ? total / of : Number.NaN;
      if (!Number.isNaN(value) && usual > 0) {
        sum[hour] = (sum[hour] ?? 0) + Math.min(MOST_RATIO, value / usual);
        count[hour] = (count[hour] ?? 0) + 1;
      }
      if (!Number.isNaN(value)) [total, of] = [total + value, of + 1];
      const leaves = hour >= WEEK_HOURS ? mean(hour - WEEK_HOURS) : Number.NaN;
      if (!Number.isNaN(leaves)) [total, of] = [Math.max(0, total - leaves), of - 1];
    }
  }
  const values = Float32Array.from(sum, (one, hour) =>
    (count[hour] ?? 0) >= LEAST_SERIES ? one / (count[hour] ?? 1) : Number.NaN,
  );
  return values.every(Number.isNaN) ? null : { start: (first + 1) * HOUR, step: HOUR, values };
}

/**
 * Series of several accounts with the load of all of them among their inputs. It is made from the very series that are
 * trained on, so that a fit can be repeated from them.
 */
export function withSystemLoad<One extends LoadedSeries & { inputs?: FeatureInputs; together?: true }>(
  series: readonly One[],
): One[] {
  const load = systemLoadOf(series.filter(({ together }) => together === true));
  if (load === null) return [...series];
  return series.map((one) => (one.together === true ? { ...one, inputs: { ...one.inputs, systemLoad: load } } : one));
}
