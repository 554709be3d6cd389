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
  /** With `exists: false`: why there is no such object, in words; several that match are named. */
  absent?: string;
  /** The part of a rollout that is still ahead, in words; absent where all replicas run the present template. */
  rollout?: string;
  /** Why pods of it are not ready, the most frequent first; absent where all are. */
  troubles?: PodTrouble[];
  /** The replicas that a disruption budget wants available; lowering stops there. */
  disruption?: { name: string; minAvailable: number };
  /** What one replica may request, by component, where limits of its namespace or its own limits say so. */
  bounds?: Partial<Record<Component, { min?: number; max?: number; words: string }>>;
}

export type TroubleReason =
  | 'unschedulable'
  | 'crash-looping'
  | 'image-pull'
  | 'cannot-start'
  | 'resize-pending'
  | 'not-created'
  | 'not-ready'
  | 'starting';

/** Why pods are not ready, in the words of the one that the cluster gave last. */
export interface PodTrouble {
  reason: TroubleReason;
  pods: number;
  words: string;
}

/** What is left of a quota to the workloads of an account that it counts. */
export interface QuotaState {
  /** Namespace, object and resource: `acme/compute requests.cpu`. */
  quota: string;
  /** The component whose requests are counted; absent where every replica of a workload counts `each`. */
  component?: Component;
  /** By workload: what one replica counts (1 of `pods`, its limit of `limits.cpu`); the keys are all that is counted. */
  each: Record<string, number>;
  /** What these workloads may have together: the hard limit less what others use. */
  room: number;
}

export interface PoolState {
  pool: string;
  /** Nodes asked for, and those ready. */
  nodes: number;
  readyNodes: number;
  owner: FieldOwner;
  /** Of `nodes`, those that take no new pods. */
  cordoned?: number;
  /** Nodes besides `nodes` that are being removed. */
  leaving?: number;
  /** What ready nodes offer to pods, and what the pods on them request; `requested` is absent where not all are seen. */
  allocatable?: Resources;
  requested?: Resources;
}

export interface ClusterState {
  at: EpochSeconds;
  workloads: WorkloadState[];
  pools: PoolState[];
  /** Quotas that count workloads of the account; absent where none does. */
  quotas?: QuotaState[];
  /** What could not be read, as `pods`: what depends on it is left out above, never taken for nothing. */
  unseen?: string[];
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
