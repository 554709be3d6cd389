import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trainGlobalBooster } from '../../src/forecast/booster/global-booster.js';
import { openLibrary } from '../../src/cli/models.js';
import { CELL_SCOPE } from '../../src/models/library.js';
import { promote } from '../../src/models/reign.js';
import { cardOf, wave } from '../unit/models-fixtures.js';
import { environment, within } from './headroom.js';

/* What an operator does with models: look, promote, and above all take back. No server has to run for it. */

let home: string;
let env: NodeJS.ProcessEnv;
let ids: string[];
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
