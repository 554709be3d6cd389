import { accountFileSchema, type AccountFile, type AccountPolicy } from '../../src/domain/account.js';
import type { ClusterState } from '../../src/domain/cluster.js';
import { COMPONENTS, type Component, type Resources } from '../../src/domain/component.js';
import type { AllocationInput, Block, DemandBlocks } from '../../src/allocate/problem.js';

/** 2026-03-02T10:00:00Z, a Monday. */
export const AT = 1_772_445_600;

type Parts = Omit<AccountFile, 'version' | 'account'>;

/** A policy with every default filled in, from the few fields that a case is about. */
export const policyOf = (parts: Parts): AccountPolicy =>
  accountFileSchema.parse({ version: 'headroom/v1', account: 'acme', ownership: 'own', ...parts });

export const blocksOf = (count: number, seconds = 3600): Block[] =>
  Array.from({ length: count }, (_, index) => ({ from: AT + index * seconds, to: AT + (index + 1) * seconds }));

/** What runs: replicas by workload, nodes by pool, requests as the policy has them, fields that nobody owns. */
export function stateOf(
  policy: AccountPolicy,
  replicas: Record<string, number> = {},
  nodes: Record<string, number> = {},
): ClusterState {
  return {
    at: AT,
    workloads: policy.workloads.map((workload) => {
      const request: Resources = {};
      for (const component of COMPONENTS) {
        const settings = workload.components[component];
        if (settings !== undefined) request[component] = settings.request;
      }
      const count = replicas[workload.name] ?? workload.replicas.min;
      return {
        workload: workload.name,
        exists: true,
        replicas: count,
        readyReplicas: count,
        request,
        autoscaler: null,
        owners: { replicas: null, request: null, floor: null },
      };
    }),
    pools: policy.pools.map((pool) => {
      const count = nodes[pool.name] ?? pool.min ?? 0;
      return { pool: pool.name, nodes: count, readyNodes: count, owner: null };
    }),
  };
}

export const demandOf = (workload: string, component: Component, amounts: readonly number[]): DemandBlocks => ({
  workload,
  component,
  level: 0.99,
  farLevel: 0.999,
  blocks: amounts.map((atLevel) => ({ lower: atLevel * 0.5, median: atLevel * 0.8, atLevel, far: atLevel * 1.2 })),
});

export function inputOf(
  policy: AccountPolicy,
  demand: DemandBlocks[],
  more: Partial<AllocationInput> = {},
): AllocationInput {
  return {
    account: 'acme',
    at: AT,
    snapshotId: 's1',
    forecastId: 'f1',
    policy,
    blocks: blocksOf(demand[0]?.blocks.length ?? 1),
    demand,
    state: stateOf(policy),
    overrides: [],
    ...more,
  };
}

/** One workload `web` of 1-core replicas on a pool `general` of 4-core nodes at 0.40 an hour. */
export const simple = (
  parts: Partial<Parts> = {},
  web: Partial<AccountFile['workloads'][number]> = {},
): AccountPolicy =>
  policyOf({
    workloads: [{ name: 'web', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 50 }, ...web }],
    pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 }, leadTime: '0s' }],
    ...parts,
  });
