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
  autoscaler: {
    kind: 'hpa' | 'scaledobject';
    name: string;
    floor: number;
    ceiling: number;
    /** The floor that its user set: no plan goes below it. Absent where it is not known. */
    userFloor?: number;
    /** CPU utilization that an HPA aims at, as a share of the request; absent where it has no such metric of its own. */
    target?: number;
    /** The target that its user set: no plan goes below it. Absent where it is not known. */
    userTarget?: number;
  } | null;
  /** Owners of the fields that Headroom may touch. */
  owners: { replicas: FieldOwner; request: FieldOwner; floor: FieldOwner; target?: FieldOwner };
  /** Its replicas that have a node, by pool; absent where that is not seen, or all pools are one. */
  placed?: Record<string, number>;
  /** The time of need that each action last prepared it for; absent where the cluster keeps no such book. */
  prepared?: Record<string, EpochSeconds>;
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

/** What other accounts need of a pool, in nodes and parts of them. */
export interface PoolNeighbours {
  nodes: number;
  /** Of those whose plan is recent: they need it still. */
  live: number;
  accounts: string[];
}

export interface PoolState {
  pool: string;
  /** Nodes asked for, and those ready. */
  nodes: number;
  readyNodes: number;
  owner: FieldOwner;
  /** The account whose change set `nodes` last, where the cluster knows and it still stands; absent otherwise. */
  sizedBy?: string;
  /** What other accounts need of the pool; absent where none does, or a fleet sizes it. */
  others?: PoolNeighbours;
  /** Placeholder pods that keep nodes of the pool warm, where the account file asks for them. */
  warm?: { replicas: number; ready: number; owner: FieldOwner; trouble?: string };
  /** What the node provisioner is told about the pool, where the account file names its NodePool and that is there. */
  nodePool?: NodePoolState;
  /** What the account file names for the pool and the cluster does not have, in words; absent where all is there. */
  missing?: string[];
  /** Of `nodes`, those that take no new pods. */
  cordoned?: number;
  /** Nodes besides `nodes` that are being removed. */
  leaving?: number;
  /** What ready nodes offer to pods, and what the pods on them request; `requested` is absent where not all are seen. */
  allocatable?: Resources;
  requested?: Resources;
}

export interface NodePoolState {
  /** The limit that the account file lets Headroom write; `perNode`: what one of its nodes counts, where known. */
  limit?: { resource: LimitResource; value: number; owner: FieldOwner; perNode: number | null };
  weight?: { value: number; owner: FieldOwner };
}

/** A movable task as the cluster runs it. */
export interface TaskState {
  task: string;
  /** Why its occurrences cannot be moved; null where they can. */
  refusal: string | null;
  /** The occurrence that is to come next by its schedule: no later one can be moved yet. */
  next: EpochSeconds | null;
  /** Occurrences that were moved: when they shall begin, and whether they have begun. */
  moved: { scheduled: EpochSeconds; start: EpochSeconds; begun: boolean }[];
}

export interface ClusterState {
  at: EpochSeconds;
  workloads: WorkloadState[];
  pools: PoolState[];
  /** Of the tasks whose CronJob the account file names. */
  tasks?: TaskState[];
  /** Quotas that count workloads of the account; absent where none does. */
  quotas?: QuotaState[];
  /** What could not be read, as `pods`: what depends on it is left out above, never taken for nothing. */
  unseen?: string[];
}

/** Capacity itself, as every cluster has it. */
export type CapacityTarget =
  | { field: 'replicas'; workload: string; value: number }
  | { field: 'floor'; workload: string; value: number }
  | { field: 'request'; workload: string; component: Component; value: number }
  | { field: 'nodes'; pool: string; value: number };

/**
 * How an autoscaler reacts: the CPU utilization that an HPA aims at, as a share of the request in whole percents. A higher
 * one asks for less capacity.
 */
export interface ScalingTarget {
  field: 'target';
  workload: string;
  value: number;
}

/** What goes before capacity: the room, the bounds and the order of its nodes, images and caches, a task's time. */
export type PreparationTarget =
  /** Placeholder pods that keep room on a pool's nodes. `nodes`: so many ready nodes are as good, pods having moved in. */
  | { field: 'warm'; pool: string; value: number; nodes?: number }
  /** What the node provisioner may grow a pool to: nodes, cores or bytes; {@link NO_LIMIT} where nothing bounds it. */
  | { field: 'limit'; pool: string; resource: LimitResource; value: number }
  /** Which pool the node provisioner tries first: 100 before 1; 0 where nobody said. */
  | { field: 'weight'; pool: string; value: number }
  /** When the occurrence of a task that its schedule puts at `scheduled` begins (both epoch seconds). */
  | { field: 'start'; task: string; scheduled: EpochSeconds; value: EpochSeconds }
  /** The time of need (epoch seconds) that an action last prepared a workload for; 0 where it never did. */
  | { field: 'prepared'; workload: string; action: string; value: EpochSeconds };

/** One field of one object, and the value that it shall have. */
export type FieldTarget = CapacityTarget | ScalingTarget | PreparationTarget;

export const LIMIT_RESOURCES = ['nodes', 'cpu', 'memory'] as const;
export type LimitResource = (typeof LIMIT_RESOURCES)[number];
/** Stands for "no limit" in a history, whose JSON has no infinity: more than any cluster has of anything. */
export const NO_LIMIT = Number.MAX_SAFE_INTEGER;

const CAPACITY_FIELDS: readonly FieldTarget['field'][] = ['replicas', 'floor', 'request', 'nodes'];
export const isCapacity = (target: FieldTarget): target is CapacityTarget => CAPACITY_FIELDS.includes(target.field);

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
  /** The plan that it comes from, where somebody outside is told of it. */
  planId?: string;
  /** Data sets to prepare for, the likeliest first: taken from the plan where it is applied, never through a history. */
  dataSets?: string[];
}

export type MutationResult =
  | { kind: 'applied'; value: number; note?: string }
  /** This key was applied before; nothing was written again. */
  | { kind: 'repeated'; value: number }
  /** Somebody else changed the field since the plan was made; nothing was written. */
  | { kind: 'moved'; value: number; owner: FieldOwner }
  | { kind: 'not-found'; detail: string }
  /** The cluster will not have it (quota, admission, bounds); trying again cannot help. */
  | { kind: 'refused'; detail: string };
