import type { Model, ModelEntry } from './model.js';

const DAY = 86_400;
/** One value moves the mean by no more than this many mean departures. */
const WILD = 6;

/**
 * The mean of the last day or so. Its residuals are the spread of the series itself, so that it speaks for series whose
 * next value owes nothing to the last one (bursts, batches): there it gives the steadiest upper quantiles.
 */
export const recentMean: ModelEntry = {
  name: 'recent-mean',
  byState: true,
  create({ step }): Model {
    const rate = 1 - 2 ** (-1 / Math.max(24, DAY / step));
    let mean = 0;
    let spread = 0;
    let known = 0;
    return {
      name: 'recent-mean',
      observe(_label, value) {
        known++;
        const departure = value - mean;
        const bounded =
          spread > 0 && known > 12 ? Math.max(-WILD * spread, Math.min(WILD * spread, departure)) : departure;
        mean += Math.max(rate, 1 / known) * bounded;
        spread += Math.max(rate, 1 / known) * (Math.abs(bounded) - spread);
      },
      move(delta) {
        mean += delta;
      },
      predict: () => (known === 0 ? Number.NaN : mean),
    };
  },
};
