import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { Backend } from './backend.js';
import type { Batch, Loss, Masks } from './graph.js';
import { EXPERTS, FEATURES, middle, type NetworkShape } from './network.js';

/** The head and the loss on tensors, with their backward pass written out. */

export interface HeadWeights {
  state: Tensor2D;
  target: Tensor2D;
  bias: Tensor2D;
  second: Tensor2D;
  secondBias: Tensor2D;
  out: Tensor2D;
  outBias: Tensor2D;
}

/**
 * Runs head and loss within the caller's tidy.
 * @param vector [origins, units]: the encoder's.
 * @returns the loss, one number, and its gradients: at the vector, and of the weights in the order of HeadWeights.
 */
export function runHead(
  { tf }: Backend,
  shape: NetworkShape,
  kind: Loss,
  weights: HeadWeights,
  vector: Tensor2D,
  batch: Batch,
  masks: Masks | null,
): { loss: number; backward: () => { vector: Tensor2D; weights: Tensor2D[] } } {
  const { units, hidden, levels } = shape;
  const { origins, targets } = batch;
  const count = origins * targets;
  const median = middle(shape);
  const increments = levels.length - 1;
  const affine = (a: Tensor2D, b: Tensor2D, bias: Tensor2D): Tensor2D => tf.add(tf.matMul(a, b), bias);
  const columns = (a: Tensor2D, from: number, width: number): Tensor2D => tf.slice(a, [0, from], [count, width]);

  const stateMask = masks === null ? null : tf.tensor2d(masks.state, [origins, units]);
  const headMask = masks === null ? null : tf.tensor2d(masks.head, [count, hidden]);
  const masked = (a: Tensor2D, mask: Tensor2D | null): Tensor2D => (mask === null ? a : tf.mul(a, mask));
  const state = masked(vector, stateMask);
  const features = tf.tensor2d(batch.features, [count, FEATURES]);
  const fromState = tf.reshape(affine(state, weights.state, weights.bias), [origins, 1, hidden]);
  const fromTarget = tf.reshape(tf.matMul(features, weights.target), [origins, targets, hidden]);
  const active: Tensor2D = tf.reshape(tf.relu(tf.add(fromState, fromTarget)), [count, hidden]);
  const first = masked(active, headMask);
  const second = tf.relu(affine(first, weights.second, weights.secondBias));
  const raw = affine(second, weights.out, weights.outBias);
  const shares = tf.softmax(columns(raw, 0, EXPERTS));
  const experts = columns(features, 0, EXPERTS);
  const mean = tf.sum<Tensor2D>(tf.mul(shares, experts), 1, true);
  const gaps = columns(raw, EXPERTS + 1, increments);
  // Adds the increments between the levels up, outward from the middle.
  const summing = new Float32Array(increments * levels.length);
  for (let l = 0; l < levels.length; l++) {
    for (let k = median; k < l; k++) summing[k * levels.length + l] = 1;
    for (let k = l; k < median; k++) summing[k * levels.length + l] = -1;
  }
  const spread = tf.tensor2d(summing, [increments, levels.length]);
  const center = tf.add<Tensor2D>(mean, columns(raw, EXPERTS, 1));
  const quantiles = tf.add<Tensor2D>(center, tf.matMul(tf.softplus(gaps), spread));
  const errors = tf.sub<Tensor2D>(tf.tensor2d(batch.truth, [count, 1]), quantiles);
  const level = tf.tensor2d(Float32Array.from(levels), [1, levels.length]);
  let known = 0;
  for (const one of batch.weight) known += one;
  const weight = tf.div<Tensor2D>(tf.tensor2d(batch.weight, [count, 1]), Math.max(1, known) * levels.length);
  // 1 in the column whose loss is squared.
  const squared = tf.tensor2d(
    Float32Array.from(levels, (_, l) => (kind === 'mse' && l === median ? 1 : 0)),
    [1, levels.length],
  );
  const ranked = tf.sub<Tensor2D>(1, squared);
  // p · e + max(0, −e), or e²
  const pinball = tf.mul(ranked, tf.add(tf.mul(errors, level), tf.relu(tf.neg(errors))));
  const each = tf.add(pinball, tf.mul(squared, tf.square(errors)));
  const loss = tf.sum(tf.mul(each, weight)).dataSync()[0] ?? Number.NaN;

  const backward = (): { vector: Tensor2D; weights: Tensor2D[] } => {
    const bias = (gradient: Tensor2D): Tensor2D => tf.sum(gradient, 0, true);
    const ofPinball = tf.mul(ranked, tf.sub(tf.step(tf.neg(errors)), level));
    const ofSquare = tf.mul(squared, tf.mul(-2, errors));
    const atQuantiles = tf.mul<Tensor2D>(tf.add(ofPinball, ofSquare), weight);
    const atCenter = tf.sum<Tensor2D>(atQuantiles, 1, true);
    const atShares = tf.mul<Tensor2D>(shares, tf.mul(tf.sub(experts, mean), atCenter));
    const atGaps = tf.mul<Tensor2D>(tf.matMul(atQuantiles, spread, false, true), tf.sigmoid(gaps));
    const atRaw = tf.concat([atShares, atCenter, atGaps], 1);
    const atSecond = tf.mul<Tensor2D>(tf.matMul(atRaw, weights.out, false, true), tf.step(second));
    const atFirst = masked(tf.matMul(atSecond, weights.second, false, true), headMask);
    const atActive = tf.mul<Tensor2D>(atFirst, tf.step(active));
    const atState: Tensor2D = tf.sum(tf.reshape(atActive, [origins, targets, hidden]), 1);
    return {
      vector: masked(tf.matMul(atState, weights.state, false, true), stateMask),
      weights: [
        tf.matMul(state, atState, true),
        tf.matMul(features, atActive, true),
        bias(atState),
        tf.matMul(first, atSecond, true),
        bias(atSecond),
        tf.matMul(second, atRaw, true),
        bias(atRaw),
      ],
    };
  };
  return { loss, backward };
}
