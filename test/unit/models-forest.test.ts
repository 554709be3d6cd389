import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { calendarOf } from '../../src/forecast/calendar.js';
import type { Trainer, TrainingSeries } from '../../src/models/port.js';

/* A random forest of many series, through the built trainer: its thread runs compiled code. */

const path = new URL('../../dist/src/models/trainers/forest.js', import.meta.url);
const isBuilt = existsSync(path);

describe.skipIf(!isBuilt)(
  `a random forest of many series${isBuilt ? '' : ' (skipped: dist/ is not built, make setup)'}`,
  () => {
    it('is trained and asked like any other kind', async () => {
      const { forestTrainer } = (await import(path.href)) as { forestTrainer: Trainer };
      const series: TrainingSeries[] = [1, 2].map((s) => ({
        ...{ id: `s${s}`, start: 1_772_409_600, step: 3600, timeZone: 'UTC' },
        values: Float32Array.from({ length: 400 }, (_, k) => s * (5 + 3 * Math.sin((2 * Math.PI * k) / 24))),
      }));
      const options = { levels: [0.1, 0.5, 0.9], horizon: 86_400, seed: 1, signal: new AbortController().signal };
      const { weights, hyperParameters } = await forestTrainer.train(series, {
        ...options,
        hyperParameters: { rows: 2000, trees: 8 },
      });
      expect(hyperParameters).toEqual({ rows: 2000, trees: 8 });
      const model = await forestTrainer.load(weights);
      expect(model.name).toBe('global-forest');
      const request = {
        values: series[0]?.values ?? new Float32Array(),
        origin: 1_772_409_600 + 399 * 3600,
        step: 3600,
      };
      const answers = model.predict([{ ...request, calendar: calendarOf('UTC') }], [12]);
      // The wave stands at hour 15 now, and half a day on at hour 3: near its top.
      expect(answers[1]).toBeGreaterThan(5.5);
      expect([...answers]).toEqual([...answers].sort((a, b) => a - b));
      await expect(forestTrainer.train(series, { ...options, hyperParameters: { rounds: 5 } })).rejects.toThrow(
        /known settings are rows, trees/,
      );
    });
  },
);
