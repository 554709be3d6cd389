import { BOOLEAN, DOUBLE, INTEGER, VARCHAR } from '@duckdb/node-api';
import { behaviorRowSchema, ROW_PARTS, type BehaviorRow, type Measure } from '../../behavior/events.js';
import type { BehaviorPart, BehaviorQuery, BehaviorStore } from '../events/port.js';
import type { Database } from './database.js';
import { storeError } from './errors.js';
import { int, type Session } from './session.js';
import type { WriteQueue } from './write-queue.js';

export const MOST_BEHAVIOR_ROWS = 200_000;
const DAY = 86_400;

/** Behind the usage log in the same file; a version that does not know them leaves them alone. */
export const BEHAVIOR_SCHEMA: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS behavior_parts (id VARCHAR PRIMARY KEY, account VARCHAR NOT NULL, ts DOUBLE NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS behavior (
     account VARCHAR NOT NULL,
     ts DOUBLE NOT NULL,
     width DOUBLE NOT NULL,
     kind VARCHAR NOT NULL,
     name VARCHAR,
     detail VARCHAR,
     grp VARCHAR,
     merged_detail BOOLEAN NOT NULL,
     merged_group BOOLEAN NOT NULL,
     merged_name BOOLEAN NOT NULL,
     users INTEGER,
     events DOUBLE NOT NULL,
     complexity DOUBLE, complexity_of DOUBLE,
     sessions DOUBLE, sessions_of DOUBLE,
     input_rate DOUBLE, input_rate_of DOUBLE
   )`,
];

const COLUMNS =
  'ts, width, kind, name, detail, grp, merged_detail, merged_group, merged_name, users, events, complexity, ' +
  'complexity_of, sessions, sessions_of, input_rate, input_rate_of';
const TYPES = [
  ...[VARCHAR, DOUBLE, DOUBLE, VARCHAR, VARCHAR, VARCHAR, VARCHAR, BOOLEAN, BOOLEAN, BOOLEAN, INTEGER, DOUBLE],
  ...[DOUBLE, DOUBLE, DOUBLE, DOUBLE, DOUBLE, DOUBLE],
];

const cellsOf = (account: string, row: BehaviorRow) => [
  ...[account, row.at, row.width, row.kind, row.name, row.detail, row.group],
  ...ROW_PARTS.map((part) => row.merged.includes(part)),
  ...[row.users, row.events],
  ...[row.complexity, row.sessions, row.inputRate].flatMap((one) => [one?.sum ?? null, one?.of ?? null]),
];

function rowOf(cells: readonly unknown[]): BehaviorRow {
  const [at, width, kind, name, detail, group, d, g, n, users, events, ...measures] = cells;
  const measure = (first: number): unknown => {
    const [sum, of] = measures.slice(first, first + 2);
    return sum === null ? null : ({ sum, of } satisfies Record<keyof Measure, unknown>);
  };
  const flags = [d, g, n];
  return behaviorRowSchema.parse({
    ...{ kind, at, width, name, detail, group, users, events },
    merged: ROW_PARTS.filter((_, index) => flags[index] === true),
    complexity: measure(0),
    sessions: measure(2),
    inputRate: measure(4),
  });
}

/** Aggregated behaviour in the store's file. */
export function createBehavior(database: Database, queue: WriteQueue): BehaviorStore {
  return {
    writeBehavior: (part: BehaviorPart) =>
      queue.run(`writing events of ${part.account}`, async ({ session }) => {
        const [there] = await session.rows('SELECT account FROM behavior_parts WHERE id = $1', [part.id]);
        if (there !== undefined) return { written: 0 };
        await session.query('INSERT INTO behavior_parts VALUES ($1, $2, $3)', [part.id, part.account, part.at]);
        const rows = part.rows.map((row) => cellsOf(part.account, row));
        await session.append(
          'behavior',
          TYPES,
          TYPES.map((_, column) => rows.map((cells) => cells[column] ?? null)),
        );
        return { written: rows.length };
      }),

    async readEvents({ account, from, to, kind, limit }: BehaviorQuery, signal) {
      const action = `reading events of ${account}`;
      if (!Number.isInteger(limit) || limit < 1 || limit > MOST_BEHAVIOR_ROWS) {
        throw storeError('invalid-input', action, `a limit of ${limit}`, `give one from 1 to ${MOST_BEHAVIOR_ROWS}`);
      }
      return database.read(action, signal, async (session) => {
        const rows = await session.rows(
          `SELECT ${COLUMNS} FROM behavior
           WHERE account = $1 AND ts >= $2 AND ts < $3 AND ($4 = '' OR kind = $4)
           ORDER BY ts, width, kind, name, detail, grp, rowid LIMIT $5`,
          [account, from, to, kind ?? '', int(limit)],
        );
        return rows.map(rowOf);
      });
    },
  };
}

/** Drops what is past retention; an account's clock is its own newest row where that is behind `now`. */
export async function compactBehavior(session: Session, now: number, retentionDays: number): Promise<number> {
  let removed = 0;
  for (const table of ['behavior', 'behavior_parts']) {
    const { rowsChanged } = await session.query(
      `DELETE FROM ${table} USING (SELECT account, max(ts) AS newest FROM ${table} GROUP BY account) last
       WHERE ${table}.account = last.account AND ${table}.ts < least(last.newest, $1) - $2`,
      [now, retentionDays * DAY],
    );
    if (table === 'behavior') removed += rowsChanged;
  }
  return removed;
}
