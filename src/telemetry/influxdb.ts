import { HttpError, InfluxDB, type Cancellable, type ParameterizedQuery } from '@influxdata/influxdb-client';
import { z } from 'zod';
import { COMPONENTS } from '../domain/component.js';
import { HeadroomError, type ErrorKind } from '../domain/errors.js';
import { binSamples } from '../domain/series.js';
import { binStart, formatDuration } from '../domain/time.js';
import { metricFlux, RESULTS, usageFlux, type InfluxNames } from './influxdb-queries.js';
import type { UsageQuery, UsageSource, UsageWindow } from './port.js';

const optionsSchema = z.strictObject({
  url: z.url({ protocol: /^https?$/ }),
  token: z.string().min(1),
  org: z.string().min(1),
  bucket: z.string().min(1),
  usageMeasurement: z.string().min(1).default('usage'),
  metricMeasurement: z.string().min(1).default('metric'),
  timeout: z.number().positive().default(30),
});

/** See {@link InfluxNames} for the layout of the bucket. */
export interface InfluxOptions {
  url: string;
  token: string;
  org: string;
  bucket: string;
  usageMeasurement?: string;
  metricMeasurement?: string;
  /** Seconds that one query may take, from sending to the last row; default 30. */
  timeout?: number;
}

/** Series in one query: a longer list only makes a filter that is slower to plan. */
const MOST_SERIES = 100;
/** A grid larger than this is a mistake in a time or in the step, and would only exhaust memory. */
const MOST_BINS = 20_000_000;

const cell = z.union([z.string(), z.number(), z.boolean()]).nullish();
const rowSchema = z.looseObject({ result: z.string(), error: z.string().optional() });
const seriesRow = rowSchema.extend({ workload: z.string(), component: z.enum(COMPONENTS), _time: z.string() });
const meanRow = seriesRow.extend({ _value: z.number() });
const gapRow = seriesRow.extend({ elapsed: z.number() });
const metricRow = rowSchema.extend({ _value: cell });
type Row = Record<string, unknown>;

/**
 * Usage out of InfluxDB 2, by Flux.
 * @throws HeadroomError `unavailable`: down, slow, cut off in the middle; `refused`: the token; `not-found`: the
 * bucket or the organisation; `invalid-input`: a step finer than the data.
 */
export function createInfluxTelemetry(options: InfluxOptions): UsageSource {
  const { url, token, org, timeout, ...rest } = optionsSchema.parse(options);
  const names: InfluxNames = rest;
  const api = new InfluxDB({ url, token, timeout: Math.ceil(timeout * 1000) }).getQueryApi(org);

  const fail = (kind: ErrorKind, action: string, problem: string, remedy: string, cause?: unknown): HeadroomError =>
    new HeadroomError({
      kind,
      component: 'telemetry/influxdb',
      action,
      problem,
      remedy,
      ...(cause === undefined ? {} : { cause }),
    });

  const translate = (cause: Error, action: string): HeadroomError => {
    if (!(cause instanceof HttpError)) {
      return fail('unavailable', action, cause.message, `see that InfluxDB answers at ${url}`, cause);
    }
    const said = cause.message.slice(0, 200);
    switch (cause.statusCode) {
      case 401:
      case 403:
        return fail('refused', action, said, 'give a token that may read the bucket', cause);
      case 404:
        return fail('not-found', action, said, 'create it, or set telemetry.bucket and telemetry.org', cause);
      case 400:
        return fail('invalid-input', action, said, 'see that the bucket has the layout that the README names', cause);
      default:
        return fail('unavailable', action, said, 'try again when InfluxDB is well', cause);
    }
  };

  /** All rows or an error; never some of them. */
  const rows = (query: ParameterizedQuery, action: string, signal: AbortSignal): Promise<Row[]> =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const found: Row[] = [];
      let running: Cancellable | undefined;
      let settled = false;
      const settle = (end: () => void): void => {
        if (settled) return;
        settled = true;
        clearTimeout(deadline);
        signal.removeEventListener('abort', onAbort);
        end();
      };
      const give = (up: unknown): void => {
        settle(() => reject(up));
        running?.cancel();
      };
      const onAbort = (): void => give(signal.reason);
      // The client's own limit is one of silence: a server that drips for ever would never meet it.
      const deadline = setTimeout(
        () => give(fail('unavailable', action, `no whole answer within ${timeout}s`, 'ask for less, or try again')),
        timeout * 1000,
      );
      signal.addEventListener('abort', onAbort, { once: true });
      api.queryRows(query, {
        next(values, meta) {
          const row: Row = meta.toObject(values);
          // A query that fails halfway has sent its status long ago: the error comes as a table.
          if (typeof row['error'] === 'string' && row['error'] !== '') {
            give(fail('unavailable', action, row['error'], 'try again; if it stays, look at the log of InfluxDB'));
          } else found.push(row);
        },
        error: (cause) => settle(() => reject(translate(cause, action))),
        complete: () => settle(() => resolve(found)),
        useCancellable: (cancellable) => (running = cancellable),
      });
    });

  const understand = <Schema extends z.ZodType>(schema: Schema, row: Row, action: string): z.output<Schema> => {
    const parsed = schema.safeParse(row);
    if (parsed.success) return parsed.data;
    const problem = `a row is not as expected (${z.prettifyError(parsed.error).replaceAll('\n', ' ')})`;
    throw fail('unavailable', action, problem, 'see that the bucket has the layout that the README names');
  };

  /** One query's worth of series, put into the window. */
  const fill = async (window: UsageWindow, part: UsageQuery['series'], action: string, signal: AbortSignal) => {
    const { account, from, to, step } = window;
    const place = new Map<string, UsageWindow['series']>();
    const keyOf = (workload: string, component: string): string => JSON.stringify([workload, component]);
    for (const entry of window.series) {
      const key = keyOf(entry.workload, entry.component);
      place.set(key, [...(place.get(key) ?? []), entry]);
    }
    const gaps = new Map<string, number[]>();
    for (const row of await rows(usageFlux({ account, series: part, from, to, step }, names), action, signal)) {
      if (row['result'] === RESULTS.gaps) {
        const { workload, component, elapsed } = understand(gapRow, row, action);
        const key = keyOf(workload, component);
        gaps.set(key, [...(gaps.get(key) ?? []), elapsed / 1000]);
        continue;
      }
      const { workload, component, _time, _value, result } = understand(meanRow, row, action);
      const bin = Math.round((Date.parse(_time) / 1000 - from) / step);
      for (const { series } of place.get(keyOf(workload, component)) ?? []) {
        if (!(bin >= 0 && bin < series.values.length)) continue;
        if (result === RESULTS.censored) series.censored[bin] = _value > 0 ? 1 : 0;
        else series.values[bin] = _value;
      }
    }
    for (const { workload, component } of part) {
      const ascending = (gaps.get(keyOf(workload, component)) ?? []).sort((a, b) => a - b);
      const interval = ascending.length < 2 ? undefined : ascending[(ascending.length - 1) >> 1];
      // Clocks jitter: a step within a hundredth of the interval is the interval.
      if (interval === undefined || step >= interval * 0.99) continue;
      throw fail(
        'invalid-input',
        action,
        `a step of ${formatDuration(step)} is finer than the ${formatDuration(interval)} between the samples of ${workload} ${component}`,
        `ask for ${formatDuration(Math.ceil(interval))} or coarser`,
      );
    }
  };

  return {
    name: 'influxdb',

    async readUsage(query, signal) {
      signal.throwIfAborted();
      const { account, step } = query;
      const action = `reading usage of ${account}`;
      const from = binStart(query.from, step);
      const to = binStart(query.to, step);
      if (!(step > 0) || !(to >= from) || ((to - from) / step) * query.series.length > MOST_BINS) {
        const problem = `${from} to ${to} in steps of ${step}s is no window`;
        throw fail('invalid-input', action, problem, 'give a from before its to, and a step that fits');
      }
      const window: UsageWindow = {
        account,
        from,
        to,
        step,
        series: query.series.map(({ workload, component }) => ({
          workload,
          component,
          series: binSamples([], step, { from, to }),
        })),
      };
      if (to === from) return window;
      for (let first = 0; first < query.series.length; first += MOST_SERIES) {
        await fill(window, query.series.slice(first, first + MOST_SERIES), action, signal);
      }
      return window;
    },

    async readMetric(query, signal) {
      signal.throwIfAborted();
      if (!(query.to > query.from)) return null;
      const action = `reading ${query.metric} of ${query.account}/${query.workload}`;
      for (const row of await rows(metricFlux(query, names), action, signal)) {
        const { _value } = understand(metricRow, row, action);
        if (typeof _value === 'number') return _value;
      }
      return null;
    },

    close: () => Promise.resolve(),
  };
}
