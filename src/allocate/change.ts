import type { ClusterState, FieldOwner, FieldTarget, Mutation } from '../domain/cluster.js';
import { orderChange } from '../domain/change.js';
import type { Contingency, Plan } from '../domain/plan.js';
import type { EpochSeconds } from '../domain/time.js';

/** `change/acme/42` or `acme/42`: the writes' keys begin with the former. */
const bare = (changeId: string): string => changeId.replace(/^change\//, '');

/**
 * A plan's writes in their order: nodes up, sizes, replicas up, then what goes down; each fenced by what the plan saw,
 * with the key `change/<account>/<n>#<i>`.
 */
export function mutationsFor(plan: Plan, changeId: string, account: string): Mutation[] {
  return orderChange(plan, bare(changeId), account, plan.at, 0).mutations;
}

/**
 * The reverse plan, to be recorded before the first write: back to what `state` shows, the last write first. The state
 * may be fresher than the plan's own; where it no longer has a field, the plan's is kept.
 */
export function contingencyFor(plan: Plan, state: ClusterState, changeId: string, at: EpochSeconds): Contingency {
  const order = orderChange(plan, bare(changeId), plan.account, at, 0);
  return {
    ...order.contingency,
    reverse: order.contingency.reverse.map((step) => {
      const now = fieldIn(state, step.target);
      return now === null ? step : { target: { ...step.target, value: now.value }, owner: now.owner };
    }),
  };
}

function fieldIn(state: ClusterState, target: FieldTarget): { value: number; owner: FieldOwner } | null {
  if (target.field === 'nodes') {
    const pool = state.pools.find((one) => one.pool === target.pool);
    return pool === undefined ? null : { value: pool.nodes, owner: pool.owner };
  }
  const workload = state.workloads.find((one) => one.workload === target.workload && one.exists);
  if (workload === undefined) return null;
  switch (target.field) {
    case 'replicas':
      return { value: workload.replicas, owner: workload.owners.replicas };
    case 'floor':
      return workload.autoscaler === null ? null : { value: workload.autoscaler.floor, owner: workload.owners.floor };
    case 'request': {
      const value = workload.request[target.component];
      return value === undefined ? null : { value, owner: workload.owners.request };
    }
  }
}
