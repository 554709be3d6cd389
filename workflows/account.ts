import {
  allHandlersFinished,
  condition,
  continueAsNew,
  log,
  patched,
  setHandler,
  setWorkflowOptions,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { fieldName } from '../src/domain/change.js';
import type { MutationResult } from '../src/domain/cluster.js';
import { isoTime, nextBoundary, simulatedNow, wallMilliseconds, type EpochSeconds } from '../src/domain/time.js';
import { light, reading } from './activities.js';
import { runCycle } from './cycle.js';
import { ATTRIBUTES } from './attributes.js';
import { createAttributeWriter, showDetails, summaryLine } from './display.js';
import { registerHandlers } from './handlers.js';
import { statusQuery, type AccountInput } from './messages.js';
import { createState, note, restoreState, type AccountState, type Original } from './state.js';

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
      if (result.note !== undefined && result.value !== wanted)
        return `left at ${result.value} instead of ${wanted}: ${result.note}`;
      return `back to ${wanted}`;
    case 'repeated':
      return `back to ${wanted}`;
    case 'moved':
      return `left at ${result.value}, set by ${result.owner ?? 'someone'} since; it was ${wanted}`;
    case 'not-found':
    case 'refused':
      return `not restored to ${wanted}: ${result.detail}`;
  }
}

/**
 * Lets a running change end, then puts back what was there before Headroom's first change, if that was asked for, and
 * gives up its claims to the objects. What a field ends at is said as it happens, and stays on record.
 */
async function windDown(run: AccountRun): Promise<AccountResult['restored']> {
  const { state } = run;
  await condition(() => state.change === null);
  const restore = run.stopping?.restore === true;
  const recorded = patched('stop-on-record');
  const startedAt = run.now();
  const restored: AccountResult['restored'] = [];
  const fields = restore ? [...state.original].reverse() : [];
  for (const [index, original] of fields.entries()) {
    const field = fieldName(original.target);
    const result = await putBack(run, original, index);
    restored.push({ field, result });
    note(state, run.now(), `${index + 1} of ${fields.length}: ${field} ${result}`);
    run.show();
  }
  if (!recorded) return restored;
  const claims = await releaseClaims(run);
  if (restore)
    await recordStop(run, startedAt, [...restored.map(({ field, result }) => `${field} ${result}`), ...claims]);
  return restored;
}

async function putBack(run: AccountRun, { target, owner, keys }: Original, index: number): Promise<string> {
  const { state } = run;
  try {
    const result = await reading(state.queues, 'put back what was there before Headroom').rollback({
      account: state.account,
      policyId: state.policyId,
      changeId: stopId(state),
      changeKeys: keys,
      step: { target, owner },
      index,
      reason: `stopped by ${run.stopping?.author ?? 'nobody known'} with --restore`,
    });
    return describeRestore(result, target.value);
  } catch (error) {
    return `not restored to ${target.value}: ${String(error)}`;
  }
}

const stopId = (state: AccountState): string => `${state.account}/stop-${state.changes}`;

/** Another account may have the objects from now on. @returns what could not be freed, in words. */
async function releaseClaims(run: AccountRun): Promise<string[]> {
  const { state } = run;
  let problems: string[];
  try {
    ({ problems } = await reading(state.queues, 'give up the claims to its objects').release({
      account: state.account,
      policyId: state.policyId,
    }));
  } catch (error) {
    problems = [String(error)];
  }
  const words = problems.map((problem) => `marks of changes stay on ${problem}`);
  for (const line of words) note(state, run.now(), line);
  run.show();
  return words;
}

/** So that `headroom history` tells what became of each field, a person's edits among them, after the account is gone. */
async function recordStop(run: AccountRun, startedAt: EpochSeconds, told: readonly string[]): Promise<void> {
  const { state } = run;
  const author = run.stopping?.author ?? 'nobody known';
  try {
    await light(state.queues, 'record what was put back').recordOutcome({
      account: state.account,
      outcome: {
        changeId: stopId(state),
        planId: '',
        result: 'stopped',
        detail: `stopped by ${author} with --restore: ${told.length === 0 ? 'there was nothing to put back' : told.join('; ')}`,
        startedAt,
        endedAt: run.now(),
        leadTime: null,
        applied: 0,
        checks: [],
        restored: true,
      },
    });
  } catch (error) {
    log.error('what was put back is not on record', { error: String(error) });
  }
}
