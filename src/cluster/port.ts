import type { WorkloadAction } from '../domain/actions.js';
import type { Resources } from '../domain/component.js';
import { HeadroomError } from '../domain/errors.js';
import type { PlaceholderPolicy } from '../domain/preparation.js';
import type { ClusterState, FieldTarget, LimitResource, Mutation, MutationResult } from '../domain/cluster.js';
import type { EpochSeconds } from '../domain/time.js';
import type { Migrating } from './migrating.js';

export interface WorkloadTarget {
  workload: string;
  kind: 'Deployment' | 'StatefulSet';
  namespace: string;
  name: string;
  /** The account file's consent to take a field that somebody else owns. */
  takeOwnership?: boolean;
  /** The account file's consent to raise the CPU target of its HPA so far, as a share of the request. */
  mostTarget?: number;
  /** How its replicas get another size; `in-place` with a rollout where that cannot be. Default `rollout`. */
  resize?: 'in-place' | 'rollout';
  /** What can be done for it before capacity is needed. */
  actions?: readonly WorkloadAction[];
  /** Labels that the object has to carry to be the account's. */
  labels?: Readonly<Record<string, string>>;
  /** It is the one object with these labels, whatever its name; `name` then stands for it in messages alone. */
  anyName?: boolean;
}

/** A pool of nodes, as the account names it. */
export interface PoolTarget {
  kind: 'Pool';
  pool: string;
  /** Labels that its nodes have. */
  nodeSelector?: Record<string, string>;
  /** How its warm capacity is kept; `node` is what one node offers. */
  placeholders?: PlaceholderPolicy & { namespace: string; node: Resources };
  /** The node provisioner's object behind it, and what of that may be written. */
  karpenter?: { nodePool: string; limit?: LimitResource; weight: boolean };
  /** The MachineDeployment (cluster.x-k8s.io) whose machines are its nodes. */
  clusterApi?: { namespace: string; name: string };
}

/** A task of an account that runs by a schedule of its own. */
export interface TaskTarget {
  kind: 'CronJob';
  task: string;
  namespace: string;
  name: string;
  /** When the account file has it begin: the CronJob has to say the same. */
  schedule?: { cron: string; timeZone: string };
}

/** Where a field stands: the object (or objects) that carry it. */
export type FieldPlace = WorkloadTarget | PoolTarget | TaskTarget;

/** The workload that a field of a workload stands on. @throws HeadroomError `invalid-input` where the place is no workload. */
export function workloadPlace(place: FieldPlace): WorkloadTarget {
  if (place.kind === 'Deployment' || place.kind === 'StatefulSet') return place;
  throw new HeadroomError({
    kind: 'invalid-input',
    component: 'cluster',
    action: 'finding the object of a field',
    problem: `a field of a workload cannot stand on a ${place.kind}`,
    remedy: 'give the workload that the account file names',
  });
}

/** The pool that a field of a pool stands on. @throws HeadroomError `invalid-input` where the place is none. */
export function poolPlace(place: FieldPlace): PoolTarget {
  if (place.kind === 'Pool') return place;
  throw misplaced('pool', place);
}

/** The task that a field of a task stands on. @throws HeadroomError `invalid-input` where the place is none. */
export function taskPlace(place: FieldPlace): TaskTarget {
  if (place.kind === 'CronJob') return place;
  throw misplaced('task', place);
}

const misplaced = (wanted: string, place: FieldPlace): HeadroomError =>
  new HeadroomError({
    kind: 'invalid-input',
    component: 'cluster',
    action: 'finding the object of a field',
    problem: `a field of a ${wanted} cannot stand on a ${place.kind}`,
    remedy: `give the ${wanted} that the account file names`,
  });

export interface ObserveRequest {
  account: string;
  workloads: WorkloadTarget[];
  pools: string[];
  /** Those of the pools that are provisioned by Headroom, and how. */
  provisioned?: PoolTarget[];
  tasks?: TaskTarget[];
  /** Labels that the nodes of a pool carry, by pool; absent: labels that name the pool. */
  nodeSelectors?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Workloads that are read at the source itself, past any cache: what somebody else wrote a moment ago counts. */
  fresh?: readonly string[];
}

/** What of an account's marks was taken off one object, or why not. */
export interface Released {
  /** As people name it: `Deployment acme/web`. */
  object: string;
  problem: string | null;
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
  apply(mutation: Mutation, place: FieldPlace | null, signal: AbortSignal): Promise<MutationResult>;
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
    place: FieldPlace | null,
    signal: AbortSignal,
  ): Promise<MutationResult>;
  /**
   * Gives up an account's claim to the objects of these places: the marks of its changes go, every value stays as it is.
   * Safe to repeat. Answers only objects that had a mark; one that could not be freed says why.
   * @throws HeadroomError `unavailable` where the cluster is out of reach.
   */
  release(account: string, places: readonly FieldPlace[], signal: AbortSignal): Promise<Released[]>;
  /** Moving workloads; absent where the cluster cannot. */
  readonly migrating?: Migrating;
  /** Its side of moves from and to other clusters; absent where the cluster cannot. Requests have `cross`. */
  readonly crossing?: Migrating;
  close(): Promise<void>;
}

/** What a simulated cluster tells besides: its clock and its usage, as a metrics endpoint would. */
export interface Clocked {
  now(): Promise<EpochSeconds>;
}
