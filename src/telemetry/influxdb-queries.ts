import { flux, fluxDateTime, fluxDuration, fluxExpression, type ParameterizedQuery } from '@influxdata/influxdb-client';
import { isoTime } from '../domain/time.js';
import type { MetricQuery, UsageQuery } from './port.js';

/*
 * The Flux that Headroom sends. Names of accounts, workloads and metrics are parameters everywhere: a name is data,
 * whatever stands in it.
 */

export interface InfluxNames {
  bucket: string;
  /** Measurement with tags account, workload, component and fields `value` (float) and `censored` (boolean). */
  usageMeasurement: string;
  /** Measurement with tags account, workload, metric and field `value` (float). */
  metricMeasurement: string;
}

/** Names of the results that one usage query yields. */
export const RESULTS = { mean: 'mean', censored: 'censored', gaps: 'gaps' } as const;
/** Samples at the end of the window whose distances tell the source's interval. */
const LAST = 33;

/**
 * Three results: the means of the bins, labelled by their start; the bins with a censored sample; and the distances
 * (ms) of the last samples. The server does the averaging, so that a month of samples does not cross the network.
 * @param query with `from` and `to` on the grid, and from < to.
 */
export function usageFlux(query: UsageQuery, names: InfluxNames): ParameterizedQuery {
  const wanted = query.series.map(
    ({ workload, component }) => flux`(r.workload == ${workload} and r.component == ${component})`,
  );
  const every = fluxDuration(`${Math.round(query.step * 1000)}ms`);
  return flux`data = from(bucket: ${names.bucket})
  |> range(start: ${fluxDateTime(isoTime(query.from))}, stop: ${fluxDateTime(isoTime(query.to))})
  |> filter(fn: (r) => r._measurement == ${names.usageMeasurement} and r.account == ${query.account})
  |> filter(fn: (r) => ${fluxExpression(wanted.map(String).join(' or '))})

values = data
  |> filter(fn: (r) => r._field == "value")

values
  |> group(columns: ["workload", "component"])
  |> aggregateWindow(every: ${every}, fn: mean, createEmpty: false, timeSrc: "_start")
  |> keep(columns: ["_time", "_value", "workload", "component"])
  |> yield(name: ${RESULTS.mean})

data
  |> filter(fn: (r) => r._field == "censored")
  |> filter(fn: (r) => r._value == true)
  |> group(columns: ["workload", "component"])
  |> aggregateWindow(every: ${every}, fn: count, createEmpty: false, timeSrc: "_start")
  |> keep(columns: ["_time", "_value", "workload", "component"])
  |> yield(name: ${RESULTS.censored})

values
  |> tail(n: ${LAST})
  |> group(columns: ["workload", "component"])
  |> sort(columns: ["_time"])
  |> elapsed(unit: 1ms)
  |> keep(columns: ["_time", "elapsed", "workload", "component"])
  |> yield(name: ${RESULTS.gaps})
`;
}

export const metricFlux = (query: MetricQuery, names: InfluxNames): ParameterizedQuery =>
  flux`from(bucket: ${names.bucket})
  |> range(start: ${fluxDateTime(isoTime(query.from))}, stop: ${fluxDateTime(isoTime(query.to))})
  |> filter(fn: (r) => r._measurement == ${names.metricMeasurement} and r._field == "value")
  |> filter(fn: (r) => r.account == ${query.account} and r.workload == ${query.workload} and r.metric == ${query.metric})
  |> group()
  |> mean()
  |> yield(name: ${RESULTS.mean})
`;
