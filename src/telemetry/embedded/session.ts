import {
  DuckDBDataChunk,
  type DuckDBConnection,
  type DuckDBMaterializedResult,
  type DuckDBPreparedStatement,
  type DuckDBType,
  type DuckDBValue,
} from '@duckdb/node-api';

/** A whole number that is compared with an INTEGER column: as a DOUBLE it would cost the column its zone maps. */
export interface Int {
  int: number;
}
export const int = (value: number): Int => ({ int: value });
export type Param = string | number | bigint | boolean | null | Int;

/** The rows of one chunk that the appender takes at once; DuckDB's own vector size. */
const CHUNK = 2048;

/**
 * One connection with its prepared statements. Used by one caller at a time (see database.ts): binding and running are
 * two steps, and a second caller in between would run the first one's statement with its own parameters.
 */
export interface Session {
  /** Runs with bound parameters; the statement is prepared once a connection. */
  query(sql: string, params?: readonly Param[]): Promise<DuckDBMaterializedResult>;
  /** For small results: all rows, as plain values. */
  rows(sql: string, params?: readonly Param[]): Promise<DuckDBValue[][]>;
  /** Appends columns of equal length to a table, in chunks, within the open transaction. */
  append(table: string, types: readonly DuckDBType[], columns: readonly (readonly DuckDBValue[])[]): Promise<void>;
  interrupt(): void;
  close(): void;
}

function bind(statement: DuckDBPreparedStatement, index: number, param: Param): void {
  if (param === null) statement.bindNull(index);
  else if (typeof param === 'string') statement.bindVarchar(index, param);
  else if (typeof param === 'number') statement.bindDouble(index, param);
  else if (typeof param === 'bigint') statement.bindBigInt(index, param);
  else if (typeof param === 'boolean') statement.bindBoolean(index, param);
  else statement.bindInteger(index, param.int);
}

export function createSession(connection: DuckDBConnection): Session {
  const statements = new Map<string, DuckDBPreparedStatement>();

  const query = async (sql: string, params: readonly Param[] = []): Promise<DuckDBMaterializedResult> => {
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = await connection.prepare(sql);
      statements.set(sql, statement);
    }
    for (let index = 0; index < params.length; index++) bind(statement, index + 1, params[index] ?? null);
    return statement.run();
  };

  return {
    query,
    async rows(sql, params) {
      return (await query(sql, params)).getRows();
    },
    async append(table, types, columns) {
      const count = columns[0]?.length ?? 0;
      if (count === 0) return;
      const appender = await connection.createAppender(table);
      try {
        for (let first = 0; first < count; first += CHUNK) {
          const part = columns.map((column) => column.slice(first, first + CHUNK));
          const chunk = DuckDBDataChunk.create(types, part[0]?.length ?? 0);
          chunk.setColumns(part);
          appender.appendDataChunk(chunk);
        }
        appender.flushSync();
      } finally {
        appender.closeSync();
      }
    },
    interrupt: () => connection.interrupt(),
    close() {
      for (const statement of statements.values()) statement.destroySync();
      statements.clear();
      connection.closeSync();
    },
  };
}

/** `?, ?, …` is padded to a power of two, so that a handful of prepared statements serve lists of every length. */
export function inList(first: number, values: readonly number[]): { sql: string; params: Int[] } {
  let size = 1;
  while (size < values.length) size *= 2;
  const params: Int[] = [];
  for (let index = 0; index < size; index++) params.push(int(values[Math.min(index, values.length - 1)] ?? -1));
  return { sql: params.map((_, index) => `$${first + index}`).join(', '), params };
}
