import { isAmount, type Component } from '../../domain/component.js';
import { HeadroomError } from '../../domain/errors.js';
import { formatDuration, type EpochSeconds } from '../../domain/time.js';
import type { UsageSource, UsageWindow } from '../port.js';
import { emptyWindow } from '../window.js';
import { createPrometheusClient, TooMuch, type MatrixSeries } from './client.js';
import { locateByName, type Place } from './locate.js';
import { checked, connectionSchema, templatesSchema, type PrometheusOptions } from './options.js';
import { compileTemplate, type Template, type TemplateValues } from './render.js';
import { ANY_METRIC, METRIC_TEMPLATES, USAGE_TEMPLATES, type Owners } from './templates.js';

/** Workloads in one query: a longer alternation only makes a matcher that is slower to plan. */
const MOST_WORKLOADS = 50;
/** Points in one answer, over all of its series. */
const MOST_POINTS = 400_000;
const MOST_QUERIES_AT_ONCE = 4;
/** Kube-state-metrics that was not there is looked for again after this. */
const LOOK_AGAIN_MS = 600_000;
/** Evaluated this much before the end of a bin: what is sampled at the very end belongs to the next. */
const INSTANT = 0.001;

/** Workloads that one query answers for. */
interface Group {
  namespace: string;
  kind: Place['kind'];
  /** Workload by the name of its object. */
  names: Map<string, string>;
}

/**
 * Usage out of Prometheus, or any server with its HTTP API, by PromQL templates. The bin labelled t covers [t, t+step):
 * it is evaluated a millisecond before its end over a range of one step, so that nothing is carried into it.
 * @throws HeadroomError `unavailable`: down, slow, cut off, warning that stores were left out; `refused`: the token;
 * `invalid-input`: a template, or a step finer than the data.
 */
export function createPrometheusUsage(options: PrometheusOptions): UsageSource {
  const action = 'reading the options';
  const { pointLimit, ...connection } = checked(connectionSchema, connectionOf(options), action);
  const settings = checked(templatesSchema, settingsOf(options), action);
  const locate = options.locate ?? locateByName;
  const client = createPrometheusClient(connection);
  const usage = compileUsage(settings.usage);
  const metrics = new Map(
    Object.entries({ ...METRIC_TEMPLATES, ...settings.metrics }).map(([name, text]) => [
      name,
      compileTemplate(name, text, 'metric'),
    ]),
  );

  const fail = (kind: 'unavailable' | 'invalid-input', doing: string, problem: string, remedy: string): HeadroomError =>
    new HeadroomError({ kind, component: 'telemetry/prometheus', action: doing, problem, remedy });

  let leftOpen: boolean | null = null;
  /**
   * Since Prometheus 3 a range excludes the sample at its very beginning, before it included it. Asked of the server by
   * what it does, since others speak PromQL too.
   */
  async function rangeOf(seconds: number, at: EpochSeconds, doing: string, signal: AbortSignal): Promise<string> {
    if (leftOpen === null) {
      const [points] = await client.instant('count_over_time(vector(1)[4s:2s])', Math.floor(at / 4) * 4, doing, signal);
      leftOpen = (points?.value ?? 3) < 3;
    }
    return `${Math.max(1, Math.round(seconds * 1000) - (leftOpen ? 0 : 1))}ms`;
  }

  let found: { owners: Owners; until: number } | null = null;
  async function ownersAt(at: EpochSeconds, doing: string, signal: AbortSignal): Promise<Owners> {
    if (settings.owners !== 'auto') return settings.owners;
    if (found !== null && Date.now() < found.until) return found.owners;
    // A scrape that fails just now must not change how pods are told apart.
    const probe = 'group(kube_pod_owner) or group(kube_pod_owner offset 1h) or group(kube_pod_owner offset 1d)';
    const there = (await client.instant(probe, at, doing, signal)).length > 0;
    found = there
      ? { owners: 'kube-state-metrics', until: Number.POSITIVE_INFINITY }
      : { owners: 'pod-name', until: Date.now() + LOOK_AGAIN_MS };
    return found.owners;
  }

  async function groupsOf(account: string, workloads: readonly string[]): Promise<Group[]> {
    const places = await locate(account, workloads);
    const groups = new Map<string, Group[]>();
    for (const workload of new Set(workloads)) {
      const place = places.get(workload);
      if (place === undefined) continue;
      const key = JSON.stringify([place.namespace, place.kind]);
      const list = groups.get(key) ?? [];
      let last = list.at(-1);
      if (last === undefined || last.names.size >= MOST_WORKLOADS) {
        last = { namespace: place.namespace, kind: place.kind, names: new Map() };
        list.push(last);
      }
      last.names.set(place.name, workload);
      groups.set(key, list);
    }
    return [...groups.values()].flat();
  }

  function valuesOf(account: string, group: Group, owners: Owners, range: string, seconds: number): TemplateValues {
    const { lookback, throttledShare, limitShare } = settings;
    return {
      account,
      namespace: group.namespace,
      kind: group.kind,
      workloads: [...group.names.keys()],
      owners,
      range,
      resolution: `${Math.min(settings.resolution, Math.max(1, Math.floor(seconds)))}s`,
      lookback: `${lookback}s`,
      recent: `${Math.ceil(Math.max(lookback, seconds))}s`,
      throttledShare,
      limitShare,
    };
  }

  /** One template over the bins from..to, in as many queries as the server's limits want. */
  async function readBins(
    query: string,
    from: EpochSeconds,
    bins: number,
    step: number,
    most: number,
    doing: string,
    signal: AbortSignal,
    put: (series: MatrixSeries) => void,
  ): Promise<void> {
    for (let first = 0; first < bins; first += most) {
      const count = Math.min(most, bins - first);
      const start = from + first * step + step - INSTANT;
      try {
        const range = { start, end: start + (count - 1) * step, step };
        for (const series of await client.range(query, range, doing, signal)) put(series);
      } catch (error) {
        if (!(error instanceof TooMuch)) throw error;
        if (count === 1) {
          throw fail(
            'unavailable',
            doing,
            error.message,
            'raise the limits of Prometheus, or give a template that reads less',
          );
        }
        const half = Math.ceil(count / 2);
        await readBins(query, from + first * step, count, step, half, doing, signal, put);
      }
    }
  }

  /** The workload that a series of an answer is of; null where it is of none that was asked. */
  function workloadOf(labels: Record<string, string>, group: Group, doing: string): string | null {
    const name = labels['workload'];
    if (name !== undefined) return group.names.get(name) ?? null;
    throw fail(
      'invalid-input',
      doing,
      'the template gives a series without the label workload',
      'end it in sum by (workload) (…); label_replace() makes the label of another',
    );
  }

  /** One component of one group, put into the window. */
  async function fill(
    window: UsageWindow,
    component: Component,
    group: Group,
    owners: Owners,
    range: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { account, from, to, step } = window;
    const doing = `reading ${component} of ${account}`;
    const { query, censored } = usage[component];
    const values = valuesOf(account, group, owners, range, step);
    if (owners === 'pod-name' && component === 'storage' && settings.usage.storage === undefined) {
      throw fail(
        'invalid-input',
        doing,
        'without kube-state-metrics nothing says which claims are a workload’s',
        'run kube-state-metrics, or give a template for storage',
      );
    }
    const bins = Math.round((to - from) / step);
    const most = Math.max(1, Math.min(pointLimit, Math.floor(MOST_POINTS / group.names.size)));
    const into = (take: (target: UsageWindow['series'][number]['series'], bin: number, value: number) => void) => {
      const seen = new Set<string>();
      return (series: MatrixSeries): void => {
        const workload = workloadOf(series.labels, group, doing);
        if (workload === null) return;
        const targets = window.series.filter((one) => one.workload === workload && one.component === component);
        for (const [index, time] of series.times.entries()) {
          const bin = Math.round((time + INSTANT - from) / step) - 1;
          if (!(bin >= 0 && bin < bins)) continue;
          const key = `${workload}\n${bin}`;
          if (seen.has(key)) {
            throw fail(
              'invalid-input',
              doing,
              `the template gives more than one series for ${workload}`,
              'end it in sum by (workload) (…)',
            );
          }
          seen.add(key);
          for (const target of targets) take(target.series, bin, series.values[index] ?? Number.NaN);
        }
      };
    };
    const tasks = [
      readBins(
        query(values),
        from,
        bins,
        step,
        most,
        doing,
        signal,
        into((series, bin, value) => (series.values[bin] = isAmount(component, value) ? value : Number.NaN)),
      ),
    ];
    if (censored !== undefined) {
      const put = into((series, bin, value) => (series.censored[bin] = value > 0 ? 1 : 0));
      tasks.push(readBins(censored(values), from, bins, step, most, `${doing} (censored)`, signal, put));
    }
    await Promise.all(tasks);
    for (const entry of window.series) {
      if (entry.component !== component || ![...group.names.values()].includes(entry.workload)) continue;
      refuseFine(entry.series.values, step, `${doing}/${entry.workload}`, fail);
      // A bin that is missing is not at its limit either: nothing is known of it.
      for (const [bin, value] of entry.series.values.entries()) {
        if (Number.isNaN(value)) entry.series.censored[bin] = 0;
      }
    }
  }

  return {
    name: 'prometheus',

    async readUsage(query, signal) {
      signal.throwIfAborted();
      const doing = `reading usage of ${query.account}`;
      const window = emptyWindow(query, 1, (problem) =>
        fail('invalid-input', doing, problem, 'give a from before its to, and a step of at least 1s that fits'),
      );
      if (window.to === window.from || window.series.length === 0) return window;
      // One failure ends the others: nobody reads their answers.
      const controller = new AbortController();
      const both = AbortSignal.any([signal, controller.signal]);
      try {
        const [range, owners, groups] = await Promise.all([
          rangeOf(window.step, window.to, doing, both),
          ownersAt(window.to - INSTANT, doing, both),
          groupsOf(
            query.account,
            query.series.map(({ workload }) => workload),
          ),
        ]);
        const wanted = new Map<Component, Set<string>>();
        for (const { workload, component } of query.series) {
          wanted.set(component, (wanted.get(component) ?? new Set()).add(workload));
        }
        const tasks = [...wanted].flatMap(([component, workloads]) =>
          groups.flatMap((group) => {
            const names = new Map([...group.names].filter(([, workload]) => workloads.has(workload)));
            return names.size === 0 ? [] : [() => fill(window, component, { ...group, names }, owners, range, both)];
          }),
        );
        await atOnce(tasks, MOST_QUERIES_AT_ONCE);
        return window;
      } catch (error) {
        controller.abort(error);
        if (error instanceof TooMuch) throw fail('unavailable', doing, error.message, 'raise the limits of Prometheus');
        throw error;
      }
    },

    async readMetric(query, signal) {
      signal.throwIfAborted();
      const seconds = query.to - query.from;
      if (!(seconds > 0)) return null;
      const doing = `reading ${query.metric} of ${query.account}/${query.workload}`;
      const template = metrics.get(query.metric) ?? metrics.get(ANY_METRIC);
      if (template === undefined) return null;
      const at = query.to - INSTANT;
      try {
        const [range, owners, groups] = await Promise.all([
          rangeOf(seconds, query.to, doing, signal),
          ownersAt(at, doing, signal),
          groupsOf(query.account, [query.workload]),
        ]);
        const [group] = groups;
        if (group === undefined) return null;
        const values = { ...valuesOf(query.account, group, owners, range, seconds), metric: query.metric };
        const answer = await client.instant(template(values), at, doing, signal);
        const mine = answer.filter(({ labels }) => workloadOf(labels, group, doing) === query.workload);
        if (mine.length > 1) {
          throw fail(
            'invalid-input',
            doing,
            'the template gives more than one series',
            'end it in avg by (workload) (…)',
          );
        }
        const [only] = mine;
        return only === undefined || Number.isNaN(only.value) ? null : only.value;
      } catch (error) {
        if (error instanceof TooMuch) throw fail('unavailable', doing, error.message, 'ask for a shorter time');
        throw error;
      }
    },

    close() {
      client.close();
      return Promise.resolve();
    },
  };
}

type Fail = (kind: 'unavailable' | 'invalid-input', doing: string, problem: string, remedy: string) => HeadroomError;

/**
 * A source that is sampled every few bins shows as known bins with holes between them, each as wide as the last; the
 * middle one counts, so that an outage does not.
 */
function refuseFine(values: Float64Array, step: number, doing: string, fail: Fail): void {
  const distances: number[] = [];
  let last = -1;
  for (const [bin, value] of values.entries()) {
    if (Number.isNaN(value)) continue;
    if (last >= 0) distances.push(bin - last);
    last = bin;
  }
  distances.sort((a, b) => a - b);
  const middle = distances[(distances.length - 1) >> 1] ?? 1;
  if (distances.length < 2 || middle < 2) return;
  const interval = formatDuration(middle * step);
  throw fail(
    'invalid-input',
    doing,
    `a step of ${formatDuration(step)} is finer than the ${interval} between its samples`,
    `ask for ${interval} or coarser`,
  );
}

function compileUsage(own: Partial<Record<Component, { query: string; censored?: string | undefined }>>) {
  const of = (component: Component): { query: Template; censored?: Template } => {
    const { query, censored } = own[component] ?? USAGE_TEMPLATES[component];
    return {
      query: compileTemplate(component, query, 'usage'),
      ...(censored === undefined ? {} : { censored: compileTemplate(`${component} (censored)`, censored, 'usage') }),
    };
  };
  return {
    cpu: of('cpu'),
    memory: of('memory'),
    storage: of('storage'),
    io: of('io'),
    network: of('network'),
    gpu: of('gpu'),
  } satisfies Record<Component, unknown>;
}

const connectionOf = ({
  url,
  token,
  tokenFile,
  basic,
  headers,
  ca,
  timeout,
  mostBytes,
  pointLimit,
}: PrometheusOptions) => ({
  url,
  token,
  tokenFile,
  basic,
  headers,
  ca,
  timeout,
  mostBytes,
  pointLimit,
});

const settingsOf = ({
  owners,
  lookback,
  resolution,
  throttledShare,
  limitShare,
  usage,
  metrics,
}: PrometheusOptions) => ({
  owners,
  lookback,
  resolution,
  throttledShare,
  limitShare,
  usage,
  metrics,
});

/** Runs the tasks, so many at once; the first failure is the result, and no further task begins. */
async function atOnce(tasks: readonly (() => Promise<void>)[], most: number): Promise<void> {
  let next = 0;
  let failed = false;
  const runner = async (): Promise<void> => {
    for (let task = tasks[next++]; task !== undefined && !failed; task = tasks[next++]) {
      try {
        await task();
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, tasks.length) }, runner));
}
