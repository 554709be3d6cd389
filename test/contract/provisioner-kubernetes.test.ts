import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import type { PoolTarget } from '../../src/cluster/port.js';
import { createClusterProvisioner } from '../../src/cluster/provision.js';
import type { FieldTarget } from '../../src/domain/cluster.js';
import { kubeConfigOf } from './kube-config.js';
import { createFakeApiServer } from './kubernetes-api-server.js';
import type { JsonObject } from './managed-object.js';
import { provisionerContract, type ProvisionerWorld } from './provisioner.js';

interface Kind {
  plural: string;
  object: JsonObject;
  place(pool: string): PoolTarget;
  target(pool: string, nodes: number): FieldTarget;
  /** Of so many nodes, as somebody writes it. */
  fields(nodes: number): JsonObject;
}

async function worldOf(kind: Kind): Promise<ProvisionerWorld> {
  const api = await createFakeApiServer();
  const object = api.install(kind.plural, kind.object, 'ops');
  const cluster = createKubernetesCluster({ kubeConfig: kubeConfigOf(api.url) });
  return {
    provisioner: createClusterProvisioner(cluster),
    place: (pool) => kind.place(pool),
    target: (pool, nodes) => kind.target(pool, nodes),
    foreignWrite: (nodes, manager) => {
      object.patch({ body: { spec: kind.fields(nodes) }, manager, apply: false, force: false });
      return Promise.resolve();
    },
    loseNextAnswer: () => {
      api.loseAnswers = 1;
      return Promise.resolve();
    },
    goDown: () => {
      api.down = true;
      return Promise.resolve();
    },
    goSlow: () => {
      api.delay = 5000;
      return Promise.resolve();
    },
    async tearDown() {
      await cluster.close();
      await api.close();
    },
  };
}

provisionerContract('Cluster API MachineDeployment', () =>
  worldOf({
    plural: 'machinedeployments',
    object: {
      apiVersion: 'cluster.x-k8s.io/v1beta1',
      kind: 'MachineDeployment',
      metadata: { name: 'general', namespace: 'acme' },
      spec: { clusterName: 'main', replicas: 2 },
      status: { readyReplicas: 2 },
    },
    place: (pool) => ({ kind: 'Pool', pool, clusterApi: { namespace: 'acme', name: pool } }),
    target: (pool, nodes) => ({ field: 'nodes', pool, value: nodes }),
    fields: (nodes) => ({ replicas: nodes }),
  }),
);

provisionerContract('Karpenter NodePool', () =>
  worldOf({
    plural: 'nodepools',
    object: {
      apiVersion: 'karpenter.sh/v1',
      kind: 'NodePool',
      metadata: { name: 'general' },
      spec: { limits: { cpu: '8' } },
    },
    place: (pool) => ({ kind: 'Pool', pool, karpenter: { nodePool: pool, limit: 'cpu', weight: false } }),
    target: (pool, nodes) => ({ field: 'limit', pool, resource: 'cpu', value: 4 * nodes }),
    fields: (nodes) => ({ limits: { cpu: String(4 * nodes) } }),
  }),
);
