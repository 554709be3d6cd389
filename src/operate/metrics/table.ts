import { CHANGE_RESULTS, HOLD_REASONS } from '../../domain/plan.js';
import type { AccountFigures } from './figures.js';

/*
 * What /metrics shows of the accounts: one row a metric. Values of labels are names out of account files (Kubernetes
 * names), components, or words of a fixed list: never free text.
 */

/** How values are put together where several accounts or workloads share a series. */
export type Fold = 'sum' | 'min' | 'max';

export interface Sampled {
  /** In the order of the metric's labels after `account`. */
  labels: readonly string[];
  value: number;
}

export interface MetricRow {
  /** Counters without `_total`, which each format puts where it belongs. */
  name: string;
  type: 'gauge' | 'counter';
  help: string;
  /** After `account`. `workload` is a workload or a pool, and is folded beyond the bound. */
  labels: readonly ('workload' | 'component' | 'pool' | 'currency' | 'reason' | 'result')[];
  fold: Fold;
  read(figures: AccountFigures): Sampled[];
}

const one = (value: number | null | undefined): Sampled[] =>
  value === null || value === undefined || !Number.isFinite(value) ? [] : [{ labels: [], value }];
const finite = (samples: Sampled[]): Sampled[] => samples.filter(({ value }) => Number.isFinite(value));
const flag = (value: boolean): number => (value ? 1 : 0);

const byComponent = { type: 'gauge', labels: ['workload', 'component'] } as const;
const byWorkload = { type: 'gauge', labels: ['workload'] } as const;
const byPool = { type: 'gauge', labels: ['pool'] } as const;
const byAccount = { type: 'gauge', labels: [] } as const;

export const METRIC_ROWS: readonly MetricRow[] = [
  {
    ...byComponent,
    name: 'headroom_forecast_quantile',
    help: 'Forecast demand at the account’s level, the lead time from now (cores, bytes, bytes/s, devices).',
    fold: 'sum',
    read: ({ forecast }) =>
      finite(forecast.map(({ workload, component, atLevel }) => ({ labels: [workload, component], value: atLevel }))),
  },
  {
    ...byComponent,
    name: 'headroom_forecast_median',
    help: 'Forecast demand in the middle, the lead time from now.',
    fold: 'sum',
    read: ({ forecast }) =>
      finite(forecast.map(({ workload, component, median }) => ({ labels: [workload, component], value: median }))),
  },
  {
    ...byComponent,
    name: 'headroom_forecast_level_ratio',
    help: 'Level that the forecast is made for: the share of bins that the capacity is to cover.',
    fold: 'min',
    read: ({ forecast }) =>
      finite(forecast.map(({ workload, component, level }) => ({ labels: [workload, component], value: level }))),
  },
  {
    ...byComponent,
    name: 'headroom_gate_open',
    help: '1 where the forecast may be acted on, 0 where its coverage is off and the account is reactive.',
    fold: 'min',
    read: ({ forecast }) =>
      forecast.map(({ workload, component, open }) => ({ labels: [workload, component], value: flag(open) })),
  },
  {
    ...byComponent,
    name: 'headroom_coverage_ratio',
    help: 'Share of scored bins at or under the stated quantile.',
    fold: 'min',
    read: ({ coverage }) =>
      coverage.flatMap((entry) =>
        entry.coverage === null ? [] : [{ labels: [entry.workload, entry.component], value: entry.coverage }],
      ),
  },
  {
    ...byComponent,
    name: 'headroom_telemetry_age_seconds',
    help: 'At the last cycle, seconds since the end of the last known bin; absent where there has never been one.',
    fold: 'max',
    read: ({ freshness }) =>
      freshness.flatMap(({ workload, component, age }) =>
        age === null ? [] : [{ labels: [workload, component], value: age }],
      ),
  },
  {
    ...byComponent,
    name: 'headroom_telemetry_missing',
    help: '1 where a series has no data at all.',
    fold: 'max',
    read: ({ freshness }) =>
      freshness.map(({ workload, component, kind }) => ({
        labels: [workload, component],
        value: flag(kind === 'missing'),
      })),
  },
  {
    ...byWorkload,
    name: 'headroom_replicas',
    help: 'Replicas that the workload’s object asks for.',
    fold: 'sum',
    read: ({ state }) =>
      (state?.workloads ?? []).flatMap(({ workload, exists, replicas }) =>
        exists ? [{ labels: [workload], value: replicas }] : [],
      ),
  },
  {
    ...byWorkload,
    name: 'headroom_ready_replicas',
    help: 'Replicas that run and are ready.',
    fold: 'sum',
    read: ({ state }) =>
      (state?.workloads ?? []).flatMap(({ workload, exists, readyReplicas }) =>
        exists ? [{ labels: [workload], value: readyReplicas }] : [],
      ),
  },
  {
    ...byWorkload,
    name: 'headroom_planned_replicas',
    help: 'Replicas that the plan wants in its first block.',
    fold: 'sum',
    read: ({ plan }) =>
      (plan?.blocks[0]?.workloads ?? []).map(({ workload, replicas }) => ({ labels: [workload], value: replicas })),
  },
  {
    ...byWorkload,
    name: 'headroom_lead_time_seconds',
    help: 'Measured time from a change to ready capacity.',
    fold: 'max',
    read: ({ status }) =>
      Object.entries(status?.leadTimes ?? {}).map(([workload, value]) => ({ labels: [workload], value })),
  },
  {
    ...byPool,
    name: 'headroom_ready_nodes',
    help: 'Nodes of the pool that are ready.',
    fold: 'sum',
    read: ({ state }) => (state?.pools ?? []).map(({ pool, readyNodes }) => ({ labels: [pool], value: readyNodes })),
  },
  {
    ...byPool,
    name: 'headroom_planned_nodes',
    help: 'Nodes that the plan wants in its first block.',
    fold: 'sum',
    read: ({ plan }) =>
      Object.entries(plan?.blocks[0]?.nodes ?? {}).map(([pool, value]) => ({ labels: [pool], value })),
  },
  {
    type: 'gauge',
    labels: ['currency'],
    name: 'headroom_plan_cost_per_hour',
    help: 'Cost of the plan over its first block, per hour.',
    fold: 'sum',
    read: ({ plan }) => (plan === null ? [] : finite([{ labels: [plan.currency], value: plan.costPerHour }])),
  },
  {
    ...byAccount,
    name: 'headroom_last_cycle_timestamp_seconds',
    help: 'When the account last read its telemetry and its cluster.',
    fold: 'min',
    read: ({ lastCycle }) => one(lastCycle),
  },
  {
    ...byAccount,
    name: 'headroom_next_cycle_timestamp_seconds',
    help: 'When the account wants to begin its next cycle.',
    fold: 'min',
    read: ({ status }) => one(status?.nextCycleAt),
  },
  {
    ...byAccount,
    name: 'headroom_needs_attention',
    help: '1 where a person has to look at the account; headroom status says why.',
    fold: 'max',
    read: ({ status }) => (status === null ? [] : one(flag(status.attention !== null))),
  },
  {
    ...byAccount,
    name: 'headroom_paused',
    help: '1 where the account is paused or all are frozen.',
    fold: 'max',
    read: ({ status }) => (status === null ? [] : one(flag(status.pause !== null || status.freeze !== null))),
  },
  {
    ...byAccount,
    name: 'headroom_frozen',
    help: '1 where the account knows that all are frozen; headroom_paused is 1 then, too.',
    fold: 'max',
    read: ({ status }) => (status === null ? [] : one(flag(status.freeze !== null))),
  },
  {
    ...byAccount,
    name: 'headroom_change_running',
    help: '1 while a change is under way.',
    fold: 'max',
    read: ({ status }) => (status === null ? [] : one(flag(status.change !== null))),
  },
  {
    type: 'counter',
    labels: [],
    name: 'headroom_cycles',
    help: 'Cycles that the account began.',
    fold: 'sum',
    read: ({ cycles }) => one(cycles),
  },
  {
    type: 'counter',
    labels: ['reason'],
    name: 'headroom_holds',
    help: 'Cycles that changed nothing, by reason.',
    fold: 'sum',
    read: ({ status }) =>
      status === null ? [] : HOLD_REASONS.map((reason) => ({ labels: [reason], value: status.holds[reason] ?? 0 })),
  },
  {
    type: 'counter',
    labels: ['result'],
    name: 'headroom_changes',
    help: 'Changes that ended, by what became of them.',
    fold: 'sum',
    read: ({ status }) =>
      status === null ? [] : CHANGE_RESULTS.map((result) => ({ labels: [result], value: status.results[result] })),
  },
];

/** Labels whose values are an account's own names, and which are therefore bounded. */
export const NAMED: ReadonlySet<string> = new Set(['workload', 'pool']);
