import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  setCurrentDetails,
  setHandler,
  setWorkflowOptions,
  workflowInfo,
} from '@temporalio/workflow';
import type { CompareResult, GatherResult } from '../activities/retrain-types.js';
import { isoTime, simulatedNow, wallMilliseconds, type EpochSeconds } from '../src/domain/time.js';
import { comparing, training } from './activities.js';
import {
  cancelRunSignal,
  driftSignal,
  retrainNowSignal,
  retrainSettingsSignal,
  retrainStatusQuery,
  stopRetrainSignal,
  type RetrainInput,
  type RetrainSettings,
  type RetrainState,
  type Shadow,
} from './retrain-messages.js';

/** Drift is answered at most so often, as a share of the time between runs: series that drift together ask together. */
const DRIFT_SHARE = 0.25;
/** A run that failed is tried again after this share of the time between runs. */
const AGAIN_SHARE = 0.1;
const LOG_KEPT = 30;
/** A shadow period without days enough to judge by is extended by its own length, so many times. */
const SHADOW_PERIODS = 3;
const BY = 'retrain';

interface Run {
  input: RetrainInput;
  settings: RetrainSettings;
  state: RetrainState;
  now(): EpochSeconds;
  /** Why a run is to begin before its time; null where none is. */
  asked: string | null;
  stopping: boolean;
  /** Ends the work that is under way; null while there is none. */
  cancel: ((author: string) => void) | null;
  /** Set by anything that changes what is waited for. */
  woken: boolean;
}

/**
 * The models of one scope, for years: gather → train → compare with the champion on what neither has seen → a shadow
 * period beside it → promotion; on schedule, on drift, or when asked. What serves stands in the folder of models; this
 * workflow decides when it changes.
 */
export async function retrain(input: RetrainInput): Promise<void> {
  const run = createRun(input);
  const { state } = run;
  while (!run.stopping) {
    await waitForWork(run);
    if (run.stopping) break;
    const due = state.shadows.filter((shadow) => shadow.until <= run.now());
    const reason = run.asked ?? (run.now() >= state.nextRunAt ? 'on schedule' : null);
    if (due.length > 0) await guarded(run, 'judging challengers', () => judgeShadows(run, due));
    if (reason !== null && !run.stopping) {
      run.asked = null;
      const failed = await guarded(run, 'retraining', () => trainAll(run, reason));
      state.lastRunAt = run.now();
      state.nextRunAt = run.now() + run.settings.every * (failed ? AGAIN_SHARE : 1);
    }
    if (workflowInfo().continueAsNewSuggested && run.asked === null && !run.stopping) {
      await condition(allHandlersFinished);
      await continueAsNew<typeof retrain>({ ...input, settings: run.settings, state });
    }
  }
  state.phase = 'stopping';
  show(run, 'stopped; what serves goes on serving');
  await condition(allHandlersFinished);
}
setWorkflowOptions({ versioningBehavior: 'AUTO_UPGRADE' }, retrain);

function createRun(input: RetrainInput): Run {
  const now = (): EpochSeconds => simulatedNow(input.scale, Date.now());
  const state: RetrainState = input.state ?? {
    run: 0,
    phase: 'waiting',
    detail: 'starting',
    nextRunAt: now(),
    lastRunAt: null,
    shadows: [],
    log: [],
  };
  const run: Run = {
    input,
    settings: input.settings,
    state,
    now,
    asked: null,
    stopping: false,
    cancel: null,
    woken: false,
  };
  setHandler(retrainNowSignal, ({ author, reason }) => {
    run.asked = `asked for by ${author}: ${reason}`;
  });
  setHandler(driftSignal, ({ reason }) => {
    const soonest = (state.lastRunAt ?? 0) + DRIFT_SHARE * run.settings.every;
    if (soonest >= state.nextRunAt) return;
    state.nextRunAt = Math.max(now(), soonest);
    note(run, `drift: ${reason}; the next run is at ${isoTime(state.nextRunAt)}`);
    run.woken = true;
  });
  setHandler(cancelRunSignal, ({ author }) => run.cancel?.(author));
  setHandler(retrainSettingsSignal, ({ settings, author }) => {
    run.settings = settings;
    state.nextRunAt = Math.min(state.nextRunAt, (state.lastRunAt ?? now()) + settings.every);
    note(run, `new settings by ${author}`);
    run.woken = true;
  });
  setHandler(stopRetrainSignal, ({ author }) => {
    run.stopping = true;
    note(run, `stopped by ${author}`);
    run.cancel?.(author);
  });
  setHandler(retrainStatusQuery, () => ({ ...state, scope: input.scope, settings: run.settings, now: now() }));
  return run;
}

function note(run: Run, text: string): void {
  run.state.log = [{ at: run.now(), text }, ...run.state.log].slice(0, LOG_KEPT);
}

function show(run: Run, detail: string): void {
  const { state, input } = run;
  state.detail = detail;
  setCurrentDetails(
    [
      `**models of ${input.account ?? 'all accounts'}** · ${run.settings.kinds.join(', ')} · run ${state.run}`,
      `**Now** ${state.phase} — ${detail}`,
      ...state.shadows.map(
        ({ kind, id, until }) => `**Shadow** ${kind} ${id.slice(0, 12)} beside the champion until ${isoTime(until)}`,
      ),
      '',
      ...state.log.map(({ at, text }) => `- ${isoTime(at)} ${text}`),
    ].join('\n'),
  );
}

async function waitForWork(run: Run): Promise<void> {
  const { state, input } = run;
  state.phase = 'waiting';
  while (run.asked === null && !run.stopping) {
    const next = Math.min(state.nextRunAt, ...state.shadows.map(({ until }) => until));
    const left = next - run.now();
    if (left <= 0) return;
    show(run, `next at ${isoTime(next)}`);
    run.woken = false;
    const wall = Math.max(1, Math.round(wallMilliseconds(input.scale, left)));
    const wake = (): boolean => run.woken || run.asked !== null || run.stopping;
    if (!(await condition(wake, wall, { summary: `next at ${isoTime(next)}` }))) return;
  }
}

/**
 * A run that fails or is cancelled is a line in the log: the champion serves on.
 * @returns true where it failed by itself.
 */
async function guarded(run: Run, what: string, work: () => Promise<void>): Promise<boolean> {
  const scope = new CancellationScope();
  let by = '';
  run.cancel = (author) => {
    by = author;
    scope.cancel();
  };
  try {
    await scope.run(work);
    return false;
  } catch (error) {
    // A cancellation of the workflow itself is not ours to swallow.
    if (isCancellation(error) && by === '') throw error;
    note(run, isCancellation(error) ? `${what} was cancelled by ${by}` : `${what} failed: ${words(error)}`);
    return !isCancellation(error);
  } finally {
    run.cancel = null;
  }
}

/** The innermost cause says what happened; what is around it says where. */
function words(error: unknown): string {
  let at = error;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return at instanceof Error ? at.message : String(at);
}

function gather(run: Run, days: number): Promise<GatherResult> {
  const { input, settings, state } = run;
  state.phase = 'gathering';
  show(run, `${days} days of usage`);
  const { account } = input;
  return comparing(input.queues, `usage of ${days} days`).gather({
    account,
    at: run.now(),
    days,
    mostSeries: settings.mostSeries,
  });
}

async function trainAll(run: Run, reason: string): Promise<void> {
  const { input, settings, state } = run;
  state.run++;
  note(run, `run ${state.run}: ${reason}`);
  const data = await gather(run, settings.days);
  if (data.series === 0) {
    note(run, 'no series has data enough to learn from; nothing was trained');
    return;
  }
  const cut = data.to - settings.holdOut;
  for (const kind of settings.kinds) {
    try {
      state.phase = 'training';
      show(run, `${kind} on ${data.series} series up to ${isoTime(cut)}`);
      const { scope } = input;
      const { levels, horizon, seed } = settings;
      const trained = await training(input.queues, `${kind}: ${data.series} series`).train({
        scope,
        kind,
        dataId: data.dataId,
        cut,
        levels,
        horizon,
        seed,
      });
      await meetChampion(run, kind, trained.id, data, cut);
    } catch (error) {
      // One kind that cannot be trained keeps no other from it.
      if (isCancellation(error)) throw error;
      note(run, `${kind} was not trained: ${words(error)}`);
    }
  }
  await comparing(input.queues, 'old models').tidy({ inUse: [] });
}

function compare(run: Run, kind: string, id: string, dataId: string, from: EpochSeconds): Promise<CompareResult> {
  const { input, settings, state } = run;
  state.phase = 'comparing';
  show(run, `${kind} ${id.slice(0, 12)} with the champion`);
  const { levels, horizon } = settings;
  return comparing(input.queues, `${kind} ${id.slice(0, 12)} with the champion`).compare({
    scope: input.scope,
    kind,
    dataId,
    challenger: id,
    from,
    levels,
    horizon,
  });
}

async function crown(
  run: Run,
  act: 'challenge' | 'promote' | 'reject',
  shadow: Pick<Shadow, 'kind' | 'id'>,
  why: string,
) {
  const { kind, id } = shadow;
  const { input } = run;
  await comparing(input.queues, `${act} ${id.slice(0, 12)}`).crown({
    scope: input.scope,
    kind,
    id,
    act,
    at: run.now(),
    by: BY,
    reason: why,
  });
  const done = { challenge: 'challenges', promote: 'is champion', reject: 'is let go' }[act];
  note(run, `${kind} ${id.slice(0, 12)} ${done}: ${why}`);
}

/** What becomes of a model that was just trained. */
async function meetChampion(run: Run, kind: string, id: string, data: GatherResult, cut: EpochSeconds): Promise<void> {
  const { settings, state } = run;
  const { verdict, champion, detail } = await compare(run, kind, id, data.dataId, cut);
  if (verdict === 'same') {
    note(run, `${kind} ${id.slice(0, 12)}: ${detail}`);
    return;
  }
  const one = { kind, id };
  await crown(run, 'challenge', one, detail);
  state.shadows = state.shadows.filter((shadow) => shadow.kind !== kind);
  if (verdict === 'worse') return crown(run, 'reject', one, detail);
  // Where nobody serves there is nobody to be a shadow of.
  if (verdict === 'better' && (champion === null || settings.shadow === 0)) return crown(run, 'promote', one, detail);
  if (settings.shadow === 0) return crown(run, 'reject', one, detail);
  const since = data.to;
  state.shadows.push({ ...one, since, until: since + settings.shadow });
}

/** On what came since the challenger stands beside the champion: days that nobody had when it was trained. */
async function judgeShadows(run: Run, due: readonly Shadow[]): Promise<void> {
  const { state, settings } = run;
  const longest = (shadow: Shadow): EpochSeconds => shadow.since + SHADOW_PERIODS * settings.shadow;
  // Whatever fails below is tried again after another period, and not for ever.
  const over = due.filter((shadow) => run.now() > longest(shadow) + settings.shadow);
  for (const { kind, id } of over) note(run, `${kind} ${id.slice(0, 12)} could not be judged; it is let go`);
  state.shadows = state.shadows
    .filter((shadow) => !over.includes(shadow))
    .map((shadow) => (due.includes(shadow) ? { ...shadow, until: run.now() + settings.shadow } : shadow));
  if (over.length === due.length) return;
  const data = await gather(run, settings.days);
  for (const shadow of due.filter((one) => !over.includes(one))) {
    const { verdict, detail } = await compare(run, shadow.kind, shadow.id, data.dataId, shadow.since);
    if (verdict === 'unknown' && run.now() < longest(shadow)) {
      note(run, `${shadow.kind} ${shadow.id.slice(0, 12)} goes on as a shadow: ${detail}`);
      continue;
    }
    await crown(run, verdict === 'better' ? 'promote' : 'reject', shadow, `as a shadow: ${detail}`);
    state.shadows = state.shadows.filter(({ id }) => id !== shadow.id);
  }
}
