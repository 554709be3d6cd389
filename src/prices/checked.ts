import { CAPACITY_TYPES } from '../domain/account.js';
import type { EgressRow, PriceRow } from '../domain/prices.js';
import { nearest } from '../domain/nearest.js';
import { isoTime, parseTime, type EpochSeconds } from '../domain/time.js';
import { priceError } from './port.js';

/** Dearer than any node: a unit or a decimal point that went wrong. */
const MOST = 1e6;

const SUBJECT = ['pool', 'provider', 'region', 'zone', 'capacityType'] as const;

/** Clocks differ by so much, in seconds; a time beyond it is no price of now, and would never grow old. */
const AHEAD = 300;

/**
 * The time that a book or a row states.
 * @throws HeadroomError `invalid-input` where it is none, or lies in the future.
 */
export function readTime(source: string, place: string, written: string, now: EpochSeconds): EpochSeconds {
  const refused = (problem: string, remedy: string, cause?: unknown): Error =>
    priceError('invalid-input', `reading ${source}, ${place}`, problem, remedy, cause);
  let at: EpochSeconds;
  try {
    at = parseTime(written);
  } catch (cause) {
    throw refused(`at ${written} is no time`, 'write ISO-8601 with a zone, or epoch seconds', cause);
  }
  if (at <= now + AHEAD) return at;
  // A thousandth of it is a time of the last decades: milliseconds.
  if (at >= 1e11 && at / 1000 <= now + AHEAD) {
    throw refused(
      `at ${written} looks like epoch milliseconds`,
      `write epoch seconds: ${at / 1000}, which is ${isoTime(at / 1000)}`,
    );
  }
  throw refused(`at ${written} lies in the future`, 'state when the price was taken, or leave at out');
}

/** A row as it was read, and where: `row 7`, `prices[3]`. */
export interface RawRow {
  place: string;
  cells: Readonly<Record<string, unknown>>;
}

/**
 * Reads one row of prices or of egress.
 * @throws HeadroomError `invalid-input` with source, place, field, value and remedy.
 */
export function readRow(source: string, row: RawRow, now: EpochSeconds): { price: PriceRow } | { egress: EgressRow } {
  const text = (field: string): string | undefined => {
    const value = row.cells[field];
    return value === undefined || value === null || value === '' ? undefined : String(value).trim();
  };
  const amount = (field: string, most: number): number | undefined => {
    const written = text(field);
    if (written === undefined) return undefined;
    const value = Number(written);
    if (Number.isFinite(value) && value >= 0 && value <= most) return value;
    const why = Number.isNaN(value) ? 'is no number' : value < 0 ? 'is negative' : `is above ${most}`;
    throw priceError(
      'invalid-input',
      `reading ${source}, ${row.place}`,
      `${field} ${written} ${why}`,
      'correct it, or leave the row out: then the file’s own price counts',
    );
  };
  const missing = (field: string): never => {
    const others = Object.keys(row.cells).filter((name) => !FIELDS.some((one) => one === name));
    const there =
      others.length === 0
        ? ''
        : `; there is ${others
            .slice(0, 3)
            .map((name) => `"${name}"`)
            .join(', ')}, which is no field of a price`;
    throw priceError(
      'invalid-input',
      `reading ${source}, ${row.place}`,
      `${field} is missing${there}`,
      'give a price per hour with what it is of, or from, to and perGiB',
    );
  };
  for (const field of Object.keys(row.cells)) {
    const known = misspelt(field);
    if (known === null) continue;
    throw priceError(
      'invalid-input',
      `reading ${source}, ${row.place}`,
      `there is no field "${field}"; did you mean "${known}"?`,
      'name it so: left out, the price would count for more pools than it is of',
    );
  }
  const from = text('from');
  const to = text('to');
  if (from !== undefined || to !== undefined) {
    const perGiB = amount('perGiB', MOST);
    return { egress: { from: from ?? missing('from'), to: to ?? missing('to'), perGiB: perGiB ?? missing('perGiB') } };
  }
  const price: PriceRow = { pricePerHour: amount('pricePerHour', MOST) ?? missing('pricePerHour') };
  for (const field of ['pool', 'provider', 'region', 'zone'] as const) {
    const value = text(field);
    if (value !== undefined) price[field] = value;
  }
  const type = text('capacityType');
  if (type !== undefined) {
    const known = CAPACITY_TYPES.find((one) => one === type);
    if (known === undefined) {
      throw priceError(
        'invalid-input',
        `reading ${source}, ${row.place}`,
        `capacityType ${type} is none of ${CAPACITY_TYPES.join(', ')}`,
        `write ${nearest(type, CAPACITY_TYPES) ?? 'one of them'}, or leave it out for all`,
      );
    }
    price.capacityType = known;
  }
  const interruptions = amount('interruptionsPerHour', 60);
  if (interruptions !== undefined) price.interruptionsPerHour = interruptions;
  const volatility = amount('volatility', 100);
  if (volatility !== undefined) price.volatility = volatility;
  const at = text('at');
  if (at !== undefined) price.at = readTime(source, row.place, at, now);
  return { price };
}

const FIELDS = [
  ...SUBJECT,
  ...['pricePerHour', 'interruptionsPerHour', 'volatility', 'at', 'from', 'to', 'perGiB'],
] as const;

/** The field that a name was meant to be; null where it is one, or is something else that a book may have too. */
function misspelt(name: string): string | null {
  if (FIELDS.some((field) => field === name)) return null;
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[-_ ]/g, '');
  const same = FIELDS.find((field) => plain(field) === plain(name));
  if (same !== undefined) return same;
  // Short names are near to many others.
  return nearest(
    name,
    FIELDS.filter((field) => field.length >= 6),
  );
}

/** What a price is of, in words: two rows of the same contradict each other. */
function subjectOf(row: { price: PriceRow } | { egress: EgressRow }): string {
  if ('egress' in row) return `from ${row.egress.from} to ${row.egress.to}`;
  const named = SUBJECT.flatMap((field) => {
    const value = row.price[field];
    return value === undefined ? [] : [`${field} ${value}`];
  });
  return named.length === 0 ? 'of no pool in particular' : named.join(', ');
}

/**
 * The rows of a whole book, in their order.
 * @param now of the wall: what states a time beyond it is refused.
 */
export function readRows(
  source: string,
  rows: readonly RawRow[],
  now: EpochSeconds,
): { prices: PriceRow[]; egress: EgressRow[] } {
  const prices: PriceRow[] = [];
  const egress: EgressRow[] = [];
  const places = new Map<string, string>();
  for (const row of rows) {
    const read = readRow(source, row, now);
    const of = subjectOf(read);
    const before = places.get(of);
    if (before !== undefined) {
      throw priceError(
        'invalid-input',
        `reading ${source}, ${row.place}`,
        `${before} has a price of the same already (${of})`,
        'leave one of the two: only one can be true now',
      );
    }
    places.set(of, row.place);
    if ('price' in read) prices.push(read.price);
    else egress.push(read.egress);
  }
  if (prices.length === 0 && egress.length === 0) {
    throw priceError('invalid-input', `reading ${source}`, 'it has no price', 'give at least one row');
  }
  return { prices, egress };
}
