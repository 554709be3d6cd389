import type { Component } from '../../domain/component.js';
import type { Sample } from '../../domain/series.js';
import type { EpochSeconds } from '../../domain/time.js';
import type { MetricBatch, UsageBatch } from '../../telemetry/port.js';
import type { Engine } from './engine.js';
import { MINUTE, meanOver, minuteIndex, type Column } from './recorder.js';

/** What a metrics endpoint would have told, minute by minute: labels in [from, cursor). */
export interface SampleWindow {
  usage: UsageBatch[];
  metrics: MetricBatch[];
  /** Ask from here next time: the label of the first minute that is not in this answer. */
  cursor: EpochSeconds;
  /** More is there already. */
  more: boolean;
}

/** What can be scraped. */
export interface Sampled {
  readonly name: string;
  /** Samples of the whole minutes labelled `since` and later, a bounded number of them. */
  samplesSince(since: EpochSeconds, signal: AbortSignal): Promise<SampleWindow>;
}

/** A day of minutes an answer. */
export const SAMPLE_LIMIT = 1440;

/** Minutes that were not measured have no sample: an outage is a hole, never zeros. */
export function samplesSince(engine: Engine, since: EpochSeconds, limit = SAMPLE_LIMIT): SampleWindow {
  const { start } = engine.model;
  const end = minuteIndex(start, engine.clock);
  const from = Math.max(0, Math.ceil((since - start) / MINUTE));
  const to = Math.max(from, Math.min(end, from + limit));
  const usage: UsageBatch[] = [];
  const metrics: MetricBatch[] = [];
  for (const { account, workload, components, record } of engine.workloads) {
    const collect = (column: Column, censored?: Column): Sample[] => {
      const samples: Sample[] = [];
      for (let minute = from; minute < to; minute++) {
        const value = column.at(minute);
        // A minute that was measured in part is measured: what is there is a mean.
        if (record.unmeasured.column.at(minute) >= 1 || Number.isNaN(value)) continue;
        const at = start + minute * MINUTE;
        samples.push((censored?.at(minute) ?? 0) > 0 ? { at, value, censored: true } : { at, value });
      }
      return samples;
    };
    for (const { component, record: entry } of components) {
      const samples = collect(entry.usage.column, entry.censored.column);
      if (samples.length > 0) usage.push({ key: { account, workload, component }, samples });
    }
    const readings = { latency_p99: record.latency, error_rate: record.errors, saturation: record.saturation };
    for (const [metric, { column }] of Object.entries(readings)) {
      const samples = collect(column);
      if (samples.length > 0) metrics.push({ account, workload, metric, samples });
    }
  }
  return { usage, metrics, cursor: Math.max(since, start + to * MINUTE), more: to < end };
}

export interface TimelineQuery {
  /** Bins labelled from (inclusive) to (exclusive), aligned down to the step; clamped to what has been. */
  from?: EpochSeconds;
  to?: EpochSeconds;
  /** Seconds; whole minutes. */
  step: number;
}

/** The truth, for scoring: one entry a bin, null where nothing is known of it. */
export interface Timeline {
  /** Label of the first bin. */
  from: EpochSeconds;
  step: number;
  bins: number;
  workloads: {
    account: string;
    workload: string;
    replicas: (number | null)[];
    ready: (number | null)[];
    latencyP99: (number | null)[];
    errorRate: (number | null)[];
    saturation: (number | null)[];
    /** In the component's unit: what was wanted, what ready replicas were good for, what was consumed. */
    components: {
      component: Component;
      demand: (number | null)[];
      capacity: (number | null)[];
      usage: (number | null)[];
    }[];
  }[];
  /** `costPerHour` is the mean over the bin; `cost` and `nodeHours` are sums over the whole timeline. */
  pools: {
    pool: string;
    nodes: (number | null)[];
    ready: (number | null)[];
    costPerHour: (number | null)[];
    nodeHours: number;
    cost: number;
  }[];
}

export function timelineOf(engine: Engine, query: TimelineQuery): Timeline {
  const { start } = engine.model;
  const { step } = query;
  const known = Math.floor(engine.clock / step) * step;
  const first = Math.max(Math.floor((query.from ?? start) / step) * step, Math.floor(start / step) * step);
  const last = Math.min(Math.floor((query.to ?? known) / step) * step, known);
  const bins = Math.max(0, Math.round((last - first) / step));
  const binned = (column: Column): (number | null)[] =>
    Array.from({ length: bins }, (_, bin) => {
      const from = minuteIndex(start, first + bin * step);
      const mean = meanOver(column, from, from + step / MINUTE);
      return Number.isNaN(mean) ? null : mean;
    });
  const hours = (values: readonly (number | null)[]) =>
    values.reduce((sum: number, value) => sum + ((value ?? 0) * step) / 3600, 0);
  return {
    from: first,
    step,
    bins,
    workloads: engine.workloads.map(({ account, workload, components, record }) => ({
      account,
      workload,
      replicas: binned(record.replicas.column),
      ready: binned(record.ready.column),
      latencyP99: binned(record.latency.column),
      errorRate: binned(record.errors.column),
      saturation: binned(record.saturation.column),
      components: components.map(({ component, record: entry }) => ({
        component,
        demand: binned(entry.demand.column),
        capacity: binned(entry.capacity.column),
        usage: binned(entry.usage.column),
      })),
    })),
    pools: engine.pools.map(({ pool, record }) => {
      const nodes = binned(record.nodes.column);
      const costPerHour = binned(record.cost.column);
      return {
        pool,
        nodes,
        ready: binned(record.ready.column),
        costPerHour,
        nodeHours: hours(nodes),
        cost: hours(costPerHour),
      };
    }),
  };
}
