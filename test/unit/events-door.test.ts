import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventInputSchema, type BehaviorRow, type EventInput } from '../../src/behavior/events.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { createDoor, type Door, type DoorOptions } from '../../src/telemetry/events/door.js';
import { parseKeys } from '../../src/telemetry/events/keys.js';

const KEY = 'a1'.repeat(32);
const OTHER_KEY = 'b2'.repeat(32);
/** A Monday, 00:00 UTC. */
const T = 1_767_571_200;
const DAY = 86_400;
const signal = new AbortController().signal;

const event = (user: string | null, at: number, more: object = {}): EventInput =>
  eventInputSchema.parse({
    account: 'acme',
    at,
    operation: 'query',
    ...(user === null ? { system: true } : { user }),
    ...more,
  });
const people = (count: number, prefix = 'person-'): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

describe('the door', () => {
  let folder = '';
  let store: EmbeddedStore;
  let door: Door;
  const open = (options: Partial<DoorOptions> = {}): Promise<Door> =>
    createDoor({ folder: join(folder, 'events'), keys: parseKeys(KEY, 'the test'), ...options });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headroom-door-'));
    store = await createEmbeddedStore({ path: join(folder, 'telemetry.duckdb') });
    door = await open();
  });
  afterEach(async () => {
    await door.close();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  let batches = 0;
  const accept = (events: readonly EventInput[], now = T, name = `batch ${batches++}`) =>
    door.accept(events, { marks: [{ after: events.length, name }], forget: now + 9 * DAY, now });
  const rows = (account = 'acme'): Promise<BehaviorRow[]> =>
    store.readEvents({ account, from: 0, to: T + 400 * DAY, limit: 1000 }, signal);
  const operations = async () => (await rows()).filter(({ kind }) => kind === 'operation');

  it('five persons are a row, with their counts and nothing of themselves', async () => {
    await accept(people(5).map((user, index) => event(user, T + index, { dataset: 'sales', count: 2, complexity: 3 })));
    expect(await door.settle(store, T + 900 + 119)).toEqual({ bins: 0, rows: 0, withheld: 0 });
    expect(await door.settle(store, T + 900 + 120)).toMatchObject({ bins: 1, rows: 1 });
    expect(await rows()).toEqual([
      {
        ...{ kind: 'operation', at: T, width: 900, name: 'query', detail: 'sales', group: null, merged: [] },
        ...{ users: 5, events: 10, complexity: { sum: 30, of: 10 }, sessions: null, inputRate: null },
      },
    ]);
    expect((await door.status()).pending).toBe(0);
  });

  it('four persons in each of two bins wait for the day, where they are five', async () => {
    await accept(people(4).map((user) => event(user, T)));
    await accept(
      people(5)
        .slice(1)
        .map((user) => event(user, T + 900)),
    );
    expect(await door.settle(store, T + 2 * 900 + 120)).toMatchObject({ bins: 2, rows: 0 });
    expect(await rows()).toEqual([]);
    expect(await door.settle(store, T + DAY + 120)).toMatchObject({ bins: 1, rows: 1, withheld: 0 });
    expect(await operations()).toMatchObject([{ at: T, width: DAY, users: 5, events: 8 }]);
  });

  it('four persons in a whole day are withheld, and counted', async () => {
    await accept(people(4).map((user) => event(user, T, { count: 3 })));
    expect(await door.settle(store, T + 2 * DAY)).toMatchObject({ rows: 0, withheld: 12 });
    expect(await rows()).toEqual([]);
    expect(await door.status()).toMatchObject({ pending: 0, withheld: [{ account: 'acme', events: 12 }] });
  });

  it('what no person did needs no company', async () => {
    await accept([event(null, T, { program: 'nightly', dataset: 'sales' })]);
    await door.settle(store, T + 1100);
    expect(await operations()).toMatchObject([{ name: 'query', detail: 'sales', users: null, events: 1 }]);
  });

  it.each([
    { name: 'the same batch', second: 'same', repeated: 5 },
    { name: 'another batch', second: 'other', repeated: 0 },
  ])('$name sent again: $repeated of 5 are repeats', async ({ second, repeated }) => {
    const events = people(5).map((user) => event(user, T));
    await accept(events, T, 'same');
    expect(await accept(events, T, second)).toEqual({ kind: 'accepted', accepted: 5 - repeated, repeated });
    await door.settle(store, T + 1100);
    expect(await operations()).toMatchObject([{ events: 10 - repeated }]);
  });

  it('an id counts once: within a batch, across batches, and after its bin has closed', async () => {
    const events = people(5).map((user) => event(user, T, { id: `id of ${user}` }));
    expect(await accept([...events, ...events])).toMatchObject({ accepted: 5, repeated: 5 });
    await door.settle(store, T + 1100);
    expect(await accept(events, T + 1100)).toMatchObject({ accepted: 0, repeated: 5 });
    await door.close();
    door = await open();
    expect(await accept(events, T + 1200)).toMatchObject({ accepted: 0, repeated: 5 });
    await door.settle(store, T + 2 * DAY);
    expect(await operations()).toMatchObject([{ events: 5 }]);
  });

  it('a batch whose beginning is known is taken from there', async () => {
    const events = people(8).map((user) => event(user, T));
    const marks = events.map((_, index) => ({ after: index + 1, name: `line ${index + 1}` }));
    await door.accept(events.slice(0, 5), { marks: marks.slice(0, 5), forget: null, now: T });
    const again = await door.accept(events, { marks, forget: null, now: T });
    expect(again).toEqual({ kind: 'accepted', accepted: 3, repeated: 5 });
  });

  it('what was taken in is there after a restart, sealed', async () => {
    await accept(people(5).map((user) => event(user, T, { dataset: 'home/person-3/letters' })));
    await door.close();
    for (const name of await readdir(join(folder, 'events'))) {
      const bytes = await readFile(join(folder, 'events', name));
      for (const word of ['person-3', 'letters', KEY]) expect(bytes.includes(word)).toBe(false);
    }
    door = await open();
    expect((await door.status()).pending).toBe(5);
    await door.settle(store, T + 1100);
    expect((await operations()).reduce((sum, { events }) => sum + events, 0)).toBe(5);
  });

  it('after a rotation the old key opens what it sealed, and nobody counts twice towards k', async () => {
    await accept(people(3).map((user) => event(user, T)));
    await accept(
      people(5).map((user) => event(user, T, { operation: 'login' })),
      T,
      'before',
    );
    await door.close();
    door = await open({ keys: parseKeys(`${OTHER_KEY}\n${KEY}`, 'the test') });
    await accept(people(3).map((user) => event(user, T)));
    expect(
      await accept(
        people(5).map((user) => event(user, T, { operation: 'login' })),
        T,
        'before',
      ),
    ).toMatchObject({
      repeated: 5,
    });
    await door.settle(store, T + 2 * DAY);
    expect(await operations()).toMatchObject([{ name: 'login', users: 5 }]);
  });

  it('without the key that sealed it nothing is lost: it waits, and says so', async () => {
    await accept(people(5).map((user) => event(user, T)));
    await door.close();
    door = await open({ keys: parseKeys(OTHER_KEY, 'the test') });
    expect(await door.status()).toMatchObject({ pending: 5, locked: 5 });
    await door.settle(store, T + 2 * DAY);
    expect(await door.status()).toMatchObject({ pending: 5, locked: 5 });
    await door.close();
    door = await open();
    await door.settle(store, T + 2 * DAY);
    expect(await operations()).toMatchObject([{ users: 5 }]);
  });

  it('a store that fails half way leaves nothing lost and nothing twice', async () => {
    await accept([
      ...people(5).map((user) => event(user, T)),
      ...people(3).map((user) => event(user, T, { operation: 'rare' })),
      ...people(5).map((user) => event(user, T + 900)),
    ]);
    let calls = 0;
    const failing = {
      writeBehavior: async (part: Parameters<EmbeddedStore['writeBehavior']>[0]) => {
        const answer = await store.writeBehavior(part);
        // Written, but the answer is lost.
        if (calls++ < 2) throw new Error('cut off');
        return answer;
      },
    };
    for (const _ of [1, 2]) await expect(door.settle(failing, T + 2200)).rejects.toThrow('cut off');
    await door.close();
    door = await open({ k: 3 });
    await door.settle(failing, T + 2200);
    // The part that was named under k = 5 stays under it.
    expect(await operations()).toMatchObject([
      { at: T, name: 'query', users: 5, events: 5 },
      { at: T + 900, name: 'query', users: 5, events: 5 },
    ]);
    await door.settle(store, T + 2 * DAY);
    expect(await operations()).toMatchObject([{ width: 900 }, { at: T, width: DAY, name: 'rare', users: 3 }, {}]);
  });

  it('late events make a part of their own, under the same rule', async () => {
    await accept(people(6).map((user) => event(user, T)));
    await door.settle(store, T + 1100);
    await accept(
      people(2).map((user) => event(user, T)),
      T + 1200,
    );
    await accept(
      people(5).map((user) => event(user, T, { operation: 'login' })),
      T + 1200,
    );
    await door.settle(store, T + 1400);
    expect(await operations()).toMatchObject([
      { name: 'login', users: 5, events: 5 },
      { name: 'query', users: 6, events: 6 },
    ]);
  });

  it('a session goes on across the border of a bin; one that was long ago does not', async () => {
    await accept(people(5).flatMap((user) => [event(user, T + 800), event(user, T + 950, { operation: 'export' })]));
    await accept(people(5).map((user) => event(user, T + 5 * 900, { operation: 'login' })));
    await door.settle(store, T + 10 * 900);
    const transitions = (await rows()).filter(({ kind }) => kind === 'transition');
    expect(transitions).toMatchObject([{ at: T + 900, name: 'query', detail: 'export', users: 5, events: 5 }]);
  });

  it('tells senders to wait where too much is waiting, and takes them again after', async () => {
    await door.close();
    door = await open({ mostPending: 6 });
    expect(await accept(people(5).map((user) => event(user, T)))).toMatchObject({ kind: 'accepted' });
    expect(await accept(people(5).map((user) => event(user, T)))).toEqual({ kind: 'busy', retryAfter: 60 });
    await door.settle(store, T + 1100);
    expect(await accept(people(5).map((user) => event(user, T)))).toMatchObject({ kind: 'accepted' });
  });

  it('one account’s events are never another’s', async () => {
    await accept([
      ...people(3).map((user) => event(user, T)),
      ...people(3, 'other-').map((user) => event(user, T, { account: 'beta' })),
    ]);
    await door.settle(store, T + 2 * DAY);
    expect([await rows('acme'), await rows('beta')]).toEqual([[], []]);
  });
});
