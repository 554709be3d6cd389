import { binLabel, type Series } from '../../domain/series.js';
import type { EpochSeconds } from '../../domain/time.js';
import { medianOf } from '../median.js';

/*
 * What stands out of a series and begins at once: the marks that a scheduled task leaves. The level beneath is a running
 * median, which keeps the edges of longer cycles and forgets what is shorter than half of its window.
 */

export interface Pulse {
  /** When it began: within its first bin by how much of that bin it filled. */
  at: EpochSeconds;
  /** Seconds. */
  duration: number;
  /** Mean above the level beneath, in the series' unit. */
  height: number;
}

const HOUR = 3600;
/**
 * Windows of the level beneath; tasks of up to half of one are told from it. The short one follows a cycle of the day so
 * closely that small tasks stand out; the long one is for what takes hours.
 */
const WINDOWS = [3 * HOUR, 12 * HOUR];
const SIGMAS = 4;
/** Of what usually stands out; smaller is noise beside it. */
const LEAST_SHARE = 0.25;
/** Of the series' range; smaller is nothing that capacity would be planned for. */
const LEAST_OF_RANGE = 0.1;
/** A task begins at once; what swells is demand. */
const EDGE = 0.6;

/** Medians over a sliding window of known values; NaN where the window knows nothing. */
export function runningMedian(values: Float64Array, half: number): Float64Array {
  const sorted: number[] = [];
  const place = (value: number): number => {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[middle] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const medians = new Float64Array(values.length);
  for (let index = -half; index < values.length; index++) {
    const enters = values[index + half];
    if (enters !== undefined && !Number.isNaN(enters)) sorted.splice(place(enters), 0, enters);
    const leaves = index - half - 1 >= 0 ? values[index - half - 1] : undefined;
    if (leaves !== undefined && !Number.isNaN(leaves)) sorted.splice(place(leaves), 1);
    if (index < 0) continue;
    const middle = sorted.length >> 1;
    medians[index] =
      sorted.length === 0
        ? Number.NaN
        : sorted.length % 2 === 1
          ? (sorted[middle] ?? 0)
          : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
  }
  return medians;
}

/** Pulses of a series in order of time. A missing bin ends a pulse and begins none. */
export function pulsesOf(series: Series): Pulse[] {
  const pulses: Pulse[] = [];
  let lasted = 0;
  for (const window of WINDOWS) {
    // Three bins of a window tell no level.
    if (window < 8 * series.step) continue;
    const overlaps = (one: Pulse): boolean =>
      pulses.some((other) => one.at < other.at + other.duration && other.at < one.at + one.duration);
    const longer = pulsesBeneath(series, window).filter((one) => one.duration > lasted && !overlaps(one));
    pulses.push(...longer);
    lasted = window / 4;
  }
  return pulses.sort((one, other) => one.at - other.at);
}

function pulsesBeneath(series: Series, window: number): Pulse[] {
  const { values, step } = series;
  const half = Math.max(2, Math.round(window / step / 2));
  const beneath = runningMedian(values, half);
  const above = values.map((value, index) => value - (beneath[index] ?? Number.NaN));
  const known = [...above].filter((value) => !Number.isNaN(value));
  if (known.length < 2 * half) return [];
  const overall = 1.4826 * medianOf(known.map(Math.abs));
  // Noise grows with the level: that of the busy hours would look like tasks beside that of the night.
  const around = runningMedian(
    above.map((value) => 1.4826 * Math.abs(value)),
    Math.max(half, Math.round((3 * HOUR) / step)),
  );
  const sigma = (index: number): number => Math.max(around[index] ?? overall, overall / 3);
  const outstanding = [...above.filter((value, index) => value > SIGMAS * sigma(index) && value > 0)];
  if (outstanding.length === 0) return [];
  const ordered = values.filter((value) => !Number.isNaN(value)).sort();
  const at = (level: number): number => ordered[Math.floor(level * (ordered.length - 1))] ?? 0;
  const usual = Math.max(LEAST_SHARE * medianOf(outstanding), LEAST_OF_RANGE * (at(0.99) - at(0.01)));
  const least = (index: number): number => Math.max(SIGMAS * sigma(index), usual);

  const pulses: Pulse[] = [];
  let index = 0;
  while (index < above.length) {
    if (!((above[index] ?? Number.NaN) > least(index))) {
      index += 1;
      continue;
    }
    const low = least(index) / 2;
    let end = index;
    while (end < above.length && (above[end] ?? Number.NaN) > low) end += 1;
    const pulse = describe(series, above, index, end);
    if (pulse !== null && pulse.duration <= window / 2) pulses.push(pulse);
    index = end;
  }
  return pulses;
}

function describe(series: Series, above: Float64Array, found: number, end: number): Pulse | null {
  const { step, values } = series;
  // Its first bin may have been filled by half, and stand below the threshold.
  const before = above[found - 1] ?? Number.NaN;
  const peak = medianOf([...above.subarray(found, end)]);
  const partly = before > 0.2 * peak && (values[found - 1] ?? 0) > (values[found - 2] ?? Number.POSITIVE_INFINITY);
  const from = partly ? found - 1 : found;
  const earlier = [...values.subarray(Math.max(0, from - 3), from)].filter((value) => !Number.isNaN(value));
  // Begun before the series did, or in a hole: nobody knows when.
  if (earlier.length === 0 || Number.isNaN(values[from - 1])) return null;
  const first = [...values.subarray(from, Math.min(end, from + 4))];
  const jump = (first.length > 3 ? medianOf(first) : Math.max(...first)) - medianOf(earlier);
  if (jump < EDGE * peak) return null;
  const filled = Math.min(1, Math.max(0, (above[from] ?? 0) / peak));
  let area = 0;
  for (let bin = from; bin < end; bin++) area += above[bin] ?? 0;
  const bins = end - from;
  const duration = bins <= 2 ? Math.min(bins, Math.max(1, area / peak)) : area / peak;
  return {
    at: binLabel(series, from) + (bins > 1 ? (1 - filled) * step : 0),
    duration: Math.min(bins, duration) * step,
    height: peak,
  };
}
