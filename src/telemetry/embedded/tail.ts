/*
 * The newest rows of a series, in memory: a cycle asks for the few bins that came since the last one, and those need no
 * look into the file.
 */

export interface TailRow {
  time: number;
  value: number;
  censored: boolean;
  seq: number;
}

export interface Tail {
  /** Every row of the series with a later time is in `rows`; of this time and before, only the file knows. */
  after: number;
  /** By time, then by place in the ingest sequence. */
  rows: TailRow[];
}

/** Two hours of samples every minute, half an hour of samples every 15 seconds; at most some 8 KB a series. */
export const MOST_ROWS = 128;

/** @param after -Infinity for a new series, else the time of its newest row in the file. */
export const newTail = (after: number): Tail => ({ after, rows: [] });

/**
 * Takes committed rows in, and forgets the oldest times beyond what is kept.
 * @param rows in increasing time, each time once.
 */
export function extendTail(tail: Tail, rows: readonly TailRow[]): void {
  const beyond = rows.at(-MOST_ROWS - 1);
  if (beyond !== undefined) forget(tail, beyond.time);
  const newer = rows.slice(-MOST_ROWS).filter(({ time }) => time > tail.after);
  if (newer.length === 0) return;
  const inOrder = (newer[0]?.time ?? 0) > (tail.rows.at(-1)?.time ?? Number.NEGATIVE_INFINITY);
  tail.rows.push(...newer);
  if (!inOrder) tail.rows.sort((a, b) => a.time - b.time || a.seq - b.seq);
  while (tail.rows.length > MOST_ROWS) forget(tail, tail.rows[0]?.time ?? tail.after);
}

function forget(tail: Tail, until: number): void {
  if (until <= tail.after) return;
  tail.after = until;
  const first = tail.rows.findIndex(({ time }) => time > until);
  tail.rows.splice(0, first < 0 ? tail.rows.length : first);
}

/** True where memory has every row from that time on. */
export const covers = (tail: Tail, from: number): boolean => from > tail.after;

/** Visits rows of [from, to) in increasing time; of one time the newest as of the watermark. */
export function visitTail(
  tail: Tail,
  window: { from: number; to: number; watermark: number },
  visit: (time: number, value: number, censored: boolean) => void,
): void {
  let held: TailRow | null = null;
  for (const row of tail.rows) {
    if (row.time < window.from || row.time >= window.to || row.seq > window.watermark) continue;
    if (held !== null && held.time !== row.time) visit(held.time, held.value, held.censored);
    held = row;
  }
  if (held !== null) visit(held.time, held.value, held.censored);
}
