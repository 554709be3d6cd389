import { log } from '@temporalio/workflow';
import type { PoolSized } from '../activities/fleet/types.js';
import { fieldName } from '../src/domain/change.js';
import type { Mutation } from '../src/domain/cluster.js';
import type { Freeze } from '../src/domain/control.js';
import { FLEET_ACCOUNT } from '../src/domain/fleet-names.js';
import type { FleetPlanSummary, ObservedPool } from '../src/domain/fleet-plan.js';
import { isoTime, type EpochSeconds } from '../src/domain/time.js';
import { light } from './activities.js';
import { atCluster, fleetCompute, fleetLight, sizing } from './fleet-activities.js';
import type { FleetState } from './fleet-messages.js';
import type { Queues } from './messages.js';
import { reasonOf } from './reason.js';

/** The fleet in motion. */
export interface FleetRun {
  state: FleetState;
  now(): EpochSeconds;
  freeze(): Freeze | null;
  /** True until the store is known to have this policy. */
  policyUnsent: boolean;
  /** Another file came, or none goes on: what is under way ends before it writes anything. */
  superseded(fleetId: string): boolean;
  /** False in a run that began before commitments were recommended: the next run does. */
  recommends: boolean;
}

const LOG_LENGTH = 12;

export function noteFleet(state: FleetState, at: EpochSeconds, text: string): void {
  state.log.push({ at, text });
  if (state.log.length > LOG_LENGTH) state.log.splice(0, state.log.length - LOG_LENGTH);
}

/**
 * One cycle: pools as they are, the accounts' demand out of the store, the plan, grants, sizes. A cycle that fails leaves
 * the grants of the one before, which end by themselves.
 */
export async function runFleetCycle(run: FleetRun): Promise<void> {
  const { state } = run;
  const { fleetId, policy, queues } = state;
  state.cycle += 1;
  const at = run.now();
  const changeId = `${FLEET_ACCOUNT}/${state.cycle}-${runOf(fleetId)}`;
  const planId = `fleet/${state.cycle}-${runOf(fleetId)}`;
  try {
    if (run.policyUnsent) {
      await fleetLight(queues, `record ${policy.fleet}`).recordFleet({ fleetId, at, policy, ended: false });
      run.policyUnsent = false;
    }
    state.phase = 'observing';
    const pools = await observeAll(state);
    state.phase = 'gathering';
    const of = fleetCompute(queues, `cycle ${state.cycle}: gather demand`);
    const gathered = await of.gatherFleet({ fleetId, planId, at, pools });
    state.phase = 'solving';
    const { plan } = await fleetCompute(queues, `cycle ${state.cycle}: solve ${gathered.accounts} accounts`).solveFleet(
      {
        ...{ fleetId, planId, at },
        inputId: gathered.inputId,
      },
    );
    if (run.superseded(fleetId)) return;
    state.plan = plan;
    if (plan.conflict !== null) noteFleet(state, at, `limits contradict each other: ${plan.conflict}`);
    if (policy.mode !== 'observe') await grantAll(run, planId, at);
    if (policy.mode === 'auto' && !run.superseded(fleetId)) await size(run, plan, changeId, gathered.freeze);
    state.problem = null;
  } catch (error) {
    // Should the store have lost the file, the next cycle brings it along.
    run.policyUnsent = true;
    if (state.problem === null) noteFleet(state, run.now(), `cycle ${state.cycle} failed: ${reasonOf(error)}`);
    state.problem = reasonOf(error).slice(0, 500);
  } finally {
    state.phase = 'sleeping';
  }
  if (run.recommends && !run.superseded(fleetId)) await recommend(run, at);
}

/** Where a recommendation failed: it is asked for again after an hour, and not with every cycle. */
const AGAIN = 3600;

/** What is worth reserving, every so often: a record that a person decides on. Nothing is bought here. */
async function recommend({ state, now }: FleetRun, at: EpochSeconds): Promise<void> {
  const { fleetId, policy, queues, commitments } = state;
  if (policy.commitments === undefined || (commitments !== undefined && at < commitments.nextAt)) return;
  const id = `commitments/${state.cycle}-${runOf(fleetId)}`;
  try {
    const { lines, open } = await fleetCompute(queues, 'what is worth reserving').recommendCommitments({
      ...{ fleetId, at },
      recommendationId: id,
    });
    state.commitments = { id, at, nextAt: at + policy.commitments.every, lines, open };
    if (open > 0) noteFleet(state, now(), `commitments recommended: ${lines.join('; ').slice(0, 300)}`);
  } catch (error) {
    const lines = [`no recommendation: ${reasonOf(error).slice(0, 300)}`];
    state.commitments = { id: commitments?.id ?? id, at, nextAt: at + AGAIN, lines, open: 0 };
    noteFleet(state, now(), lines.join());
  }
}

/** The part of a fleet's id that tells its run: keys of an earlier run never come again. */
const runOf = (fleetId: string): string => fleetId.slice(fleetId.lastIndexOf('-') + 1);

async function observeAll(state: FleetState): Promise<ObservedPool[]> {
  const { fleetId, policy, queues } = state;
  const clusters = [...new Set(policy.pools.map(({ cluster }) => cluster))];
  const answers = await Promise.all(
    clusters.map(async (cluster): Promise<ObservedPool[]> => {
      try {
        const there = await atCluster(queueOf(queues, cluster), `pools of ${cluster}`).observePools({
          fleetId,
          cluster,
        });
        return there.pools;
      } catch (error) {
        // A cluster out of reach: its pools stay, the others go on.
        const problem = reasonOf(error).slice(0, 300);
        return policy.pools
          .filter((pool) => pool.cluster === cluster)
          .map(({ name }) => ({ pool: name, state: null, problem }));
      }
    }),
  );
  return answers.flat();
}

/** `headroom dev` serves all as one queue; elsewhere a cluster's worker has its own. */
const queueOf = (queues: Queues, cluster: string): string =>
  queues.cluster === queues.light ? queues.light : `headroom-cluster-${cluster}`;

async function grantAll(run: FleetRun, planId: string, at: EpochSeconds): Promise<void> {
  const { state } = run;
  state.phase = 'granting';
  const until = at + state.policy.grantsFor;
  const { grants } = await fleetLight(state.queues, `grants until ${isoTime(until)}`).publishGrants({
    ...{ planId, at, until },
    fleetId: state.fleetId,
  });
  state.grants = { planId, count: grants, until };
}

/** Sizes pools: the reverse first, then each write behind the fence, keyed by this cycle. */
async function size(run: FleetRun, plan: FleetPlanSummary, changeId: string, seen: Freeze | null): Promise<void> {
  const { state } = run;
  if (plan.fields.length === 0) return;
  const freeze = run.freeze() ?? seen;
  if (freeze !== null) {
    const text = `frozen by ${freeze.author} until ${isoTime(freeze.until)}: no pool is sized`;
    if (state.sized?.lines[0] !== text) noteFleet(state, run.now(), text);
    state.sized = { changeId, at: run.now(), lines: [text] };
    return;
  }
  state.phase = 'sizing';
  const startedAt = run.now();
  await light(state.queues, `reverse of ${changeId} on record`).recordContingency({
    account: FLEET_ACCOUNT,
    contingency: {
      changeId,
      recordedAt: startedAt,
      reverse: [...plan.fields]
        .reverse()
        .map(({ target, seen: { value, owner } }) => ({ target: { ...target, value }, owner })),
      fallbacks: [
        { trigger: 'a pool does not answer', answer: 'its nodes stay; the next cycle plans anew' },
        { trigger: 'somebody else changed a pool meanwhile', answer: 'leave it as they set it and say so' },
      ],
    },
  });
  const results: PoolSized[] = [];
  for (const cluster of [...new Set(plan.fields.map((field) => field.cluster))]) {
    // A freeze or another file may have come while the cluster before was written to.
    if (run.freeze() !== null || run.superseded(state.fleetId)) break;
    const mutations = plan.fields.flatMap((field): Mutation[] =>
      field.cluster === cluster
        ? [
            {
              key: `change/${changeId}#${fieldName(field.target)}`,
              account: FLEET_ACCOUNT,
              target: field.target,
              expect: field.seen,
              reason: field.reason,
              planId: plan.id,
            },
          ]
        : [],
    );
    const words = mutations.map(({ target }) => `${fieldName(target)} → ${target.value}`).join(', ');
    try {
      const { sized } = await sizing(queueOf(state.queues, cluster), words.slice(0, 200)).sizePools({
        ...{ changeId, mutations },
        fleetId: state.fleetId,
      });
      results.push(...sized);
    } catch (error) {
      const detail = reasonOf(error).slice(0, 300);
      results.push({ pool: cluster, field: words.slice(0, 100), result: { kind: 'failed', detail } });
    }
  }
  await recordSized(run, plan, changeId, startedAt, results);
}

async function recordSized(
  run: FleetRun,
  plan: FleetPlanSummary,
  changeId: string,
  startedAt: EpochSeconds,
  results: readonly PoolSized[],
): Promise<void> {
  const { state } = run;
  const lines = results.map(lineOf);
  const applied = results.filter(({ result }) => result.kind === 'applied' || result.kind === 'repeated').length;
  state.sized = { changeId, at: run.now(), lines: lines.slice(0, 20) };
  noteFleet(state, run.now(), `sized ${applied} of ${plan.fields.length}: ${lines.slice(0, 3).join('; ')}`);
  try {
    await light(state.queues, `outcome of ${changeId}`).recordOutcome({
      account: FLEET_ACCOUNT,
      outcome: {
        changeId,
        planId: plan.id,
        result: applied === plan.fields.length ? 'kept' : applied === 0 ? 'failed' : 'kept',
        detail: lines.join('; ').slice(0, 2000),
        startedAt,
        endedAt: run.now(),
        leadTime: null,
        applied,
        ...(applied === plan.fields.length
          ? {}
          : {
              leftOut: results
                .filter(({ result }) => result.kind !== 'applied' && result.kind !== 'repeated')
                .map((one) => ({ field: one.field, why: lineOf(one) })),
            }),
        checks: [],
        restored: true,
      },
    });
  } catch (error) {
    log.warn('what became of the pools is not on record', { changeId, error: reasonOf(error) });
  }
}

function lineOf({ field, result }: PoolSized): string {
  switch (result.kind) {
    case 'applied':
      return `${field} → ${result.value}`;
    case 'repeated':
      return `${field} → ${result.value} already`;
    case 'moved':
      return `${field} left at ${result.value}, set by ${result.owner ?? 'somebody'} since`;
    case 'not-found':
    case 'refused':
    case 'failed':
      return `${field} not written: ${result.detail}`;
    case 'frozen':
      return `${field} not written: frozen ${result.detail}`;
  }
}
