import type { AccountPolicy, VerificationPolicy } from '../src/domain/account.js';
import type { ClusterState, FieldOwner, FieldTarget, Mutation, MutationResult } from '../src/domain/cluster.js';
import type { Component } from '../src/domain/component.js';
import type { ContingencyDigest, LastingSurprise, Symptom } from '../src/domain/contingency.js';
import type { AnnouncedEvent, Freeze, Override } from '../src/domain/control.js';
import type { GrantInForce } from '../src/domain/grant.js';
import type { MissingForecast } from '../src/domain/forecast.js';
import type { ChangeOrder, ChangeOutcome, CheckResult, Contingency, PlanSummary } from '../src/domain/plan.js';
import type { EpochSeconds, TimeScale } from '../src/domain/time.js';

/*
 * What crosses between workflows and activities: small plain JSON. Series never do; they are read by snapshot id on the
 * activity's side. Every activity that depends on time gets it as an argument, so that simulated and real time are one.
 */

/** Names a policy without sending it along: the policy itself is a record of the store, written by `observe`. */
export interface PolicyRef {
  account: string;
  policyId: string;
}

export interface SeriesFreshness {
  workload: string;
  component: Component;
  kind: 'fresh' | 'stale' | 'missing';
  /** Seconds since the end of the last known bin; null where there is none. */
  age: number | null;
}

export interface ObserveInput extends PolicyRef {
  at: EpochSeconds;
  /** Sent when the store may not have it yet: the first cycle of a run, and after a change of policy. */
  policy?: AccountPolicy;
  /** A change that should have ended by now: is it still running? */
  overdueChange?: string;
  /** The set of prepared answers whose triggers are to be looked for; absent where there is none. */
  contingencies?: {
    id: string;
    /** Triggers that are not looked for between the cycles: their surprises last already. */
    answered: string[];
  };
}

export interface ObserveResult {
  snapshotId: string;
  freshness: SeriesFreshness[];
  state: ClusterState;
  freeze: Freeze | null;
  /** With `policy` given: the number of the last change that the store knows of, so that no key is used twice. */
  lastChange?: number;
  /** With `overdueChange` given. */
  changeRuns?: boolean;
  /** With `contingencies` given: triggers whose condition holds now. */
  symptoms?: Symptom[];
}

export interface AnswerInput extends PolicyRef {
  at: EpochSeconds;
  setId: string;
  key: string;
  /** What was seen, in words. */
  what: string;
  /** Whose demand it is: the answer is for them alone. Absent: for all. */
  workloads?: string[];
}

export interface AnswerResult {
  /** To be carried out now; its verdict is a hold where there is nothing to write. */
  plan: PlanSummary;
  /** Pools that no plan counts on to grow while the surprise lasts. */
  pools: string[];
  /** Workloads that it has a say in. */
  workloads: string[];
}

export interface ForecastInput extends PolicyRef {
  at: EpochSeconds;
  snapshotId: string;
  /** Measured lead times by workload, seconds; the policy's first guess where absent. */
  leadTimes: Record<string, number>;
  /** Known inputs: the models must not take an announced campaign for the new normal. */
  events: AnnouncedEvent[];
}

/** What the workflow keeps of a series' forecast: the interval at the lead time, and whether it may be acted on. */
export interface ForecastDigest {
  workload: string;
  component: Component;
  level: number;
  median: number;
  atLevel: number;
  open: boolean;
  /** Why the gate is closed; absent while it is open. */
  reason?: string;
  cold: boolean;
  /** Since when errors have been larger than they used to be, and how many times; absent where they have not. */
  drift?: { since: EpochSeconds; times: number };
}

export interface ForecastResult {
  forecastId: string;
  series: ForecastDigest[];
  missing: MissingForecast[];
}

export interface OptimizeInput extends PolicyRef {
  at: EpochSeconds;
  snapshotId: string;
  /** Null where there is no forecast: the guard alone decides. */
  forecastId: string | null;
  state: ClusterState;
  overrides: Override[];
  events: AnnouncedEvent[];
  leadTimes: Record<string, number>;
  /** Workloads whose capacity must not go down: their data are stale or missing. */
  raiseOnly: string[];
  /** The answers prepared last, null where there are none; absent: none are to be prepared. */
  contingencies?: ContingencyDigest | null;
  /** Surprises that last. */
  surprises?: Pick<LastingSurprise, 'what' | 'pools' | 'workloads'>[];
}

export interface OptimizeResult {
  plan: PlanSummary;
  /** Where answers were prepared anew. */
  contingencies?: ContingencyDigest;
  /** Why none could be prepared, where they were due. */
  unprepared?: string;
  /** What of a fleet's word bound the plan; absent where no fleet has a say. */
  grant?: GrantInForce;
}

export interface LearnInput extends PolicyRef {
  at: EpochSeconds;
  cycle: number;
  snapshotId: string;
  forecastId: string;
  /** The cluster as it is now: what the newly known bins had to live with. */
  state: ClusterState;
  /** Bins labelled before this were scored already. */
  scoredTo: EpochSeconds;
}

export interface LearnResult {
  scoredTo: EpochSeconds;
  /** Bins scored, and those whose demand was above the capacity in force. */
  bins: number;
  violations: number;
  /** Sums over the bins, relative to demand: Σ capacity / Σ demand is the cost, the clairvoyant's being 1. */
  capacity: number;
  demand: number;
  /** The road not taken: an HPA at 70 % on the same bins. */
  reactive: { capacity: number; violations: number };
  coverage: { workload: string; component: Component; level: number; coverage: number | null; scored: number }[];
}

export interface RevalidateInput {
  account: string;
  policyId: string;
  mutations: Mutation[];
}

export type RevalidateResult =
  { kind: 'fresh' } | { kind: 'stale'; detail: string } | { kind: 'frozen'; detail: string };

export interface ApplyInput {
  policyId: string;
  mutation: Mutation;
  /** False once the change is under way and its policy is to finish: then a freeze no longer stops it. */
  fenced: boolean;
}

export type ApplyResult = MutationResult | { kind: 'frozen'; detail: string };

export interface AwaitReadyInput {
  account: string;
  policyId: string;
  targets: FieldTarget[];
  scale: TimeScale;
  /** Simulated seconds to wait at most. */
  limit: number;
}

export interface AwaitReadyResult {
  ready: boolean;
  /** Seconds (simulated) that were waited. */
  waited: number;
  detail: string;
}

export interface VerifyInput {
  account: string;
  policyId: string;
  changeId: string;
  targets: FieldTarget[];
  /** When the change began: what was read before it is what it is judged against. */
  began: EpochSeconds;
  from: EpochSeconds;
  to: EpochSeconds;
}

export interface VerifyResult {
  checks: CheckResult[];
}

export interface RollbackInput {
  account: string;
  policyId: string;
  changeId: string;
  /** Keys of the mutations that were written, so that a person's edit since is told from one of our own. */
  changeKeys: string[];
  step: { target: FieldTarget; owner: FieldOwner };
  index: number;
  reason: string;
}

export interface ReleaseInput {
  account: string;
  policyId: string;
}

export interface ReleaseResult {
  /** Objects whose marks could not be taken off, in words; empty where all are free. */
  problems: string[];
}

export interface ConfirmInput {
  account: string;
  policyId: string;
  steps: { target: FieldTarget; owner: FieldOwner }[];
}

export interface ConfirmResult {
  restored: boolean;
  detail: string;
}

export interface LookAtMigrationsInput {
  account: string;
  workload: string;
  /** The one whose outcome is asked for. */
  began: string | null;
}

export interface MigrationsSeen {
  /** Ids of the account's that run. */
  running: string[];
  /** The highest number that one of the workload had, and the last end of one; 0 and null where there was none. */
  last: number;
  endedAt: EpochSeconds | null;
  /** Of `began`; null while it runs, or where it left none. */
  outcome: { result: string; detail: string; endedAt: EpochSeconds } | null;
}

export interface Activities {
  observe(input: ObserveInput): Promise<ObserveResult>;
  forecast(input: ForecastInput): Promise<ForecastResult>;
  optimize(input: OptimizeInput): Promise<OptimizeResult>;
  learn(input: LearnInput): Promise<LearnResult>;
  /** From a prepared answer and what is there to the plan to be carried out: no solve. */
  answer(input: AnswerInput): Promise<AnswerResult>;
  recordContingency(input: { account: string; contingency: Contingency }): Promise<void>;
  revalidate(input: RevalidateInput): Promise<RevalidateResult>;
  apply(input: ApplyInput): Promise<ApplyResult>;
  awaitReady(input: AwaitReadyInput): Promise<AwaitReadyResult>;
  verify(input: VerifyInput): Promise<VerifyResult>;
  rollback(input: RollbackInput): Promise<MutationResult>;
  release(input: ReleaseInput): Promise<ReleaseResult>;
  confirm(input: ConfirmInput): Promise<ConfirmResult>;
  recordOutcome(input: { account: string; outcome: ChangeOutcome }): Promise<void>;
  exportHistory(input: { account: string; workflowId: string; at: EpochSeconds }): Promise<void>;
  lookAtMigrations(input: LookAtMigrationsInput): Promise<MigrationsSeen>;
}

export type { ChangeOrder, ChangeOutcome, VerificationPolicy };
