import type { Component } from '../domain/component.js';
import type { Sample, Series } from '../domain/series.js';
import type { EpochSeconds } from '../domain/time.js';

/** One component of one workload of one account. */
export interface SeriesKey {
  account: string;
  workload: string;
  component: Component;
}

export interface UsageQuery {
  account: string;
  series: { workload: string; component: Component }[];
  /** Bins labelled from (inclusive) to (exclusive); both are aligned down to the step. */
  from: EpochSeconds;
  to: EpochSeconds;
  /** Seconds; a step finer than the source's own interval is refused. */
  step: number;
}

/**
 * How a series stood when it was read. `stale`: it has data, but the last known bin is older than the policy allows.
 * There is no variant that reads as zero.
 */
export type Freshness =
  | { kind: 'fresh'; lastBin: EpochSeconds }
  | { kind: 'stale'; lastBin: EpochSeconds; age: number }
  | { kind: 'missing' };

export interface UsageSeries {
  workload: string;
  component: Component;
  series: Series;
}

export interface UsageWindow {
  account: string;
  from: EpochSeconds;
  to: EpochSeconds;
  step: number;
  /** One entry for each series asked for, in that order; one without any data has only missing bins. */
  series: UsageSeries[];
}

export interface MetricQuery {
  account: string;
  workload: string;
  /** `latency_p99` (seconds), `error_rate` (share), `saturation` (share), or any that the source has. */
  metric: string;
  from: EpochSeconds;
  to: EpochSeconds;
}

/** Reads usage: the embedded store, a CSV file, InfluxDB, Prometheus. */
export interface UsageSource {
  readonly name: string;
  /**
   * @throws HeadroomError `unavailable` where the source is down, slow or cut off in the middle: never a partial
   * window, never zeros; `invalid-input` where the step is finer than the data.
   */
  readUsage(query: UsageQuery, signal: AbortSignal): Promise<UsageWindow>;
  /** Mean over the window; null where there is nothing in it. */
  readMetric(query: MetricQuery, signal: AbortSignal): Promise<number | null>;
  close(): Promise<void>;
}

/** An immutable view: what was known of a window at one moment. Late data makes a new one, never alters an old one. */
export interface Snapshot {
  id: string;
  account: string;
  from: EpochSeconds;
  to: EpochSeconds;
  step: number;
  series: { workload: string; component: Component }[];
  /** The store's ingest sequence: rows written after it are not part of this snapshot. */
  watermark: number;
  takenAt: EpochSeconds;
}

export interface UsageBatch {
  key: SeriesKey;
  samples: Sample[];
}

export interface MetricBatch {
  account: string;
  workload: string;
  metric: string;
  samples: Sample[];
}

export const RECORD_KINDS = [
  'forecast',
  'plan',
  'contingency',
  'answers',
  'outcome',
  'history',
  'account',
  'profile',
  'event',
  // The fleet: what it was started with, its plans, what it granted to each account, and what it works on meanwhile.
  'fleet',
  'fleet-plan',
  'fleet-work',
  'grant',
  // What was recommended to be reserved, with the hours of nodes behind it, and what a person decided.
  'commitment',
  'migration',
  // What is to be made of an account in another cluster, while it moves there.
  'manifests',
] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

/** A document that the loop leaves behind. */
export interface StoredRecord {
  kind: RecordKind;
  id: string;
  account: string;
  at: EpochSeconds;
  /** JSON. */
  body: unknown;
}

/** A place in the order of an account's records of one kind. */
export interface RecordPlace {
  at: EpochSeconds;
  id: string;
}

/** The embedded store: a usage log with snapshots, and the records of the loop. One process owns it. */
export interface Store extends UsageSource {
  /** Idempotent: a repeat of (series, time, value) writes nothing; another value for the same time is a correction. */
  writeUsage(batches: readonly UsageBatch[]): Promise<{ written: number }>;
  writeMetrics(batches: readonly MetricBatch[]): Promise<{ written: number }>;
  takeSnapshot(query: UsageQuery, takenAt: EpochSeconds, signal: AbortSignal): Promise<Snapshot>;
  /** The snapshot's bins from `since` (inclusive; its own start where absent): the same bytes however often. */
  readSnapshot(id: string, signal: AbortSignal, since?: EpochSeconds): Promise<UsageWindow>;
  /** Idempotent by (kind, id). */
  putRecord(record: StoredRecord): Promise<void>;
  /** The same for many of one kind, at once or not at all. */
  putRecords(kind: RecordKind, records: readonly Omit<StoredRecord, 'kind'>[]): Promise<void>;
  getRecord(kind: RecordKind, id: string): Promise<StoredRecord | null>;
  /** Those of up to 1,000 ids that are there, in any order: what reads many accounts asks once for many. */
  getRecords(kind: RecordKind, ids: readonly string[]): Promise<StoredRecord[]>;
  /** Newest first. `account` is matched exactly: one account's records never answer for another's. */
  listRecords(
    kind: RecordKind,
    account: string,
    options: { limit: number; before?: EpochSeconds },
  ): Promise<StoredRecord[]>;
  /** Oldest first, by time and then id; `after` is where the last look ended, null for the beginning. */
  recordsAfter(kind: RecordKind, account: string, after: RecordPlace | null, limit: number): Promise<StoredRecord[]>;
  /** The newest record of each account that has any of a kind, by time and id: what a look for news costs one query. */
  newestRecords(kind: RecordKind): Promise<{ account: string; at: EpochSeconds; id: string }[]>;
}

/** A series of usage as the store knows it. */
export interface KnownUsage extends SeriesKey {
  /** Seconds between its samples; null while too few have come to tell. */
  interval: number | null;
}

/** What a store holds of usage, whoever sent it: a policy names what is steered, not all that is known. */
export interface UsageCatalogue {
  /** Of one account, or of all where null; by account, workload and component. */
  usageSeries(account: string | null): Promise<KnownUsage[]>;
}
