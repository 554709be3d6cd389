import { z } from 'zod';
import { errorsOf } from '../../domain/errors.js';
import { createExplain, oneLine } from '../../domain/issue-words.js';
import type { NetworkShape } from './network.js';

/** Errors of the networks. */
export const neuralError = errorsOf('forecast/neural');

/** The hyper-parameters of a fit; plain JSON, as model cards hold them. */
export const neuralSettingsSchema = z.strictObject({
  network: z.enum(['gru', 'tcn']).default('tcn'),
  /** Width of the encoder. */
  units: z.int().min(2).max(512).default(48),
  /** Width of the head's two layers. */
  hidden: z.int().min(2).max(512).default(64),
  /** Bins in a patch; 24 patches are the recent past. */
  patch: z.int().min(1).max(96).default(12),
  loss: z.enum(['pinball', 'mse']).default('pinball'),
  /** Adam's rate at the first epoch; it falls by a cosine to a tenth. */
  rate: z.number().gt(0).max(1).default(0.003),
  /** Origins in a batch: a step costs its dispatch, so that small ones are no cheaper. */
  batch: z.int().min(1).max(8192).default(512),
  /** Targets drawn of each origin. */
  targets: z.int().min(1).max(64).default(4),
  /** Share of the encoder's vector and of the head's first layer that is left out of a step. */
  dropout: z.number().min(0).max(0.9).default(0.15),
  l1: z.number().min(0).default(0),
  l2: z.number().min(0).default(0.02),
  /** Largest norm of a step's gradient. */
  clip: z.number().gt(0).default(1),
  /** Steps between two looks at the validation part. */
  epochSteps: z.int().min(1).default(50),
  epochs: z.int().min(1).default(16),
  /** Epochs without a better validation loss after which a fit ends. */
  patience: z.int().min(1).default(5),
});
export type NeuralSettings = z.infer<typeof neuralSettingsSchema>;

const explain = createExplain(neuralSettingsSchema);

/** @throws HeadroomError `invalid-input` that names what is unknown or out of range. */
export function readSettings(given: Readonly<Record<string, unknown>> = {}): NeuralSettings {
  const read = neuralSettingsSchema.safeParse(given);
  if (read.success) return read.data;
  const problem = oneLine(explain(read.error.issues, given), 'settings');
  const known = Object.keys(neuralSettingsSchema.shape).join(', ');
  throw neuralError('invalid-input', 'reading hyper-parameters of a network', problem, `known are ${known}`);
}

/** @param levels asked for; inside, the network always has the middle too. */
export function shapeOf({ network, units, hidden, patch }: NeuralSettings, levels: readonly number[]): NetworkShape {
  const inner = [...new Set([...levels, 0.5])].sort((a, b) => a - b);
  if (levels.length === 0 || inner.some((level) => !(level > 0 && level < 1))) {
    const problem = `levels [${levels.join(', ')}]`;
    throw neuralError('invalid-input', 'shaping a network', problem, 'give levels between 0 and 1');
  }
  // One level alone would leave no gap to learn.
  if (inner.length === 1) inner.push(0.9);
  return { network, units, hidden, patch, levels: inner };
}
