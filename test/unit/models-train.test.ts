import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeVersion } from '../../src/models/code-version.js';
import { createModelLibrary, type ModelLibrary } from '../../src/models/library.js';
import type { TrainingSeries } from '../../src/models/port.js';
import { repeatFit, trainModel, type TrainRequest } from '../../src/models/train.js';
import { createRatioTrainer, wave } from './models-fixtures.js';

/* A fit takes minutes on a machine that may go at any time: what is done must not be done again, nor done otherwise. */

let folder: string;
let library: ModelLibrary;
const place = () => ({ store: library.store, work: library.work, code: library.code });
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headroom-train-'));
  library = createModelLibrary({ folder, trainers: [createRatioTrainer()], code: codeVersion('0.1.0') });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const series: TrainingSeries[] = [wave('a', 10, 3600, 1), wave('b', 10, 3600, 2)];
const end = 1_760_400_000 + 10 * 86_400;
const request = (more: Partial<TrainRequest> = {}): TrainRequest => ({
  series,
  cut: end - 2 * 86_400,
  levels: [0.1, 0.5, 0.9],
  horizon: 6 * 3600,
  seed: 1,
  signal: new AbortController().signal,
  ...more,
});

describe('training', () => {
  it('leaves an artifact whose card says what it was trained on and how it did on what was held back', async () => {
    const { card } = await trainModel(createRatioTrainer(), request(), place());
    expect(card).toMatchObject({
      kind: 'ratio',
      data: { from: 1_760_400_000, to: end - 2 * 86_400, step: 3600, series: ['a', 'b'] },
      backend: 'js',
      hyperParameters: { bias: 1 },
    });
    expect(card.metrics?.origins).toBeGreaterThan(50);
    for (const { level, reached } of card.metrics?.coverage ?? []) expect(Math.abs(reached - level)).toBeLessThan(0.15);
    expect(card.metrics?.r2).toBeGreaterThan(0.2);
  });

  it('what is held back changes the figures and never the weights', async () => {
    const other = series.map((one) => {
      const values = Float32Array.from(one.values);
      values.fill(100, Math.floor((end - 2 * 86_400 - one.start) / one.step));
      return { ...one, values };
    });
    const first = await trainModel(createRatioTrainer(), request(), place());
    const second = await trainModel(createRatioTrainer(), request({ series: other }), place());
    expect(second.card.weights).toBe(first.card.weights);
    expect(second.card.metrics?.wql).not.toBe(first.card.metrics?.wql);
  });

  it('goes on where an interrupted run was, and ends with the same bytes', async () => {
    const whole = await trainModel(createRatioTrainer(), request(), place());
    const trainer = createRatioTrainer();
    const abort = new AbortController();
    trainer.onRound = (round) => {
      if (round === 4) abort.abort(new Error('the worker ends'));
    };
    // Checkpoints are rationed by the clock; here each one counts.
    let clock = 0;
    const now = vi.spyOn(performance, 'now').mockImplementation(() => (clock += 10_000));
    await expect(trainModel(trainer, request({ signal: abort.signal }), place())).rejects.toThrow('the worker ends');
    now.mockRestore();
    expect(await readdir(library.work)).toHaveLength(1);
    const resumed = await trainModel(trainer, request(), place());
    expect(trainer.resumedFrom).toEqual([0, 4]);
    expect(resumed.id).toBe(whole.id);
    expect(await readdir(library.work)).toEqual([]);
  });

  it('a damaged checkpoint is none', async () => {
    const trainer = createRatioTrainer();
    const abort = new AbortController();
    trainer.onRound = () => abort.abort();
    let clock = 0;
    const now = vi.spyOn(performance, 'now').mockImplementation(() => (clock += 10_000));
    await expect(trainModel(trainer, request({ signal: abort.signal }), place())).rejects.toThrow();
    now.mockRestore();
    const [name] = await readdir(library.work);
    await writeFile(join(library.work, name ?? ''), 'half');
    await trainModel(trainer, request(), place());
    expect(trainer.resumedFrom).toEqual([0, 0]);
  });

  it('is refused where nothing lies before the cut', async () => {
    await expect(trainModel(createRatioTrainer(), request({ cut: 0 }), place())).rejects.toThrow(/held back/);
  });
});

describe('a fit that is repeated', () => {
  const signal = new AbortController().signal;

  it('has the same weights, with later data there too', async () => {
    const artifact = await trainModel(createRatioTrainer(), request(), place());
    const longer = [...series, wave('c', 10)];
    const repeat = await repeatFit(createRatioTrainer(), artifact, longer, { signal }, place());
    expect(repeat).toMatchObject({ same: true, weights: artifact.card.weights });
  });

  it('says so where they are not', async () => {
    const artifact = await trainModel(createRatioTrainer(), request(), place());
    const trainer = createRatioTrainer();
    const train = trainer.train.bind(trainer);
    trainer.train = (data, options) => train(data, { ...options, hyperParameters: { bias: 1.001 } });
    const repeat = await repeatFit(trainer, artifact, series, { signal }, place());
    expect(repeat).toMatchObject({ same: false, detail: 'other weights, also on js' });
  });

  it('is refused where the data are not those: nothing would be shown', async () => {
    const artifact = await trainModel(createRatioTrainer(), request(), place());
    const late = series.map((one) => ({ ...one, values: Float32Array.from(one.values) }));
    late[0]?.values.fill(3, 5, 6);
    await expect(repeatFit(createRatioTrainer(), artifact, late, { signal }, place())).rejects.toThrow(/have changed/);
    await expect(repeatFit(createRatioTrainer(), artifact, series.slice(1), { signal }, place())).rejects.toThrow(
      /1 of its series are not here/,
    );
  });
});

describe('the library', () => {
  it('loads what it trained, and no kind that it does not know', async () => {
    const { id } = await trainModel(createRatioTrainer(), request(), place());
    expect((await library.load(id)).model.levels).toEqual([0.1, 0.5, 0.9]);
    const bare = createModelLibrary({ folder, trainers: [], code: library.code });
    await expect(bare.load(id)).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('gives a series the same pseudonym here, and another one elsewhere', async () => {
    const here = await library.pseudonyms();
    const again = await createModelLibrary({ folder, trainers: [], code: library.code }).pseudonyms();
    expect(again.series('acme', 'web', 'cpu')).toBe(here.series('acme', 'web', 'cpu'));
    expect(here.series('acmew', 'eb', 'cpu')).not.toBe(here.series('acme', 'web', 'cpu'));
    expect(here.scope('acme')).toMatch(/^account-[0-9a-f]{16}$/);
    const other = createModelLibrary({ folder: join(folder, 'other'), trainers: [], code: library.code });
    expect((await other.pseudonyms()).series('acme', 'web', 'cpu')).not.toBe(here.series('acme', 'web', 'cpu'));
    await writeFile(join(folder, 'pseudonyms.key'), 'short');
    const damaged = createModelLibrary({ folder, trainers: [], code: library.code });
    await expect(damaged.pseudonyms()).rejects.toThrow(/does not hold 32 bytes/);
  });
});
