import { setTimeout as delay } from 'node:timers/promises';
import { CoreV1Api, CustomObjectsApi, KubeConfig } from '@kubernetes/client-node';
import type { ControlPlane } from '../../infra/servers/index.js';
import { machineDeploymentOf, nodePoolOf } from '../../src/cluster/kubernetes/provision/api.js';
import { parseQuantity } from '../../src/domain/component.js';
import { nodePoolCrd } from './kubernetes-pools-world.js';

/*
 * Whoever makes nodes in a cluster with Karpenter or Cluster API, as far as the fleet can tell: nodes come by what a
 * MachineDeployment asks for, and by pods that fit nowhere up to a NodePool's limit. kwok gets them ready.
 */

const MACHINES = { group: 'cluster.x-k8s.io', version: 'v1beta1', plural: 'machinedeployments' } as const;
const NODE_POOLS = { group: 'karpenter.sh', version: 'v1', plural: 'nodepools' } as const;

/** A MachineDeployment as Cluster API's CRD has it, cut down to what is read and written here. */
export const machineDeploymentCrd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'machinedeployments.cluster.x-k8s.io' },
  spec: {
    group: MACHINES.group,
    scope: 'Namespaced',
    names: { plural: MACHINES.plural, singular: 'machinedeployment', kind: 'MachineDeployment' },
    versions: [
      {
        name: MACHINES.version,
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
        },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                required: ['clusterName'],
                properties: {
                  clusterName: { type: 'string', minLength: 1 },
                  replicas: { type: 'integer', format: 'int32', default: 1 },
                },
              },
              status: {
                type: 'object',
                properties: {
                  replicas: { type: 'integer', format: 'int32' },
                  readyReplicas: { type: 'integer', format: 'int32' },
                },
              },
            },
          },
        },
      },
    ],
  },
};

export interface Pools {
  /** Of both pools' nodes. */
  labels: Record<string, string>;
  /** Cores of a node. */
  cpu: number;
  machines: { namespace: string; name: string; replicas: number };
  nodePool: { name: string; limit: string; nodes: number };
}

/** Both kinds of pool as a person leaves them: declared, with the nodes that they have. */
export async function declarePools(plane: ControlPlane, pools: Pools): Promise<void> {
  const apply = (items: unknown[], ...flags: string[]): Promise<string> =>
    plane.kubectl(['apply', ...flags, '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) });
  await apply([nodePoolCrd, machineDeploymentCrd]);
  await plane.kubectl(['wait', '--for=condition=Established', '--timeout=120s', 'crd', '--all']);
  const { machines, nodePool } = pools;
  await apply(
    [
      {
        apiVersion: 'cluster.x-k8s.io/v1beta1',
        kind: 'MachineDeployment',
        metadata: { name: machines.name, namespace: machines.namespace },
        spec: { clusterName: 'main', replicas: machines.replicas },
      },
      {
        apiVersion: 'karpenter.sh/v1',
        kind: 'NodePool',
        metadata: { name: nodePool.name },
        spec: { limits: { cpu: nodePool.limit } },
      },
    ],
    '--server-side',
    '--field-manager=ops',
  );
}

/** What the API server has of both pools. */
export interface PoolsSeen {
  machines: { wanted: number; ready: number };
  /** Cores. */
  limit: number;
  /** Annotations of both: the marks of who changed what, and why. */
  marks: string;
}

export interface Providers {
  seen(): Promise<PoolsSeen>;
  close(): Promise<void>;
}

/** Plays both, until it is closed. */
export function playProviders(plane: ControlPlane, pools: Pools): Providers {
  const config = new KubeConfig();
  config.loadFromFile(plane.kubeconfig);
  const core = config.makeApiClient(CoreV1Api);
  const custom = config.makeApiClient(CustomObjectsApi);
  const machineRef = { ...MACHINES, namespace: pools.machines.namespace, name: pools.machines.name };
  const poolRef = { ...NODE_POOLS, name: pools.nodePool.name };
  const { signal, abort } = ((ending) => ({ signal: ending.signal, abort: () => ending.abort() }))(
    new AbortController(),
  );

  const nodesOf = async (labelSelector: string): Promise<{ name: string; ready: boolean }[]> =>
    (await core.listNode({ labelSelector })).items.map(({ metadata, status }) => ({
      name: metadata?.name ?? '',
      ready: (status?.conditions ?? []).some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    }));
  const add = (name: string, label: Record<string, string>): Promise<void> =>
    plane.addNodes([{ name, labels: { ...pools.labels, ...label }, cpu: String(pools.cpu), memory: '16Gi' }]);
  const freeName = (prefix: string, taken: readonly { name: string }[]): string => {
    let number = 0;
    while (taken.some(({ name }) => name === `${prefix}-${number}`)) number += 1;
    return `${prefix}-${number}`;
  };

  /** As many nodes as are asked for, one at a time; its status says how many of them are ready. */
  async function machines(): Promise<void> {
    const raw: unknown = await custom.getNamespacedCustomObject(machineRef);
    const wanted = machineDeploymentOf(raw).spec.replicas ?? 1;
    const label = { 'headroom.dev/pool': pools.machines.name };
    const nodes = await nodesOf(`headroom.dev/pool=${pools.machines.name}`);
    if (nodes.length < wanted) await add(freeName(pools.machines.name, nodes), label);
    const last = nodes.at(-1);
    if (nodes.length > wanted && last !== undefined) await core.deleteNode({ name: last.name });
    const readyReplicas = nodes.filter(({ ready }) => ready).length;
    if (machineDeploymentOf(raw).status?.readyReplicas === readyReplicas) return;
    await custom.replaceNamespacedCustomObjectStatus({
      ...machineRef,
      body: { ...Object(raw), status: { replicas: nodes.length, readyReplicas } },
    });
  }

  /** A node more where pods fit nowhere, and the limit has room for it. */
  async function karpenter(): Promise<void> {
    const raw: unknown = await custom.getClusterCustomObject(poolRef);
    const pool = nodePoolOf(raw);
    const nodes = await nodesOf(`karpenter.sh/nodepool=${pools.nodePool.name}`);
    const limit = parseQuantity(pool.spec.limits?.['cpu'] ?? '0');
    const short = await core.listPodForAllNamespaces({ fieldSelector: 'status.phase=Pending,spec.nodeName=' });
    const wants = nodes.length < pools.nodePool.nodes || short.items.length > 0;
    if (wants && (nodes.length + 1) * pools.cpu <= limit) {
      await add(freeName(pools.nodePool.name, nodes), { 'karpenter.sh/nodepool': pools.nodePool.name });
    }
    const cpu = String(nodes.length * pools.cpu);
    if (pool.status?.resources?.['cpu'] === cpu) return;
    await custom.replaceClusterCustomObjectStatus({
      ...poolRef,
      body: { ...Object(raw), status: { resources: { cpu, nodes: String(nodes.length) } } },
    });
  }

  const running = (async () => {
    while (!signal.aborted) {
      // Somebody else wrote the same object meanwhile, or a server is slow: the next round sees it as it is then.
      await Promise.allSettled([machines(), karpenter()]);
      await delay(250, undefined, { signal }).catch(() => undefined);
    }
  })();

  return {
    async seen() {
      const [one, other] = await Promise.all([
        custom.getNamespacedCustomObject(machineRef).then(machineDeploymentOf),
        custom.getClusterCustomObject(poolRef).then(nodePoolOf),
      ]);
      return {
        machines: { wanted: one.spec.replicas ?? 1, ready: one.status?.readyReplicas ?? 0 },
        limit: parseQuantity(other.spec.limits?.['cpu'] ?? '0'),
        marks: JSON.stringify([one.metadata.annotations, other.metadata.annotations]),
      };
    },
    async close() {
      abort();
      await running;
    },
  };
}
