import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, type Database } from '../../src/telemetry/embedded/database.js';
import { createEmbeddedStore } from '../../src/telemetry/embedded/store.js';

/*
 * DuckDB compresses what it sorts by the statistics of the moment at which a statement was prepared. A statement that is
 * prepared while a table is empty would then read garbage once it is not: wrong names, wrong numbers, no error.
 */
describe('a statement prepared while its table was empty', () => {
  let database: Database;
  beforeAll(async () => {
    const onOpen = async (session: Parameters<Parameters<typeof openDatabase>[0]['onOpen']>[0]): Promise<void> => {
      await session.query('CREATE TABLE t (n BIGINT NOT NULL, name VARCHAR NOT NULL, ts DOUBLE NOT NULL)');
    };
    database = await openDatabase({ path: ':memory:', memoryLimit: '128MB', threads: 1, readers: 1, onOpen });
  });
  afterAll(() => database.close());

  it('reads what is there now, in order', async () => {
    const read = () =>
      database.read('reading', undefined, (session) => session.rows('SELECT n, name, ts FROM t ORDER BY ts, name'));
    expect(await read()).toEqual([]);
    await database.write('writing', (session) =>
      session.query(`INSERT INTO t VALUES (1795366635333001, 'an account', 2), (4, 'another account', 1)`),
    );
    expect(await read()).toEqual([
      [4n, 'another account', 1],
      [1795366635333001n, 'an account', 2],
    ]);
  });

  it('records are listed as they are after a list of none', async () => {
    const store = await createEmbeddedStore({ path: ':memory:' });
    expect(await store.listRecords('plan', 'acme', { limit: 10 })).toEqual([]);
    const record = { kind: 'plan' as const, account: 'acme', body: { text: 'a plan of acme' } };
    const records = [1, 2, 3].map((n) => ({ ...record, id: `plan-of-acme-${n}`, at: 1_767_571_200 + n }));
    for (const one of records) await store.putRecord(one);
    expect(await store.listRecords('plan', 'acme', { limit: 10 })).toEqual(records.reverse());
    await store.close();
  });
});
