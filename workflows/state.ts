import type { ForecastDigest, LearnResult } from '../activities/types.js';
import type { AccountPolicy } from '../src/domain/account.js';
import type { ContingencyDigest, LastingSurprise } from '../src/domain/contingency.js';
import type { FieldOwner, FieldTarget } from '../src/domain/cluster.js';
import type { AnnouncedEvent, Freeze, Override, Pause } from '../src/domain/control.js';
import type { GrantInForce } from '../src/domain/grant.js';
import type { ChangeOutcome, ChangeResult, HoldReason, PlanSummary, Verdict } from '../src/domain/plan.js';
import type { EpochSeconds } from '../src/domain/time.js';
import type { AccountInput, Queues } from './messages.js';

/** Raised when the shape below changes; {@link restoreState} then brings older ones forward. */
export const STATE_SCHEMA = 1;

export const PHASES = [
  'starting',
  'observing',
  'forecasting',
  'optimizing',
  'learning',
  'changing',
  'sleeping',
  'stopping',
] as const;
export type Phase = (typeof PHASES)[number];

/** Everything that an account carries from run to run: plain JSON, bounded in size. */
export interface AccountState {
  schema: number;
  account: string;
  policy: AccountPolicy;
  queues: Queues;
  /** 1 for the policy that the account was started with. */
  revision: number;
  policyId: string;
  startedAt: EpochSeconds;
  cycle: number;
  phase: Phase;
  pause: Pause | null;
  freeze: Freeze | null;
  overrides: Override[];
  events: AnnouncedEvent[];
  /** A plan that waits for a person. The deadline runs from when the account first wanted a change. */
  approval: { planId: string; until: EpochSeconds } | null;
  /** No change is begun before this: after a roll-back, a stale plan, or a rejection. */
  cooling: {
    until: EpochSeconds;
    reason: 'cooling-down' | 'rejected';
    detail: string;
    /** After a reduction was put back, a raise is no repeat of it. */
    raisesAllowed: boolean;
    /** It holds up a plan of these fields alone: the cluster would not have them the last time. */
    only?: string[];
  } | null;
  /** `originals`: what the change found in the fields that it writes, with the keys of its writes. */
  change: {
    changeId: string;
    planId: string;
    startedAt: EpochSeconds;
    overdueAt: EpochSeconds;
    raisesOnly: boolean;
    /** Workloads that it raises: their readiness measures a lead time, that of a reduction does not. */
    raised: string[];
    originals: Original[];
  } | null;
  /** Ended changes whose histories are still to be exported. */
  toExport: string[];
  changes: number;
  plan: PlanSummary | null;
  /** The answers prepared last; absent or null where there are none. */
  contingencies?: ContingencyDigest | null;
  /** What of a fleet's word bound the last plan; null or absent where no fleet has a say. */
  grant?: GrantInForce | null;
  /** Surprises that were answered, and last; absent before the first. */
  surprises?: LastingSurprise[];
  /** Since when the condition of a trigger has held, by key; absent before the first. */
  symptoms?: Record<string, EpochSeconds>;
  /** The migration that the account itself has begun, while it runs; absent otherwise. */
  moving?: { id: string; workload: string };
  /** Until when workloads that have moved, or were to, are left where they are; absent before the first. */
  rests?: Record<string, EpochSeconds>;
  verdict: Verdict | null;
  forecast: ForecastDigest[];
  /** Since when an account has had series without fresh data; null while all are fresh. */
  blindSince: EpochSeconds | null;
  attention: string | null;
  lastOutcome: ChangeOutcome | null;
  leadTimes: Record<string, number>;
  results: Record<ChangeResult, number>;
  holds: Partial<Record<HoldReason, number>>;
  learnt: {
    scoredTo: EpochSeconds;
    bins: number;
    violations: number;
    capacity: number;
    demand: number;
    reactive: { capacity: number; violations: number };
    coverage: LearnResult['coverage'];
  };
  /** What each field was before Headroom first changed it, for `stop --restore`. */
  original: Original[];
  /** The last few things that happened, newest last. */
  log: { at: EpochSeconds; text: string }[];
}

/** A field as it was before, and the keys of Headroom's writes to it since. */
export interface Original {
  target: FieldTarget;
  owner: FieldOwner;
  keys: string[];
}

export const LOG_LENGTH = 12;

/** The answers prepared last; null where there are none. */
export const preparedIn = (state: AccountState): ContingencyDigest | null => state.contingencies ?? null;

export function createState(input: AccountInput, now: EpochSeconds, runId: string): AccountState {
  return {
    schema: STATE_SCHEMA,
    account: input.account,
    policy: input.policy,
    queues: input.queues,
    revision: 1,
    policyId: `${input.account}@1-${runId}`,
    startedAt: now,
    cycle: 0,
    phase: 'starting',
    pause: null,
    freeze: null,
    overrides: [],
    events: [],
    approval: null,
    cooling: null,
    change: null,
    toExport: [],
    changes: 0,
    plan: null,
    verdict: null,
    forecast: [],
    blindSince: null,
    attention: null,
    lastOutcome: null,
    leadTimes: {},
    results: { kept: 0, 'rolled-back': 0, stale: 0, stopped: 0, failed: 0 },
    holds: {},
    learnt: {
      scoredTo: now,
      bins: 0,
      violations: 0,
      capacity: 0,
      demand: 0,
      reactive: { capacity: 0, violations: 0 },
      coverage: [],
    },
    original: [],
    log: [],
  };
}

/**
 * Takes over the state of the run before.
 * @throws Error where it was written by newer code: better to fail the task, and wait for the right worker, than to
 * drop what is not understood.
 */
export function restoreState(state: AccountState): AccountState {
  if (state.schema > STATE_SCHEMA) {
    throw new Error(`state schema ${state.schema} is newer than ${STATE_SCHEMA}; run a newer worker`);
  }
  return state;
}

/** Adds a line to the bounded log. */
export function note(state: AccountState, at: EpochSeconds, text: string): void {
  state.log.push({ at, text });
  if (state.log.length > LOG_LENGTH) state.log.splice(0, state.log.length - LOG_LENGTH);
}

/** Drops what has expired and says so. */
export function expire(state: AccountState, now: EpochSeconds): void {
  if (state.pause !== null && state.pause.until <= now) {
    note(state, now, `pause by ${state.pause.author} expired`);
    state.pause = null;
  }
  const [live, over] = split(state.overrides, (override) => override.until > now);
  for (const override of over) note(state, now, `override ${override.id} by ${override.author} expired`);
  state.overrides = live;
  // An event is kept for a day after its end, so that `status` can still show it beside what came.
  state.events = state.events.filter((event) => event.to + 86_400 > now);
  if (state.approval !== null && state.approval.until <= now) {
    note(state, now, `no approval came in time; counted as a rejection`);
    state.cooling = {
      until: now + state.policy.coolDown,
      reason: 'rejected',
      detail: 'no approval came in time',
      raisesAllowed: false,
    };
    state.approval = null;
  }
  if (state.cooling !== null && state.cooling.until <= now) state.cooling = null;
  if (state.surprises !== undefined && state.surprises.some(({ until }) => until <= now)) {
    const [lasting, ended] = split(state.surprises, ({ until }) => until > now);
    for (const { key } of ended) note(state, now, `${key} is over: plans may take back what was raised for it`);
    state.surprises = lasting;
  }
}

function split<T>(items: readonly T[], keep: (item: T) => boolean): [T[], T[]] {
  const yes: T[] = [];
  const no: T[] = [];
  for (const item of items) (keep(item) ? yes : no).push(item);
  return [yes, no];
}
