import type { Scalar, Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import type { Backend } from './backend.js';
import { runGru, type GruWeights } from './gru-graph.js';
import { EXPERTS, FEATURES, KERNELS, layout, middle, PATCHES, patchInputs } from './network.js';
import type { NetworkShape } from './network.js';

/* The networks on tensors: the loss of a batch and its gradient by every weight. forward.ts computes the same numbers. */

/**
 * - `pinball`: every level by its own pinball loss.
 * - `mse`: the middle by squared error, as of a mean, the levels around it by pinball.
 */
export type Loss = 'pinball' | 'mse';

/** Origins side by side, `targets` of each. */
export interface Batch {
  origins: number;
  targets: number;
  /** GRU: [patch][origin][input]; TCN: [origin][patch][input]. */
  tokens: Float32Array;
  /** [origin][target][feature]. */
  features: Float32Array;
  /** Bent as the inputs are; [origin][target]. */
  truth: Float32Array;
  /** 0 where the truth is missing; [origin][target]. */
  weight: Float32Array;
}

/** Masks of dropout, 0 or 1 / (1 − rate), on the encoder's vector and on the head's first layer. */
export interface Masks {
  state: Float32Array;
  head: Float32Array;
}

export interface Graph {
  /** Mean loss over the known targets and levels. */
  loss(flat: Float32Array, batch: Batch): number;
  /** The same, its gradient written to `gradient` (as long as `flat`). */
  differentiate(flat: Float32Array, batch: Batch, masks: Masks | null, gradient: Float32Array): number;
}

export function createGraph(backend: Backend, shape: NetworkShape, kind: Loss): Graph {
  const { tf } = backend;
  const { units, hidden, levels } = shape;
  const { weights } = layout(shape);
  const encoderWeights = weights.findIndex(({ name }) => name === 'head state');
  const median = middle(shape);
  const increments = levels.length - 1;

  const tensors = (flat: Float32Array): Tensor2D[] =>
    weights.map(({ shape: dimensions, offset, size }) => tf.tensor2d(flat.subarray(offset, offset + size), dimensions));
  const at = (all: readonly Tensor[], index: number): Tensor2D => {
    const found = all[index];
    if (found === undefined) throw new RangeError(`the network has no weight ${index}`);
    return tf.reshape(found, [found.shape[0] ?? 1, found.shape[1] ?? 1]);
  };
  const affine = (a: Tensor2D, b: Tensor2D, bias: Tensor2D): Tensor2D => tf.add(tf.matMul(a, b), bias);

  /** Adds the increments between the levels up, outward from the middle: [increments, levels]. */
  const summing = (): Tensor2D => {
    const matrix = new Float32Array(increments * levels.length);
    for (let l = 0; l < levels.length; l++) {
      for (let k = median; k < l; k++) matrix[k * levels.length + l] = 1;
      for (let k = l; k < median; k++) matrix[k * levels.length + l] = -1;
    }
    return tf.tensor2d(matrix, [increments, levels.length]);
  };

  const tree = (all: readonly Tensor[], tokens: Tensor2D): Tensor2D => {
    let layer = affine(tokens, at(all, 0), at(all, 1));
    KERNELS.forEach((kernel, level) => {
      const rows = layer.shape[0] / kernel;
      const joined: Tensor2D = tf.reshape(layer, [rows, kernel * units]);
      const residual = tf.slice(joined, [0, (kernel - 1) * units], [rows, units]);
      layer = tf.add(tf.relu(affine(joined, at(all, 2 + 2 * level), at(all, 3 + 2 * level))), residual);
    });
    return layer;
  };

  const lossOf = (head: readonly Tensor[], vector: Tensor2D, batch: Batch, masks: Masks | null): Scalar => {
    const { origins, targets } = batch;
    const count = origins * targets;
    const state = masks === null ? vector : tf.mul<Tensor2D>(vector, tf.tensor2d(masks.state, [origins, units]));
    const features = tf.tensor2d(batch.features, [count, FEATURES]);
    const fromState = tf.reshape(affine(state, at(head, 0), at(head, 2)), [origins, 1, hidden]);
    const fromTarget = tf.reshape(tf.matMul(features, at(head, 1)), [origins, targets, hidden]);
    let first: Tensor2D = tf.reshape(tf.relu(tf.add(fromState, fromTarget)), [count, hidden]);
    if (masks !== null) first = tf.mul(first, tf.tensor2d(masks.head, [count, hidden]));
    const second = tf.relu(affine(first, at(head, 3), at(head, 4)));
    const raw = affine(second, at(head, 5), at(head, 6));
    const shares = tf.softmax<Tensor2D>(tf.slice(raw, [0, 0], [count, EXPERTS]));
    const experts = tf.slice(features, [0, 0], [count, EXPERTS]);
    const center = tf.add<Tensor2D>(
      tf.sum<Tensor2D>(tf.mul(shares, experts), 1, true),
      tf.slice(raw, [0, EXPERTS], [count, 1]),
    );
    const gaps = tf.softplus<Tensor2D>(tf.slice(raw, [0, EXPERTS + 1], [count, increments]));
    const quantiles = tf.add<Tensor2D>(center, tf.matMul(gaps, summing()));
    const errors = tf.sub<Tensor2D>(tf.tensor2d(batch.truth, [count, 1]), quantiles);
    const level = tf.tensor2d(Float32Array.from(levels), [1, levels.length]);
    // p · e + max(0, −e)
    const pinball = tf.add<Tensor2D>(tf.mul(errors, level), tf.relu(tf.neg(errors)));
    let known = 0;
    for (const one of batch.weight) known += one;
    const weight = tf.tensor2d(batch.weight, [count, 1]);
    if (kind === 'pinball') {
      return tf.div(tf.sum<Scalar>(tf.mul(pinball, weight)), Math.max(1, known) * levels.length);
    }
    const around = Float32Array.from(levels, (_, l) => (l === median ? 0 : 1));
    const squared = tf.square(tf.slice(errors, [0, median], [count, 1]));
    const both = tf.add<Tensor2D>(
      squared,
      tf.sum<Tensor2D>(tf.mul(pinball, tf.tensor2d(around, [1, levels.length])), 1, true),
    );
    return tf.div(tf.sum<Scalar>(tf.mul(both, weight)), Math.max(1, known) * levels.length);
  };

  const gruWeights = (all: readonly Tensor[]): GruWeights => ({
    inGates: at(all, 0),
    inGatesBias: at(all, 1),
    inCandidate: at(all, 2),
    inCandidateBias: at(all, 3),
    ofGates: at(all, 4),
    ofCandidate: at(all, 5),
    ofCandidateBias: at(all, 6),
  });
  const tokensOf = (batch: Batch): Tensor2D =>
    tf.tensor2d(batch.tokens, [batch.origins * PATCHES, patchInputs(shape)]);
  const read = (value: Tensor): number => value.dataSync()[0] ?? Number.NaN;
  const write = (gradients: readonly Tensor[], from: number, gradient: Float32Array): void => {
    gradients.forEach((one, k) => gradient.set(one.dataSync(), weights[from + k]?.offset ?? 0));
  };

  return {
    loss(flat, batch) {
      return tf.tidy(() => {
        const all = tensors(flat);
        const tokens = tokensOf(batch);
        const vector = shape.network === 'gru' ? runGru(backend, gruWeights(all), tokens).state : tree(all, tokens);
        return read(lossOf(all.slice(encoderWeights), vector, batch, null));
      });
    },
    differentiate(flat, batch, masks, gradient) {
      return tf.tidy(() => {
        const all = tensors(flat);
        const tokens = tokensOf(batch);
        if (shape.network === 'tcn') {
          const of = (...args: Tensor[]): Scalar =>
            lossOf(args.slice(encoderWeights), tree(args, tokens), batch, masks);
          const { value, grads } = tf.valueAndGrads(of)(all);
          write(grads, 0, gradient);
          return read(value);
        }
        const { state, backward } = runGru(backend, gruWeights(all), tokens);
        const of = (...args: Tensor[]): Scalar => lossOf(args.slice(1), at(args, 0), batch, masks);
        const { value, grads } = tf.valueAndGrads(of)([state, ...all.slice(encoderWeights)]);
        write(grads.slice(1), encoderWeights, gradient);
        write(backward(at(grads, 0)), 0, gradient);
        return read(value);
      });
    },
  };
}
