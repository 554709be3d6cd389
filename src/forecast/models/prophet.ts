import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { initSync, Prophet } from '@bsull/augurs/prophet';
import { optimizer } from '@bsull/augurs-prophet-wasmstan';
import { binLabel, type Series } from '../../domain/series.js';
import type { EpochSeconds } from '../../domain/time.js';
import type { Calendar } from '../calendar.js';
import type { Model, ModelContext, ModelEntry } from './model.js';

/*
 * Prophet (Taylor and Letham, The American Statistician 2018), fitted by Stan's optimizer in WASM: a trend that bends at
 * a few points, and Fourier series of the day and the week. Its fit alone knows the window; between fits it is a curve
 * that does not follow the series, so that its residuals are wide and its say is small where levels move. Loading this
 * file loads three megabytes of WASM: the registry does so only where it is asked for by name.
 */

const DAY = 86_400;
const HOUR = 3600;
/** A fit sees hours, no more than so many weeks of them. */
const WINDOW = 28 * DAY;
/** Fewer known hours than two days show no cycle. */
const FEWEST = 48;
/** The curve reaches so far past the window: a week to the next fit and a week of horizon. */
const REACH = 15 * DAY;
/** Bends of the trend: few, since a month has few, and each costs a fit's time. */
const BENDS = 10;
/** Beyond so many times the highest hour that was seen the trend has run away. */
const MOST = 3;

initSync({
  module: readFileSync(
    join(dirname(createRequire(import.meta.url).resolve('@bsull/augurs/prophet')), 'prophet_bg.wasm'),
  ),
});

export const prophet: ModelEntry = {
  name: 'prophet',
  // Longer steps than some hours leave nothing of a day to fit.
  create: (context): Model | null => (context.step > DAY / 4 ? null : createProphet(context)),
};

function createProphet({ step, calendar }: ModelContext): Model {
  const slot = Math.max(step, HOUR);
  let curve: Float64Array = new Float64Array(0);
  let start = 0;
  return {
    name: 'prophet',
    fit(window) {
      const fitted = fitCurve(window, slot, calendar);
      curve = fitted?.curve ?? new Float64Array(0);
      start = fitted?.start ?? 0;
    },
    observe() {
      // The curve stands until the next fit.
    },
    predict(target) {
      // Values stand at the middles of slots; between them the line.
      const at = (target + step / 2 - start) / slot - 0.5;
      const before = Math.floor(at);
      const low = curve[before] ?? Number.NaN;
      const high = curve[before + 1] ?? Number.NaN;
      return Math.max(0, low + (at - before) * (high - low));
    },
  };
}

/** The curve from a little before the window's end on, by slot; null where there is too little, or no change. */
function fitCurve(
  window: Series,
  slot: number,
  calendar: Calendar,
): { curve: Float64Array; start: EpochSeconds } | null {
  const end = binLabel(window, window.values.length);
  const sums = new Map<number, { sum: number; count: number }>();
  window.values.forEach((value, index) => {
    const label = binLabel(window, index);
    if (Number.isNaN(value) || label < end - WINDOW) return;
    const key = Math.floor(label / slot) * slot;
    const entry = sums.get(key) ?? { sum: 0, count: 0 };
    entry.sum += value;
    entry.count++;
    sums.set(key, entry);
  });
  const hours = [...sums].sort(([a], [b]) => a - b);
  const values = hours.map(([, { sum, count }]) => sum / count);
  const top = Math.max(...values, 0);
  if (values.length < FEWEST || values.every((value) => value === values[0])) return null;
  // Its seasons are of the clock that it is told: the local one.
  const local = (label: EpochSeconds): number => label + calendar.offset(label);
  const ds: number[] = [];
  const y: number[] = [];
  hours.forEach(([label], k) => {
    const at = local(label);
    // The hour that a clock set back shows twice counts once.
    if (at <= (ds.at(-1) ?? Number.NEGATIVE_INFINITY)) return;
    ds.push(at);
    y.push(values[k] ?? 0);
  });
  const span = (hours.at(-1)?.[0] ?? 0) - (hours[0]?.[0] ?? 0);
  const start = Math.floor(end / slot) * slot - 2 * slot;
  const wanted = Array.from({ length: Math.ceil(REACH / slot) + 3 }, (_, k) => start + k * slot);
  const model = new Prophet({
    optimizer,
    nChangepoints: BENDS,
    uncertaintySamples: 0,
    yearlySeasonality: { type: 'manual', enabled: false },
    weeklySeasonality: { type: 'manual', enabled: span >= 14 * DAY },
    dailySeasonality: { type: 'manual', enabled: true },
  });
  try {
    model.fit({ ds, y }, { seed: 1 });
    const { point } = model.predict({ ds: wanted.map(local) }).yhat;
    if (!point.every((value) => Number.isFinite(value))) return null;
    return { curve: Float64Array.from(point, (value) => Math.min(value, MOST * top)), start };
  } catch {
    // The optimizer found no fit for this window; the ensemble goes on without it.
    return null;
  } finally {
    model.free();
  }
}
