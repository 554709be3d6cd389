import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import type {
  Cluster,
  FieldPlace,
  ObserveRequest,
  PoolTarget,
  TaskTarget,
  WorkloadTarget,
} from '../../src/cluster/port.js';
import { PAUSE_IMAGE } from '../../src/domain/preparation.js';
import type { ClusterState, FieldTarget, Mutation, MutationResult } from '../../src/domain/cluster.js';
import { seenValue } from '../../src/domain/seen.js';
import { kubeConfigFile } from './kubernetes-world.js';
import { kubectl, real } from './real.js';

/* What the tests of pools and tasks have in common: an account that writes a field as its change does. */

const never = () => new AbortController().signal;

export interface Actor {
  cluster: Cluster;
  observe(): Promise<ClusterState>;
  /** Writes as a plan would that has just looked; `over`: what the plan saw, where it is not what is there. */
  apply(target: FieldTarget, key: string, over?: Partial<Mutation>): Promise<MutationResult>;
  restore(target: FieldTarget, changeKeys: string[], key: string, owner?: string | null): Promise<MutationResult>;
  close(): Promise<void>;
}

export function actor(
  account: string,
  request: { workloads?: WorkloadTarget[]; pools?: PoolTarget[]; tasks?: TaskTarget[] },
): Actor {
  const cluster = createKubernetesCluster({ kubeConfig: kubeConfigFile(real.cluster.kubeconfig), name: 'main' });
  const { workloads = [], pools = [], tasks = [] } = request;
  const asked: ObserveRequest = {
    account,
    workloads,
    pools: pools.map(({ pool }) => pool),
    nodeSelectors: Object.fromEntries(pools.map(({ pool, nodeSelector = {} }) => [pool, nodeSelector])),
    provisioned: pools,
    tasks,
  };
  const placeOf = (target: FieldTarget): FieldPlace | null => {
    if ('pool' in target) return pools.find(({ pool }) => pool === target.pool) ?? null;
    if ('task' in target) return tasks.find(({ task }) => task === target.task) ?? null;
    return workloads.find(({ workload }) => workload === target.workload) ?? null;
  };
  const observe = () => cluster.observe(asked, never());
  return {
    cluster,
    observe,
    async apply(target, key, over = {}) {
      const seen = seenValue(await observe(), target) ?? { value: Number.NaN, owner: null };
      const mutation = { key, account, target, expect: seen, reason: 'a surge is forecast', ...over };
      return cluster.apply(mutation, placeOf(target), never());
    },
    restore: (target, changeKeys, key, owner = null) =>
      cluster.restore(
        { key, changeKeys, account, target, owner, reason: 'verification failed' },
        placeOf(target),
        never(),
      ),
    close: () => cluster.close(),
  };
}

/** A pool of nodes of 8 cores, kept warm by placeholders of a node's worth. */
export const warmPool = (pool: string, namespace: string, share = 1): PoolTarget => ({
  kind: 'Pool',
  pool,
  nodeSelector: { 'headroom.dev/pool': pool },
  placeholders: {
    namespace,
    share,
    image: PAUSE_IMAGE,
    priorityClass: 'headroom-warm',
    priority: -10,
    tolerations: [{ key: 'pool', operator: 'Equal', value: pool, effect: 'NoSchedule' }],
    node: { cpu: 8, memory: 32 * 2 ** 30 },
  },
});

/** kubectl's answer as JSON. */
export const get = async (...args: string[]): Promise<unknown> =>
  JSON.parse(await kubectl(['get', ...args, '-o', 'json']));

/** One value out of an object, as kubectl's jsonpath has it. */
export const field = async (path: string, ...args: string[]): Promise<string> =>
  (await kubectl(['get', ...args, '-o', `jsonpath=${path}`])).trim();

/** Lines of a jsonpath that prints one an item. */
export const lines = async (path: string, ...args: string[]): Promise<string[]> =>
  (await kubectl(['get', ...args, '-o', `jsonpath={range .items[*]}${path}{"\\n"}{end}`]))
    .split('\n')
    .filter((line) => line !== '');

/** A NodePool as Karpenter's CRD has it, cut down to what is read and written here. */
export const nodePoolCrd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'nodepools.karpenter.sh' },
  spec: {
    group: 'karpenter.sh',
    scope: 'Cluster',
    names: { plural: 'nodepools', singular: 'nodepool', kind: 'NodePool', listKind: 'NodePoolList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: {
                  limits: {
                    type: 'object',
                    additionalProperties: {
                      anyOf: [{ type: 'integer' }, { type: 'string' }],
                      'x-kubernetes-int-or-string': true,
                    },
                  },
                  weight: { type: 'integer', format: 'int32', minimum: 1, maximum: 100 },
                  template: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                  disruption: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                },
              },
              status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
            },
          },
        },
      },
    ],
  },
};
