import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMPONENTS, type Component } from '../../src/domain/component.js';
import type { Sample } from '../../src/domain/series.js';
import type { UsageQuery } from '../../src/telemetry/port.js';
import type { PrometheusOptions } from '../../src/telemetry/prometheus/options.js';
import { createPrometheusUsage } from '../../src/telemetry/prometheus/usage.js';
import { serveTrouble } from '../contract/trouble-proxy.js';
import { usageSourceContract } from '../contract/usage-source.js';
import { PASSWORD, startProtectedPrometheus, USER, type ProtectedPrometheus } from './prometheus-server.js';
import { remoteWrite, type RemoteSeries } from './remote-write.js';

/** 2026-01-05T00:00:00Z, a Monday. */
const T = 1_767_571_200;
const STEP = 300;
const never = (): AbortSignal => new AbortController().signal;
const readOnly = 'Headroom reads Prometheus and never writes to it';

let server: ProtectedPrometheus;
beforeAll(async () => {
  server = await startProtectedPrometheus();
});
afterAll(() => server.remove());

const source = (options: Partial<PrometheusOptions> = {}) =>
  createPrometheusUsage({ url: server.url, basic: { user: USER, password: PASSWORD }, ...options });
const write = (series: readonly RemoteSeries[]): Promise<void> => remoteWrite(server.url, series, server.headers);

/** Series as a user of one's own exporter would have them: by labels account, workload and component. */
let opened = 0;
usageSourceContract(
  'prometheus (a real server)',
  async () => {
    const run = `run_${(opened += 1)}`;
    const trouble = await serveTrouble(server.url);
    const matchers = `account={{account}},workload=~{{workload}}`;
    const usage = (component: Component) => ({
      query: `sum by (workload) (avg_over_time(${run}_usage{${matchers},component="${component}"}[{{step}}]))`,
      censored: `max by (workload) (max_over_time(${run}_censored{${matchers},component="${component}"}[{{step}}]))`,
    });
    const reading = source({
      url: trouble.url,
      timeout: 2,
      usage: Object.fromEntries(COMPONENTS.map((component) => [component, usage(component)])),
      metrics: Object.fromEntries(
        ['latency_p99', 'error_rate', 'saturation', '*'].map((name) => [
          name,
          `avg by (workload) (avg_over_time(${run}_metric{${matchers},metric={{metric}}}[{{window}}]))`,
        ]),
      ),
    });
    return {
      source: reading,
      load: (key, samples) =>
        write([
          { labels: { __name__: `${run}_usage`, ...key }, samples },
          {
            labels: { __name__: `${run}_censored`, ...key },
            samples: samples.filter(({ censored }) => censored === true).map(({ at }) => ({ at, value: 1 })),
          },
        ]),
      loadMetric: (key, samples) => write([{ labels: { __name__: `${run}_metric`, ...key }, samples }]),
      make: trouble.make,
      async close() {
        await reading.close();
        await trouble.close();
      },
    };
  },
  {
    'a repeated write writes nothing': readOnly,
    'a correction is read, and an older snapshot keeps its bytes': readOnly,
    'a snapshot of the same content has the same id': readOnly,
    'late data is not in a snapshot taken before': readOnly,
    'a snapshot is read from any bin on': readOnly,
    'records are replaced by kind and id, and listed for their account alone': readOnly,
    'records are read on from a place, oldest first': readOnly,
  },
);

describe('prometheus: what comes with Kubernetes, by the templates of the house', () => {
  const at = (seconds: number, value: number): Sample => ({ at: T + seconds, value });
  const every = (seconds: number, from: number, to: number, value: (time: number) => number): Sample[] =>
    Array.from({ length: Math.ceil((to - from) / seconds) }, (_, index) => from + index * seconds).map((time) =>
      at(time, value(time)),
    );
  /** A pod as cAdvisor and kube-state-metrics show it, scraped every 30 s while it lived. */
  interface Pod {
    namespace: string;
    pod: string;
    owner: [kind: string, name: string];
    from?: number;
    to?: number;
    cores: number;
    bytes: number;
    /** Share of its periods that were throttled. */
    throttled?: number;
    limit?: number;
    /** Its node was not scraped from then to then; kube-state-metrics goes on. */
    unseen?: [number, number];
  }
  const END = 3600;
  const podSeries = (pod: Pod): RemoteSeries[] => {
    const { namespace, from = 0, to = END, unseen = [0, 0] } = pod;
    const names = { namespace, pod: pod.pod };
    const container = { ...names, container: 'main', image: 'img' };
    const seen = (value: (time: number) => number): Sample[] =>
      every(30, from, to, value).filter((sample) => sample.at < T + unseen[0] || sample.at >= T + unseen[1]);
    const counter = (name: string, perSecond: number, labels: Record<string, string> = container): RemoteSeries => ({
      labels: { __name__: name, ...labels },
      samples: seen((time) => (time - from) * perSecond),
    });
    const series: RemoteSeries[] = [
      counter('container_cpu_usage_seconds_total', pod.cores),
      // What must not be counted: the pause container and the cgroup of the pod.
      counter('container_cpu_usage_seconds_total', 100, { ...names, container: 'POD', image: 'pause' }),
      counter('container_cpu_usage_seconds_total', 100, { ...names, id: '/kubepods/pod1' }),
      counter('container_cpu_cfs_periods_total', 10),
      counter('container_cpu_cfs_throttled_periods_total', 10 * (pod.throttled ?? 0)),
      counter('container_fs_reads_bytes_total', 1000),
      counter('container_fs_writes_bytes_total', 500),
      counter('container_network_receive_bytes_total', 2000, { ...names, interface: 'eth0' }),
      counter('container_network_transmit_bytes_total', 700, { ...names, interface: 'eth0' }),
      { labels: { __name__: 'container_memory_working_set_bytes', ...container }, samples: seen(() => pod.bytes) },
      {
        labels: { __name__: 'container_spec_memory_limit_bytes', ...container },
        samples: seen(() => pod.limit ?? 0),
      },
      {
        labels: { __name__: 'DCGM_FI_DEV_GPU_UTIL', ...names, gpu: '0' },
        samples: seen(() => 40),
      },
      {
        labels: {
          __name__: 'kube_pod_owner',
          ...names,
          owner_kind: pod.owner[0],
          owner_name: pod.owner[1],
          uid: pod.pod,
        },
        samples: every(30, from, to, () => 1),
      },
      {
        labels: { __name__: 'kube_pod_status_phase', ...names, phase: 'Running', uid: pod.pod },
        samples: every(30, from, to, () => 1),
      },
    ];
    return to === END ? series : series.map((one) => ({ ...one, staleAt: T + to }));
  };
  const replicaSet = (namespace: string, replicaset: string, deployment: string): RemoteSeries => ({
    labels: {
      __name__: 'kube_replicaset_owner',
      namespace,
      replicaset,
      owner_kind: 'Deployment',
      owner_name: deployment,
    },
    samples: every(30, 0, END, () => 1),
  });

  beforeAll(async () => {
    const web = (pod: string, more: Partial<Pod> = {}): Pod => ({
      namespace: 'shop',
      pod,
      owner: ['ReplicaSet', 'web-6d5f7c9b8'],
      cores: 0.5,
      bytes: 1e9,
      ...more,
    });
    const pods: Pod[] = [
      // Two replicas; one of them is replaced in the middle of the second bin.
      web('web-6d5f7c9b8-2x4zq', { limit: 1.02e9 }),
      web('web-6d5f7c9b8-b7h9k', { to: 450 }),
      web('web-6d5f7c9b8-c5d6f', { from: 450, unseen: [1500, 1800] }),
      // Another Deployment whose name begins alike, and a StatefulSet of the same name as a Deployment.
      web('web-api-5b4f6c7d8-z2x4v', { owner: ['ReplicaSet', 'web-api-5b4f6c7d8'], cores: 3, throttled: 0.5 }),
      web('db-0', { owner: ['StatefulSet', 'db'], cores: 2, bytes: 4e9 }),
      web('db-6f7c8d9b4-x2v4z', { owner: ['ReplicaSet', 'db-6f7c8d9b4'], cores: 7, bytes: 7e9 }),
      // Another account.
      web('web-6d5f7c9b8-zzzzz', { namespace: 'other', cores: 50, bytes: 50e9 }),
    ];
    await write([
      ...pods.flatMap(podSeries),
      replicaSet('shop', 'web-6d5f7c9b8', 'web'),
      replicaSet('shop', 'web-api-5b4f6c7d8', 'web-api'),
      replicaSet('shop', 'db-6f7c8d9b4', 'db'),
      replicaSet('other', 'web-6d5f7c9b8', 'web'),
      {
        labels: { __name__: 'kubelet_volume_stats_used_bytes', namespace: 'shop', persistentvolumeclaim: 'data-db-0' },
        samples: every(60, 0, END, (time) => (time < 600 ? 5e9 : 6e9)),
      },
      {
        labels: {
          __name__: 'kube_pod_spec_volumes_persistentvolumeclaims_info',
          namespace: 'shop',
          pod: 'db-0',
          persistentvolumeclaim: 'data-db-0',
          volume: 'data',
        },
        samples: every(30, 0, END, () => 1),
      },
    ]);
  });

  const locate: PrometheusOptions['locate'] = (account, workloads) =>
    Promise.resolve(
      new Map(
        workloads.map((name) => [
          name,
          {
            namespace: account,
            name: name.replace('-set', ''),
            kind: name.endsWith('-set') ? 'StatefulSet' : 'Deployment',
          },
        ]),
      ),
    );
  const read = async (
    owners: 'kube-state-metrics' | 'pod-name' | 'auto',
    workload: string,
    component: Component,
    more: Partial<UsageQuery> = {},
  ) => {
    const reading = source({ locate, owners });
    const query = {
      account: 'shop',
      series: [{ workload, component }],
      from: T,
      to: T + 7 * STEP,
      step: STEP,
      ...more,
    };
    const window = await reading.readUsage(query, never());
    await reading.close();
    return window.series[0]?.series ?? { values: new Float64Array(), censored: new Uint8Array() };
  };
  const rounded = (values: Float64Array, digits = 2): number[] =>
    [...values].map((value) => Number(value.toPrecision(digits)));

  // A bin whose pod nobody scraped is missing by kube-state-metrics, which knows of the pod; names alone cannot tell.
  it.each([
    ['kube-state-metrics', 'web', 'cpu', [1, 1, 1, 1, 1, NaN, 1]],
    ['pod-name', 'web', 'cpu', [1, 1, 1, 1, 1, 0.5, 1]],
    ['auto', 'web', 'cpu', [1, 1, 1, 1, 1, NaN, 1]],
    ['kube-state-metrics', 'web', 'memory', [2e9, 2e9, 2e9, 2e9, 2e9, NaN, 2e9]],
    ['kube-state-metrics', 'web', 'io', [3000, 3000, 3000, 3000, 3000, NaN, 3000]],
    ['kube-state-metrics', 'web', 'network', [5400, 5400, 5400, 5400, 5400, NaN, 5400]],
    ['kube-state-metrics', 'web', 'gpu', [0.8, 0.8, 0.8, 0.8, 0.8, NaN, 0.8]],
    ['kube-state-metrics', 'web-api', 'cpu', [3, 3, 3, 3, 3, 3, 3]],
    ['pod-name', 'web-api', 'cpu', [3, 3, 3, 3, 3, 3, 3]],
    ['kube-state-metrics', 'db', 'cpu', [7, 7, 7, 7, 7, 7, 7]],
    ['kube-state-metrics', 'db-set', 'cpu', [2, 2, 2, 2, 2, 2, 2]],
    ['pod-name', 'db-set', 'memory', [4e9, 4e9, 4e9, 4e9, 4e9, 4e9, 4e9]],
    ['kube-state-metrics', 'db-set', 'storage', [5e9, 5e9, 6e9, 6e9, 6e9, 6e9, 6e9]],
    ['kube-state-metrics', 'nobody', 'cpu', [NaN, NaN, NaN, NaN, NaN, NaN, NaN]],
  ] as const)('by %s, %s/%s', async (owners, workload, component, expected) => {
    const { values } = await read(owners, workload, component);
    const wanted: readonly number[] = expected;
    // A replaced pod is seen to a scrape's breadth.
    for (const [bin, value] of values.entries()) {
      const want = wanted[bin] ?? NaN;
      if (Number.isNaN(want)) expect(value, `bin ${bin} of ${rounded(values).join(', ')}`).toBeNaN();
      else expect(Math.abs(value / want - 1), `bin ${bin} of ${rounded(values).join(', ')}`).toBeLessThan(0.06);
    }
  });

  it('throttled periods and a full memory censor', async () => {
    expect([...(await read('auto', 'web-api', 'cpu')).censored]).toEqual([1, 1, 1, 1, 1, 1, 1]);
    expect([...(await read('auto', 'web', 'cpu')).censored]).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect([...(await read('auto', 'web', 'memory')).censored]).toEqual([1, 1, 1, 1, 1, 0, 1]);
    expect([...(await read('auto', 'db-set', 'memory')).censored]).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  it('storage by names alone is refused, with what would mend it', async () => {
    await expect(read('pod-name', 'db-set', 'storage')).rejects.toThrow('run kube-state-metrics');
  });
});
