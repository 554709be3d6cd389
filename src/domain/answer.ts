import type { ClusterState, FieldOwner, FieldTarget, PoolState, WorkloadState } from './cluster.js';
import { addsTo, fieldName } from './change.js';
import type { PreparedAnswer } from './contingency.js';
import type { PlannedField, PlanSummary } from './plan.js';
import { seenValue } from './seen.js';

/*
 * A prepared answer meets what is there by then. Pure; no solve.
 */

/** The cluster as it will be once these fields are written. */
export function stateAfter(state: ClusterState, fields: readonly PlannedField[]): ClusterState {
  const workloads = new Map(state.workloads.map((workload) => [workload.workload, workload]));
  const pools = new Map(state.pools.map((pool) => [pool.pool, pool]));
  for (const { target } of fields) {
    if ('pool' in target) {
      const pool = pools.get(target.pool);
      if (pool !== undefined) pools.set(target.pool, poolAfter(pool, target));
    } else if ('workload' in target) {
      const workload = workloads.get(target.workload);
      if (workload !== undefined) workloads.set(target.workload, workloadAfter(workload, target));
    }
  }
  return { ...state, workloads: [...workloads.values()], pools: [...pools.values()] };
}

const OURS = 'headroom';

function workloadAfter(workload: WorkloadState, target: FieldTarget): WorkloadState {
  const { owners, autoscaler } = workload;
  switch (target.field) {
    case 'replicas':
      return { ...workload, replicas: target.value, owners: { ...owners, replicas: OURS } };
    case 'floor':
      if (autoscaler === null) return workload;
      return {
        ...workload,
        // An autoscaler begins what its floor asks for; it does not end what demand asks for.
        replicas: Math.max(workload.replicas, target.value),
        autoscaler: { ...autoscaler, floor: target.value },
        owners: { ...owners, floor: OURS },
      };
    case 'target':
      if (autoscaler === null) return workload;
      return { ...workload, autoscaler: { ...autoscaler, target: target.value }, owners: { ...owners, target: OURS } };
    case 'request':
      return {
        ...workload,
        request: { ...workload.request, [target.component]: target.value },
        owners: { ...owners, request: OURS },
      };
    default:
      return workload;
  }
}

function poolAfter(pool: PoolState, target: FieldTarget): PoolState {
  switch (target.field) {
    case 'nodes':
      return { ...pool, nodes: target.value, readyNodes: Math.min(pool.readyNodes, target.value), owner: OURS };
    case 'warm':
      return pool.warm === undefined ? pool : { ...pool, warm: { ...pool.warm, replicas: target.value, owner: OURS } };
    case 'limit': {
      const limit = pool.nodePool?.limit;
      if (limit === undefined) return pool;
      return { ...pool, nodePool: { ...pool.nodePool, limit: { ...limit, value: target.value, owner: OURS } } };
    }
    case 'weight':
      return { ...pool, nodePool: { ...pool.nodePool, weight: { value: target.value, owner: OURS } } };
    default:
      return pool;
  }
}

/**
 * The part of an answer that is for some workloads: their fields, the nodes that their replicas take, and what the plan
 * raises itself.
 * @param workloads whose demand surprised; absent: it is everybody's matter.
 */
export function shareOf(
  { plan, shares }: Pick<PreparedAnswer, 'shares'> & { plan: Pick<PlanSummary, 'fields'> },
  workloads: readonly string[] | undefined,
): PlannedField[] {
  const { fields } = plan;
  if (shares === undefined || workloads === undefined) return fields;
  return fields.flatMap((field): PlannedField[] => {
    const { target } = field;
    const planned = shares.planned[fieldName(target)];
    const own = planned === undefined ? [] : [{ ...field, target: { ...target, value: planned } }];
    if ('workload' in target) return workloads.includes(target.workload) ? [field] : own;
    if (!('pool' in target)) return [];
    const { pool } = target;
    const more = workloads.reduce((sum, workload) => sum + (shares.nodes[workload]?.[pool] ?? 0), 0);
    if (more === 0) return own;
    if (target.field !== 'nodes') return [field];
    // On top of what is there, too: where the plan lets go of something, it may not have gone yet.
    const value = Math.min(target.value, Math.max(planned ?? 0, field.seen.value) + more);
    return [{ ...field, target: { ...target, value } }];
  });
}

export interface Refreshed {
  /** To be written now, each with what is there. */
  fields: PlannedField[];
  /** Left as somebody set it since, or gone, in words. */
  left: string[];
}

/** An answer brings capacity, and the room for it; tasks stay where they are, and nothing is fetched ahead for it. */
export const isAnswerable = ({ field }: FieldTarget): boolean => field !== 'start' && field !== 'prepared';

const ours = (owner: FieldOwner): boolean => owner === null || owner === OURS || owner.startsWith(`${OURS}/`);

/**
 * What of an answer is to be written, by what is there now: that which raises. A field that somebody else has taken since
 * it was prepared is theirs; one whose object is gone is left out.
 */
export function refreshed(prepared: readonly PlannedField[], state: ClusterState): Refreshed {
  const fields: PlannedField[] = [];
  const left: string[] = [];
  for (const { target, seen, reason } of prepared) {
    const now = seenValue(state, target);
    if (now === null) {
      left.push(`${fieldName(target)} is gone`);
      continue;
    }
    const field = { target, seen: now, reason };
    if (target.field === 'weight' ? target.value === now.value : !addsTo(field)) continue;
    if (now.owner !== seen.owner && !ours(now.owner)) left.push(`${fieldName(target)} is ${now.owner ?? ''}’s by now`);
    else fields.push(field);
  }
  return { fields, left };
}
