import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventInput } from '../../src/behavior/events.js';
import { createProfile } from '../../src/behavior/profile/profile.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { isEmpty } from '../../src/telemetry/erasure.js';
import { createDoor, type Door } from '../../src/telemetry/events/door.js';
import { parseKeys } from '../../src/telemetry/events/keys.js';
import { HOUR, MONDAY, row } from './behavior-world.js';

const signal = new AbortController().signal;
const query = (account: string) => ({
  ...{ account, series: [{ workload: 'web', component: 'cpu' as const }] },
  ...{ from: MONDAY, to: MONDAY + HOUR, step: 300 },
});

describe('an account is erased from the store', () => {
  let store: EmbeddedStore;
  beforeEach(async () => {
    store = await createEmbeddedStore({ path: ':memory:' });
    for (const account of ['acme', 'other']) {
      const samples = Array.from({ length: 12 }, (_, bin) => ({ at: MONDAY + bin * 300, value: bin }));
      await store.writeUsage([{ key: { account, workload: 'web', component: 'cpu' }, samples }]);
      await store.writeMetrics([{ account, workload: 'web', metric: 'latency_p99', samples }]);
      await store.writeBehavior({ id: `part ${account}`, account, at: MONDAY, rows: [row({ at: MONDAY })] });
      await store.putRecord({ kind: 'forecast', id: `f ${account}`, account, at: MONDAY, body: {} });
      await store.putRecord({ kind: 'profile', id: `profile/${account}`, account, at: MONDAY, body: {} });
    }
  });
  afterEach(() => store.close());

  it('says what it removed, leaves nothing, and leaves the others alone', async () => {
    const snapshot = await store.takeSnapshot(query('acme'), MONDAY + HOUR, signal);
    const held = await store.holdings('acme');
    expect(held).toMatchObject({
      series: [
        { kind: 'metric', name: 'latency_p99', samples: 12 },
        { kind: 'usage', workload: 'web', name: 'cpu', samples: 12, last: MONDAY + 3300 },
      ],
      ...{ behavior: 1, closings: 1, records: { forecast: 1, profile: 1 }, snapshots: 1, lastEvent: MONDAY + HOUR },
    });
    expect(await store.eraseAccount('acme')).toEqual(held);
    expect(isEmpty(await store.holdings('acme'))).toBe(true);
    const { series } = await store.readUsage(query('acme'), signal);
    expect(series[0]?.series.values.every(Number.isNaN)).toBe(true);
    expect(await store.getRecord('forecast', 'f acme')).toBeNull();
    await expect(store.readSnapshot(snapshot.id, signal)).rejects.toThrow(/no such snapshot/);
    expect(await store.holdings('other')).toMatchObject({ behavior: 1, records: { forecast: 1, profile: 1 } });
    expect((await store.readUsage(query('other'), signal)).series[0]?.series.values[5]).toBe(5);
    expect(await store.behaviorAccounts()).toEqual(['other']);
  });

  it('a repeat removes nothing, and the account may come back', async () => {
    await store.eraseAccount('acme');
    expect(isEmpty(await store.eraseAccount('acme'))).toBe(true);
    const samples = [{ at: MONDAY, value: 7 }];
    expect(await store.writeUsage([{ key: { account: 'acme', workload: 'web', component: 'cpu' }, samples }])).toEqual({
      written: 1,
    });
    expect((await store.readUsage(query('acme'), signal)).series[0]?.series.values[0]).toBe(7);
    expect((await store.readUsage(query('other'), signal)).series[0]?.series.values[0]).toBe(0);
  });

  it('an id in labels of others goes, with the profile that has it; words that only contain it stay', async () => {
    const rows = [
      row({ at: MONDAY, detail: 'home/ada' }),
      row({ at: MONDAY, detail: 'Ada' }),
      row({ at: MONDAY, detail: 'adamant' }),
    ];
    await store.writeBehavior({ id: 'labels', account: 'acme', at: MONDAY, rows });
    const planOf = (dataSet: string) => ({
      dataSets: [{ workload: 'web', action: 'warm-up.fill', from: MONDAY, dataSets: [{ dataSet, probability: 0.9 }] }],
      reasons: [
        { number: 'web.prepared.warm-up.fill', binding: { constraint: 'prefetch', words: `${dataSet} 90 %` } },
        { number: 'web.replicas', binding: { constraint: 'demand', words: 'demand' } },
      ],
    });
    for (const [id, dataSet] of [
      ['told', 'home/ada'],
      ['other', 'adamant'],
    ] as const) {
      await store.putRecord({ kind: 'plan', id, account: 'acme', at: MONDAY, body: planOf(dataSet) });
    }
    expect(await store.scrubLabels('ada')).toEqual({ rows: 2, profiles: 1, plans: 1 });
    const left = await store.readEvents({ account: 'acme', from: 0, to: MONDAY + HOUR, limit: 10 }, signal);
    expect(left.map(({ detail }) => detail).sort()).toEqual(['adamant', 'home/{user}', '{user}', null].sort());
    expect((await store.getRecord('plan', 'told'))?.body).toEqual({ reasons: [planOf('').reasons[1]] });
    expect((await store.getRecord('plan', 'other'))?.body).toEqual(planOf('adamant'));
    expect(await store.getRecord('profile', 'profile/acme')).toBeNull();
    expect(await store.getRecord('profile', 'profile/other')).not.toBeNull();
    expect(await store.scrubLabels('ada')).toEqual({ rows: 0, profiles: 0, plans: 0 });
    await expect(store.scrubLabels('a')).rejects.toThrow(/shorter than 3/);
  });
});

describe('a user is erased at the door', () => {
  let folder: string;
  let store: EmbeddedStore;
  let door: Door;
  const keys = parseKeys('ab'.repeat(32), 'test');
  const event = (user: string, more: Partial<EventInput> = {}): EventInput => ({
    ...{ account: 'acme', at: MONDAY + 60, user, system: false, operation: 'query', count: 1, ...more },
  });
  const accept = (events: EventInput[], name: string) =>
    door.accept(events, { marks: [{ after: events.length, name }], forget: null, now: MONDAY + 120 });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headroom-erase-'));
    store = await createEmbeddedStore({ path: join(folder, 'telemetry.duckdb') });
    door = await createDoor({ folder: join(folder, 'events'), keys, settle: 0 });
  });
  afterEach(async () => {
    await door.close();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('what waits of them is gone, in every account and on every day; the others are counted without them', async () => {
    const crowd = ['bob', 'eve', 'joe', 'kim', 'lee'];
    await accept([...crowd.map((user) => event(user)), event('ada'), event('ada', { account: 'beta' })], 'one');
    await accept([event('ada', { at: MONDAY + 86_400 + 5 }), event('bob', { dataset: 'home/ada' })], 'two');
    expect(await door.forgetUser('ada')).toMatchObject({ events: 3, locked: 0 });
    expect((await door.status()).pending).toBe(6);
    expect(await door.forgetUser('ada')).toMatchObject({ events: 0, cells: 0, seen: 0 });
    await door.settle(store, MONDAY + 3 * 86_400, { hurry: true });
    const rows = await store.readEvents({ account: 'acme', from: 0, to: MONDAY + 1e6, limit: 100 }, signal);
    const operations = rows.filter(({ kind }) => kind === 'operation');
    expect(operations.reduce((sum, { users }) => sum + (users ?? 0), 0)).toBe(5);
    expect(JSON.stringify(rows)).not.toContain('ada');
  });

  it('what a day still waits for is gone, too', async () => {
    await accept([event('ada'), event('bob')], 'one');
    // The bin closes with too few persons; what is left waits for its day.
    await door.settle(store, MONDAY + 2 * HOUR);
    expect((await door.forgetUser('ada')).cells).toBe(1);
    expect((await door.forgetUser('bob')).seen).toBeGreaterThanOrEqual(0);
  });

  it('an account takes all that waits of it along', async () => {
    await accept([event('ada'), event('bob', { account: 'beta' })], 'one');
    expect((await door.forgetAccount('acme')).events).toBe(1);
    expect((await door.status()).pending).toBe(1);
  });

  it('no raw id is in any file of the store or of the door, nor in the profile built from it', async () => {
    const users = Array.from({ length: 12 }, (_, index) => `secret-person-${index}`);
    for (let hour = 0; hour < 5; hour++) {
      const at = MONDAY + hour * HOUR + 60;
      const events = users.flatMap((user) => [
        event(user, { at, operation: 'login', group: 'staff' }),
        event(user, { at: at + 10, dataset: 'orders', group: 'staff' }),
        event(user, { at: at + 20, dataset: `home/${user}` }),
      ]);
      await accept(events, `hour ${hour}`);
    }
    await door.settle(store, MONDAY + 2 * 86_400, { hurry: true });
    const rows = await store.readEvents({ account: 'acme', from: 0, to: MONDAY + 1e6, limit: 1000 }, signal);
    const profile = createProfile({ timeZone: 'UTC' });
    profile.add(rows);
    profile.close(MONDAY + 6 * HOUR);
    await store.putRecord({ kind: 'profile', id: 'profile/acme', account: 'acme', at: MONDAY, body: profile.state() });
    expect(profile.rates({ at: MONDAY + HOUR }).length).toBeGreaterThan(1);
    expect(JSON.stringify(profile.state())).toContain('orders');
    expect(JSON.stringify(profile.state())).not.toContain('secret-person');
    await door.close();
    await store.close();
    for (const place of [folder, join(folder, 'events')]) {
      for (const name of await readdir(place)) {
        const bytes = await readFile(join(place, name)).catch(() => Buffer.alloc(0));
        expect(bytes.includes('secret-person'), `${name} holds a raw id`).toBe(false);
      }
    }
  });
});
