import { isCancellation, log } from '@temporalio/workflow';
import type { ForecastResult, ObserveResult } from '../activities/types.js';
import type { GrantInForce } from '../src/domain/grant.js';
import type { PlanSummary } from '../src/domain/plan.js';
import type { AccountRun } from './account.js';
import { compute, light, reading } from './activities.js';
import { decide, hold } from './decide.js';
import { changeWorkflowId } from './messages.js';
import { moveAsProposed } from './migrate-proposed.js';
import { reasonOf } from './reason.js';
import { expire, note, preparedIn } from './state.js';
import { NO_PLAN, answerNoPlan, answerSilence, answerSymptoms, answerWaiting } from './surprise.js';

/** One cycle: observe, forecast, optimize beside learn, then act or hold with the reason. */
export async function runCycle(run: AccountRun): Promise<void> {
  const { state } = run;
  state.cycle += 1;
  expire(state, run.now());
  if (await answerWaiting(run)) return;
  await exportEnded(run);

  const seen = await observe(run);
  if (seen === null) {
    await answerSilence(run);
    return;
  }
  if (await answerSymptoms(run, seen.symptoms ?? [])) return;

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
  if (plan === null) {
    await answerNoPlan(run);
    return;
  }
  delete state.symptoms?.[NO_PLAN];
  state.plan = plan;
  await decide(run, plan);
  await moveAsProposed(run, plan);
}

/** Reads telemetry and cluster. A source that is down is a hold, never a zero. */
async function observe(run: AccountRun): Promise<ObserveResult | null> {
  const { state } = run;
  state.phase = 'observing';
  // A policy set while this is under way must still be sent by the next cycle.
  const sent = state.policyId;
  const prepared = preparedIn(state);
  const overdue = state.change !== null && state.change.overdueAt <= run.now() ? state.change.changeId : undefined;
  try {
    const seen = await reading(state.queues, `cycle ${state.cycle}: read telemetry and cluster`).observe({
      account: state.account,
      policyId: state.policyId,
      at: run.now(),
      ...(run.policyUnsent ? { policy: state.policy } : {}),
      ...(overdue === undefined ? {} : { overdueChange: overdue }),
      ...(prepared === null
        ? {}
        : {
            contingencies: {
              id: prepared.id,
              answered: (state.surprises ?? []).flatMap(({ key, concerns }) => (concerns === undefined ? [key] : [])),
            },
          }),
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
      contingencies: preparedIn(state),
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
