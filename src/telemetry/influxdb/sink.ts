import { flux } from '@influxdata/influxdb-client';
import { ZodError } from 'zod';
import { isHeadroomError } from '../../domain/errors.js';
import type { RecordPlace, Store, StoredRecord } from '../port.js';
import type { InfluxConnection } from './connection.js';
import { isSinkRecord, MARKER, markerLine, recordLines, SINK_KINDS, type SinkKind } from './records.js';
import type { InfluxWriter } from './writer.js';

/*
 * Copies the records of the loop from the store to InfluxDB, beside the loop and never in its way. The store is the
 * durable one: what is in it and not yet in InfluxDB is read from it again, by a watermark that lives in InfluxDB
 * itself (the newest `written` point of an account and kind). So nothing is lost while InfluxDB is away, whether this
 * process lives on or not, and memory stays bounded however long that takes.
 */

export interface InfluxSinkOptions {
  store: Store;
  connection: InfluxConnection;
  /** Where the points go; {@link loopBucketOf}. */
  bucket: string;
  /** Of that bucket, with times in nanoseconds, that never loses patience and goes on after rejected points. */
  writer: InfluxWriter;
  /** Seconds between looks for what other processes put into the store; default 30. */
  lookEvery?: number;
  say?: (line: string) => void;
}

export interface InfluxSink {
  /** Tells it of a record that was just put; returns at once. */
  note(record: StoredRecord): void;
  /** Resolves when everything that the store had by now is in InfluxDB. */
  drain(): Promise<void>;
  /** Ends; what was not written is written by the next one that runs. */
  close(): Promise<void>;
}

/** Records in one look into the store. */
const PAGE = 20;
/** Lines before the server is waited for and the watermarks move. */
const LINES_AT_ONCE = 5_000;
/** Outcomes of changes that end together may come out of order: those kinds are read again from this far back. */
const OVERLAP_SECONDS: Record<SinkKind, number> = {
  forecast: 0,
  plan: 0,
  contingency: 3600,
  outcome: 3600,
  grant: 0,
  'fleet-plan': 0,
};
/** A moment before any record's: where a time itself has to be read again. */
const JUST_BEFORE = 0.001;

interface Key {
  kind: SinkKind;
  account: string;
}

export function createInfluxSink(options: InfluxSinkOptions): InfluxSink {
  const { store, connection, bucket, writer, lookEvery = 30, say = () => undefined } = options;
  const ended = new AbortController();
  /** Up to where records were handed to the writer; null: from the first one on. */
  const cursors = new Map<string, RecordPlace | null>();
  const dirty = new Map<string, Key>();
  /** The last record of each kind and account whose points were handed over and whose watermark was not. */
  const marks = new Map<string, StoredRecord>();
  const nameOf = ({ kind, account }: Key): string => `${kind}/${account}`;
  let wake = (): void => undefined;
  /** Looks that were asked for and the last one that was finished with nothing left. */
  let asked = 0;
  let finished = 0;
  let waiting: { ask: number; resolve: () => void }[] = [];

  const back = (place: RecordPlace, kind: SinkKind): RecordPlace => ({
    at: place.at - OVERLAP_SECONDS[kind] - JUST_BEFORE,
    id: '',
  });

  /** Where InfluxDB says that it has everything up to. */
  const loadCursors = async (): Promise<void> => {
    const query = flux`from(bucket: ${bucket})
  |> range(start: 0)
  |> filter(fn: (r) => r._measurement == ${MARKER})
  |> last()
  |> keep(columns: ["_time", "account", "kind"])
`;
    await connection.query(
      query,
      (row) => {
        const kind = SINK_KINDS.find((one) => one === row.text('kind'));
        const at = row.seconds('_time');
        if (kind === undefined || Number.isNaN(at)) return;
        cursors.set(nameOf({ kind, account: row.text('account') }), back({ at, id: '' }, kind));
      },
      'reading the watermarks',
      ended.signal,
    );
  };

  /** Which accounts have records beyond their watermark. */
  const look = async (): Promise<void> => {
    for (const kind of SINK_KINDS) {
      for (const { account, at } of await store.newestRecords(kind)) {
        const key = { kind, account };
        const cursor = cursors.get(nameOf(key));
        if (cursor === undefined || cursor === null || at > cursor.at) dirty.set(nameOf(key), key);
      }
    }
  };

  const linesOf = (record: StoredRecord): string[] => {
    if (!isSinkRecord(record)) return [];
    try {
      return recordLines(record);
    } catch (error) {
      // One record that cannot be told in points must not hold up all that come after it.
      if (!(error instanceof ZodError) && !isHeadroomError(error)) throw error;
      say(`${record.kind} ${record.id} of ${record.account} is left out: ${error.message.split('\n')[0] ?? ''}`);
      return [];
    }
  };

  /** Writes what is dirty; the watermark of a record is sent when the server has all of its points. */
  const pump = async (): Promise<void> => {
    let lines = 0;
    const settle = async (): Promise<void> => {
      await writer.flush();
      await writer.write([...marks.values()].map(markerLine));
      marks.clear();
      lines = 0;
    };
    for (;;) {
      const next = dirty.entries().next();
      if (next.done === true) break;
      const [name, key] = next.value;
      const cursor = cursors.get(name) ?? null;
      cursors.set(name, cursor);
      const page = await store.recordsAfter(key.kind, key.account, cursor, PAGE);
      for (const record of page) {
        const points = linesOf(record);
        lines += points.length;
        await writer.write(points);
        marks.set(name, record);
      }
      const last = page.at(-1);
      // Where an earlier record was put meanwhile, the cursor went back, and stays there.
      const untouched = cursors.get(name) === cursor;
      if (untouched && last !== undefined) cursors.set(name, { at: last.at, id: last.id });
      if (untouched && page.length < PAGE) dirty.delete(name);
      if (lines >= LINES_AT_ONCE) await settle();
    }
    if (marks.size > 0) await settle();
    await writer.flush();
  };

  const pause = (seconds: number): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, seconds * 1000);
      timer.unref();
      wake = done;
      if (ended.signal.aborted) done();
    });

  const run = async (): Promise<void> => {
    let loaded = false;
    let failures = 0;
    let looked = Number.NEGATIVE_INFINITY;
    while (!ended.signal.aborted) {
      const ask = asked;
      try {
        if (!loaded) await loadCursors();
        loaded = true;
        if (ask !== finished || performance.now() - looked >= lookEvery * 1000) {
          looked = performance.now();
          await look();
        }
        await pump();
        failures = 0;
        finished = ask;
        waiting = waiting.filter((one) => {
          if (one.ask > ask) return true;
          one.resolve();
          return false;
        });
        if (asked === ask && dirty.size === 0) await pause(lookEvery);
      } catch (error) {
        if (ended.signal.aborted) return;
        failures += 1;
        const seconds = Math.min(lookEvery, 0.5 * 2 ** Math.min(failures, 10));
        say(`${error instanceof Error ? error.message : String(error)}; the next try in ${seconds}s`);
        await pause(seconds);
      }
    }
  };

  const running = run();

  return {
    note(record) {
      if (!isSinkRecord(record)) return;
      const key = { kind: record.kind, account: record.account };
      const name = nameOf(key);
      const cursor = cursors.get(name);
      if (cursor !== undefined && cursor !== null && record.at <= cursor.at) {
        cursors.set(name, { at: record.at - JUST_BEFORE, id: '' });
      }
      dirty.set(name, key);
      wake();
    },
    drain() {
      asked += 1;
      const ask = asked;
      return new Promise((resolve) => {
        if (finished >= ask || ended.signal.aborted) resolve();
        else waiting.push({ ask, resolve });
        wake();
      });
    },
    async close() {
      ended.abort(new Error('the sink is closed'));
      writer.close();
      wake();
      await running;
      for (const { resolve } of waiting) resolve();
    },
  };
}

/** The store, which tells the sink of what is put through it. A put never waits for the sink. */
export const withInfluxSink = <Kept extends Store>(store: Kept, sink: InfluxSink): Kept => ({
  ...store,
  async putRecord(record) {
    await store.putRecord(record);
    sink.note(record);
  },
  async putRecords(kind, records) {
    await store.putRecords(kind, records);
    for (const record of records) sink.note({ ...record, kind });
  },
});
