import { isCancellation, patched, setCurrentDetails } from '@temporalio/workflow';
import type { CompareResult, GatherResult } from '../activities/retrain-types.js';
import { isoTime, type EpochSeconds } from '../src/domain/time.js';
import { comparing, training } from './activities.js';
import type { RetrainInput, RetrainSettings, RetrainState, Shadow } from './retrain-messages.js';

/* One run: what is gathered, searched, trained and compared, and what becomes of it. */

const LOG_KEPT = 30;
/** A shadow period without days enough to judge by is extended by its own length, so many times. */
const SHADOW_PERIODS = 3;
const BY = 'retrain';
/** Runs search, and one in which nothing was trained is a failure; recorded runs of before go on as they were. */
export const SEARCHING = 'search-and-try-again';

/**
 * A run that drift brought forward holds back no more than this: the new ways are a day or two old, and what is held back is
 * not learnt. Where so little is too little to judge by, the challenger is a shadow until its own evidence is in.
 */
const DRIFT_HOLD_OUT = 86_400;
/** Recorded runs of before held back as much as others. */
const SHORT_HOLD_OUT = 'drift-holds-out-less';

export interface Run {
  input: RetrainInput;
  settings: RetrainSettings;
  state: RetrainState;
  now(): EpochSeconds;
  /** Why a run is to begin before its time, and with how many fits of search; null where none is. */
  asked: { reason: string; fits?: number } | null;
  stopping: boolean;
  /** Ends the work that is under way; null while there is none. */
  cancel: ((author: string) => void) | null;
  /** Set by anything that changes what is waited for. */
  woken: boolean;
}

export function note(run: Run, text: string): void {
  run.state.log = [{ at: run.now(), text }, ...run.state.log].slice(0, LOG_KEPT);
}

export function show(run: Run, detail: string): void {
  const { state, input } = run;
  state.detail = detail;
  setCurrentDetails(
    [
      `**models of ${input.account ?? 'all accounts'}** · ${run.settings.kinds.join(', ')} · run ${state.run}`,
      `**Now** ${state.phase} — ${detail}`,
      ...[state.attention ?? []].flat().map((text) => `**Attention** ${text}`),
      ...state.shadows.map(
        ({ kind, id, until }) => `**Shadow** ${kind} ${id.slice(0, 12)} beside the champion until ${isoTime(until)}`,
      ),
      '',
      ...state.log.map(({ at, text }) => `- ${isoTime(at)} ${text}`),
    ].join('\n'),
  );
}

/** The innermost cause says what happened; what is around it says where. */
export function words(error: unknown): string {
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

const NO_DATA = 'no series has data enough to learn from; nothing was trained';

/**
 * @param asked fits of search that this run was asked for; the settings' own where absent.
 * @returns why nothing was trained; null where something was.
 */
export async function trainAll(run: Run, reason: string, asked?: number): Promise<string | null> {
  const { input, settings, state } = run;
  const anew = patched(SEARCHING);
  state.run++;
  note(run, `run ${state.run}: ${reason}`);
  const data = await gather(run, settings.days);
  noteData(run, data);
  if (data.series === 0) {
    note(run, NO_DATA);
    return anew ? NO_DATA : null;
  }
  const hastened = state.hastened === true && patched(SHORT_HOLD_OUT);
  const holdOut = hastened ? Math.min(settings.holdOut, DRIFT_HOLD_OUT) : settings.holdOut;
  if (holdOut < settings.holdOut) note(run, 'drift brought it forward: it learns all but the last day');
  const cut = data.to - holdOut;
  const searchId = anew ? await search(run, data, cut, asked ?? settings.fits ?? 0) : null;
  const failures: string[] = [];
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
        ...(searchId === null ? {} : { searchId }),
      });
      await meetChampion(run, kind, trained.id, data, cut);
    } catch (error) {
      // One kind that cannot be trained keeps no other from it.
      if (isCancellation(error)) throw error;
      failures.push(`${kind}: ${words(error)}`);
      note(run, `${kind} was not trained: ${words(error)}`);
    }
  }
  await comparing(input.queues, 'old models').tidy({ inUse: [], done: [data.dataId] });
  return anew && failures.length === settings.kinds.length ? `no kind was trained (${failures.join('; ')})` : null;
}

/** What went in and what did not, so that nobody waits for models of series that nobody trains on. */
function noteData(run: Run, { series, accounts, leftOut }: GatherResult): void {
  if (leftOut === undefined) return;
  const others = leftOut.map(
    ({ why, series: left, accounts: of }) => `${left} left out since ${why} (${of.join(', ')})`,
  );
  note(run, [`${series} series of ${accounts} accounts go in`, ...others].join('; '));
}

/** Chooses hyper-parameters; without an answer the usual ones are trained with. */
async function search(run: Run, data: GatherResult, cut: EpochSeconds, fits: number): Promise<string | null> {
  if (fits < 1) return null;
  const { input, settings, state } = run;
  const { levels, horizon, seed, kinds } = settings;
  state.phase = 'searching';
  show(run, `${fits} fits of ${kinds.join(', ')} on ${data.series} series`);
  try {
    const { searchId, detail } = await training(input.queues, `search: ${fits} fits`).search({
      ...{ scope: input.scope, kinds, dataId: data.dataId, cut, levels, horizon, seed, fits },
      class: data.class ?? null,
    });
    note(run, `search: ${detail}`);
    return searchId;
  } catch (error) {
    if (isCancellation(error)) throw error;
    note(run, `the search failed, the usual settings are trained with: ${words(error)}`);
    return null;
  }
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
  { ratio, units }: Pick<CompareResult, 'ratio' | 'units'>,
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
    ...(ratio === null ? {} : { judged: { ratio, units } }),
  });
  const done = { challenge: 'challenges', promote: 'is champion', reject: 'is let go' }[act];
  note(run, `${kind} ${id.slice(0, 12)} ${done}: ${why}`);
}

/** What becomes of a model that was just trained. */
async function meetChampion(run: Run, kind: string, id: string, data: GatherResult, cut: EpochSeconds): Promise<void> {
  const { settings, state } = run;
  const compared = await compare(run, kind, id, data.dataId, cut);
  const { verdict, champion, detail } = compared;
  if (verdict === 'same') {
    note(run, `${kind} ${id.slice(0, 12)}: ${detail}`);
    return;
  }
  const one = { kind, id };
  await crown(run, 'challenge', one, detail, compared);
  state.shadows = state.shadows.filter((shadow) => shadow.kind !== kind);
  if (verdict === 'worse') return crown(run, 'reject', one, detail, compared);
  // Where nobody serves there is nobody to be a shadow of.
  if (verdict === 'better' && (champion === null || settings.shadow === 0))
    return crown(run, 'promote', one, detail, compared);
  if (settings.shadow === 0) return crown(run, 'reject', one, detail, compared);
  const since = data.to;
  state.shadows.push({ ...one, since, until: since + settings.shadow });
}

/** On what came since the challenger stands beside the champion: days that nobody had when it was trained. */
export async function judgeShadows(run: Run, due: readonly Shadow[]): Promise<void> {
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
    const compared = await compare(run, shadow.kind, shadow.id, data.dataId, shadow.since);
    const { verdict, detail } = compared;
    if (verdict === 'unknown' && run.now() < longest(shadow)) {
      note(run, `${shadow.kind} ${shadow.id.slice(0, 12)} goes on as a shadow: ${detail}`);
      continue;
    }
    await crown(run, verdict === 'better' ? 'promote' : 'reject', shadow, `as a shadow: ${detail}`, compared);
    state.shadows = state.shadows.filter(({ id }) => id !== shadow.id);
  }
}
