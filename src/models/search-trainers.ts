import type { EpochSeconds } from '../domain/time.js';
import {
  searchHyperParameters,
  type Candidate,
  type SearchOptions,
  type Space,
  type Trial,
} from '../forecast/search.js';
import type { HyperParameters } from './card.js';
import { cutSeries } from './collect.js';
import { modelsError } from './errors.js';
import type { Trainer, TrainingSeries, TrainProgress } from './port.js';
import { scoreModels } from './score.js';

/*
 * Which kind of model, with which hyper-parameters: trainers side by side in one search, each judged by the weighted
 * quantile loss on bins that its fit had not seen.
 */

/** What may be chosen of one kind, and which of its hyper-parameters says how long a fit may take. */
interface Choices {
  space: Space;
  effort: { name: string; whole: number };
}

export const CHOICES: Readonly<Record<string, Choices>> = {
  booster: {
    space: {
      leaves: { kind: 'range', from: 8, to: 64, log: true, whole: true },
      minLeaf: { kind: 'range', from: 50, to: 800, log: true, whole: true },
      learningRate: { kind: 'range', from: 0.03, to: 0.2, log: true },
      columnShare: { kind: 'range', from: 0.3, to: 1 },
    },
    effort: { name: 'rounds', whole: 400 },
  },
  'neural-tcn': {
    space: {
      patch: { kind: 'choice', values: [6, 12, 24, 48] },
      units: { kind: 'choice', values: [24, 32, 48, 64] },
      hidden: { kind: 'choice', values: [32, 48, 64, 96] },
      rate: { kind: 'range', from: 5e-4, to: 6e-3, log: true },
      dropout: { kind: 'range', from: 0, to: 0.3 },
      l2: { kind: 'range', from: 1e-5, to: 1e-1, log: true },
    },
    effort: { name: 'epochs', whole: 16 },
  },
  'neural-gru': {
    space: {
      patch: { kind: 'choice', values: [6, 12, 24, 48] },
      units: { kind: 'choice', values: [24, 32, 48] },
      hidden: { kind: 'choice', values: [32, 48, 64] },
      rate: { kind: 'range', from: 5e-4, to: 6e-3, log: true },
      dropout: { kind: 'range', from: 0, to: 0.3 },
    },
    effort: { name: 'epochs', whole: 16 },
  },
};

export interface TrainerSearch extends Pick<SearchOptions, 'budget' | 'seed' | 'onTrial' | 'known'> {
  series: readonly TrainingSeries[];
  /** Fits see what lies before it; what follows judges them. */
  cut: EpochSeconds;
  levels: readonly number[];
  /** Seconds ahead. */
  horizon: number;
  /** What is in use, or what the class of the workloads suggests: tried first. */
  start?: readonly { kind: string; hyperParameters: HyperParameters }[];
  signal: AbortSignal;
  /** Of the fit that is under way. */
  onProgress?(progress: TrainProgress): void;
}

/**
 * @returns the best of a budget of fits, to train with on all data, and every fit that was tried.
 * @throws HeadroomError as {@link searchHyperParameters}; `invalid-input` where nothing is known of a trainer's choices.
 */
export async function searchTrainers(
  trainers: readonly Trainer[],
  search: TrainerSearch,
): Promise<{ kind: string; hyperParameters: HyperParameters; loss: number; trials: Trial[] }> {
  const { cut, levels, horizon, seed, signal, start = [], series, onProgress, ...rest } = search;
  const byKind = new Map(trainers.map((trainer) => [trainer.kind, trainer]));
  const choicesOf = (kind: string): Choices => {
    const choices = CHOICES[kind];
    if (choices !== undefined) return choices;
    const known = Object.keys(CHOICES).join(', ');
    throw modelsError(
      'invalid-input',
      `searching hyper-parameters of ${kind}`,
      'no choices are known',
      `name ${known}`,
    );
  };
  const spaces = trainers.map(({ kind }): Space => ({
    kind: { kind: 'choice', values: [kind] },
    ...choicesOf(kind).space,
  }));
  const [first, ...others] = spaces;
  if (first === undefined) {
    throw modelsError('invalid-input', 'searching hyper-parameters', 'no trainer is given', 'name one');
  }
  const seen = cutSeries(series, cut);
  const settingsOf = (candidate: Candidate, effort: number): { trainer: Trainer; settings: HyperParameters } => {
    const { kind, ...settings } = candidate;
    const trainer = byKind.get(String(kind));
    if (trainer === undefined) {
      throw modelsError(
        'invalid-input',
        `searching hyper-parameters of ${String(kind)}`,
        'it is not here',
        'leave it out',
      );
    }
    if (effort === 1) return { trainer, settings };
    const { name, whole } = choicesOf(trainer.kind).effort;
    const most = Number(settings[name] ?? whole);
    return { trainer, settings: { ...settings, [name]: Math.max(1, Math.round(most * effort)) } };
  };
  const { best, trials } = await searchHyperParameters({
    ...rest,
    seed,
    signal,
    space: [first, ...others],
    start: start.map(({ kind, hyperParameters }) => ({ kind, ...plain(hyperParameters) })),
    async fit(candidate, effort) {
      const { trainer, settings } = settingsOf(candidate, effort);
      const trained = await trainer.train(seen, {
        ...{ levels, horizon, seed, hyperParameters: settings, signal },
        ...(onProgress === undefined ? {} : { onProgress }),
      });
      const model = await trainer.load(trained.weights);
      const window = { from: cut, to: Number.POSITIVE_INFINITY, levels, horizon };
      const [score] = await scoreModels([model], series, window, signal);
      return score?.metrics?.wql ?? Number.NaN;
    },
  });
  const { trainer, settings } = settingsOf(best.candidate, 1);
  return { kind: trainer.kind, hyperParameters: settings, loss: best.loss, trials };
}

/** What a search can vary; lists and nothings of a card stay the trainer's own affair. */
const plain = (all: HyperParameters): Candidate =>
  Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) =>
      value === null || Array.isArray(value) ? [] : [[name, value] as const],
    ),
  );
