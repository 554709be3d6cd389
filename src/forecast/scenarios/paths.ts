import { HeadroomError } from '../../domain/errors.js';
import type { QuantileForecast } from '../../domain/forecast.js';
import { probit } from '../../domain/normal.js';
import { isoTime, type EpochSeconds } from '../../domain/time.js';
import type { Dependence } from './dependence.js';
import { shuffled } from './draws.js';
import { createReader, scoresOf } from './marginal.js';
import type { Ways } from '../ways.js';
import { createTemplate } from './template.js';

/*
 * Sample paths of several series at once: how the next hours may go, all of them together. Each bin's values are exactly
 * the stated quantiles, evenly spaced in probability; which of them belong to one path is what the rows of the dependence
 * say. Nothing is drawn from a fitted distribution, so that thousands of paths cost one pass over their values.
 */

/** One series to sample. */
export interface PathSeries {
  forecast: QuantileForecast;
  /** Null where nothing was learnt yet: a cautious guess stands in. */
  dependence: Dependence | null;
  /** Where a shock is suspected: each path goes one of two ways, and stays on it. */
  ways?: Ways | null;
}

export interface Scenarios {
  paths: number;
  /** Bins, from origin + step on. */
  steps: number;
  step: number;
  origin: EpochSeconds;
  /** One a series, in the order given: `values[s][t * paths + p]`, bin t of path p. */
  values: Float32Array[];
}

/** The middles of n equal shares and their normal scores; kept for the last n. */
let grid = { shares: new Float64Array(0), scores: new Float64Array(0) };
function evenGrid(paths: number): typeof grid {
  if (grid.shares.length !== paths) {
    const shares = Float64Array.from({ length: paths }, (_, k) => (k + 0.5) / paths);
    grid = { shares, scores: shares.map(probit) };
  }
  return grid;
}

/**
 * Samples series together; they share origin and step.
 * @param options.paths how many; thousands. With some multiple of 512 every learnt row counts alike.
 * @param options.seed decides which rows count once more where they can't count alike, and the guess for a young series.
 * @throws HeadroomError `invalid-input` on series that don't lie on one grid, or fewer than two levels.
 */
export function samplePaths(series: readonly PathSeries[], options: PathOptions): Scenarios {
  const values: Float32Array[] = [];
  const shape = visitPaths(series, options, (_s, one) => void values.push(one.slice()));
  return { ...shape, values };
}

export interface PathOptions {
  paths: number;
  seed: number;
  /** At most so many bins; default: as far as all forecasts reach. */
  steps?: number;
}

/**
 * As {@link samplePaths}, one series after another: thousands of series are summed in the memory of one.
 * @param visit gets each series' values, `[t * paths + p]`; they are its own until it returns.
 */
export function visitPaths(
  series: readonly PathSeries[],
  options: PathOptions,
  visit: (series: number, values: Float32Array) => void,
): Omit<Scenarios, 'values'> {
  const first = series[0]?.forecast;
  const { paths, seed } = options;
  if (first === undefined) throw refuse('no series is given', 'give at least one');
  if (!(Number.isInteger(paths) && paths >= 1)) throw refuse(`${paths} paths are none`, 'give a whole number above 0');
  for (const { forecast } of series) {
    if (forecast.origin !== first.origin || forecast.step !== first.step) {
      throw refuse(
        `one series starts after ${isoTime(first.origin)} in steps of ${first.step}s, another after ` +
          `${isoTime(forecast.origin)} in steps of ${forecast.step}s`,
        'give forecasts from one origin and step',
      );
    }
    if (forecast.levels.length < 2) throw refuse('a forecast has fewer than two levels', 'ask for more');
  }
  const reach = ({ forecast, dependence }: PathSeries): number =>
    Math.min(forecast.quantiles.length, dependence?.steps ?? Infinity, options.steps ?? Infinity);
  const steps = Math.min(...series.map(reach));
  const template = createTemplate(
    series.map(({ dependence }) => dependence),
    { steps, seed },
  );
  const rows = template.rows;
  // Which rows count once more, and where the paths of each row begin.
  const order = shuffled(rows, seed);
  const starts = new Int32Array(rows);
  const counts = new Int32Array(rows);
  let begin = 0;
  for (let k = 0; k < rows; k++) {
    const row = order[k] ?? 0;
    counts[row] = Math.floor(paths / rows) + (k < paths % rows ? 1 : 0);
    starts[row] = begin;
    begin += counts[row] ?? 0;
  }
  const even = evenGrid(paths);
  const column = new Float64Array(paths);
  const bent = new Float64Array(paths);
  const out = new Float32Array(steps * paths);
  /**
   * Which way each path goes, one draw for all bins and all series: what is suspected of several at once goes the same way.
   * Evenly spaced, so that as many paths are moved as the share says.
   */
  let turns: Float64Array | null = null;
  const turned = new Float64Array(paths);
  series.forEach(({ forecast, dependence, ways = null }, s) => {
    const scores = scoresOf(forecast.levels);
    if (dependence === null) bent.set(even.scores);
    else dependence.shape.bend(scores, even.scores, even.shares, bent);
    const read = createReader(scores, bent);
    for (let t = 0; t < steps; t++) {
      read((ways === null ? forecast.quantiles[t] : ways.expected[t]) ?? [], column);
      if (ways !== null) read(ways.moved[t] ?? [], turned);
      const share = ways?.shares[t] ?? 0;
      if (share > 0) turns ??= Float64Array.from(shuffled(paths, seed + 1), (place) => (place + 0.5) / paths);
      const ranked = template.ranked(s, t);
      let from = 0;
      for (let rank = 0; rank < rows; rank++) {
        const row = ranked[rank] ?? 0;
        const count = counts[row] ?? 0;
        const to = t * paths + (starts[row] ?? 0);
        // Paths of one row stay in one order in every column: within a row, all is high together or low together.
        for (let k = 0; k < count; k++) {
          const isMoved = turns !== null && (turns[to - t * paths + k] ?? 1) < share;
          out[to + k] = (isMoved ? turned[from + k] : column[from + k]) ?? 0;
        }
        from += count;
      }
    }
    visit(s, out);
  });
  return { paths, steps, step: first.step, origin: first.origin };
}

const refuse = (problem: string, remedy: string): HeadroomError =>
  new HeadroomError({
    kind: 'invalid-input',
    component: 'forecast/scenarios',
    action: 'sampling paths',
    problem,
    remedy,
  });
