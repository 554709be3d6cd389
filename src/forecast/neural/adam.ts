import type { NetworkShape } from './network.js';
import { layout } from './network.js';

/*
 * Adam (Kingma & Ba 2015) on the flat vector, outside the tensor library: some ten thousand weights are a fraction of a
 * millisecond here, a hundred dispatches there, and the arithmetic is the same on every backend.
 */

const FIRST = 0.9;
const SECOND = 0.999;
const EPSILON = 1e-7;

export interface AdamState {
  /** Running means of the gradient and of its square. */
  first: Float32Array;
  second: Float32Array;
  steps: number;
}

export const createAdamState = (size: number): AdamState => ({
  first: new Float32Array(size),
  second: new Float32Array(size),
  steps: 0,
});

/** Scales a vector down to a norm; returns the norm that it had. */
export function clipNorm(vector: Float32Array, largest: number): number {
  let sum = 0;
  for (const value of vector) sum += value * value;
  const norm = Math.sqrt(sum);
  if (norm > largest) for (let k = 0; k < vector.length; k++) vector[k] = ((vector[k] ?? 0) * largest) / norm;
  return norm;
}

/**
 * One step. L1 and L2 pull at matrices alone, past Adam's scaling (decoupled weight decay; Loshchilov & Hutter 2019).
 * A gradient that is not finite is dropped: one wild batch must not end a fit.
 */
export function adamStep(
  weights: Float32Array,
  gradient: Float32Array,
  state: AdamState,
  pull: Float32Array,
  options: { rate: number; clip: number; l1: number; l2: number },
): void {
  const { rate, clip, l1, l2 } = options;
  if (!Number.isFinite(clipNorm(gradient, clip))) return;
  state.steps++;
  const firstBias = 1 - FIRST ** state.steps;
  const secondBias = 1 - SECOND ** state.steps;
  const { first, second } = state;
  for (let k = 0; k < weights.length; k++) {
    const g = gradient[k] ?? 0;
    const m = FIRST * (first[k] ?? 0) + (1 - FIRST) * g;
    const v = SECOND * (second[k] ?? 0) + (1 - SECOND) * g * g;
    first[k] = m;
    second[k] = v;
    const w = weights[k] ?? 0;
    const decay = (pull[k] ?? 0) * (l1 * Math.sign(w) + l2 * w);
    weights[k] = w - rate * (m / firstBias / (Math.sqrt(v / secondBias) + EPSILON) + decay);
  }
}

/** 1 where L1 and L2 pull: at the matrices. */
export function pullOf(shape: NetworkShape): Float32Array {
  const { weights, size } = layout(shape);
  const pull = new Float32Array(size);
  for (const { offset, size: count, isBias } of weights) if (!isBias) pull.fill(1, offset, offset + count);
  return pull;
}
