import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WORKLOAD_CLASSES } from '../../src/behavior/classes/class.js';
import type { HyperParameters } from '../../src/models/card.js';
import type { Trainer } from '../../src/models/port.js';
import { bestOf, describeSearch, readSearch, searchable, searchModels } from '../../src/models/search-run.js';
import { startOfSearch, suggested } from '../../src/models/search-start.js';
import { createRatioTrainer, wave } from './models-fixtures.js';

/*
 * The search before a run: what it tried stands in the card, a worker's death costs no fit twice, and what later judges
 * the models is never looked at.
 */

const DAY = 86_400;
const series = [wave('a', 20), wave('b', 20, 3600, 2)];
const start = series[0]?.start ?? 0;
const cut = start + 17 * DAY;
const code = { version: '0', build: 'b' };

let work: string;
beforeEach(async () => void (work = await mkdtemp(join(tmpdir(), 'headroom-search-'))));
afterEach(() => rm(work, { recursive: true, force: true }));

/** Worse the further `learningRate` is from 0.05; notes what it was asked for. */
function tunable(kind: string): Trainer & { asked: HyperParameters[]; newest: number; onFit: (fit: number) => void } {
  const ratio = createRatioTrainer(kind);
  const own = {
    ...{ kind, load: ratio.load, asked: [] as HyperParameters[], newest: 0 },
    onFit: (_fit: number): void => undefined,
    async train(...[given, options]: Parameters<Trainer['train']>) {
      const { hyperParameters = {} } = options;
      own.asked.push(hyperParameters);
      own.newest = Math.max(own.newest, ...given.map((one) => one.start + one.values.length * one.step));
      own.onFit(own.asked.length);
      const bias = 1 + Math.abs(Number(hyperParameters['learningRate'] ?? 0.2) - 0.05);
      const { weights, backend } = await ratio.train(given, { ...options, hyperParameters: { bias } });
      return { weights, backend, hyperParameters };
    },
  };
  return own;
}

const search = (trainers: Trainer[], more: Partial<Parameters<typeof searchModels>[1]> = {}) =>
  searchModels(
    trainers,
    {
      ...{ series, cut, levels: [0.1, 0.5, 0.9], horizon: 3 * 3600, seed: 3, fits: 4, class: 'daily' as const },
      inUse: new Map(),
      signal: new AbortController().signal,
      ...more,
    },
    { work, code },
  );

describe('the search before a run', () => {
  it('starts from what the class suggests beside the usual settings, and finds the better', async () => {
    const booster = tunable('booster');
    const { id, found } = await search([booster]);
    expect(found).toMatchObject({ fits: 4, class: 'daily' });
    expect(found.trials).toHaveLength(4);
    const { leaves, learningRate } = suggested('booster', 'daily', 3600) ?? {};
    expect(found.trials[0]?.hyperParameters).toEqual({});
    expect(found.trials[1]?.hyperParameters).toEqual({ leaves, learningRate });
    expect(bestOf(found, 'booster')).toMatchObject({ learningRate });
    expect(await readSearch(work, id)).toEqual(found);
    expect(describeSearch(found)).toMatch(/4 of 4 fits, from what suits daily: booster first with loss 0\.\d+/);
  });

  it('what is in use is tried before what the class suggests', async () => {
    const booster = tunable('booster');
    const inUse = new Map([['booster', { learningRate: 0.07, list: [1] }]]);
    const { found } = await search([booster], { inUse });
    expect(found.trials[0]?.hyperParameters).toEqual({ learningRate: 0.07 });
  });

  it('sees nothing from the cut on, and judges on bins that its fits did not see', async () => {
    const booster = tunable('booster');
    const { found } = await search([booster]);
    expect(found.validation.to).toBe(cut);
    expect(booster.newest).toBe(found.validation.from);
    const other = series.map((one) => ({ ...one, values: one.values.map((v, k) => (k >= 17 * 24 ? 99 : v)) }));
    expect((await search([tunable('booster')], { series: other })).found).toEqual(found);
  });

  it('goes on with the fit at which it was cancelled', async () => {
    const booster = tunable('booster');
    const controller = new AbortController();
    booster.onFit = (fit) => (fit === 3 ? controller.abort(new Error('cancelled')) : undefined);
    await expect(search([booster], { signal: controller.signal })).rejects.toThrow('cancelled');
    booster.onFit = () => undefined;
    const { found } = await search([booster]);
    // Two before, the third once more, the fourth.
    expect(booster.asked).toHaveLength(5);
    expect(found).toEqual((await search([tunable('booster')])).found);
    expect((await readdir(work)).filter((name) => name.endsWith('.json'))).toHaveLength(1);
  });

  it('half a file of it is none', async () => {
    const { id, found } = await search([tunable('booster')]);
    const path = join(work, `search-${id}.json`);
    await writeFile(path, (await readFile(path, 'utf8')).slice(0, 40));
    await expect(readSearch(work, id)).rejects.toMatchObject({ kind: 'not-found' });
    expect((await search([tunable('booster')])).found).toEqual(found);
  });

  it('one kind that cannot be fitted is last, and has no settings', async () => {
    const broken: Trainer = {
      ...tunable('neural-tcn'),
      train: () => Promise.reject(Object.assign(new Error('no'), { kind: 'invalid-input' })),
    };
    const { found } = await search([tunable('booster'), broken]);
    expect(found.trials.some(({ kind, loss }) => kind === 'neural-tcn' && loss === null)).toBe(true);
    expect(bestOf(found, 'neural-tcn')).toBeNull();
    expect(bestOf(found, 'booster')).not.toBeNull();
  });

  it('judges by a stretch that is longer than the horizon, where there is as much', async () => {
    const { found } = await search([tunable('booster')], { cut: start + 4 * DAY, horizon: DAY });
    expect(found.validation.to - found.validation.from).toBe(2 * DAY);
    expect(found.trials.every(({ loss }) => loss !== null)).toBe(true);
  });

  it('too little history is refused in words', async () => {
    await expect(search([tunable('booster')], { cut: start + 3600 })).rejects.toMatchObject({ kind: 'invalid-input' });
  });
});

describe('where it starts', () => {
  it.each(WORKLOAD_CLASSES)('%s suggests settings that trainers take, for every kind that is searched', (name) => {
    for (const step of [60, 300, 3600, DAY]) {
      const patch = Number(suggested('neural-tcn', name, step)?.['patch']);
      expect(Number.isInteger(patch) && patch >= 1 && patch <= 48).toBe(true);
    }
    expect(startOfSearch(['booster', 'neural-tcn'], new Map(), name, 300)).toHaveLength(4);
  });

  it('without a class it is what is in use, and the usual settings', () => {
    const inUse = new Map([['booster', { leaves: 9 }]]);
    expect(startOfSearch(['booster', 'neural-tcn'], inUse, null, 300)).toEqual([
      { kind: 'booster', hyperParameters: { leaves: 9 } },
      { kind: 'neural-tcn', hyperParameters: {} },
      { kind: 'booster', hyperParameters: {} },
    ]);
    expect(searchable(['booster', 'oracle', 'neural-gru'])).toEqual(['booster', 'neural-gru']);
  });
});
