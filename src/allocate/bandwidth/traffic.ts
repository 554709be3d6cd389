import type { SeriesForecast } from '../../domain/forecast.js';
import { normalCdf } from '../../domain/normal.js';
import type { EpochSeconds } from '../../domain/time.js';
import { atLevel } from '../quantile.js';

/*
 * What a link will carry in a block, as a distribution over its time: each stretch of it by the forecast's quantiles,
 * weighed by how long it lasts. The traffic of several workloads is added level by level, as if all rose together: of all
 * ways in which they may depend on each other that is the one with the most beyond any reservation (comonotone sums are the
 * largest in convex order), so what is expected beyond is never stated too low.
 */

/** A block's traffic as weighted values, ascending. */
export interface Traffic {
  values: Float64Array;
  /** Of each value; together 1. */
  weights: Float64Array;
  /** What covers each stretch at the level that was asked for, bytes/s. */
  atLevel: number;
}

/** Normal scores from -4 to 4, and what each stands for: 3 of 100,000 lie beyond. */
const SCORE = 0.05;
const COUNT = 161;
const LEVELS = Float64Array.from({ length: COUNT }, (_, index) => normalCdf(-4 + index * SCORE));
const SHARES = Float64Array.from({ length: COUNT }, (_, index) => {
  const low = index === 0 ? 0 : normalCdf(-4 + (index - 0.5) * SCORE);
  const high = index === COUNT - 1 ? 1 : normalCdf(-4 + (index + 0.5) * SCORE);
  return high - low;
});

/** One workload's forecast of what it sends and receives, with the level that its account asks for. */
export interface LinkSeries {
  series: SeriesForecast;
  level: number;
}

interface Stretch {
  from: EpochSeconds;
  to: EpochSeconds;
  levels: readonly number[];
  values: readonly number[];
}

/** @returns null where the forecast of one of them does not reach the end of the block, or there is none at all. */
export function trafficOf(carried: readonly LinkSeries[], from: EpochSeconds, to: EpochSeconds): Traffic | null {
  const stretches = carried.map(({ series }) => stretchesOf(series, from, to));
  if (carried.length === 0 || stretches.some((one) => one === null)) return null;
  const edges = new Set([from, to]);
  for (const own of stretches) for (const { from: edge } of own ?? []) if (edge > from && edge < to) edges.add(edge);
  const cuts = [...edges].sort((a, b) => a - b);
  const parts = cuts.length - 1;
  const values = new Float64Array(parts * COUNT);
  const weights = new Float64Array(parts * COUNT);
  let most = 0;
  for (let part = 0; part < parts; part++) {
    const start = cuts[part] ?? from;
    const share = ((cuts[part + 1] ?? to) - start) / (to - from);
    let together = 0;
    for (const [index, own] of stretches.entries()) {
      const stretch = own?.find((one) => one.from <= start && start < one.to);
      if (stretch === undefined) return null;
      together += atLevel(stretch.levels, stretch.values, carried[index]?.level ?? 0.99);
      for (let k = 0; k < COUNT; k++) {
        values[part * COUNT + k] =
          (values[part * COUNT + k] ?? 0) + Math.max(0, atLevel(stretch.levels, stretch.values, LEVELS[k] ?? 0.5));
      }
    }
    most = Math.max(most, together);
    for (let k = 0; k < COUNT; k++) weights[part * COUNT + k] = share * (SHARES[k] ?? 0);
  }
  const order = Array.from(values.keys()).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  return {
    values: Float64Array.from(order, (index) => values[index] ?? 0),
    weights: Float64Array.from(order, (index) => weights[index] ?? 0),
    atLevel: most,
  };
}

/** The forecast over a stretch of time, by the finest resolution that reaches its end; null where none does. */
function stretchesOf({ resolutions }: SeriesForecast, from: EpochSeconds, to: EpochSeconds): Stretch[] | null {
  const whole = resolutions.find((one) => one.origin + (one.quantiles.length + 1) * one.step >= to);
  if (whole === undefined) return null;
  const { origin, step, levels, quantiles } = whole;
  const found: Stretch[] = [];
  for (let index = Math.max(0, Math.floor((from - origin) / step) - 1); index < quantiles.length; index++) {
    // Bin i is labelled origin + (i+1)·step.
    const begin = origin + (index + 1) * step;
    const values = quantiles[index];
    if (begin >= to) break;
    if (values !== undefined && begin + step > from) found.push({ from: begin, to: begin + step, levels, values });
  }
  // What is before the first forecast bin is known, or past: no block that can still be reserved begins there.
  return found.length === 0 || (found[0]?.from ?? 0) > from ? null : found;
}
