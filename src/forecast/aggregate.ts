import type { QuantileForecast } from '../domain/forecast.js';
import { probit } from '../domain/normal.js';
import type { EpochSeconds } from '../domain/time.js';
import type { Dependence } from './scenarios/dependence.js';
import { quantilesOf } from './scenarios/joint.js';
import { createReader, scoresOf } from './scenarios/marginal.js';
import { visitPaths } from './scenarios/paths.js';

/*
 * The load of many series together. Quantiles of a sum are no sums of quantiles: series that peak at different times need
 * less together than one by one, and only as much less as they in fact do so. The series are sampled together and added
 * up path by path, from the bottom: what is said of the whole is what its parts say, in every path.
 */

/** One series of the sum, at its resolutions (steps ascending), with all that is known of the future in it. */
export interface AggregateSeries {
  resolutions: readonly QuantileForecast[];
  /** How it hangs together, in bins of the grid; null: a cautious guess. */
  dependence: Dependence | null;
}

export interface AggregateGrid {
  /** Label of the bin before the first. */
  origin: EpochSeconds;
  step: number;
  steps: number;
}

export interface Aggregate {
  /** `quantiles[i][j]`: of the sum, in bin origin + (i+1)·step, at `levels[j]`. */
  quantiles: number[][];
  /** Of the mean of the sum over the whole reach, at `levels`. */
  mean: number[];
  /** By level: the capacity that covers every bin of that share of the scenarios. */
  covering: number[];
  /** Sum of the series' own quantiles at the highest level, at its highest bin: what each by itself would ask for. */
  apart: number;
}

/** Paths of an aggregate: eight to each learnt row. */
const PATHS = 4096;

/**
 * @param options.levels ascending, in (0, 1).
 * @throws HeadroomError `invalid-input` where a series has fewer than two levels.
 */
export function aggregateForecasts(
  series: readonly AggregateSeries[],
  grid: AggregateGrid,
  options: { levels: readonly number[]; seed: number; paths?: number },
): Aggregate {
  const { levels, seed, paths = PATHS } = options;
  const parts = series.map(({ resolutions, dependence }) => ({ forecast: onGrid(resolutions, grid), dependence }));
  const sum = new Float64Array(grid.steps * paths);
  const apart = new Float64Array(grid.steps);
  const highest = Float64Array.of(probit(levels[levels.length - 1] ?? 0.5));
  const read = new Float64Array(1);
  const { steps } = visitPaths(parts, { paths, seed, steps: grid.steps }, (s, values) => {
    for (let k = 0; k < values.length; k++) sum[k] = (sum[k] ?? 0) + (values[k] ?? 0);
    const { levels: stated, quantiles } = parts[s]?.forecast ?? { levels: [], quantiles: [] };
    const reader = createReader(scoresOf(stated), highest);
    quantiles.forEach((row, t) => {
      reader(row, read);
      apart[t] = (apart[t] ?? 0) + (read[0] ?? 0);
    });
  });
  const bins = Array.from({ length: steps }, (_, t) => sum.subarray(t * paths, (t + 1) * paths));
  const means = new Float64Array(paths);
  const peaks = new Float64Array(paths);
  for (const bin of bins) {
    for (let p = 0; p < paths; p++) {
      const value = bin[p] ?? 0;
      means[p] = (means[p] ?? 0) + value / steps;
      peaks[p] = Math.max(peaks[p] ?? 0, value);
    }
  }
  peaks.sort();
  return {
    quantiles: bins.map((bin) => quantilesOf(bin.slice(), levels)),
    mean: quantilesOf(means, levels),
    covering: levels.map((level) => peaks[Math.min(paths, Math.ceil(level * paths - 1e-9)) - 1] ?? Number.NaN),
    apart: Math.max(...apart),
  };
}

/** Whether a forecast says anything of the grid's bins. */
export const reaches = (resolutions: readonly QuantileForecast[], grid: AggregateGrid): boolean =>
  resolutions.some((one) => one.origin + (one.quantiles.length + 1) * one.step > grid.origin + grid.step);

/**
 * A forecast in the grid's bins: the finest resolution that reaches the end answers, in the mean of its bins that fall
 * into one of the grid's. Bins of one forecast are taken to be high together within a bin of the grid. Past its reach the
 * last row goes on: unknown is not zero.
 */
function onGrid(resolutions: readonly QuantileForecast[], { origin, step, steps }: AggregateGrid): QuantileForecast {
  const end = origin + (steps + 1) * step;
  const whole = resolutions.find((one) => one.origin + (one.quantiles.length + 1) * one.step >= end);
  const source = whole ?? resolutions[resolutions.length - 1];
  if (source === undefined) return { origin, step, levels: [], quantiles: [], weights: {} };
  const quantiles: number[][] = [];
  for (let t = 0; t < steps; t++) {
    const from = origin + (t + 1) * step;
    const row = source.levels.map(() => 0);
    let covered = 0;
    const first = Math.max(0, Math.floor((from - source.origin) / source.step) - 1);
    for (let k = first; k < source.quantiles.length; k++) {
      const begins = source.origin + (k + 1) * source.step;
      const overlap = Math.min(from + step, begins + source.step) - Math.max(from, begins);
      if (begins >= from + step) break;
      if (overlap <= 0) continue;
      covered += overlap;
      source.quantiles[k]?.forEach((value, j) => (row[j] = (row[j] ?? 0) + overlap * value));
    }
    quantiles.push(covered > 0 ? row.map((value) => value / covered) : (source.quantiles.at(-1) ?? row).slice());
  }
  return { origin, step, levels: source.levels, quantiles, weights: source.weights };
}
