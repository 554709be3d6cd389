import {
  collectDefaultMetrics,
  Counter,
  Gauge,
  Histogram,
  Registry,
  type OpenMetricsContentType,
  type PrometheusContentType,
} from 'prom-client';
import { createBudget, OTHER } from './budget.js';
import type { AccountFigures, Figures } from './figures.js';
import type { Timings } from './record.js';
import { METRIC_ROWS, NAMED, type Fold, type MetricRow } from './table.js';

export interface Exposition {
  /** For `recordActivities`. */
  timings: Timings;
  build(of: { version: string; buildId: string }): void;
  /** @param accept of the request: OpenMetrics where it is asked for, Prometheus' older text format otherwise. */
  render(accept: string | undefined): Promise<{ contentType: string; body: string }>;
}

export interface ExpositionOptions {
  figures: Figures;
  /** Accounts with series of their own; default 200. */
  mostAccounts?: number;
  /** Workloads and pools with series of their own, over all accounts; default 1000. */
  mostNames?: number;
}

/** Gauges of the client library whose names say counter: the format's own checker refuses them. */
const MISNAMED = ['nodejs_active_resources_total', 'nodejs_active_handles_total', 'nodejs_active_requests_total'];
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** Everything that Headroom says of itself. Figures are read when they are scraped; nothing runs in between. */
export function createExposition(options: ExpositionOptions): Exposition {
  const { figures } = options;
  const budget = createBudget({ accounts: options.mostAccounts ?? 200, names: options.mostNames ?? 1000 });
  // A counter's own count must not fall where a folded account ends.
  const retired = createRetired();
  // The formats name counters differently, and the library renames them in place: so one registry each.
  const registries = {
    open: createRegistry(openMetrics(), ''),
    text: createRegistry(new Registry<PrometheusContentType>(), '_total'),
  };
  const both = Object.values(registries);
  return {
    timings: {
      activity: (name, seconds) => both.forEach(({ activity }) => activity.observe({ activity: name }, seconds)),
      failure: (name, kind) => both.forEach(({ failures }) => failures.inc({ activity: name, kind })),
      cycle: (seconds) => both.forEach(({ cycle }) => cycle.observe(seconds)),
    },
    build: ({ version, buildId }) => both.forEach(({ build }) => build.set({ version, build_id: buildId }, 1)),
    async render(accept) {
      const target = accept?.includes('application/openmetrics-text') === true ? registries.open : registries.text;
      const accounts = figures.accounts();
      budget.keep(new Set(accounts.map(({ account }) => account)));
      for (const row of METRIC_ROWS) {
        const series = foldRow(row, accounts, budget);
        if (row.type === 'counter') retired.settle(row.name, series);
        target.fill(row, series);
      }
      const folded = budget.folded();
      target.accounts.set(accounts.length);
      target.folded.set({ what: 'accounts' }, folded.accounts);
      target.folded.set({ what: 'names' }, folded.names);
      return { contentType: target.registry.contentType, body: await target.registry.metrics() };
    },
  };
}

type Folded = Map<string, { labels: Record<string, string>; value: number }>;

const FOLDS: Record<Fold, (a: number, b: number) => number> = {
  sum: (a, b) => a + b,
  min: Math.min,
  max: Math.max,
};

function foldRow(row: MetricRow, accounts: readonly AccountFigures[], budget: ReturnType<typeof createBudget>): Folded {
  const series: Folded = new Map();
  for (const figures of accounts) {
    for (const sample of row.read(figures)) {
      const labels: Record<string, string> = { account: budget.account(figures.account) };
      for (const [index, label] of row.labels.entries()) {
        const value = sample.labels[index] ?? '';
        labels[label] = NAMED.has(label) ? budget.name(figures.account, value) : value;
      }
      const key = JSON.stringify(labels);
      const there = series.get(key);
      if (there === undefined) series.set(key, { labels, value: sample.value });
      else there.value = FOLDS[row.fold](there.value, sample.value);
    }
  }
  return series;
}

/** What folded counters have reached: an account that ends takes nothing back from the sum of the others. */
function createRetired(): { settle(name: string, series: Folded): void } {
  const last = new Map<string, { seen: number; lost: number }>();
  return {
    settle(name, series) {
      for (const [key, entry] of series) {
        if (entry.labels['account'] !== OTHER) continue;
        const before = last.get(name + key) ?? { seen: 0, lost: 0 };
        const lost = before.lost + Math.max(0, before.seen - entry.value);
        last.set(name + key, { seen: entry.value, lost });
        entry.value += lost;
      }
    },
  };
}

function openMetrics(): Registry<OpenMetricsContentType> {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  return registry;
}

/** @param suffix of counters' names; OpenMetrics has it added as it is written. */
function createRegistry(registry: Registry<PrometheusContentType> | Registry<OpenMetricsContentType>, suffix: string) {
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const rows = new Map(
    METRIC_ROWS.map((row) => {
      const labelNames = ['account', ...row.labels];
      const { name, help } = row;
      return [
        name,
        row.type === 'gauge'
          ? new Gauge({ name, help, labelNames, registers })
          : new Counter({ name: `${name}${suffix}`, help, labelNames, registers }),
      ] as const;
    }),
  );
  return {
    registry,
    build: new Gauge({
      name: 'headroom_build_info',
      help: 'Version of Headroom, and the hash of its workflows.',
      labelNames: ['version', 'build_id'],
      registers,
    }),
    accounts: new Gauge({ name: 'headroom_accounts', help: 'Accounts that this process knows of.', registers }),
    folded: new Gauge({
      name: 'headroom_metrics_folded',
      help: 'Accounts and names (workloads, pools) without series of their own, summed up under "other".',
      labelNames: ['what'],
      registers,
    }),
    activity: new Histogram({
      name: 'headroom_activity_duration_seconds',
      help: 'Time that one attempt of an activity took.',
      labelNames: ['activity'],
      buckets: SECONDS,
      registers,
    }),
    failures: new Counter({
      name: `headroom_activity_failures${suffix}`,
      help: 'Attempts of activities that failed, by kind of failure; Temporal tries again where that can help.',
      labelNames: ['activity', 'kind'],
      registers,
    }),
    cycle: new Histogram({
      name: 'headroom_cycle_duration_seconds',
      help: 'Time from the beginning of a cycle’s observe to the end of its optimize, where this process ran both.',
      buckets: SECONDS,
      registers,
    }),
    fill(row: MetricRow, series: Folded): void {
      const metric = rows.get(row.name);
      metric?.reset();
      for (const { labels, value } of series.values()) metric?.inc(labels, value);
    },
  };
}
