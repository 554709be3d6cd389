import { afterEach, describe, expect, it } from 'vitest';
import { createNewestRecords } from '../../src/telemetry/embedded/newest-records.js';
import { createRecentRecords } from '../../src/telemetry/embedded/recent-records.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import type { RecordKind, RecordPlace } from '../../src/telemetry/port.js';

/* What is kept in memory of records has to say what the file says: else a fleet, or a neighbour, is not noticed. */

const places = (all: Record<string, RecordPlace>): Map<string, RecordPlace> => new Map(Object.entries(all));

describe('the newest record of each account, out of memory', () => {
  it('has what was written while the file was asked', async () => {
    let answer: (found: Map<string, RecordPlace>) => void = () => undefined;
    const newest = createNewestRecords(() => new Promise((resolve) => (answer = resolve)));
    const asked = newest.of('plan');
    newest.wrote('plan', 'acme', { at: 20, id: 'b' });
    newest.wrote('plan', 'globex', { at: 5, id: 'g' });
    answer(places({ acme: { at: 10, id: 'a' } }));
    expect(await asked).toEqual(places({ acme: { at: 20, id: 'b' }, globex: { at: 5, id: 'g' } }));
    expect(await newest.of('plan')).toEqual(await asked);
  });

  const rows: { name: string; write: RecordPlace; newest: RecordPlace; asks: number }[] = [
    { name: 'a later one takes its place', write: { at: 11, id: '0' }, newest: { at: 11, id: '0' }, asks: 1 },
    { name: 'an earlier one does not', write: { at: 9, id: 'z' }, newest: { at: 10, id: 'm' }, asks: 1 },
    { name: 'of one time the last id counts', write: { at: 10, id: 'n' }, newest: { at: 10, id: 'n' }, asks: 1 },
    {
      name: 'the newest, set back: the file is asked',
      write: { at: 3, id: 'm' },
      newest: { at: 10, id: 'm' },
      asks: 2,
    },
  ];
  it.each(rows)('$name', async ({ write, newest: expected, asks }) => {
    let asked = 0;
    const newest = createNewestRecords(() => {
      asked += 1;
      return Promise.resolve(places({ acme: { at: 10, id: 'm' } }));
    });
    await newest.of('plan');
    newest.wrote('plan', 'acme', write);
    expect((await newest.of('plan')).get('acme')).toEqual(expected);
    expect(asked).toBe(asks);
  });

  it('asks again after an erasure, also where the file was being asked', async () => {
    const answers: ((found: Map<string, RecordPlace>) => void)[] = [];
    const newest = createNewestRecords(() => new Promise((resolve) => answers.push(resolve)));
    const before = newest.of('plan');
    newest.forget();
    answers[0]?.(places({ erased: { at: 1, id: 'x' } }));
    await before;
    const after = newest.of('plan');
    answers[1]?.(places({}));
    expect(await after).toEqual(places({}));
  });

  it('asks again where the file could not be read', async () => {
    let fails = true;
    const newest = createNewestRecords(() =>
      fails ? Promise.reject(new Error('disk')) : Promise.resolve(places({ acme: { at: 1, id: 'a' } })),
    );
    await expect(newest.of('plan')).rejects.toThrow('disk');
    fails = false;
    expect([...(await newest.of('plan')).keys()]).toEqual(['acme']);
  });
});

describe('records out of memory', () => {
  it('does not keep what was read before a newer one was written', () => {
    const recent = createRecentRecords();
    const record = { kind: 'grant' as const, id: 'grant/acme', account: 'acme', at: 1 };
    const asked = recent.changes();
    recent.keep({ ...record, at: 2 }, '"new"');
    recent.keepRead(record, '"old"', asked);
    expect(recent.find('grant', record.id)?.body).toBe('new');
  });

  it('holds no more than it may, and lets the oldest go', () => {
    const recent = createRecentRecords();
    const text = JSON.stringify('x'.repeat(1024 * 1024));
    for (let index = 0; index < 6; index++)
      recent.keep({ kind: 'forecast', id: `f-${index}`, account: 'a', at: 0 }, text);
    const kept = Array.from({ length: 6 }, (_, index) => recent.find('forecast', `f-${index}`) !== null);
    expect(kept).toEqual([false, false, false, true, true, true]);
  });
});

describe('a store says the same out of memory and out of the file', () => {
  let store: EmbeddedStore | null = null;
  afterEach(async () => {
    await store?.close();
    store = null;
  });

  it.each<RecordKind>(['plan', 'fleet', 'answers', 'grant'])('%s', async (kind) => {
    store = await createEmbeddedStore({ path: ':memory:' });
    const put = (id: string, account: string, at: number, body: unknown) =>
      store?.putRecord({ kind, id, account, at, body });
    expect(await store.newestRecords(kind)).toEqual([]);
    expect(await store.listRecords(kind, 'acme', { limit: 1 })).toEqual([]);
    await put('1', 'acme', 10, 'first');
    await put('2', 'acme', 20, 'second');
    await put('2', 'acme', 20, 'second');
    await put('3', 'globex', 5, 'other');
    await expect(put('3', 'acme', 30, 'theirs')).rejects.toThrow(/belongs to another account/);
    const newest = async () =>
      [...((await store?.newestRecords(kind)) ?? [])].sort((a, b) => (a.account < b.account ? -1 : 1));
    expect(await newest()).toEqual([
      { account: 'acme', at: 20, id: '2' },
      { account: 'globex', at: 5, id: '3' },
    ]);
    // Written over at an earlier time: the first is the newest now.
    await put('2', 'acme', 1, 'rewritten');
    expect(await store.listRecords(kind, 'acme', { limit: 1 })).toEqual(
      (await store.listRecords(kind, 'acme', { limit: 5 })).slice(0, 1),
    );
    expect((await store.listRecords(kind, 'acme', { limit: 5 })).map(({ body }) => body)).toEqual([
      'first',
      'rewritten',
    ]);
    expect((await store.getRecord(kind, '2'))?.body).toBe('rewritten');
    await store.eraseAccount('acme');
    expect(await newest()).toEqual([{ account: 'globex', at: 5, id: '3' }]);
    expect(await store.listRecords(kind, 'acme', { limit: 1 })).toEqual([]);
  });
});
