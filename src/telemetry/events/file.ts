import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { parse } from 'csv-parse';
import type { EventInput } from '../../behavior/events.js';
import type { Accepted, Mark } from './door.js';
import { eventsError } from './errors.js';
import { CHAIN_START, marksOf } from './file-marks.js';
import { linesError, MOST_LINE_CHARACTERS, readLine, type EventRules, type LineProblem } from './lines.js';

/** Lines taken in together: one flush to disk. */
const AT_ONCE = 5000;
/** Characters that a batch may have: less than what the service takes in one body. */
const MOST_CHARACTERS = 2 * 1024 * 1024;
const MOST_PROBLEMS = 1000;

export interface FileBatch {
  /** Each an event, as JSON; the account filled in. */
  lines: string[];
  events: EventInput[];
  marks: Mark[];
  /** The chain before the first line. */
  chain: string;
}

export interface FileImport {
  events: number;
  accepted: number;
  repeated: number;
}

interface Line {
  number: number;
  text: string;
}

async function isPacked(path: string): Promise<boolean> {
  const file = await open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
    const kind = cause.code === 'ENOENT' ? 'not-found' : 'unavailable';
    throw eventsError(kind, `reading ${path}`, 'the file cannot be opened', 'check its path', cause);
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await file.close();
  }
}

/** Text of a file, unpacked where it is gzip, piece by piece. */
async function* textOf(path: string): AsyncGenerator<string> {
  const packed = await isPacked(path);
  const bytes = createReadStream(path);
  const gunzip = createGunzip();
  // A pipe does not pass errors on.
  bytes.on('error', (error) => gunzip.destroy(error));
  const decoder = new TextDecoder();
  try {
    for await (const piece of packed ? bytes.pipe(gunzip) : bytes) {
      if (piece instanceof Uint8Array) yield decoder.decode(piece, { stream: true });
    }
    yield decoder.decode();
  } catch (cause) {
    const remedy = packed ? 'see that the gzip file is whole' : 'see that the file can be read';
    throw eventsError('unavailable', `reading ${path}`, 'it ended in the middle', remedy, cause);
  } finally {
    bytes.destroy();
    gunzip.destroy();
  }
}

async function* linesOf(path: string): AsyncGenerator<Line> {
  let number = 0;
  let rest = '';
  for await (const piece of textOf(path)) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    for (const text of lines) yield { number: ++number, text };
    // One line without an end must not fill the memory; it is told as too long.
    if (rest.length > 2 * MOST_LINE_CHARACTERS) rest = rest.slice(0, MOST_LINE_CHARACTERS + 1);
  }
  if (rest.trim() !== '') yield { number: ++number, text: rest };
}

const NUMBERS: readonly string[] = ['count', 'complexity', 'sessions', 'inputRate'];

/** A row of CSV as the line of JSON that says the same. Empty cells are absent. */
function jsonOf(record: Record<string, string>): string {
  const fields: Record<string, string | number | boolean> = {};
  for (const [name, cell] of Object.entries(record)) {
    if (cell === '') continue;
    if (NUMBERS.includes(name)) fields[name] = Number.isNaN(Number(cell)) ? cell : Number(cell);
    else if (name === 'system' && (cell === 'true' || cell === 'false')) fields[name] = cell === 'true';
    else fields[name] = cell;
  }
  return JSON.stringify(fields);
}

async function* csvLinesOf(path: string): AsyncGenerator<Line> {
  const parser = parse({ columns: true, bom: true, skip_empty_lines: true, max_record_size: MOST_LINE_CHARACTERS });
  const feeding = (async () => {
    for await (const piece of textOf(path)) {
      if (!parser.write(piece)) await new Promise<void>((resolve) => parser.once('drain', () => resolve()));
    }
    parser.end();
  })();
  feeding.catch((error: unknown) => parser.destroy(error instanceof Error ? error : new Error('cut off')));
  try {
    let number = 1;
    for await (const record of parser) {
      const cells: Record<string, string> = {};
      for (const [name, cell] of Object.entries(Object(record))) cells[name] = String(cell);
      yield { number: ++number, text: jsonOf(cells) };
    }
    await feeding;
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'HeadroomError') throw cause;
    const line = cause instanceof Error && 'lines' in cause ? ` near line ${String(cause.lines)}` : '';
    throw eventsError('invalid-input', `reading ${path}`, `it is not CSV${line}`, 'mend it and import it again');
  } finally {
    parser.destroy();
  }
}

/** The line as it says all by itself: with the account that it does not name. */
function whole(text: string, account: string | undefined): string {
  if (account === undefined) return text;
  const fields: object = Object(JSON.parse(text));
  return 'account' in fields ? text : JSON.stringify({ account, ...fields });
}

/**
 * Imports a file of JSON lines or CSV (by its name, `.csv` or `.csv.gz`), plain or gzip. It is read twice: first all of
 * it is checked, so that a wrong line is told before anything is taken; then it is taken in batches. An import that was
 * cut off, and a file that has grown, are imported again as they are: what is known counts as repeated.
 * @throws HeadroomError `invalid-input` with the lines that are wrong; nothing was taken in then.
 */
export async function importFile(options: {
  path: string;
  /** Of lines that name none. */
  account?: string;
  /** Epoch seconds. */
  now: number;
  take(batch: FileBatch): Promise<Accepted>;
  /** Makes room, or waits, where the door is full. */
  wait(retryAfter: number): Promise<void>;
  onProgress(done: number, total: number): void;
}): Promise<FileImport> {
  const { path, account, now, take, wait } = options;
  const rules: EventRules = { accounts: null, from: 0, to: now + 300, ...(account === undefined ? {} : { account }) };
  const lines = (): AsyncGenerator<Line> => (/\.csv(\.gz)?$/i.test(path) ? csvLinesOf(path) : linesOf(path));

  const problems: LineProblem[] = [];
  let wrong = 0;
  let total = 0;
  for await (const { number, text } of lines()) {
    const read = readLine(text, number, rules);
    if ('problems' in read) {
      wrong += read.problems.length;
      if (problems.length < MOST_PROBLEMS) problems.push(...read.problems);
    } else if (read.event !== null) total += 1;
  }
  if (wrong > 0) throw linesError(`importing ${path}`, problems, wrong);

  const result: FileImport = { events: 0, accepted: 0, repeated: 0 };
  let chain = CHAIN_START;
  let batch: FileBatch = { lines: [], events: [], marks: [], chain };
  let characters = 0;
  const flush = async (): Promise<void> => {
    if (batch.events.length === 0) return;
    batch.marks = marksOf(batch.chain, batch.lines);
    for (;;) {
      const taken = await take(batch);
      if (taken.kind === 'accepted') {
        result.events += batch.events.length;
        result.accepted += taken.accepted;
        result.repeated += taken.repeated;
        break;
      }
      await wait(taken.retryAfter);
    }
    chain = batch.marks.at(-1)?.name.replace(/^file /, '') ?? chain;
    batch = { lines: [], events: [], marks: [], chain };
    characters = 0;
    options.onProgress(result.events, total);
  };
  for await (const { number, text } of lines()) {
    const read = readLine(text, number, rules);
    if ('problems' in read) {
      const problem = 'it changed while it was read';
      throw eventsError('conflict', `importing ${path}`, problem, 'import it again; what was taken is not taken twice');
    }
    if (read.event === null) continue;
    batch.events.push(read.event);
    const line = whole(text, account);
    batch.lines.push(line);
    characters += line.length;
    if (batch.events.length >= AT_ONCE || characters >= MOST_CHARACTERS) await flush();
  }
  await flush();
  return result;
}
