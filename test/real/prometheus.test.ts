import { createServer, type Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { z } from 'zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMPONENTS, type Component } from '../../src/domain/component.js';
import type { Sample } from '../../src/domain/series.js';
import type { UsageQuery } from '../../src/telemetry/port.js';
import type { PrometheusOptions } from '../../src/telemetry/prometheus/options.js';
import { createPrometheusUsage } from '../../src/telemetry/prometheus/usage.js';
import { toolPath } from '../../infra/servers/index.js';
import {
  accountFile,
  because,
  environment,
  headroom,
  NO_SERVER,
  startHeadroomDev,
  steadyScenario,
  temporaryFolder,
} from '../cli/headroom.js';
import { serveTrouble } from '../contract/trouble-proxy.js';
import { usageSourceContract } from '../contract/usage-source.js';
import { PASSWORD, startProtectedPrometheus, USER, type ProtectedPrometheus } from './prometheus-server.js';
import { eventually } from './real.js';
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
    'records of one kind are written together, or not at all': readOnly,
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

describe('prometheus: metrics that checks read', () => {
  const END = 1200;
  const steady = (name: string, labels: Record<string, string>, perSecond: number): RemoteSeries => ({
    labels: { __name__: name, namespace: 'checks', ...labels },
    samples: Array.from({ length: END / 30 + 1 }, (_, index) => ({
      at: T + index * 30,
      value: index * 30 * perSecond,
    })),
  });
  const flat = (name: string, labels: Record<string, string>, value: number): RemoteSeries => ({
    labels: { __name__: name, namespace: 'checks', ...labels },
    samples: Array.from({ length: END / 30 + 1 }, (_, index) => ({ at: T + index * 30, value })),
  });
  const podOf = (workload: string): string => `${workload}-6d5f7c9b8-2x4zq`;
  const owned = (workload: string): RemoteSeries[] => [
    flat('kube_pod_owner', { pod: podOf(workload), owner_kind: 'ReplicaSet', owner_name: `${workload}-6d5f7c9b8` }, 1),
    flat(
      'kube_replicaset_owner',
      { replicaset: `${workload}-6d5f7c9b8`, owner_kind: 'Deployment', owner_name: workload },
      1,
    ),
  ];
  beforeAll(async () => {
    const pod = podOf('web');
    await write([
      ...owned('web'),
      ...owned('calm'),
      ...owned('idle'),
      // 90 of 100 requests within 0.1 s, all within 1 s: the 99th is 0.1 + 0.9 · 0.9 by the server's interpolation.
      steady('http_request_duration_seconds_bucket', { pod, le: '0.1' }, 90),
      steady('http_request_duration_seconds_bucket', { pod, le: '1' }, 100),
      steady('http_request_duration_seconds_bucket', { pod, le: '+Inf' }, 100),
      steady('http_requests_total', { pod, code: '200' }, 9),
      steady('http_requests_total', { pod, code: '503' }, 1),
      steady('http_requests_total', { pod: podOf('calm'), code: '200' }, 9),
      steady('http_requests_total', { pod: podOf('idle'), code: '200' }, 0),
      steady('container_cpu_usage_seconds_total', { pod, container: 'main' }, 0.6),
      flat('kube_pod_container_resource_limits', { pod, container: 'main', resource: 'cpu' }, 2),
      flat('queue_depth', { pod }, 17),
    ]);
  });

  it.each([
    ['latency_p99', 'web', 0.91],
    ['error_rate', 'web', 0.1],
    ['error_rate', 'calm', 0],
    ['error_rate', 'idle', null],
    ['error_rate', 'nobody', null],
    ['saturation', 'web', 0.3],
    ['queue_depth', 'web', 17],
    ['queue_depth', 'calm', null],
    ['queue_depth"} or {namespace!="', 'web', null],
  ])('%s of %s is %s', async (metric, workload, expected) => {
    const reading = source({ owners: 'kube-state-metrics' });
    const found = await reading.readMetric(
      { account: 'checks', workload, metric, from: T + 300, to: T + 900 },
      never(),
    );
    if (expected === null || found === null) expect(found).toBe(expected);
    else expect(found).toBeCloseTo(expected, 6);
  });
});

describe('prometheus: the limits of a real server', () => {
  const template = 'sum by (workload) (avg_over_time(limits{account={{account}},workload=~{{workload}}}[{{step}}]))';

  it('a window of more points than it gives at once is read whole, also where the limit is not known', async () => {
    const bins = 12_001;
    await write([
      {
        labels: { __name__: 'limits', account: 'long', workload: 'web' },
        samples: Array.from({ length: bins }, (_, index) => ({ at: T + index * 60, value: index })),
      },
    ]);
    for (const pointLimit of [11_000, 1_000_000]) {
      const reading = source({ usage: { cpu: template }, pointLimit });
      const window = await reading.readUsage(
        { account: 'long', series: [{ workload: 'web', component: 'cpu' }], from: T, to: T + bins * 60, step: 60 },
        never(),
      );
      expect([...(window.series[0]?.series.values ?? [])]).toEqual(Array.from({ length: bins }, (_, index) => index));
    }
  });

  it('a name that is a regular expression, or code, finds nothing of the others', async () => {
    await write([
      { labels: { __name__: 'limits', account: 'victim', workload: 'secret' }, samples: [{ at: T, value: 1 }] },
    ]);
    const reading = source({ usage: { cpu: template } });
    for (const workload of ['.*', 'secret|x', 'x"} or limits{workload="secret', 'x\\"} or limits{workload=~".*']) {
      for (const account of ['victim', '.*', 'x"} or limits{account="victim']) {
        const { series } = await reading.readUsage(
          { account, series: [{ workload, component: 'cpu' }], from: T, to: T + 300, step: 300 },
          never(),
        );
        expect(series[0]?.series.values[0], `${account}/${workload}`).toBeNaN();
      }
    }
  });

  it('a server that is killed is unavailable, and read again when it is back', async () => {
    const own = await startProtectedPrometheus();
    const reading = source({ url: own.url, usage: { cpu: template } });
    const query = {
      account: 'a',
      series: [{ workload: 'w', component: 'cpu' as const }],
      from: T,
      to: T + 300,
      step: 300,
    };
    await remoteWrite(
      own.url,
      [{ labels: { __name__: 'limits', account: 'a', workload: 'w' }, samples: [{ at: T, value: 4 }] }],
      own.headers,
    );
    await own.process.kill();
    await expect(reading.readUsage(query, never())).rejects.toMatchObject({ kind: 'unavailable' });
    await own.process.start();
    const { series } = await reading.readUsage(query, never());
    expect(series[0]?.series.values[0]).toBe(4);
    await reading.close();
    await own.remove();
  });
});

describe('prometheus: a target that it scrapes itself', () => {
  it('its last value is not carried into the bins after it is gone', async () => {
    const exporter: Server = createServer((_, response) => {
      response.setHeader('content-type', 'text/plain');
      response.end('# TYPE live gauge\nlive{account="acme",workload="web"} 7\n');
    });
    await new Promise<void>((resolve) => exporter.listen(0, '127.0.0.1', resolve));
    const address = exporter.address();
    if (address === null || typeof address === 'string') throw new TypeError('the exporter has no port');
    const own = await startProtectedPrometheus(
      `scrape_configs: [{ job_name: live, static_configs: [{ targets: ["127.0.0.1:${address.port}"] }] }]\n`,
    );
    const reading = source({
      url: own.url,
      usage: { cpu: 'sum by (workload) (avg_over_time(live{account={{account}},workload=~{{workload}}}[{{step}}]))' },
    });
    const step = 5;
    const from = Math.floor(Date.now() / 1000 / step) * step;
    const read = async (): Promise<number[]> => {
      const to = Math.floor(Date.now() / 1000 / step) * step;
      const query = { account: 'acme', series: [{ workload: 'web', component: 'cpu' as const }], from, to, step };
      return [...((await reading.readUsage(query, never())).series[0]?.series.values ?? [])];
    };
    await eventually(async () => (await read()).filter((value) => value === 7).length >= 2);
    await new Promise((resolve) => {
      exporter.close(resolve);
      exporter.closeAllConnections();
    });
    const gone = Math.floor(Date.now() / 1000 / step) * step;
    await delay(2 * step * 1000 + 1500);
    const after = (await read()).slice((gone - from) / step + 1);
    expect(after.length).toBeGreaterThan(0);
    expect(after).toEqual(after.map(() => NaN));
    await reading.close();
    await own.remove();
  });
});

describe.skipIf(NO_SERVER !== null)(`prometheus scrapes a running headroom${because(NO_SERVER)}`, () => {
  const answerSchema = z.object({
    data: z.object({
      result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })),
    }),
  });

  it('its figures arrive as OpenMetrics, and promtool finds nothing to mend', async () => {
    const folder = await temporaryFolder();
    const env = environment(join(folder.path, 'home'));
    const scenario = await folder.write('scenario.json', steadyScenario(['shop'], { mode: 'held' }));
    const file = await folder.write('shop.yaml', accountFile('shop', { mode: 'auto', raised: true }));
    const dev = await startHeadroomDev(env, '--scenario', scenario, '--speed', '120', '--metrics-port', '0');
    let own: ProtectedPrometheus | null = null;
    try {
      const url = /metrics at (http:\S+)\/metrics/.exec(dev.said())?.[1] ?? '';
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      expect(await (await fetch(`${url}/readyz`)).text()).toBe('ok\n');
      expect(await headroom(env, 'start', 'shop', '-f', file)).toMatchObject({ code: 0 });
      const prometheus = await startProtectedPrometheus(
        `scrape_configs: [{ job_name: headroom, static_configs: [{ targets: ["${new URL(url).host}"] }] }]\n`,
      );
      own = prometheus;
      const ask = async (query: string) => {
        const response = await fetch(`${prometheus.url}/api/v1/query?query=${encodeURIComponent(query)}`, {
          headers: prometheus.headers,
        });
        return answerSchema.parse(await response.json()).data.result;
      };
      const value = async (query: string): Promise<number> => Number((await ask(query))[0]?.value[1]);
      // What comes from the activities, and what the account's own workflow tells.
      await eventually(async () => (await value('headroom_planned_replicas{account="shop",workload="web"}')) >= 4);
      await eventually(async () => (await value('headroom_changes_total{account="shop",result="kept"}')) >= 1);
      // A scrape that a busy machine does not answer in time leaves none of them behind, until the next.
      await eventually(async () => {
        expect(
          await value('headroom_forecast_quantile{account="shop",workload="web",component="cpu"}'),
        ).toBeGreaterThan(0.3);
        expect([0, 1]).toContain(await value('headroom_gate_open{account="shop",workload="web",component="cpu"}'));
        expect(await value('headroom_plan_cost_per_hour{account="shop",currency="EUR"}')).toBeGreaterThan(0);
        expect(await value('headroom_lead_time_seconds{account="shop",workload="web"}')).toBeGreaterThan(0);
        expect(await value('headroom_cycle_duration_seconds_count')).toBeGreaterThan(0);
        expect(await value('headroom_needs_attention{account="shop"}')).toBe(0);
        expect(await value('sum(headroom_holds_total{account="shop"})')).toBeGreaterThan(0);
        expect(await value('up{job="headroom"}')).toBe(1);
        expect((await ask('headroom_build_info'))[0]?.metric['build_id']).toMatch(/^[0-9a-f]+$/);
        expect(await ask('{__name__=~"headroom_.*",account!="",account!~"shop"}')).toEqual([]);
        return true;
      });

      const text = await (await fetch(`${url}/metrics`)).text();
      execFileSync(toolPath('promtool'), ['check', 'metrics'], { input: text });
      const open = await fetch(`${url}/metrics`, { headers: { accept: 'application/openmetrics-text' } });
      expect(open.headers.get('content-type')).toContain('application/openmetrics-text');
    } finally {
      await own?.remove();
      await dev.stop();
      await folder.remove();
    }
  });
});
