import { patched } from '@temporalio/workflow';
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

/** Of the workloads that a symptom names; histories of before answered each for all of them, once. */
const BY_WORKLOAD = 'surprise-by-workload';

const heard = (symptom: Symptom): Symptom =>
  symptom.workloads === undefined || patched(BY_WORKLOAD) ? symptom : { key: symptom.key, what: symptom.what };

/** Not a trigger of its own: what `answerNoPlan` remembers of the cycle before. */
export const NO_PLAN = 'no-plan';

/**
 * Takes in what a cycle saw, and answers the first trigger that has held for long enough.
 * @returns true where there is an answer to carry out: the cycle then needs no other plan.
 */
export async function answerSymptoms(run: AccountRun, seen: readonly Symptom[]): Promise<boolean> {
  const { state } = run;
  const symptoms = seen.map(heard);
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
    if (shows && symptoms.some((symptom) => isOf(surprise, symptom))) surprise.until = lastsUntil(run);
  }
  const due = symptoms.find((symptom) => isDue(state, symptom, now));
  return due === undefined ? false : answer(run, due);
}

/** Seen between two cycles by whoever watches the cluster, and held for long enough there. */
export async function answerSpotted(run: AccountRun, spotted: Symptom): Promise<void> {
  const symptom = heard(spotted);
  if (isDue(run.state, symptom, run.now(), true)) await answer(run, symptom);
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
  if (run.now() - since < state.policy.staleAfter - EARLY || !isDue(state, { key: 'telemetry' }, run.now(), true))
    return;
  await answer(run, { key: 'telemetry', what: 'telemetry cannot be read' });
}

/** The second cycle in a row without a plan: what was prepared needs nobody to solve it. */
export async function answerNoPlan(run: AccountRun): Promise<void> {
  const { state } = run;
  if (preparedIn(state) === null) return;
  const known = state.symptoms?.[NO_PLAN];
  state.symptoms = { ...state.symptoms, [NO_PLAN]: known ?? run.now() };
  if (known === undefined || !isDue(state, { key: 'forecast' }, run.now(), true)) return;
  await answer(run, { key: 'forecast', what: 'no plan can be made' });
}

/** One cycle may see a thing a moment later after its boundary than another. */
const EARLY = 1;

/** The demand of whose workloads a surprise and a symptom are, or everybody's. */
const isOf = ({ key, concerns }: LastingSurprise, symptom: Pick<Symptom, 'key' | 'workloads'>): boolean =>
  key === symptom.key &&
  (concerns === undefined ||
    symptom.workloads === undefined ||
    symptom.workloads.some((workload) => concerns.includes(workload)));

/** Workloads of a symptom that no lasting surprise of its key has been answered for; undefined: it names none. */
function unanswered({ surprises = [] }: AccountState, { key, workloads }: Pick<Symptom, 'key' | 'workloads'>) {
  const lasting = surprises.filter((surprise) => surprise.key === key);
  if (workloads === undefined) return lasting.length > 0 ? [] : undefined;
  return workloads.filter((workload) =>
    lasting.every(({ concerns }) => concerns !== undefined && !concerns.includes(workload)),
  );
}

/** Armed, still valid, held for long enough, and not answered already. */
function isDue(state: AccountState, symptom: Pick<Symptom, 'key' | 'workloads'>, now: number, held = false): boolean {
  const { key } = symptom;
  const { symptoms = {} } = state;
  const set = preparedIn(state);
  const armed = set?.armed.find((one) => one.key === key);
  if (set === null || armed === undefined || now > set.validUntil) return false;
  if (unanswered(state, symptom)?.length === 0) return false;
  return held || now - (symptoms[key] ?? now) >= armed.for - EARLY;
}

/** Long enough that plans, which look at what is there, have taken over, and that it does not come and go. */
const lastsUntil = ({ state, now }: AccountRun): number =>
  now() + Math.max(state.policy.coolDown, 2 * state.policy.cycle);

async function answer(run: AccountRun, symptom: Symptom): Promise<boolean> {
  const { state } = run;
  const { key, what } = symptom;
  const concerns = unanswered(state, symptom);
  const now = run.now();
  const surprise: LastingSurprise = {
    ...{ key, setId: preparedIn(state)?.id ?? '', what, since: now, until: lastsUntil(run) },
    ...{ changeId: null, waiting: false, pools: [], workloads: [] },
    ...(concerns === undefined ? {} : { concerns }),
  };
  // Before anything is awaited: the same trigger may be heard a second time meanwhile.
  state.surprises = [...(state.surprises ?? []), surprise];
  note(state, now, `surprise ${key}: ${what}`);
  return carryOut(run, surprise);
}

async function carryOut(run: AccountRun, surprise: LastingSurprise): Promise<boolean> {
  const { state } = run;
  const { key, setId, what, concerns } = surprise;
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
      ...(concerns === undefined ? {} : { workloads: concerns }),
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
