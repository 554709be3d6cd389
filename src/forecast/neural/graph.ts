import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { Backend } from './backend.js';
import { runGru } from './gru-graph.js';
import { runHead } from './head-graph.js';
import { KERNELS, layout, PATCHES, patchInputs, type NetworkShape } from './network.js';
import { runTcn } from './tcn-graph.js';

/*
 * The networks on tensors: the loss of a batch and its gradient by every weight. forward.ts computes the same numbers. The
 * backward passes are written out: the library registers its gradient functions in a module that Node cannot load, and a
 * step's cost is its dispatches, which are fewer so.
 */

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
  const { weights } = layout(shape);

  const run = (flat: Float32Array, batch: Batch, masks: Masks | null, gradient: Float32Array | null): number =>
    tf.tidy(() => {
      const tensors = weights.map(({ shape: dimensions, offset, size }) =>
        tf.tensor2d(flat.subarray(offset, offset + size), dimensions),
      );
      const named = (name: string): Tensor2D => {
        const found = tensors[weights.findIndex((one) => one.name === name)];
        if (found === undefined) throw new RangeError(`the network has no weights "${name}"`);
        return found;
      };
      const tokens = tf.tensor2d(batch.tokens, [batch.origins * PATCHES, patchInputs(shape)]);
      const { state, backward } =
        shape.network === 'gru'
          ? runGru(
              backend,
              {
                inGates: named('input gates'),
                inGatesBias: named('input gates bias'),
                inCandidate: named('input candidate'),
                inCandidateBias: named('input candidate bias'),
                ofGates: named('state gates'),
                ofCandidate: named('state candidate'),
                ofCandidateBias: named('state candidate bias'),
              },
              tokens,
            )
          : runTcn(
              backend,
              {
                embedding: named('embedding'),
                embeddingBias: named('embedding bias'),
                levels: KERNELS.map((_, level) => [named(`convolution ${level}`), named(`convolution ${level} bias`)]),
              },
              tokens,
            );
      const head = {
        state: named('head state'),
        target: named('head target'),
        bias: named('head bias'),
        second: named('head second'),
        secondBias: named('head second bias'),
        out: named('head out'),
        outBias: named('head out bias'),
      };
      const result = runHead(backend, shape, kind, head, state, batch, masks);
      if (gradient !== null) {
        const atHead = result.backward();
        const all = [...backward(atHead.vector), ...atHead.weights];
        all.forEach((one, k) => gradient.set(one.dataSync(), weights[k]?.offset ?? 0));
      }
      return result.loss;
    });

  return {
    loss: (flat, batch) => run(flat, batch, null, null),
    differentiate: (flat, batch, masks, gradient) => run(flat, batch, masks, gradient),
  };
}
