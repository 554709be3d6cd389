import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createModels } from '../../src/decide/models.js';
import { createServedModels, type Served, type ServedModels } from '../../src/decide/served.js';
import type { FitOptions } from '../../src/forecast/port.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import { codeVersion } from '../../src/models/code-version.js';
import { createModelLibrary, type ModelLibrary } from '../../src/models/library.js';
import { promote, rollback } from '../../src/models/reign.js';
import { policyOf } from '../workflow/fakes.js';
import { cardOf, createRatioTrainer, wave } from './models-fixtures.js';

/* A champion joins the forecasts, another one takes its place, and a broken one is never a reason for no forecast. */

let folder: string;
let library: ModelLibrary;
let served: ServedModels;
let clock = 0;
let said: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headroom-served-'));
  library = createModelLibrary({ folder, trainers: [createRatioTrainer()], code: codeVersion('0.1.0') });
  said = [];
  served = createServedModels(
    library,
    (line) => said.push(line),
    () => (clock += 10_000),
  );
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const train = async (seed: number): Promise<string> => {
  const signal = new AbortController().signal;
  const options = { levels: [0.1, 0.5, 0.9], horizon: 7200, seed, signal };
  const { weights } = await createRatioTrainer().train([wave('a', 10, 3600, seed)], options);
  return (await library.store.put({ ...cardOf(), kind: 'ratio', seed }, weights)).id;
};
const crown = (id: string, scope = 'main', by = 'retrain', at = 1) =>
  library.champions.change(scope, 'ratio', (state) => promote(state, id, { at, by, reason: 'test' }));

describe('what serves an account', () => {
  it('is nothing at first, then the champion, then the next one, then the one before', async () => {
    expect(await served.of('acme')).toMatchObject({ globals: [], key: '' });
    const [first, second] = [await train(1), await train(2)];
    await crown(first);
    expect((await served.of('acme')).globals.map(({ name }) => name)).toEqual(['ratio']);
    expect(await served.of('acme')).toMatchObject({ key: first, urgent: false });
    await crown(second, 'main', 'retrain', 2);
    expect(await served.of('acme')).toMatchObject({ key: second, urgent: false });
    await library.champions.change('main', 'ratio', (state) => rollback(state, { at: 3, by: 'ann', reason: '' }));
    expect(await served.of('acme')).toMatchObject({ key: first, urgent: true });
  });

  it('is its own where it has one, and that of all for the others', async () => {
    const [all, own] = [await train(1), await train(2)];
    await crown(all);
    await crown(own, (await library.pseudonyms()).scope('acme'));
    expect((await served.of('acme')).key).toBe(own);
    expect((await served.of('globex')).key).toBe(all);
  });

  it('leaves a damaged champion out, says so once, and takes up the next', async () => {
    const [first, second] = [await train(1), await train(2)];
    await crown(first);
    await writeFile(join(library.store.folder, `${first}.model`), 'damaged');
    for (let look = 0; look < 3; look++) expect((await served.of('acme')).globals).toEqual([]);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/is left out of the forecasts: models: loading model .* no model of Headroom/);
    await crown(second);
    expect((await served.of('acme')).key).toBe(second);
  });

  it('takes a champion up again that could not be read for a while, and says so', async () => {
    const id = await train(1);
    const path = join(library.store.folder, `${id}.model`);
    const whole = await readFile(path);
    await crown(id);
    await writeFile(path, whole.subarray(0, whole.length / 2));
    expect((await served.of('acme')).key).toBe('');
    await writeFile(path, whole);
    // Nothing of the succession has changed: a fault that passed is not to cost it its place.
    let looks = 0;
    while ((await served.of('acme')).key === '' && looks < 10) looks++;
    expect((await served.of('acme')).key).toBe(id);
    expect(looks).toBeLessThan(4);
    expect(said).toHaveLength(2);
    expect(said[1]).toContain('could be loaded');
  });

  it('tries a damaged one less and less often', async () => {
    const id = await train(1);
    await crown(id);
    await writeFile(join(library.store.folder, `${id}.model`), 'damaged');
    let tries = 0;
    const counting: ModelLibrary = { ...library, load: (one) => (tries++, library.load(one)) };
    let now = 0;
    const watched = createServedModels(
      counting,
      () => undefined,
      () => now,
    );
    for (; now < 3_600_000; now += 2000) await watched.of('acme');
    expect(tries).toBeGreaterThan(10);
    expect(tries).toBeLessThan(25);
  });

  it('stays what it was where a succession cannot be read, and the others go on', async () => {
    const [id, other] = [await train(1), await train(2)];
    await crown(id);
    await served.of('acme');
    await writeFile(join(folder, 'champions', 'main', 'ratio', '00000002.json'), '{');
    expect((await served.of('acme')).key).toBe(id);
    expect(said.at(-1)).toContain('damaged');
    await crown(other, (await library.pseudonyms()).scope('globex'));
    expect((await served.of('globex')).key).toBe(other);
    expect((await served.of('acme')).key).toBe(id);
  });
});

describe('the fits of an account', () => {
  const policy = policyOf();
  const { values, start, step } = wave('a', 10);
  const bins = [
    {
      workload: 'web',
      component: 'cpu' as const,
      series: { start, step, values: Float64Array.from(values), censored: new Uint8Array(values.length) },
    },
  ];
  const request = (at: number) => ({
    account: 'acme',
    policyId: 'p',
    policy,
    snapshotId: 's',
    at,
    leadTimes: {},
    events: [],
    bins,
  });
  const end = start + values.length * step;
  const serving = (key: string, urgent: boolean): Served => ({ globals: [], key, urgent });

  it('hold the trained models, which have their say in the forecast', async () => {
    await crown(await train(1));
    const given: FitOptions[] = [];
    const models = createModels((series, options) => {
      given.push(options);
      return fitForecaster(series, options);
    });
    const forecast = models.forecast(request(end), await served.of('acme'));
    expect(given[0]?.globals?.map(({ name }) => name)).toEqual(['ratio']);
    const weights = Object.keys(forecast.series[0]?.resolutions[0]?.weights ?? {});
    expect(weights.some((name) => name.includes('ratio'))).toBe(true);
  });

  it('are made anew at once for a person, and within an hour for retraining', () => {
    const models = createModels(fitForecaster);
    models.forecast(request(end), serving('a', false));
    expect(models.wanted('acme', policy, end, serving('a', false)).since).toBe(end);
    expect(models.wanted('acme', policy, end, serving('b', true)).since).toBeNull();
    expect(models.wanted('acme', policy, end + 1, serving('b', false)).since).not.toBeNull();
    expect(models.wanted('acme', policy, end + 3700, serving('b', false)).since).toBeNull();
    // Back to the one that the fits hold: nothing is to be done.
    expect(models.wanted('acme', policy, end + 3700, serving('a', false)).since).toBe(end);
  });

  it('are made without them where one breaks the fit', () => {
    const broken: Served = {
      key: 'x',
      urgent: false,
      globals: [
        {
          name: 'broken',
          levels: [0.5],
          context: 1,
          predict: () => {
            throw new TypeError('out of its range');
          },
        },
      ],
    };
    const forecast = createModels(fitForecaster).forecast(request(end), broken);
    expect(forecast.missing).toEqual([]);
    expect(forecast.series).toHaveLength(1);
  });
});
