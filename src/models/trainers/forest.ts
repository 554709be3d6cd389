import { z } from 'zod';
import { createExplain, oneLine } from '../../domain/issue-words.js';
import { loadGlobalBooster } from '../../forecast/booster/global-booster.js';
import { trainGlobalBoosterInThread } from '../../forecast/booster/train-in-thread.js';
import { withSystemLoad } from '../../forecast/system-load.js';
import { modelsError } from '../errors.js';
import type { Trainer } from '../port.js';

/* A random forest of quantiles on the features of many series, as the booster is one of boosted trees (booster.ts). */

const settingsSchema = z.strictObject({
  /** Drawn from all series together. */
  rows: z.int().min(1000).default(150_000),
  trees: z.int().min(1).optional(),
  leaves: z.int().min(2).optional(),
  minLeaf: z.int().min(1).optional(),
  columnShare: z.number().gt(0).max(1).optional(),
  rowShare: z.number().gt(0).max(1).optional(),
});

const explain = createExplain(settingsSchema);

export const forestTrainer: Trainer = {
  kind: 'random-forest',
  async train(series, { levels, seed, hyperParameters, signal, onProgress }) {
    const parsed = settingsSchema.safeParse(hyperParameters ?? {});
    if (!parsed.success) {
      const known = Object.keys(settingsSchema.shape).join(', ');
      const problem = oneLine(explain(parsed.error.issues, hyperParameters ?? {}), 'settings');
      throw modelsError('invalid-input', 'training random-forest', problem, `known settings are ${known}`);
    }
    const { rows, ...forest } = parsed.data;
    const given = Object.fromEntries(Object.entries(forest).filter(([, value]) => value !== undefined));
    const weights = await trainGlobalBoosterInThread(
      {
        series: withSystemLoad(series),
        // Nothing says when to stop: all of each series is learnt from.
        options: { method: 'forest', levels, seed, rows, validation: 0, forest: given, hourly: true },
      },
      {
        signal,
        onProgress: ({ round, rounds }) => onProgress?.({ done: round / rounds, note: `tree ${round} of ${rounds}` }),
      },
    );
    return { weights, hyperParameters: { rows, ...given }, backend: 'js' };
  },
  load: (weights) => Promise.resolve().then(() => loadGlobalBooster(weights)),
};
