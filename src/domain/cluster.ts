import type { Component, Resources } from './component.js';
import type { EpochSeconds } from './time.js';

/** Who may write a field, as the cluster knows it: `headroom`, `hpa/web`, `kubectl`, `argocd`, … or nobody. */
export type FieldOwner = string | null;

export interface WorkloadState {
  workload: string;
  /** False where the account names a workload that the cluster does not have. */
  exists: boolean;
  /** What the spec asks for. */
  replicas: number;
  /** What runs and is ready. */
  readyReplicas: number;
  /** Requests of one replica. */
  request: Resources;
  /** The replica floor that an autoscaler enforces (HPA minReplicas), with its ceiling; null where there is none. */
  autoscaler: { kind: 'hpa' | 'scaledobject'; name: string; floor: number; ceiling: number } | null;
  /** Owners of the fields that Headroom may touch. */
  owners: { replicas: FieldOwner; request: FieldOwner; floor: FieldOwner };
}

export interface PoolState {
  pool: string;
  /** Nodes asked for, and those ready. */
  nodes: number;
  readyNodes: number;
  owner: FieldOwner;
}

export interface ClusterState {
  at: EpochSeconds;
  workloads: WorkloadState[];
  pools: PoolState[];
}

/** One field of one object, and the value that it shall have. */
export type FieldTarget =
  | { field: 'replicas'; workload: string; value: number }
  | { field: 'floor'; workload: string; value: number }
  | { field: 'request'; workload: string; component: Component; value: number }
  | { field: 'nodes'; pool: string; value: number };

/** One idempotent, fenced write. */
export interface Mutation {
  /** The change's key and the step in it, `change/acme/42#3`; a repeat with the same key does nothing again. */
  key: string;
  account: string;
  target: FieldTarget;
  /** The fence: what the plan saw. The write is refused where value or owner is something else by now. */
  expect: { value: number; owner: FieldOwner };
  /** Written on the object, for whoever looks at it. */
  reason: string;
}

export type MutationResult =
  | { kind: 'applied'; value: number }
  /** This key was applied before; nothing was written again. */
  | { kind: 'repeated'; value: number }
  /** Somebody else changed the field since the plan was made; nothing was written. */
  | { kind: 'moved'; value: number; owner: FieldOwner }
  | { kind: 'not-found'; detail: string }
  /** The cluster will not have it (quota, admission, bounds); trying again cannot help. */
  | { kind: 'refused'; detail: string };
