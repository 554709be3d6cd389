import fc from 'fast-check';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { calendarOf } from '../../src/forecast/calendar.js';
import type { GlobalModel, GlobalRequest } from '../../src/forecast/global.js';
import { loadBackend } from '../../src/forecast/neural/backend.js';
import { averageUpdates, clipUpdate, initialNetworkWeights, trainLocally } from '../../src/forecast/neural/local.js';
import { createNetworkModel, unpackNetwork } from '../../src/forecast/neural/model.js';
import { initialWeights } from '../../src/forecast/neural/network.js';
import { createRandom } from '../../src/forecast/neural/random.js';
import { readSettings, shapeOf } from '../../src/forecast/neural/settings.js';
import type * as TrainerModule from '../../src/forecast/neural/trainer.js';
import { createNeuralTrainer } from '../../src/forecast/neural/trainer.js';
import type { TrainingSeries, TrainOptions } from '../../src/models/port.js';

/* Fits on WebAssembly, tiny ones: what a fit promises does not depend on its size. */

const HOUR = 3600;
const START = 1_772_409_600;
const LEVELS = [0.1, 0.5, 0.9];
const tiny = { units: 8, hidden: 8, patch: 2, batch: 64, targets: 2, epochSteps: 8, epochs: 3, rate: 0.01 };

/** A day's wave with noise, in series of very different sizes. */
function waves(count = 3, bins = 400): TrainingSeries[] {
  return Array.from({ length: count }, (_, s) => {
    const random = createRandom(100 + s);
    const values = Float32Array.from({ length: bins }, (_, k) => {
      const wave = 3 + 2 * Math.sin((2 * Math.PI * k) / 24 + s);
      return 10 ** (s - 1) * (wave + 0.3 * random.normal());
    });
    values[50] = Number.NaN;
    return { id: `s${s}`, start: START, step: HOUR, timeZone: 'UTC', values };
  });
}

const optionsOf = (more: Partial<TrainOptions> = {}): TrainOptions => ({
  levels: LEVELS,
  horizon: 24 * HOUR,
  seed: 5,
  hyperParameters: tiny,
  signal: new AbortController().signal,
  ...more,
});
const trainer = (network: 'gru' | 'tcn' = 'tcn') => createNeuralTrainer(network, { backend: 'wasm', inThread: false });

const requestOf = (values: readonly number[]): GlobalRequest => ({
  values: Float32Array.from(values),
  origin: START + (values.length - 1) * HOUR,
  step: HOUR,
  calendar: calendarOf('Europe/Berlin'),
});

/** Weights off their start: a network that says something of its own. */
function someModel(network: 'gru' | 'tcn'): GlobalModel {
  const settings = readSettings({ ...tiny, network });
  const random = createRandom(9);
  const weights = initialWeights(shapeOf(settings, LEVELS), 1).map((value) => value + 0.1 * random.normal());
  return createNetworkModel({ settings, levels: LEVELS, horizon: 24 * HOUR, steps: [HOUR, HOUR] }, weights);
}

describe('a fit of a network', () => {
  for (const network of ['gru', 'tcn'] as const) {
    it(`${network}: the same seed gives the same bytes, whatever the order of the series; another seed others`, async () => {
      const first = await trainer(network).train(waves(), optionsOf());
      const again = await trainer(network).train(waves().reverse(), optionsOf());
      const other = await trainer(network).train(waves(), optionsOf({ seed: 6 }));
      expect(Buffer.from(again.weights).equals(Buffer.from(first.weights))).toBe(true);
      expect(Buffer.from(other.weights).equals(Buffer.from(first.weights))).toBe(false);
      expect(first.backend).toBe('tensorflow-wasm');
      // What it says of itself fits it again.
      const told = optionsOf({ hyperParameters: first.hyperParameters });
      const repeated = await trainer(network).train(waves(), told);
      expect(Buffer.from(repeated.weights).equals(Buffer.from(first.weights))).toBe(true);
    });
  }

  it('goes on from a checkpoint to the very bytes of a fit that was not interrupted', async () => {
    const whole = await trainer().train(waves(), optionsOf());
    const states: Uint8Array[] = [];
    const stop = new AbortController();
    const cut = trainer().train(
      waves(),
      optionsOf({
        signal: stop.signal,
        onCheckpoint: (state) => {
          states.push(state);
          stop.abort(new Error('the worker was told to stop'));
        },
      }),
    );
    await expect(cut).rejects.toThrow('the worker was told to stop');
    const notes: string[] = [];
    const resumed = await trainer().train(
      waves(),
      optionsOf({ checkpoint: states[0] ?? new Uint8Array(), onProgress: ({ note }) => notes.push(note) }),
    );
    expect(notes[0]).toContain('epoch 2 of');
    expect(Buffer.from(resumed.weights).equals(Buffer.from(whole.weights))).toBe(true);
    // Of other data, or damaged: a fit from the start.
    for (const checkpoint of [states[0]?.slice(0, 99) ?? new Uint8Array(), new Uint8Array(7)]) {
      const anew = await trainer().train(waves(), optionsOf({ checkpoint }));
      expect(Buffer.from(anew.weights).equals(Buffer.from(whole.weights))).toBe(true);
    }
    const others = waves().map((one) => ({ ...one, values: one.values.map((value) => value + 1) }));
    const strange = await trainer().train(others, optionsOf({ checkpoint: states[0] ?? new Uint8Array() }));
    const plain = await trainer().train(others, optionsOf());
    expect(Buffer.from(strange.weights).equals(Buffer.from(plain.weights))).toBe(true);
  });

  for (const [loss, network] of [
    ['pinball', 'tcn'],
    ['mse', 'tcn'],
    ['pinball', 'gru'],
  ] as const) {
    it(`${network}, ${loss}: learns a daily wave: six hours ahead it is nearer than the last value by far`, async () => {
      const trained = await trainer(network).train(
        waves(4),
        optionsOf({ hyperParameters: { ...tiny, loss, epochs: 6, epochSteps: 20 } }),
      );
      const model = await trainer(network).load(trained.weights);
      let ours = 0;
      let last = 0;
      let covered = 0;
      for (let origin = 350; origin < 380; origin++) {
        for (const { values } of waves(3)) {
          const said = model.predict([requestOf([...values.subarray(0, origin + 1)])], [6]);
          const truth = values[origin + 6] ?? Number.NaN;
          ours += Math.abs(truth - (said[1] ?? Number.NaN)) / values[0]!;
          last += Math.abs(truth - (values[origin] ?? Number.NaN)) / values[0]!;
          covered += truth <= (said[2] ?? Number.NaN) ? 1 / 90 : 0;
        }
      }
      expect(ours).toBeLessThan(0.5 * last);
      expect(covered).toBeGreaterThan(0.75);
    });
  }

  it.each([
    ['an unknown name', { unitz: 3 }, 'unitz'],
    ['a rate out of range', { rate: 7 }, 'rate'],
    ['no series', {}, 'none is long enough'],
  ])('is refused with its reason: %s', async (_, more, reason) => {
    const series = reason.startsWith('none') ? waves(2, 12) : waves();
    await expect(trainer().train(series, optionsOf({ hyperParameters: { ...tiny, ...more } }))).rejects.toMatchObject({
      kind: 'invalid-input',
      message: expect.stringContaining(reason),
    });
  });

  it('refuses bytes that are damaged, or of something else', async () => {
    const { weights } = await trainer().train(waves(), optionsOf());
    const damaged = weights.slice();
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] ?? 0) ^ 1;
    for (const bytes of [damaged, weights.slice(0, -3), new TextEncoder().encode('{"weights": []}')]) {
      await expect(trainer().load(bytes)).rejects.toMatchObject({ kind: 'invalid-input' });
    }
    expect(unpackNetwork(weights).header.levels).toEqual(LEVELS);
  });

  const BUILT = fileURLToPath(new URL('../../dist/src/forecast/neural/trainer.js', import.meta.url));
  const built = existsSync(BUILT);
  it.skipIf(!built)(
    `runs in a thread of its own${built ? '' : ' (skipped: dist/ is not built, make setup)'}`,
    async () => {
      const { createNeuralTrainer: create }: typeof TrainerModule = await import(BUILT);
      const inThread = await create('tcn', { backend: 'wasm' }).train(waves(), optionsOf());
      const here = await trainer().train(waves(), optionsOf());
      expect(Buffer.from(inThread.weights).equals(Buffer.from(here.weights))).toBe(true);
      const stop = new AbortController();
      const stopped = create('tcn', { backend: 'wasm' }).train(
        waves(),
        optionsOf({ signal: stop.signal, onProgress: () => stop.abort(new Error('enough')) }),
      );
      await expect(stopped).rejects.toThrow('enough');
      await expect(create('tcn').train(waves(1, 9), optionsOf())).rejects.toMatchObject({ kind: 'invalid-input' });
    },
  );
});

describe('a forecast of a network', () => {
  const AHEADS = [1, 6, 24];
  const wave = waves(1, 300)[0]?.values ?? new Float32Array();
  const series: [string, readonly number[], 'said' | 'nothing'][] = [
    ['constant', Array.from({ length: 200 }, () => 5), 'said'],
    ['all zero', Array.from({ length: 200 }, () => 0), 'said'],
    ['three points', [1, 2, 3], 'said'],
    ['one point', [1], 'nothing'],
    ['nothing known', [Number.NaN, Number.NaN, Number.NaN], 'nothing'],
    ['no bin at all', [], 'nothing'],
    ['a hole of a day at the end', [...wave].map((value, k) => (k > 276 ? Number.NaN : value)), 'said'],
    ['a spike of 1000 ×', [...wave].map((value, k) => (k === 290 ? 1000 * value : value)), 'said'],
    ['huge', [...wave].map((value) => value * 1e30), 'said'],
    ['minute', [...wave].map((value) => value * 1e-30), 'said'],
    ['negative', [...wave].map((value, k) => (k === 295 ? -value : value)), 'said'],
  ];
  for (const network of ['gru', 'tcn'] as const) {
    const model = someModel(network);
    it.each(series)(`${network}: %s is finite, ordered, at least zero, or says nothing`, (_, values, expected) => {
      const said = model.predict([requestOf(values)], AHEADS);
      expect(said.length).toBe(AHEADS.length * LEVELS.length);
      for (let a = 0; a < AHEADS.length; a++) {
        const levels = [...said.subarray(a * LEVELS.length, (a + 1) * LEVELS.length)];
        if (expected === 'nothing') expect(levels.every((value) => Number.isNaN(value))).toBe(true);
        else {
          expect(levels.every((value) => Number.isFinite(value) && value >= 0)).toBe(true);
          expect(levels).toEqual([...levels].sort((x, y) => x - y));
        }
      }
    });

    it(`${network}: a series in another unit has the same forecast in that unit`, () => {
      const plain = model.predict([requestOf([...wave])], AHEADS);
      fc.assert(
        fc.property(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), (unit) => {
          const scaled = model.predict([requestOf([...wave].map((value) => value * unit))], AHEADS);
          scaled.forEach((value, k) => expect(value / unit).toBeCloseTo(plain[k] ?? Number.NaN, 2));
        }),
        { numRuns: 20 },
      );
    });

    it(`${network}: many at once say what each says alone, and an origin sees nothing after it`, () => {
      const requests = [60, 150, 299].map((end) => requestOf([...wave.subarray(0, end)]));
      const together = model.predict(requests, AHEADS);
      const alone = requests.flatMap((one) => [...model.predict([one], AHEADS)]);
      expect([...together]).toEqual(alone);
    });
  }

  it('says nothing of steps and distances that it was not trained for', () => {
    const model = someModel('tcn');
    const request = requestOf([...wave]);
    expect(model.predict([request], [24, 48]).every((value, k) => Number.isNaN(value) === k >= 3)).toBe(true);
    expect(model.predict([{ ...request, step: 60 }], [1]).every((value) => Number.isNaN(value))).toBe(true);
  });
});

describe('federated steps', () => {
  const settings = readSettings(tiny);
  const local = { settings, levels: LEVELS, horizon: 24 * HOUR, seed: 3, steps: 6 };

  it('two cells with the same data move the shared weights to where one alone would', async () => {
    const backend = await loadBackend('wasm');
    const start = initialNetworkWeights(settings, LEVELS, 1);
    const kept = start.slice();
    const one = await trainLocally(backend, waves(), start, local);
    const two = await trainLocally(backend, waves(), start, local);
    expect(start).toEqual(kept);
    expect(one.bins).toBe(two.bins);
    const moved = averageUpdates(start, [
      { update: one.update, weight: one.bins },
      { update: two.update, weight: 3 },
    ]);
    moved.forEach((value, k) => expect(value).toBeCloseTo((start[k] ?? 0) + (one.update[k] ?? 0), 5));
    expect(one.update.some((value) => value !== 0)).toBe(true);
    await expect(trainLocally(backend, waves(), start.slice(1), local)).rejects.toMatchObject({
      kind: 'invalid-input',
    });
  });

  const norm = (values: Float32Array): number => Math.hypot(...values);
  it('no cell moves the mean by more than the norm, noise aside', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 }), (all) => {
        const update = Float32Array.from(all);
        const clipped = clipUpdate(update, 2);
        expect(norm(clipped)).toBeLessThanOrEqual(2.0001);
        if (norm(update) <= 2) expect(clipped).toEqual(update);
      }),
    );
    const noisy = clipUpdate(new Float32Array(10_000), 2, 0.5, 1);
    expect(norm(noisy) / 100).toBeCloseTo(1, 1);
    expect(clipUpdate(new Float32Array(10), 2, 0.5, 1)).toEqual(noisy.slice(0, 10));
  });

  it.each([
    ['another length', { update: new Float32Array(3), weight: 1 }],
    ['not finite', { update: new Float32Array([1, Number.NaN]), weight: 1 }],
    ['a negative weight', { update: new Float32Array(2), weight: -1 }],
    ['no weight at all', { update: new Float32Array(2), weight: 0 }],
  ])('a spoilt update is refused: %s', (_, update) => {
    expect(() => averageUpdates(new Float32Array(2), [update])).toThrow(/forecast\/neural/);
  });
});
