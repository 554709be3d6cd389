import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createEmbeddedStore, storeMemory, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';

/** More in forecasts than the store may hold in memory. */
const CYCLES = 400;
const CHARACTERS = 112_000;

let folder: string;
let store: EmbeddedStore;

/** Digits that do not compress to nothing, as a forecast's do not. */
function numbers(seed: number, characters: number): number[] {
  const random = xoroshiro128plus(seed);
  return Array.from({ length: Math.ceil(characters / 11) }, () => (random.next() >>> 1) + 1_000_000_000);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headroom-records-'));
  store = await createEmbeddedStore({ path: join(folder, 'telemetry.duckdb'), memoryLimit: '40MB' });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a store that holds more than its memory limit', () => {
  // Lost where it fails: `history`, `retrain` and plans of an account of eight workloads after three days.
  test('lists and reads small records among large ones, many at once', async () => {
    const body = numbers(1, CHARACTERS);
    for (let first = 0; first < CYCLES; first += 8) {
      const cycles = Array.from({ length: 8 }, (_, n) => first + n);
      const of = (prefix: string, content: (cycle: number) => unknown) => (cycle: number) => ({
        id: `big/${prefix}${cycle}`,
        account: 'big',
        at: cycle * 300,
        body: content(cycle),
      });
      const few = cycles.filter((cycle) => cycle % 4 === 0).map(of('', (cycle) => ({ cycle })));
      await store.putRecords('forecast', cycles.map(of('f', (cycle) => [cycle, ...body])));
      await store.putRecords('contingency', few);
      await store.putRecords('outcome', few);
      await store.putRecord({ kind: 'account', id: 'big@1', account: 'big', at: first, body: { first } });
    }
    const outcomes = await store.listRecords('outcome', 'big', { limit: 1000 });
    expect(outcomes.map(({ id }) => id)).toEqual(
      Array.from({ length: CYCLES / 4 }, (_, n) => `big/${CYCLES - 4 - 4 * n}`),
    );
    const read = await Promise.all(outcomes.map(({ id }) => store.getRecord('contingency', id)));
    expect(read.map((record) => record?.body)).toEqual(outcomes.map(({ body: of }) => of));
    const some = await store.getRecords('contingency', [...outcomes.map(({ id }) => id), 'big/none']);
    expect(some).toHaveLength(outcomes.length);
    const page = await store.recordsAfter('outcome', 'big', { at: 300 * 4, id: 'big/4' }, 2);
    expect(page.map(({ id }) => id)).toEqual(['big/8', 'big/12']);
    await store.putRecords('contingency', [
      { id: 'big/0', account: 'big', at: 0, body: { cycle: 'again' } },
      { id: 'big/new', account: 'big', at: 0, body: { cycle: 'new' } },
    ]);
    expect((await store.getRecord('contingency', 'big/0'))?.body).toEqual({ cycle: 'again' });
    expect((await store.getRecord('contingency', 'big/new'))?.body).toEqual({ cycle: 'new' });
  });
});

describe('HEADROOM_STORE_MEMORY', () => {
  test.each([
    { name: 'not set', given: undefined, expected: {} },
    { name: 'empty', given: '', expected: {} },
    { name: 'an amount', given: '512MB', expected: { memoryLimit: '512MB' } },
    { name: 'in other units', given: '1.5 GiB', expected: { memoryLimit: '1.5 GiB' } },
  ])('$name', ({ given, expected }) => {
    expect(storeMemory(given === undefined ? {} : { HEADROOM_STORE_MEMORY: given })).toEqual(expected);
  });
  test.each(['lots', '512', '-1GB', '80%'])('%s is refused with an example', (given) => {
    expect(() => storeMemory({ HEADROOM_STORE_MEMORY: given })).toThrow(/write it as 512MB/);
  });
});
