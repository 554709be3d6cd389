import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startControlPlane, type ControlPlane } from '../../infra/servers/index.js';
import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import type { ReflectorTimes } from '../../src/cluster/kubernetes/cache/reflector.js';
import type { PresenceOptions } from '../../src/cluster/kubernetes/presence.js';
import type { Cluster } from '../../src/cluster/port.js';
import type { WorkloadState } from '../../src/domain/cluster.js';
import { isHeadroomError } from '../../src/domain/errors.js';
import { openApiProxy, type ApiProxy } from '../../infra/servers/api-proxy.js';
import { deployment, hpa, kubeConfigFile } from './kubernetes-world.js';
import { eventually } from './real.js';

/** What is observed while the control plane is in trouble: the present, or nothing. */

const NS = 'faults';
const never = () => new AbortController().signal;
const request = {
  account: NS,
  workloads: [{ workload: 'web', kind: 'Deployment' as const, namespace: NS, name: 'web' }],
  pools: [],
};

let folder: string;
let plane: ControlPlane;
const ends: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headroom-faults-'));
  plane = await startControlPlane({ folder, nodes: 1, metricsServer: false });
  await plane.kubectl(['create', 'namespace', NS]);
  await apply(deployment({ namespace: NS, name: 'web', replicas: 1 }));
});
afterAll(async () => {
  for (const end of ends.reverse()) await end();
  await plane.stop();
  await rm(folder, { recursive: true, force: true });
});

const apply = (...items: unknown[]): Promise<string> =>
  plane.kubectl(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) });
const scale = (replicas: number): Promise<string> =>
  plane.kubectl(['-n', NS, 'scale', 'deployment', 'web', `--replicas=${replicas}`]);

async function restart(): Promise<void> {
  await plane.apiServer.stop();
  await plane.apiServer.start();
}

interface Options {
  times?: Partial<ReflectorTimes>;
  presence?: PresenceOptions;
  waitMs?: number;
  proxy?: ApiProxy;
}
function open({ times = {}, presence = {}, waitMs = 15_000, proxy }: Options = {}): Cluster {
  const kubeConfig = proxy?.kubeConfig ?? kubeConfigFile(plane.kubeconfig);
  const cluster = createKubernetesCluster({ kubeConfig, watches: { times, waitMs }, presence });
  ends.push(() => cluster.close());
  return cluster;
}
async function throughProxy(): Promise<ApiProxy> {
  const proxy = await openApiProxy(plane.kubeconfig);
  ends.push(() => proxy.close());
  return proxy;
}
async function see(cluster: Cluster): Promise<WorkloadState> {
  const [state] = (await cluster.observe(request, never())).workloads;
  if (state === undefined) throw new Error('web was not answered');
  return state;
}
const replicasIn = (cluster: Cluster, value: number): Promise<unknown> =>
  eventually(async () => (await see(cluster)).replicas === value);

describe('the API server', () => {
  test('stopped: what was is not shown as what is; back: what changed at its end is seen first', async () => {
    const cluster = open();
    await scale(2);
    await replicasIn(cluster, 2);
    await plane.apiServer.stop();
    await expect(see(cluster)).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(see(cluster)).rejects.toThrow(/is not shown as what it is/);
    await plane.apiServer.start();
    await scale(3);
    // The first answer after the gap is the present, never the two of before.
    const first = await eventually(() => see(cluster));
    expect(first.replicas).toBe(3);
  });

  test('killed in the middle of a watch: what was written before it is heard again is seen first', async () => {
    const cluster = open();
    await replicasIn(cluster, 3);
    await plane.apiServer.kill();
    await plane.apiServer.start();
    await scale(4);
    const first = await eventually(() => see(cluster));
    expect(first.replicas).toBe(4);
  });

  test('there and silent: asked whether it is there, and held; going on again when it does', async () => {
    const cluster = open({ presence: { liveWithinMs: 0, waitMs: 1000 } });
    await replicasIn(cluster, 4);
    plane.apiServer.freeze();
    try {
      await expect(see(cluster)).rejects.toThrow(/no answer within 1 s/);
    } finally {
      plane.apiServer.thaw();
    }
    await eventually(() => see(cluster));
  });

  test('that ends every watch after a second is watched on, without another list', async () => {
    const proxy = await throughProxy();
    const cluster = open({ times: { watchSeconds: 1 }, proxy });
    await replicasIn(cluster, 4);
    const watches = () => proxy.requests.filter((one) => one.includes('/deployments?watch')).length;
    const began = watches();
    await eventually(() => Promise.resolve(watches() >= began + 3));
    await scale(5);
    await replicasIn(cluster, 5);
    expect(proxy.requests.filter((one) => one.includes('/deployments?limit')).length).toBe(1);
  });

  test('whose versions were compacted away (410) is listed again', async () => {
    const proxy = await throughProxy();
    // Nothing is away for so long that it would be listed for that.
    const cluster = open({ times: { awayMs: 600_000, openMs: 1000 }, proxy });
    await scale(5);
    await replicasIn(cluster, 5);
    // Out of earshot, while others write, and while what they wrote is compacted away.
    proxy.delay = 5000;
    await restart();
    await scale(6);
    await compact();
    await restart();
    proxy.delay = 0;
    await replicasIn(cluster, 6);
    expect(proxy.requests.filter((one) => one.includes('/deployments?limit')).length).toBe(2);
  });

  test('that is slow is waited for so long, and not longer', async () => {
    const proxy = await throughProxy();
    proxy.delay = 2000;
    const cluster = open({ waitMs: 500, proxy });
    await expect(see(cluster)).rejects.toMatchObject({ kind: 'unavailable' });
    const patient = open({ waitMs: 20_000, proxy });
    expect((await see(patient)).exists).toBe(true);
  });

  test('a look that is cancelled while it waits ends with the reason, and the watches go on', async () => {
    const proxy = await throughProxy();
    proxy.delay = 1000;
    const cluster = open({ proxy });
    const reason = new Error('the worker stops');
    const stopping = new AbortController();
    setTimeout(() => stopping.abort(reason), 100);
    await expect(cluster.observe(request, stopping.signal)).rejects.toBe(reason);
    expect((await see(cluster)).exists).toBe(true);
  });
});

describe('etcd', () => {
  test('restarted: held while nothing is sure, and right after', async () => {
    const cluster = open({ presence: { liveWithinMs: 0, waitMs: 2000 } });
    await eventually(() => see(cluster));
    await plane.etcd.stop();
    // The API server answers, and says that it is not ready.
    await eventually(() =>
      see(cluster).then(
        () => false,
        (error: unknown) => isHeadroomError(error) && error.kind === 'unavailable',
      ),
    );
    await plane.etcd.start();
    await eventually(() => scale(7));
    await replicasIn(cluster, 7);
  });
});

describe('KEDA', () => {
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'scaledobjects.keda.sh' },
    spec: {
      group: 'keda.sh',
      scope: 'Namespaced',
      names: { kind: 'ScaledObject', plural: 'scaledobjects', singular: 'scaledobject', listKind: 'ScaledObjectList' },
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  };

  test('not there, then there: its ScaledObject’s floor is the floor, not that of the HPA that it makes', async () => {
    const cluster = open();
    expect((await eventually(() => see(cluster))).autoscaler).toBeNull();
    await apply(definition);
    await plane.kubectl(['wait', '--for=condition=Established', 'crd/scaledobjects.keda.sh', '--timeout=300s']);
    const scaled = {
      apiVersion: 'keda.sh/v1alpha1',
      kind: 'ScaledObject',
      metadata: { name: 'web-scaler', namespace: NS },
      spec: { scaleTargetRef: { name: 'web' }, minReplicaCount: 3, maxReplicaCount: 12, triggers: [] },
    };
    await eventually(() => apply(scaled));
    const uid = await plane.kubectl(['-n', NS, 'get', 'scaledobject', 'web-scaler', '-o', 'jsonpath={.metadata.uid}']);
    const made = hpa(NS, 'web', 3, 12);
    const owner = { apiVersion: 'keda.sh/v1alpha1', kind: 'ScaledObject', name: 'web-scaler', uid, controller: true };
    await apply({ ...made, metadata: { namespace: NS, name: 'keda-hpa-web-scaler', ownerReferences: [owner] } });
    // Long before the next look for new kinds: the HPA says whose it is.
    await eventually(async () => (await see(cluster)).owners.floor !== null);
    expect((await see(cluster)).autoscaler).toMatchObject({
      kind: 'scaledobject',
      name: 'web-scaler',
      floor: 3,
      ceiling: 12,
    });
    await plane.kubectl([
      '-n',
      NS,
      'patch',
      'scaledobject',
      'web-scaler',
      '--type=merge',
      '-p',
      '{"spec":{"minReplicaCount":5}}',
    ]);
    await eventually(async () => (await see(cluster)).autoscaler?.floor === 5);
    // And when it goes, it goes.
    await plane.kubectl(['-n', NS, 'delete', 'hpa', 'keda-hpa-web-scaler']);
    await plane.kubectl(['delete', 'crd', 'scaledobjects.keda.sh', '--wait=true']);
    await eventually(async () => (await see(cluster)).autoscaler === null);
  });
});

/** Compacts etcd at its present revision, through its JSON gateway: what is older is gone. */
async function compact(): Promise<void> {
  const url = await etcdUrl();
  const post = async (path: string, body: unknown): Promise<unknown> => {
    const answer = await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`etcd ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const status: unknown = await post('/v3/maintenance/status', {});
  const revision = /"revision":"?(\d+)/.exec(JSON.stringify(status))?.[1];
  if (revision === undefined) throw new Error('etcd told no revision');
  await post('/v3/kv/compaction', { revision, physical: true });
}

async function etcdUrl(): Promise<string> {
  const line = await readFile(`/proc/${plane.etcd.pid ?? 0}/cmdline`, 'utf8');
  const words = line.split('\0');
  const url = words[words.indexOf('--advertise-client-urls') + 1];
  if (url === undefined) throw new Error('etcd was started without its address');
  return url;
}
