import type { Model, ModelEntry } from './model.js';

/** Tomorrow is like now: the last known value. The peer that is hardest to beat a few steps ahead. */
export const persistence: ModelEntry = {
  name: 'persistence',
  byState: true,
  create: (): Model => {
    let last = Number.NaN;
    return {
      name: 'persistence',
      observe(_label, value) {
        last = value;
      },
      predict: () => last,
    };
  },
};
