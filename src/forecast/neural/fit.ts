import { createHash } from 'node:crypto';
import type { TrainingSeries } from '../../models/port.js';
import { pack, unpack } from '../booster/container.js';
import { adamStep, createAdamState, pullOf } from './adam.js';
import type { Backend } from './backend.js';
import { createBatches } from './batches.js';
import { createGraph, type Batch } from './graph.js';
import { initialWeights } from './network.js';
import { createRandom } from './random.js';
import { shapeOf, type NeuralSettings } from './settings.js';

/*
 * One fit: Adam on batches drawn by the seed, a look at the validation part after each epoch, the best weights kept. Runs in
 * the calling thread, in turns: between two steps whoever waits gets theirs.
 */

export interface FitOptions {
  settings: NeuralSettings;
  /** Ascending. */
  levels: readonly number[];
  /** Seconds. */
  horizon: number;
  seed: number;
  /** What an earlier run of the same fit left; any other is passed over. */
  checkpoint?: Uint8Array;
  onEpoch?(epoch: EpochReport): void;
  /** A checkpoint after each epoch. */
  onCheckpoint?(state: Uint8Array): void;
  signal?: AbortSignal;
}

export interface EpochReport {
  /** From 1. */
  epoch: number;
  epochs: number;
  /** Mean pinball in the bent scale: of the epoch's batches, of the validation part, and the best of the latter. */
  loss: number;
  validation: number;
  best: number;
}

export interface FitResult {
  weights: Float32Array;
  /** The epoch whose weights these are; 0 where nothing was better than the start. */
  epoch: number;
  validation: number;
  steps: [number, number];
}

/** Batches of the validation part, the same ones after each epoch. */
const LOOKS = 4;
/** What of the rate is left at the end. */
const LAST_RATE = 0.1;
const CHECKPOINT = 'neural-checkpoint';
const VERSION = 1;

/** @throws HeadroomError `invalid-input` where the series are too short; the signal's reason when aborted. */
export async function fitNetwork(
  backend: Backend,
  series: readonly TrainingSeries[],
  options: FitOptions,
): Promise<FitResult> {
  const { settings, levels, horizon, seed, signal } = options;
  const shape = shapeOf(settings, levels);
  const batches = createBatches(series, shape, settings, horizon);
  const graph = createGraph(backend, shape, settings.loss);
  const pull = pullOf(shape);
  const looks = (() => {
    const random = createRandom(seed ^ 0x5eed);
    return Array.from({ length: LOOKS }, () => batches.draw(random, 'validation', settings.batch));
  })();
  const look = (weights: Float32Array): number =>
    looks.reduce((sum, batch) => sum + graph.loss(weights, batch), 0) / looks.length;

  const key = fingerprint(backend, series, options);
  const resumed = resume(options.checkpoint, key);
  const weights = resumed?.weights ?? initialWeights(shape, seed);
  const adam = resumed?.adam ?? createAdamState(weights.length);
  const random = createRandom(resumed?.random ?? seed);
  let best = resumed?.best ?? { weights: weights.slice(), epoch: 0, validation: look(weights) };
  const gradient = new Float32Array(weights.length);
  const { epochs, epochSteps, patience, batch: size } = settings;

  for (let epoch = (resumed?.epoch ?? 0) + 1; epoch <= epochs && epoch <= best.epoch + patience; epoch++) {
    const rate = settings.rate * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + Math.cos((Math.PI * (epoch - 1)) / epochs)));
    let loss = 0;
    for (let step = 0; step < epochSteps; step++) {
      await nextTurn();
      signal?.throwIfAborted();
      const batch: Batch = batches.draw(random, 'fit', size);
      loss += graph.differentiate(weights, batch, batches.masks(random, size), gradient) / epochSteps;
      adamStep(weights, gradient, adam, pull, { ...settings, rate });
    }
    const validation = look(weights);
    if (validation < best.validation) best = { weights: weights.slice(), epoch, validation };
    options.onEpoch?.({ epoch, epochs, loss, validation, best: best.validation });
    options.onCheckpoint?.(
      pack(
        CHECKPOINT,
        VERSION,
        { key, epoch, steps: adam.steps, random: [...random.state()], best: best.epoch, validation: best.validation },
        { weights, first: adam.first, second: adam.second, best: best.weights },
      ),
    );
  }
  return { ...best, steps: batches.steps };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What a fit depends on. */
function fingerprint(backend: Backend, series: readonly TrainingSeries[], options: FitOptions): string {
  const { settings, levels, horizon, seed } = options;
  const hash = createHash('sha256').update(JSON.stringify([backend.name, settings, levels, horizon, seed]));
  for (const { id, start, step, timeZone, values } of [...series].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    hash.update(JSON.stringify([id, start, step, timeZone, values.length]));
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex');
}

function resume(bytes: Uint8Array | undefined, key: string) {
  if (bytes === undefined) return null;
  try {
    const { header, read } = unpack(CHECKPOINT, VERSION, bytes);
    const { epoch, steps, random, best, validation } = header;
    if (header['key'] !== key || !Array.isArray(random)) return null;
    return {
      epoch: Number(epoch),
      random: random.map(Number),
      weights: read('weights', Float32Array),
      adam: { first: read('first', Float32Array), second: read('second', Float32Array), steps: Number(steps) },
      best: { weights: read('best', Float32Array), epoch: Number(best), validation: Number(validation) },
    };
  } catch {
    // Damaged, or of another version: the fit starts anew.
    return null;
  }
}
