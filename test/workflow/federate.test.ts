import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFederation } from '../../activities/federate.js';
import type { FederationPlan } from '../../activities/federate-types.js';
import type { GlobalModel } from '../../src/forecast/global.js';
import { loadBackend } from '../../src/forecast/neural/backend.js';
import { trainLocally } from '../../src/forecast/neural/local.js';
import { createNeuralTrainer } from '../../src/forecast/neural/trainer.js';
import { codeVersion } from '../../src/models/code-version.js';
import { createModelLibrary, type ModelLibrary } from '../../src/models/library.js';
import type { TrainingSeries } from '../../src/models/port.js';
import { scoreModels } from '../../src/models/score.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import type { federate } from '../../workflows/federate.js';
import { cellQueue, federateWorkflowId, type FederateResult } from '../../workflows/federate-messages.js';
import { wave } from '../unit/models-fixtures.js';
import { withWorker } from './environment.js';
import { policyOf } from './fakes.js';

/*
 * Four cells that may not give their data away train one network. What would be lost: the data themselves, where a
 * series got into a payload; or the point of it, where the network were much worse than one trained on all of it.
 */

const DAY = 86_400;
const START = 1_760_400_000;
const DAYS = 16;
const CUT = START + 12 * DAY;
const CELLS = ['eu', 'us', 'ap', 'sa'];

const PLAN: FederationPlan = {
  id: 'test',
  network: 'tcn',
  settings: { units: 12, hidden: 16, patch: 2, batch: 96, rate: 0.01, dropout: 0 },
  levels: [0.1, 0.5, 0.9],
  horizon: 12 * 3600,
  seed: 3,
  steps: 24,
  clip: 3,
  noise: 0.0005,
  days: 12,
  cut: CUT,
  mostSeries: 50,
};
const ROUNDS = 5;

let folder: string;
const stores: EmbeddedStore[] = [];
const libraries: ModelLibrary[] = [];
/** What each cell has, and no other may ever see. */
const series: TrainingSeries[] = CELLS.map((cell, index) => wave(`${cell}-account`, DAYS, 3600, index + 1));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headroom-federation-'));
  for (const [index, cell] of CELLS.entries()) {
    const home = join(folder, cell);
    libraries.push(
      createModelLibrary({ folder: home, trainers: [createNeuralTrainer('tcn')], code: codeVersion('0') }),
    );
    const store = await createEmbeddedStore({ path: join(folder, `${cell}.duckdb`) });
    stores.push(store);
    const account = `${cell}-account`;
    await store.putRecord({ kind: 'account', id: account, account, at: START, body: { ...policyOf(), account } });
    const { values, start, step } = series[index] ?? wave('none', 1);
    await store.writeUsage([
      {
        key: { account, workload: 'web', component: 'cpu' },
        samples: [...values].map((value, k) => ({ at: start + k * step, value })),
      },
    ]);
  }
});
afterAll(async () => {
  for (const store of stores) await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs a federation over the cells that are served; answers its result and every payload that passed. */
async function run(id: string, rounds: number, served: readonly string[], leastCells = 4) {
  const backend = await loadBackend('wasm');
  return withWorker({}, async (environment, taskQueue) => {
    const workers = await Promise.all(
      served.map((cell) => {
        const index = CELLS.indexOf(cell);
        const [store, models] = [stores[index], libraries[index]];
        if (store === undefined || models === undefined) throw new Error(`no cell ${cell}`);
        return Worker.create({
          connection: environment.nativeConnection,
          namespace: environment.namespace ?? 'default',
          taskQueue: cellQueue(cell),
          activities: createFederation({
            store,
            models,
            trainLocally: (own, weights, options) => trainLocally(backend, own, weights, options),
          }) as object,
          shutdownGraceTime: '100ms',
        });
      }),
    );
    const work = async (): Promise<{ result: FederateResult; payloads: string[] }> => {
      const handle = await environment.client.workflow.start<typeof federate>('federate', {
        workflowId: federateWorkflowId(id),
        taskQueue,
        args: [
          {
            plan: { ...PLAN, id },
            cells: CELLS,
            rounds,
            leastCells,
            answerWithin: served.length < CELLS.length ? 4 : 120,
          },
        ],
      });
      const result = await handle.result();
      return { result, payloads: await payloadsOf(handle) };
    };
    let next = work;
    for (const worker of workers) {
      const inner = next;
      next = () => worker.runUntil(inner);
    }
    return next();
  });
}

/** Every payload of a history, as the text that the server holds. */
async function payloadsOf(handle: WorkflowHandle): Promise<string[]> {
  const found: string[] = [];
  const walk = (value: unknown): void => {
    if (value instanceof Uint8Array) found.push(Buffer.from(value).toString('utf8'));
    else if (Array.isArray(value)) value.forEach(walk);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(walk);
  };
  walk((await handle.fetchHistory()).events);
  return found;
}

const wqlOf = async (model: GlobalModel): Promise<number> => {
  const window = { from: CUT, to: START + DAYS * DAY, levels: PLAN.levels, horizon: PLAN.horizon };
  return (await scoreModels([model], series, window))[0]?.metrics?.wql ?? Number.NaN;
};

describe('a federation of four cells', () => {
  let result: FederateResult;
  let payloads: string[];
  beforeAll(async () => {
    ({ result, payloads } = await run('test', ROUNDS, CELLS));
  });

  it('ends with the same artifact in every cell', () => {
    expect(Object.keys(result.artifacts).sort()).toEqual([...CELLS].sort());
    expect(new Set(Object.values(result.artifacts).map(({ id }) => id)).size).toBe(1);
    expect(result.rounds.map(({ cells }) => cells)).toEqual(Array.from({ length: ROUNDS }, () => 4));
  });

  it('is as good as training on all data in one place, within 5 %', async () => {
    const id = result.artifacts['eu']?.id ?? '';
    const federated = await wqlOf((await libraries[0]?.load(id))?.model ?? fail('no model'));
    const central = createNeuralTrainer('tcn', { backend: 'wasm', inThread: false });
    const cut = series.map((one) => ({ ...one, values: one.values.subarray(0, (12 * DAY) / 3600) }));
    const trained = await central.train(cut, {
      levels: PLAN.levels,
      horizon: PLAN.horizon,
      seed: PLAN.seed,
      hyperParameters: { ...PLAN.settings, epochSteps: PLAN.steps, epochs: ROUNDS, patience: ROUNDS },
      signal: new AbortController().signal,
    });
    const ratio = federated / (await wqlOf(await central.load(trained.weights)));
    expect(ratio).toBeLessThan(1.05);
    // A network that learnt nothing would be as good as another one: the waves explain nearly all.
    expect(federated).toBeLessThan(0.09);
  });

  it('no series leaves its cell: not as numbers, not as bytes, and no name of it', () => {
    expect(payloads.length).toBeGreaterThan(50);
    // Updates are text of base64: what is in them is looked at, too.
    const all = payloads.flatMap((text) => [
      text,
      ...[...text.matchAll(/[A-Za-z0-9+/]{200,}={0,2}/g)].map(([data]) =>
        Buffer.from(data, 'base64').toString('latin1'),
      ),
    ]);
    expect(all.length).toBeGreaterThan(payloads.length);
    for (const { id, values } of series) {
      const needles = [id];
      for (let k = 0; k + 1 < values.length; k += 7) {
        const pair = values.slice(k, k + 2);
        needles.push(
          Buffer.from(pair.buffer).toString('latin1'),
          Buffer.from(Float64Array.from(pair).buffer).toString('latin1'),
        );
        needles.push(String(values[k]), (values[k] ?? 0).toFixed(4));
      }
      for (const needle of needles) expect(all.some((text) => text.includes(needle))).toBe(false);
    }
  });

  it('the search would find a series that did leave', () => {
    const [first] = series;
    const leaked = Buffer.from(first?.values.slice(0, 100).buffer ?? new ArrayBuffer(0)).toString('base64');
    const pair = Buffer.from(first?.values.slice(7, 9).buffer ?? new ArrayBuffer(0)).toString('latin1');
    expect(Buffer.from(leaked, 'base64').toString('latin1')).toContain(pair);
  });

  it('every payload is well under what a history should hold', () => {
    for (const payload of payloads) expect(payload.length).toBeLessThan(64 * 1024);
  });

  it('leaves nothing but the last weights in a cell’s folder', async () => {
    expect(await readdir(join(libraries[0]?.work ?? '', 'federated', 'test'))).toEqual([`weights-${ROUNDS}.f32`]);
  });
});

describe('a cell that does not answer', () => {
  it('is left out where enough others do', async () => {
    const { result } = await run('three', 1, CELLS.slice(0, 3), 3);
    expect(Object.keys(result.artifacts)).toHaveLength(3);
    expect(result.rounds).toMatchObject([{ cells: 3 }]);
  });
});

function fail(problem: string): never {
  throw new Error(problem);
}
