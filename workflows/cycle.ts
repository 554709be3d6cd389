import {
  ActivityFailure,
  ApplicationFailure,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  ParentClosePolicy,
  startChild,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { ForecastResult, ObserveResult } from '../activities/types.js';
import { addsTo, fieldName, orderChange, raises } from '../src/domain/change.js';
import type { GrantInForce } from '../src/domain/grant.js';
import type { HoldReason, PlanSummary } from '../src/domain/plan.js';
import { isoTime } from '../src/domain/time.js';
import type { AccountRun } from './account.js';
import { compute, light, reading } from './activities.js';
import { change } from './change.js';
import { changeWorkflowId, supersedeSignal } from './messages.js';
import { expire, note } from './state.js';

/** One cycle: observe, forecast, optimize beside learn, then act or hold with the reason. */
export async function runCycle(run: AccountRun): Promise<void> {
  const { state } = run;
  state.cycle += 1;
  expire(state, run.now());
  await exportEnded(run);

  const seen = await observe(run);
  if (seen === null) return;

  const gone = seen.state.workloads
    .filter((workload) => !workload.exists)
    .map(({ workload, absent }) => (absent === undefined ? workload : `${workload} (${absent})`));
  if (gone.length > 0 && gone.length === seen.state.workloads.length) {
    hold(run, 'workload-missing', `the cluster has none of ${gone.slice(0, 5).join(', ')}`);
    return;
  }
  const blind = noteBlindness(run, seen);
  if (blind.length === seen.freshness.length && blind.length > 0) {
    const worst = seen.freshness.some((entry) => entry.kind === 'missing') ? 'missing-data' : 'stale-data';
    const waited = run.now() - (state.blindSince ?? run.now());
    // First hold; where it lasts, fall back to a safe level: the widened forecast, which may only raise.
    if (worst === 'missing-data' || waited < state.policy.staleAfter) {
      hold(run, worst, describeBlindness(seen));
      return;
    }
  }

  const forecast = await makeForecast(run, seen);
  if (state.policy.mode === 'observe') {
    await learn(run, seen, forecast);
    hold(run, 'mode', 'mode observe: forecasts only');
    return;
  }
  const [plan] = await Promise.all([optimize(run, seen, forecast, blind), learn(run, seen, forecast)]);
  if (plan === null) return;
  state.plan = plan;
  await decide(run, plan);
}

/** Reads telemetry and cluster. A source that is down is a hold, never a zero. */
async function observe(run: AccountRun): Promise<ObserveResult | null> {
  const { state } = run;
  state.phase = 'observing';
  // A policy set while this is under way must still be sent by the next cycle.
  const sent = state.policyId;
  const overdue = state.change !== null && state.change.overdueAt <= run.now() ? state.change.changeId : undefined;
  try {
    const seen = await reading(state.queues, `cycle ${state.cycle}: read telemetry and cluster`).observe({
      account: state.account,
      policyId: state.policyId,
      at: run.now(),
      ...(run.policyUnsent ? { policy: state.policy } : {}),
      ...(overdue === undefined ? {} : { overdueChange: overdue }),
    });
    if (state.policyId === sent) run.policyUnsent = false;
    state.freeze = seen.freeze;
    state.changes = Math.max(state.changes, seen.lastChange ?? 0);
    if (overdue !== undefined && seen.changeRuns === false && state.change?.changeId === overdue) {
      note(state, run.now(), `change ${overdue} ended without a word (terminated?); look at what it left`);
      state.attention = `change ${overdue} ended without a word`;
      state.change = null;
    }
    return seen;
  } catch (error) {
    // Should the store have lost the policy, the next cycle brings it along.
    run.policyUnsent = true;
    hold(run, 'missing-data', `observe: ${reasonOf(error)}`);
    return null;
  }
}

/** Workloads with a series that is not fresh; remembers since when. */
function noteBlindness(run: AccountRun, seen: ObserveResult): string[] {
  const blind = seen.freshness.filter((entry) => entry.kind !== 'fresh');
  if (blind.length === 0) run.state.blindSince = null;
  else run.state.blindSince ??= run.now();
  return blind.map((entry) => entry.workload);
}

function describeBlindness(seen: ObserveResult): string {
  return seen.freshness
    .filter((entry) => entry.kind !== 'fresh')
    .slice(0, 3)
    .map(({ workload, component, age }) =>
      age === null ? `${workload}/${component} has no data` : `${workload}/${component} is ${Math.round(age)}s old`,
    )
    .join(', ');
}

async function makeForecast(run: AccountRun, seen: ObserveResult): Promise<ForecastResult | null> {
  const { state } = run;
  state.phase = 'forecasting';
  try {
    const forecast = await compute(state.queues, `cycle ${state.cycle}: forecast`).forecast({
      account: state.account,
      policyId: state.policyId,
      at: run.now(),
      snapshotId: seen.snapshotId,
      leadTimes: state.leadTimes,
      events: state.events,
    });
    state.forecast = forecast.series;
    return forecast;
  } catch (error) {
    // The guard beneath needs no forecast: go on without.
    note(state, run.now(), `no forecast: ${reasonOf(error)}`);
    state.forecast = [];
    return null;
  }
}

async function optimize(
  run: AccountRun,
  seen: ObserveResult,
  forecast: ForecastResult | null,
  raiseOnly: string[],
): Promise<PlanSummary | null> {
  const { state } = run;
  const { surprises = [] } = state;
  state.phase = 'optimizing';
  try {
    const { plan, contingencies, unprepared, grant } = await compute(
      state.queues,
      `cycle ${state.cycle}: optimize`,
    ).optimize({
      account: state.account,
      policyId: state.policyId,
      at: run.now(),
      snapshotId: seen.snapshotId,
      forecastId: forecast?.forecastId ?? null,
      state: seen.state,
      overrides: state.overrides,
      events: state.events,
      leadTimes: state.leadTimes,
      raiseOnly,
      contingencies: state.contingencies ?? null,
      ...(surprises.length === 0
        ? {}
        : { surprises: surprises.map(({ what, pools, workloads }) => ({ what, pools, workloads })) }),
    });
    if (contingencies !== undefined) state.contingencies = contingencies;
    noteGrant(run, grant ?? null);
    if (unprepared !== undefined) note(state, run.now(), `no answers prepared: ${unprepared}`);
    return plan;
  } catch (error) {
    hold(run, 'failed', `optimize: ${reasonOf(error)}`);
    return null;
  }
}

/** A fleet that falls silent, or speaks again, is a thing that happened. */
function noteGrant(run: AccountRun, grant: GrantInForce | null): void {
  const { state } = run;
  const before = state.grant?.source ?? null;
  if (grant?.source === 'guaranteed' && before !== 'guaranteed') note(state, run.now(), grant.words);
  if (grant?.source === 'fleet' && before === 'guaranteed') note(state, run.now(), 'the fleet grants again');
  state.grant = grant;
}

/** Scores what was in force against what came; its failure costs a score, never a cycle. */
async function learn(run: AccountRun, seen: ObserveResult, forecast: ForecastResult | null): Promise<void> {
  const { state } = run;
  if (forecast === null) return;
  try {
    const learnt = await compute(state.queues, `cycle ${state.cycle}: learn`).learn({
      account: state.account,
      policyId: state.policyId,
      at: run.now(),
      cycle: state.cycle,
      snapshotId: seen.snapshotId,
      forecastId: forecast.forecastId,
      state: seen.state,
      scoredTo: state.learnt.scoredTo,
    });
    const total = state.learnt;
    state.learnt = {
      scoredTo: learnt.scoredTo,
      bins: total.bins + learnt.bins,
      violations: total.violations + learnt.violations,
      capacity: total.capacity + learnt.capacity,
      demand: total.demand + learnt.demand,
      reactive: {
        capacity: total.reactive.capacity + learnt.reactive.capacity,
        violations: total.reactive.violations + learnt.reactive.violations,
      },
      coverage: learnt.coverage,
    };
  } catch (error) {
    if (isCancellation(error)) throw error;
    note(state, run.now(), `not scored: ${reasonOf(error)}`);
  }
}

/** From a plan to a change, or to a hold with its reason. */
async function decide(run: AccountRun, plan: PlanSummary): Promise<void> {
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
  // Reactive scaling stays underneath: what the guard raises does not wait for a cooled-down forecast.
  const byGuard = plan.verdict.kind === 'act' && plan.verdict.source === 'guard' && plan.fields.every(raises);
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

/** Histories outlive retention: each ended change's is written to where `headroom history` finds it. */
async function exportEnded(run: AccountRun): Promise<void> {
  const { state } = run;
  for (const changeId of [...state.toExport]) {
    try {
      await light(state.queues, `export the history of change ${changeId}`).exportHistory({
        account: state.account,
        workflowId: changeWorkflowId(changeId),
        at: run.now(),
      });
      state.toExport = state.toExport.filter((other) => other !== changeId);
    } catch (error) {
      log.warn('history not exported; trying again next cycle', { changeId, error: reasonOf(error) });
      return;
    }
  }
}

function hold(run: AccountRun, reason: HoldReason, detail: string): void {
  const { state } = run;
  const before = state.verdict;
  state.verdict = { kind: 'hold', reason, detail };
  state.holds[reason] = (state.holds[reason] ?? 0) + 1;
  if (before?.kind !== 'hold' || before.reason !== reason) note(state, run.now(), `holds (${reason}): ${detail}`);
}

/** The words of whoever failed at the far end, without the layers between. */
function reasonOf(error: unknown): string {
  if (error instanceof ActivityFailure && error.cause !== undefined) return reasonOf(error.cause);
  if (error instanceof ApplicationFailure) return error.message;
  return error instanceof Error ? error.message : String(error);
}
