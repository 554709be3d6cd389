import {
  allHandlersFinished,
  condition,
  continueAsNew,
  setHandler,
  setWorkflowOptions,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { fieldName } from '../src/domain/change.js';
import type { MutationResult } from '../src/domain/cluster.js';
import { isoTime, simulatedNow, wallMilliseconds, type EpochSeconds } from '../src/domain/time.js';
import { reading } from './activities.js';
import { runCycle } from './cycle.js';
import { ATTRIBUTES } from './attributes.js';
import { createAttributeWriter, showDetails, summaryLine } from './display.js';
import { registerHandlers } from './handlers.js';
import { statusQuery, type AccountInput } from './messages.js';
import { createState, note, restoreState, type AccountState } from './state.js';

/** What is left when an account is stopped. */
export interface AccountResult {
  account: string;
  changes: number;
  restored: { field: string; result: string }[];
}

/** The account in motion: its state, its clock, and the flags that wake its sleep. */
export interface AccountRun {
  state: AccountState;
  now(): EpochSeconds;
  input: AccountInput;
  /** Set by a nudge or anything else that is worth a cycle now. */
  woken: string | null;
  stopping: { restore: boolean; author: string } | null;
  /** True until the store is known to have this policy. */
  policyUnsent: boolean;
  nextCycleAt: EpochSeconds | null;
  show(): void;
}

/** A history is cut here where the server suggests nothing, well under its limit of 51,200 events. */
const LONGEST_HISTORY = 10_000;

/**
 * One account's loop, for years: observe → forecast → optimize → change → learn, then sleep until the next step, a
 * signal or an event. Continues as new with its whole state.
 */
export async function account(input: AccountInput): Promise<AccountResult> {
  const now = (): EpochSeconds => simulatedNow(input.scale, Date.now());
  const state =
    input.state === undefined ? createState(input, now(), workflowInfo().runId.slice(0, 8)) : restoreState(input.state);
  const writeAttributes = createAttributeWriter();
  const run: AccountRun = {
    state,
    now,
    input,
    woken: null,
    stopping: null,
    policyUnsent: true,
    nextCycleAt: null,
    show() {
      showDetails(state, run.nextCycleAt);
    },
  };
  registerHandlers(run);
  setHandler(statusQuery, () => {
    const { policy, queues: _queues, original: _original, plan: _plan, ...rest } = state;
    return { ...rest, mode: policy.mode, now: now(), nextCycleAt: run.nextCycleAt, summary: summaryLine(state) };
  });
  upsertSearchAttributes([{ key: ATTRIBUTES.account, value: state.account }]);

  while (run.stopping === null) {
    await runCycle(run);
    writeAttributes(state);
    const long = workflowInfo().continueAsNewSuggested || workflowInfo().historyLength > LONGEST_HISTORY;
    if (long) await condition(allHandlersFinished);
    // A stop is not part of the state: it is answered by the run that it reached.
    if (long && run.stopping === null) {
      await continueAsNew<typeof account>({ ...input, policy: state.policy, state });
    }
    await sleepUntilNext(run);
  }
  state.phase = 'stopping';
  run.show();
  writeAttributes(state);
  const restored = await windDown(run);
  await condition(allHandlersFinished);
  return { account: state.account, changes: state.changes, restored };
}
setWorkflowOptions({ versioningBehavior: 'AUTO_UPGRADE' }, account);

/** The next boundary of the cycle, plus the time that telemetry takes to arrive. */
export function nextBoundary(now: EpochSeconds, cycle: number, settle: number): EpochSeconds {
  return Math.floor((now - settle) / cycle) * cycle + cycle + settle;
}

async function sleepUntilNext(run: AccountRun): Promise<void> {
  const { state } = run;
  const next = nextBoundary(run.now(), state.policy.cycle, state.policy.settle);
  run.nextCycleAt = next;
  state.phase = 'sleeping';
  run.show();
  const wall = Math.max(1, Math.round(wallMilliseconds(run.input.scale, next - run.now())));
  await condition(() => run.woken !== null || run.stopping !== null, wall, {
    summary: `next cycle at ${isoTime(next)}`,
  });
  if (run.woken !== null) note(state, run.now(), `woken: ${run.woken}`);
  run.woken = null;
  run.nextCycleAt = null;
}

function describeRestore(result: MutationResult, wanted: number): string {
  switch (result.kind) {
    case 'applied':
    case 'repeated':
      return `back to ${wanted}`;
    case 'moved':
      return `left at ${result.value}, set by ${result.owner ?? 'someone'} since; it was ${wanted}`;
    case 'not-found':
    case 'refused':
      return `not restored to ${wanted}: ${result.detail}`;
  }
}

/** Lets a running change end, then puts back what was there before Headroom's first change, if that was asked for. */
async function windDown(run: AccountRun): Promise<AccountResult['restored']> {
  const { state } = run;
  await condition(() => state.change === null);
  if (run.stopping?.restore !== true) return [];
  const restored: AccountResult['restored'] = [];
  const activities = reading(state.queues, 'put back what was there before Headroom');
  for (const [index, { target, owner, keys }] of [...state.original].reverse().entries()) {
    const field = fieldName(target);
    try {
      const result = await activities.rollback({
        account: state.account,
        policyId: state.policyId,
        changeId: `${state.account}/stop-${state.changes}`,
        changeKeys: keys,
        step: { target, owner },
        index,
        reason: `stopped by ${run.stopping.author} with --restore`,
      });
      restored.push({ field, result: describeRestore(result, target.value) });
    } catch (error) {
      restored.push({ field, result: `not restored to ${target.value}: ${String(error)}` });
    }
  }
  return restored;
}
