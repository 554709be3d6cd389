import { describe, expect, it } from 'vitest';
import { loadBackend, nativeProblem, type BackendChoice } from '../../src/forecast/neural/backend.js';
import { createForward } from '../../src/forecast/neural/forward.js';
import { createGraph, type Batch, type Loss } from '../../src/forecast/neural/graph.js';
import {
  FEATURES,
  initialWeights,
  layout,
  PATCHES,
  patchInputs,
  type NetworkKind,
  type NetworkShape,
} from '../../src/forecast/neural/network.js';
import { createRandom } from '../../src/forecast/neural/random.js';

/* A network is trained on tensors and forecasts without them: where the two part, every forecast is of another network. */

const without = await nativeProblem();
const backends: [BackendChoice, string | null][] = [
  ['wasm', null],
  ['native', without],
];

const LEVELS = [0.1, 0.5, 0.9, 0.99];
const shapeOf = (network: NetworkKind): NetworkShape => ({ network, units: 5, hidden: 7, patch: 4, levels: LEVELS });

function batchOf(shape: NetworkShape, origins: number, targets: number): Batch {
  const random = createRandom(7);
  const draw = (size: number): Float32Array => Float32Array.from({ length: size }, () => random.normal());
  const weight = new Float32Array(origins * targets).fill(1);
  weight[1] = 0;
  return {
    origins,
    targets,
    tokens: draw(origins * PATCHES * patchInputs(shape)),
    features: draw(origins * targets * FEATURES),
    truth: draw(origins * targets),
    weight,
  };
}

/** The loss by the plain forward pass. */
function plainLoss(shape: NetworkShape, flat: Float32Array, batch: Batch, kind: Loss): number {
  const forward = createForward(shape, flat);
  const width = patchInputs(shape);
  const one = new Float32Array(PATCHES * width);
  const quantiles = new Float64Array(shape.levels.length);
  let sum = 0;
  let known = 0;
  for (let o = 0; o < batch.origins; o++) {
    for (let p = 0; p < PATCHES; p++) {
      const from = (shape.network === 'gru' ? p * batch.origins + o : o * PATCHES + p) * width;
      one.set(batch.tokens.subarray(from, from + width), p * width);
    }
    forward.encode(one);
    for (let t = 0; t < batch.targets; t++) {
      const row = o * batch.targets + t;
      if (batch.weight[row] === 0) continue;
      forward.decode(batch.features, row * FEATURES, quantiles);
      known++;
      shape.levels.forEach((level, l) => {
        const error = (batch.truth[row] ?? 0) - (quantiles[l] ?? 0);
        sum += kind === 'mse' && level === 0.5 ? error ** 2 : Math.max(level * error, (level - 1) * error);
      });
    }
  }
  return sum / known / shape.levels.length;
}

describe('networks on tensors', () => {
  for (const [choice, problem] of backends) {
    const title = `${choice}${problem === null ? '' : ` (skipped: ${problem}; make tensorflow)`}`;
    describe.skipIf(problem !== null)(title, () => {
      for (const network of ['gru', 'tcn'] as const) {
        for (const kind of ['pinball', 'mse'] as const) {
          it(`${network}, ${kind}: loss and gradient are those of the plain forward pass`, async () => {
            const backend = await loadBackend(choice);
            const shape = shapeOf(network);
            const batch = batchOf(shape, 3, 2);
            const flat = initialWeights(shape, 3);
            // Off the symmetric start, where the recurrence would be hardly used.
            const random = createRandom(11);
            for (let k = 0; k < flat.length; k++) flat[k] = (flat[k] ?? 0) + 0.1 * random.normal();
            const graph = createGraph(backend, shape, kind);
            const gradient = new Float32Array(flat.length);
            const before = backend.tf.memory().numTensors;
            const loss = graph.differentiate(flat, batch, null, gradient);
            expect(backend.tf.memory().numTensors, 'tensors are given back').toBe(before);
            expect(loss).toBeCloseTo(plainLoss(shape, flat, batch, kind), 4);
            expect(graph.loss(flat, batch)).toBeCloseTo(loss, 5);
            for (const { name, offset, size } of layout(shape).weights) {
              for (const at of [offset, offset + (size >> 1), offset + size - 1]) {
                const nudge = 2e-3;
                const value = flat[at] ?? 0;
                flat[at] = value + nudge;
                const above = plainLoss(shape, flat, batch, kind);
                const width = (flat[at] ?? 0) - value;
                flat[at] = value - width;
                const below = plainLoss(shape, flat, batch, kind);
                flat[at] = value;
                expect(gradient[at], `${name} at ${at - offset}`).toBeCloseTo((above - below) / (2 * width), 2);
              }
            }
          });
        }
      }
    });
  }
});
