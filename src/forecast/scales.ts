import type { EpochSeconds } from '../domain/time.js';
import type { Calendar } from './calendar.js';

/*
 * Local scales: how far off a model is by its own standards, at this horizon and moment. Residuals are learnt relative
 * to such a scale, so that one distribution holds over hours that are calm and hours that are not. Which scale suits a
 * series is not known beforehand: each model stands in the ensemble once with each of them.
 */

export const SCALES = ['steady', 'lively', 'hourly', 'state'] as const;
export type Scale = (typeof SCALES)[number];

/** One step may raise a scale by this many times itself: a single wild value does not widen it for long. */
const CLIP = 6;
/** Slots of the local day for `hourly`. */
const SLOTS = 48;

/** Running mean absolute residuals of every model at every anchor. */
export interface ScaleBank {
  /** The scale for bin `target`: > 0, whatever was seen. */
  scale(kind: Scale, model: number, anchor: number, target: EpochSeconds): number;
  /** A width that a model states, no less than the least scale. */
  atLeast(width: number): number;
  /** Learns that the model was off by `residual` (in units of the series) at `label`. */
  learn(model: number, anchor: number, label: EpochSeconds, residual: number): void;
  /** Follows the level of the series: the least scale is a share of it. */
  level(value: number): void;
}

export function createScaleBank(options: {
  models: number;
  anchors: readonly number[];
  binsPerDay: number;
  calendar: Calendar;
}): ScaleBank {
  const { models, anchors, calendar } = options;
  const count = models * anchors.length;
  const slow = new Float64Array(count);
  const fast = new Float64Array(count);
  const seen = new Uint32Array(count);
  const slots = new Float32Array(count * SLOTS).fill(Number.NaN);
  const slowRate = 1 - 2 ** (-1 / Math.max(24, 2 * options.binsPerDay));
  const slotBins = Math.max(1, options.binsPerDay / SLOTS);
  const slotRate = 1 - 2 ** (-1 / (5 * slotBins));
  // Every model is asked of a bin before the next one is.
  let slotAt = Number.NaN;
  let slot = 0;
  const slotOf = (at: EpochSeconds): number => {
    if (at !== slotAt) {
      slotAt = at;
      slot = Math.min(SLOTS - 1, Math.floor(calendar.secondOfDay(at) / (86_400 / SLOTS)));
    }
    return slot;
  };
  let mean = 0;
  let known = 0;
  const least = (): number => Math.max(mean * 1e-6, 1e-12);
  /**
   * What the first few residuals leave of a guess: two that are small by chance must not make a forecast sure. Where a
   * model was never off at all they say less still: three equal values are no constant (Laplace's rule of succession),
   * and any unit serves residuals of nothing, so that nothing is bent when the first real one comes.
   */
  const remains = (row: number): number => {
    const n = 1 + (seen[row] ?? 0);
    return mean / 2 / ((slow[row] ?? 0) > least() ? n * n : n);
  };
  /** A guess at an anchor: the scale of the model that was judged there most often, else half the level: wide. */
  const guessAt = (anchor: number): number => {
    let best = anchor;
    for (let row = anchor; row < count; row += anchors.length) if ((seen[row] ?? 0) > (seen[best] ?? 0)) best = row;
    return Math.max(slow[best] ?? 0, remains(best));
  };
  return {
    scale(kind, model, anchor, target) {
      const row = model * anchors.length + anchor;
      const isNew = (seen[row] ?? 0) === 0;
      const floor = isNew ? guessAt(anchor) : remains(row);
      const steady = isNew ? floor : (slow[row] ?? 0);
      let value = steady;
      if (kind === 'lively') value = 0.4 * steady + 0.6 * (isNew ? steady : (fast[row] ?? 0));
      if (kind === 'hourly') {
        const usual = slots[row * SLOTS + slotOf(target)] ?? Number.NaN;
        value = 0.4 * steady + 0.6 * (Number.isNaN(usual) ? steady : usual);
      }
      return Math.max(value, floor, least());
    },
    atLeast: (width) => Math.max(width, least()),
    learn(model, anchor, label, residual) {
      const row = model * anchors.length + anchor;
      const n = (seen[row] = (seen[row] ?? 0) + 1);
      const size = Math.abs(residual);
      const now = slow[row] ?? 0;
      const limit = mean > 0 ? Math.max(CLIP * now, mean) : size;
      const bounded = Math.min(size, limit);
      slow[row] = now + Math.max(slowRate, 1 / n) * (bounded - now);
      const quick = fast[row] ?? 0;
      const fastRate = 1 - 2 ** (-1 / Math.max(8, anchors[anchor] ?? 1));
      fast[row] =
        quick + Math.max(fastRate, 1 / n) * (Math.min(size, Math.max(CLIP * Math.max(quick, now), 0) || size) - quick);
      const at = row * SLOTS + slotOf(label);
      const before = slots[at] ?? Number.NaN;
      slots[at] = Number.isNaN(before) ? 0.5 * (now + bounded) : before + slotRate * (bounded - before);
    },
    level(value) {
      known++;
      mean += Math.max(slowRate, 1 / known) * (Math.abs(value) - mean);
    },
  };
}
