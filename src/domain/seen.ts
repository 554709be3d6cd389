import type { ClusterState, FieldOwner, FieldTarget } from './cluster.js';

/** The value and owner of a field as the cluster shows it; null where its object is not there. */
export function seenValue(state: ClusterState, target: FieldTarget): { value: number; owner: FieldOwner } | null {
  if (target.field === 'nodes') {
    const pool = state.pools.find((candidate) => candidate.pool === target.pool);
    return pool === undefined ? null : { value: pool.nodes, owner: pool.owner };
  }
  const workload = state.workloads.find((candidate) => candidate.workload === target.workload);
  if (workload === undefined || !workload.exists) return null;
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
