import type { TrainingSeries } from '../../models/port.js';
import { adamStep, clipNorm, createAdamState, pullOf } from './adam.js';
import type { Backend } from './backend.js';
import { createBatches } from './batches.js';
import { createGraph } from './graph.js';
import { initialWeights } from './network.js';
import { createRandom } from './random.js';
import { neuralError, shapeOf, type NeuralSettings } from './settings.js';

/*
 * What federated averaging is made of (McMahan et al. 2017): a cell takes the shared weights, takes some steps on series that
 * stay where they are, and gives back the difference alone, clipped, and blurred by noise where that is asked for. All
 * weights travel as one Float32Array; without a worker thread and without state: the caller decides where it runs.
 */

export interface LocalOptions {
  settings: NeuralSettings;
  levels: readonly number[];
  /** Seconds. */
  horizon: number;
  seed: number;
  /** Steps of Adam, from moments of zero. */
  steps: number;
  signal?: AbortSignal;
}

export interface LocalUpdate {
  /** New weights less old ones. */
  update: Float32Array;
  /** Mean loss over the steps. */
  loss: number;
  /** Bins that it was fitted on: what its cell weighs in the mean. */
  bins: number;
  /** Finest and coarsest seconds between bins. */
  steps: [number, number];
}

/** What every cell begins with: the same for the same seed. */
export const initialNetworkWeights = (
  settings: NeuralSettings,
  levels: readonly number[],
  seed: number,
): Float32Array => initialWeights(shapeOf(settings, levels), seed);

/**
 * Some steps on one cell's series.
 * @throws HeadroomError `invalid-input` where the weights are of another network or the series too short.
 */
export async function trainLocally(
  backend: Backend,
  series: readonly TrainingSeries[],
  weights: Float32Array,
  options: LocalOptions,
): Promise<LocalUpdate> {
  const { settings, levels, horizon, seed, steps, signal } = options;
  const shape = shapeOf(settings, levels);
  const pull = pullOf(shape);
  if (weights.length !== pull.length) {
    const problem = `${weights.length} weights for a network of ${pull.length}`;
    throw neuralError('invalid-input', 'training locally', problem, 'train with the settings that the weights are of');
  }
  const batches = createBatches(series, shape, settings, horizon);
  const graph = createGraph(backend, shape, settings.loss);
  const random = createRandom(seed);
  const own = weights.slice();
  const adam = createAdamState(own.length);
  const gradient = new Float32Array(own.length);
  let loss = 0;
  for (let step = 0; step < steps; step++) {
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    const batch = batches.draw(random, 'fit', settings.batch);
    loss += graph.differentiate(own, batch, batches.masks(random, settings.batch), gradient) / steps;
    adamStep(own, gradient, adam, pull, settings);
  }
  return { update: own.map((value, k) => value - (weights[k] ?? 0)), loss, bins: batches.bins, steps: batches.steps };
}

/**
 * Bounds what one cell can move the mean by, and blurs it.
 * @param noise standard deviation of the normal noise on each weight, as a multiple of `norm` (Geyer et al. 2017).
 * @returns a copy.
 */
export function clipUpdate(update: Float32Array, norm: number, noise = 0, seed = 0): Float32Array {
  const clipped = update.slice();
  clipNorm(clipped, norm);
  if (noise === 0) return clipped;
  const random = createRandom(seed);
  return clipped.map((value) => value + noise * norm * random.normal());
}

/**
 * Weights moved by the mean of the cells' updates.
 * @param updates `weight` ≥ 0, not all 0.
 * @throws HeadroomError `invalid-input` where an update is of another length or not finite.
 */
export function averageUpdates(
  weights: Float32Array,
  updates: readonly { update: Float32Array; weight: number }[],
): Float32Array {
  const total = updates.reduce((sum, { weight }) => sum + weight, 0);
  const sums = new Float64Array(weights.length);
  for (const { update, weight } of updates) {
    if (update.length !== weights.length || update.some((value) => !Number.isFinite(value)) || !(weight >= 0)) {
      const problem = `an update of ${update.length} values (weight ${weight}) does not fit ${weights.length} weights`;
      throw neuralError('invalid-input', 'averaging updates', problem, 'leave that cell out of this round');
    }
    for (let k = 0; k < sums.length; k++) sums[k] = (sums[k] ?? 0) + (update[k] ?? 0) * weight;
  }
  if (!(total > 0)) {
    throw neuralError('invalid-input', 'averaging updates', 'no cell weighs anything', 'wait for more cells');
  }
  return weights.map((value, k) => value + (sums[k] ?? 0) / total);
}
