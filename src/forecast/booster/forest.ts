import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { createBinning, encode } from './bins.js';
import type { Booster } from './booster.js';
import { drawColumns, drawRows, isUseful } from './draw.js';
import { createGrower } from './grow.js';
import { MOST_GRADIENT } from './histogram.js';
import { boundedQuantileOf, quantileOf } from './order-statistic.js';
import { createTrees } from './collect.js';
import { checkTraining, type FitHooks, type TrainingRows } from './train.js';

/*
 * A random forest of quantiles (Breiman 2001; Meinshausen, JMLR 2006) on the booster's trees: each is grown deep on a
 * draw of rows and columns, so as to part targets by their rank, which outliers cannot bend; a leaf keeps the quantiles of
 * its targets, and the forest says their mean over trees. It is written and read as a booster whose steps are those
 * quantiles, divided by the trees.
 */

export interface ForestOptions {
  /** Ascending, each in (0, 1). */
  levels: readonly number[];
  trees: number;
  leaves: number;
  minLeaf: number;
  rowShare: number;
  columnShare: number;
  bins: number;
  seed: number;
}

export const FOREST_DEFAULTS: Omit<ForestOptions, 'levels'> = {
  trees: 60,
  leaves: 255,
  minLeaf: 40,
  rowShare: 0.5,
  columnShare: 0.4,
  bins: 254,
  seed: 1,
};

/**
 * Fits a forest; the same rows, options and seed give the same one.
 * @throws HeadroomError `invalid-input` as trainBooster().
 */
export function trainForest(training: TrainingRows, options: ForestOptions, hooks: FitHooks = {}): Booster {
  const { levels, trees } = options;
  checkTraining(training, { ...options, rounds: trees });
  const { matrix, target, bounds } = training;
  const { rows, columns } = matrix;
  const binning = createBinning(matrix, options.bins);
  const codes = encode(binning, matrix);
  const binsOf = Int32Array.from(binning.ends, (ends) => ends.length + 1);
  const useful = [...binsOf.keys()].filter((column) => isUseful(codes, rows, column));
  // Without a ridge the gain is the fall of the ranks' variance, whatever they are measured from.
  const grower = createGrower({ rows, columns, codes, binsOf }, { ...options, l2: 0, minGain: 1e-6 });
  const random = xoroshiro128plus(options.seed);
  const ranks = rankOf(target);
  const sample = new Int32Array(rows);
  const scratch = new Float32Array(rows);
  const isBound = new Uint8Array(rows);
  const collected = createTrees(levels.length);
  for (let round = 0; round < trees; round++) {
    const count = Math.max(1, drawRows(random, sample, rows, options.rowShare));
    const tree = grower.grow(sample, count, ranks, MOST_GRADIENT / 2, drawColumns(random, useful, options.columnShare));
    const steps = new Float32Array(tree.leaves * levels.length);
    for (let leaf = 0; leaf < tree.leaves; leaf++) {
      const begin = grower.begins[leaf] ?? 0;
      const size = (grower.ends[leaf] ?? 0) - begin;
      let some = false;
      for (let k = 0; k < size; k++) {
        const row = sample[begin + k] ?? 0;
        scratch[k] = target[row] ?? 0;
        isBound[k] = bounds?.[row] ?? 0;
        some ||= isBound[k] === 1;
      }
      levels.forEach((level, k) => {
        const quantile = some ? boundedQuantileOf(scratch, isBound, size, level) : quantileOf(scratch, size, level);
        steps[leaf * levels.length + k] = quantile / trees;
      });
    }
    collected.add(tree, binning, steps);
    hooks.onRound?.({ round: round + 1, rounds: trees, loss: null });
  }
  const base = new Float32Array(levels.length);
  return { levels: [...levels], columns, base, ...collected.finish(trees) };
}

/** Ranks of the targets, evenly spread over the whole gradients that a histogram can hold. */
function rankOf(target: Float32Array): Uint8Array {
  const sorted = target.slice().sort();
  const ends = Float32Array.from({ length: MOST_GRADIENT }, (_, k) =>
    Math.fround(sorted[Math.floor(((k + 1) * sorted.length) / (MOST_GRADIENT + 1))] ?? 0),
  );
  return Uint8Array.from(target, (value) => {
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const half = (low + high) >> 1;
      if (value < (ends[half] ?? 0)) high = half;
      else low = half + 1;
    }
    return low;
  });
}
