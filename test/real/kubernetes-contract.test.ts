import { CustomObjectsApi, KubeConfig } from '@kubernetes/client-node';
import { beforeAll } from 'vitest';
import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import { createCaller } from '../../src/cluster/kubernetes/calls.js';
import {
  createObjectApi,
  DEPLOYMENT,
  HPA,
  type JsonObject,
  type ObjectKind,
} from '../../src/cluster/kubernetes/objects.js';
import type { CapacityTarget } from '../../src/domain/cluster.js';
import { formatQuantity } from '../../src/domain/component.js';
import { unreachable } from '../../src/domain/errors.js';
import { ACCOUNT, clusterContract, type ClusterWorld } from '../contract/cluster.js';
import { openApiProxy } from '../../infra/servers/api-proxy.js';
import { eventually, kubectl, real } from './real.js';

/* The contract of every cluster, on the real API server: once with objects of one who updates, once of one who applies. */

const container = (name: string, cpu: string, memory: string): JsonObject => ({
  name,
  image: 'shop:1',
  resources: { requests: { cpu, memory } },
});
const deployment = (name: string, replicas: number): JsonObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace: ACCOUNT },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [container('main', '400m', '768Mi'), container('sidecar', '100m', '256Mi')] },
    },
  },
});
const autoscaler: JsonObject = {
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'api', namespace: ACCOUNT },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'api' },
    minReplicas: 2,
    maxReplicas: 10,
  },
};

const administrator = new KubeConfig();
const never = () => new AbortController().signal;
const at = (kind: ObjectKind, name: string) => ({ ...kind, namespace: ACCOUNT, name });

function foreignWrite(target: CapacityTarget, manager: string): Promise<unknown> {
  const objects = createObjectApi(administrator, createCaller(administrator));
  const options = { manager, strategic: true };
  switch (target.field) {
    case 'replicas':
      return objects.update(at(DEPLOYMENT, target.workload), { spec: { replicas: target.value } }, options, never());
    case 'floor':
      return objects.update(at(HPA, target.workload), { spec: { minReplicas: target.value } }, options, never());
    case 'request': {
      const sidecar = { cpu: 0.1, memory: 2 ** 28, storage: 0, io: 0, network: 0, gpu: 0 }[target.component];
      const requests = { [target.component]: formatQuantity(target.component, target.value - sidecar) };
      const containers = [{ name: 'main', resources: { requests } }];
      return objects.update(
        at(DEPLOYMENT, target.workload),
        { spec: { template: { spec: { containers } } } },
        options,
        never(),
      );
    }
    case 'nodes':
      return Promise.resolve();
    default:
      return unreachable(target);
  }
}

beforeAll(async () => {
  administrator.loadFromFile(real.cluster.kubeconfig);
  await kubectl(['create', 'namespace', ACCOUNT]).catch(() => undefined);
});

async function remove(): Promise<void> {
  const objects = administrator.makeApiClient(CustomObjectsApi);
  for (const [{ group, version, plural }, name] of [
    [DEPLOYMENT, 'web'],
    [DEPLOYMENT, 'api'],
    [HPA, 'api'],
  ] as const) {
    const ref = { group, version, plural, name, namespace: ACCOUNT };
    await objects.deleteNamespacedCustomObject(ref).catch(() => undefined);
    await eventually(() =>
      objects.getNamespacedCustomObject(ref).then(
        () => false,
        () => true,
      ),
    );
  }
}

const world = (create: readonly string[]) => async (): Promise<ClusterWorld> => {
  await remove();
  const items = [deployment('web', 3), deployment('api', 4), autoscaler];
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  await kubectl([...create, '--field-manager=kubectl', '-f', '-'], { input });
  const proxy = await openApiProxy(real.cluster.kubeconfig);
  const cluster = createKubernetesCluster({ kubeConfig: proxy.kubeConfig });
  return {
    cluster,
    foreignWrite: async (target, owner) => void (await foreignWrite(target, owner)),
    loseNextAnswer: () => {
      proxy.loseAnswers = 1;
      return Promise.resolve();
    },
    goDown: () => {
      proxy.goDown();
      return Promise.resolve();
    },
    goSlow: () => {
      proxy.delay = 5000;
      return Promise.resolve();
    },
    tearDown: async () => {
      await cluster.close();
      await proxy.close();
    },
  };
};

clusterContract('kubernetes, objects of one who updates', world(['create']));
clusterContract('kubernetes, objects of one who applies', world(['apply', '--server-side']));
