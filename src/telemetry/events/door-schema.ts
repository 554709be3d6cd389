import { BIGINT, BLOB, DOUBLE, INTEGER, VARCHAR } from '@duckdb/node-api';

/*
 * What waits for its bin to close: the door's own file, apart from the telemetry that it feeds. Everything that came
 * from a sender is sealed with the operator's key; in the clear stand accounts, times and counts.
 *
 * `pending.n` grows with each row, so that a part is "all of this bin up to n": what comes later is another part.
 */
export const DOOR_VERSION = 1;

export const DOOR_SCHEMA: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS door (version INTEGER NOT NULL, id VARCHAR NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS pending (
     n BIGINT NOT NULL,
     shape VARCHAR NOT NULL,
     account VARCHAR NOT NULL,
     bin DOUBLE NOT NULL,
     width DOUBLE NOT NULL,
     key VARCHAR NOT NULL,
     received DOUBLE NOT NULL,
     events INTEGER NOT NULL,
     sealed BLOB NOT NULL
   )`,
  `CREATE TABLE IF NOT EXISTS parts (
     until_n BIGINT NOT NULL,
     shape VARCHAR NOT NULL,
     account VARCHAR NOT NULL,
     bin DOUBLE NOT NULL,
     width DOUBLE NOT NULL,
     key VARCHAR NOT NULL,
     k INTEGER NOT NULL,
     session DOUBLE NOT NULL
   )`,
  `CREATE TABLE IF NOT EXISTS last_seen (account VARCHAR NOT NULL, key VARCHAR NOT NULL, sealed BLOB NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS batches (id VARCHAR PRIMARY KEY, expires DOUBLE)`,
  `CREATE TABLE IF NOT EXISTS seen_ids (day INTEGER NOT NULL, id VARCHAR NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS withheld (account VARCHAR NOT NULL, events DOUBLE NOT NULL)`,
];

/** Of the columns of `pending`, in order. */
export const PENDING_TYPES = [BIGINT, VARCHAR, VARCHAR, DOUBLE, DOUBLE, VARCHAR, DOUBLE, INTEGER, BLOB];
