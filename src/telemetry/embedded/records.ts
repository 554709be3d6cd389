import { DOUBLE, VARCHAR } from '@duckdb/node-api';
import { z } from 'zod';
import { RECORD_KINDS, type RecordKind, type RecordPlace, type StoredRecord } from '../port.js';
import type { Database } from './database.js';
import { isDuplicate, storeError } from './errors.js';
import { createNewestRecords } from './newest-records.js';
import { createRecentRecords } from './recent-records.js';
import { int, type Session } from './session.js';
import type { WriteQueue } from './write-queue.js';

/** A larger document is no record of a decision but a series that has lost its way. */
const MOST_CHARACTERS = 8 * 1024 * 1024;

/** Of one question. */
const MOST_IDS = 1000;

export interface Records {
  put(record: StoredRecord): Promise<void>;
  putAll(kind: RecordKind, records: readonly Omit<StoredRecord, 'kind'>[]): Promise<void>;
  get(kind: RecordKind, id: string): Promise<StoredRecord | null>;
  some(kind: RecordKind, ids: readonly string[]): Promise<StoredRecord[]>;
  list(kind: RecordKind, account: string, options: { limit: number; before?: number }): Promise<StoredRecord[]>;
  after(kind: RecordKind, account: string, after: RecordPlace | null, limit: number): Promise<StoredRecord[]>;
  newest(kind: RecordKind): Promise<{ account: string; at: number; id: string }[]>;
  /** The account was erased: nothing of it is kept in memory either. */
  forget(account: string): void;
}

const rowSchema = z.tuple([z.enum(RECORD_KINDS), z.string(), z.string(), z.number(), z.string()]);

function recordOf(row: readonly unknown[]): StoredRecord {
  const [kind, id, account, at, text] = rowSchema.parse(row);
  const body: unknown = JSON.parse(text);
  return { kind, id, account, at, body };
}

/**
 * Of these each cycle writes one, with an id of its own: it is written at once, and looked for only where that fails. To look for
 * an id first means to look at every record there is.
 */
const WRITTEN_ONCE: ReadonlySet<RecordKind> = new Set<RecordKind>([
  'forecast',
  'plan',
  'answers',
  'contingency',
  'outcome',
]);

function textOf(record: Pick<StoredRecord, 'at' | 'body'>, action: string): string {
  const body = JSON.stringify(record.body);
  if (body === undefined) throw storeError('invalid-input', action, 'its body is not JSON', 'give plain data');
  if (body.length > MOST_CHARACTERS) {
    throw storeError('invalid-input', action, `its body has ${body.length} characters`, 'keep series out of records');
  }
  if (!Number.isFinite(record.at)) {
    throw storeError('invalid-input', action, `${record.at} is no time`, 'give epoch seconds');
  }
  return body;
}

/**
 * One record, by the index on `id`. DuckDB answers a scan in vectors of 2,048 rows, and where one of them lies in two segments of
 * the file, as it does wherever something was written since the last checkpoint, it brings the bodies of all of them into memory
 * for the sake of one: 230 MB where they are forecasts of 112 KB. By the index it fetches the row alone. It asks an index only
 * where nothing but its column is filtered; hence the kind is looked at here.
 */
async function rowOf(session: Session, kind: RecordKind, id: string): Promise<readonly unknown[] | undefined> {
  const rows = await session.rows('SELECT kind, id, account, ts, body FROM records WHERE id = $1', [id]);
  return rows.find(([of]) => of === kind);
}

/** Ids of one question to the index; of the largest records, some 10 MB. */
const BATCH = 64;
const MANY = `SELECT kind, id, account, ts, body FROM records WHERE id IN (${Array.from({ length: BATCH }, (_, index) => `$${index + 1}`).join(', ')})`;

/** The same of several, by id: DuckDB asks the index for a list of ids, too, at a twentieth of the cost of one question each. */
async function rowsOf(
  session: Session,
  kind: RecordKind,
  ids: readonly string[],
): Promise<Map<string, readonly unknown[]>> {
  const found = new Map<string, readonly unknown[]>();
  for (let from = 0; from < ids.length; from += BATCH) {
    const batch = ids.slice(from, from + BATCH);
    if (batch.length === 1) {
      const row = await rowOf(session, kind, batch[0] ?? '');
      if (row !== undefined) found.set(String(row[1]), row);
      continue;
    }
    // Filled up with what is asked for anyway: one statement, prepared once.
    const asked = Array.from({ length: BATCH }, (_, index) => batch[index] ?? batch[0] ?? '');
    for (const row of await session.rows(MANY, asked)) if (row[0] === kind) found.set(String(row[1]), row);
  }
  return found;
}

const ANOTHERS = ['this id belongs to another account', 'put the account into the id'] as const;

/** The documents that the loop leaves behind, by kind and id. */
export function createRecords(database: Database, queue: WriteQueue): Records {
  const recent = createRecentRecords();
  const newest = createNewestRecords((kind) =>
    database.read(`looking for the newest ${kind} of each account`, undefined, async (session) => {
      const rows = await session.rows(
        `SELECT account, max(ts), arg_max(id, {'ts': ts, 'id': id}) FROM records WHERE kind = $1 GROUP BY account`,
        [kind],
      );
      return new Map(rows.map(([account, at, id]) => [String(account), { at: Number(at), id: String(id) }]));
    }),
  );

  const written = (record: Omit<StoredRecord, 'body'>, text: string): void => {
    recent.keep(record, text);
    newest.wrote(record.kind, record.account, { at: record.at, id: record.id });
  };

  const insert = (record: StoredRecord, body: string, action: string): Promise<void> =>
    queue.run(action, async ({ session, onCommit }) => {
      onCommit(() => written(record, body));
      await session.query('INSERT INTO records VALUES ($1, $2, $3, $4, $5)', [
        record.kind,
        record.id,
        record.account,
        record.at,
        body,
      ]);
    });

  /** Looking first is cheaper than INSERT … ON CONFLICT, which plans a join for each row. */
  const insertOrUpdate = (record: StoredRecord, body: string, action: string): Promise<void> =>
    queue.run(action, async ({ session, onCommit }) => {
      onCommit(() => written(record, body));
      const there = await rowOf(session, record.kind, record.id);
      if (there === undefined) {
        await session.query('INSERT INTO records VALUES ($1, $2, $3, $4, $5)', [
          record.kind,
          record.id,
          record.account,
          record.at,
          body,
        ]);
        return;
      }
      const [, , account, at, text] = there;
      if (account !== record.account) {
        throw storeError('conflict', action, ...ANOTHERS);
      }
      if (at !== record.at || text !== body) await rewrite(session, record, body);
    });

  const rewrite = (session: Session, { kind, id, at }: Pick<StoredRecord, 'kind' | 'id' | 'at'>, body: string) =>
    session.query('UPDATE records SET ts = $1, body = $2 WHERE kind = $3 AND id = $4', [at, body, kind, id]);

  const get: Records['get'] = async (kind, id) => {
    const action = `reading ${kind} ${id}`;
    database.assertOpen(action);
    const kept = recent.find(kind, id);
    if (kept !== null) return kept;
    const asked = recent.changes();
    return database.read(action, undefined, async (session) => {
      const row = await rowOf(session, kind, id);
      if (row === undefined) return null;
      const record = recordOf(row);
      recent.keepRead(record, String(row[4]), asked);
      return record;
    });
  };

  /** What the ids name, in their order; what is gone is left out. */
  const bodiesOf = async (session: Session, kind: RecordKind, ids: readonly string[]): Promise<StoredRecord[]> => {
    const rows = await rowsOf(session, kind, ids);
    return ids.flatMap((id) => {
      const row = rows.get(id);
      return row === undefined ? [] : [recordOf(row)];
    });
  };

  return {
    async put(record) {
      const action = `writing ${record.kind} ${record.id}`;
      const body = textOf(record, action);
      if (!WRITTEN_ONCE.has(record.kind)) return insertOrUpdate(record, body, action);
      try {
        await insert(record, body, action);
      } catch (error) {
        if (!isDuplicate(error)) throw error;
        await insertOrUpdate(record, body, action);
      }
    },

    async putAll(kind, records) {
      if (records.length === 0) return;
      const action = `writing ${records.length} records of ${kind}`;
      const texts = records.map((record) => textOf(record, action));
      if (new Set(records.map(({ id }) => id)).size < records.length) {
        throw storeError('invalid-input', action, 'two of them have one id', 'give each record an id of its own');
      }
      await queue.run(action, async ({ session, onCommit }) => {
        onCommit(() => records.forEach((record, index) => written({ ...record, kind }, texts[index] ?? '')));
        await session.query(
          'CREATE TEMP TABLE IF NOT EXISTS incoming (id VARCHAR, account VARCHAR, ts DOUBLE, body VARCHAR)',
        );
        await session.query('DELETE FROM incoming');
        await session.append(
          'incoming',
          [VARCHAR, VARCHAR, DOUBLE, VARCHAR],
          [records.map(({ id }) => id), records.map(({ account }) => account), records.map(({ at }) => at), texts],
        );
        // No body is asked for in a scan (see rowOf): those that are there are compared in batches.
        const there = await session.rows(
          'SELECT id, records.account = incoming.account FROM records JOIN incoming USING (id) WHERE records.kind = $1',
          [kind],
        );
        const known = new Set<string>();
        for (const [id, same] of there) {
          if (same !== true) throw storeError('conflict', `${action}: ${String(id)}`, ...ANOTHERS);
          known.add(String(id));
        }
        await session.query(
          `INSERT INTO records SELECT $1, id, account, ts, body FROM incoming
           WHERE id NOT IN (SELECT id FROM records WHERE kind = $1)`,
          [kind],
        );
        for (const part of parts([...records.entries()].filter(([, { id }]) => known.has(id)))) {
          const rows = await rowsOf(
            session,
            kind,
            part.map(([, { id }]) => id),
          );
          for (const [index, { id, at }] of part) {
            const row = rows.get(id);
            const body = texts[index] ?? '';
            if (row?.[3] !== at || row[4] !== body) await rewrite(session, { kind, id, at }, body);
          }
        }
      });
    },

    get,

    async some(kind, ids) {
      const action = `reading ${ids.length} records of ${kind}`;
      database.assertOpen(action);
      if (ids.length > MOST_IDS) throw storeError('invalid-input', action, `more than ${MOST_IDS}`, 'ask in parts');
      const kept = ids.flatMap((id) => recent.find(kind, id) ?? []);
      const found = new Set(kept.map(({ id }) => id));
      const wanted = [...new Set(ids)].filter((id) => !found.has(id));
      if (wanted.length === 0) return kept;
      return database.read(action, undefined, async (session) => [...kept, ...(await bodiesOf(session, kind, wanted))]);
    },

    async list(kind, account, { limit, before }) {
      const action = `listing ${kind} of ${account}`;
      assertLimit(limit, action);
      if (limit === 1 && before === undefined) {
        database.assertOpen(action);
        const last = (await newest.of(kind)).get(account);
        const record = last === undefined ? null : await get(kind, last.id);
        return record === null ? [] : [record];
      }
      return database.read(action, undefined, async (session) => {
        const rows = await session.rows(
          `SELECT id FROM records
           WHERE kind = $1 AND account = $2 AND ts < $3 ORDER BY ts DESC, id DESC LIMIT $4`,
          [kind, account, before ?? Number.POSITIVE_INFINITY, int(limit)],
        );
        return bodiesOf(
          session,
          kind,
          rows.map(([id]) => String(id)),
        );
      });
    },

    async after(kind, account, after, limit) {
      const action = `listing ${kind} of ${account}`;
      assertLimit(limit, action);
      return database.read(action, undefined, async (session) => {
        const rows = await session.rows(
          `SELECT id FROM records
           WHERE kind = $1 AND account = $2 AND (ts > $3 OR (ts = $3 AND id > $4)) ORDER BY ts, id LIMIT $5`,
          [kind, account, after?.at ?? Number.NEGATIVE_INFINITY, after?.id ?? '', int(limit)],
        );
        return bodiesOf(
          session,
          kind,
          rows.map(([id]) => String(id)),
        );
      });
    },

    forget(account) {
      recent.forget(account);
      newest.forget();
    },

    async newest(kind) {
      database.assertOpen(`looking for the newest ${kind} of each account`);
      return [...(await newest.of(kind))].map(([account, { at, id }]) => ({ account, at, id }));
    },
  };
}

const parts = <T>(all: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(all.length / BATCH) }, (_, index) => all.slice(index * BATCH, (index + 1) * BATCH));

function assertLimit(limit: number, action: string): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= 10_000) return;
  throw storeError('invalid-input', action, `a limit of ${limit}`, 'give one from 1 to 10000');
}
