import type { ClusterState, FieldOwner, FieldTarget } from './cluster.js';

/** The value and owner of a field as the cluster shows it; null where its object is not there. */
export function seenValue(state: ClusterState, target: FieldTarget): { value: number; owner: FieldOwner } | null {
  if ('pool' in target) return seenOfPool(state, target);
  if ('task' in target) return seenOfTask(state, target);
  const workload = state.workloads.find((candidate) => candidate.workload === target.workload);
  if (workload === undefined || !workload.exists) return null;
  switch (target.field) {
    case 'replicas':
      return { value: workload.replicas, owner: workload.owners.replicas };
    case 'floor':
      return workload.autoscaler === null ? null : { value: workload.autoscaler.floor, owner: workload.owners.floor };
    case 'target': {
      const value = workload.autoscaler?.target;
      return value === undefined ? null : { value, owner: workload.owners.target ?? null };
    }
    case 'request': {
      const value = workload.request[target.component];
      return value === undefined ? null : { value, owner: workload.owners.request };
    }
    case 'prepared': {
      const value = workload.prepared?.[target.action] ?? 0;
      return workload.prepared === undefined ? null : { value, owner: value === 0 ? null : 'headroom' };
    }
  }
}

type Of<Key extends string> = Extract<FieldTarget, Record<Key, unknown>>;

function seenOfPool(state: ClusterState, target: Of<'pool'>): { value: number; owner: FieldOwner } | null {
  const pool = state.pools.find((candidate) => candidate.pool === target.pool);
  if (pool === undefined) return null;
  switch (target.field) {
    case 'nodes':
      return { value: pool.nodes, owner: pool.owner };
    case 'warm':
      return pool.warm === undefined ? null : { value: pool.warm.replicas, owner: pool.warm.owner };
    case 'limit': {
      const limit = pool.nodePool?.limit;
      return limit?.resource === target.resource ? { value: limit.value, owner: limit.owner } : null;
    }
    case 'weight':
      return pool.nodePool?.weight ?? null;
  }
}

/** An occurrence that was not moved begins when it is scheduled, and that is nobody's doing. */
function seenOfTask(state: ClusterState, target: Of<'task'>): { value: number; owner: FieldOwner } | null {
  const task = state.tasks?.find((candidate) => candidate.task === target.task);
  if (task === undefined) return null;
  const moved = task.moved.find(({ scheduled }) => scheduled === target.scheduled);
  return moved === undefined ? { value: target.scheduled, owner: null } : { value: moved.start, owner: 'headroom' };
}
