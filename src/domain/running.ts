import type { ClusterState } from './cluster.js';
import type { RunningNow } from './plan.js';

/** What of an account runs, by what was seen: each plan keeps it, for those that count nodes beneath it. */
export const runningNow = ({ workloads }: Pick<ClusterState, 'workloads'>): RunningNow[] =>
  workloads.flatMap(({ workload, exists, replicas, readyReplicas, request, placed }) =>
    exists
      ? [
          {
            workload,
            replicas: Math.max(replicas, readyReplicas),
            request: { ...request },
            ...(placed === undefined ? {} : { placed: { ...placed } }),
          },
        ]
      : [],
  );
