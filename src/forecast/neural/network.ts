import { createRandom } from './random.js';

/*
 * The shape of the two networks, and where each of their weights stands in one flat vector. Both read the same inputs
 * (inputs.ts) and share the head; they differ in how the patches of the recent past become one vector:
 *
 * - `gru`: a gated recurrent unit over the patches (Cho et al. 2014), with the reset gate after the product (as cuDNN has
 *   it), so that the gates of all steps' inputs are one product.
 * - `tcn`: a temporal convolutional network (Bai, Kolter & Koltun 2018): causal convolutions with residuals, dilated so
 *   that each reaches as far as the one below it covers. Only what the last output depends on is computed, which makes
 *   it a tree over the patches: exact, and many times cheaper.
 *
 * The head is a decoder shared by all horizons (the multi-horizon quantile recurrent forecaster, Wen et al. 2017): it sees
 * the encoder's vector and what is known of the target, so that any bin ahead is read directly. Its middle is a
 * weighted mean of naive forecasts (inputs.ts) plus a correction, the other levels follow by cumulative softplus: they cannot cross.
 */

export type NetworkKind = 'gru' | 'tcn';

export interface NetworkShape {
  network: NetworkKind;
  /** Width of the encoder. */
  units: number;
  /** Width of the head's two layers. */
  hidden: number;
  /** Bins in a patch. */
  patch: number;
  /** Levels inside the network: ascending, 0.5 among them. */
  levels: readonly number[];
}

/** Recurrent steps: few, since a step's cost is the dispatch of its operations. */
export const PATCHES = 24;
/** Widths of the convolutions of the tree: their product is PATCHES. */
export const KERNELS = [3, 2, 2, 2] as const;
/** Inputs of a patch besides its values: the share that is missing, and the time of day at its end. */
export const PATCH_EXTRA = 3;
/** Naive forecasts of the target that the middle is a mean of. */
export const EXPERTS = 9;
/** What is known of a target, the naive forecasts included. */
export const FEATURES = EXPERTS + 19;

export interface Weight {
  name: string;
  shape: [number, number];
  /** In the flat vector. */
  offset: number;
  size: number;
  /** L1 and L2 pull at matrices, never at biases. */
  isBias: boolean;
}

export const patchInputs = (shape: NetworkShape): number => shape.patch + PATCH_EXTRA;
export const outputs = (shape: NetworkShape): number => EXPERTS + 1 + (shape.levels.length - 1);
/** Index of the level 0.5. */
export const middle = (shape: NetworkShape): number => shape.levels.indexOf(0.5);

/** The weights of a network in the order in which they stand in the flat vector. */
export function layout(shape: NetworkShape): { weights: Weight[]; size: number } {
  const { network, units, hidden } = shape;
  const weights: Weight[] = [];
  let size = 0;
  const add = (name: string, rows: number, columns: number): void => {
    weights.push({ name, shape: [rows, columns], offset: size, size: rows * columns, isBias: rows === 1 });
    size += rows * columns;
  };
  const inputs = patchInputs(shape);
  if (network === 'gru') {
    // z and r side by side, n by itself: no operation has to cut columns out of a matrix.
    add('input gates', inputs, 2 * units);
    add('input gates bias', 1, 2 * units);
    add('input candidate', inputs, units);
    add('input candidate bias', 1, units);
    add('state gates', units, 2 * units);
    add('state candidate', units, units);
    add('state candidate bias', 1, units);
  } else {
    add('embedding', inputs, units);
    add('embedding bias', 1, units);
    KERNELS.forEach((kernel, level) => {
      add(`convolution ${level}`, kernel * units, units);
      add(`convolution ${level} bias`, 1, units);
    });
  }
  add('head state', units, hidden);
  add('head target', FEATURES, hidden);
  add('head bias', 1, hidden);
  add('head second', hidden, hidden);
  add('head second bias', 1, hidden);
  add('head out', hidden, outputs(shape));
  add('head out bias', 1, outputs(shape));
  return { weights, size };
}

/**
 * Weights to begin with: uniform by Glorot & Bengio (2010), the last layer small, and increments between levels as of a
 * spread of half the series' own.
 */
export function initialWeights(shape: NetworkShape, seed: number): Float32Array {
  const random = createRandom(seed);
  const { weights, size } = layout(shape);
  const flat = new Float32Array(size);
  for (const { name, shape: dimensions, offset, size: count, isBias } of weights) {
    if (isBias) continue;
    const bound = Math.sqrt(6 / (dimensions[0] + dimensions[1])) * (name === 'head out' ? 0.1 : 1);
    for (let k = 0; k < count; k++) flat[offset + k] = (2 * random.uniform() - 1) * bound;
  }
  const bias = weights.at(-1);
  if (bias === undefined) return flat;
  const laplace = (p: number): number => (p < 0.5 ? Math.log(2 * p) : -Math.log(2 * (1 - p)));
  let at = bias.offset + EXPERTS + 1;
  for (let l = 1; l < shape.levels.length; l++) {
    const gap = 0.5 * (laplace(shape.levels[l] ?? 0.5) - laplace(shape.levels[l - 1] ?? 0.5));
    // The inverse of softplus.
    flat[at++] = Math.log(Math.expm1(Math.max(1e-3, gap)));
  }
  return flat;
}
