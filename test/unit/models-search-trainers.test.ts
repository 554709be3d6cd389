import { describe, expect, it } from 'vitest';
import { createNetworkModel } from '../../src/forecast/neural/model.js';
import { initialWeights } from '../../src/forecast/neural/network.js';
import { readSettings, shapeOf } from '../../src/forecast/neural/settings.js';
import { createNeuralTrainer } from '../../src/forecast/neural/trainer.js';
import type { HyperParameters } from '../../src/models/card.js';
import type { Trainer, TrainingSeries } from '../../src/models/port.js';
import { searchTrainers } from '../../src/models/search-trainers.js';

/* A search over kinds of models that judged one by what it was fitted on would promote whatever remembers best. */

const START = 1_772_409_600;
const HOUR = 3600;
const LEVELS = [0.1, 0.5, 0.9];
const CUT = START + 240 * HOUR;
const series: TrainingSeries[] = [0, 1].map((s) => ({
  id: `s${s}`,
  start: START,
  step: HOUR,
  timeZone: 'UTC',
  values: Float32Array.from({ length: 300 }, (_, k) => 5 + 3 * Math.sin((2 * Math.PI * k) / 24 + s)),
}));
const settings = readSettings({ units: 8, hidden: 8, patch: 2 });

/** A trainer that fits nothing and notes what it was asked for. */
function noting(kind: string, seed: number): Trainer & { asked: HyperParameters[]; ends: number[] } {
  const asked: HyperParameters[] = [];
  const ends: number[] = [];
  return {
    kind,
    asked,
    ends,
    train(given, { hyperParameters = {} }) {
      asked.push(hyperParameters);
      ends.push(...given.map((one) => one.start + one.values.length * one.step));
      return Promise.resolve({ weights: new Uint8Array(), hyperParameters, backend: 'js' });
    },
    load: () => {
      const header = { settings, levels: LEVELS, horizon: 24 * HOUR, steps: [HOUR, HOUR] as const };
      return Promise.resolve(createNetworkModel(header, initialWeights(shapeOf(settings, LEVELS), seed)));
    },
  };
}
const search = { series, cut: CUT, levels: LEVELS, horizon: 6 * HOUR, seed: 2, signal: new AbortController().signal };

describe('a search over trainers', () => {
  it('keeps what follows the cut from every fit, and gives little effort to the many', async () => {
    const trainers = [noting('booster', 1), noting('neural-tcn', 2)];
    const found = await searchTrainers(trainers, { ...search, budget: 13 });
    const fits = trainers.flatMap(({ asked }) => asked);
    expect(fits).toHaveLength(13);
    expect(trainers.every(({ asked }) => asked.length > 0)).toBe(true);
    expect(Math.max(...trainers.flatMap(({ ends }) => ends))).toBeLessThanOrEqual(CUT);
    const epochs = trainers[1]?.asked.map((one) => Number(one['epochs'] ?? 16)) ?? [];
    expect(Math.min(...epochs)).toBe(2);
    expect(found.hyperParameters).not.toHaveProperty('epochs');
    expect(found.loss).toBe(Math.min(...found.trials.filter(({ effort }) => effort === 1).map(({ loss }) => loss)));
  });

  it('tries what is in use first', async () => {
    const trainer = noting('neural-tcn', 2);
    const inUse = { kind: 'neural-tcn', hyperParameters: { units: 33, epochs: 9, list: [1, 2], nothing: null } };
    await searchTrainers([trainer], { ...search, budget: 4, start: [inUse] });
    expect(trainer.asked[0]).toEqual({ units: 33, epochs: 3 });
  });

  it.each([
    ['a kind whose choices nobody knows', [noting('oracle', 1)], []],
    ['no trainer at all', [], []],
    ['a start of a kind that is not here', [noting('booster', 1)], [{ kind: 'neural-gru', hyperParameters: {} }]],
  ])('is refused: %s', async (title, trainers, start) => {
    const promise = searchTrainers(trainers, { ...search, budget: 1, start });
    await expect(promise, title).rejects.toMatchObject({ kind: 'invalid-input' });
  });

  it('a real network comes out of it, with its loss on bins that it had not seen', async () => {
    const trainer = createNeuralTrainer('tcn', { backend: 'wasm', inThread: false });
    const tiny = { units: 8, hidden: 8, patch: 2, batch: 32, targets: 2, epochSteps: 5, epochs: 3, rate: 0.01 };
    const start = [{ kind: 'neural-tcn', hyperParameters: tiny }];
    const found = await searchTrainers([trainer], { ...search, budget: 1, start });
    expect(found.kind).toBe('neural-tcn');
    expect(found.hyperParameters).toEqual(tiny);
    expect(found.loss).toBeLessThan(0.3);
  });
});
