import { z } from 'zod';
import { pack, unpack } from '../booster/container.js';
import type { GlobalModel } from '../global.js';
import { createForward } from './forward.js';
import { contextOf, describe, unbend, viewOf } from './inputs.js';
import { FEATURES, layout, PATCHES, patchInputs } from './network.js';
import { neuralError, readSettings, shapeOf, type NeuralSettings } from './settings.js';

/* A trained network as bytes, and as a model. It forecasts without the tensor library that trained it. */

const KIND = 'neural-network';
const VERSION = 1;

/** What a network's weights need beside them to be used. */
export interface NetworkHeader {
  settings: NeuralSettings;
  levels: readonly number[];
  /** Seconds. */
  horizon: number;
  /** Seconds between bins of the series that it was trained on: finest, coarsest. */
  steps: readonly [number, number];
}

const headerSchema = z.object({
  settings: z.record(z.string(), z.unknown()),
  levels: z.array(z.number()),
  horizon: z.number(),
  steps: z.tuple([z.number(), z.number()]),
});

export const packNetwork = (header: NetworkHeader, weights: Float32Array): Uint8Array =>
  pack(KIND, VERSION, { ...header }, { weights });

/** @throws HeadroomError `invalid-input` where the bytes are damaged, or no network of ours. */
export function unpackNetwork(bytes: Uint8Array): { header: NetworkHeader; weights: Float32Array } {
  const { header, read } = unpack(KIND, VERSION, bytes);
  const parsed = headerSchema.safeParse(header);
  if (!parsed.success) {
    throw neuralError('invalid-input', 'reading a network', 'its header cannot be used', 'fit it again');
  }
  const settings = readSettings(parsed.data.settings);
  const weights = read('weights', Float32Array);
  const { size } = layout(shapeOf(settings, parsed.data.levels));
  if (weights.length !== size || weights.some((weight) => !Number.isFinite(weight))) {
    const problem = `${weights.length} weights, finite or not, do not make a network of ${size}`;
    throw neuralError('invalid-input', 'reading a network', problem, 'fit it again');
  }
  return { header: { ...parsed.data, settings }, weights };
}

/** @throws HeadroomError `invalid-input` where the bytes are damaged, or no network of ours. */
export function loadNetwork(bytes: Uint8Array): GlobalModel {
  const { header, weights } = unpackNetwork(bytes);
  return createNetworkModel(header, weights);
}

export function createNetworkModel(header: NetworkHeader, weights: Float32Array): GlobalModel {
  const { settings, levels, horizon, steps } = header;
  const shape = shapeOf(settings, levels);
  const forward = createForward(shape, weights);
  const context = contextOf(steps[0], shape.patch);
  const width = patchInputs(shape);
  const tokens = new Float32Array(PATCHES * width);
  const inner = new Float64Array(shape.levels.length);
  const places = levels.map((level) => shape.levels.indexOf(level));
  return {
    name: `neural-${shape.network}`,
    levels: [...levels],
    context,
    predict(requests, aheads) {
      const perRequest = aheads.length * levels.length;
      const out = new Float32Array(requests.length * perRequest).fill(Number.NaN);
      const features = new Float32Array(aheads.length * FEATURES);
      requests.forEach(({ values, origin, step, calendar }, r) => {
        // Of steps that it has never seen anything like, it knows nothing.
        if (step < steps[0] / 2 || step > steps[1] * 2 || values.length === 0) return;
        const view = viewOf(values.length > context ? values.subarray(values.length - context) : values);
        const last = view.values.length - 1;
        const first = view.values.length - contextOf(step, shape.patch);
        const normal = describe(
          { view, first, last, label: origin, step, calendar },
          shape.patch,
          aheads,
          { to: tokens, at: 0, stride: width },
          { to: features, at: 0, stride: FEATURES },
        );
        if (normal === null) return;
        forward.encode(tokens);
        aheads.forEach((ahead, a) => {
          if (ahead * step > horizon * 1.05) return;
          forward.decode(features, a * FEATURES, inner);
          const at = r * perRequest + a * levels.length;
          places.forEach((place, l) => {
            const value = unbend(normal, inner[place] ?? Number.NaN);
            out[at + l] = Number.isFinite(value) ? Math.max(0, value) : Number.NaN;
          });
        });
      });
      return out;
    },
  };
}
