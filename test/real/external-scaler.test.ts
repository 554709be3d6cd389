import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { credentials } from '@grpc/grpc-js';
import { KubeConfig } from '@kubernetes/client-node';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createActivities } from '../../activities/index.js';
import type { ForecastResult, ObserveResult } from '../../activities/types.js';
import { makeCertificates } from '../../infra/servers/certificates.js';
import { ROOT } from '../../infra/servers/locate.js';
import { atLevel } from '../../src/allocate/quantile.js';
import { summarizePlan } from '../../src/allocate/index.js';
import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import { createEngine } from '../../src/decide/engine.js';
import { accountFileSchema, type AccountPolicy } from '../../src/domain/account.js';
import type { AccountForecast } from '../../src/domain/forecast.js';
import type { Plan } from '../../src/domain/plan.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { withRecordFeed } from '../../src/telemetry/record-feed.js';
import { createStoreService, type StoreService } from '../../src/telemetry/service.js';
import { applyObjects, eventually, ownNamespace, real } from './real.js';
import { refusal, scalerClient, type Reference, type ScalerClient } from './scaler-client.js';

/*
 * What KEDA gets: a cycle's own activities against the real API server leave their records in a real store; `headroom
 * scaler`, a process of its own with nothing but the store's address and token, answers a client made from the protocol.
 */

const TOKEN = 'a-token-of-the-scaler-test';
const STEP = 300;

interface Scaler {
  address: string;
  child: ChildProcess;
  stop(): Promise<number | null>;
}

let folder: string;
let namespace: { name: string; remove(): Promise<void> };
let store: EmbeddedStore;
let service: StoreService;
let scaler: Scaler;
let client: ScalerClient;
let cycle: () => Promise<{ plan: Plan; forecast: AccountForecast }>;

/** Starts `headroom scaler` and waits for the line that says where it listens. */
async function startScaler(storeUrl: string, ...args: string[]): Promise<Scaler> {
  const child = spawn(process.execPath, [join(ROOT, 'bin', 'headroom'), 'scaler', '--port', '0', ...args], {
    // No kubeconfig, no Temporal: the store is all that it has.
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      HEADROOM_HOME: join(folder, 'scaler'),
      HEADROOM_STORE_URL: storeUrl,
      HEADROOM_STORE_TOKEN: TOKEN,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    lines.push(line);
    const address = /serves (\S+:\d+)/.exec(line)?.[1];
    if (address === undefined) continue;
    const stop = async () => {
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      return child.exitCode;
    };
    return { address, child, stop };
  }
  throw new Error(lines.join('\n'));
}

const policyOf = (account: string): AccountPolicy =>
  accountFileSchema.parse({
    version: 'headroom/v1',
    account,
    step: STEP,
    cycle: STEP,
    history: '3d',
    horizons: ['2h'],
    level: 0.95,
    workloads: [
      {
        name: 'web',
        target: { namespace: namespace.name },
        components: { cpu: { request: '500m', utilization: 0.8 } },
        replicas: { min: 0, max: 60 },
        leadTime: '10m',
      },
    ],
    pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 8 } }],
  });

const web = (metadata: Record<string, string> = {}, from = namespace.name): Reference => ({
  name: 'web',
  namespace: from,
  scalerMetadata: { scalerAddress: scaler.address, account: namespace.name, workload: 'web', ...metadata },
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headroom-scaler-'));
  namespace = await ownNamespace('scaler');
  const owned = withRecordFeed(await createEmbeddedStore({ path: join(folder, 'telemetry.duckdb') }));
  store = owned;
  service = await createStoreService(owned, { token: TOKEN });
  await applyObjects({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: namespace.name },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'main', image: 'web', resources: { requests: { cpu: '500m' } } }] },
      },
    },
  });
  const account = namespace.name;
  const policy = policyOf(account);
  const bins = (3 * 86_400) / STEP;
  const last = Math.floor(Date.now() / 1000 / STEP) * STEP - STEP;
  const samples = Array.from({ length: bins }, (_, index) => {
    const at = last - (bins - 1 - index) * STEP;
    return { at, value: 4 + 2 * Math.sin((2 * Math.PI * at) / 86_400) + 0.2 * Math.sin(index) };
  });
  await store.writeUsage([{ key: { account, workload: 'web', component: 'cpu' }, samples }]);

  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(real.cluster.kubeconfig);
  const cluster = createKubernetesCluster({ kubeConfig, name: 'main' });
  const never = () => Promise.reject(new Error('not part of a cycle without changes'));
  const activities = createActivities(
    {
      store: owned,
      source: owned,
      cluster: () => cluster,
      fence: { read: () => Promise.resolve(null) },
      decider: await createEngine(),
      histories: { fetch: never, isRunning: never },
    },
    summarizePlan,
  );
  const run = new MockActivityEnvironment();
  const policyId = `${account}-1`;
  cycle = async () => {
    const at = Date.now() / 1000;
    const base = { account, policyId, at };
    const seen = (await run.run(activities.observe, { ...base, policy })) as ObserveResult;
    const { snapshotId, state } = seen;
    const made = (await run.run(activities.forecast, {
      ...base,
      snapshotId,
      leadTimes: {},
      events: [],
    })) as ForecastResult;
    await run.run(activities.optimize, {
      ...{ ...base, snapshotId, state, forecastId: made.forecastId },
      ...{ overrides: [], events: [], leadTimes: {}, raiseOnly: [] },
    });
    const [plan] = await store.listRecords('plan', account, { limit: 1 });
    const [forecast] = await store.listRecords('forecast', account, { limit: 1 });
    return { plan: plan?.body as Plan, forecast: forecast?.body as AccountForecast };
  };
  scaler = await startScaler(service.url);
  client = scalerClient(scaler.address);
});
afterAll(async () => {
  client?.close();
  await scaler?.stop();
  await service?.close();
  await store?.close();
  await namespace?.remove();
  await rm(folder, { recursive: true, force: true });
});

/** A plan of its own making, as a later cycle would leave it. */
async function putPlan(plan: Plan, replicas: number, at = Date.now() / 1000): Promise<void> {
  const blocks = plan.blocks.map((block) => ({
    ...block,
    workloads: block.workloads.map((workload) => ({ ...workload, replicas })),
  }));
  const body = { ...plan, id: `${plan.id}-${replicas}-${at}`, at, blocks };
  await store.putRecord({ kind: 'plan', id: body.id, account: plan.account, at, body });
}

describe('before the first cycle', () => {
  it('an account that nobody knows is not found, and is no zero', async () => {
    expect(await refusal(client.metrics(web(), ''))).toMatch(/^NOT_FOUND: /);
    expect(await refusal(client.isActive(web()))).toMatch(/^NOT_FOUND: /);
  });

  it('one that is known and has no plan is unavailable; its target is known already', async () => {
    const policy = policyOf(namespace.name);
    const record = { kind: 'account' as const, id: `${namespace.name}-0`, account: namespace.name, at: 1 };
    await store.putRecord({ ...record, body: policy });
    const name = `headroom-${namespace.name}-web-cpu`;
    await eventually(async () => (await client.spec(web({ metric: 'cpu' }))).length === 1);
    expect(await client.spec(web({ metric: 'cpu' }))).toEqual([
      { metricName: name, targetSize: '1', targetSizeFloat: 0.4 },
    ]);
    expect(await refusal(client.metrics(web(), ''))).toMatch(/^UNAVAILABLE: .*no plan was made yet/);
    expect(await refusal(client.metrics(web({ metric: 'cpu' }), name))).toMatch(/^UNAVAILABLE: .*no forecast/);
  });
});

describe('with a cycle’s plan and forecast', () => {
  let plan: Plan;
  let forecast: AccountForecast;
  beforeAll(async () => {
    ({ plan, forecast } = await cycle());
    // What was answered before is kept for two seconds.
    await eventually(async () => (await client.metrics(web(), '')).length === 1);
  });

  it('the planned replicas are the metric, and one replica its target', async () => {
    const [spec] = await client.spec(web());
    expect(spec).toEqual({
      metricName: `headroom-${namespace.name}-web-replicas`,
      targetSize: '1',
      targetSizeFloat: 1,
    });
    // Again where a block ends between the two looks.
    await eventually(async () => {
      const now = Date.now() / 1000;
      const until = now + 600;
      const reached = plan.blocks.filter((block, index) => block.to > now && (index === 0 || block.from <= until));
      const most = Math.max(...reached.map((block) => block.workloads[0]?.replicas ?? 0));
      expect(most).toBeGreaterThan(4);
      expect(await client.metrics(web(), `s0-${spec?.metricName ?? ''}`)).toEqual([
        { metricName: spec?.metricName, metricValue: String(most), metricValueFloat: most },
      ]);
      return true;
    }, 20);
    expect(await client.isActive(web())).toBe(true);
  });

  it('the forecast demand is a metric too, at the level and as far ahead as asked', async () => {
    const series = forecast.series[0]?.resolutions[0];
    if (series === undefined) throw new Error('the cycle made no forecast');
    const asked = (level: string) => client.metrics(web({ metric: 'cpu', level, ahead: '1h' }), '');
    await eventually(async () => {
      const now = Date.now() / 1000;
      const rows = series.quantiles.filter((_, index) => {
        const from = series.origin + (index + 1) * series.step;
        return from + series.step > now && from <= now + 3600;
      });
      const expected = (level: number) => Math.max(...rows.map((row) => atLevel(series.levels, row, level)));
      expect((await asked('0.5'))[0]?.metricValueFloat).toBeCloseTo(expected(0.5), 6);
      expect((await asked('0.95'))[0]?.metricValueFloat).toBeCloseTo(expected(0.95), 6);
      expect(expected(0.95)).toBeGreaterThan(expected(0.5));
      return true;
    }, 20);
  });

  it('another tenant’s ScaledObject learns nothing, not even that the account is there', async () => {
    const there = await refusal(client.metrics(web({}, 'default'), ''));
    const nowhere = await refusal(client.metrics(web({ account: 'nobody' }, 'default'), ''));
    expect(there).toMatch(/^NOT_FOUND: /);
    expect(there.replaceAll(namespace.name, 'nobody')).toBe(nowhere);
    expect(await refusal(client.spec(web({}, 'default')))).toBe(there);
    const stream = client.watch(web({}, 'default'));
    await eventually(async () => stream.ended !== null);
    expect(stream).toMatchObject({ said: [], ended: { code: 'NOT_FOUND' } });
  });

  it.each([
    ['a metric that is none', { metric: 'qps' }, 'metric'],
    ['a misspelt key', { acount: 'x' }, 'acount'],
    ['a component that it has not', { metric: 'gpu' }, 'gpu'],
    ['further ahead than plans reach', { ahead: '9d' }, 'ahead'],
    ['a level in percent', { metric: 'cpu', level: '95' }, 'level'],
  ])('%s is an invalid argument, with its remedy', async (_, metadata, named) => {
    expect(await refusal(client.metrics(web(metadata), ''))).toMatch(new RegExp(`^INVALID_ARGUMENT: .*${named}.*; `));
  });

  it('pushes: active at once, off and on as plans come, nothing in between', async () => {
    const stream = client.watch(web());
    await eventually(async () => stream.said.length === 1);
    await putPlan(plan, 0);
    await eventually(async () => stream.said.length === 2);
    // The same answer again is not said again.
    await putPlan(plan, 0);
    await putPlan(plan, 7);
    await eventually(async () => stream.said.length === 3);
    expect(stream).toMatchObject({ said: [true, false, true], ended: null });
    stream.cancel();
    await eventually(async () => stream.ended !== null);
    expect(await client.health()).toBe('SERVING');
  });

  it('a plan that is too old ends the stream and the metric: unavailable, never zero', async () => {
    const stream = client.watch(web());
    await eventually(async () => stream.said.length === 1);
    for (const record of await store.listRecords('plan', namespace.name, { limit: 100 })) {
      // As if nothing had come for an hour.
      const at = record.at - 3600;
      await store.putRecord({ ...record, at, body: { ...(record.body as Plan), at } });
    }
    await eventually(async () => stream.ended !== null);
    expect(stream.ended).toMatchObject({ code: 'UNAVAILABLE', details: expect.stringMatching(/newest plan is of/) });
    await eventually(async () => (await refusal(client.metrics(web(), ''))).startsWith('UNAVAILABLE'));
    expect(await refusal(client.isActive(web()))).toMatch(/^UNAVAILABLE: /);
    await putPlan(plan, 5);
    await eventually(async () => (await client.metrics(web(), ''))[0]?.metricValueFloat === 5);
  });

  it('a store that is gone is unavailable, and is found again', async () => {
    const port = Number(new URL(service.url).port);
    await service.close();
    await eventually(async () => (await refusal(client.metrics(web(), ''))).startsWith('UNAVAILABLE'));
    service = await createStoreService(store, { token: TOKEN, port });
    await eventually(async () => (await client.metrics(web(), '')).length === 1);
  });
});

describe('who may connect', () => {
  it('health is answered, also for the service by its name', async () => {
    expect(await client.health('externalscaler.ExternalScaler')).toBe('SERVING');
    expect(await refusal(client.health('another'))).toMatch(/^NOT_FOUND/);
  });

  it('plain text beyond the loopback is not begun by accident', async () => {
    await expect(startScaler(service.url, '--host', '0.0.0.0')).rejects.toThrow(/plain text beyond this machine/);
  });

  it('with mTLS, a client without a certificate gets nowhere; one with it does', async () => {
    const files = await makeCertificates(folder);
    const own = await startScaler(
      service.url,
      ...['--tls-cert', files.serverCert, '--tls-key', files.serverKey, '--client-ca', files.ca],
    );
    const ca = await readFile(files.ca);
    const open = async (security: ReturnType<typeof credentials.createSsl>) => {
      const one = scalerClient(own.address, security);
      const said = await refusal(one.health());
      one.close();
      return said;
    };
    try {
      expect(await open(credentials.createSsl(ca))).toMatch(/^UNAVAILABLE/);
      expect(await open(credentials.createInsecure())).toMatch(/^UNAVAILABLE/);
      const pair = [await readFile(files.proxyKey), await readFile(files.proxyCert)] as const;
      expect(await open(credentials.createSsl(ca, ...pair))).toBe('answered "SERVING"');
    } finally {
      expect(await own.stop()).toBe(0);
    }
  });

  it('ends in order with a stream open', async () => {
    const own = await startScaler(service.url);
    const other = scalerClient(own.address);
    const stream = other.watch(web());
    await eventually(async () => stream.said.length === 1);
    expect(await own.stop()).toBe(0);
    await eventually(async () => stream.ended !== null);
    expect(stream.ended?.code).toBe('UNAVAILABLE');
    other.close();
  });
});
