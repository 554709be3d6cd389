import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  AppsV1Api,
  AutoscalingV2Api,
  CoreV1Api,
  KubeConfig,
  PatchStrategy,
  setHeaderOptions,
} from '@kubernetes/client-node';
import { startControlPlane, startInflux, startWorker } from '../infra/servers/index.js';
import { ROOT } from '../infra/servers/locate.js';
import { createInfluxConnection } from '../src/telemetry/influxdb/connection.js';
import { usageLines } from '../src/telemetry/influxdb/lines.js';
import { connectClient } from '../src/temporal/connection.js';
import { startDevServer } from '../src/temporal/server.js';
import { accountWorkflowId, nudgeSignal, statusQuery } from '../workflows/messages.js';
import { percentile, writeResults } from './result.js';

/*
 * How soon a burst is answered: usage written to InfluxDB and the account nudged → forecast → planned → applied → pods
 * ready on the API server. Beside it, in the same run on the same control plane, the HPA controller's own reaction to the
 * same step, with its usage through metrics-server and its pauses as they are by default.
 */

const ACCOUNTS = 30;
const AUTOSCALED = 6;
const STEP = 5;
const HISTORY = 3600;
/** Replicas of one core at the start; the burst needs at least so many. */
const BEFORE = 3;
const NEEDED = 9;
const QUIET = 1.6;
const BURST = 8.5;
const LOOK_EVERY_MS = 15;
const PATIENCE_MS = 180_000;

const folder = await mkdtemp(join(tmpdir(), 'headroom-bench-'));
const say = (text: string): void => void process.stderr.write(`bench-real: ${text}\n`);
const [influx, plane, temporal] = await Promise.all([
  startInflux({ folder: join(folder, 'influxdb') }),
  // metrics-server's own default manifest asks every 15 s; the harness asks every 10 s, which favours the HPA.
  startControlPlane({ folder: join(folder, 'kubernetes'), nodes: 0 }),
  startDevServer({ databaseFile: join(folder, 'temporal.db'), env: process.env }),
]);
const home = join(folder, 'home');
await mkdir(home);
const worker = await startWorker(
  {
    ...process.env,
    HEADROOM_HOME: home,
    TEMPORAL_ADDRESS: temporal.address,
    KUBECONFIG: plane.kubeconfig,
    INFLUX_URL: influx.url,
    INFLUX_TOKEN: influx.token,
    INFLUX_ORG: influx.org,
    INFLUX_BUCKET: influx.bucket,
  },
  ['--source', 'influxdb', '--metrics-port', '0'],
);

try {
  // Room for every burst at once: what is measured is not the scheduler's queue.
  await plane.addNodes(Array.from({ length: 6 }, (_, index) => ({ name: `node-${index}`, cpu: '128' })));
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(plane.kubeconfig);
  const apps = kubeConfig.makeApiClient(AppsV1Api);
  const core = kubeConfig.makeApiClient(CoreV1Api);
  const autoscaling = kubeConfig.makeApiClient(AutoscalingV2Api);
  const bucket = createInfluxConnection({ url: influx.url, token: influx.token, org: influx.org });

  const deploy = async (namespace: string, request: string, cpu?: string): Promise<void> => {
    await core.createNamespace({ body: { metadata: { name: namespace } } });
    await apps.createNamespacedDeployment({
      namespace,
      body: {
        metadata: { name: 'web' },
        spec: {
          replicas: BEFORE,
          selector: { matchLabels: { app: 'web' } },
          template: {
            metadata: {
              labels: { app: 'web' },
              ...(cpu === undefined ? {} : { annotations: { 'headroom.test/cpu': cpu } }),
            },
            spec: { containers: [{ name: 'web', image: 'web', resources: { requests: { cpu: request } } }] },
          },
        },
      },
    });
  };
  const readyAt = async (namespace: string, replicas: number, from: number): Promise<number> => {
    while (performance.now() - from < PATIENCE_MS) {
      const { status } = await apps.readNamespacedDeployment({ namespace, name: 'web' });
      if ((status?.readyReplicas ?? 0) >= replicas) return performance.now() - from;
      await delay(LOOK_EVERY_MS);
    }
    throw new Error(
      `${namespace}/web did not get ${replicas} ready replicas within ${PATIENCE_MS / 1000} s: ${worker.said()}`,
    );
  };

  say(`${ACCOUNTS} accounts and ${AUTOSCALED} autoscaled Deployments …`);
  const accounts = Array.from({ length: ACCOUNTS }, (_, index) => `bench-${index}`);
  const began = Math.floor(Date.now() / 1000 / STEP) * STEP;
  const write = (account: string, from: number, to: number, value: (at: number) => number): Promise<void> => {
    const samples = [];
    for (let at = from; at < to; at += STEP) samples.push({ at, value: value(at) });
    const lines = [...usageLines({ key: { account, workload: 'web', component: 'cpu' }, samples })].join('\n');
    return bucket.write(influx.bucket, lines, 'ms', AbortSignal.timeout(10_000));
  };
  const quiet = (at: number): number => QUIET + 0.05 * Math.sin(at / 37);
  const { client, connection } = await connectClient({ options: { address: temporal.address }, namespace: 'default' });
  for (const account of accounts) {
    await deploy(account, '1');
    await write(account, began - HISTORY, began, quiet);
    const file = join(folder, `${account}.yaml`);
    await writeFile(
      file,
      JSON.stringify({
        version: 'headroom/v1',
        account,
        mode: 'auto',
        ownership: 'own',
        cycle: '5m',
        step: `${STEP}s`,
        settle: '0s',
        history: `${HISTORY}s`,
        horizons: ['5m'],
        staleAfter: '1h',
        workloads: [
          {
            name: 'web',
            components: { cpu: { request: '1' } },
            replicas: { min: BEFORE, max: 40 },
            takeOwnership: true,
            leadTime: '10s',
            verification: { for: '60s' },
          },
        ],
        pools: [
          {
            name: 'any',
            size: 'fixed',
            pricePerHour: 0.2,
            node: { cpu: 128, memory: '64Gi' },
            nodeSelector: { type: 'kwok' },
          },
        ],
      }),
    );
    await run(['start', account, '-f', file]);
  }
  // Every account has had its first cycle: its models are fitted.
  for (const account of accounts) {
    const handle = client.workflow.getHandle(accountWorkflowId(account));
    while ((await handle.query(statusQuery)).cycle < 1) await delay(200);
  }

  // Their agents write each bin when it is over.
  let fedUpTo = began;
  let bursting = '';
  const feed = async (): Promise<void> => {
    const to = Math.floor(Date.now() / 1000 / STEP) * STEP;
    if (to <= fedUpTo) return;
    const from = fedUpTo;
    fedUpTo = to;
    for (const account of accounts) await write(account, from, to, account === bursting ? () => BURST : quiet);
  };
  const ours: number[] = [];
  for (const account of accounts) {
    // At another moment of the bin each time; all agents have written up to it.
    await delay(Math.random() * STEP * 1000);
    await feed();
    bursting = account;
    const from = performance.now();
    await write(account, fedUpTo - STEP, fedUpTo, () => BURST);
    await client.workflow.getHandle(accountWorkflowId(account)).signal(nudgeSignal, { reason: 'a burst' });
    ours.push(await readyAt(account, NEEDED, from));
  }
  say(`median ${Math.round(percentile(ours, 0.5))} ms, worst ${Math.round(Math.max(...ours))} ms`);

  // The same step for the HPA controller: pods of 100m that use 50 % of it, then far more.
  const scaled = Array.from({ length: AUTOSCALED }, (_, index) => `autoscaled-${index}`);
  for (const namespace of scaled) {
    await deploy(namespace, '100m', '50m');
    await autoscaling.createNamespacedHorizontalPodAutoscaler({
      namespace,
      body: {
        metadata: { name: 'web' },
        spec: {
          minReplicas: BEFORE,
          maxReplicas: 40,
          scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
          metrics: [
            { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
          ],
        },
      },
    });
  }
  // Until it reads usage: its first minutes are not held against it.
  for (const namespace of scaled) {
    for (;;) {
      const { status } = await autoscaling.readNamespacedHorizontalPodAutoscaler({ namespace, name: 'web' });
      if (status?.currentMetrics?.[0]?.resource?.current.averageUtilization !== undefined) break;
      await delay(500);
    }
  }
  await delay(20_000);
  const theirs: number[] = [];
  for (const namespace of scaled) {
    const { items } = await core.listNamespacedPod({ namespace });
    const from = performance.now();
    await Promise.all(
      items.map(({ metadata }) =>
        core.patchNamespacedPod(
          {
            namespace,
            name: metadata?.name ?? '',
            body: { metadata: { annotations: { 'headroom.test/cpu': '260m' } } },
          },
          setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
        ),
      ),
    );
    theirs.push(await readyAt(namespace, NEEDED, from));
    // At another moment of its period each time.
    await delay(3700);
  }
  await connection.close();

  const [median, peer] = [percentile(ours, 0.5), percentile(theirs, 0.5)];
  writeResults('real', [
    {
      metric: 'burst to ready pods, p99',
      value: Math.round(percentile(ours, 0.99)),
      unit: 'ms',
      goal: 2000,
      better: 'lower',
      note: `${ACCOUNTS} bursts, one account each: usage written to InfluxDB, account nudged, until ${NEEDED} pods are ready`,
    },
    {
      metric: 'burst to ready pods, median against the HPA controller',
      value: Math.round((median / peer) * 1000) / 1000,
      unit: 'ratio',
      goal: 0.3,
      better: 'lower',
      peer: 'HPA controller 1.36.3, sync every 15 s, metrics-server every 10 s',
      peerValue: 1,
      note: `median ${Math.round(median)} ms beside ${Math.round(peer)} ms (${theirs.map((time) => Math.round(time / 100) / 10).join(', ')} s)`,
    },
  ]);
} finally {
  await worker.stop();
  await temporal.close();
  await plane.stop();
  await influx.process.stop();
  await rm(folder, { recursive: true, force: true });
}

async function run(argv: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [join(ROOT, 'bin', 'headroom'), ...argv], {
    env: { ...process.env, HEADROOM_HOME: home, TEMPORAL_ADDRESS: temporal.address },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`headroom ${argv.join(' ')} ended with ${String(code)}`);
}
