import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  patched,
  setHandler,
  setWorkflowOptions,
  workflowInfo,
} from '@temporalio/workflow';
import { isoTime, simulatedNow, wallMilliseconds, type EpochSeconds } from '../src/domain/time.js';
import {
  cancelRunSignal,
  driftSignal,
  retrainNowSignal,
  retrainSettingsSignal,
  retrainStatusQuery,
  stopRetrainSignal,
  type RetrainInput,
  type RetrainState,
} from './retrain-messages.js';
import { judgeShadows, note, SEARCHING, show, trainAll, words, type Run } from './retrain-run.js';

/** Drift is answered at most so often, as a share of the time between runs: series that drift together ask together. */
const DRIFT_SHARE = 0.25;
/** In recorded runs of before, a run that failed was tried again after this share of the time between runs. */
const AGAIN_SHARE = 0.1;
/** One in which nothing was trained is tried again after this share, then after twice as much, and so on. */
const FIRST_AGAIN_SHARE = 0.02;
/** Drift of a series brings one run forward, however often it is told; recorded runs of before answered each telling. */
const DRIFT_ONCE = 'drift-of-a-series-once';
const DRIFTS_KEPT = 200;

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
    const asked = run.asked ?? (run.now() >= state.nextRunAt ? { reason: 'on schedule' } : null);
    if (due.length > 0) await guarded(run, 'judging challengers', () => judgeShadows(run, due).then(() => null));
    if (asked !== null && !run.stopping) {
      run.asked = null;
      const end = await guarded(run, 'retraining', () => trainAll(run, asked.reason, asked.fits));
      state.hastened = false;
      state.lastRunAt = run.now();
      state.nextRunAt = run.now() + run.settings.every * waitAfter(state, end);
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
  setHandler(retrainNowSignal, ({ author, reason, fits }) => {
    run.asked = { reason: `asked for by ${author}: ${reason}`, ...(fits === undefined ? {} : { fits }) };
  });
  setHandler(driftSignal, ({ reason, series }) => {
    if (series !== undefined && patched(DRIFT_ONCE) && !isNews(run, series)) return;
    const soonest = (state.lastRunAt ?? 0) + DRIFT_SHARE * run.settings.every;
    if (soonest >= state.nextRunAt) return;
    state.nextRunAt = Math.max(now(), soonest);
    state.hastened = true;
    note(run, `drift: ${reason}; the next run is at ${isoTime(state.nextRunAt)}`);
    run.woken = true;
  });
  setHandler(cancelRunSignal, ({ author }) => run.cancel?.(author));
  setHandler(retrainSettingsSignal, ({ settings, author }) => {
    run.settings = { ...run.settings, ...settings };
    state.nextRunAt = Math.min(state.nextRunAt, (state.lastRunAt ?? now()) + run.settings.every);
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

/** How a piece of work ended: `problem` where it failed by itself, or brought nothing about. */
interface End {
  problem: string | null;
  cancelled: boolean;
}

/** Share of the time between two runs until the next; notes what a person should look at. */
function waitAfter(state: RetrainState, { problem, cancelled }: End): number {
  if (!patched(SEARCHING)) return problem === null ? 1 : AGAIN_SHARE;
  if (cancelled) return 1;
  state.failures = problem === null ? 0 : (state.failures ?? 0) + 1;
  const runs = state.failures === 1 ? 'the last run' : `the last ${state.failures} runs`;
  state.attention = problem === null ? null : `${runs} trained nothing: ${problem}`;
  return problem === null ? 1 : Math.min(1, FIRST_AGAIN_SHARE * 2 ** (state.failures - 1));
}

/** Whether a series is among them whose drift has not been answered within the time between two runs. */
function isNews(run: Run, series: readonly string[]): boolean {
  const at = run.now();
  const known = (run.state.drifts ?? []).filter((one) => one.at > at - run.settings.every);
  const news = series.filter((name) => !known.some((one) => one.series === name));
  run.state.drifts = [...news.map((name) => ({ series: name, at })), ...known].slice(0, DRIFTS_KEPT);
  return news.length > 0;
}

/** A run that fails or is cancelled is a line in the log: the champion serves on. */
async function guarded(run: Run, what: string, work: () => Promise<string | null>): Promise<End> {
  const scope = new CancellationScope();
  let by = '';
  run.cancel = (author) => {
    by = author;
    scope.cancel();
  };
  try {
    return { problem: await scope.run(work), cancelled: false };
  } catch (error) {
    // A cancellation of the workflow itself is not ours to swallow.
    if (isCancellation(error) && by === '') throw error;
    const cancelled = isCancellation(error);
    note(run, cancelled ? `${what} was cancelled by ${by}` : `${what} failed: ${words(error)}`);
    return { problem: cancelled ? null : words(error), cancelled };
  } finally {
    run.cancel = null;
  }
}
