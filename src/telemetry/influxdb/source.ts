import { BucketsAPI } from '@influxdata/influxdb-client-apis';
import { z } from 'zod';
import { COMPONENT_UNITS, COMPONENTS, isAmount, type Component } from '../../domain/component.js';
import { formatDuration, type EpochSeconds } from '../../domain/time.js';
import type { MetricQuery, UsageQuery, UsageSeries, UsageSource, UsageWindow } from '../port.js';
import { emptyWindow } from '../window.js';
import type { CsvRow } from './annotated-csv.js';
import { createInfluxConnection, influxError, translateInflux, type InfluxConnection } from './connection.js';
import { DEFAULT_MEASUREMENTS, FIELDS, HOUR, hourlyBucketOf, type InfluxNames } from './layout.js';
import { censoredFlux, hourlyFlux, lastFlux, LAST, meansFlux, metricFlux } from './queries.js';

const namesSchema = z.strictObject({
  bucket: z.string().min(1),
  hourlyBucket: z.string().min(1).optional(),
  usageMeasurement: z.string().min(1).default(DEFAULT_MEASUREMENTS.usageMeasurement),
  metricMeasurement: z.string().min(1).default(DEFAULT_MEASUREMENTS.metricMeasurement),
});

/** See {@link InfluxNames} for the layout of the buckets. */
export interface InfluxOptions {
  url: string;
  token: string;
  org: string;
  bucket: string;
  /** Default: the bucket's name and `_1h`, as `headroom telemetry init` makes it. */
  hourlyBucket?: string;
  usageMeasurement?: string;
  metricMeasurement?: string;
  /** Seconds that one query may take, from sending to the last row; default 20, less than an activity may take. */
  timeout?: number;
  /** What tells where raw retention begins; default the machine's clock. */
  now?: () => EpochSeconds;
}

/** Series in one query: a longer list only makes a filter that is slower to plan. */
const MOST_SERIES = 100;
/** How long what the server said of its retention is believed. */
const RETENTION_AGE_MS = 600_000;

const isComponent = (text: string): text is Component => COMPONENTS.some((one) => one === text);

/**
 * Usage out of InfluxDB 2, by Flux. Rows go into the window's arrays as they arrive; nothing else is kept of the answer.
 * @throws HeadroomError `unavailable`: down, slow, cut off in the middle; `refused`: the token; `not-found`: the
 * bucket or the organisation; `invalid-input`: a step finer than the data, values of another type or unit.
 */
export function createInfluxTelemetry(options: InfluxOptions): UsageSource {
  const { url, token, org, timeout = 20, now = () => Date.now() / 1000, ...rest } = options;
  const connection = createInfluxConnection({ url, token, org, timeout });
  const parsed = namesSchema.parse(rest);
  const names: InfluxNames = { ...parsed, hourlyBucket: parsed.hourlyBucket ?? hourlyBucketOf(parsed.bucket) };
  const rawSince = createRawSince(connection, names, now);

  /** One query's worth of raw series, put into the window. */
  const fillRaw = async (window: UsageWindow, query: UsageQuery, action: string, signal: AbortSignal) => {
    const places = placesOf(window);
    const { from, step } = window;
    const means = async (merged: boolean): Promise<boolean> => {
      let twice = false;
      if (merged) clear(window, query);
      const put = (row: CsvRow): void => {
        const bin = Math.round((row.seconds('_time') - from) / step);
        const value = row.number('_value');
        for (const { component, series } of places(row, action) ?? []) {
          if (!(bin >= 0 && bin < series.values.length)) continue;
          if (!Number.isNaN(series.values[bin])) twice = true;
          series.values[bin] = isAmount(component, value) ? value : Number.NaN;
        }
      };
      await connection.query(meansFlux(query, names, merged), put, action, signal);
      return twice;
    };
    const censored = connection.query(
      censoredFlux(query, names),
      (row) => {
        const bin = Math.floor((row.seconds('_time') - from) / step);
        for (const { series } of places(row, action) ?? []) {
          if (bin >= 0 && bin < series.censored.length) series.censored[bin] = 1;
        }
      },
      action,
      signal,
    );
    const times = new Map<string, number[]>();
    const interval = connection.query(
      lastFlux(query, names),
      (row) => {
        const key = keyOf(row.text('workload'), row.text('component'));
        const known = times.get(key);
        if (known === undefined) times.set(key, [row.seconds('_time')]);
        else known.push(row.seconds('_time'));
      },
      action,
      signal,
    );
    // All three are waited for even where one fails, so that none is left running behind the error.
    const [first, ...others] = await Promise.allSettled([means(false), censored, interval]);
    for (const one of [first, ...others]) if (one.status === 'rejected') throw one.reason;
    // Series that differ in further tags (a host, a pod) meet in one bin: its mean is that of all their samples.
    if (first.status === 'fulfilled' && first.value) await means(true);
    for (const { workload, component } of query.series) {
      refuseTooFine(times.get(keyOf(workload, component)) ?? [], step, `${workload} ${component}`, action);
    }
  };

  const fillHourly = async (window: UsageWindow, query: UsageQuery, action: string, signal: AbortSignal) => {
    const places = placesOf(window);
    const sums = new Map<UsageSeries, { sum: Float64Array; count: Float64Array }>();
    const { from, step } = window;
    const put = (row: CsvRow): void => {
      const bin = Math.round((row.seconds('_time') - from) / step);
      const field = row.text('_field');
      const value = row.number('_value');
      for (const entry of places(row, action) ?? []) {
        const length = entry.series.values.length;
        if (!(bin >= 0 && bin < length)) continue;
        let of = sums.get(entry);
        if (of === undefined)
          sums.set(entry, (of = { sum: new Float64Array(length), count: new Float64Array(length) }));
        if (field === FIELDS.sum) of.sum[bin] = (of.sum[bin] ?? 0) + value;
        else if (field === FIELDS.count) of.count[bin] = (of.count[bin] ?? 0) + value;
        else if (value > 0) entry.series.censored[bin] = 1;
      }
    };
    await connection.query(hourlyFlux(query, names), put, action, signal);
    for (const [{ component, series }, { sum, count }] of sums) {
      count.forEach((samples, bin) => {
        const mean = (sum[bin] ?? 0) / samples;
        if (samples > 0 && isAmount(component, mean)) series.values[bin] = mean;
      });
    }
  };

  return {
    name: 'influxdb',

    async readUsage(query, signal) {
      signal.throwIfAborted();
      const { account, step } = query;
      const action = `reading usage of ${account}`;
      const window = emptyWindow(query, 0, (problem) =>
        influxError('invalid-input', action, problem, 'give a from before its to, and a step that fits'),
      );
      const { from, to } = window;
      if (to === from) return window;
      // Bins of which raw samples may have gone come from the hourly bucket, where the step allows it.
      const since = step % HOUR === 0 ? await rawSince(action, signal) : Number.NEGATIVE_INFINITY;
      const boundary = Math.min(to, Math.max(from, Math.ceil(since / step) * step));
      const wanted = [...new Map(query.series.map((one) => [keyOf(one.workload, one.component), one])).values()];
      for (let first = 0; first < wanted.length; first += MOST_SERIES) {
        const part = { account, series: wanted.slice(first, first + MOST_SERIES), step };
        if (boundary > from) await fillHourly(window, { ...part, from, to: boundary }, action, signal);
        if (boundary < to) await fillRaw(window, { ...part, from: boundary, to }, action, signal);
      }
      return window;
    },

    async readMetric(query: MetricQuery, signal) {
      signal.throwIfAborted();
      if (!(query.to > query.from)) return null;
      const action = `reading ${query.metric} of ${query.account}/${query.workload}`;
      let found: number | null = null;
      const take = (row: CsvRow): void => {
        const value = row.number('_value');
        if (Number.isFinite(value)) found = value;
      };
      await connection.query(metricFlux(query, names), take, action, signal);
      return found;
    },

    close: () => Promise.resolve(),
  };
}

const keyOf = (workload: string, component: string): string => `${component}/${workload}`;

/** Forgets the bins that a query is about to fill. */
function clear(window: UsageWindow, query: UsageQuery): void {
  const wanted = new Set(query.series.map(({ workload, component }) => keyOf(workload, component)));
  const binOf = (time: number): number => Math.round((time - window.from) / window.step);
  for (const { workload, component, series } of window.series) {
    if (wanted.has(keyOf(workload, component))) series.values.fill(Number.NaN, binOf(query.from), binOf(query.to));
  }
}

/** Where rows of a series go; series may be asked for more than once. */
function placesOf(window: UsageWindow): (row: CsvRow, action: string) => UsageSeries[] | undefined {
  const places = new Map<string, UsageSeries[]>();
  for (const entry of window.series) {
    const key = keyOf(entry.workload, entry.component);
    const known = places.get(key);
    if (known === undefined) places.set(key, [entry]);
    else known.push(entry);
  }
  // Rows of a series follow each other: it is looked up where it changes.
  let last = { workload: '', component: '', unit: '', place: places.get('') };
  return (row, action) => {
    const component = row.text('component');
    const workload = row.text('workload');
    const unit = row.text('unit');
    if (workload === last.workload && component === last.component && unit === last.unit) return last.place;
    if (unit !== '' && isComponent(component) && unit !== COMPONENT_UNITS[component]) {
      throw influxError(
        'invalid-input',
        action,
        `${workload} ${component} is written in ${unit}, not in ${COMPONENT_UNITS[component]}`,
        `write ${COMPONENT_UNITS[component]}, or another measurement`,
      );
    }
    last = { workload, component, unit, place: places.get(keyOf(workload, component)) };
    return last.place;
  };
}

/** The median distance of the last samples is the source's own interval; a finer step would only make holes. */
function refuseTooFine(times: readonly number[], step: number, series: string, action: string): void {
  const last = [...times].sort((a, b) => a - b).slice(-LAST);
  const gaps = last
    .slice(1)
    .map((time, index) => time - (last[index] ?? time))
    .filter((gap) => gap > 0)
    .sort((a, b) => a - b);
  const interval = gaps.length < 2 ? undefined : gaps[(gaps.length - 1) >> 1];
  // Clocks jitter: a step within a hundredth of the interval is the interval.
  if (interval === undefined || step >= interval * 0.99) return;
  throw influxError(
    'invalid-input',
    action,
    `a step of ${formatDuration(step)} is finer than the ${formatDuration(interval)} between the samples of ${series}`,
    `ask for ${formatDuration(Math.ceil(interval))} or coarser`,
  );
}

/**
 * From when on the raw bucket has everything; -Infinity where it keeps all, or where there is no hourly bucket to read
 * instead. Asked of the server, and believed for a while.
 */
function createRawSince(
  connection: InfluxConnection,
  names: InfluxNames,
  now: () => EpochSeconds,
): (action: string, signal: AbortSignal) => Promise<EpochSeconds> {
  const api = new BucketsAPI(connection.client);
  let known: { at: number; keeps: number } | null = null;
  const keepsOf = async (name: string): Promise<number | null> => {
    const { buckets = [] } = await api.getBuckets({ org: connection.org, name });
    const found = buckets.find((bucket) => bucket.name === name);
    if (found === undefined) return null;
    return found.retentionRules[0]?.everySeconds ?? 0;
  };
  return async (action, signal) => {
    if (known === null || performance.now() - known.at > RETENTION_AGE_MS) {
      let keeps = 0;
      try {
        const raw = await keepsOf(names.bucket);
        if (raw !== null && raw > 0 && (await keepsOf(names.hourlyBucket)) !== null) keeps = raw;
      } catch (cause) {
        const error = translateInflux(cause, action, connection.url);
        // A token that may not look at buckets reads the raw one, as before.
        if (error.kind === 'unavailable') throw error;
      }
      signal.throwIfAborted();
      known = { at: performance.now(), keeps };
    }
    return known.keeps > 0 ? now() - known.keeps : Number.NEGATIVE_INFINITY;
  };
}
