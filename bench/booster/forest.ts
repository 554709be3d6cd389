import { RandomForestRegression } from 'ml-random-forest';
import { predictRow, type Booster } from '../../src/forecast/booster/booster.js';
import { FOREST_DEFAULTS, trainForest } from '../../src/forecast/booster/forest.js';
import type { TrainingRows } from '../../src/forecast/booster/train.js';
import type { BenchResult } from '../result.js';
import { generated } from './data.js';

/*
 * Our forest beside ml-random-forest, on so few rows that the latter ends: trees, leaves of at least as many rows, shares of
 * columns alike. It knows no missing values (they are given as a number far below all others) and says a mean, no quantile.
 */

const ROWS = 500;
const TREES = 10;
const MIN_LEAF = 10;
const SHARE = 0.4;
const ABSENT = -100;

const rowOf = ({ matrix }: TrainingRows, row: number): Float32Array =>
  Float32Array.from({ length: matrix.columns }, (_, k) => matrix.values[k * matrix.rows + row] ?? Number.NaN);
const numbersOf = (rows: TrainingRows): number[][] =>
  Array.from({ length: rows.matrix.rows }, (_, row) =>
    [...rowOf(rows, row)].map((value) => (Number.isNaN(value) ? ABSENT : value)),
  );

const secondsOf = <T>(work: () => T): { value: T; seconds: number } => {
  const before = process.cpuUsage();
  const value = work();
  const { user, system } = process.cpuUsage(before);
  return { value, seconds: Math.round((user + system) / 1e3) / 1e3 };
};

export function compareForests(): BenchResult[] {
  const train = generated(ROWS, 3);
  const test = generated(4 * ROWS, 4);
  const own = secondsOf(() =>
    trainForest(train, { ...FOREST_DEFAULTS, levels: [0.5], trees: TREES, minLeaf: MIN_LEAF, columnShare: SHARE }),
  );
  const peer = secondsOf(() => {
    const forest = new RandomForestRegression({
      seed: 1,
      nEstimators: TREES,
      maxFeatures: SHARE,
      replacement: false,
      noOOB: true,
      treeOptions: { minNumSamples: MIN_LEAF },
    });
    forest.train(numbersOf(train), [...train.target]);
    return forest.predict(numbersOf(test));
  });
  const median = (forest: Booster, row: number): number => {
    const out = new Float32Array(1);
    predictRow(forest, rowOf(test, row), 0, out, 0);
    return out[0] ?? 0;
  };
  const errorOf = (said: (row: number) => number): number => {
    const sum = test.target.reduce((total, value, row) => total + Math.abs(value - said(row)), 0);
    return Math.round((1e4 * sum) / test.target.length) / 1e4;
  };
  const note = `generated, ${ROWS} × ${train.matrix.columns}, ${TREES} trees, leaves of ${MIN_LEAF} rows`;
  const against = { better: 'lower' as const, peer: 'ml-random-forest 2.1.0', note };
  return [
    {
      ...against,
      metric: 'forest: fit',
      value: own.seconds,
      unit: 's CPU',
      goal: peer.seconds,
      peerValue: peer.seconds,
    },
    {
      ...against,
      metric: 'forest: mean absolute error',
      value: errorOf((row) => median(own.value, row)),
      unit: 'of the target',
      goal: null,
      peerValue: errorOf((row) => peer.value[row] ?? 0),
    },
  ];
}
