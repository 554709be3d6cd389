import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { GlobalModel } from '../../src/forecast/global.js';
import type { ModelCard } from '../../src/models/card.js';
import type { Trainer, TrainingSeries } from '../../src/models/port.js';

/** A card as a fit would leave it. */
export const cardOf = (): Omit<ModelCard, 'weights'> => ({
  kind: 'profile',
  levels: [0.1, 0.5, 0.9],
  horizon: 7200,
  data: { from: 1_760_000_400, to: 1_760_864_400, step: 300, series: ['3f2a', '9c01'], hash: 'a'.repeat(64) },
  seed: 1,
  backend: 'js',
  code: { version: '0.1.0', build: 'b' },
  hyperParameters: { rounds: 10 },
  metrics: {
    rmse: 0.2,
    mae: 0.1,
    r2: 0.8,
    mase: 0.9,
    wql: 0.07,
    coverage: [{ level: 0.5, reached: 0.49 }],
    origins: 40,
  },
});

const weightsSchema = z.object({
  step: z.number(),
  levels: z.array(z.number()),
  /** [steps ahead][level]: the quantile of demand as a multiple of the last value. */
  ratios: z.array(z.array(z.number())),
});

export interface RatioTrainer extends Trainer {
  /** Rounds begun, over all calls. */
  rounds: number;
  /** Called in each round, before its checkpoint. */
  onRound: (round: number) => void;
  resumedFrom: number[];
}

/**
 * A small model that truly learns: quantiles of what demand was, as a multiple of the last value, by steps ahead. Each
 * round takes one number of steps; `bias` makes it worse on purpose.
 */
export function createRatioTrainer(kind = 'ratio', kinds: { bias?: number } = {}): RatioTrainer {
  const own: RatioTrainer = {
    kind,
    rounds: 0,
    resumedFrom: [],
    onRound: () => undefined,
    async train(series, options) {
      const bias = Number(options.hyperParameters?.['bias'] ?? kinds.bias ?? 1);
      const step = Math.min(...series.map((one) => one.step));
      const steps = Math.round(options.horizon / step);
      const resumed = options.checkpoint === undefined ? [] : weightsSchema.parse(read(options.checkpoint)).ratios;
      own.resumedFrom.push(resumed.length);
      const ratios = [...resumed];
      while (ratios.length < steps) {
        await delay(1);
        options.signal.throwIfAborted();
        own.rounds++;
        ratios.push(quantilesOf(moves(series, ratios.length + 1), options.levels).map((ratio) => ratio * bias));
        own.onRound(ratios.length);
        options.onCheckpoint?.(write({ step, levels: options.levels, ratios }));
        options.onProgress?.({ done: ratios.length / steps, note: `step ${ratios.length}` });
      }
      return {
        weights: write({ step, levels: options.levels, ratios }),
        hyperParameters: { bias },
        backend: 'js',
      };
    },
    load: (weights) => Promise.resolve(modelOf(kind, weightsSchema.parse(read(weights)))),
  };
  return own;
}

const read = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString('utf8'));
const write = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value), 'utf8');

function moves(series: readonly TrainingSeries[], ahead: number): number[] {
  return series.flatMap(({ values }) =>
    [...values.subarray(0, -ahead)].flatMap((value, index) => {
      const next = (values[index + ahead] ?? Number.NaN) / value;
      return Number.isFinite(next) ? [next] : [];
    }),
  );
}

function quantilesOf(values: readonly number[], levels: readonly number[]): number[] {
  const sorted = Float64Array.from(values).sort();
  return levels.map((level) => sorted[Math.min(sorted.length - 1, Math.floor(level * sorted.length))] ?? 1);
}

function modelOf(name: string, { levels, ratios }: z.infer<typeof weightsSchema>): GlobalModel {
  return {
    name,
    levels,
    context: 1,
    predict: (requests, aheads) =>
      Float32Array.from(
        requests.flatMap(({ values }) =>
          aheads.flatMap((ahead) =>
            levels.map((_, k) => (values.at(-1) ?? Number.NaN) * (ratios[ahead - 1]?.[k] ?? Number.NaN)),
          ),
        ),
      ),
  };
}

/** A day's wave with noise that keeps the same draws for the same number. */
export function wave(id: string, days: number, step = 3600, seed = 1, start = 1_760_400_000): TrainingSeries {
  let state = seed * 2_654_435_761;
  const draw = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  const values = Float32Array.from(
    { length: Math.floor((days * 86_400) / step) },
    (_, index) => 10 + 4 * Math.sin((2 * Math.PI * index * step) / 86_400) + draw(),
  );
  return { id, start, step, timeZone: 'UTC', values };
}
