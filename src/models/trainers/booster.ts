import { z } from 'zod';
import { createExplain, oneLine } from '../../domain/issue-words.js';
import { loadGlobalBooster, type GlobalBoosterOptions } from '../../forecast/booster/global-booster.js';
import { withSystemLoad } from '../../forecast/system-load.js';
import { trainGlobalBoosterInThread } from '../../forecast/booster/train-in-thread.js';
import { modelsError } from '../errors.js';
import type { Trainer } from '../port.js';

/*
 * Gradient boosting on features of many series (src/forecast/booster). It learns its own horizons from the step of each
 * series; a fit of tens of seconds is begun anew after an interruption.
 */

const settingsSchema = z.strictObject({
  /** Drawn from all series together. */
  rows: z.int().min(1000).default(150_000),
  /** Share at the end of each series that says when to stop. */
  validation: z.number().min(0).max(0.5).default(0.15),
  rounds: z.int().min(1).optional(),
  leaves: z.int().min(2).optional(),
  minLeaf: z.int().min(1).optional(),
  learningRate: z.number().gt(0).max(1).optional(),
  l2: z.number().min(0).optional(),
  columnShare: z.number().gt(0).max(1).optional(),
  rowShare: z.number().gt(0).max(1).optional(),
  patience: z.int().min(1).optional(),
});

const explain = createExplain(settingsSchema);

export const boosterTrainer: Trainer = {
  kind: 'booster',
  async train(series, { levels, seed, hyperParameters, signal, onProgress }) {
    const parsed = settingsSchema.safeParse(hyperParameters ?? {});
    if (!parsed.success) {
      const known = Object.keys(settingsSchema.shape).join(', ');
      const problem = oneLine(explain(parsed.error.issues, hyperParameters ?? {}), 'settings');
      throw modelsError('invalid-input', 'training booster', problem, `known settings are ${known}`);
    }
    const { rows, validation, ...trees } = parsed.data;
    const given = Object.fromEntries(Object.entries(trees).filter(([, value]) => value !== undefined));
    const options: GlobalBoosterOptions = { levels, seed, rows, validation, trees: given, hourly: true };
    const weights = await trainGlobalBoosterInThread(
      { series: withSystemLoad(series), options },
      {
        signal,
        onProgress({ round, rounds, loss }) {
          const note = `tree ${round} of ${rounds}${loss === null ? '' : `, loss ${loss.toPrecision(4)}`}`;
          onProgress?.({ done: round / rounds, note });
        },
      },
    );
    return { weights, hyperParameters: { rows, validation, ...given }, backend: 'js' };
  },
  load: (weights) => Promise.resolve().then(() => loadGlobalBooster(weights)),
};
