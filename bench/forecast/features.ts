import type { Series } from '../../src/domain/series.js';

/*
 * What the global peer is told of a series at an origin and of a target bin: lags, rolling statistics, the same time on
 * past days, the calendar. Values are in units of the series' own recent level, so that one model serves all series.
 */

const DAY = 86_400;
const LAGS = [0, 1, 2, 3, 4, 5, 8, 11, 17, 23, 35] as const;
/** Seconds that rolling statistics look back. */
const WINDOWS = [900, 1800, 3600, 3 * 3600, 6 * 3600, DAY, 7 * DAY] as const;
const DAYS_BACK = [1, 2, 3, 7] as const;
/** Bins on each side that are averaged for the same time on a past day. */
const AROUND = 3;

export const featureNames: readonly string[] = [
  ...LAGS.map((lag) => `lag ${lag}`),
  'change 1',
  'change 12',
  ...WINDOWS.flatMap((seconds) => [`mean ${seconds}`, `max ${seconds}`, `min ${seconds}`, `deviation ${seconds}`]),
  ...DAYS_BACK.flatMap((days) => [`${days} days back`, `around ${days} days back`]),
  'mean of a week at this time',
  'max of a week at this time',
  'last against a day ago',
  'sin hour',
  'cos hour',
  'sin week',
  'cos week',
  'day of week',
  'ahead',
  'log ahead',
  'log step',
];

export interface FeatureReader {
  /** The unit of an origin's row: the mean of the last week, or a quarter of that of all before; > 0. */
  unit(origin: number): number;
  /** Writes the row of a target `ahead` bins after the origin. */
  read(origin: number, ahead: number, row: Float32Array): void;
}

/** Reads features of one series, from what is known at an origin alone. */
export function createFeatureReader(series: Series): FeatureReader {
  const { values, step, start } = series;
  const season = Math.max(1, Math.round(DAY / step));
  const sums = new Float64Array(values.length + 1);
  const squares = new Float64Array(values.length + 1);
  const counts = new Float64Array(values.length + 1);
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? Number.NaN;
    const known = !Number.isNaN(value);
    sums[index + 1] = (sums[index] ?? 0) + (known ? value : 0);
    squares[index + 1] = (squares[index] ?? 0) + (known ? value * value : 0);
    counts[index + 1] = (counts[index] ?? 0) + (known ? 1 : 0);
  }
  /** Mean of bins from … to, both inclusive; NaN of none. */
  const mean = (from: number, to: number): number => {
    const first = Math.max(0, from);
    if (to < first) return Number.NaN;
    const count = (counts[to + 1] ?? 0) - (counts[first] ?? 0);
    return count === 0 ? Number.NaN : ((sums[to + 1] ?? 0) - (sums[first] ?? 0)) / count;
  };
  const unit = (origin: number): number => {
    const week = mean(origin + 1 - 7 * season, origin);
    const ever = mean(0, origin);
    // A series that has hardly moved for a week would else count thousands of times as much as any other.
    const least = Math.max(Number.isNaN(week) ? 0 : week, 0.25 * ever);
    return least > 1e-9 ? least : 1;
  };
  // What depends on the origin alone is read once for all its targets.
  let readAt = -1;
  const shared: number[] = [];
  const readOrigin = (origin: number, scale: number): void => {
    readAt = origin;
    shared.length = 0;
    for (const lag of LAGS) shared.push((values[origin - lag] ?? Number.NaN) / scale);
    shared.push((shared[0] ?? Number.NaN) - (shared[1] ?? Number.NaN));
    shared.push((shared[0] ?? Number.NaN) - (values[origin - 12] ?? Number.NaN) / scale);
    for (const seconds of WINDOWS) {
      const first = Math.max(0, origin + 1 - Math.max(1, Math.round(seconds / step)));
      const middle = mean(first, origin);
      const count = (counts[origin + 1] ?? 0) - (counts[first] ?? 0);
      const square = ((squares[origin + 1] ?? 0) - (squares[first] ?? 0)) / count;
      let [highest, lowest] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
      for (let index = first; index <= origin; index++) {
        const value = values[index] ?? Number.NaN;
        if (value > highest) highest = value;
        if (value < lowest) lowest = value;
      }
      const some = count > 0;
      shared.push(
        middle / scale,
        some ? highest / scale : Number.NaN,
        some ? lowest / scale : Number.NaN,
        some ? Math.sqrt(Math.max(0, square - middle * middle)) / scale : Number.NaN,
      );
    }
  };
  return {
    unit,
    read(origin, ahead, row) {
      const scale = unit(origin);
      if (readAt !== origin) readOrigin(origin, scale);
      const target = origin + ahead;
      let at = 0;
      for (const value of shared) row[at++] = value;
      for (const days of DAYS_BACK) {
        const back = target - season * days;
        row[at++] = (back <= origin ? (values[back] ?? Number.NaN) : Number.NaN) / scale;
        row[at++] = mean(back - AROUND, Math.min(origin, back + AROUND)) / scale;
      }
      let [sum, count, highest] = [0, 0, Number.NEGATIVE_INFINITY];
      for (let days = 1; days <= 7; days++) {
        const value = target - season * days <= origin ? (values[target - season * days] ?? Number.NaN) : Number.NaN;
        if (Number.isNaN(value)) continue;
        sum += value;
        count++;
        highest = Math.max(highest, value);
      }
      row[at++] = count > 0 ? sum / count / scale : Number.NaN;
      row[at++] = count > 0 ? highest / scale : Number.NaN;
      row[at++] = ((values[origin] ?? Number.NaN) - mean(origin - season - AROUND, origin - season + AROUND)) / scale;
      const time = start + target * step;
      const hour = ((time % DAY) / DAY) * 2 * Math.PI;
      // The epoch began on a Thursday.
      const week = (((time / DAY + 3) % 7) / 7) * 2 * Math.PI;
      row[at++] = Math.sin(hour);
      row[at++] = Math.cos(hour);
      row[at++] = Math.sin(week);
      row[at++] = Math.cos(week);
      row[at++] = Math.floor((time / DAY + 3) % 7);
      row[at++] = (ahead * step) / DAY;
      row[at++] = Math.log(ahead * step);
      row[at++] = Math.log(step);
    },
  };
}
