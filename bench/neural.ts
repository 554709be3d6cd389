import { join } from 'node:path';
import { loadBackend, nativeProblem, type Backend } from '../src/forecast/neural/backend.js';
import { createBatches } from '../src/forecast/neural/batches.js';
import { fitNetwork } from '../src/forecast/neural/fit.js';
import { createGraph } from '../src/forecast/neural/graph.js';
import { createNetworkModel } from '../src/forecast/neural/model.js';
import { initialWeights, type NetworkKind } from '../src/forecast/neural/network.js';
import { createRandom } from '../src/forecast/neural/random.js';
import { readSettings, shapeOf, type NeuralSettings } from '../src/forecast/neural/settings.js';
import type { GlobalModel } from '../src/forecast/global.js';
import type { TrainingSeries } from '../src/models/port.js';
import { calendarOf } from '../src/forecast/calendar.js';
import { LEVELS, SEEN, score } from './neural/score.js';
import { readTraces } from './neural/traces.js';
import { checkoutRoot, percentile, writeResults, type BenchResult } from './result.js';

/*
 * The networks: what a training step costs on each backend, how well both forecast a sub-sample of real traces (fitted on the
 * first 60 %, stopped by the next 10 %, scored on the last 30 %), and what one forecast costs. Give the folder of the traces;
 * EVERY=4 takes every fourth of them, EPOCHS bounds the fits.
 */

const HORIZON = 86_400;
const SEED = 1;
const STEPS_TIMED = 12;
const NETWORKS: readonly NetworkKind[] = ['tcn', 'gru'];

const folder = process.argv[2] ?? join(checkoutRoot(), '..', 'shared', 'traces');
const every = Number(process.env['EVERY'] ?? 4);
const epochs = Number(process.env['EPOCHS'] ?? 12);
const traces = await readTraces(folder, every);
if (traces.length === 0) {
  console.error(
    `neural: no traces in ${folder}; give the folder that holds INDEX.csv: make bench-neural TRACES=folder`,
  );
  process.exit(1);
}
const series = traces.map(({ name, start, step, values }): TrainingSeries => ({
  id: name,
  start,
  step,
  timeZone: 'UTC',
  values: values.slice(0, Math.floor(values.length * SEEN)),
}));
const without = await nativeProblem();
const backends: Backend[] = [];
// WebAssembly first: a process that has loaded both keeps using the one that was named last.
for (const choice of ['wasm', ...(without === null ? (['native'] as const) : [])] as const) {
  backends.push(await loadBackend(choice));
}
const results: BenchResult[] = [];
const round = (value: number, digits = 3): number => Number(value.toPrecision(digits));

/** CPU milliseconds of one training step, drawing its batch included: wall clock would measure the neighbours. */
async function stepCost(backend: Backend, settings: NeuralSettings): Promise<number> {
  await loadBackend(backend.name === 'tensorflow-native' ? 'native' : 'wasm');
  const shape = shapeOf(settings, LEVELS);
  const batches = createBatches(series, shape, settings, HORIZON);
  const graph = createGraph(backend, shape, settings.loss);
  const random = createRandom(SEED);
  const weights = initialWeights(shape, SEED);
  const gradient = new Float32Array(weights.length);
  const costs: number[] = [];
  for (let step = 0; step < STEPS_TIMED; step++) {
    const before = process.cpuUsage();
    const batch = batches.draw(random, 'fit', settings.batch);
    graph.differentiate(weights, batch, batches.masks(random, settings.batch), gradient);
    const { user, system } = process.cpuUsage(before);
    // The first ones compile.
    if (step >= 3) costs.push((user + system) / 1000);
  }
  return percentile(costs, 0.5);
}

for (const network of NETWORKS) {
  const settings = readSettings({ network });
  const costs = new Map<string, number>();
  for (const backend of backends) costs.set(backend.name, await stepCost(backend, settings));
  const wasm = costs.get('tensorflow-wasm');
  results.push({
    metric: `${network}: CPU of a training step`,
    value: costs.get('tensorflow-native') ?? null,
    unit: 'ms',
    goal: null,
    better: 'lower',
    peer: 'WebAssembly',
    ...(wasm === undefined ? {} : { peerValue: wasm }),
    note:
      `${settings.batch} origins × ${settings.targets} targets, ${settings.units} units, its batch drawn; ` +
      (without === null ? 'native TensorFlow' : `native TensorFlow does not load here (${without}): make tensorflow`),
  });
}

const backend = await loadBackend('best');
const models: Record<string, GlobalModel> = {};
for (const network of NETWORKS) {
  const settings = readSettings({ network, epochs });
  const before = process.cpuUsage();
  let epochsDone = 0;
  const fitted = await fitNetwork(backend, series, {
    settings,
    levels: LEVELS,
    horizon: HORIZON,
    seed: SEED,
    onEpoch: ({ epoch, validation }) => {
      epochsDone = epoch;
      console.error(`neural: ${network}, epoch ${epoch}: validation loss ${validation.toFixed(4)}`);
    },
  });
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  models[network] = createNetworkModel(
    { settings, levels: LEVELS, horizon: HORIZON, steps: fitted.steps },
    fitted.weights,
  );
  results.push({
    metric: `${network}: CPU of the fit, per series`,
    value: round(seconds / series.length),
    unit: 's',
    goal: 15,
    better: 'lower',
    note:
      `${backend.name}, ${series.length} series, ${epochsDone} epochs of ${settings.epochSteps} steps at ` +
      `${round(seconds / epochsDone)} s, best ${fitted.epoch}; shared by all series, and hardly more for more of them`,
  });
}

for (const [title, seconds, goals] of [
  ['1 h', 3600, { persistence: 0.9, 'seasonal naive': 0.55 }],
  ['24 h', HORIZON, { persistence: null, 'seasonal naive': 0.7 }],
] as const) {
  const scored = score(traces, models, seconds);
  for (const network of NETWORKS) {
    const ours = scored.wql[network] ?? Number.NaN;
    const coverage = LEVELS.map((level, l) => `${level}: ${round(scored.coverage[network]?.[l] ?? Number.NaN)}`);
    for (const peer of ['persistence', 'seasonal naive'] as const) {
      const theirs = scored.wql[peer] ?? Number.NaN;
      const worse = scored.traces.filter(({ wql }) => (wql[network] ?? 0) > (wql[peer] ?? 0)).map(({ name }) => name);
      results.push({
        metric: `${network}, ${title}: WQL against ${peer}`,
        value: round(ours / theirs),
        unit: 'ratio',
        goal: goals[peer],
        better: 'lower',
        peer: `${peer} with residual quantiles (WQL)`,
        peerValue: round(theirs),
        note:
          `the network alone, WQL ${round(ours)}, geometric mean over ${scored.traces.length} traces; covered ` +
          `${coverage.join(', ')}; worse on ${worse.length === 0 ? 'none' : worse.join(', ')}`,
      });
    }
  }
}

const longest = traces.reduce((a, b) => (a.values.length >= b.values.length ? a : b));
for (const network of NETWORKS) {
  const model = models[network];
  if (model === undefined) continue;
  const requests = Array.from({ length: 64 }, (_, k) => {
    const last = longest.values.length - 1 - k;
    return {
      values: longest.values.subarray(Math.max(0, last + 1 - model.context), last + 1),
      origin: longest.start + last * longest.step,
      step: longest.step,
      calendar: calendarOf('UTC'),
    };
  });
  const aheads = [1, 2, 3, 5, 8, 12, 24, 48, 96, 168, 240, 288];
  model.predict(requests, aheads);
  const before = process.cpuUsage();
  model.predict(requests, aheads);
  const { user, system } = process.cpuUsage(before);
  results.push({
    metric: `${network}: CPU of a forecast`,
    value: round((user + system) / 1000 / requests.length),
    unit: 'ms',
    goal: 5,
    better: 'lower',
    note: `one series, ${aheads.length} distances × ${LEVELS.length} levels, without TensorFlow`,
  });
}
writeResults('neural', results);
