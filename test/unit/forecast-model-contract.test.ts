import { describe, expect, it } from 'vitest';
import { MODEL_NAMES } from '../../src/domain/model-names.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import { loadModels, modelNames, modelsNamed } from '../../src/forecast/models/registry.js';
import { modelContract } from '../contract/models.js';

await loadModels(modelNames());
for (const entry of modelsNamed(modelNames())) modelContract(entry);

const series = {
  start: 1_772_409_600,
  step: 3600,
  values: Float64Array.from({ length: 24 * 21 }, (_, k) => 10 + 3 * Math.sin((2 * Math.PI * k) / 24) + (k % 5) / 5),
  censored: new Uint8Array(24 * 21),
};
const options = { timeZone: 'UTC', levels: [0.5, 0.99], level: 0.99, leadSteps: 2, horizon: 6 };

describe('models by name', () => {
  it('are those in the weights, which sum to 1', () => {
    const { weights } = fitForecaster(series, { ...options, models: modelNames() }).forecast(6, [0.5, 0.99]);
    expect(Object.keys(weights).sort()).toEqual([...modelNames()].sort());
    expect(Object.values(weights).reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 9);
  });

  it('are the ones that an account file may name', () => {
    expect([...MODEL_NAMES]).toEqual(modelNames());
  });

  it('may be one, with persistence beside it', () => {
    const { weights } = fitForecaster(series, { ...options, models: ['arima'] }).forecast(6, [0.5]);
    expect(Object.keys(weights).sort()).toEqual(['arima', 'persistence']);
  });

  // Capacity of zero for a load of seven is what a silent model would have cost.
  it.each(modelNames())(
    '%s alone forecasts a constant series as what it is, though it may say nothing of it',
    (name) => {
      const constant = { ...series, values: new Float64Array(24 * 14).fill(7), censored: new Uint8Array(24 * 14) };
      const { quantiles, weights } = fitForecaster(constant, { ...options, models: [name] }).forecast(6, [0.5, 0.99]);
      for (const [middle, high] of quantiles) {
        expect(middle).toBeCloseTo(7, 1);
        expect(high).toBeGreaterThanOrEqual(middle ?? 0);
      }
      expect(Object.values(weights).reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 9);
    },
  );

  it('that do not exist are refused, with those that do', () => {
    expect(() => fitForecaster(series, { ...options, models: ['lstm-of-mine'] })).toThrow(
      /persistence.*arima.*prophet/,
    );
  });
});
