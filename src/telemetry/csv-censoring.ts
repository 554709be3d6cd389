import { csvError } from './csv-cells.js';
import type { CsvColumns } from './csv-rows.js';

/*
 * Which values of a column are lower bounds of demand: usage that was throttled, or that stood at its limit, would have been
 * more. Only the file's owner knows, so that it is said by name and never guessed.
 */

/** What says so; a value is a lower bound where any of them does. */
export interface CsvCensoring {
  /** A column of yes and no, or of a share that is above 0 where usage was throttled; an empty cell is a no. */
  flag?: string;
  /** A capacity limit in the column's unit, or the column that holds it by row (none where empty or 0). */
  limit?: number | string;
}

/** Usage within a hundredth of its limit stands at it: throttling holds it a hair below. */
const AT_LIMIT = 0.99;

/** The columns that have to be read for it: amounts and flags, as {@link readCsvColumns} takes them. */
export const censoringColumns = ({ flag, limit }: CsvCensoring): { columns: string[]; flags: string[] } => ({
  columns: typeof limit === 'string' ? [limit] : [],
  flags: flag === undefined ? [] : [flag],
});

/**
 * Tells of each row whether its value is a lower bound.
 * @param values the column that is judged.
 */
export function censoringOf(
  file: CsvColumns,
  values: Float64Array,
  { flag, limit }: CsvCensoring,
): (row: number) => boolean {
  const cellsOf = (name: string): Float64Array => {
    const cells = file.columns.get(name);
    if (cells !== undefined) return cells;
    const others = [...file.columns.keys()].join(', ');
    throw csvError(file.path, 'reading', `there is no column "${name}"`, `choose one of: ${others}`, 'not-found');
  };
  const flags = flag === undefined ? null : cellsOf(flag);
  const limits = typeof limit === 'string' ? cellsOf(limit) : null;
  return (row) => {
    if (flags !== null && (flags[row] ?? 0) > 0) return true;
    const most = typeof limit === 'number' ? limit : (limits?.[row] ?? 0);
    return most > 0 && (values[row] ?? Number.NaN) >= AT_LIMIT * most;
  };
}
