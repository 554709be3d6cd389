import { getExternalWorkflowHandle, log, ParentClosePolicy, startChild } from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { addsTo, fieldName, orderChange, raises } from '../src/domain/change.js';
import type { HoldReason, PlanSummary } from '../src/domain/plan.js';
import { isoTime } from '../src/domain/time.js';
import type { AccountRun } from './account.js';
import { change } from './change.js';
import { changeWorkflowId, supersedeSignal } from './messages.js';
import { note } from './state.js';

/** From a plan to a change, or to a hold with its reason. */
export async function decide(run: AccountRun, plan: PlanSummary): Promise<void> {
  const { state } = run;
  if (plan.verdict.kind === 'hold') {
    state.approval = null;
    hold(run, plan.verdict.reason, plan.verdict.detail);
    return;
  }
  await supersede(run, plan);
  const obstacle = obstacleOf(run, plan);
  if (obstacle !== null) {
    hold(run, obstacle.reason, obstacle.detail);
    return;
  }
  switch (state.policy.mode) {
    case 'observe':
    case 'recommend':
      hold(run, 'mode', `mode ${state.policy.mode}: would ${plan.verdict.detail}`);
      return;
    case 'approve': {
      const until = state.approval?.until ?? run.now() + state.policy.approvalWithin;
      state.approval = { planId: plan.id, until };
      hold(run, 'awaiting-approval', `${plan.verdict.detail}; approve or reject until ${isoTime(until)}`);
      return;
    }
    case 'auto':
      await startChange(run, plan);
      return;
  }
}

/**
 * Demand does not wait for a verification to end: where a plan needs more capacity than is there, a running change that
 * has held so far is taken as kept, and the next begins as soon as it says so.
 */
async function supersede(run: AccountRun, plan: PlanSummary): Promise<void> {
  const { state } = run;
  if (state.change === null || state.policy.mode !== 'auto' || state.pause !== null || state.freeze !== null) return;
  if (!plan.fields.some(addsTo)) return;
  try {
    await getExternalWorkflowHandle(changeWorkflowId(state.change.changeId)).signal(supersedeSignal, {
      planId: plan.id,
    });
  } catch (error) {
    log.info('change was gone when a plan asked for more', { error: String(error) });
  }
}

/** What stands between a plan and its change. */
function obstacleOf(run: AccountRun, plan: PlanSummary): { reason: HoldReason; detail: string } | null {
  const { state } = run;
  if (run.stopping !== null) return { reason: 'paused', detail: 'the account is being stopped' };
  if (state.change !== null) return { reason: 'change-running', detail: `change ${state.change.changeId} is running` };
  if (state.pause !== null) {
    return { reason: 'paused', detail: `by ${state.pause.author} until ${isoTime(state.pause.until)}` };
  }
  if (state.freeze !== null) {
    return { reason: 'frozen', detail: `by ${state.freeze.author} until ${isoTime(state.freeze.until)}` };
  }
  const { cooling } = state;
  if (cooling?.only !== undefined) {
    const again = plan.fields.every(({ target }) => cooling.only?.includes(fieldName(target)) === true);
    return again ? { reason: cooling.reason, detail: cooling.detail } : null;
  }
  // Reactive scaling stays underneath: what the guard raises does not wait for a cooled-down forecast, nor does an answer.
  const byGuard = plan.verdict.kind === 'act' && plan.verdict.source !== 'forecast' && plan.fields.every(raises);
  const mayRaise = state.cooling?.raisesAllowed === true && plan.fields.every(raises);
  if (state.cooling !== null && !byGuard && !mayRaise)
    return { reason: state.cooling.reason, detail: state.cooling.detail };
  return null;
}

/** Hands a plan to a change workflow, which outlives this run of the account. */
export async function startChange(run: AccountRun, plan: PlanSummary): Promise<string> {
  const { state } = run;
  const lead = Math.max(...state.policy.workloads.map(({ name, leadTime }) => state.leadTimes[name] ?? leadTime));
  const leadTimeLimit = Math.max(4 * lead, 600);
  for (;;) {
    state.changes += 1;
    const changeId = `${state.account}/${state.changes}`;
    const now = run.now();
    const order = orderChange(plan, changeId, state.account, now, leadTimeLimit);
    const verification = state.policy.verification;
    const longest = Math.max(
      verification.for,
      ...state.policy.workloads.map((workload) => workload.verification?.for ?? 0),
    );
    state.change = {
      changeId,
      planId: plan.id,
      startedAt: now,
      raisesOnly: plan.fields.every(raises),
      raised: plan.fields.flatMap(({ target, seen }) =>
        'workload' in target &&
        target.field !== 'prepared' &&
        // An autoscaler's target makes no replica by itself: there is no lead time to measure.
        target.field !== 'target' &&
        target.value > seen.value
          ? [target.workload]
          : [],
      ),
      overdueAt: now + leadTimeLimit + 3 * longest + 3600,
      originals: order.mutations.map((mutation) => ({
        target: { ...mutation.target, value: mutation.expect.value },
        owner: mutation.expect.owner,
        keys: [mutation.key],
      })),
    };
    try {
      await startChild(change, {
        workflowId: changeWorkflowId(changeId),
        taskQueue: state.queues.light,
        parentClosePolicy: ParentClosePolicy.ABANDON,
        staticSummary: plan.fields.map((field) => `${fieldName(field.target)} → ${field.target.value}`).join(', '),
        args: [
          {
            order,
            policyId: state.policyId,
            verification: { for: longest, every: verification.every, failAfter: verification.failAfter },
            whenPaused: state.policy.whenPaused,
            raisesOnly: plan.fields.every(raises),
            scale: run.input.scale,
            queues: state.queues,
          },
        ],
      });
    } catch (error) {
      state.change = null;
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      log.warn('change number was taken; taking the next', { changeId });
      continue;
    }
    state.verdict = plan.verdict;
    note(state, now, `change ${changeId}: ${plan.verdict.detail}`);
    run.show();
    return changeId;
  }
}

export function hold(run: AccountRun, reason: HoldReason, detail: string): void {
  const { state } = run;
  const before = state.verdict;
  state.verdict = { kind: 'hold', reason, detail };
  state.holds[reason] = (state.holds[reason] ?? 0) + 1;
  if (before?.kind !== 'hold' || before.reason !== reason) note(state, run.now(), `holds (${reason}): ${detail}`);
}
