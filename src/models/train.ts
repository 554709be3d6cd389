import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { EpochSeconds } from '../domain/time.js';
import { sha256, type Artifact } from './artifact.js';
import type { CardSearch, HyperParameters, ModelCard } from './card.js';
import type { CodeVersion } from './code-version.js';
import { cutSeries, describeSeries, partOf } from './collect.js';
import { codeOf, modelsError } from './errors.js';
import { replaceFile } from './files.js';
import type { Trainer, TrainingSeries, TrainProgress } from './port.js';
import { scoreModels } from './score.js';
import type { ArtifactStore } from './store.js';

/* One fit, from series to an artifact with its card, resumable by what it leaves on disk on the way. */

export interface TrainRequest {
  /** Up to the end of the data; the trainer sees what lies before `cut`, the card's figures come from what follows. */
  series: readonly TrainingSeries[];
  cut: EpochSeconds;
  levels: readonly number[];
  /** Seconds ahead. */
  horizon: number;
  seed: number;
  hyperParameters?: HyperParameters;
  /** Where those came from, for the card. */
  search?: CardSearch;
  signal: AbortSignal;
  onProgress?(progress: TrainProgress): void;
}

export interface TrainPlace {
  store: ArtifactStore;
  /** Where checkpoints stand. */
  work: string;
  code: CodeVersion;
}

/** Checkpoints are written at most so often: they cost a sync of the disk. */
const CHECKPOINT_EVERY_MS = 5000;

/**
 * Trains, scores what was held back, and keeps the artifact. After an interruption the same call goes on from its last
 * checkpoint.
 * @throws HeadroomError as {@link Trainer.train}; `invalid-input` where nothing lies before the cut.
 */
export async function trainModel(trainer: Trainer, request: TrainRequest, place: TrainPlace): Promise<Artifact> {
  const { cut, levels, horizon, seed, hyperParameters, signal, onProgress } = request;
  const seen = cutSeries(request.series, cut);
  if (seen.length === 0) {
    const problem = `of ${request.series.length} series none has enough bins before the part that is held back`;
    throw modelsError('invalid-input', `training ${trainer.kind}`, problem, 'wait for more history');
  }
  const data = describeSeries(seen);
  const key = sha256(
    JSON.stringify([trainer.kind, data.hash, levels, horizon, seed, hyperParameters ?? {}, place.code]),
  );
  const path = join(place.work, `${key}.checkpoint`);
  const checkpoint = await readCheckpoint(path);
  let writing: Promise<void> = Promise.resolve();
  let writtenAt = 0;
  let failure: unknown = null;
  const trained = await trainer
    .train(seen, {
      levels,
      horizon,
      seed,
      signal,
      ...(hyperParameters === undefined ? {} : { hyperParameters }),
      ...(onProgress === undefined ? {} : { onProgress }),
      ...(checkpoint === null ? {} : { checkpoint }),
      onCheckpoint(state) {
        if (performance.now() - writtenAt < CHECKPOINT_EVERY_MS) return;
        writtenAt = performance.now();
        const bytes = sealed(state);
        // A checkpoint that cannot be written costs time after the next interruption, never the fit.
        writing = writing.then(() => replaceFile(path, bytes)).catch((error: unknown) => void (failure = error));
      },
    })
    .finally(() => writing);
  if (failure !== null) onProgress?.({ done: 1, note: `its checkpoints could not be written: ${String(failure)}` });
  signal.throwIfAborted();
  const model = await trainer.load(trained.weights);
  const window = { from: cut, to: Number.POSITIVE_INFINITY, levels, horizon };
  const [score] = await scoreModels([model], request.series, window, signal);
  const card: Omit<ModelCard, 'weights'> = {
    kind: trainer.kind,
    levels: [...levels],
    horizon,
    data,
    seed,
    backend: trained.backend,
    code: place.code,
    hyperParameters: trained.hyperParameters,
    ...(request.search === undefined ? {} : { search: request.search }),
    metrics: score?.metrics ?? null,
  };
  const artifact = await place.store.put(card, trained.weights);
  await rm(path, { force: true });
  return artifact;
}

/** A checkpoint under its hash, so that half of one is none. */
const sealed = (state: Uint8Array): Buffer => Buffer.concat([Buffer.from(sha256(state), 'hex'), state]);

async function readCheckpoint(path: string): Promise<Uint8Array | null> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
  const state = new Uint8Array(bytes.subarray(32));
  return bytes.subarray(0, 32).toString('hex') === sha256(state) ? state : null;
}

export interface Repeat {
  same: boolean;
  /** Of the new fit. */
  id: string;
  weights: string;
  detail: string;
}

/**
 * Fits once more by what a card says and compares the weights byte for byte.
 * @param series the data as they are now; the card's hash says whether they are what it was trained on.
 * @throws HeadroomError `refused` where data, backend or code are not the card's: a difference would then prove nothing.
 */
export async function repeatFit(
  trainer: Trainer,
  artifact: Artifact,
  series: readonly TrainingSeries[],
  request: { signal: AbortSignal; onProgress?(progress: TrainProgress): void },
  place: TrainPlace,
): Promise<Repeat> {
  const { card } = artifact;
  const action = `repeating the fit of model ${artifact.id.slice(0, 12)}`;
  const wanted = new Set(card.data.series);
  const same = cutSeries(series, card.data.to)
    .filter(({ id }) => wanted.has(id))
    .flatMap((one) => startingAt(one, card.data.from));
  const missing = wanted.size - same.length;
  if (missing > 0)
    throw modelsError('refused', action, `${missing} of its series are not here`, 'run it in its own home');
  if (describeSeries(same).hash !== card.data.hash) {
    const problem = 'the data of its window have changed since (late samples, corrections, or rows past retention)';
    throw modelsError('refused', action, problem, 'nothing can be compared; train anew');
  }
  const trained = await trainer.train(same, {
    levels: card.levels,
    horizon: card.horizon,
    seed: card.seed,
    hyperParameters: card.hyperParameters,
    ...request,
  });
  const weights = sha256(trained.weights);
  const id = artifact.id;
  if (weights === card.weights) return { same: true, id, weights, detail: `bit for bit the same on ${card.backend}` };
  const code =
    place.code.build === card.code.build ? '' : `; the code is ${place.code.build}, it was ${card.code.build}`;
  const on =
    trained.backend === card.backend ? `also on ${card.backend}` : `on ${trained.backend} instead of ${card.backend}`;
  return { same: false, id, weights, detail: `other weights, ${on}${code}` };
}

/** Bins from a moment on. */
function startingAt(series: TrainingSeries, from: EpochSeconds): TrainingSeries[] {
  const skipped = Math.max(0, Math.ceil((from - series.start) / series.step));
  const lead = series.values.subarray(skipped).findIndex((value) => !Number.isNaN(value));
  return lead < 0 ? [] : [partOf(series, skipped + lead)];
}
