import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { AccountPolicy } from '../src/domain/account.js';
import type { Symptom } from '../src/domain/contingency.js';
import type { AnnouncedEvent, Freeze, Override, Pause } from '../src/domain/control.js';
import type { ChangeOrder, ChangeOutcome, NumberReason, PlanSummary } from '../src/domain/plan.js';
import type { EpochSeconds, TimeScale } from '../src/domain/time.js';
import type { FleetState } from './fleet-messages.js';
import type { AccountState } from './state.js';

/* Workflow ids say what they are; the Temporal UI takes the slash. */
export const accountWorkflowId = (account: string): string => `account/${account}`;
export const changeWorkflowId = (changeId: string): string => `change/${changeId}`;
export const FLEET_WORKFLOW_ID = 'fleet/main';

/** Task queues; a cluster's activities run next to the credentials that they need. */
export interface Queues {
  /** observe and everything light. */
  light: string;
  /** forecast, optimize, learn. */
  compute: string;
  /** revalidate, apply, verify, roll back. */
  cluster: string;
}

export interface AccountInput {
  account: string;
  policy: AccountPolicy;
  scale: TimeScale;
  queues: Queues;
  /** Present after continue-as-new. */
  state?: AccountState;
}

export interface ChangeInput {
  order: ChangeOrder;
  policyId: string;
  verification: { for: number; every: number; failAfter: number };
  whenPaused: 'finish' | 'roll-back';
  /** True where the change only raises capacity: then blindness ends in keeping it. */
  raisesOnly: boolean;
  scale: TimeScale;
  queues: Queues;
}

export interface FleetInput {
  freeze: Freeze | null;
  scale: TimeScale;
  /** Present after continue-as-new, where a fleet file was given. */
  fleet?: FleetState;
  /** Whether commitments are recommended; histories of before that say nothing, and go on without. */
  recommends?: true;
}

// account: signals
export const pauseSignal = defineSignal<[Pause]>('pause');
export const resumeSignal = defineSignal<[{ author: string; reason: string }]>('resume');
export const overrideSignal = defineSignal<[Override]>('override');
export const clearOverrideSignal = defineSignal<[{ id: string; author: string }]>('clear-override');
export const announceSignal = defineSignal<[AnnouncedEvent]>('announce');
export const nudgeSignal = defineSignal<[{ reason: string }]>('nudge');
export const stopSignal = defineSignal<[{ restore: boolean; author: string }]>('stop');
/** From the account's change workflow. */
export const changeEndedSignal = defineSignal<[ChangeOutcome]>('change-ended');
export const attentionSignal = defineSignal<[{ changeId: string; detail: string }]>('attention');

/** From whoever watches the cluster between cycles: the trigger of a prepared answer holds. */
export const contingencySignal = defineSignal<[Symptom]>('contingency');

// account: updates
export const approveUpdate = defineUpdate<{ changeId: string }, [{ planId?: string; author: string }]>('approve');
export const rejectUpdate = defineUpdate<{ planId: string }, [{ planId?: string; author: string; reason: string }]>(
  'reject',
);
/** `clusterQueue`: where its cluster is looked at from then on; absent: where it was. */
export const setPolicyUpdate = defineUpdate<
  { revision: number },
  [{ policy: AccountPolicy; author: string; clusterQueue?: string }]
>('set-policy');

// account: queries
export const statusQuery = defineQuery<AccountStatus>('status');
export const planQuery = defineQuery<PlanSummary | null>('plan');
export const whyQuery = defineQuery<Why>('why');
export const policyQuery = defineQuery<{ policy: AccountPolicy; revision: number }>('policy');

// change
export const haltSignal = defineSignal<[{ reason: string }]>('halt');
/** A plan that needs more capacity is waiting: end a verification that has held so far. */
export const supersedeSignal = defineSignal<[{ planId: string }]>('supersede');

// fleet
export const freezeSignal = defineSignal<[Freeze]>('freeze');
export const unfreezeSignal = defineSignal<[{ author: string; reason: string }]>('unfreeze');

/** What `headroom status` shows; also readable as JSON in the Temporal UI's queries. */
export type AccountStatus = Omit<AccountState, 'policy' | 'queues' | 'original' | 'plan'> & {
  mode: AccountPolicy['mode'];
  now: EpochSeconds;
  nextCycleAt: EpochSeconds | null;
  summary: string;
};

export interface Why {
  planId: string | null;
  verdict: string;
  reasons: NumberReason[];
}
