import { HeadroomError, type ErrorKind } from '../domain/errors.js';
import { parseTime } from '../domain/time.js';

/* One cell of a CSV file: a time, an amount, a yes or no. What is wrong with it is said with its row and column. */

export const TIMESTAMP = 'timestamp';
/** Epoch seconds from here on are years after 5000: the file counts milliseconds. */
const MILLISECONDS_FROM = 1e11;
/** Beyond this a value is no demand but a mistake. */
const LARGEST = 1e30;

export function csvError(
  path: string,
  action: string,
  problem: string,
  remedy: string,
  kind: ErrorKind = 'invalid-input',
  cause?: unknown,
): HeadroomError {
  return new HeadroomError({
    kind,
    component: 'telemetry/csv',
    action: `${action} ${path}`,
    problem,
    remedy,
    ...(cause === undefined ? {} : { cause }),
  });
}

const DATE_WITHOUT_ZONE = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?$/;

/** Whether a time names a day and an hour and no zone: read as UTC, and perhaps not meant so. */
export const isWithoutZone = (text: string): boolean => DATE_WITHOUT_ZONE.test(text);

/** Times of a CSV file are UTC, so that one without a zone is not ambiguous here as it is elsewhere. */
export function readTime(path: string, text: string, line: number): number {
  const where = `row ${line}, column "${TIMESTAMP}"`;
  let time: number;
  try {
    time = parseTime(isWithoutZone(text) ? `${text}Z` : text);
  } catch (cause) {
    const problem = text === '' ? `${where}: the time is empty` : `${where}: "${text}" is not a time`;
    throw csvError(path, 'reading', problem, 'write epoch seconds or ISO-8601 UTC', 'invalid-input', cause);
  }
  if (Math.abs(time) >= MILLISECONDS_FROM) {
    throw csvError(path, 'reading', `${where}: ${text} looks like milliseconds`, 'write epoch seconds');
  }
  if (time < 0) {
    const problem = `${where}: the time ${text} is before 1970`;
    throw csvError(path, 'reading', problem, 'write epoch seconds or ISO-8601, as 2026-05-01T12:00:00Z');
  }
  return time;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const WITH_COMMAS = /^[+-]?\d[\d.]*(,\d+)+$/;

/** Whether a cell is written as a decimal number. */
export const isNumber = (text: string): boolean => NUMBER.test(text);

const LEAVE_EMPTY = 'leave the cell empty where the value is missing';

/** NaN for an empty cell. Usage, and every metric that Headroom knows, is finite and not negative. */
export function readAmount(path: string, text: string, line: number, column: string): number {
  if (text === '') return Number.NaN;
  const where = `row ${line}, column "${column}"`;
  if (!NUMBER.test(text)) {
    const infinite = /^[+-]?inf(inity)?$/i.test(text);
    throw csvError(
      path,
      'reading',
      infinite ? `${where}: ${text} is infinite` : `${where}: "${text}" is not a number`,
      WITH_COMMAS.test(text)
        ? 'write a decimal number with a point and without separators of thousands, as 1234.5'
        : `write a decimal number, and ${LEAVE_EMPTY}`,
    );
  }
  const value = Number(text);
  if (!Number.isFinite(value)) throw csvError(path, 'reading', `${where}: ${text} is infinite`, LEAVE_EMPTY);
  if (value < 0) throw csvError(path, 'reading', `${where}: ${text} is negative, and usage cannot be`, LEAVE_EMPTY);
  if (value > LARGEST) {
    throw csvError(path, 'reading', `${where}: ${text} is more than anything can use`, `mend it, or ${LEAVE_EMPTY}`);
  }
  return value;
}

const YES = /^(true|yes|y|t)$/i;
const NO = /^(false|no|n|f)$/i;

/** 1 for a yes, 0 for a no, NaN for an empty cell; a number is a yes above zero, as a share of throttled periods is. */
export function readFlag(path: string, text: string, line: number, column: string): number {
  if (text === '') return Number.NaN;
  if (YES.test(text)) return 1;
  if (NO.test(text)) return 0;
  if (NUMBER.test(text)) return Number(text) > 0 ? 1 : 0;
  const problem = `row ${line}, column "${column}": "${text}" says neither yes nor no`;
  throw csvError(
    path,
    'reading',
    problem,
    'write true or false, or a number that is above 0 where usage was throttled',
  );
}
