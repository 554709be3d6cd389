import type { Component } from '../../domain/component.js';
import { binLabel, coarsen, type Series } from '../../domain/series.js';
import type { Calendar } from '../../forecast/calendar.js';
import { medianOf } from '../median.js';
import { findTasks } from '../tasks/find.js';

/* What tells kinds of workload apart, without a unit: shape of the distribution, of the day, of the week, of bursts. */

const DAY = 86_400;
/** Finer bins say nothing more about the kind. */
const BIN = 900;
const LONGEST = 28 * DAY;
/** Fewer known bins are no kind. */
const LEAST_BINS = 24;

/** Less than this of a component is as good as nothing: cores, bytes, bytes/s, devices. */
export const NOTHING: Record<Component, number> = {
  ...{ cpu: 0.02, memory: 32 * 2 ** 20, storage: 64 * 2 ** 20, io: 2000, network: 2000, gpu: 0.02 },
};

export const CLASS_FEATURES = [
  ...['variation', 'spread', 'peak', 'median of peak', 'low share', 'zero share', 'last bin', 'day before'],
  ...['week before', 'day profile', 'weekend', 'trend', 'trend, sure', 'two levels', 'upper share', 'bursts a day'],
  ...['gaps', 'jumps', 'tasks, sure', 'tasks, share', 'level', 'days'],
] as const;

/**
 * The features of a series' last 28 days, as {@link CLASS_FEATURES} names them, each finite; null where there is too
 * little to tell.
 * @param nothing an amount that is as good as none, in the series' unit; null where nobody knows.
 */
export function classFeatures(series: Series, calendar: Calendar, nothing: number | null): number[] | null {
  const binned = onBins(series);
  const { step } = binned;
  const keep = Math.round(LONGEST / step);
  const skip = Math.max(0, binned.values.length - keep);
  const values = binned.values.subarray(skip);
  const start = binLabel(binned, skip);
  const known = [...values].filter((value) => !Number.isNaN(value));
  if (known.length < LEAST_BINS) return null;
  const sorted = [...known].sort((a, b) => a - b);
  const at = (level: number): number => sorted[Math.floor(level * (sorted.length - 1))] ?? 0;
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  const variance = known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / known.length;
  const [p10, p50, p90, p95, p99] = [at(0.1), at(0.5), at(0.9), at(0.95), at(0.99)];
  const scale = Math.max(p99, mean, 1e-12);

  const perDay = Math.round(DAY / step);
  const auto = (lag: number): number => autocorrelation(values, mean, variance, lag);
  const days = daily(values, perDay);
  const upper = otsu(sorted, mean, variance);
  const bursts = burstsOf(values, sorted);
  const tasks = findTasks({ start, step, values, censored: new Uint8Array(values.length) }, calendar);
  const worked = tasks.reduce((sum, one) => sum + one.footprint.median * one.duration.median * one.runs, 0);
  return [
    Math.min(10, mean > 0 ? Math.sqrt(variance) / mean : 0),
    Math.log1p(Math.min(1e4, (p90 - p10) / Math.max(p50, scale / 1000))),
    Math.log1p(Math.min(1e4, p99 / Math.max(p50, scale / 1000))),
    p50 / scale,
    known.filter((value) => value < 0.05 * scale).length / known.length,
    known.filter((value) => value === 0).length / known.length,
    auto(1),
    auto(perDay),
    auto(7 * perDay),
    profileStrength(values, variance, perDay),
    weekendShare(values, start, step, calendar),
    trendOf(days, mean).slope,
    trendOf(days, mean).sure,
    upper.separation,
    upper.share,
    Math.min(50, (bursts.starts.length * DAY) / (known.length * step)),
    bursts.regularity,
    jumps(values),
    tasks.reduce((most, one) => Math.max(most, one.probability), 0),
    Math.min(1, worked / Math.max(1e-12, mean * known.length * step)),
    nothing === null ? 3 : Math.min(3, Math.max(-2, Math.log10(Math.max(p95, 1e-300) / nothing))),
    (known.length * step) / DAY,
  ].map((value) => (Number.isFinite(value) ? Number(value.toPrecision(6)) : 0));
}

function onBins(series: Series): Series {
  if (series.step >= BIN || BIN % series.step !== 0) return series;
  // Too short for coarser bins.
  if (series.values.length * series.step < LEAST_BINS * BIN) return series;
  return coarsen(series, BIN);
}

function autocorrelation(values: Float64Array, mean: number, variance: number, lag: number): number {
  if (variance <= 0 || values.length < 2 * lag) return 0;
  let sum = 0;
  let count = 0;
  for (let index = lag; index < values.length; index++) {
    const product = ((values[index] ?? Number.NaN) - mean) * ((values[index - lag] ?? Number.NaN) - mean);
    if (Number.isNaN(product)) continue;
    sum += product;
    count += 1;
  }
  return count < 12 ? 0 : sum / count / variance;
}

/** Medians of whole days of bins; NaN where less than half of one is known. */
function daily(values: Float64Array, perDay: number): number[] {
  const medians: number[] = [];
  for (let first = values.length % perDay; first + perDay <= values.length; first += perDay) {
    const known = [...values.subarray(first, first + perDay)].filter((value) => !Number.isNaN(value));
    medians.push(known.length * 2 < perDay ? Number.NaN : medianOf(known));
  }
  return medians;
}

/** How much of the variance the same time on other days explains: each day judged by the others. */
function profileStrength(values: Float64Array, variance: number, perDay: number): number {
  if (variance <= 0 || values.length < 3 * perDay) return 0;
  const sums = new Float64Array(perDay);
  const counts = new Float64Array(perDay);
  values.forEach((value, index) => {
    if (Number.isNaN(value)) return;
    sums[index % perDay] = (sums[index % perDay] ?? 0) + value;
    counts[index % perDay] = (counts[index % perDay] ?? 0) + 1;
  });
  let left = 0;
  let count = 0;
  values.forEach((value, index) => {
    const others = (counts[index % perDay] ?? 0) - 1;
    if (Number.isNaN(value) || others < 1) return;
    left += (value - ((sums[index % perDay] ?? 0) - value) / others) ** 2;
    count += 1;
  });
  return count === 0 ? 0 : Math.max(-1, 1 - left / count / variance);
}

/** Of the mean of a working day, how much a day at the weekend has; as a logarithm. */
function weekendShare(values: Float64Array, start: number, step: number, calendar: Calendar): number {
  const sums = [0, 0];
  const counts = [0, 0];
  values.forEach((value, index) => {
    if (Number.isNaN(value)) return;
    const kind = calendar.secondOfWeek(start + index * step) >= 5 * DAY ? 1 : 0;
    sums[kind] = (sums[kind] ?? 0) + value;
    counts[kind] = (counts[kind] ?? 0) + 1;
  });
  const [week = 0, weekend = 0] = sums.map((sum, kind) => sum / Math.max(1, counts[kind] ?? 0));
  if (week <= 0 || weekend <= 0) return 0;
  return Math.max(-3, Math.min(3, Math.log(weekend / week)));
}

/** Slope over the whole time, relative to the mean (Theil and Sen), and how sure it is (Kendall's tau). */
function trendOf(days: readonly number[], mean: number): { slope: number; sure: number } {
  const slopes: number[] = [];
  let up = 0;
  let pairs = 0;
  for (let one = 0; one < days.length; one++) {
    for (let other = one + 1; other < days.length; other++) {
      const difference = (days[other] ?? Number.NaN) - (days[one] ?? Number.NaN);
      if (Number.isNaN(difference)) continue;
      slopes.push(difference / (other - one));
      up += Math.sign(difference);
      pairs += 1;
    }
  }
  if (pairs < 3 || mean <= 0) return { slope: 0, sure: 0 };
  return { slope: Math.max(-5, Math.min(5, (medianOf(slopes) * days.length) / mean)), sure: up / pairs };
}

/** The threshold that splits the values best in two (Otsu, 1979): how much it explains, and how many lie above. */
function otsu(sorted: readonly number[], mean: number, variance: number): { separation: number; share: number } {
  if (variance <= 0) return { separation: 0, share: 0 };
  let below = 0;
  let best = { separation: 0, share: 0 };
  const total = mean * sorted.length;
  for (let index = 1; index < sorted.length; index++) {
    below += sorted[index - 1] ?? 0;
    const share = index / sorted.length;
    const [low, high] = [below / index, (total - below) / (sorted.length - index)];
    const separation = (share * (1 - share) * (high - low) ** 2) / variance;
    if (separation > best.separation) best = { separation, share: 1 - share };
  }
  return best;
}

/** Runs that stand out, and how evenly they come: the variation of the gaps between them. */
function burstsOf(values: Float64Array, sorted: readonly number[]): { starts: number[]; regularity: number } {
  const middle = sorted[sorted.length >> 1] ?? 0;
  const spread = 1.4826 * medianOf(sorted.map((value) => Math.abs(value - middle)));
  const range = (sorted[Math.floor(0.99 * (sorted.length - 1))] ?? 0) - middle;
  const threshold = middle + Math.max(3 * spread, 0.3 * range);
  const starts: number[] = [];
  for (let index = 1; index < values.length; index++) {
    if ((values[index] ?? 0) > threshold && !((values[index - 1] ?? 0) > threshold)) starts.push(index);
  }
  const gaps = starts.slice(1).map((start, index) => start - (starts[index] ?? 0));
  if (gaps.length < 3) return { starts, regularity: 3 };
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
  return { starts, regularity: Math.min(3, deviation / mean) };
}

/** Share of all movement that the largest twentieth of the steps makes. */
function jumps(values: Float64Array): number {
  const steps: number[] = [];
  for (let index = 1; index < values.length; index++) {
    const step = Math.abs((values[index] ?? Number.NaN) - (values[index - 1] ?? Number.NaN));
    if (!Number.isNaN(step)) steps.push(step);
  }
  steps.sort((a, b) => b - a);
  const all = steps.reduce((sum, step) => sum + step, 0);
  const large = steps.slice(0, Math.ceil(steps.length / 20)).reduce((sum, step) => sum + step, 0);
  return all > 0 ? large / all : 0;
}
