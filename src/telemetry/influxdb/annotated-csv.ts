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

/** @param visit called for each row; what it throws ends the reading. */
export function createCsvReader(visit: (row: CsvRow) => void): CsvReader {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const secondsOf = createTimeReader();
  let rest = '';
  /** The beginning of a record whose quoted cell goes on beyond the line. */
  let open = '';
  let columns = new Map<string, number>();
  let defaults: string[] = [];
  let headerNext = true;
  let cells: string[] = [];

  const text = (column: string): string => {
    const at = columns.get(column);
    if (at === undefined) return '';
    const cell = cells[at] ?? '';
    return cell === '' ? (defaults[at] ?? '') : cell;
  };
  const row: CsvRow = {
    text,
    number: (column) => {
      const cell = text(column);
      return cell === '' ? Number.NaN : Number(cell);
    },
    seconds: (column) => secondsOf(text(column)),
  };

  const record = (line: string): void => {
    if (line === '') {
      headerNext = true;
      return;
    }
    if (line.charCodeAt(0) === 35) {
      headerNext = true;
      if (line.startsWith('#default')) defaults = cellsOf(line);
      return;
    }
    cells = cellsOf(line);
    if (!headerNext) {
      visit(row);
      return;
    }
    columns = new Map(cells.map((name, index) => [name, index]));
    // The first cell holds the annotation's own name: it is no default of a column.
    defaults = defaults.map((value, index) => (index === 0 ? '' : value));
    headerNext = false;
  };

  const line = (piece: string): void => {
    const whole = open === '' ? piece : `${open}\n${piece}`;
    if (whole.includes('"') && quotesIn(whole) % 2 === 1) {
      open = whole;
      return;
    }
    open = '';
    record(whole.endsWith('\r') ? whole.slice(0, -1) : whole);
  };

  return {
    push(bytes) {
      const chunk = rest + decoder.decode(bytes, { stream: true });
      let from = 0;
      for (let end = chunk.indexOf('\n'); end >= 0; end = chunk.indexOf('\n', from)) {
        line(chunk.slice(from, end));
        from = end + 1;
      }
      rest = chunk.slice(from);
    },
    end() {
      rest += decoder.decode();
      if (rest !== '') line(rest);
      if (open !== '') throw new Error('the answer ends within a quoted cell');
      rest = '';
    },
  };
}
