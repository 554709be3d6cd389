import { ApplicationFailure, getExternalWorkflowHandle, log, setHandler } from '@temporalio/workflow';
import { fieldName } from '../src/domain/change.js';
import type { ChangeOutcome } from '../src/domain/plan.js';
import { policyProblems } from '../src/domain/policy-rules.js';
import { isoTime, type EpochSeconds } from '../src/domain/time.js';
import type { AccountRun } from './account.js';
import { startChange } from './decide.js';
import {
  announceSignal,
  approveUpdate,
  attentionSignal,
  changeEndedSignal,
  changeWorkflowId,
  clearOverrideSignal,
  contingencySignal,
  haltSignal,
  nudgeSignal,
  overrideSignal,
  pauseSignal,
  planQuery,
  policyQuery,
  rejectUpdate,
  resumeSignal,
  setPolicyUpdate,
  stopSignal,
  whyQuery,
} from './messages.js';
import { note, type AccountState, type Original } from './state.js';
import { answerSpotted } from './surprise.js';

/** Refuses an update before it enters the history, with words for the operator. */
const refuse = (message: string): never => {
  throw ApplicationFailure.create({ type: 'refused', message, nonRetryable: true });
};

/** Signals, updates and queries of the account. Handlers only touch the state; the loop does the work. */
export function registerHandlers(run: AccountRun): void {
  const { state } = run;

  setHandler(pauseSignal, async (pause) => {
    state.pause = pause;
    note(state, run.now(), `paused by ${pause.author} until ${isoTime(pause.until)}: ${pause.reason}`);
    run.show();
    await haltChange(run, `account paused by ${pause.author}`);
  });
  setHandler(resumeSignal, ({ author, reason }) => {
    if (state.pause === null) return;
    state.pause = null;
    note(state, run.now(), `resumed by ${author}${reason === '' ? '' : `: ${reason}`}`);
    run.woken = `resumed by ${author}`;
  });
  setHandler(overrideSignal, (override) => {
    const same = fieldKey(override.target);
    state.overrides = state.overrides.filter((other) => fieldKey(other.target) !== same);
    if (override.until <= run.now()) {
      note(state, run.now(), `override ${override.id} by ${override.author} had expired on arrival; ignored`);
      return;
    }
    state.overrides.push(override);
    state.contingencies = null;
    note(state, run.now(), `override ${override.id} by ${override.author} until ${isoTime(override.until)}`);
    run.woken = `override by ${override.author}`;
  });
  setHandler(clearOverrideSignal, ({ id, author }) => {
    const before = state.overrides.length;
    state.overrides = state.overrides.filter((override) => override.id !== id);
    if (state.overrides.length === before) return;
    state.contingencies = null;
    note(state, run.now(), `override ${id} cleared by ${author}`);
    run.woken = `override cleared by ${author}`;
  });
  setHandler(announceSignal, (event) => {
    state.events = [...state.events.filter((other) => other.name !== event.name), event];
    note(state, run.now(), `event ${event.name} announced by ${event.author}, from ${isoTime(event.from)}`);
    run.woken = `event ${event.name} announced`;
  });
  setHandler(nudgeSignal, ({ reason }) => {
    run.woken = reason;
  });
  setHandler(stopSignal, async (stop) => {
    run.stopping = stop;
    note(state, run.now(), `stopping, asked for by ${stop.author}`);
    await haltChange(run, `account stopped by ${stop.author}`);
  });
  setHandler(changeEndedSignal, (outcome) => {
    if (state.change?.changeId === outcome.changeId) endChange(run, outcome);
  });
  // At once, whatever the cycle is doing: an answer waits for no forecast and no plan.
  setHandler(contingencySignal, (symptom) => answerSpotted(run, symptom));
  setHandler(attentionSignal, ({ changeId, detail }) => {
    state.attention = `change ${changeId}: ${detail}`;
    note(state, run.now(), `needs attention: ${detail}`);
    run.show();
  });

  setHandler(
    approveUpdate,
    async ({ author }) => {
      const plan = state.plan;
      if (state.approval === null || plan === null) return refuse('nothing waits for approval');
      note(state, run.now(), `plan ${plan.id} approved by ${author}`);
      state.approval = null;
      const changeId = await startChange(run, plan);
      return { changeId };
    },
    {
      validator: ({ planId }) => {
        if (state.approval === null) refuse(`nothing waits for approval: ${state.account} has no plan pending`);
        if (planId !== undefined && planId !== state.approval?.planId) {
          refuse(
            `plan ${planId} is not the pending one; that is ${state.approval?.planId}: look at it, then approve it`,
          );
        }
        if (state.pause !== null) refuse(`${state.account} is paused by ${state.pause.author}; resume it first`);
        if (state.freeze !== null) refuse(`frozen by ${state.freeze.author}: ${state.freeze.reason}; unfreeze first`);
        if (state.change !== null) refuse(`change ${state.change.changeId} is still running`);
      },
    },
  );
  setHandler(
    rejectUpdate,
    ({ author, reason }) => {
      const planId = state.approval?.planId ?? '';
      state.approval = null;
      state.cooling = {
        until: run.now() + state.policy.coolDown,
        reason: 'rejected',
        detail: `${author}: ${reason}`,
        raisesAllowed: false,
      };
      note(state, run.now(), `plan ${planId} rejected by ${author}: ${reason}`);
      return { planId };
    },
    {
      validator: ({ planId }) => {
        if (state.approval === null) refuse(`nothing to reject: ${state.account} has no plan pending`);
        if (planId !== undefined && planId !== state.approval?.planId) {
          refuse(`plan ${planId} is not the pending one; that is ${state.approval?.planId}`);
        }
      },
    },
  );
  setHandler(
    setPolicyUpdate,
    ({ policy, author, clusterQueue }) => {
      state.policy = policy;
      if (clusterQueue !== undefined) state.queues = { ...state.queues, cluster: clusterQueue };
      state.revision += 1;
      state.policyId = `${state.account}@${state.revision}-${state.policyId.split('-').at(-1)}`;
      run.policyUnsent = true;
      state.approval = null;
      // Answers are solved for a policy and its overrides: others are prepared with the next plan.
      state.contingencies = null;
      note(state, run.now(), `policy set to revision ${state.revision} by ${author}`);
      run.woken = 'policy changed';
      return { revision: state.revision };
    },
    {
      validator: ({ policy }) => {
        if (policy.account !== state.account) {
          refuse(`the file is for account "${policy.account}", this is "${state.account}"`);
        }
        const problems = policyProblems(policy);
        if (problems.length > 0) {
          refuse(problems.map(({ path, problem }) => `${path.join('.')}: ${problem}`).join('; '));
        }
      },
    },
  );

  setHandler(planQuery, () => state.plan);
  setHandler(whyQuery, () => ({
    planId: state.plan?.id ?? null,
    verdict:
      state.verdict === null
        ? 'no cycle has ended yet'
        : `${state.verdict.kind}${state.verdict.kind === 'hold' ? ` (${state.verdict.reason})` : ''}: ${state.verdict.detail}`,
    reasons: state.plan?.reasons ?? [],
  }));
  setHandler(policyQuery, () => ({ policy: state.policy, revision: state.revision }));
}

const fieldKey = (target: object): string => JSON.stringify(Object.entries(target).filter(([key]) => key !== 'value'));

/** Tells a running change that it shall end as its policy says. */
async function haltChange(run: AccountRun, reason: string): Promise<void> {
  const running = run.state.change;
  if (running === null) return;
  try {
    await getExternalWorkflowHandle(changeWorkflowId(running.changeId)).signal(haltSignal, { reason });
  } catch (error) {
    // It ended between our look and the signal: its own signal to us is on the way.
    log.info('change was gone when told to halt', { changeId: running.changeId, error: String(error) });
  }
}

/** Takes in what a change did. */
function endChange(run: AccountRun, outcome: ChangeOutcome): void {
  const { state } = run;
  const now = run.now();
  if (outcome.result === 'kept') rememberOriginals(state, state.change?.originals ?? [], now);
  if (outcome.leadTime !== null) learnLeadTime(state, state.change?.raised ?? [], outcome.leadTime);
  const raisesAllowed = state.change?.raisesOnly === false;
  state.change = null;
  state.toExport.push(outcome.changeId);
  state.lastOutcome = outcome;
  state.results[outcome.result] += 1;
  state.attention = outcome.restored ? null : `change ${outcome.changeId}: ${outcome.detail}`;
  note(state, now, `change ${outcome.changeId} ${outcome.result}: ${outcome.detail}`);
  if (outcome.result === 'rolled-back' || outcome.result === 'failed') {
    state.cooling = {
      until: now + state.policy.coolDown,
      reason: 'cooling-down',
      detail: outcome.detail,
      raisesAllowed,
    };
  }
  // Nothing that serves was refused: only what would be refused again has to wait.
  if (outcome.leftOut !== undefined && (outcome.result === 'kept' || outcome.result === 'failed')) {
    const only = outcome.leftOut.map(({ field }) => field);
    const until = now + state.policy.coolDown;
    state.cooling = { until, reason: 'cooling-down', detail: outcome.detail, raisesAllowed: true, only };
  }
  run.woken = `change ${outcome.changeId} ${outcome.result}`;
}

/** Exponentially weighted, leaning to the slow side: capacity that comes late costs more than one that comes early. */
function learnLeadTime(state: AccountState, workloads: readonly string[], measured: number): void {
  for (const workload of workloads) {
    const known = state.leadTimes[workload];
    const weight = known !== undefined && measured < known ? 0.1 : 0.5;
    state.leadTimes[workload] = known === undefined ? measured : known + weight * (measured - known);
  }
}

/** The first time that a field is changed, what it was before is kept for `stop --restore`. */
function rememberOriginals(state: AccountState, touched: readonly Original[], now: EpochSeconds): void {
  // A run that is over cannot be put back, and each occurrence is a field of its own.
  state.original = state.original.filter(
    ({ target }) => target.field !== 'start' || Math.max(target.scheduled, target.value) > now - OVER_SECONDS,
  );
  for (const entry of touched) {
    // What was fetched or filled ahead stays fetched.
    if (entry.target.field === 'prepared') continue;
    const known = state.original.find((other) => fieldName(other.target) === fieldName(entry.target));
    if (known === undefined) state.original.push(entry);
    else known.keys = [...known.keys, ...entry.keys].slice(-KEYS_KEPT);
  }
}

/** Only the last write's key can still stand on the object; a few more cost nothing and survive a lost signal. */
const KEYS_KEPT = 4;
const OVER_SECONDS = 86_400;
