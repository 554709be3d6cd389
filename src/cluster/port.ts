import type { ClusterState, FieldTarget, Mutation, MutationResult } from '../domain/cluster.js';
import type { EpochSeconds } from '../domain/time.js';

export interface WorkloadTarget {
  workload: string;
  kind: 'Deployment' | 'StatefulSet';
  namespace: string;
  name: string;
}

export interface ObserveRequest {
  account: string;
  workloads: WorkloadTarget[];
  pools: string[];
}

/** Where capacity lives: a Kubernetes cluster, or a simulated one. */
export interface Cluster {
  readonly name: string;
  /** @throws HeadroomError `unavailable` where the cluster is out of reach. A workload that is not there is `exists: false`. */
  observe(request: ObserveRequest, signal: AbortSignal): Promise<ClusterState>;
  /**
   * One fenced, idempotent write. The key is recorded on the object, so that a repeat is recognised after a crash of
   * the caller between write and answer.
   */
  apply(mutation: Mutation, target: WorkloadTarget | null, signal: AbortSignal): Promise<MutationResult>;
  /**
   * Gives a field back: writes the last known good value of a change, unless a person (or another controller) has
   * written it since the change did: then it stays, and the result says `moved`.
   */
  restore(
    restore: {
      key: string;
      changeKeys: string[];
      account: string;
      target: FieldTarget;
      owner: string | null;
      reason: string;
    },
    target: WorkloadTarget | null,
    signal: AbortSignal,
  ): Promise<MutationResult>;
  close(): Promise<void>;
}

/** What a simulated cluster tells besides: its clock and its usage, as a metrics endpoint would. */
export interface Clocked {
  now(): Promise<EpochSeconds>;
}
