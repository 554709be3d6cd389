/*
 * The tables of the telemetry file.
 *
 * `samples` is the usage log: append only, one row a sample and one more for each correction, told apart by `seq`. It
 * has no index on purpose: an index over millions of rows costs memory and slows every write, while the minimum and
 * maximum that DuckDB keeps of each 122,880 rows already skip nearly all of them, since samples come in roughly in the
 * order of time. (`at` is a reserved word in DuckDB; hence `ts`.)
 */
export const SCHEMA_VERSION = 1;

export const SCHEMA: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS store (version INTEGER NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS series (
     id INTEGER PRIMARY KEY,
     kind VARCHAR NOT NULL,
     account VARCHAR NOT NULL,
     workload VARCHAR NOT NULL,
     name VARCHAR NOT NULL,
     interval_seconds DOUBLE
   )`,
  `CREATE TABLE IF NOT EXISTS samples (
     series INTEGER NOT NULL,
     ts DOUBLE NOT NULL,
     value DOUBLE NOT NULL,
     censored BOOLEAN NOT NULL,
     seq BIGINT NOT NULL
   )`,
  `CREATE TABLE IF NOT EXISTS snapshot_sets (id VARCHAR PRIMARY KEY, body VARCHAR NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS retained (account VARCHAR PRIMARY KEY, since DOUBLE NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS records (
     kind VARCHAR NOT NULL,
     id VARCHAR NOT NULL,
     account VARCHAR NOT NULL,
     ts DOUBLE NOT NULL,
     body VARCHAR NOT NULL,
     PRIMARY KEY (kind, id)
   )`,
  // A key of two columns is never asked for reading (records.ts).
  `CREATE INDEX IF NOT EXISTS records_by_id ON records (id)`,
];
