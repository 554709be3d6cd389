import { parse as parseCsv } from 'csv-parse/sync';
import { parse as parseYaml } from 'yaml';
import type { PriceBook } from '../domain/prices.js';
import type { EpochSeconds } from '../domain/time.js';
import { readRows, readTime, type RawRow } from './checked.js';
import { priceError } from './port.js';

const MOST_BYTES = 8 * 2 ** 20;

/**
 * A book from text: CSV (a header, one row a price), or JSON and YAML as `{ at?, currency?, prices: […], egress?: […] }`.
 * @param taken its time where it states none: when it was read, or written.
 * @param now of the wall, where that is another: what states a time beyond it is refused.
 */
export function readBook(
  source: string,
  text: string,
  format: 'csv' | 'json' | 'yaml',
  taken: EpochSeconds,
  now: EpochSeconds = taken,
): PriceBook {
  const unreadable = (why: string, cause?: unknown): Error =>
    priceError('invalid-input', `reading ${source}`, why, 'docs/allocate.md has an example of each format', cause);
  if (Buffer.byteLength(text) > MOST_BYTES) throw unreadable('it is larger than 8 MiB');
  let stated: unknown;
  let currency: string | undefined;
  let rows: RawRow[];
  try {
    if (format === 'csv') {
      const cells: Record<string, string>[] = parseCsv(text, {
        columns: true,
        bom: true,
        trim: true,
        skip_empty_lines: true,
      });
      rows = cells.map((one, index) => ({ place: `row ${index + 2}`, cells: one }));
    } else {
      const read: unknown = format === 'json' ? JSON.parse(text) : parseYaml(text);
      if (!isRecord(read)) throw new TypeError('it is no object');
      stated = read['at'] ?? undefined;
      if (typeof read['currency'] === 'string') currency = read['currency'];
      rows = (['prices', 'egress'] as const).flatMap((list) => rowsOf(list, read[list]));
    }
  } catch (cause) {
    throw unreadable(cause instanceof Error ? cause.message : String(cause), cause);
  }
  const at = stated === undefined ? undefined : readTime(source, 'at', String(stated), now);
  const { prices, egress } = readRows(source, rows, now);
  const times = prices.flatMap((row) => (row.at === undefined ? [] : [row.at]));
  const newest = times.length === 0 ? undefined : Math.max(...times);
  return { source, at: at ?? newest ?? taken, ...(currency === undefined ? {} : { currency }), prices, egress };
}

function rowsOf(list: string, value: unknown): RawRow[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new TypeError(`${list} is no list`);
  return value.map((cells: unknown, index) => {
    if (!isRecord(cells)) throw new TypeError(`${list}[${index}] is no object`);
    return { place: `${list}[${index}]`, cells };
  });
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
