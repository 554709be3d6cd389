import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeArtifact, encodeArtifact, sha256 } from '../../src/models/artifact.js';
import { createArtifactStore, type ArtifactStore } from '../../src/models/store.js';
import { cardOf } from './models-fixtures.js';

/*
 * Artifacts are what forecasts stand on for weeks: one that was damaged, replaced or made elsewhere must be noticed when
 * it is loaded, not when capacity is missing.
 */

let folder: string;
let store: ArtifactStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headroom-models-'));
  store = createArtifactStore(join(folder, 'artifacts'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const weights = Uint8Array.from({ length: 100 }, (_, index) => index);
const pathOf = (id: string): string => join(store.folder, `${id}.model`);

describe('an artifact', () => {
  it('comes back as it went in, and the same content is one file', async () => {
    const first = await store.put(cardOf(), weights);
    const again = await store.put(cardOf(), weights);
    expect(again.id).toBe(first.id);
    const read = await store.get(first.id);
    expect(read.weights).toEqual(weights);
    expect(read.card).toEqual({ ...cardOf(), weights: sha256(weights) });
    expect(await readdir(store.folder)).toEqual([`${first.id}.model`]);
  });

  it('has another id with another card: a seed, a hyper-parameter, the code', () => {
    const ids = [
      cardOf(),
      { ...cardOf(), seed: 2 },
      { ...cardOf(), hyperParameters: { rounds: 11 } },
      { ...cardOf(), code: { version: '1', build: 'other' } },
    ].map((card) => encodeArtifact(card, weights).id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('has the same id however its hyper-parameters are ordered', () => {
    const one = encodeArtifact({ ...cardOf(), hyperParameters: { a: 1, b: [2, 3] } }, weights).id;
    expect(encodeArtifact({ ...cardOf(), hyperParameters: { b: [2, 3], a: 1 } }, weights).id).toBe(one);
  });

  it('is refused after any one of its bytes changed', () => {
    const { id, bytes } = encodeArtifact(cardOf(), weights);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const altered = Buffer.from(bytes);
        altered[at] = ((altered[at] ?? 0) + by) % 256;
        expect(() => decodeArtifact(id, altered)).toThrow(/models: loading model/);
      }),
    );
  });

  const foreign: { name: string; bytes: (sound: Buffer) => Buffer; says: RegExp }[] = [
    { name: 'nothing', bytes: () => Buffer.alloc(0), says: /no model of Headroom/ },
    {
      name: 'another program’s',
      bytes: () => Buffer.from('PK\u0003\u0004 something else'),
      says: /no model of Headroom/,
    },
    { name: 'cut short', bytes: (sound) => sound.subarray(0, sound.length - 1), says: /damaged or replaced/ },
    { name: 'half a header', bytes: (sound) => sound.subarray(0, 10), says: /its format is 0/ },
    {
      name: 'a later format',
      bytes: (sound) => {
        const later = Buffer.from(sound);
        later.writeUInt32LE(2, 8);
        return later;
      },
      says: /its format is 2, this build reads 1/,
    },
    {
      name: 'a card that ends after the file',
      bytes: (sound) => {
        const long = Buffer.from(sound);
        long.writeUInt32LE(1e9, 12);
        return long;
      },
      says: /ends after the file/,
    },
    {
      name: 'a card without a seed',
      bytes: (sound) => Buffer.from(sound.toString('latin1').replace('"seed"', '"sead"'), 'latin1'),
      says: /card is not one[\s\S]*seed/,
    },
    {
      name: 'another one’s weights',
      bytes: (sound) => Buffer.concat([sound.subarray(0, sound.length - 1), Buffer.from([7])]),
      says: /weights are not those/,
    },
  ];
  it.each(foreign)('that is $name is refused in words', ({ name, bytes, says }) => {
    const { id, bytes: sound } = encodeArtifact(cardOf(), weights);
    const altered = bytes(sound);
    // Under its true hash, so that the later lines of defence are seen too.
    expect(() => decodeArtifact(name === 'cut short' ? id : sha256(altered), altered)).toThrow(says);
  });

  it('that is damaged on disk is refused, listed with its reason, and mended by the same fit', async () => {
    const { id } = await store.put(cardOf(), weights);
    await writeFile(pathOf(id), 'gone');
    await expect(store.get(id)).rejects.toMatchObject({ kind: 'invalid-input' });
    const [listed] = await store.list();
    expect(listed?.card).toBeNull();
    expect(listed?.problem).toMatch(/no model of Headroom/);
    await store.put(cardOf(), weights);
    expect((await store.get(id)).weights).toEqual(weights);
  });

  it('is found by the beginning of its id, and by nothing ambiguous', async () => {
    const { id } = await store.put(cardOf(), weights);
    expect(await store.find(id.slice(0, 8))).toBe(id);
    await expect(store.find('00000000')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(store.find('../x')).rejects.toMatchObject({ kind: 'invalid-input' });
    await writeFile(pathOf(`${id.slice(0, 63)}${id.endsWith('0') ? '1' : '0'}`), 'x');
    await expect(store.find(id.slice(0, 8))).rejects.toThrow(/2 begin so/);
  });

  it('is collected unless it is kept or young; drafts of dead processes go too', async () => {
    const kept = await store.put(cardOf(), weights);
    const old = await store.put({ ...cardOf(), seed: 2 }, weights);
    const young = await store.put({ ...cardOf(), seed: 3 }, weights);
    const draft = join(store.folder, '.draft-x-1');
    await writeFile(draft, 'half');
    const past = new Date(Date.now() - 10 * 3_600_000);
    for (const path of [pathOf(kept.id), pathOf(old.id), draft]) await utimes(path, past, past);
    expect(await store.collect(new Set([kept.id]), Date.now(), 3_600_000)).toEqual([old.id]);
    expect((await readdir(store.folder)).sort()).toEqual([`${kept.id}.model`, `${young.id}.model`].sort());
  });

  it('names no account: the ids that went in are nowhere in its bytes', async () => {
    const { id } = await store.put(cardOf(), weights);
    const text = (await readFile(pathOf(id))).toString('latin1');
    for (const name of ['acme', 'checkout', 'ada']) expect(text).not.toContain(name);
  });
});
