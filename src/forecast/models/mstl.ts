import { binLabel, type Series } from '../../domain/series.js';
import type { EpochSeconds } from '../../domain/time.js';
import type { Calendar } from '../calendar.js';
import { forecastMstl } from './augurs.js';
import type { Model, ModelContext, ModelEntry } from './model.js';

const DAY = 86_400;
const WEEK = 7 * DAY;
/** Seasons are decomposed on slots of at least a quarter of an hour: a fit in a tenth of the time, and less noise. */
const SLOT = 900;
/** A fit looks at no more than this. */
const WINDOW = 28 * DAY;
/** How fast the level follows, each tried; per observation. */
const RATES = [0.9, 0.35, 0.08] as const;
/** How fast the seasonal component takes in what the level leaves; per day. */
const SEASONAL_RATE = 0.1;

/**
 * MSTL + ETS: several seasons decomposed at once, by a fit that only looks at a window as a whole. Between fits it is
 * kept by error correction of our own: the level follows the deseasonalised series by exponential smoothing (the rate
 * by horizon, whichever has erred least), and each seasonal slot takes in a little of what the level leaves.
 */
export const mstl: ModelEntry = {
  name: 'mstl-ets',
  create(context): Model | null {
    // A step of 12 hours or more has no day to decompose that the weekly naive would not show.
    return context.step > DAY / 4 ? null : createMstl(context);
  },
};

function createMstl({ step, calendar, anchors }: ModelContext): Model {
  const slot = Math.max(step, SLOT);
  let seasonal: Float32Array | null = null;
  let period = DAY;
  const levels = new Float64Array(RATES.length);
  const size = (anchors[anchors.length - 1] ?? 1) + 1;
  const ring = new Float64Array(size * (RATES.length + 1)).fill(Number.NaN);
  const errors = new Float64Array(anchors.length * RATES.length);
  const forget = 1 - 2 ** (-1 / Math.max(48, DAY / step));
  let spread = 0;

  const phase = (label: EpochSeconds): number =>
    (period === WEEK ? calendar.secondOfWeek(label) : calendar.secondOfDay(label)) / slot;
  /** Linear between the middles of slots. */
  const season = (label: EpochSeconds): number => {
    if (seasonal === null) return 0;
    const count = seasonal.length;
    const at = phase(label) + step / slot / 2 - 0.5;
    const before = Math.floor(at);
    const low = seasonal[(before + count) % count] ?? 0;
    const high = seasonal[(before + 1) % count] ?? 0;
    return low + (at - before) * (high - low);
  };
  const follow = (label: EpochSeconds, value: number): void => {
    const deseasonalised = value - season(label);
    for (let r = 0; r < RATES.length; r++) {
      const now = levels[r] ?? 0;
      levels[r] = now + (RATES[r] ?? 1) * (deseasonalised - now);
    }
  };

  return {
    name: 'mstl-ets',
    fit(series) {
      const parts = decompose(series, slot, calendar);
      if (parts === null) return;
      seasonal = parts.seasonal;
      period = parts.period;
      ring.fill(Number.NaN);
      const tail = Math.max(0, series.values.length - Math.ceil((2 * DAY) / step));
      levels.fill(parts.level);
      for (let index = tail; index < series.values.length; index++) {
        const value = series.values[index] ?? Number.NaN;
        if (!Number.isNaN(value)) follow(binLabel(series, index), value);
      }
    },
    observe(label, value) {
      if (seasonal === null) return;
      const index = Math.round(label / step);
      const now = season(label);
      for (let a = 0; a < anchors.length; a++) {
        const origin = index - (anchors[a] ?? 1);
        const at = (((origin % size) + size) % size) * (RATES.length + 1);
        if (ring[at] !== origin) continue;
        for (let r = 0; r < RATES.length; r++) {
          const error = Math.min(Math.abs(value - now - (ring[at + 1 + r] ?? 0)), spread > 0 ? 6 * spread : Infinity);
          const cell = a * RATES.length + r;
          errors[cell] = (errors[cell] ?? 0) + forget * (error - (errors[cell] ?? 0));
        }
      }
      const left = value - now - (levels[RATES.length - 1] ?? 0);
      const bounded = spread > 0 ? Math.max(-6 * spread, Math.min(6 * spread, left)) : left;
      spread += forget * (Math.abs(bounded) - spread);
      const at = Math.floor(phase(label)) % seasonal.length;
      seasonal[at] = (seasonal[at] ?? 0) + ((SEASONAL_RATE * step) / slot) * bounded;
      follow(label, value);
      const keep = (((index % size) + size) % size) * (RATES.length + 1);
      ring[keep] = index;
      ring.set(levels, keep + 1);
    },
    move(delta) {
      for (let r = 0; r < levels.length; r++) levels[r] = (levels[r] ?? 0) + delta;
      for (let at = 0; at < ring.length; at += RATES.length + 1) {
        for (let r = 1; r <= RATES.length; r++) ring[at + r] = (ring[at + r] ?? Number.NaN) + delta;
      }
    },
    predict(target, ahead) {
      if (seasonal === null) return Number.NaN;
      let anchor = anchors.findIndex((one) => one >= ahead);
      if (anchor === -1) anchor = anchors.length - 1;
      let best = 0;
      for (let r = 1; r < RATES.length; r++) {
        const cell = anchor * RATES.length;
        if ((errors[cell + r] ?? 0) < (errors[cell + best] ?? 0)) best = r;
      }
      return Math.max(0, season(target) + (levels[best] ?? 0));
    },
  };
}

/** Seasonal component by local slot, and the level at the end; null where there are less than two days, or no change. */
function decompose(
  series: Series,
  slot: number,
  calendar: Calendar,
): { seasonal: Float32Array; period: number; level: number } | null {
  const bins = Math.min(series.values.length, Math.floor(WINDOW / series.step));
  const first = series.values.length - bins;
  const end = binLabel(series, series.values.length);
  const count = Math.floor((bins * series.step) / slot);
  const sums = new Float64Array(count);
  const counts = new Float64Array(count);
  for (let index = first; index < series.values.length; index++) {
    const value = series.values[index] ?? Number.NaN;
    // Slots are counted back from the end, so that the last one is whole.
    const at = count - 1 - Math.floor((end - binLabel(series, index) - series.step / 2) / slot);
    if (Number.isNaN(value) || at < 0) continue;
    sums[at] = (sums[at] ?? 0) + value;
    counts[at] = (counts[at] ?? 0) + 1;
  }
  const from = counts.findIndex((n) => n > 0);
  if (from === -1) return null;
  const values = sums.subarray(from).map((sum, k) => sum / (counts[from + k] ?? 0));
  const day = Math.round(DAY / slot);
  if (values.length < 2 * day || day < 2) return null;
  // A hole takes the same time of the day before it, else the last value: what is left out must not look like a change.
  for (let k = 0; k < values.length; k++) {
    if (Number.isNaN(values[k])) values[k] = values[k - day] ?? values[k - 1] ?? 0;
  }
  const sorted = values.slice().sort();
  const cap = 3 * (sorted[Math.floor(0.99 * (sorted.length - 1))] ?? 0);
  if ((sorted[0] ?? 0) === (sorted[sorted.length - 1] ?? 0)) return null;
  for (let k = 0; k < values.length; k++) values[k] = Math.min(values[k] ?? 0, cap > 0 ? cap : Infinity);
  const weekly = values.length >= 14 * day;
  const length = weekly ? 7 * day : day;
  const forecast = forecastMstl(values, weekly ? [day, 7 * day] : [day], 2 * length);
  if (forecast === null) return null;
  // Seasons repeat and the trend is a line (or bends to one): two periods of forecast tell them apart.
  const mean = (start: number): number => forecast.subarray(start, start + length).reduce((a, b) => a + b, 0) / length;
  const slope = (mean(length) - mean(0)) / length;
  const level = mean(0) - (slope * (length - 1)) / 2;
  const seasonal = new Float32Array(length);
  const period = weekly ? WEEK : DAY;
  for (let k = 0; k < length; k++) {
    const label = end + k * slot;
    const second = weekly ? calendar.secondOfWeek(label) : calendar.secondOfDay(label);
    seasonal[Math.floor((second + slot / 2) / slot) % length] = (forecast[k] ?? 0) - slope * k - level;
  }
  return { seasonal, period, level };
}
