import type { Crossing } from './cluster-migration.js';
import type { CheckResult } from './plan.js';
import { formatDuration, type EpochSeconds } from './time.js';

/*
 * A migration: one workload moves to another pool, namespace or cluster while it serves. A copy is made and made ready, the
 * traffic is led over in steps, the old one is drained. Plain JSON: it stands in histories.
 *
 * What holds: before the first write the way back is on record; until the point of no return every step has a compensation
 * that leaves what was there before, to the value and its owner; traffic is never led to a copy that is not ready; after that
 * point the old one is only taken away where nothing leads to it.
 */

/** Where it shall go: a pool of the account file on the same cluster, another namespace, another cluster. */
export interface MigrationTarget {
  /** Null: the pool that it runs on does not matter there. */
  pool: string | null;
  /** Null: the namespace that it is in. */
  namespace: string | null;
  /** Null: the cluster that it is on. */
  cluster: string | null;
}

export interface MigrationOrder {
  /** `acme/web/1`: the account, the workload, and the number of its migration. */
  id: string;
  account: string;
  workload: string;
  number: number;
  policyId: string;
  /** Null: the cheapest pool of the account file that its replicas fit is chosen. */
  target: MigrationTarget | null;
  /** Percent of the traffic that is led to the copy, step by step; ends with 100. */
  steps: number[];
  /** Seconds that each step is watched before the next. */
  stepFor: number;
  /** What becomes of the old one: removed, or kept without replicas. */
  old: 'remove' | 'keep';
  /** Consent to begin with a copy of the volumes as they are now: what is written to the old ones later stays there. */
  copyVolumes: boolean;
  /** The source is stopped before its volumes are copied, so that nothing is written after: nobody serves meanwhile. */
  stop?: boolean;
  /** Consent to break the account's own limits: shares on spot, zones, blackouts, the budget while both serve. */
  evenIfLimited?: boolean;
  /** Traffic moves by itself (workers that take jobs from a queue), or somebody else moves it. */
  noTraffic: boolean;
  /** What leads to the copy where that is on another cluster: `web-west`, `ServiceImport/web-west`. */
  backend: string | null;
  /** Of a move to another cluster: which of its sides this is. */
  cross?: Crossing;
  limits: {
    /** Seconds until the copy has to be ready. */
    ready: number;
    /** Seconds that pulling images and warming caches may take. */
    stage: number;
  };
  verification: { for: number; every: number; failAfter: number };
  whenPaused: 'finish' | 'roll-back';
  author: string;
  reason: string;
}

/** What an order says where nobody says otherwise: steps in percent of the traffic, and seconds. */
export const MIGRATION_DEFAULTS = { steps: [10, 50, 100], stepFor: 120, ready: 900, stage: 600 } as const;

export type MigrationPhase =
  'choosing' | 'pre-staging' | 'cutting-over' | 'verifying' | 'handing-over' | 'draining' | 'going-back' | 'ended';

/** How traffic gets to the workload. */
export interface TrafficPlan {
  /**
   * `http-route`: weights of backends; `service`: its selector, at once; `hook`: of the account file; `weights`: of the
   * simulated cluster; `none`.
   */
  kind: 'http-route' | 'service' | 'hook' | 'weights' | 'none';
  /** In words: `HTTPRoute acme/shop (weights)`. */
  words: string;
  /** The percentages that this way of leading traffic can do, out of the order's. */
  steps: number[];
  /** Routes of a move to another cluster, by name. */
  routes?: string[];
}

/** What was found before anything was touched. */
export interface MigrationSurvey {
  /** Why it cannot be done, each with its remedy; empty where it can. */
  refusals: string[];
  /** The chosen target, with why where it was chosen. */
  target: MigrationTarget;
  chosen: string;
  source: { words: string; replicas: number; ready: number };
  copy: { words: string; name: string };
  traffic: TrafficPlan;
  /** What is fetched or copied ahead, in words; empty where there is nothing of the kind. */
  images: string[];
  volumes: string[];
  /** For how long nobody serves, in words, where that is known beforehand; absent where somebody always does. */
  stopped?: string;
  /** What it costs once, in words, of a move to another cluster. */
  costs?: string[];
  /** Actions of the account file that warm caches, by name. */
  warm: string[];
  /** What the way back puts back, in words. */
  reverse: string[];
  /** What the adapter needs for the way back: opaque, small. */
  before: string;
}

/** One write of a migration. Each may be repeated; all but `claim` are refused where another migration has the claim. */
export type MoveWrite =
  /** The migration's name on the source: one at a time. */
  | { kind: 'claim' }
  /** Begins to pull the copy's images on the target's nodes. */
  | { kind: 'images' }
  /** Begins to clone or restore the volumes. */
  | { kind: 'volumes' }
  /** Makes the copy, or gives it so many replicas. */
  | { kind: 'copy'; replicas: number }
  /** Leads so many percent of the traffic to the copy; `from`: what this migration led there before. */
  | { kind: 'route'; weight: number; from: number }
  /** What serves the workload from now on is the copy: its autoscaler, the Service that others call, the simulated name. */
  | { kind: 'hand-over' }
  /** Replicas of the old one, downwards. */
  | { kind: 'lower'; replicas: number }
  /** Takes the old one away, or leaves it without replicas; gives the claim up. */
  | { kind: 'retire' }
  /** On the way back: at least so many replicas of the source. */
  | { kind: 'raise'; replicas: number }
  /** On the way back: traffic as it was, in its old owner's name. */
  | { kind: 'unroute' }
  /** On the way back: what the migration made is taken away; not while anybody leads traffic to it. */
  | { kind: 'discard' }
  /** On the way back, last: the claim. */
  | { kind: 'release' };

export type MoveResult =
  | { kind: 'done'; detail: string }
  /** Somebody else has changed what was to be written, or has claimed the workload; nothing was written. */
  | { kind: 'moved'; detail: string }
  /** The cluster will not have it; trying again cannot help. */
  | { kind: 'refused'; detail: string };

export interface MigrationStep {
  name: string;
  state: 'ahead' | 'doing' | 'done' | 'left-out' | 'undone' | 'failed';
  detail: string;
  at: EpochSeconds | null;
  /** What takes it back, in words. */
  compensation: string;
}

/** How long, and how many of its requests, the workload was not served because of the migration. */
export interface Downtime {
  /** Seconds, each weighted by the share of the traffic that met no ready replica. */
  seconds: number;
  /** Counted where the cluster counts requests; null where readiness was sampled. */
  requests: { all: number; unserved: number } | null;
  /** Longest time between two samples, seconds: shorter gaps are not seen. 0 where requests were counted. */
  resolution: number;
}

export const NO_DOWNTIME: Downtime = { seconds: 0, requests: null, resolution: 0 };

/** What the workflow answers to `status`. */
export interface MigrationState {
  id: string;
  account: string;
  workload: string;
  phase: MigrationPhase;
  /** What it does now, in words. */
  doing: string;
  target: MigrationTarget | null;
  copy: string | null;
  /** Percent of the traffic on the copy. */
  weight: number;
  steps: MigrationStep[];
  /** After it nothing is taken back any more. */
  pointOfNoReturn: { passed: boolean; words: string };
  /** Whether a cancellation would still be heard. */
  cancellable: boolean;
  downtime: Downtime;
  checks: CheckResult[];
  attention: string | null;
  startedAt: EpochSeconds;
}

export type MigrationResult = 'moved' | 'went-back' | 'refused' | 'stopped' | 'failed';

export interface MigrationOutcome {
  id: string;
  account: string;
  workload: string;
  /**
   * `moved`: the copy serves, the old one is gone or empty. `went-back`: all is as before, unless `restored` is false.
   * `refused`, `stopped`, `failed`: nothing was touched.
   */
  result: MigrationResult;
  detail: string;
  target: MigrationTarget | null;
  copy: string | null;
  startedAt: EpochSeconds;
  endedAt: EpochSeconds;
  downtime: Downtime;
  steps: MigrationStep[];
  /** False where something was left, because somebody changed it meanwhile; the detail says what. */
  restored: boolean;
}

export const POINT_OF_NO_RETURN =
  'the hand-over, after the copy has served all traffic for the whole verification: from it on the old one is taken away';

/**
 * Name of the copy: `web-2` of the second migration of `web`. Of the copy `web-1` it is `web-2`, too: where the object is
 * named after the workload and a number, that is what a migration before this one made.
 */
export function copyName(object: string, workload: string, number: number): string {
  const tail = object.startsWith(`${workload}-`) ? object.slice(workload.length + 1) : '';
  const base = /^\d+$/.test(tail) ? workload : object;
  return `${base.slice(0, 46)}-${number}`;
}

/** In words: `pool spot`, `cluster west, pool general`. */
export function targetWords({ pool, namespace, cluster }: MigrationTarget): string {
  const parts = [
    cluster === null ? '' : `cluster ${cluster}`,
    namespace === null ? '' : `namespace ${namespace}`,
    pool === null ? '' : `pool ${pool}`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}

/** `0s, 12,000 requests of which 0 met no ready replica`. */
export function downtimeWords({ seconds, requests, resolution }: Downtime): string {
  const length = seconds === 0 ? 'none' : formatDuration(seconds);
  if (requests !== null) return `${length}; ${requests.unserved} of ${requests.all} requests met no ready replica`;
  return resolution === 0
    ? `${length}, of no traffic led over`
    : `${length}, sampled every ${formatDuration(resolution)} or less`;
}

/** Both measured at once, one after the other. */
export const addDowntime = (a: Downtime, b: Downtime): Downtime => ({
  seconds: a.seconds + b.seconds,
  // Counts of requests are totals of the whole migration.
  requests: b.requests ?? a.requests,
  resolution: Math.max(a.resolution, b.resolution),
});

/** Percentages in rising order, ending with 100. @throws RangeError where they are none. */
export function readSteps(text: string): number[] {
  const steps = text.split(',').map((part) => Number(part.trim()));
  const rising = steps.every((step, index) => Number.isInteger(step) && step > (steps[index - 1] ?? 0) && step <= 100);
  if (!rising || text.trim() === '') {
    throw new RangeError(`"${text}" is no list of rising whole percentages up to 100, as 10,50,100`);
  }
  return steps.at(-1) === 100 ? steps : [...steps, 100];
}
