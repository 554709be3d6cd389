import type { PlannedBandwidth } from './bandwidth.js';
import type { Component, Resources } from './component.js';
import type { FiredBy } from './contingency.js';
import type { FieldOwner, FieldTarget, Mutation } from './cluster.js';
import type { MigrationProposal, ProposedMove, Unmoved } from './migration-proposal.js';
import type { Held } from './held.js';
import type { PlanPrice } from './prices.js';
import type { Strategy, StrategySettings } from './strategies.js';
import type { EpochSeconds } from './time.js';

/** Why a cycle changes nothing. */
export const HOLD_REASONS = [
  'steady', // what is there is what the plan wants, within hysteresis
  'not-ours', // what the plan wants to be different belongs to somebody else, and the account file does not agree
  'mode', // observe or recommend: the plan is shown, nothing is touched
  'paused',
  'frozen',
  'blackout',
  'missing-data',
  'stale-data',
  'coverage', // the gate is closed: the account is reactive
  'infeasible',
  'awaiting-approval',
  'rejected',
  'change-running',
  'workload-missing',
  'failed', // a part of the cycle did not work; the detail says which, and the next cycle tries again
  'cooling-down', // the last change was rolled back or went stale
  'surprised', // what a prepared answer raised is not lowered while the surprise lasts
] as const;
export type HoldReason = (typeof HOLD_REASONS)[number];

export type Verdict =
  | { kind: 'hold'; reason: HoldReason; detail: string }
  /** `source` says what asked for it: the forecast's plan, the reactive guard beneath it, or an answer prepared before. */
  | { kind: 'act'; source: 'forecast' | 'guard' | 'contingency'; detail: string };

/** One number of a plan, and why it is that number. */
export interface NumberReason {
  /** `web.replicas`, `web.request.cpu`, `general.nodes`, `nightly.start`. */
  number: string;
  /** The block that it holds for. */
  from: EpochSeconds;
  to: EpochSeconds;
  value: number;
  unit: string;
  /** The forecast interval behind it: the component that drove it, at the account's level. */
  interval?: { component: Component; level: number; lower: number; median: number; upper: number };
  /** The constraint that bound it. `pricePerHour` is its dual: money per hour that one unit less of it would save. */
  binding: { constraint: string; words: string; pricePerHour: number | null; unit: string };
  /** Alternatives that were looked at and not taken. `costPerHour` is the difference to what was taken. */
  rejected: { alternative: string; why: string; costPerHour: number | null }[];
}

export interface PlannedWorkload {
  workload: string;
  replicas: number;
  /** Requests of one replica. */
  request: Resources;
  /** Replicas by pool. */
  pools: Record<string, number>;
  /** Demand beyond capacity that is expected, by component (component's unit). */
  shortfall: Resources;
}

export interface PlanBlock {
  from: EpochSeconds;
  to: EpochSeconds;
  workloads: PlannedWorkload[];
  nodes: Record<string, number>;
  costPerHour: number;
  /** Several unequal blocks stored as one: the highest numbers of each, which need not go together. Absent: as decided. */
  merged?: true;
  /** So many blocks were planned as one, at the highest demand of any: accounts of many workloads have fewer, longer ones. */
  joined?: number;
}

/** Where a movable task was put. */
export interface TaskPlacement {
  task: string;
  scheduled: EpochSeconds;
  start: EpochSeconds;
  reason: string;
}

/** The constraint that reasons of data sets name. */
export const PREFETCH = 'prefetch';

/** Data sets that are likely to be read, for an action that asked to be told. */
export interface DataSetNeed {
  workload: string;
  action: string;
  /** The hour in which they are likely to be read begins here. */
  from: EpochSeconds;
  /** The likeliest first. */
  dataSets: { dataSet: string; probability: number }[];
  /** The likeliest that is left out, and whether by its probability or because there are enough; null where none is. */
  next: { dataSet: string; probability: number } | null;
}

/** A constraint named in words; `set` is irreducible: leave any of them out and the rest can be met. */
export interface Conflict {
  set: { constraint: string; words: string }[];
  /** What the least bad plan gives up. */
  gaveUp: string;
}

/** One field that the plan wants to be different now. */
export interface PlannedField {
  target: FieldTarget;
  /** What was seen when the plan was made. */
  seen: { value: number; owner: FieldOwner };
  reason: string;
}

export interface Plan {
  id: string;
  account: string;
  at: EpochSeconds;
  snapshotId: string;
  forecastId: string;
  verdict: Verdict;
  /** What to write now; empty on a hold that wants nothing. A hold by mode or pause still shows what it would do. */
  fields: PlannedField[];
  blocks: PlanBlock[];
  placements: TaskPlacement[];
  /** What the actions among `fields` are told to fetch; absent where none is. Names stay here, and out of histories. */
  dataSets?: DataSetNeed[];
  /** Workloads that would be cheaper on another pool, the best first; absent where none is. Each is weighed by itself. */
  migrations?: MigrationProposal[];
  /** The other workloads; absent where there is one pool, or none, and in old records. */
  unmoved?: Unmoved[];
  /** Bandwidth to reserve ahead, by link; absent where the account has none. Its cost is none of `costPerHour`. */
  bandwidth?: PlannedBandwidth[];
  reasons: NumberReason[];
  conflict: Conflict | null;
  /** Money per hour over the first block that can still be decided, in `currency`. */
  costPerHour: number;
  currency: string;
  /** Of `costPerHour`, what is paid in any case, and what that is of; absent: nothing. */
  heldPerHour?: number;
  held?: (Held & { pool: string })[];
  firedBy?: FiredBy;
  solver: { iterations: number; objective: number; gap: number; warm: boolean; status: string };
  /** What the independent checker said of every block, before later ones were stored together; absent in old records. */
  check?: PlanCheck;
  /** What each pool cost when it was made, and who said so; absent in old records. */
  prices?: PlanPrice[];
  /** What the account's strategy came to, with every weight; absent in old records. */
  settings?: PlanSettings;
  /** What the cluster had when it was made, whatever it wants instead; absent in old records. */
  running?: RunningNow[];
}

/** A workload as the cluster had it: a plan that gives it up, or may not touch it, does not end it. */
export interface RunningNow {
  workload: string;
  /** Asked for or ready, whichever is more: what is being let go still runs. */
  replicas: number;
  /** Requests of one replica. */
  request: Resources;
  /** Replicas that have a node, by pool; absent where that is not seen. */
  placed?: Record<string, number>;
}

/** Settings that a strategy presets, as they were in force. */
export interface PlanSettings extends StrategySettings {
  strategy: Strategy | null;
}

export interface PlanCheck {
  /** Nothing is broken but what gives and `conflict` says so. */
  ok: boolean;
  /** Broken limits, by kind and in words; the first few of many. */
  breaches: { limit: string; words: string; declared: boolean }[];
  /** How many there are. */
  broken: number;
}

/** The reverse plan, written down before anything is touched. */
export interface Contingency {
  changeId: string;
  recordedAt: EpochSeconds;
  /** In the order in which to write them. */
  reverse: { target: FieldTarget; owner: FieldOwner }[];
  /** What the change sets out to write, by {@link fieldName}; absent in records of before. */
  writes?: { field: string; to: number }[];
  /** What to do where the reverse itself fails. */
  fallbacks: { trigger: string; answer: string }[];
  /** The surprise that the change answers; absent where a plan asked for it. */
  firedBy?: FiredBy;
}

/** A change as it is handed to its workflow. */
export interface ChangeOrder {
  changeId: string;
  account: string;
  planId: string;
  mutations: Mutation[];
  contingency: Contingency;
  /** Seconds to wait for ready capacity before it counts as failed. */
  leadTimeLimit: number;
  firedBy?: FiredBy;
}

export const CHANGE_RESULTS = ['kept', 'rolled-back', 'stale', 'stopped', 'failed'] as const;
export type ChangeResult = (typeof CHANGE_RESULTS)[number];

export interface CheckResult {
  workload: string;
  metric: string;
  /** Null where it could not be read: that is no pass. */
  value: number | null;
  limit: number;
  /** What it was before the change, read where the limit is broken: what was bad before is not the change's doing. */
  before?: number | null;
  passed: boolean;
}

/** What a change did. */
export interface ChangeOutcome {
  changeId: string;
  planId: string;
  result: ChangeResult;
  detail: string;
  startedAt: EpochSeconds;
  endedAt: EpochSeconds;
  /** Seconds from the first write to ready capacity; null where it never got ready. */
  leadTime: number | null;
  applied: number;
  /** Fields that the cluster would not have, and that the change went on without; absent where there were none. */
  leftOut?: { field: string; why: string }[];
  checks: CheckResult[];
  /** False where even the way back did not end in the last known good: the account says `needs-attention`. */
  restored: boolean;
  /** The surprise that it answered; absent where a plan asked for it. */
  firedBy?: FiredBy;
}

/** What of a plan travels through a history: a few KiB, whatever the size of the account. */
export interface PlanSummary {
  id: string;
  at: EpochSeconds;
  verdict: Verdict;
  fields: PlannedField[];
  costPerHour: number;
  currency: string;
  conflict: Conflict | null;
  /** The first decided block's reasons, each with at most one rejected alternative. */
  reasons: NumberReason[];
  /** The migrations that are proposed, the best first; absent where none is. */
  moves?: ProposedMove[];
  /** It is a prepared answer, and this is the surprise; absent otherwise. */
  firedBy?: FiredBy;
}
