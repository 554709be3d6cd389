import { CAPACITY_TYPES } from '../domain/account.js';
import type { EgressRow, PriceRow } from '../domain/prices.js';
import { parseTime } from '../domain/time.js';
import { priceError } from './port.js';

/** Dearer than any node: a unit or a decimal point that went wrong. */
const MOST = 1e6;

/** A row as it was read, and where: `row 7`, `prices[3]`. */
export interface RawRow {
  place: string;
  cells: Readonly<Record<string, unknown>>;
}

/**
 * Reads one row of prices or of egress.
 * @throws HeadroomError `invalid-input` with source, place, field, value and remedy.
 */
export function readRow(source: string, row: RawRow): { price: PriceRow } | { egress: EgressRow } {
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
      'correct it, or leave the row out: then the account file’s own price counts',
    );
  };
  const missing = (field: string): never => {
    throw priceError(
      'invalid-input',
      `reading ${source}, ${row.place}`,
      `${field} is missing`,
      'give a price per hour with what it is of, or from, to and perGiB',
    );
  };
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
        `capacityType ${type} is not known`,
        `write one of ${CAPACITY_TYPES.join(', ')}`,
      );
    }
    price.capacityType = known;
  }
  const interruptions = amount('interruptionsPerHour', 60);
  if (interruptions !== undefined) price.interruptionsPerHour = interruptions;
  const volatility = amount('volatility', 100);
  if (volatility !== undefined) price.volatility = volatility;
  const at = text('at');
  if (at !== undefined) {
    try {
      price.at = parseTime(at);
    } catch (cause) {
      throw priceError(
        'invalid-input',
        `reading ${source}, ${row.place}`,
        `at ${at} is no time`,
        'write ISO-8601 with a zone, or epoch seconds',
        cause,
      );
    }
  }
  return { price };
}

/** The rows of a whole book, in their order. */
export function readRows(source: string, rows: readonly RawRow[]): { prices: PriceRow[]; egress: EgressRow[] } {
  const prices: PriceRow[] = [];
  const egress: EgressRow[] = [];
  for (const row of rows) {
    const read = readRow(source, row);
    if ('price' in read) prices.push(read.price);
    else egress.push(read.egress);
  }
  if (prices.length === 0 && egress.length === 0) {
    throw priceError('invalid-input', `reading ${source}`, 'it has no price', 'give at least one row');
  }
  return { prices, egress };
}
