import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRetraining } from '../../activities/retrain.js';
import type { RetrainActivities } from '../../activities/retrain-types.js';
import { cardSearchSchema } from '../../src/models/card.js';
import { codeVersion } from '../../src/models/code-version.js';
import { createModelLibrary, type ModelLibrary } from '../../src/models/library.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { policyOf } from '../workflow/fakes.js';
import { createRatioTrainer, wave, type RatioTrainer } from './models-fixtures.js';

/* The way from usage in the store to a champion, with the store, files and scores that production has. */

const DAY = 86_400;
const START = 1_760_400_000;
const END = START + 20 * DAY;

let folder: string;
let store: EmbeddedStore;
let models: ModelLibrary;
let trainer: RatioTrainer;
let worse: RatioTrainer;
let activities: RetrainActivities;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headroom-retrain-'));
  store = await createEmbeddedStore({ path: join(folder, 'telemetry.duckdb') });
  trainer = createRatioTrainer();
  worse = createRatioTrainer('worse', { bias: 1.3 });
  models = createModelLibrary({
    folder: join(folder, 'models'),
    trainers: [trainer, worse],
    code: codeVersion('0.1.0'),
  });
  activities = createRetraining({ store, models });
  for (const [index, account] of ['acme', 'globex'].entries()) {
    const policy = { ...policyOf(), account };
    await store.putRecord({ kind: 'account', id: `policy-${account}`, account, at: START, body: policy });
    const { values, start, step } = wave(account, 20, 3600, index + 1);
    await store.writeUsage([
      {
        key: { account, workload: 'web', component: 'cpu' },
        samples: [...values].map((value, k) => ({ at: start + k * step, value })),
      },
    ]);
  }
});
afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const run = <In, Out>(work: (input: In) => Promise<Out>, input: In): Promise<Out> =>
  new MockActivityEnvironment().run(work, input);
const gather = (more: Partial<Parameters<RetrainActivities['gather']>[0]> = {}) =>
  run(activities.gather, { account: null, at: END, days: 20, mostSeries: 100, ...more });
const common = { scope: 'main', levels: [0.1, 0.5, 0.9], horizon: 6 * 3600 };
const train = async (kind: string, cut = END - 5 * DAY) => {
  const { dataId } = await gather();
  return { dataId, ...(await run(activities.train, { ...common, kind, dataId, cut, seed: 1 })) };
};

describe('retraining', () => {
  it('gathers the usage of all accounts that the store knows, or of one', async () => {
    expect(await gather()).toMatchObject({ series: 2, accounts: 2, left: 0, from: START, to: END });
    expect(await gather({ account: 'acme' })).toMatchObject({ series: 1, accounts: 1 });
    expect(await gather({ mostSeries: 1 })).toMatchObject({ series: 1, accounts: 1, left: 1 });
    expect(await gather({ account: 'nobody' })).toMatchObject({ series: 0 });
  });

  it('gathers what the store holds without any policy, too, and says what did not go in and why', async () => {
    const own = await createEmbeddedStore({ path: ':memory:' });
    const write = (account: string, workload: string, every: number, count: number) =>
      own.writeUsage([
        {
          key: { account, workload, component: 'cpu' },
          samples: Array.from({ length: count }, (_, k) => ({ at: END - (count - k) * every, value: 5 + (k % 7) })),
        },
      ]);
    await write('imported', 'web', 300, 500);
    await write('imported', 'batch', 3600, 200);
    await write('imported', 'yearly', 4 * DAY, 5);
    await write('fresh', 'web', 300, 10);
    const policy = { ...policyOf(), account: 'silent' };
    await own.putRecord({ kind: 'account', id: 'p', account: 'silent', at: START, body: policy });
    const { gather: here } = createRetraining({ store: own, models, classify: () => Promise.resolve('bursty') });
    const input = { account: null, at: END, days: 20, mostSeries: 100 };
    const result = await run(here, input);
    expect(result).toMatchObject({ series: 2, accounts: 1, left: 0, class: 'bursty' });
    expect(result.leftOut?.map(({ why, series, accounts }) => [why, series, accounts]).sort()).toEqual([
      ['fewer than 48 bins of it are known', 1, ['fresh']],
      ['its samples are more than a day apart', 1, ['imported']],
      ['the store has no usage of it', 1, ['silent']],
    ]);
    expect((await run(here, { ...input, mostSeries: 1 })).leftOut).toContainEqual(
      expect.objectContaining({ why: 'there are more than 1', series: 2, accounts: ['imported'] }),
    );
    await own.close();
  });

  it('a search goes before the fits: its trials stand in the card, with what it started from', async () => {
    const searched = createModelLibrary({
      folder: join(folder, 'searched'),
      trainers: [createRatioTrainer('booster')],
      code: codeVersion('0.1.0'),
    });
    const { search, train: fit, gather: collect, crown } = createRetraining({ store, models: searched });
    const { dataId } = await run(collect, { account: null, at: END, days: 20, mostSeries: 100 });
    const cut = END - 5 * DAY;
    const wanted = { ...common, kinds: ['booster', 'oracle'], dataId, cut, seed: 1, fits: 4, class: 'steady' };
    const { searchId, detail } = await run(search, wanted);
    expect(detail).toContain('4 of 4 fits, from what suits steady');
    const { id } = await run(fit, { ...common, kind: 'booster', dataId, cut, seed: 1, searchId: searchId ?? '' });
    const { card } = await searched.store.get(id);
    expect(card.search).toMatchObject({ fits: 4, class: 'steady', validation: { to: cut } });
    expect(card.search?.trials).toHaveLength(4);
    expect(card.search?.trials[1]).toMatchObject({ kind: 'booster', hyperParameters: { leaves: 8 } });
    for (const { loss } of card.search?.trials ?? []) expect(loss).toBeGreaterThan(0);
    // The next one starts from what serves.
    await run(crown, { scope: 'main', kind: 'booster', id, act: 'promote', at: END, by: 'retrain', reason: '' });
    const next = await run(search, { ...wanted, seed: 2 });
    const file = await readFile(join(searched.work, `search-${next.searchId ?? ''}.json`), 'utf8');
    const { trials } = cardSearchSchema.parse(JSON.parse(file));
    expect(trials[0]?.hyperParameters).toEqual(card.hyperParameters);
    expect(await run(search, { ...wanted, kinds: ['oracle'] })).toMatchObject({ searchId: null });
    await expect(
      run(fit, { ...common, kind: 'booster', dataId, cut, seed: 1, searchId: '0'.repeat(16) }),
    ).rejects.toThrow(/search/);
  });

  it('trains, compares with the last value, crowns: and the next comparison is with the champion', async () => {
    const { id, dataId } = await train('ratio');
    const compare = { ...common, kind: 'ratio', dataId, challenger: id, from: END - 5 * DAY };
    expect(await run(activities.compare, compare)).toMatchObject({ champion: null, units: 10 });
    const act = { scope: 'main', kind: 'ratio', id, at: END, by: 'retrain', reason: 'the first' };
    await run(activities.crown, { ...act, act: 'challenge' });
    await run(activities.crown, { ...act, act: 'promote' });
    await run(activities.crown, { ...act, act: 'promote' });
    const state = await models.champions.read('main', 'ratio');
    expect(state).toMatchObject({ champion: { id }, challenger: null });
    expect(state.history).toHaveLength(2);
    expect(await run(activities.compare, compare)).toMatchObject({ verdict: 'same', champion: id });
  });

  it('compares on nothing that either of them was trained on', async () => {
    // The champion was trained on all but the last day: a challenger of five days ago has one day left to be compared on.
    const late = await train('ratio', END - DAY);
    await models.champions.change('account-x', 'ratio', (state) => ({
      ...state,
      champion: { id: late.id, since: 0, by: '', reason: '' },
    }));
    const early = await train('ratio', END - 5 * DAY);
    const compare = { ...common, scope: 'account-x', kind: 'ratio', dataId: early.dataId };
    expect(await run(activities.compare, { ...compare, challenger: early.id, from: END - 5 * DAY })).toMatchObject({
      verdict: 'unknown',
      units: 2,
    });
  });

  it('one that is worse than the champion is told so, with figures', async () => {
    const good = await train('ratio');
    const bad = await train('worse');
    await models.champions.change('account-y', 'worse', (state) => ({
      ...state,
      champion: { id: good.id, since: 0, by: '', reason: '' },
    }));
    const compare = { ...common, scope: 'account-y', kind: 'worse', dataId: bad.dataId, from: END - 5 * DAY };
    const result = await run(activities.compare, { ...compare, challenger: bad.id });
    expect(result).toMatchObject({ verdict: 'worse', champion: good.id });
    expect(result.ratio).toBeGreaterThan(1.3);
    expect(result.detail).toContain('not better');
  });

  it('a fit says how far it is with every heartbeat, and its failure keeps the words and the kind', async () => {
    const { dataId } = await gather();
    const input = { ...common, kind: 'nothing', dataId, cut: END, seed: 1 };
    await expect(run(activities.train, input)).rejects.toMatchObject({ type: 'not-found', nonRetryable: true });
    await expect(run(activities.train, { ...input, kind: 'ratio', dataId: '0'.repeat(16) })).rejects.toThrow(
      /HEADROOM_MODELS/,
    );
  });

  it('a fit that is cancelled stops, and keeps nothing but its checkpoint', async () => {
    const { dataId } = await gather();
    const before = (await models.store.list()).length;
    const environment = new MockActivityEnvironment();
    trainer.onRound = (round) => {
      if (round === 2) environment.cancel();
    };
    const input = { ...common, kind: 'ratio', dataId, cut: END - 4 * DAY, seed: 1 };
    await expect(environment.run(activities.train, input)).rejects.toThrow();
    trainer.onRound = () => undefined;
    expect((await models.store.list()).length).toBe(before);
  });

  it('tidy keeps what serves and served, and sweeps what runs of days ago left', async () => {
    const { dataId } = await gather();
    const old = `data-${'0'.repeat(16)}.json`;
    await writeFile(join(models.work, old), '[]');
    await utimes(join(models.work, old), new Date(0), new Date(0));
    await run(activities.tidy, { inUse: [] });
    const names = await readdir(models.work);
    expect(names).not.toContain(old);
    // Another scope's run may be at it.
    expect(names).toContain(`data-${dataId}.json`);
    await run(activities.tidy, { inUse: [], done: [dataId] });
    expect(await readdir(models.work)).not.toContain(`data-${dataId}.json`);
    for (const id of (await models.champions.kept()).ids) await models.store.get(id);
  });

  it('nothing that is kept of a model names an account: neither file nor folder nor card', async () => {
    // Lists of snapshots name accounts while a run is under way: they are no models, and go when it is long over.
    for (const name of await readdir(models.work)) await utimes(join(models.work, name), new Date(0), new Date(0));
    await run(activities.tidy, { inUse: [] });
    const names = await readdir(models.folder, { recursive: true, withFileTypes: true });
    for (const entry of names) {
      const text = `${entry.name} ${entry.isFile() ? (await readFile(join(entry.parentPath, entry.name))).toString('latin1') : ''}`;
      for (const secret of ['acme', 'globex']) expect(text).not.toContain(secret);
    }
    expect(names.length).toBeGreaterThan(5);
  });
});
