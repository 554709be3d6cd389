/*
 * InfluxDB's annotated CSV, read as it streams in. A window of a month is some 160,000 rows: they are cut out of the
 * text one by one and handed on, never collected.
 */

/** One row; valid only while it is visited. */
export interface CsvRow {
  /** A column's text; '' where the table has no such column or the cell is empty. */
  text(column: string): string;
  /** NaN where there is no number. */
  number(column: string): number;
  /** Epoch seconds of an RFC 3339 time; NaN where there is none. */
  seconds(column: string): number;
}

export interface CsvReader {
  push(bytes: Uint8Array): void;
  /** @throws Error where the answer ends within a row. */
  end(): void;
}

const DAY_MS = 86_400_000;

/** Seconds of `2026-05-01T12:00:00Z`: days are read once, since rows of one day follow each other. */
function createTimeReader(): (text: string) => number {
  let day = '';
  let midnight = Number.NaN;
  const two = (text: string, at: number): number => (text.charCodeAt(at) - 48) * 10 + text.charCodeAt(at + 1) - 48;
  return (text) => {
    if (text.length !== 20 || text.charCodeAt(19) !== 90) return Date.parse(text) / 1000;
    if (!text.startsWith(day) || day === '') {
      day = text.slice(0, 10);
      midnight = Date.parse(`${day}T00:00:00Z`) / 1000;
    }
    const seconds = two(text, 11) * 3600 + two(text, 14) * 60 + two(text, 17);
    return seconds * 1000 < DAY_MS ? midnight + seconds : Number.NaN;
  };
}

/** Cells of one record; quotes are doubled within quoted cells. */
function cellsOf(line: string): string[] {
  if (!line.includes('"')) return line.split(',');
  const cells: string[] = [];
  let at = 0;
  while (at <= line.length) {
    if (line.charCodeAt(at) !== 34) {
      const comma = line.indexOf(',', at);
      const end = comma < 0 ? line.length : comma;
      cells.push(line.slice(at, end));
      at = end + 1;
      continue;
    }
    let cell = '';
    let from = at + 1;
    for (;;) {
      const quote = line.indexOf('"', from);
      if (quote < 0) throw new Error('the answer ends within a quoted cell');
      cell += line.slice(from, quote);
      if (line.charCodeAt(quote + 1) !== 34) {
        at = quote + 2;
        break;
      }
      cell += '"';
      from = quote + 2;
    }
    cells.push(cell);
  }
  return cells;
}

/** Quotes in a text: a record is whole where they are even. */
function quotesIn(text: string): number {
  let count = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) count += 1;
  return count;
}

/**
 * @param visit called for each row; what it throws ends the reading.
 *
 * A row without quotes is not taken apart: where its commas are is noted, and only the cells that are asked for are cut
 * out. That halves the time of a large answer.
 */
export function createCsvReader(visit: (row: CsvRow) => void): CsvReader {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const secondsOf = createTimeReader();
  let rest = '';
  /** The beginning of a record whose quoted cell goes on beyond the line. */
  let open = '';
  let columns = new Map<string, number>();
  let defaults: string[] = [];
  let headerNext = true;
  /** The row that is visited: its cells, or the text that they stand in and where its commas are. */
  let cells: string[] | null = null;
  let source = '';
  const commas: number[] = [];
  let cellCount = 0;

  const cell = (at: number): string => {
    if (cells !== null) return cells[at] ?? '';
    return at < cellCount ? source.slice((commas[at] ?? 0) + 1, commas[at + 1] ?? 0) : '';
  };
  const text = (column: string): string => {
    const at = columns.get(column);
    if (at === undefined) return '';
    const found = cell(at);
    return found === '' ? (defaults[at] ?? '') : found;
  };
  const row: CsvRow = {
    text,
    number: (column) => {
      const found = text(column);
      return found === '' ? Number.NaN : Number(found);
    },
    seconds: (column) => secondsOf(text(column)),
  };

  /** One record, from `start` to `end` of a text. */
  const record = (from: string, start: number, end: number, quoted: boolean): void => {
    if (start === end) {
      headerNext = true;
      return;
    }
    if (from.charCodeAt(start) === 35) {
      headerNext = true;
      const line = from.slice(start, end);
      // The first cell holds the annotation's own name: it is no default of a column.
      if (line.startsWith('#default')) defaults = ['', ...cellsOf(line).slice(1)];
      return;
    }
    if (headerNext) {
      columns = new Map(cellsOf(from.slice(start, end)).map((name, index) => [name, index]));
      headerNext = false;
      return;
    }
    if (quoted) cells = cellsOf(from.slice(start, end));
    else {
      cells = null;
      source = from;
      commas[0] = start - 1;
      cellCount = 1;
      for (let at = from.indexOf(',', start); at >= 0 && at < end; at = from.indexOf(',', at + 1)) {
        commas[cellCount] = at;
        cellCount += 1;
      }
      commas[cellCount] = end;
    }
    visit(row);
  };

  /** A line that holds quotes, or goes on with a cell that an earlier one opened. */
  const quotedLine = (piece: string): void => {
    const whole = open === '' ? piece : `${open}\n${piece}`;
    if (quotesIn(whole) % 2 === 1) {
      open = whole;
      return;
    }
    open = '';
    record(whole, 0, whole.endsWith('\r') ? whole.length - 1 : whole.length, true);
  };

  const lines = (chunk: string): number => {
    const plain = open === '' && !chunk.includes('"');
    let from = 0;
    for (let end = chunk.indexOf('\n'); end >= 0; end = chunk.indexOf('\n', from)) {
      if (plain) record(chunk, from, chunk.charCodeAt(end - 1) === 13 ? end - 1 : end, false);
      else quotedLine(chunk.slice(from, end));
      from = end + 1;
    }
    return from;
  };

  return {
    push(bytes) {
      const chunk = rest + decoder.decode(bytes, { stream: true });
      rest = chunk.slice(lines(chunk));
    },
    end() {
      rest += decoder.decode();
      if (rest !== '') lines(`${rest}\n`);
      rest = '';
      if (open !== '') throw new Error('the answer ends within a quoted cell');
    },
  };
}
