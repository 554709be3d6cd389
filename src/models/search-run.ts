import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { WorkloadClass } from '../behavior/classes/class.js';
import type { EpochSeconds } from '../domain/time.js';
import type { Candidate, Trial } from '../forecast/search.js';
import { sha256 } from './artifact.js';
import { cardSearchSchema, type CardSearch, type HyperParameters } from './card.js';
import type { CodeVersion } from './code-version.js';
import { cutSeries, describeSeries } from './collect.js';
import { codeOf, modelsError } from './errors.js';
import { replaceFile } from './files.js';
import type { Trainer, TrainingSeries, TrainProgress } from './port.js';
import { startOfSearch } from './search-start.js';
import { CHOICES, searchTrainers } from './search-trainers.js';

/*
 * The search that goes before a run's fits. Its trials are written down one by one, so that a run whose worker died goes
 * on with the fit that it was at; the budget counts fits, so that the same data and seed choose the same anywhere.
 */

export interface ModelSearch {
  /** Nothing behind `cut` is looked at: it judges the models later. */
  series: readonly TrainingSeries[];
  cut: EpochSeconds;
  levels: readonly number[];
  /** Seconds ahead. */
  horizon: number;
  seed: number;
  /** Fits, of whatever effort. */
  fits: number;
  class: WorkloadClass | null;
  /** Settings of the champions, by kind. */
  inUse: ReadonlyMap<string, HyperParameters>;
  signal: AbortSignal;
  onProgress?(progress: TrainProgress): void;
}

export interface SearchPlace {
  /** Where its file stands. */
  work: string;
  code: CodeVersion;
}

const DAY = 86_400;
/**
 * At the end of what may be seen, so much judges the fits: a quarter of it, three days at most; but twice the horizon where
 * half of it is as long, since a target behind the end judges nothing.
 */
const VALIDATION_SHARE = 0.25;
const VALIDATION_MOST = 3 * DAY;
const VALIDATION_HORIZONS = 2;

const fileSchema = cardSearchSchema.extend({ done: z.boolean() });

const pathOf = (work: string, id: string): string => join(work, `search-${id}.json`);

/** Kinds of which it is known what may be chosen. */
export const searchable = (kinds: readonly string[]): string[] => kinds.filter((kind) => CHOICES[kind] !== undefined);

/**
 * @param trainers of kinds that are {@link searchable}.
 * @returns the name under which its file is found by {@link readSearch}, and what it holds.
 * @throws HeadroomError `invalid-input` where no fit came to an end; the signal's reason when aborted, between two fits
 *   or in one.
 */
export async function searchModels(
  trainers: readonly Trainer[],
  search: ModelSearch,
  { work, code }: SearchPlace,
): Promise<{ id: string; found: CardSearch }> {
  const { cut, levels, horizon, seed, fits, signal, inUse, onProgress } = search;
  const kinds = trainers.map(({ kind }) => kind);
  const series = cutSeries(search.series, cut);
  if (series.length === 0) {
    const problem = 'no series has enough bins before the part that is held back';
    throw modelsError('invalid-input', 'searching hyper-parameters', problem, 'wait for more history');
  }
  const data = describeSeries(series);
  const coarsest = Math.max(...series.map(({ step }) => step));
  const span = data.to - data.from;
  const length = Math.max(
    Math.min(VALIDATION_MOST, VALIDATION_SHARE * span),
    Math.min(VALIDATION_HORIZONS * horizon, 0.5 * span),
  );
  const from = data.to - Math.max(coarsest, Math.floor(length / coarsest) * coarsest);
  const start = startOfSearch(kinds, inUse, search.class, data.step);
  const id = sha256(JSON.stringify([data.hash, from, kinds, start, levels, horizon, seed, fits, code])).slice(0, 16);
  const path = pathOf(work, id);
  const found: CardSearch = { fits, class: search.class, validation: { from, to: data.to }, trials: [] };
  const before = await readFileOf(path);
  if (before?.done === true) return { id, found: stripped(before) };
  const known = (before?.trials ?? []).map(trialOf);
  let writing: Promise<void> = Promise.resolve();
  let failure: unknown = null;
  const keep = (done: boolean): void => {
    const bytes = Buffer.from(JSON.stringify({ ...found, done }));
    // What cannot be written costs fits after an interruption, never the search; but its end has to stand.
    writing = writing
      .then(() => replaceFile(path, bytes))
      .then(
        () => void (failure = null),
        (error: unknown) => void (failure = error),
      );
  };
  await searchTrainers(trainers, {
    ...{ series, cut: from, levels, horizon, seed, signal, budget: fits, start, known },
    onTrial(trial, done) {
      found.trials.push(lineOf(trial));
      // Those that are known already stand in the file.
      if (found.trials.length > known.length) keep(false);
      const { kind } = trial.candidate;
      onProgress?.({
        done: done / fits,
        note: `fit ${done} of ${fits}: ${String(kind)}, loss ${trial.loss.toPrecision(4)}`,
      });
    },
    onProgress(inner) {
      const done = (found.trials.length + inner.done) / fits;
      onProgress?.({ done: Math.min(1, done), note: `fit ${found.trials.length + 1} of ${fits}: ${inner.note}` });
    },
  }).finally(() => writing);
  keep(true);
  await writing;
  if (failure !== null) throw failure;
  return { id, found };
}

const lineOf = ({ candidate, effort, loss }: Trial): CardSearch['trials'][number] => {
  const { kind, ...hyperParameters } = candidate;
  return { kind: String(kind), hyperParameters, effort, loss: Number.isFinite(loss) ? loss : null };
};

function trialOf({ kind, hyperParameters, effort, loss }: CardSearch['trials'][number]): Trial {
  const candidate: Candidate = { kind };
  for (const [name, value] of Object.entries(hyperParameters)) {
    if (value !== null && !Array.isArray(value)) candidate[name] = value;
  }
  return { candidate, effort, loss: loss ?? Number.POSITIVE_INFINITY };
}

const stripped = ({ done: _done, ...search }: z.infer<typeof fileSchema>): CardSearch => search;

/** Null where there is none, or half of one: the search then begins anew. */
async function readFileOf(path: string): Promise<z.infer<typeof fileSchema> | null> {
  try {
    const parsed = fileSchema.safeParse(JSON.parse(await readFile(path, 'utf8')));
    return parsed.success ? parsed.data : null;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return null;
    throw error;
  }
}

/**
 * What a search found, by its name.
 * @throws HeadroomError `not-found` where it is not there, or did not come to its end.
 */
export async function readSearch(work: string, id: string): Promise<CardSearch> {
  const read = await readFileOf(pathOf(work, id));
  if (read?.done === true) return stripped(read);
  const remedy = 'let all compute workers of a cell share one folder by HEADROOM_MODELS; the next run searches anew';
  throw modelsError('not-found', `reading search ${id}`, `${pathOf(work, id)} is not there or not whole`, remedy);
}

/** The best settings for a kind: of the fits with the most effort the one with the least loss; null where it had none. */
export function bestOf(search: CardSearch, kind: string): HyperParameters | null {
  let best: { hyperParameters: HyperParameters; effort: number; loss: number } | null = null;
  for (const { kind: of, hyperParameters, effort, loss } of search.trials) {
    if (of !== kind || loss === null) continue;
    if (best === null || effort > best.effort || (effort === best.effort && loss < best.loss)) {
      best = { hyperParameters, effort, loss };
    }
  }
  return best?.hyperParameters ?? null;
}

/** One line for a person: which fit came out first. */
export function describeSearch({ trials, fits, class: of }: CardSearch): string {
  const most = Math.max(...trials.map(({ effort }) => effort));
  const [first] = trials
    .filter(({ effort, loss }) => effort === most && loss !== null)
    .sort((a, b) => (a.loss ?? 0) - (b.loss ?? 0));
  const words =
    first === undefined ? 'none came to an end' : `${first.kind} first with loss ${first.loss?.toPrecision(4)}`;
  return `${trials.length} of ${fits} fits, from what suits ${of ?? 'no class in particular'}: ${words}`;
}
