import type { AnswerResult } from '../activities/types.js';
import { surpriseOf, type LastingSurprise, type Symptom } from '../src/domain/contingency.js';
import type { AccountRun } from './account.js';
import { reading } from './activities.js';
import { decide } from './decide.js';
import { reasonOf } from './reason.js';
import { note, preparedIn, type AccountState } from './state.js';

/*
 * From a trigger to its answer: one look at the cluster, then the change. No forecast and no solve stand between. A
 * surprise is answered once; while it lasts plans do not take the answer back, and its trigger is not heard again.
 */

/** Not a trigger of its own: what `answerNoPlan` remembers of the cycle before. */
export const NO_PLAN = 'no-plan';

/**
 * Takes in what a cycle saw, and answers the first trigger that has held for long enough.
 * @returns true where there is an answer to carry out: the cycle then needs no other plan.
 */
export async function answerSymptoms(run: AccountRun, symptoms: readonly Symptom[]): Promise<boolean> {
  const { state } = run;
  const now = run.now();
  const before = state.symptoms ?? {};
  if (symptoms.length === 0 && Object.keys(before).length === 0) return false;
  state.symptoms = Object.fromEntries([
    ...symptoms.map(({ key }) => [key, before[key] ?? now] as const),
    ...Object.entries(before).filter(([key]) => key === NO_PLAN),
  ]);
  for (const surprise of state.surprises ?? []) {
    // A pool or a market that plans leave alone cannot show that it is back: they try it again when the time is over.
    const shows = surprise.pools.length === 0;
    if (shows && symptoms.some(({ key }) => key === surprise.key)) surprise.until = lastsUntil(run);
  }
  const due = symptoms.find(({ key }) => isDue(state, key, now));
  return due === undefined ? false : answer(run, due);
}

/** Seen between two cycles by whoever watches the cluster, and held for long enough there. */
export async function answerSpotted(run: AccountRun, symptom: Symptom): Promise<void> {
  if (isDue(run.state, symptom.key, run.now(), true)) await answer(run, symptom);
}

/** An answer that another change, a pause or a freeze kept waiting goes before anything else, once it may. */
export async function answerWaiting(run: AccountRun): Promise<boolean> {
  const { state } = run;
  const waiting = state.surprises?.find((surprise) => surprise.waiting);
  if (waiting === undefined || state.change !== null || state.pause !== null || state.freeze !== null) return false;
  return carryOut(run, waiting);
}

/** Telemetry, or the cluster, could not be read. After `staleAfter` of it that is telemetry gone. */
export async function answerSilence(run: AccountRun): Promise<void> {
  const { state } = run;
  if (preparedIn(state) === null) return;
  const since = state.symptoms?.['telemetry'] ?? run.now();
  state.symptoms = { ...state.symptoms, telemetry: since };
  if (run.now() - since < state.policy.staleAfter - EARLY || !isDue(state, 'telemetry', run.now(), true)) return;
  await answer(run, { key: 'telemetry', what: 'telemetry cannot be read' });
}

/** The second cycle in a row without a plan: what was prepared needs nobody to solve it. */
export async function answerNoPlan(run: AccountRun): Promise<void> {
  const { state } = run;
  if (preparedIn(state) === null) return;
  const known = state.symptoms?.[NO_PLAN];
  state.symptoms = { ...state.symptoms, [NO_PLAN]: known ?? run.now() };
  if (known === undefined || !isDue(state, 'forecast', run.now(), true)) return;
  await answer(run, { key: 'forecast', what: 'no plan can be made' });
}

/** One cycle may see a thing a moment later after its boundary than another. */
const EARLY = 1;

/** Armed, still valid, held for long enough, and not answered already. */
function isDue(state: AccountState, key: string, now: number, held = false): boolean {
  const { surprises = [], symptoms = {} } = state;
  const set = preparedIn(state);
  const armed = set?.armed.find((one) => one.key === key);
  if (set === null || armed === undefined || now > set.validUntil) return false;
  if (surprises.some((surprise) => surprise.key === key)) return false;
  return held || now - (symptoms[key] ?? now) >= armed.for - EARLY;
}

/** Long enough that plans, which look at what is there, have taken over, and that it does not come and go. */
const lastsUntil = ({ state, now }: AccountRun): number =>
  now() + Math.max(state.policy.coolDown, 2 * state.policy.cycle);

async function answer(run: AccountRun, { key, what }: Symptom): Promise<boolean> {
  const { state } = run;
  const now = run.now();
  const surprise: LastingSurprise = {
    ...{ key, setId: preparedIn(state)?.id ?? '', what, since: now, until: lastsUntil(run) },
    ...{ changeId: null, waiting: false, pools: [], workloads: [] },
  };
  // Before anything is awaited: the same trigger may be heard a second time meanwhile.
  state.surprises = [...(state.surprises ?? []), surprise];
  note(state, now, `surprise ${key}: ${what}`);
  return carryOut(run, surprise);
}

async function carryOut(run: AccountRun, surprise: LastingSurprise): Promise<boolean> {
  const { state } = run;
  const { key, setId, what } = surprise;
  surprise.waiting = false;
  let prepared: AnswerResult;
  try {
    prepared = await reading(state.queues, `the prepared answer to ${key}`).answer({
      account: state.account,
      policyId: state.policyId,
      at: run.now(),
      setId,
      key,
      what,
    });
  } catch (error) {
    // Not answered is not over: the trigger is heard again.
    state.surprises = (state.surprises ?? []).filter((other) => other !== surprise);
    note(state, run.now(), `${key} could not be answered: ${reasonOf(error)}`);
    return false;
  }
  const { plan, pools, workloads } = prepared;
  surprise.pools = pools;
  // Where pools stand still, plans know how to have the same elsewhere; where demand is not known, they do not.
  surprise.workloads = pools.length > 0 ? [] : workloads;
  if (plan.verdict.kind === 'hold') {
    note(state, run.now(), `${surpriseOf(key)}: ${plan.verdict.detail}`);
    return false;
  }
  state.plan = plan;
  await decide(run, plan);
  if (state.change?.planId === plan.id) surprise.changeId = state.change.changeId;
  else {
    const stopped = state.change !== null || state.pause !== null || state.freeze !== null;
    surprise.waiting = stopped && state.policy.mode === 'auto';
  }
  run.show();
  return true;
}
