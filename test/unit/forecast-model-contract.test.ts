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

  it('may be one alone', () => {
    const { weights } = fitForecaster(series, { ...options, models: ['arima'] }).forecast(6, [0.5]);
    expect(weights).toEqual({ arima: 1 });
  });

  it('that do not exist are refused, with those that do', () => {
    expect(() => fitForecaster(series, { ...options, models: ['lstm-of-mine'] })).toThrow(
      /persistence.*arima.*prophet/,
    );
  });
});
