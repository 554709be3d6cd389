import type { EpochSeconds } from '../../domain/time.js';
import type { Calendar } from '../calendar.js';
import { EXPERTS, FEATURES, PATCHES } from './network.js';

/*
 * What the networks see of one origin: one code for training and for forecasts. Every value is normalised by the
 * series' own middle and spread and bent by asinh, which keeps a spike of 1000 × within reach of the weights; quantiles
 * pass through a monotone bend unchanged.
 */

const DAY = 86_400;
/** Values that middle and spread are taken from, evenly over the context. */
const SAMPLED = 256;
/** Known bins below which nothing is said. */
export const FEWEST = 2;
/** Bins of "now" and of "lately". */
const NOW = 3;
const LATELY = 12;
/** Seconds to each side over which the same time on a past day is smoothed. */
const AROUND = 1800;

/** A series with its running sums: any mean is two look-ups. */
export interface SeriesView {
  values: Float32Array;
  /** Sum and count of the known values before each bin. */
  sums: Float64Array;
  counts: Uint32Array;
}

export function viewOf(values: Float32Array): SeriesView {
  const sums = new Float64Array(values.length + 1);
  const counts = new Uint32Array(values.length + 1);
  for (let k = 0; k < values.length; k++) {
    const value = values[k] ?? Number.NaN;
    const known = !Number.isNaN(value);
    sums[k + 1] = (sums[k] ?? 0) + (known ? value : 0);
    counts[k + 1] = (counts[k] ?? 0) + (known ? 1 : 0);
  }
  return { values, sums, counts };
}

/** Mean of the known bins in [from, to), clamped to [first, end); NaN where there is none. */
function mean({ sums, counts }: SeriesView, from: number, to: number, first: number, end: number): number {
  const a = Math.max(first, from);
  const b = Math.min(end, to);
  if (b <= a) return Number.NaN;
  const count = (counts[b] ?? 0) - (counts[a] ?? 0);
  return count === 0 ? Number.NaN : ((sums[b] ?? 0) - (sums[a] ?? 0)) / count;
}

export interface Normal {
  middle: number;
  /** > 0. */
  spread: number;
}

export const bend = (normal: Normal, value: number): number => Math.asinh((value - normal.middle) / normal.spread);
export const unbend = (normal: Normal, bent: number): number => normal.middle + normal.spread * Math.sinh(bent);

const sampled = new Float64Array(SAMPLED);

/** Median and mean absolute departure from it, both ends of the latter cut, over [first, end); null where too little is known. */
function normalOf({ values, counts }: SeriesView, first: number, end: number): Normal | null {
  if ((counts[end] ?? 0) - (counts[first] ?? 0) < FEWEST) return null;
  const length = end - first;
  const stride = Math.max(1, length / SAMPLED);
  let known = 0;
  for (let at = end - 1; at >= first && known < SAMPLED; at -= stride) {
    const value = values[Math.floor(at)] ?? Number.NaN;
    if (!Number.isNaN(value)) sampled[known++] = value;
  }
  if (known === 0) {
    // All that is known lies between the samples.
    for (let at = first; at < end && known < SAMPLED; at++) {
      const value = values[at] ?? Number.NaN;
      if (!Number.isNaN(value)) sampled[known++] = value;
    }
  }
  const sorted = sampled.subarray(0, known).sort();
  const median = sorted[known >> 1] ?? 0;
  const cut = Math.floor(known * 0.02);
  let sum = 0;
  for (let k = cut; k < known - cut; k++) sum += Math.abs((sorted[k] ?? 0) - median);
  let spread = sum / Math.max(1, known - 2 * cut);
  if (spread === 0) {
    for (const value of sorted) spread += Math.abs(value - median) / known;
  }
  return { middle: median, spread: Math.max(spread, Math.abs(median) * 1e-3, 1e-12) };
}

export interface Origin {
  view: SeriesView;
  /** Bins before it are not looked at. */
  first: number;
  /** Index of the origin itself. */
  last: number;
  /** Its label. */
  label: EpochSeconds;
  step: number;
  calendar: Calendar;
}

/**
 * Writes the inputs of one origin.
 * @param tokens patch `p` goes to `tokenAt + p · tokenStride`.
 * @param features the target at `aheads[a]` goes to `featureAt + a · featureStride`.
 * @returns how the series is normalised there; null where too little is known, and nothing is written.
 */
export function describe(
  origin: Origin,
  patch: number,
  aheads: ArrayLike<number>,
  tokens: { to: Float32Array; at: number; stride: number },
  features: { to: Float32Array; at: number; stride: number },
): Normal | null {
  const { view, last, label, step, calendar } = origin;
  const first = Math.max(0, origin.first);
  const end = last + 1;
  const normal = normalOf(view, first, end);
  if (normal === null) return null;
  const { values } = view;
  const recentFrom = end - PATCHES * patch;

  // Patches, oldest first; what is missing carries the last known value on.
  let carried = 0;
  let changes = 0;
  let moved = 0;
  let nowMoved = 0;
  let highest = Number.NEGATIVE_INFINITY;
  let highestLately = Number.NEGATIVE_INFINITY;
  let previous = Number.NaN;
  for (let p = 0; p < PATCHES; p++) {
    const at = tokens.at + p * tokens.stride;
    let missing = 0;
    for (let k = 0; k < patch; k++) {
      const index = recentFrom + p * patch + k;
      const value = index < first ? Number.NaN : (values[index] ?? Number.NaN);
      if (Number.isNaN(value)) missing++;
      else {
        carried = bend(normal, value);
        const change = Math.abs(value - previous);
        if (!Number.isNaN(change)) {
          changes++;
          moved += change;
          if (index >= end - LATELY) nowMoved += change;
        }
        previous = value;
        highest = Math.max(highest, carried);
        if (index >= end - LATELY) highestLately = Math.max(highestLately, carried);
      }
      tokens.to[at + k] = carried;
    }
    const turn = (2 * Math.PI * calendar.secondOfDay(label - (PATCHES - 1 - p) * patch * step)) / DAY;
    tokens.to[at + patch] = missing / patch;
    tokens.to[at + patch + 1] = Math.sin(turn);
    tokens.to[at + patch + 2] = Math.cos(turn);
  }

  const near = (index: number, around: number): number => mean(view, index - around, index + around + 1, first, end);
  const around = Math.max(0, Math.round(AROUND / step));
  const perDay = Math.max(LATELY, Math.round(DAY / step));
  const ofDay = mean(view, end - perDay, end, first, end);
  const lately = orElse(mean(view, end - LATELY, end, first, end), orElse(ofDay, normal.middle));
  const now = orElse(mean(view, end - NOW, end, first, end), lately);
  const lastValue = orElse(values[last] ?? Number.NaN, now);
  const knownShare = ((view.counts[end] ?? 0) - (view.counts[first] ?? 0)) / (7 * perDay);
  const f = features.to;
  for (let a = 0; a < aheads.length; a++) {
    const ahead = aheads[a] ?? 1;
    const at = features.at + a * features.stride;
    const target = label + ahead * step;
    const dayBack = backTo(origin, target, 1);
    const weekBack = backTo(origin, target, 7);
    const yesterday = near(dayBack, around);
    const lastWeek = near(weekBack, around);
    const thenNow = near(dayBack - ahead, Math.max(1, around >> 1));
    f[at] = bend(normal, lastValue);
    f[at + 1] = bend(normal, now);
    f[at + 2] = bend(normal, lately);
    f[at + 3] = bend(normal, orElse(ofDay, lately));
    f[at + 4] = bend(
      normal,
      orElse(dayBack < first ? Number.NaN : (values[dayBack] ?? Number.NaN), orElse(yesterday, lately)),
    );
    f[at + 5] = bend(normal, orElse(yesterday, lately));
    f[at + 6] = bend(normal, orElse(lastWeek, orElse(yesterday, lately)));
    // Yesterday's way from this time of day on, begun from where the series is now.
    f[at + 7] = bend(normal, orElse(now + yesterday - thenNow, now));
    f[at + 8] = 0;
    let k = at + EXPERTS;
    f[k++] = Number.isNaN(yesterday) ? 1 : 0;
    f[k++] = Number.isNaN(lastWeek) ? 1 : 0;
    f[k++] = Math.log(ahead) / 5;
    f[k++] = Math.log((ahead * step) / 3600) / 3;
    const day = (2 * Math.PI * calendar.secondOfDay(target)) / DAY;
    const week = (2 * Math.PI * calendar.secondOfWeek(target)) / (7 * DAY);
    for (const turn of [day, 2 * day, week, 2 * week]) {
      f[k++] = Math.sin(turn);
      f[k++] = Math.cos(turn);
    }
    f[k++] = Math.asinh(nowMoved / Math.min(LATELY, Math.max(1, changes)) / normal.spread);
    f[k++] = Math.asinh(moved / Math.max(1, changes) / normal.spread);
    f[k++] = Number.isFinite(highestLately) ? highestLately : 0;
    f[k++] = Number.isFinite(highest) ? highest : 0;
    let peak = Number.NEGATIVE_INFINITY;
    for (let index = Math.max(first, dayBack - around); index <= Math.min(last, dayBack + around); index++) {
      const value = values[index] ?? Number.NaN;
      if (value > peak) peak = value;
    }
    f[k++] = Number.isFinite(peak) ? bend(normal, peak) : (f[at + 5] ?? 0);
    f[k++] = Math.asinh(normal.middle / normal.spread) / 5;
    f[k++] = Math.min(1, knownShare);
    if (k !== at + FEATURES) throw new RangeError('inputs.ts and network.ts disagree about the features');
  }
  return normal;
}

const orElse = (value: number, other: number): number => (Number.isNaN(value) ? other : value);

/** Index of the same local time as many whole times `days` before the target as lie at or before the origin. */
function backTo({ last, label, step, calendar }: Origin, target: EpochSeconds, days: number): number {
  let times = Math.max(1, Math.ceil((target - label) / (days * DAY)));
  for (;;) {
    const index = last + Math.round((calendar.daysBefore(target, times * days) - label) / step);
    if (index <= last) return index;
    // The clock was put forward in between.
    times++;
  }
}

/** Bins of history that the networks can use at a step: a week and a day, and the patches. */
export const contextOf = (step: number, patch: number): number =>
  Math.max(PATCHES * patch, Math.min(11_520, Math.ceil((8 * DAY) / step)));
