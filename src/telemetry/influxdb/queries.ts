import { flux, fluxDateTime, fluxDuration, fluxExpression, type ParameterizedQuery } from '@influxdata/influxdb-client';
import { isoTime } from '../../domain/time.js';
import type { MetricQuery, UsageQuery } from '../port.js';
import { FIELDS, type InfluxNames } from './layout.js';

/*
 * The Flux that Headroom sends. Names of accounts, workloads and metrics are parameters everywhere: a name is data,
 * whatever stands in it.
 *
 * One window is three queries side by side. As three yields of one query they took 701 ms for a month of twenty series
 * at five minutes, apart 195 ms: alone, each is pushed down into the storage engine, which a table that two yields share
 * is not. InfluxQL took 724 ms for the means alone.
 */

/** Samples at the end of the window whose distances tell the source's interval. */
export const LAST = 33;

/** Rows of the window before anything is computed; from and to are on the grid. */
function samples(query: UsageQuery, bucket: string, names: InfluxNames, fields: readonly string[]): ParameterizedQuery {
  const wanted = query.series.map(
    ({ workload, component }) => flux`(r.workload == ${workload} and r.component == ${component})`,
  );
  const field = fields.map((name) => flux`r._field == ${name}`);
  return flux`from(bucket: ${bucket})
  |> range(start: ${fluxDateTime(isoTime(query.from))}, stop: ${fluxDateTime(isoTime(query.to))})
  |> filter(fn: (r) => r._measurement == ${names.usageMeasurement} and r.account == ${query.account})
  |> filter(fn: (r) => ${fluxExpression(wanted.map(String).join(' or '))})
  |> filter(fn: (r) => ${fluxExpression(field.map(String).join(' or '))})`;
}

const every = (query: UsageQuery) => fluxDuration(`${Math.round(query.step * 1000)}ms`);

/**
 * The means of the bins, labelled by their start; empty ones are left out. The server does the averaging, so that a
 * month of samples does not cross the network.
 * @param merged pools the samples of series that differ in further tags before averaging. Not the rule, since it cannot
 * be pushed down: the reader asks for it where a bin came twice.
 */
export function meansFlux(query: UsageQuery, names: InfluxNames, merged: boolean): ParameterizedQuery {
  const data = samples(query, names.bucket, names, [FIELDS.value]);
  const grouped = merged
    ? flux`${data}
  |> group(columns: ["workload", "component", "unit"])`
    : data;
  return flux`${grouped}
  |> aggregateWindow(every: ${every(query)}, fn: mean, createEmpty: false, timeSrc: "_start")
  |> keep(columns: ["_time", "_value", "workload", "component", "unit"])
`;
}

/** The times of censored samples: few, so that they need no averaging. */
export const censoredFlux = (query: UsageQuery, names: InfluxNames): ParameterizedQuery =>
  flux`${samples(query, names.bucket, names, [FIELDS.censored])}
  |> filter(fn: (r) => r._value == true)
  |> keep(columns: ["_time", "workload", "component"])
`;

/** The times of the last samples of each series, whose distances tell the source's own interval. */
export const lastFlux = (query: UsageQuery, names: InfluxNames): ParameterizedQuery =>
  flux`${samples(query, names.bucket, names, [FIELDS.value])}
  |> tail(n: ${LAST})
  |> keep(columns: ["_time", "workload", "component"])
`;

/** Sums, counts and censored counts out of the hourly bucket; their quotient is the mean, at any whole number of hours. */
export const hourlyFlux = (query: UsageQuery, names: InfluxNames): ParameterizedQuery =>
  flux`${samples(query, names.hourlyBucket, names, [FIELDS.sum, FIELDS.count, FIELDS.censored])}
  |> aggregateWindow(every: ${every(query)}, fn: sum, createEmpty: false, timeSrc: "_start")
  |> keep(columns: ["_time", "_value", "_field", "workload", "component"])
`;

export const metricFlux = (query: MetricQuery, names: InfluxNames): ParameterizedQuery =>
  flux`from(bucket: ${names.bucket})
  |> range(start: ${fluxDateTime(isoTime(query.from))}, stop: ${fluxDateTime(isoTime(query.to))})
  |> filter(fn: (r) => r._measurement == ${names.metricMeasurement} and r._field == ${FIELDS.value})
  |> filter(fn: (r) => r.account == ${query.account} and r.workload == ${query.workload} and r.metric == ${query.metric})
  |> group()
  |> mean()
`;
