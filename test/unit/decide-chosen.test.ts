import { describe, expect, it } from 'vitest';
import { chosenOf } from '../../src/decide/chosen.js';
import { createModels } from '../../src/decide/models.js';
import type { Served } from '../../src/decide/served.js';
import { checkAccountFile } from '../../src/domain/account-file.js';
import { TRAINED_NAMES, type TrainedName } from '../../src/domain/model-names.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import type { GlobalModel } from '../../src/forecast/global.js';
import { createEngine } from '../../src/decide/engine.js';
import { TRAINERS } from '../../src/models/trainers/index.js';
import { policyOf } from './allocate-fixtures.js';

/* Who names the models of an account wants those and no others, and is not left without a forecast where one is away. */

const globalOf = (name: string): GlobalModel => ({
  ...{ name, levels: [0.1, 0.5, 0.9], context: 12 },
  predict: (requests, aheads) => Float32Array.from(requests.flatMap(() => aheads.flatMap(() => [4, 5, 6]))),
});
const served: Served = {
  globals: [globalOf('global-booster'), globalOf('tcn')],
  ...{ kinds: ['booster', 'neural-tcn'], key: 'a b', urgent: false },
};
const PARTS = {
  workloads: [{ name: 'web', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 9 } }],
  pools: [{ name: 'general', pricePerHour: 1, node: { cpu: 4 } }],
};
const fileOf = (models: string[]): string => `
version: headroom/v1
account: shop
models: [${models.join(', ')}]
workloads: [{ name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 9 } }]
pools: [{ name: general, pricePerHour: 1, node: { cpu: 4 } }]
`;

describe('models that an account file names', () => {
  it('are those that can be trained, and no others', () => {
    expect([...TRAINED_NAMES].sort()).toEqual(TRAINERS.map(({ kind }) => kind).sort());
    expect(checkAccountFile(fileOf(['arima', ...TRAINED_NAMES]))).toMatchObject({
      policy: { models: ['arima', ...TRAINED_NAMES] },
    });
    expect(checkAccountFile(fileOf(['xgboost']))).toMatchObject({ problems: [expect.anything()] });
  });

  it.each<{
    name: string;
    models?: (TrainedName | 'arima')[];
    own?: string[];
    globals: string[];
    absent?: string[];
  }>([
    { name: 'none: the default ones, and all that serve', globals: ['global-booster', 'tcn'] },
    {
      name: 'one of the series: all that serve join it',
      models: ['arima'],
      own: ['arima'],
      globals: ['global-booster', 'tcn'],
    },
    { name: 'a trained one alone', models: ['booster'], own: [], globals: ['global-booster'] },
    { name: 'one of each', models: ['arima', 'booster'], own: ['arima'], globals: ['global-booster'] },
    {
      name: 'one that does not serve, beside others',
      models: ['arima', 'random-forest'],
      own: ['arima'],
      globals: [],
      absent: ['random-forest'],
    },
    {
      name: 'one that does not serve, alone: the default ones',
      models: ['random-forest'],
      globals: [],
      absent: ['random-forest'],
    },
  ])('$name', ({ models, own, globals, absent = [] }) => {
    const chosen = chosenOf(models === undefined ? {} : { models }, served);
    expect(chosen.own).toEqual(own);
    expect(chosen.served.globals.map(({ name }) => name)).toEqual(globals);
    expect(chosen.absent).toEqual(absent);
  });

  it('have their say in the forecast, and others none', () => {
    const policy = policyOf({
      ...PARTS,
      models: ['booster'],
    });
    const values = Float64Array.from({ length: 600 }, (_, k) => 5 + Math.sin(k));
    const series = { start: 1.7e9, step: 300, values, censored: new Uint8Array(600) };
    const request = {
      ...{ account: 'shop', policyId: 'p', policy, snapshotId: 's', at: 1.7e9 + 600 * 300, leadTimes: {}, events: [] },
      bins: [{ workload: 'web', component: 'cpu' as const, series }],
    };
    const weights = (all: Served) =>
      Object.keys(createModels(fitForecaster).forecast(request, all).series[0]?.resolutions[0]?.weights ?? {}).sort();
    expect(weights(served)).toEqual(['global-booster', 'persistence']);
    expect(weights({ ...served, globals: [], kinds: [] })).toContain('seasonal-naive-day');
  });

  it('need no library to be loaded for them', async () => {
    const engine = await createEngine();
    const policy = policyOf({ ...PARTS, models: ['booster'] });
    await expect(engine.wanted('shop', policy, 1.7e9)).resolves.toEqual({ since: null });
    await engine.close();
  });
});
