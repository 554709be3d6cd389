import { formatDuration } from '../../domain/time.js';
import { storeError } from './errors.js';
import type { Session } from './session.js';
import { extendTail, newTail, type Tail, type TailRow } from './tail.js';

/*
 * What is kept in memory of every series: its number in the file, its newest samples, its interval and its last
 * few writes. It makes the common write (one sample newer than all) and the common snapshot (a window that ends now) free
 * of any look into the file.
 */

export type SeriesKind = 'usage' | 'metric';

export interface SeriesName {
  kind: SeriesKind;
  account: string;
  workload: string;
  /** The component, or the metric's name. */
  name: string;
}

/** One write: its place in the ingest sequence, and the times of its first and last row. */
export interface WriteMark {
  seq: number;
  first: number;
  last: number;
}

export interface KnownSeries extends SeriesName {
  id: number;
  /** Time of the newest sample; -Infinity before the first. */
  newest: number;
  /** Seconds between samples, the lower median of the last gaps; null while fewer than three samples came. */
  interval: number | null;
  /** The last gaps between samples, oldest first. */
  gaps: number[];
  /** The last writes, in ingest order. */
  writes: WriteMark[];
  /** False where older writes than those stand in the file. */
  allWrites: boolean;
  /** The newest rows. */
  tail: Tail;
}

const MOST_MARKS = 16;
const MOST_GAPS = 31;
/** So many places of the ingest sequence are read back on opening. */
const RECENT = 4096;

export interface SeriesRegistry {
  load(session: Session): Promise<void>;
  find(name: SeriesName): KnownSeries | undefined;
  ofAccount(account: string): KnownSeries[];
  accounts(): string[];
  /** The highest committed place of the ingest sequence. */
  seq(): number;
  nextId(): number;
  add(series: KnownSeries): void;
  /** The account was erased: its series are no more. Their numbers are not used again while this store is open. */
  removeAccount(account: string): void;
  /**
   * Takes a committed write in.
   * @param rows its rows in increasing time; of a long write the last ones are enough.
   * @param interval as {@link intervalAfter} gives it.
   */
  note(series: KnownSeries, mark: WriteMark, rows: readonly TailRow[], interval: number | null): void;
}

export const keyOf = (name: SeriesName): string => JSON.stringify([name.kind, name.account, name.workload, name.name]);

export const newSeries = (id: number, name: SeriesName, interval: number | null): KnownSeries => ({
  id,
  kind: name.kind,
  account: name.account,
  workload: name.workload,
  name: name.name,
  newest: Number.NEGATIVE_INFINITY,
  interval,
  gaps: [],
  writes: [],
  allWrites: true,
  tail: newTail(Number.NEGATIVE_INFINITY),
});

export function createSeriesRegistry(): SeriesRegistry {
  const byKey = new Map<string, KnownSeries>();
  const byId = new Map<number, KnownSeries>();
  const byAccount = new Map<string, KnownSeries[]>();
  let seq = 0;
  let lastId = 0;

  const add = (series: KnownSeries): void => {
    byKey.set(keyOf(series), series);
    byId.set(series.id, series);
    const siblings = byAccount.get(series.account);
    if (siblings === undefined) byAccount.set(series.account, [series]);
    else siblings.push(series);
    lastId = Math.max(lastId, series.id);
  };

  return {
    async load(session) {
      byKey.clear();
      byId.clear();
      byAccount.clear();
      seq = 0;
      lastId = 0;
      for (const [id, kind, account, workload, name, interval] of await session.rows(
        'SELECT id, kind, account, workload, name, interval_seconds FROM series ORDER BY id',
      )) {
        const known: SeriesName = {
          kind: kind === 'metric' ? 'metric' : 'usage',
          account: String(account),
          workload: String(workload),
          name: String(name),
        };
        add(newSeries(Number(id), known, interval === null ? null : Number(interval)));
      }
      for (const [id, newest, last] of await session.rows(
        'SELECT series, max(ts), max(seq) FROM samples GROUP BY series',
      )) {
        const series = byId.get(Number(id));
        if (series === undefined) continue;
        series.newest = Number(newest);
        series.allWrites = false;
        series.tail = newTail(series.newest);
        seq = Math.max(seq, Number(last));
      }
      for (const [id, place, first, last] of await session.rows(
        'SELECT series, seq, min(ts), max(ts) FROM samples WHERE seq > $1 GROUP BY series, seq ORDER BY seq',
        [BigInt(seq - RECENT)],
      )) {
        const series = byId.get(Number(id));
        if (series === undefined) continue;
        series.writes.push({ seq: Number(place), first: Number(first), last: Number(last) });
        if (series.writes.length > MOST_MARKS) series.writes.shift();
      }
    },
    find: (name) => byKey.get(keyOf(name)),
    ofAccount: (account) => byAccount.get(account) ?? [],
    accounts: () => [...byAccount.keys()],
    seq: () => seq,
    nextId: () => lastId + 1,
    add,
    removeAccount(account) {
      for (const series of byAccount.get(account) ?? []) {
        byKey.delete(keyOf(series));
        byId.delete(series.id);
      }
      byAccount.delete(account);
    },
    note(series, mark, rows, interval) {
      seq = Math.max(seq, mark.seq);
      series.writes.push(mark);
      if (series.writes.length > MOST_MARKS) {
        series.writes.shift();
        series.allWrites = false;
      }
      series.gaps = nextGaps(
        series,
        rows.filter(({ time }) => time > series.newest).map(({ time }) => time),
      );
      series.newest = Math.max(series.newest, mark.last);
      series.interval = interval;
      extendTail(series.tail, rows);
    },
  };
}

/** The gaps after these times (ascending, all newer than the newest) have come. */
function nextGaps(series: KnownSeries, times: readonly number[]): number[] {
  const recent = times.slice(-(MOST_GAPS + 1));
  const gaps = [...series.gaps];
  let previous = recent.length < times.length ? Number.NaN : series.newest;
  for (const time of recent) {
    const gap = time - previous;
    if (Number.isFinite(gap)) gaps.push(gap);
    previous = time;
  }
  return gaps.slice(-MOST_GAPS);
}

/**
 * The interval after these times have come: the lower median of the last gaps, so that an outage is no interval. A
 * change within a twentieth is jitter and keeps the old one.
 */
export function intervalAfter(series: KnownSeries, times: readonly number[]): number | null {
  const gaps = nextGaps(series, times).sort((a, b) => a - b);
  const median = gaps.length < 2 ? undefined : gaps[(gaps.length - 1) >> 1];
  // After a restart the gaps are few and the known interval rests on many.
  if (median === undefined || (series.interval !== null && gaps.length < 8)) return series.interval;
  if (series.interval !== null && Math.abs(median - series.interval) <= series.interval / 20) return series.interval;
  return median;
}

/**
 * Refuses a grid finer than the data: its bins would be empty by construction, and look like an outage.
 * @throws HeadroomError `invalid-input`
 */
export function refuseTooFine(series: KnownSeries | undefined, step: number, action: string): void {
  if (series === undefined || series.interval === null) return;
  // Clocks jitter: a step within a hundredth of the interval is the interval.
  if (step >= series.interval * 0.99) return;
  throw storeError(
    'invalid-input',
    action,
    `a step of ${formatDuration(step)} is finer than the ${formatDuration(series.interval)} between the samples of ${series.workload} ${series.name}`,
    `ask for ${formatDuration(Math.ceil(series.interval))} or coarser`,
  );
}

/**
 * The newest place of the ingest sequence with a row in the window, from memory; undefined where only the file knows.
 * Walks from the newest write back: the first that surely has a row in the window is the answer.
 */
export function recentWatermark(series: KnownSeries, from: number, to: number): number | undefined {
  for (let index = series.writes.length - 1; index >= 0; index--) {
    const write = series.writes[index];
    if (write === undefined || write.last < from || write.first >= to) continue;
    const inside = (time: number): boolean => time >= from && time < to;
    return inside(write.first) || inside(write.last) ? write.seq : undefined;
  }
  return series.allWrites ? 0 : undefined;
}
