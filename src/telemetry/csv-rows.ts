import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { parse } from 'csv-parse';
import { HeadroomError } from '../domain/errors.js';
import { isoTime } from '../domain/time.js';
import { csvError, isNumber, isWithoutZone, readAmount, readFlag, readTime, TIMESTAMP } from './csv-cells.js';
import { checkFarRows } from './csv-far.js';

/*
 * A CSV file as columns of numbers: streamed through the parser row by row, kept as packed arrays (8 bytes a cell), so
 * that a file of a million rows costs tens of megabytes and not gigabytes.
 */

/** Columns of one file, rows in increasing time. */
export interface CsvColumns {
  path: string;
  /** Epoch seconds, strictly increasing. */
  times: Float64Array;
  /** The line of the file that each time came from; the header is line 1. */
  lines: Float64Array;
  /** By column name, in the file's order. NaN is an empty cell: missing, never zero. */
  columns: Map<string, Float64Array>;
  /** What a person should know and no error: as rows that were out of order and have been sorted. */
  notes: string[];
}

/** Numbers in a buffer that doubles when it is full. */
class Growing {
  private buffer = new Float64Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.buffer.length) {
      const larger = new Float64Array(this.buffer.length * 2);
      larger.set(this.buffer);
      this.buffer = larger;
    }
    this.buffer[this.length++] = value;
  }

  /** The numbers, in the order given, or as they stand. */
  take(order?: Uint32Array): Float64Array {
    const filled = this.buffer.subarray(0, this.length);
    return order === undefined ? filled.slice() : Float64Array.from(order, (index) => filled[index] ?? Number.NaN);
  }
}

function headerOf(path: string, record: readonly string[], wanted: readonly string[] | undefined): void {
  const twice = record.find((name, index) => record.indexOf(name) !== index);
  if (twice !== undefined) throw csvError(path, 'reading', `column "${twice}" is named twice`, 'name each column once');
  for (const name of [TIMESTAMP, ...(wanted ?? [])]) {
    if (!record.includes(name)) {
      const others = record.filter((other) => other !== TIMESTAMP).join(', ');
      throw csvError(
        path,
        'reading',
        `there is no column "${name}"`,
        name === TIMESTAMP
          ? `begin the file with a header that names ${TIMESTAMP}; its first row is: ${record.join(',').slice(0, 120)}`
          : `choose one of: ${others === '' ? '(none)' : others}`,
        name === TIMESTAMP ? 'invalid-input' : 'not-found',
      );
    }
  }
}

/** Translates what the file system and the parser throw. */
function readError(path: string, cause: unknown): unknown {
  if (!(cause instanceof Error) || cause instanceof HeadroomError) return cause;
  const code = 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') {
    return csvError(path, 'opening', 'there is no such file', 'check the path', 'not-found', cause);
  }
  if (typeof code === 'string' && code.startsWith('CSV_')) {
    return csvError(
      path,
      'reading',
      cause.message,
      'mend that row: each has as many cells as the header',
      undefined,
      cause,
    );
  }
  if (typeof code === 'string') {
    return csvError(path, 'opening', cause.message, 'check the path and its permissions', 'unavailable', cause);
  }
  return cause;
}

/** What may stand between cells, where no comma does. */
const SEPARATORS = [';', '\t', '|'] as const;

/** What separates the cells: a comma, or what the header has in its place, as a spreadsheet of some countries writes. */
async function separatorOf(path: string): Promise<string> {
  const file = await open(path).catch((cause: unknown) => {
    throw readError(path, cause);
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0);
    const header =
      buffer
        .subarray(0, bytesRead)
        .toString('utf8')
        .split(/[\r\n]/, 1)[0] ?? '';
    const names = (separator: string): string[] =>
      header.split(separator).map((name) => name.replace(/^\uFEFF/, '').replace(/^\s*"?|"?\s*$/g, ''));
    if (names(',').includes(TIMESTAMP)) return ',';
    return SEPARATORS.find((separator) => names(separator).includes(TIMESTAMP)) ?? ',';
  } catch (cause) {
    throw readError(path, cause);
  } finally {
    await file.close();
  }
}

/**
 * Reads columns of numbers. Rows may come in any order; they are sorted, and a time that stands there twice is an error
 * that names both rows.
 * @param options.columns columns to read. Without it, every column whose first filled cell is a number: others (names,
 * labels) are ignored.
 * @param options.flags columns that say yes or no, besides: 1 and 0.
 * @throws HeadroomError `not-found`: no such file or column; `invalid-input`: a cell, named by row and column, or a row
 * that stands years away from the others.
 */
export async function readCsvColumns(
  path: string,
  options: { columns?: readonly string[]; flags?: readonly string[] } = {},
): Promise<CsvColumns> {
  const { flags = [] } = options;
  const wanted = options.columns === undefined ? undefined : [...options.columns, ...flags];
  const times = new Growing();
  const lines = new Growing();
  const columns = new Map<string, Growing>();
  /** Position of each column that is read; positions not decided on yet stand in `open`. */
  let read: { name: string; at: number; cells: Growing; readCell: typeof readAmount }[] = [];
  const open = new Map<string, number>();
  let timeAt = -1;
  let sorted = true;
  let previous = Number.NEGATIVE_INFINITY;
  // The first row of each kind; 0 where there is none.
  let withoutZone = 0;
  let withZone = 0;

  const take = (name: string, at: number): void => {
    const cells = new Growing();
    for (let row = 0; row < times.length; row++) cells.push(Number.NaN);
    columns.set(name, cells);
    read = [...read, { name, at, cells, readCell: flags.includes(name) ? readFlag : readAmount }];
  };

  const onRow = (record: readonly string[], line: number): void => {
    if (timeAt < 0) {
      headerOf(path, record, wanted);
      timeAt = record.indexOf(TIMESTAMP);
      record.forEach((name, at) => {
        if (at === timeAt) return;
        if (wanted === undefined) open.set(name, at);
        else if (wanted.includes(name)) take(name, at);
      });
      return;
    }
    for (const [name, at] of open) {
      const text = record[at] ?? '';
      if (text === '') continue;
      open.delete(name);
      if (isNumber(text)) take(name, at);
    }
    const written = record[timeAt] ?? '';
    const time = readTime(path, written, line);
    if (isWithoutZone(written)) withoutZone ||= line;
    else withZone ||= line;
    if (time < previous) sorted = false;
    previous = time;
    for (const { name, at, cells, readCell } of read) cells.push(readCell(path, record[at] ?? '', line, name));
    times.push(time);
    lines.push(line);
  };

  const parser = parse({
    bom: true,
    delimiter: await separatorOf(path),
    trim: true,
    skip_empty_lines: true,
    // Rows are taken in here, where the parser still knows the line; nothing is passed on.
    on_record: (record: string[], context) => {
      onRow(record, context.lines);
      return null;
    },
  });
  try {
    await pipeline(createReadStream(path), parser, async (source: AsyncIterable<unknown>) => {
      for await (const nothing of source) void nothing;
    });
  } catch (cause) {
    throw readError(path, cause);
  }
  if (timeAt < 0)
    throw csvError(path, 'reading', 'the file is empty', `begin it with a header that names ${TIMESTAMP}`);
  if (times.length === 0) throw csvError(path, 'reading', 'there is no row below the header', 'give it some history');
  const file = ordered(path, times, lines, columns, sorted, withoutZone > 0);
  if (withoutZone > 0 && withZone > 0) {
    const beside = `beside others that name one, as in row ${withZone}`;
    file.notes.push(`${path}: times without a zone, as in row ${withoutZone}, are read as UTC, ${beside}`);
  }
  file.notes.push(...checkFarRows(path, file.times, file.lines));
  return file;
}

function ordered(
  path: string,
  times: Growing,
  lines: Growing,
  columns: ReadonlyMap<string, Growing>,
  sorted: boolean,
  isLocal: boolean,
): CsvColumns {
  let order: Uint32Array | undefined;
  const notes: string[] = [];
  if (!sorted) {
    const raw = times.take();
    order = Uint32Array.from(raw, (_, index) => index).sort((a, b) => (raw[a] ?? 0) - (raw[b] ?? 0) || a - b);
    const backwards = raw.findIndex((time, index) => index > 0 && time < (raw[index - 1] ?? 0));
    const line = lines.take()[backwards] ?? 0;
    notes.push(`${path}: time goes backwards at row ${line}; the rows were sorted by time`);
  }
  const time = times.take(order);
  const line = lines.take(order);
  for (let index = 1; index < time.length; index++) {
    if (time[index] === time[index - 1]) {
      throw csvError(
        path,
        'reading',
        `rows ${line[index - 1]} and ${line[index]} have the same time, ${isoTime(time[index] ?? 0)}`,
        isLocal
          ? 'give every time once; times without a zone are read as UTC, so that an hour of local time comes twice in autumn'
          : 'give every time once',
      );
    }
  }
  const packed = new Map<string, Float64Array>();
  for (const [name, cells] of columns) packed.set(name, cells.take(order));
  return { path, times: time, lines: line, columns: packed, notes };
}
