import type { Model, ModelEntry } from './model.js';

const DAY = 86_400;
/** Beyond this many bins a season, the raw values of a season cost more memory than they tell. */
const MOST_BINS = 2016;

/**
 * The same time on the local clock a season ago; where that bin is missing, one season further back, as far as the
 * history reaches.
 */
const seasonalNaive = (name: string, days: number): ModelEntry => ({
  name,
  create({ step, calendar, history }): Model | null {
    const season = (days * DAY) / step;
    if (season < 2 || season > MOST_BINS) return null;
    const seasons = Math.floor(history.capacity / season);
    return {
      name,
      observe() {
        // The history holds all that it needs.
      },
      predict(target, ahead) {
        const origin = target - ahead * step;
        for (let back = 1; back <= seasons; back++) {
          const label = calendar.daysBefore(target, back * days);
          if (label > origin) continue;
          const value = history.at(label);
          if (!Number.isNaN(value)) return value;
        }
        return Number.NaN;
      },
    };
  },
});

export const seasonalNaiveDay = seasonalNaive('seasonal-naive-day', 1);
export const seasonalNaiveWeek = seasonalNaive('seasonal-naive-week', 7);
