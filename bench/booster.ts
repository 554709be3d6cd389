/*
 * Our booster beside LightGBM: the same matrix, rounds, leaves, bins, learning rate and fewest rows of a leaf, one thread
 * each; a generated matrix, and rows of the global model where the traces are (TRACES=folder). Processor seconds, so that
 * what else runs on the machine matters little. ROWS=… for other sizes, which write no results.
 *
 *   make bench-booster
 */
import { join } from 'node:path';
import { predictRow, type Booster } from '../src/forecast/booster/booster.js';
import { BOOSTER_DEFAULTS, trainBooster, type BoosterOptions } from '../src/forecast/booster/train.js';
import { generated, ofTraces, type Data } from './booster/data.js';
import { compareForests } from './booster/forest.js';
import { askLightGbm, provideLightGbm } from './booster/peer.js';
import { checkoutRoot, writeResults, type BenchResult } from './result.js';

const ROWS = Number(process.env['ROWS'] ?? 30_000);
const LEVELS = [0.1, 0.5, 0.9, 0.99];
const RULES = { rounds: 100, leaves: 31, minLeaf: 100, learningRate: 0.1, l2: 0, threads: 1 };
const OPTIONS: BoosterOptions = {
  ...BOOSTER_DEFAULTS,
  ...RULES,
  levels: LEVELS,
  minGain: 0,
  columnShare: 1,
  rowShare: 1,
  seed: 1,
};

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const round = (value: number): number => Math.round(value * 1e4) / 1e4;

/** Mean pinball loss of each level on rows that were not fitted on. */
function lossesOf(booster: Booster, { matrix, target }: Data['test']): number[] {
  const row = new Float32Array(matrix.columns);
  const out = new Float32Array(booster.levels.length);
  const sums = booster.levels.map(() => 0);
  for (let k = 0; k < matrix.rows; k++) {
    for (let column = 0; column < matrix.columns; column++) row[column] = matrix.values[column * matrix.rows + k] ?? 0;
    predictRow(booster, row, 0, out, 0);
    booster.levels.forEach((level, l) => {
      const off = (target[k] ?? 0) - (out[l] ?? 0);
      sums[l] = (sums[l] ?? 0) + (off > 0 ? level * off : (level - 1) * off);
    });
  }
  return sums.map((sum) => sum / matrix.rows);
}

interface Fit {
  losses: number[];
  seconds: number;
}
const timed = (data: Data, options: BoosterOptions): Fit => {
  const before = process.cpuUsage();
  const booster = trainBooster(data.train, options);
  const { user, system } = process.cpuUsage(before);
  return { losses: lossesOf(booster, data.test), seconds: (user + system) / 1e6 };
};

function compare(data: Data): BenchResult[] {
  const { rows, columns } = data.train.matrix;
  const peer = askLightGbm(data, { ...RULES, levels: LEVELS });
  const apart = LEVELS.map((level) => timed(data, { ...OPTIONS, levels: [level] }));
  const turns = timed(data, { ...OPTIONS, structure: 'turns' });
  const sum = timed(data, { ...OPTIONS, structure: 'sum' });
  const losses = apart.map((fit) => fit.losses[0] ?? Number.NaN);
  LEVELS.forEach((level, l) =>
    console.log(
      `${data.name} ${level}: LightGBM ${peer.losses[l]?.toFixed(5)}, a model a level ${losses[l]?.toFixed(5)}, ` +
        `shared in turns ${turns.losses[l]?.toFixed(5)}, of the sum ${sum.losses[l]?.toFixed(5)}`,
    ),
  );
  const seconds = apart.reduce((total, fit) => total + fit.seconds, 0);
  const peerSeconds = peer.cpu.reduce((total, one) => total + one, 0);
  const note = `${rows} × ${columns}, levels ${LEVELS.join(', ')}, ${RULES.rounds} rounds of ${RULES.leaves} leaves; `;
  const against = { peer: `LightGBM ${peer.version}, a model a level`, better: 'lower' as const };
  const loss = { ...against, unit: 'ratio', peerValue: 1 };
  const time = { ...against, unit: 's CPU', peerValue: round(peerSeconds) };
  const relative = (of: readonly number[]): number =>
    round(Math.exp(mean(of.map((value, l) => Math.log(value / (peer.losses[l] ?? Number.NaN))))));
  return [
    {
      ...loss,
      metric: `${data.name}: pinball, a model a level`,
      value: relative(losses),
      goal: 1.01,
      note: `${note}held-out rows, geometric mean over levels; by level ${losses.map((value, l) => round(value / (peer.losses[l] ?? 1))).join(', ')}`,
    },
    {
      ...time,
      metric: `${data.name}: fit, a model a level`,
      value: round(seconds),
      goal: round(5 * peerSeconds),
      note: `${note}goal: 5 × LightGBM in one thread`,
    },
    {
      ...loss,
      metric: `${data.name}: pinball, shared trees in turns`,
      value: relative(turns.losses),
      goal: 1.01,
      note,
    },
    {
      ...time,
      metric: `${data.name}: fit, shared trees in turns`,
      value: round(turns.seconds),
      goal: round(5 * peerSeconds),
      note,
    },
    {
      ...loss,
      metric: `${data.name}: pinball, shared trees of the sum`,
      value: relative(sum.losses),
      goal: null,
      note,
    },
    { ...time, metric: `${data.name}: fit, shared trees of the sum`, value: round(sum.seconds), goal: null, note },
  ];
}

provideLightGbm();
const traces = process.env['TRACES'] ?? join(checkoutRoot(), '..', 'shared', 'traces');
const real = await ofTraces(traces, ROWS);
if (real === null) console.log(`no traces at ${traces}: the generated matrix alone`);
const results = [
  ...compare({ name: 'generated', train: generated(ROWS, 1), test: generated(Math.ceil(ROWS / 4), 2) }),
  ...(real === null ? [] : compare(real)),
  ...compareForests(),
];
if (process.env['ROWS'] === undefined) writeResults('booster', results);
else
  for (const { metric, value, unit, peerValue } of results)
    console.log(`${metric}: ${value} ${unit} (the peer ${peerValue})`);
