import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trainGlobalBooster } from '../../src/forecast/booster/global-booster.js';
import { eraseModels } from '../../src/cli/erase-models.js';
import { checkModels } from '../../src/cli/doctor/models.js';
import { openLibrary } from '../../src/cli/models.js';
import { CELL_SCOPE } from '../../src/models/library.js';
import { challenge, promote, reject } from '../../src/models/reign.js';
import { cardOf, wave } from '../unit/models-fixtures.js';
import { environment, within } from './headroom.js';

/* What an operator does with models: look, promote, and above all take back. No server has to run for it. */

let home: string;
let env: NodeJS.ProcessEnv;
let ids: string[];
const cardMetrics = { ...{ rmse: 0.2, mae: 0.1, r2: 0.8, mase: 0.9 }, origins: 40 };
const short = (index: number): string => (ids[index] ?? '').slice(0, 12);

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'headroom-models-cli-'));
  env = environment(home);
  const library = openLibrary(env);
  const levels = [0.1, 0.5, 0.9];
  const weights = trainGlobalBooster([wave('a', 20), wave('b', 20, 3600, 2)], {
    levels,
    rows: 1000,
    trees: { rounds: 3, leaves: 4, minLeaf: 20 },
  });
  const put = async (seed: number): Promise<string> =>
    (await library.store.put({ ...cardOf(), kind: 'booster', levels, seed }, weights)).id;
  ids = [await put(1), await put(2), await put(3)];
  await library.champions.change(CELL_SCOPE, 'booster', (state) =>
    promote(state, ids[0] ?? '', { at: 1_760_000_000, by: 'retrain', reason: 'the first' }),
  );
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe('headroom models', () => {
  it('list says what serves, and since when and why', async () => {
    const { code, out } = await within(env, 'models', 'list');
    expect(code).toBe(0);
    expect(out).toContain(short(0));
    expect(out).toMatch(/booster\s.*main\s.*champion/);
    expect(out).toContain(`promoted ${short(0)} by retrain: the first`);
  });

  it('show tells all of the card, by the beginning of an id', async () => {
    const { out } = await within(env, 'models', 'show', short(0).slice(0, 8));
    for (const part of ['2 series', 'seed 1', 'build b', 'on js', 'WQL 0.07', '0.5: 0.490'])
      expect(out).toContain(part);
    const json: unknown = JSON.parse((await within(env, 'models', 'show', short(0), '--json')).out);
    expect(json).toMatchObject({ id: ids[0], card: { kind: 'booster', seed: 1 }, history: [{ event: 'promoted' }] });
  });

  it('promote and rollback are one command each, and go on record with their author', async () => {
    const promoted = await within(env, 'models', 'promote', short(1), '--reason', 'tried on staging');
    expect(promoted).toMatchObject({ code: 0 });
    expect(promoted.out).toContain(`booster ${short(1)} is champion`);
    const back = await within(env, 'models', 'rollback', '--reason', 'worse');
    expect(back.out).toContain(`booster ${short(0)} is champion again`);
    const state = await openLibrary(env).champions.read('main', 'booster');
    expect(state.champion).toMatchObject({ id: ids[0], by: 'ada', reason: 'worse' });
    expect(state.history.map(({ event }) => event)).toEqual(['promoted', 'promoted', 'rolled-back']);
  });

  it('models of one account stand beside those of all, and its name is nowhere in their folder', async () => {
    const ran = await within(env, 'models', 'promote', short(1), '--account', 'acme', '--json');
    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.out)).toMatchObject({ champion: { id: ids[1] } });
    expect(ran.out).not.toContain('acme');
    expect((await openLibrary(env).champions.read('main', 'booster')).champion?.id).toBe(ids[0]);
    const back = await within(env, 'models', 'rollback', '--account', 'acme');
    expect(back.out).toContain('has no champion any more');
  });

  it('list names every scope that a model has a part in', async () => {
    const scope = (await openLibrary(env).pseudonyms()).scope('shared');
    await openLibrary(env).champions.change(scope, 'booster', (state) =>
      promote(state, ids[0] ?? '', { at: 1, by: 'ada', reason: 'also here' }),
    );
    const { out } = await within(env, 'models', 'list');
    const rows = out.split('\n').filter((line) => line.includes(short(0)) && line.includes('champion'));
    expect(rows.filter((row) => row.includes('│'))).toHaveLength(2);
    expect(out).toMatch(new RegExp(`${short(0)}.*main`));
    expect(out).toMatch(new RegExp(`${short(0)}.*${scope}`));
    const json = JSON.parse((await within(env, 'models', 'list', '--json')).out) as { models: { scopes: unknown[] }[] };
    expect(json.models.map(({ scopes }) => scopes.length)).toContain(2);
  });

  it('show tells how the settings were chosen, fit by fit', async () => {
    const library = openLibrary(environment(join(home, 'search')));
    const { card, weights } = await openLibrary(env).store.get(ids[0] ?? '');
    const trial = {
      kind: 'booster',
      hyperParameters: { leaves: 31, learningRate: 0.0512345 },
      effort: 1,
      loss: 0.1234,
    };
    const search = {
      ...{ fits: 4, class: 'daily', validation: { from: 1_760_000_000, to: 1_760_086_400 } },
      trials: [{ ...trial, hyperParameters: {}, effort: 1 / 3, loss: null }, trial],
    };
    const { id } = await library.store.put({ ...card, search }, weights);
    const { out } = await within(environment(join(home, 'search')), 'models', 'show', id);
    expect(out).toContain('2 fits of 4, from what suits daily');
    expect(out).toContain('WQL 0.1234, whole of a fit: booster leaves 31, learningRate 0.05123');
    expect(out).toContain('came to no end, 33 % of a fit: booster as usual');
  });

  it('an id is understood in upper case, too', async () => {
    expect((await within(env, 'models', 'show', short(0).toUpperCase())).out).toContain(ids[0]);
  });

  it('promote shows the figures, and wants consent where they speak against it', async () => {
    const other = environment(join(home, 'consent'));
    const library = openLibrary(other);
    const [card, weights] = await openLibrary(env)
      .store.get(ids[0] ?? '')
      .then((one) => [one.card, one.weights] as const);
    const put = async (seed: number, wql: number, coverage: { level: number; reached: number }[]) =>
      (await library.store.put({ ...card, seed, metrics: { ...cardMetrics, wql, coverage } }, weights)).id;
    const good = await put(10, 0.1, [
      { level: 0.95, reached: 0.94 },
      { level: 0.99, reached: 0.98 },
    ]);
    const narrow = await put(11, 0.09, [
      { level: 0.95, reached: 0.9 },
      { level: 0.99, reached: 0.985 },
    ]);
    const worse = await put(12, 0.2, [{ level: 0.95, reached: 0.95 }]);
    const judged = await put(13, 0.05, [{ level: 0.95, reached: 0.95 }]);
    const first = await within(other, 'models', 'promote', good);
    expect(first).toMatchObject({ code: 0 });
    expect(first.out).toContain('0.95: 0.940');
    const refused = await within(other, 'models', 'promote', narrow);
    expect(refused.code).toBe(4);
    expect(refused.out).toContain('0.95: 0.900');
    expect(refused.err).toContain('at level 0.95 it covered 90.0 %: -5.0 points off, 3 are allowed');
    expect(await within(other, 'models', 'promote', worse)).toMatchObject({
      code: 4,
      err: expect.stringContaining('WQL is 0.2000, the champion’s 0.1000') as string,
    });
    await library.champions.change(CELL_SCOPE, 'booster', (state) =>
      reject(challenge(state, judged, { at: 2, by: 'retrain', reason: '' }), judged, {
        ...{ at: 3, by: 'retrain', reason: 'worse', judged: { ratio: 1.31, units: 20 } },
      }),
    );
    const lost = await within(other, 'models', 'promote', judged);
    expect(lost.code).toBe(4);
    expect(lost.err).toContain(`1.310 × that of the champion ${good.slice(0, 12)}, over 20 days of series`);
    expect((await library.champions.read(CELL_SCOPE, 'booster')).champion?.id).toBe(good);
    const forced = await within(other, 'models', 'promote', narrow, '--even-if-worse');
    expect(forced.code).toBe(0);
    expect(forced.err).toContain('promoted all the same: at level 0.95');
  });

  it('one damaged succession is named with its remedy, and keeps no command from the others', async () => {
    const other = environment(join(home, 'damaged'));
    const library = openLibrary(other);
    const { card, weights } = await openLibrary(env).store.get(ids[0] ?? '');
    const put = async (kind: string, seed: number) => (await library.store.put({ ...card, kind, seed }, weights)).id;
    const [kept, loose, unsure] = [await put('booster', 20), await put('booster', 21), await put('neural-gru', 22)];
    await library.champions.change(CELL_SCOPE, 'booster', (state) =>
      promote(state, kept, { at: 1, by: 'ada', reason: 'a test' }),
    );
    const folder = join(library.folder, 'champions', CELL_SCOPE, 'neural-gru');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, '00000001.json'), '{ half');
    const listed = await within(other, 'models', 'list');
    expect(listed.code).toBe(1);
    expect(listed.out).toMatch(new RegExp(`${kept.slice(0, 12)}.*champion`));
    expect(listed.err).toContain('00000001.json is damaged; delete that file');
    const swept = await within(other, 'models', 'gc', '--older-than', '0s', '--json');
    expect(swept.code).toBe(1);
    // What the damaged one keeps nobody knows: nothing of its kind goes.
    expect((JSON.parse(swept.out) as { removed: string[] }).removed).toEqual([loose]);
    expect((await library.store.list()).map(({ id }) => id).sort()).toEqual([kept, unsure].sort());
    const findings: string[] = [];
    await checkModels(other, async (check, _remedy, work) => {
      await Promise.resolve(work()).catch((error: unknown) => findings.push(`${check}: ${String(error)}`));
      return findings.length === 0;
    });
    expect(findings.join()).toMatch(/^trained models: .*00000001\.json is damaged/);
  });

  it('gc leaves what a run may have written a moment ago', async () => {
    const young = (await openLibrary(env).store.list()).length;
    expect((JSON.parse((await within(env, 'models', 'gc', '--json')).out) as { removed: string[] }).removed).toEqual(
      [],
    );
    expect((await openLibrary(env).store.list()).length).toBe(young);
  });

  it('erase says which champion falls with an account’s models, and what serves instead', async () => {
    const library = openLibrary(environment(join(home, 'erased')));
    const { card, weights } = await openLibrary(env).store.get(ids[0] ?? '');
    const own = (await library.pseudonyms()).series('acme', 'web', 'cpu');
    const put = async (series: string[], seed: number) =>
      (await library.store.put({ ...card, seed, data: { ...card.data, series } }, weights)).id;
    const [shared, alone] = [await put([own, 'ffff'].sort(), 1), await put([own], 2)];
    const act = { at: 1, by: 'retrain', reason: 'better' };
    for (const id of [shared, alone]) {
      await library.champions.change(CELL_SCOPE, 'booster', (state) => promote(state, id, act));
    }
    const held = {
      ...{ behavior: 0, lastEvent: null, closings: 0, records: {}, snapshots: 0 },
      series: [{ kind: 'usage' as const, workload: 'web', name: 'cpu', samples: 3, last: 1 }],
    };
    const erase = (dry: boolean) =>
      eraseModels(environment(join(home, 'erased')), 'acme', held, { at: 2, by: 'ada', reason: 'erased' }, dry);
    const falls = { fallen: [{ scope: CELL_SCOPE, kind: 'booster', id: alone, instead: shared }], shared: [shared] };
    expect(await erase(true)).toMatchObject(falls);
    expect((await library.champions.read(CELL_SCOPE, 'booster')).champion?.id).toBe(alone);
    expect(await erase(false)).toMatchObject({ ...falls, artifacts: [alone] });
    const after = await library.champions.read(CELL_SCOPE, 'booster');
    expect(after.champion?.id).toBe(shared);
    for (const id of (await library.champions.kept()).ids) await library.load(id);
  });

  it('what cannot serve is not promoted: damaged, unknown, ambiguous', async () => {
    const library = openLibrary(env);
    await writeFile(join(library.store.folder, `${ids[2] ?? ''}.model`), 'damaged');
    expect(await within(env, 'models', 'promote', short(2))).toMatchObject({ code: 2 });
    expect((await within(env, 'models', 'list')).out).toContain('damaged');
    expect(await within(env, 'models', 'promote', '0000')).toMatchObject({ code: 3 });
    expect(await within(env, 'models', 'show', 'xyz')).toMatchObject({ code: 2 });
  });

  it('a rollback to what cannot serve is done, and said', async () => {
    const other = environment(join(home, 'worn'));
    const library = openLibrary(other);
    const { champions, store } = library;
    const act = { at: 1, by: 'ada', reason: 'a test' };
    const [older = '', newer = ''] = ['a'.repeat(64), 'b'.repeat(64)];
    await champions.change(CELL_SCOPE, 'booster', (before) => promote(before, older, act));
    await champions.change(CELL_SCOPE, 'booster', (before) => promote(before, newer, act));
    await mkdir(store.folder, { recursive: true });
    await writeFile(join(store.folder, `${older}.model`), 'damaged');
    const { out } = await within(other, 'models', 'list');
    expect(out).toMatch(new RegExp(`${newer.slice(0, 12)}.*champion, missing`));
    expect(out).toMatch(new RegExp(`${older.slice(0, 12)}.*earlier, damaged`));
    const back = await within(other, 'models', 'rollback');
    expect(back.code).toBe(1);
    expect(back.err).toContain('forecasts go without it');
  });

  it('gc lets go of what neither serves nor served, and of nothing else', async () => {
    const { out } = await within(env, 'models', 'gc', '--json');
    expect((JSON.parse(out) as { removed: string[] }).removed).not.toContain(ids[0]);
    expect((await openLibrary(env).store.list()).map(({ id }) => id)).toContain(ids[0]);
  });

  it('a rollback without a champion is refused in words', async () => {
    const other = environment(join(home, 'other'));
    expect(await within(other, 'models', 'rollback')).toMatchObject({ code: 4 });
    expect((await within(other, 'models', 'list')).err).toContain('headroom retrain start');
  });
});
