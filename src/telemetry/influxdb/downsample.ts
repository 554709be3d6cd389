import { flux, fluxDateTime, fluxExpression, type ParameterizedQuery } from '@influxdata/influxdb-client';
import { isoTime, type EpochSeconds } from '../../domain/time.js';
import type { InfluxConnection } from './connection.js';
import { FIELDS, HOUR, type InfluxNames } from './layout.js';

/*
 * From samples to sums and counts by hour. Both are kept, and not the mean, so that the mean of a day is that of its
 * samples and not that of its hours; and both are written again as often as an hour is computed again, to the same
 * point, so that late data and repeats are harmless.
 */

/** How far back the task computes again at each run: what comes later than that needs `--backfill`. */
const AGAIN_HOURS = 26;
const DAY = 86_400;

/** Three passes over the samples, each pushed down into the storage engine. */
function passes(range: ParameterizedQuery, names: InfluxNames): ParameterizedQuery {
  const { bucket, hourlyBucket, usageMeasurement } = names;
  const samples = flux`from(bucket: ${bucket})
  |> range(${range})
  |> filter(fn: (r) => r._measurement == ${usageMeasurement})`;
  const write = (field: string) => flux`
  |> set(key: "_field", value: ${field})
  |> to(bucket: ${hourlyBucket})
  |> filter(fn: (r) => false)
  |> yield(name: ${field})
`;
  return flux`${samples}
  |> filter(fn: (r) => r._field == ${FIELDS.value})
  |> aggregateWindow(every: 1h, fn: sum, createEmpty: false, timeSrc: "_start")${write(FIELDS.sum)}
${samples}
  |> filter(fn: (r) => r._field == ${FIELDS.value})
  |> aggregateWindow(every: 1h, fn: count, createEmpty: false, timeSrc: "_start")
  |> toFloat()${write(FIELDS.count)}
${samples}
  |> filter(fn: (r) => r._field == ${FIELDS.censored})
  |> filter(fn: (r) => r._value == true)
  |> aggregateWindow(every: 1h, fn: count, createEmpty: false, timeSrc: "_start")
  |> toFloat()${write(FIELDS.censored)}`;
}

export const taskName = (names: InfluxNames): string => `headroom: ${names.bucket} by the hour`;

/** The task that InfluxDB itself runs, ten minutes past every hour. */
export const taskFlux = (names: InfluxNames): string =>
  flux`import "date"

option task = {name: ${taskName(names)}, every: 1h, offset: 10m}

${passes(
  flux`start: date.truncate(t: ${fluxExpression(`-${AGAIN_HOURS}h`)}, unit: 1h), stop: date.truncate(t: now(), unit: 1h)`,
  names,
)}`.toString();

/**
 * The same for hours of the past, a day at a time: after an import, or where the task is new.
 * @param from, to widened to whole hours.
 */
export async function downsample(
  connection: InfluxConnection,
  names: InfluxNames,
  window: { from: EpochSeconds; to: EpochSeconds },
  signal: AbortSignal,
): Promise<void> {
  const end = Math.ceil(window.to / HOUR) * HOUR;
  for (let from = Math.floor(window.from / HOUR) * HOUR; from < end; from += DAY) {
    const range = flux`start: ${fluxDateTime(isoTime(from))}, stop: ${fluxDateTime(isoTime(Math.min(end, from + DAY)))}`;
    const action = `down-sampling ${names.bucket} from ${isoTime(from)}`;
    await connection.query(passes(range, names), () => undefined, action, signal);
  }
}
