import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { errorsOf } from '../../domain/errors.js';
import { createBinning, encode, MISSING, type Matrix } from './bins.js';
import type { Booster } from './booster.js';
import { drawColumns, drawRows, isUseful } from './draw.js';
import { createTrees } from './collect.js';
import { createGrower, type Grown } from './grow.js';
import { MOST_GRADIENT, MOST_ROWS } from './histogram.js';
import { boundedQuantileOf, quantileOf } from './order-statistic.js';

/*
 * Quantile regression by gradient boosting on histograms, leaf-wise as in LightGBM (Ke et al., NIPS 2017): a tree is
 * grown on the gradients of the pinball loss, then each leaf steps to the quantile of its own residuals. One tree serves
 * all levels: it is grown on the gradients of one of them (or of their sum: on how many of them a row lies at or under its
 * quantile), and each of its leaves holds a step for every level. With one level this is LightGBM's objective "quantile".
 */

export interface BoosterOptions {
  /** Ascending, each in (0, 1). */
  levels: readonly number[];
  rounds: number;
  /** Most leaves of a tree. */
  leaves: number;
  /** Fewest rows of a leaf. */
  minLeaf: number;
  learningRate: number;
  /** Added to a side's count in the gain: small sides have to show more. */
  l2: number;
  /** Least gain of a split. */
  minGain: number;
  /** Shares of columns and rows that each tree sees, in (0, 1]. */
  columnShare: number;
  rowShare: number;
  /** Most value bins of a column, ≤ 254. */
  bins: number;
  /** Rounds without a smaller loss on the validation part until it stops; without such a part all rounds are run. */
  patience: number;
  /**
   * What the trees' structure follows: the sum of all levels' losses, or one level after another. The sum hardly sees
   * how wide a row's future is, since what the upper levels want cancels what the lower ones do.
   */
  structure: 'sum' | 'turns';
  seed: number;
}

export const BOOSTER_DEFAULTS: Omit<BoosterOptions, 'levels'> = {
  rounds: 200,
  leaves: 31,
  minLeaf: 100,
  learningRate: 0.1,
  l2: 1,
  minGain: 1e-6,
  columnShare: 0.7,
  rowShare: 0.7,
  bins: 254,
  patience: 20,
  structure: 'turns',
  seed: 1,
};

export interface TrainingRows {
  matrix: Matrix;
  /** One a row, finite. */
  target: Float32Array;
  /**
   * 1 where a row's target is a lower bound: its loss counts where a quantile is under it, and nowhere else. Absent where
   * none is.
   */
  bounds?: Uint8Array;
}

export interface BoosterProgress {
  round: number;
  rounds: number;
  /** Mean pinball loss over rows and levels on the validation part; null without one. */
  loss: number | null;
}

export interface FitHooks {
  /** Called after each round; what it throws ends the fit. */
  onRound?: (progress: BoosterProgress) => void;
}

const fail = errorsOf('forecast/booster');

type CheckedOptions = Pick<
  BoosterOptions,
  'levels' | 'rounds' | 'leaves' | 'minLeaf' | 'rowShare' | 'columnShare' | 'bins'
>;

/** @throws HeadroomError `invalid-input` where rows or options cannot be fitted. */
export function checkTraining({ matrix, target, bounds }: TrainingRows, options: CheckedOptions): void {
  const action = `fitting on ${matrix.rows} rows of ${matrix.columns} features`;
  const refuse = (problem: string, remedy: string): never => {
    throw fail('invalid-input', action, problem, remedy);
  };
  const { levels } = options;
  if (matrix.rows < 1 || matrix.rows > MOST_ROWS) refuse('so many rows cannot be fitted', `give 1 to ${MOST_ROWS}`);
  if (matrix.columns < 1 || matrix.columns > 65_535) refuse('so many features cannot be fitted', 'give 1 to 65535');
  if (matrix.values.length !== matrix.rows * matrix.columns) refuse('the matrix is of another size', 'give all of it');
  if (target.length !== matrix.rows) refuse(`there are ${target.length} targets`, 'give one a row');
  if (bounds !== undefined && bounds.length !== matrix.rows)
    refuse(`there are ${bounds.length} bounds`, 'give one a row');
  if (!target.every(Number.isFinite)) refuse('a target is missing or infinite', 'leave its row out');
  if (levels.length < 1 || levels.length > MOST_GRADIENT) refuse('so many levels cannot be fitted', 'give fewer');
  if (!levels.every((p, k) => p > 0 && p < 1 && (k === 0 || p > (levels[k - 1] ?? 0)))) {
    refuse(`levels ${levels.join(', ')} are not ascending in (0, 1)`, 'give them as 0.1, 0.5, 0.99');
  }
  const isShare = (share: number): boolean => share > 0 && share <= 1;
  if (!isShare(options.rowShare) || !isShare(options.columnShare)) refuse('a share is not in (0, 1]', 'give it as 0.7');
  if (!(options.leaves >= 2) || !(options.minLeaf >= 1) || !(options.rounds >= 0) || !(options.bins >= 2)) {
    refuse('leaves, rows of a leaf, bins or rounds are too few', 'give at least 2, 1, 2 and 0');
  }
}

/**
 * Fits a booster; the same rows, options and seed give the same one, bit for bit.
 * @param validation rows that it does not learn from, which say when to stop.
 * @throws HeadroomError `invalid-input`
 */
export function trainBooster(
  training: TrainingRows,
  options: BoosterOptions,
  validation: TrainingRows | null = null,
  hooks: FitHooks = {},
): Booster {
  checkTraining(training, options);
  const { matrix, bounds } = training;
  const { rows, columns } = matrix;
  const { levels } = options;
  const binning = createBinning(matrix, options.bins);
  const codes = encode(binning, matrix);
  const binsOf = Int32Array.from(binning.ends, (ends) => ends.length + 1);
  const useful = [...binsOf.keys()].filter((column) => isUseful(codes, rows, column));
  const grower = createGrower({ rows, columns, codes, binsOf }, options);
  const random = xoroshiro128plus(options.seed);
  const base = baseOf(training, levels);
  const scores = createScores(base, rows);
  const watched =
    validation === null
      ? null
      : {
          codes: encode(binning, validation.matrix),
          target: validation.target,
          bounds: validation.bounds,
          scores: createScores(base, validation.matrix.rows),
        };
  const collected = createTrees(levels.length);
  const gradients = new Uint8Array(rows);
  const sample = new Int32Array(rows);
  const scratch: Residuals = { values: new Float32Array(rows), isBound: new Uint8Array(rows) };
  const all = levels.reduce((sum, level) => sum + level, 0);
  // A bound that is covered pulls neither way, which is no whole number of levels: those are counted in finer units then.
  const finest = Math.floor(MOST_GRADIENT / (options.structure === 'turns' ? 1 : levels.length));
  const unit = bounds?.includes(1) === true ? Math.max(1, finest) : 1;
  let best = watched === null ? 0 : lossOf(watched, levels);
  let bestTrees = 0;

  for (let round = 0; round < options.rounds; round++) {
    const turn = options.structure === 'turns' ? round % levels.length : -1;
    const count = drawRows(random, sample, rows, options.rowShare);
    const chosen = drawColumns(random, useful, options.columnShare);
    setGradients(gradients, scores, training, turn, levels, unit);
    const tree = grower.grow(sample, count, gradients, unit * (turn < 0 ? all : (levels[turn] ?? 0.5)), chosen);
    if (tree.leaves > 1) {
      const steps = leafSteps(tree, grower, sample, scores, training, levels, options.learningRate, scratch);
      collected.add(tree, binning, steps);
      step(tree, codes, rows, steps, scores);
      if (watched !== null) step(tree, watched.codes, watched.target.length, steps, watched.scores);
    }
    const loss = watched === null ? null : lossOf(watched, levels);
    hooks.onRound?.({ round: round + 1, rounds: options.rounds, loss });
    if (loss === null || loss < best) {
      best = loss ?? 0;
      bestTrees = collected.trees;
    } else if (collected.trees - bestTrees >= options.patience) break;
    if (useful.length === 0) break;
  }
  return { levels: [...levels], columns, base, ...collected.finish(bestTrees) };
}

function baseOf({ target, bounds }: TrainingRows, levels: readonly number[]): Float32Array {
  const sorted = target.slice();
  return Float32Array.from(levels, (level) => stepTo({ values: sorted, isBound: bounds }, sorted.length, level));
}

/** What is left of targets, and which of them are lower bounds. */
interface Residuals {
  values: Float32Array;
  isBound: Uint8Array | undefined;
}

/** The quantile of the first `count` residuals; changes their order where none of them is a bound. */
const stepTo = ({ values, isBound }: Residuals, count: number, level: number): number =>
  isBound === undefined || isBound.subarray(0, count).indexOf(1) === -1
    ? quantileOf(values, count, level)
    : boundedQuantileOf(values, isBound, count, level);

/** Quantiles as they stand, [level][row]. */
const createScores = (base: Float32Array, rows: number): Float32Array[] =>
  Array.from(base, (value) => new Float32Array(rows).fill(value));

/** On how many of the levels (of one alone: `turn` ≥ 0) a row's value lies at or under its quantile, in units. */
function setGradients(
  gradients: Uint8Array,
  scores: readonly Float32Array[],
  { target, bounds }: TrainingRows,
  turn: number,
  levels: readonly number[],
  unit: number,
): void {
  gradients.fill(0);
  scores.forEach((score, level) => {
    if (turn >= 0 && level !== turn) return;
    const covered = Math.round(unit * (levels[level] ?? 0.5));
    for (let row = 0; row < gradients.length; row++) {
      if ((target[row] ?? 0) > (score[row] ?? 0)) continue;
      gradients[row] = (gradients[row] ?? 0) + (bounds?.[row] === 1 ? covered : unit);
    }
  });
}

/** [leaf][level]: the learning rate's share of the way to the quantile of the leaf's residuals. */
function leafSteps(
  tree: Grown,
  { begins, ends }: { begins: Int32Array; ends: Int32Array },
  sample: Int32Array,
  scores: readonly Float32Array[],
  { target, bounds }: TrainingRows,
  levels: readonly number[],
  rate: number,
  scratch: Residuals,
): Float32Array {
  const steps = new Float32Array(tree.leaves * levels.length);
  for (let leaf = 0; leaf < tree.leaves; leaf++) {
    const begin = begins[leaf] ?? 0;
    const count = (ends[leaf] ?? 0) - begin;
    for (let level = 0; level < levels.length; level++) {
      const score = scores[level];
      if (score === undefined) continue;
      const { values, isBound } = scratch;
      for (let k = 0; k < count; k++) {
        const row = sample[begin + k] ?? 0;
        values[k] = (target[row] ?? 0) - (score[row] ?? 0);
        if (bounds !== undefined && isBound !== undefined) isBound[k] = bounds[row] ?? 0;
      }
      const residuals = bounds === undefined ? { values, isBound: undefined } : scratch;
      steps[leaf * levels.length + level] = rate * stepTo(residuals, count, levels[level] ?? 0.5);
    }
  }
  return steps;
}

/** Adds a tree's steps to the quantiles of all rows. */
function step(
  tree: Grown,
  codes: Uint8Array,
  rows: number,
  steps: Float32Array,
  scores: readonly Float32Array[],
): void {
  const column = Int32Array.from(tree.column);
  const bin = Int32Array.from(tree.bin);
  const missingLeft = Uint8Array.from(tree.missingLeft, Number);
  const left = Int32Array.from(tree.left);
  const right = Int32Array.from(tree.right);
  const count = scores.length;
  const leaves = new Uint16Array(rows);
  for (let row = 0; row < rows; row++) {
    let node = 0;
    while (node >= 0) {
      const code = codes[(column[node] ?? 0) * rows + row] ?? 0;
      const goesLeft = code === MISSING ? missingLeft[node] === 1 : code <= (bin[node] ?? 0);
      node = (goesLeft ? left[node] : right[node]) ?? -1;
    }
    leaves[row] = -1 - node;
  }
  scores.forEach((score, level) => {
    for (let row = 0; row < rows; row++) {
      score[row] = (score[row] ?? 0) + (steps[(leaves[row] ?? 0) * count + level] ?? 0);
    }
  });
}

/** Mean pinball loss over rows and levels; a bound costs where it is above its quantile alone. */
function lossOf(
  { scores, target, bounds }: { scores: readonly Float32Array[]; target: Float32Array; bounds: Uint8Array | undefined },
  levels: readonly number[],
): number {
  let sum = 0;
  scores.forEach((score, k) => {
    const level = levels[k] ?? 0.5;
    for (let row = 0; row < target.length; row++) {
      const off = (target[row] ?? 0) - (score[row] ?? 0);
      sum += off > 0 ? level * off : bounds?.[row] === 1 ? 0 : (level - 1) * off;
    }
  });
  return sum / Math.max(1, target.length * levels.length);
}
