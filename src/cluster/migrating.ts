import type { PodTrouble } from '../domain/cluster.js';
import type { Crossing } from '../domain/cluster-migration.js';
import type { MigrationTarget, MoveResult, MoveWrite, TrafficPlan } from '../domain/migration.js';
import type { WorkloadTarget } from './port.js';

export type { MoveResult, MoveWrite } from '../domain/migration.js';

/* The port of a cluster that can move a workload: one look, and writes that are idempotent and fenced by a claim. */

export interface MoveRequest {
  /** `acme/web/1`: stands on everything that the migration makes, and claims the source. */
  id: string;
  account: string;
  /** The workload as the account file has it. */
  at: WorkloadTarget;
  /** The copy's name. */
  copy: string;
  to: MigrationTarget;
  /** Labels of the nodes of the target pool, and the taints that its pods bear; empty where the pool does not matter. */
  nodeSelector: Record<string, string>;
  tolerations: Toleration[];
  copyVolumes: boolean;
  /** Volumes are copied once the source has been stopped. */
  stop?: boolean | undefined;
  noTraffic: boolean;
  backend: string | null;
  /** The percentages asked for. */
  steps: number[];
  old: 'remove' | 'keep';
  /** What the survey noted for the way back; null before it. */
  before: string | null;
  /** Of a move to another cluster: which side of it this cluster is, and what is to be made here (of the target alone). */
  cross?: Crossing & { manifests?: string };
}

export interface Toleration {
  key?: string | undefined;
  operator?: 'Exists' | 'Equal' | undefined;
  value?: string | undefined;
  effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute' | undefined;
}

export interface Survey {
  refusals: string[];
  source: { words: string; replicas: number; ready: number };
  copy: { words: string; name: string };
  traffic: TrafficPlan;
  images: string[];
  volumes: string[];
  reverse: string[];
  before: string;
  /** Of the source of a move to another cluster: what is to be made there, as JSON. It travels by the store. */
  manifests?: string;
}

export interface Counted {
  replicas: number;
  ready: number;
}

/** A migration as it stands. */
export interface MoveLook {
  /** Null where there is none. */
  source: Counted | null;
  copy: (Counted & { troubles: PodTrouble[] }) | null;
  /** Percent of the traffic on the copy; null where the migration moves none. */
  weight: number | null;
  /** Images on the target's nodes: so many of so many nodes have them; null where none were asked for. */
  images: { done: number; of: number; failed: number } | null;
  /** Replicas of the source that may be taken away now without breaking a disruption budget. */
  mayTake: number;
  /** Whom the claim on the source names; null where nobody. */
  claim: string | null;
  /** What is left of what the migration made, in words; empty where nothing. */
  made: string[];
  /** Pods of the source that run or end still, and may write to its volumes; null where it is not to be stopped. */
  running: number | null;
  /** Requests since the claim, where the cluster counts them: total, unserved, and seconds weighted by the share unserved. */
  counted: { all: number; unserved: number; seconds: number } | null;
}

export interface Migrating {
  /** Reads alone. @throws HeadroomError `unavailable`. */
  survey(request: MoveRequest, signal: AbortSignal): Promise<Survey>;
  write(request: MoveRequest, write: MoveWrite, signal: AbortSignal): Promise<MoveResult>;
  look(request: MoveRequest, signal: AbortSignal): Promise<MoveLook>;
}
