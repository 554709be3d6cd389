import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../infra/servers/locate.js';
import { isoTime, parseTime, type EpochSeconds } from '../../src/domain/time.js';
import { ownBucket, type OwnBucket } from '../real/influxdb-bucket.js';
import { field } from '../real/kubernetes-pools-world.js';
import { serviceAccount } from '../real/kubernetes-world.js';
import { applyObjects, eventually, kubectl, onPool, ownNamespace, poolNodes, real, removeNodes } from '../real/real.js';
import { feedUsage, openStand, startAccount, writeUsage, type Stand, type WorkerProcess } from '../real/stand.js';
import { recordObject, type Recording } from './record.js';

/*
 * KEDA's own operator and adapter ask `headroom scaler`, and scale by what it says. Headroom has no right to write: its
 * worker's service account may read, and the scaler has no kubeconfig at all. A surge comes every day at noon; time runs
 * 60 times as fast.
 */

const SPEED = 60;
const STEP = 300;
const DAY = 86_400;
const HOUR = 3600;
const BEGIN = parseTime('2026-06-15T11:15:00Z');
const NOON = parseTime('2026-06-15T12:00:00Z');
const FALLBACK = 5;

/** Cores: six times as much from noon to one. */
const demand = (at: EpochSeconds): number => {
  const hour = (((at % DAY) + DAY) % DAY) / HOUR;
  return (hour >= 12 && hour < 13 ? 4.2 : 0.7) + 0.05 * Math.sin(at / 1300);
};

/** By polling alone, and told at once by a stream. */
const TRIGGERS = { web: 'external', api: 'external-push' } as const;
const WORKLOADS = ['web', 'api'] as const;

let namespace: Awaited<ReturnType<typeof ownNamespace>>;
let folder: string;
let bucket: OwnBucket;
let stand: Stand;
let worker: WorkerProcess;
let scaler: { address: string; child: ChildProcess };
let endFeed: () => Promise<void> = () => Promise.resolve();
const recordings: Recording[] = [];
let began = 0;
const now = (): EpochSeconds => BEGIN + ((Date.now() - began) / 1000) * SPEED;

async function startScaler(env: NodeJS.ProcessEnv): Promise<{ address: string; child: ChildProcess }> {
  const child = spawn(process.execPath, [join(ROOT, 'bin', 'headroom'), 'scaler', '--port', '0'], {
    // Of all that the worker has, the store alone: no kubeconfig, no Temporal, no InfluxDB.
    env: { PATH: env['PATH'], HOME: stand.folder, HEADROOM_HOME: env['HEADROOM_HOME'] },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    said.push(line);
    const address = /serves (\S+:\d+)/.exec(line)?.[1];
    if (address !== undefined) return { address, child };
  }
  throw new Error(said.join('\n'));
}

const deployment = (name: string) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace: namespace.name },
  spec: {
    selector: { matchLabels: { app: name } },
    // One is told by a stream, and starts from nothing.
    replicas: name === 'api' ? 0 : 1,
    template: {
      metadata: { labels: { app: name } },
      spec: {
        ...onPool(namespace.name),
        containers: [{ name: 'main', image: name, resources: { requests: { cpu: '500m', memory: '256Mi' } } }],
      },
    },
  },
});

const scaledObject = (name: (typeof WORKLOADS)[number]) => ({
  apiVersion: 'keda.sh/v1alpha1',
  kind: 'ScaledObject',
  metadata: { name, namespace: namespace.name },
  spec: {
    scaleTargetRef: { name },
    pollingInterval: 2,
    cooldownPeriod: 5,
    minReplicaCount: 0,
    maxReplicaCount: 20,
    fallback: { failureThreshold: 3, replicas: FALLBACK },
    triggers: [
      {
        type: TRIGGERS[name],
        metadata: { scalerAddress: scaler.address, account: namespace.name, workload: name },
      },
    ],
  },
});

const replicas = async (name: string) =>
  Number(await field('{.spec.replicas}', 'deployment', name, '-n', namespace.name));
const ready = async (name: string) =>
  Number(await field('{.status.readyReplicas}', 'deployment', name, '-n', namespace.name));
const both = async (look: (name: string) => Promise<boolean>) =>
  (await Promise.all(WORKLOADS.map(look))).every(Boolean);

beforeAll(async () => {
  namespace = await ownNamespace('keda');
  bucket = await ownBucket();
  await applyObjects(...poolNodes(namespace.name, 4), ...WORKLOADS.map(deployment));
  const keys = WORKLOADS.map((workload) => ({ account: namespace.name, workload, component: 'cpu' as const }));
  for (const key of keys) await writeUsage(bucket, key, { from: BEGIN - 14 * DAY, to: BEGIN, step: STEP }, demand);
  const reader = await serviceAccount({
    namespace: namespace.name,
    cluster: true,
    rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['get', 'list', 'watch'] }],
  });
  folder = await mkdtemp(join(tmpdir(), 'headroom-keda-'));
  const kubeconfig = join(folder, 'reader.kubeconfig');
  await writeFile(kubeconfig, reader.exportConfig(), { mode: 0o600 });
  stand = await openStand({ kubeconfig, influx: bucket.access });
  began = Date.now();
  worker = await stand.startWorker('--speed', String(SPEED), '--clock', isoTime(BEGIN));
  endFeed = feedUsage(bucket, keys, { from: BEGIN, step: STEP, now }, demand);
  await startAccount(stand, namespace.name, {
    version: 'headroom/v1',
    account: namespace.name,
    mode: 'recommend',
    history: '14d',
    horizons: ['2h', '1d'],
    workloads: WORKLOADS.map((name) => ({
      name,
      components: { cpu: { request: '500m', utilization: 0.9 } },
      replicas: { min: 1, max: 20 },
      leadTime: '10m',
    })),
    pools: [
      { name: namespace.name, size: 'fixed', pricePerHour: 0.2, node: { cpu: 8, memory: '32Gi' }, min: 0, max: 10 },
    ],
  });
  scaler = await startScaler(stand.env);
  await applyObjects(...WORKLOADS.map(scaledObject));
});
afterAll(async () => {
  await Promise.all(recordings.map((recording) => recording.stop().catch(() => undefined)));
  await endFeed();
  await kubectl(['-n', namespace.name, 'delete', 'scaledobjects', '--all', '--timeout=300s']);
  if (scaler?.child.exitCode === null) {
    scaler.child.kill('SIGTERM');
    await once(scaler.child, 'exit');
  }
  await stand?.close();
  await rm(folder, { recursive: true, force: true });
  await bucket?.remove();
  await removeNodes(namespace.name);
  await namespace.remove();
});

describe('KEDA scales by Headroom’s plan', () => {
  it('its HPA has the plan’s replicas as an external metric, and what was at zero is started', async () => {
    await eventually(async () => both(async (name) => (await ready(name)) >= 2 && (await ready(name)) <= 4));
    for (const name of WORKLOADS) {
      const metric = await field(
        '{.spec.metrics[0].external.metric.name}',
        'hpa',
        `keda-hpa-${name}`,
        '-n',
        namespace.name,
      );
      expect(metric).toBe(`s0-headroom-${namespace.name}-${name}-replicas`);
    }
    for (const name of WORKLOADS) recordings.push(await recordObject(namespace.name, `deployment/${name}`, 'replicas'));
  });

  it('the surge of noon is scaled for before it comes, and let go after it', async () => {
    const raised = await eventually(async () => (await both(async (name) => (await ready(name)) >= 9)) && now());
    expect(raised).toBeLessThan(NOON);
    const lowered = await eventually(
      async () => now() > NOON + HOUR && (await both(async (name) => (await replicas(name)) <= 4)) && now(),
      300,
    );
    expect(lowered).toBeLessThan(NOON + 3 * HOUR);
  });

  it('usage that stops coming makes the plan stale: KEDA falls back, and nothing goes to zero', async () => {
    await endFeed();
    await eventually(async () => both(async (name) => (await replicas(name)) === FALLBACK));
    for (const name of WORKLOADS) {
      const words = await field(
        '{.status.conditions[?(@.type=="Fallback")].status}',
        'scaledobject',
        name,
        '-n',
        namespace.name,
      );
      expect(words).toBe('True');
    }
  });

  it('a worker that is gone, and its store with it, leaves the fallback as it is', async () => {
    await worker.kill();
    await new Promise((resolve) => setTimeout(resolve, 15_000));
    expect(await both(async (name) => (await ready(name)) === FALLBACK)).toBe(true);
  });

  it('nowhere in all this was there less than the plan’s floor, and Headroom has written nothing', async () => {
    await Promise.all(recordings.map((recording) => recording.stop()));
    for (const recording of recordings.splice(0)) {
      const values = recording.values().map(Number);
      expect(Math.min(...values)).toBeGreaterThanOrEqual(1);
      expect(values.at(-1)).toBe(FALLBACK);
      expect(recording.managers()).not.toContain('headroom');
    }
    const others = await kubectl([
      ...['-n', namespace.name, 'get', 'deployments,hpa,scaledobjects', '--show-managed-fields'],
      ...['-o', 'jsonpath={.items[*].metadata.managedFields[*].manager}'],
    ]);
    expect(others).toContain('keda');
    expect(others).not.toContain('headroom');
    expect(real.cluster.kubeconfig).not.toBe(stand.env['KUBECONFIG']);
  });
});
