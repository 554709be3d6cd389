import type { Rank, Tensor2D } from '@tensorflow/tfjs-core';
import type { Backend } from './backend.js';
import { KERNELS } from './network.js';

/** The convolutional encoder on tensors, with its backward pass written out. */

export interface TcnWeights {
  embedding: Tensor2D;
  embeddingBias: Tensor2D;
  /** Matrix and bias of each level. */
  levels: [Tensor2D, Tensor2D][];
}

/**
 * Runs the encoder within the caller's tidy.
 * @param tokens [batch · PATCHES, inputs], origin by origin.
 * @returns the vector of each origin, and what turns the loss's gradient at it into those of the weights, in their order.
 */
export function runTcn(
  { tf }: Backend,
  weights: TcnWeights,
  tokens: Tensor2D,
): { state: Tensor2D; backward: (atState: Tensor2D) => Tensor2D[] } {
  const units = weights.embedding.shape[1];
  let layer: Tensor2D = tf.add(tf.matMul(tokens, weights.embedding), weights.embeddingBias);
  const passes = weights.levels.map(([matrix, bias], level) => {
    const kernel = KERNELS[level] ?? 1;
    const rows = layer.shape[0] / kernel;
    const joined: Tensor2D = tf.reshape(layer, [rows, kernel * units]);
    const active = tf.relu(tf.add<Tensor2D>(tf.matMul(joined, matrix), bias));
    // The residual: what stood at the last of the patches that were joined.
    layer = tf.add(active, tf.slice(joined, [0, (kernel - 1) * units], [rows, units]));
    return { kernel, rows, joined, active, matrix };
  });
  const backward = (atState: Tensor2D): Tensor2D[] => {
    const gradients: Tensor2D[] = [];
    let now = atState;
    for (const { kernel, rows, joined, active, matrix } of [...passes].reverse()) {
      const inner = tf.mul<Tensor2D>(now, tf.step(active));
      gradients.unshift(tf.matMul(joined, inner, true), tf.sum(inner, 0, true));
      const residual = tf.concat([tf.zeros<Rank.R2>([rows, (kernel - 1) * units]), now], 1);
      now = tf.reshape(tf.add(tf.matMul(inner, matrix, false, true), residual), [rows * kernel, units]);
    }
    return [tf.matMul(tokens, now, true), tf.sum(now, 0, true), ...gradients];
  };
  return { state: layer, backward };
}
