import { errorsOf } from '../domain/errors.js';
import { createRandom, type Random } from './neural/random.js';

/*
 * Hyper-parameters by successive halving (Jamieson & Talwalkar 2016) within a budget of fits: many candidates with
 * little effort, the better third of them with three times as much, and so on to the last ones with all. A budget counts
 * fits, never seconds, so that the same seed and data choose the same on any machine.
 */

const searchError = errorsOf('forecast/search');

/** What one hyper-parameter may be. */
export type Dimension =
  | { kind: 'choice'; values: readonly (string | number | boolean)[] }
  /** Evenly over the range, or over its logarithm; whole numbers where asked for. */
  | { kind: 'range'; from: number; to: number; log?: boolean; whole?: boolean };

export type Space = Readonly<Record<string, Dimension>>;

export type Candidate = Record<string, string | number | boolean>;

export interface Trial {
  candidate: Candidate;
  /** Share of a whole fit's effort, in (0, 1]. */
  effort: number;
  /** Lower is better; infinite where the fit failed. */
  loss: number;
}

export interface SearchOptions {
  /** Several where kinds of models have hyper-parameters of their own: each draw takes one of them. */
  space: Space | readonly [Space, ...Space[]];
  /** Candidates that are tried before any is drawn: what is in use now, what the class of the workloads suggests. */
  start?: readonly Candidate[];
  /** Fits in all, ≥ 1, of whatever effort. */
  budget: number;
  seed: number;
  /**
   * Fits and judges on data that the fit did not see.
   * @returns the loss; not finite (or a HeadroomError of kind `invalid-input`) puts the candidate last.
   */
  fit(candidate: Candidate, effort: number): Promise<number>;
  /** What an interrupted search had tried: those fits are not done again. */
  known?: readonly Trial[];
  onTrial?(trial: Trial, done: number): void;
  signal?: AbortSignal;
}

export interface SearchResult {
  best: Trial;
  /** All fits in the order in which they were judged. */
  trials: Trial[];
}

/** Of each rung, one in so many goes on, with so many times the effort. */
const KEPT = 3;

/** Candidates in each rung, the first the widest: as wide as the budget allows. */
export function rungs(budget: number): number[] {
  let widths = [1];
  for (let first = 1; first <= budget; first++) {
    const tried = [first];
    // Down to one candidate that gets a whole fit.
    for (let width = first; width > 1;) tried.push((width = Math.ceil(width / KEPT)));
    if (tried.reduce((sum, width) => sum + width, 0) <= budget) widths = tried;
  }
  return widths;
}

/**
 * @throws HeadroomError `invalid-input` where the budget is below one, or no fit came to an end; what `fit` throws besides;
 *   the signal's reason.
 */
export async function searchHyperParameters(options: SearchOptions): Promise<SearchResult> {
  const { space, budget, seed, signal } = options;
  if (!(budget >= 1)) {
    throw searchError('invalid-input', 'searching hyper-parameters', `a budget of ${budget} fits`, 'give at least 1');
  }
  const widths = rungs(Math.floor(budget));
  const random = createRandom(seed);
  const known = new Map((options.known ?? []).map((trial) => [keyOf(trial.candidate, trial.effort), trial]));
  let field = fieldOf(space, options.start ?? [], widths[0] ?? 1, random);
  const trials: Trial[] = [];
  let last: Trial[] = [];
  const refusals: string[] = [];
  for (const [rung, width] of widths.entries()) {
    const effort = KEPT ** (rung - widths.length + 1);
    last = [];
    for (const candidate of field.slice(0, width)) {
      signal?.throwIfAborted();
      const before = known.get(keyOf(candidate, effort));
      const loss = before?.loss ?? (await judge(options, candidate, effort, refusals));
      const trial = { candidate, effort, loss: Number.isFinite(loss) ? loss : Number.POSITIVE_INFINITY };
      last.push(trial);
      trials.push(trial);
      options.onTrial?.(trial, trials.length);
    }
    // A stable sort: equal ones stay in the order in which they were drawn.
    last.sort((a, b) => (a.loss === b.loss ? 0 : a.loss - b.loss));
    field = last.map(({ candidate }) => candidate);
  }
  const best = last[0];
  if (best === undefined || best.loss === Number.POSITIVE_INFINITY) {
    const why = refusals[0] === undefined ? '' : ` (the first: ${refusals[0]})`;
    const problem = `none of ${trials.length} fits came to an end with a finite loss${why}`;
    throw searchError('invalid-input', 'searching hyper-parameters', problem, 'see that the series are long enough');
  }
  return { best, trials };
}

/** @param refusals takes the words of a fit that was refused. */
async function judge(
  options: SearchOptions,
  candidate: Candidate,
  effort: number,
  refusals: string[],
): Promise<number> {
  try {
    return await options.fit(candidate, effort);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof Error && 'kind' in error && error.kind === 'invalid-input') {
      refusals.push(error.message);
      return Number.POSITIVE_INFINITY;
    }
    throw error;
  }
}

const keyOf = (candidate: Candidate, effort: number): string =>
  JSON.stringify([Object.entries(candidate).sort(([a], [b]) => (a < b ? -1 : 1)), effort]);

/** The starting points, then candidates drawn from the space, none twice where the space has as many. */
function fieldOf(
  space: SearchOptions['space'],
  start: readonly Candidate[],
  width: number,
  random: Random,
): Candidate[] {
  const field: Candidate[] = [];
  const seen = new Set<string>();
  const add = (candidate: Candidate): void => {
    const key = keyOf(candidate, 1);
    if (!seen.has(key)) field.push(candidate);
    seen.add(key);
  };
  start.forEach(add);
  // A small space is exhausted after so many draws; the field is then as wide as the space.
  const spaces = isSeveral(space) ? space : [space];
  for (let draws = 0; field.length < width && draws < 50 * width; draws++) {
    const one = spaces[random.below(spaces.length)] ?? {};
    add(Object.fromEntries(Object.entries(one).map(([name, dimension]) => [name, draw(dimension, random)])));
  }
  return field;
}

const isSeveral = (space: SearchOptions['space']): space is readonly [Space, ...Space[]] => Array.isArray(space);

function draw(dimension: Dimension, random: Random): string | number | boolean {
  if (dimension.kind === 'choice') {
    const value = dimension.values[random.below(dimension.values.length)];
    if (value === undefined) {
      throw searchError('invalid-input', 'searching hyper-parameters', 'a choice of nothing', 'give values');
    }
    return value;
  }
  const { from, to, log = false, whole = false } = dimension;
  const share = random.uniform();
  const value = log ? from * (to / from) ** share : from + share * (to - from);
  return whole ? Math.round(value) : value;
}
