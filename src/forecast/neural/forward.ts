import { EXPERTS, FEATURES, KERNELS, layout, middle, outputs, PATCHES, patchInputs } from './network.js';
import type { NetworkShape } from './network.js';

/*
 * The networks' forward pass in plain typed arrays: a forecast of one series is a few hundred thousand products, which the
 * dispatch of a tensor library would cost several times over. The same numbers on every machine, whatever trained.
 */

export interface Forward {
  /** The encoder's vector of one origin, its patches one after the other; valid until the next call. */
  encode(tokens: Float32Array): void;
  /** The quantiles, still bent, of one target of the origin that was encoded last, at the network's levels. */
  decode(features: Float32Array, at: number, out: Float64Array): void;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
export const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

export function createForward(shape: NetworkShape, flat: Float32Array): Forward {
  const { weights } = layout(shape);
  const part = (name: string): Float32Array => {
    const found = weights.find((one) => one.name === name);
    if (found === undefined) throw new RangeError(`the network has no weights "${name}"`);
    return flat.subarray(found.offset, found.offset + found.size);
  };
  const { units, hidden } = shape;
  const encode = shape.network === 'gru' ? createGru(shape, part) : createTree(shape, part);
  const headState = part('head state');
  const headTarget = part('head target');
  const headBias = part('head bias');
  const second = part('head second');
  const secondBias = part('head second bias');
  const out = part('head out');
  const outBias = part('head out bias');
  const fromState = new Float64Array(hidden);
  const first = new Float64Array(hidden);
  const upper = new Float64Array(hidden);
  const count = outputs(shape);
  const raw = new Float64Array(count);
  const median = middle(shape);
  const levels = shape.levels.length;
  return {
    encode(tokens) {
      const state = encode(tokens);
      affine(state, 0, units, headState, headBias, fromState);
    },
    decode(features, at, quantiles) {
      affine(features, at, FEATURES, headTarget, fromState, first);
      relu(first);
      affine(first, 0, hidden, second, secondBias, upper);
      relu(upper);
      affine(upper, 0, hidden, out, outBias, raw);
      let top = Number.NEGATIVE_INFINITY;
      for (let k = 0; k < EXPERTS; k++) top = Math.max(top, raw[k] ?? 0);
      let total = 0;
      let center = 0;
      for (let k = 0; k < EXPERTS; k++) {
        const weight = Math.exp((raw[k] ?? 0) - top);
        total += weight;
        center += weight * (features[at + k] ?? 0);
      }
      center = center / total + (raw[EXPERTS] ?? 0);
      // Increment k lies between the levels k and k + 1.
      quantiles[median] = center;
      for (let l = median + 1; l < levels; l++) {
        quantiles[l] = (quantiles[l - 1] ?? 0) + softplus(raw[EXPERTS + l] ?? 0);
      }
      for (let l = median - 1; l >= 0; l--) {
        quantiles[l] = (quantiles[l + 1] ?? 0) - softplus(raw[EXPERTS + 1 + l] ?? 0);
      }
    },
  };
}

/** to = bias + input · matrix, the matrix row by row. */
function affine(
  input: ArrayLike<number>,
  at: number,
  length: number,
  matrix: Float32Array,
  bias: ArrayLike<number>,
  to: Float64Array,
): void {
  const width = to.length;
  for (let j = 0; j < width; j++) to[j] = bias[j] ?? 0;
  for (let i = 0; i < length; i++) {
    const x = input[at + i] ?? 0;
    if (x === 0) continue;
    const row = i * width;
    for (let j = 0; j < width; j++) to[j] = (to[j] ?? 0) + x * (matrix[row + j] ?? 0);
  }
}

function relu(values: Float64Array): void {
  for (let k = 0; k < values.length; k++) if ((values[k] ?? 0) < 0) values[k] = 0;
}

type Part = (name: string) => Float32Array;

function createGru(shape: NetworkShape, part: Part): (tokens: Float32Array) => Float64Array {
  const { units } = shape;
  const inputs = patchInputs(shape);
  const [inGates, inGatesBias] = [part('input gates'), part('input gates bias')];
  const [inCandidate, inCandidateBias] = [part('input candidate'), part('input candidate bias')];
  const [ofGates, ofCandidate, ofCandidateBias] = [
    part('state gates'),
    part('state candidate'),
    part('state candidate bias'),
  ];
  const state = new Float64Array(units);
  const gates = new Float64Array(2 * units);
  const candidate = new Float64Array(units);
  const recurrent = new Float64Array(units);
  const both = new Float64Array(2 * units);
  return (tokens) => {
    state.fill(0);
    for (let p = 0; p < PATCHES; p++) {
      affine(tokens, p * inputs, inputs, inGates, inGatesBias, gates);
      affine(tokens, p * inputs, inputs, inCandidate, inCandidateBias, candidate);
      affine(state, 0, units, ofGates, gates, both);
      affine(state, 0, units, ofCandidate, ofCandidateBias, recurrent);
      for (let u = 0; u < units; u++) {
        const keep = sigmoid(both[u] ?? 0);
        const reset = sigmoid(both[units + u] ?? 0);
        const next = Math.tanh((candidate[u] ?? 0) + reset * (recurrent[u] ?? 0));
        state[u] = next + keep * ((state[u] ?? 0) - next);
      }
    }
    return state;
  };
}

function createTree(shape: NetworkShape, part: Part): (tokens: Float32Array) => Float64Array {
  const { units } = shape;
  const inputs = patchInputs(shape);
  const [embedding, embeddingBias] = [part('embedding'), part('embedding bias')];
  const kernels = KERNELS.map((_, level) => ({
    matrix: part(`convolution ${level}`),
    bias: part(`convolution ${level} bias`),
  }));
  const layer = new Float64Array(PATCHES * units);
  const one = new Float64Array(units);
  return (tokens) => {
    for (let p = 0; p < PATCHES; p++) {
      affine(tokens, p * inputs, inputs, embedding, embeddingBias, one);
      layer.set(one, p * units);
    }
    let length = PATCHES;
    KERNELS.forEach((kernel, level) => {
      const { matrix, bias } = kernels[level] ?? { matrix: embedding, bias: embeddingBias };
      length /= kernel;
      for (let p = 0; p < length; p++) {
        const from = p * kernel * units;
        affine(layer, from, kernel * units, matrix, bias, one);
        relu(one);
        // The residual: what stood at the last of the patches that were joined.
        const lastOf = from + (kernel - 1) * units;
        for (let u = 0; u < units; u++) layer[p * units + u] = (layer[lastOf + u] ?? 0) + (one[u] ?? 0);
      }
    });
    return layer.subarray(0, units);
  };
}
