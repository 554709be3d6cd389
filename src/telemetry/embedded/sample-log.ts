import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  DuckDBBooleanVector,
  DuckDBDoubleVector,
  DuckDBIntegerVector,
  INTEGER,
} from '@duckdb/node-api';
import { COMPONENT_UNITS, COMPONENTS, isAmount } from '../../domain/component.js';
import type { Sample } from '../../domain/series.js';
import { isoTime } from '../../domain/time.js';
import { storeError } from './errors.js';
import {
  intervalAfter,
  keyOf,
  newSeries,
  type KnownSeries,
  type SeriesName,
  type SeriesRegistry,
} from './series-registry.js';
import { inList, int, type Session } from './session.js';
import { MOST_ROWS as MOST_TAIL_ROWS, type TailRow } from './tail.js';
import type { Transaction } from './write-queue.js';

/*
 * The log of samples: what is appended, what is a repeat, what is a correction, and how rows are read back.
 */

/** Numbers of one series, in increasing time, each time once. */
export interface OrderedSamples {
  times: number[];
  values: number[];
  censored: boolean[];
}

/**
 * Sorts and checks samples of one series. NaN says that nothing is known and is left out; the same sample twice counts
 * once.
 * @throws HeadroomError `invalid-input`: an infinite value or time, one that is no amount in the component's unit (usage),
 * two values for one time.
 */
export function orderSamples(name: SeriesName, samples: readonly Sample[]): OrderedSamples {
  const refuse = (problem: string, remedy: string): never => {
    throw storeError(
      'invalid-input',
      `writing ${name.kind} of ${name.account}/${name.workload} ${name.name}`,
      problem,
      remedy,
    );
  };
  const component = name.kind === 'usage' ? COMPONENTS.find((one) => one === name.name) : undefined;
  const sorted = isSorted(samples) ? samples : [...samples].sort((a, b) => a.at - b.at);
  const ordered: OrderedSamples = { times: [], values: [], censored: [] };
  for (const { at, value, censored } of sorted) {
    if (!Number.isFinite(at)) refuse(`${at} is no time`, 'give epoch seconds');
    if (Number.isNaN(value)) continue;
    if (!Number.isFinite(value)) refuse(`the value at ${isoTime(at)} is infinite`, 'leave out what is not known');
    if (value < 0 && name.kind === 'usage') {
      refuse(`the value at ${isoTime(at)} is negative`, 'usage cannot be; leave out what is not known');
    }
    if (component !== undefined && !isAmount(component, value)) {
      refuse(`${value} at ${isoTime(at)} is more than any workload has`, `write it in ${COMPONENT_UNITS[component]}`);
    }
    const last = ordered.times.length - 1;
    if (ordered.times[last] === at) {
      if (ordered.values[last] === value && ordered.censored[last] === (censored === true)) continue;
      refuse(`two values for ${isoTime(at)}: ${ordered.values[last]} and ${value}`, 'give every time once');
    }
    ordered.times.push(at);
    ordered.values.push(value);
    ordered.censored.push(censored === true);
  }
  return ordered;
}

function isSorted(samples: readonly Sample[]): boolean {
  for (let index = 1; index < samples.length; index++) {
    if (!((samples[index]?.at ?? 0) > (samples[index - 1]?.at ?? 0))) return false;
  }
  return true;
}

export interface RowVisitor {
  (series: number, time: number, value: number, censored: boolean): void;
}

/** More series than this in one statement gain nothing. */
const MOST_IN_LIST = 64;
/** Rows that one statement may bring into memory, by estimate: 25 bytes each. */
const MOST_ROWS = 500_000;

/**
 * Visits rows by series and time; of one time the newest row as of `watermark`, and that alone. The order is that of
 * the data, never of the file, so that sums over it are the same bytes each time.
 */
export async function visitRows(
  session: Session,
  series: readonly KnownSeries[],
  window: { from: number; to: number; watermark: number },
  visit: RowVisitor,
  signal?: AbortSignal,
): Promise<void> {
  for (const group of inGroups(series, window.to - window.from)) {
    signal?.throwIfAborted();
    const ids = inList(
      4,
      group.map(({ id }) => id),
    );
    const result = await session.query(
      `SELECT series, ts, value, censored FROM samples
       WHERE ts >= $1 AND ts < $2 AND seq <= $3 AND series IN (${ids.sql})
       ORDER BY series, ts, seq`,
      [window.from, window.to, BigInt(window.watermark), ...ids.params],
    );
    let held: { series: number; time: number; value: number; censored: boolean } | null = null;
    for (let index = 0; index < result.chunkCount; index++) {
      const chunk = result.getChunk(index);
      const [id, time, value, censored] = [0, 1, 2, 3].map((column) => chunk.getColumnVector(column));
      if (
        !(id instanceof DuckDBIntegerVector) ||
        !(time instanceof DuckDBDoubleVector) ||
        !(value instanceof DuckDBDoubleVector) ||
        !(censored instanceof DuckDBBooleanVector)
      ) {
        throw new TypeError('the samples table has other columns than it was made with');
      }
      for (let row = 0; row < chunk.rowCount; row++) {
        const next = {
          series: id.getItem(row) ?? -1,
          time: time.getItem(row) ?? Number.NaN,
          value: value.getItem(row) ?? Number.NaN,
          censored: censored.getItem(row) ?? false,
        };
        if (held !== null && (held.series !== next.series || held.time !== next.time)) {
          visit(held.series, held.time, held.value, held.censored);
        }
        held = next;
      }
    }
    if (held !== null) visit(held.series, held.time, held.value, held.censored);
  }
}

function* inGroups(series: readonly KnownSeries[], seconds: number): Generator<KnownSeries[]> {
  let group: KnownSeries[] = [];
  let rows = 0;
  for (const one of series) {
    const expected = seconds / (one.interval ?? 60);
    if (group.length > 0 && (group.length === MOST_IN_LIST || rows + expected > MOST_ROWS)) {
      yield group;
      group = [];
      rows = 0;
    }
    group.push(one);
    rows += expected;
  }
  if (group.length > 0) yield group;
}

/** The newest place of the ingest sequence with a row in the window, from the file; 0 where there is none. */
export async function watermarkInFile(
  session: Session,
  series: readonly KnownSeries[],
  from: number,
  to: number,
): Promise<number> {
  let watermark = 0;
  for (let first = 0; first < series.length; first += MOST_IN_LIST) {
    const ids = inList(
      3,
      series.slice(first, first + MOST_IN_LIST).map(({ id }) => id),
    );
    const [row] = await session.rows(
      `SELECT max(seq) FROM samples WHERE ts >= $1 AND ts < $2 AND series IN (${ids.sql})`,
      [from, to, ...ids.params],
    );
    watermark = Math.max(watermark, Number(row?.[0] ?? 0));
  }
  return watermark;
}

/** What writes of one transaction have changed that the registry learns only with the commit. */
interface Staged {
  seq: number;
  lastId: number;
  created: Map<string, KnownSeries>;
  newest: Map<number, number>;
}

export interface SampleLog {
  /** Appends what is new; returns the number of rows. Repeats write nothing, other values are corrections. */
  write(transaction: Transaction, batches: readonly { name: SeriesName; samples: OrderedSamples }[]): Promise<number>;
}

/**
 * @param since of an account: older samples are past retention and are left out, since no read would show them.
 */
export function createSampleLog(registry: SeriesRegistry, since: (account: string) => number): SampleLog {
  const stagedOf = new WeakMap<Transaction, Staged>();

  const seriesFor = async (transaction: Transaction, staged: Staged, name: SeriesName): Promise<KnownSeries> => {
    const key = keyOf(name);
    const known = registry.find(name) ?? staged.created.get(key);
    if (known !== undefined) return known;
    staged.lastId += 1;
    const series = newSeries(staged.lastId, name, null);
    await transaction.session.query('INSERT INTO series VALUES ($1, $2, $3, $4, $5, NULL)', [
      int(series.id),
      name.kind,
      name.account,
      name.workload,
      name.name,
    ]);
    staged.created.set(key, series);
    transaction.onCommit(() => registry.add(series));
    return series;
  };

  return {
    async write(transaction, batches) {
      const staged = stagedOf.get(transaction) ?? {
        seq: registry.seq(),
        lastId: registry.nextId() - 1,
        created: new Map(),
        newest: new Map(),
      };
      stagedOf.set(transaction, staged);
      const work: { series: KnownSeries; samples: OrderedSamples; newest: number }[] = [];
      for (const { name, samples } of batches) {
        if (samples.times.length === 0) continue;
        const series = await seriesFor(transaction, staged, name);
        work.push({ series, samples, newest: staged.newest.get(series.id) ?? series.newest });
      }

      // Only samples that are not newer than all can be repeats or corrections: what is there is read at once for all.
      const there = new Map<number, Map<number, { value: number; censored: boolean }>>();
      const overlapping = work.filter(({ samples, newest }) => (samples.times[0] ?? 0) <= newest);
      if (overlapping.length > 0) {
        for (const { series } of overlapping) there.set(series.id, new Map());
        const from = Math.min(...overlapping.map(({ samples }) => samples.times[0] ?? 0));
        const last = Math.max(...overlapping.map(({ samples, newest }) => Math.min(newest, samples.times.at(-1) ?? 0)));
        await visitRows(
          transaction.session,
          overlapping.map(({ series }) => series),
          { from, to: last + 1e-6, watermark: Number.MAX_SAFE_INTEGER },
          (id, time, value, censored) => there.get(id)?.set(time, { value, censored }),
        );
      }

      const seq = staged.seq + 1;
      const columns = {
        series: [] as number[],
        times: [] as number[],
        values: [] as number[],
        censored: [] as boolean[],
      };
      for (const { series, samples, newest } of work) {
        const known = there.get(series.id);
        const oldest = since(series.account);
        // A long import leaves only its end in memory: what it begins with is of no use there.
        const rows: TailRow[] = [];
        let first: number | undefined;
        for (let index = 0; index < samples.times.length; index++) {
          const time = samples.times[index] ?? 0;
          if (time < oldest) continue;
          const value = samples.values[index] ?? 0;
          const censored = samples.censored[index] ?? false;
          const before = time > newest ? undefined : known?.get(time);
          if (before !== undefined && before.value === value && before.censored === censored) continue;
          rows.push({ time, value, censored, seq });
          first ??= time;
          if (rows.length > 4 * MOST_TAIL_ROWS) rows.splice(0, 2 * MOST_TAIL_ROWS);
          columns.series.push(series.id);
          columns.times.push(time);
          columns.values.push(value);
          columns.censored.push(censored);
        }
        const last = rows.at(-1);
        if (first === undefined || last === undefined) continue;
        const mark = { seq, first, last: last.time };
        staged.newest.set(series.id, Math.max(newest, last.time));
        const interval = intervalAfter(
          series,
          rows.filter(({ time }) => time > newest).map(({ time }) => time),
        );
        if (interval !== series.interval) {
          await transaction.session.query('UPDATE series SET interval_seconds = $1 WHERE id = $2', [
            interval,
            int(series.id),
          ]);
        }
        transaction.onCommit(() => registry.note(series, mark, rows, interval));
      }
      if (columns.times.length === 0) return 0;
      staged.seq = seq;
      const place = BigInt(seq);
      await transaction.session.append(
        'samples',
        [INTEGER, DOUBLE, DOUBLE, BOOLEAN, BIGINT],
        [columns.series, columns.times, columns.values, columns.censored, columns.series.map(() => place)],
      );
      return columns.times.length;
    },
  };
}
