import { formatDuration, isoTime } from '../domain/time.js';
import { csvError } from './csv-cells.js';

/*
 * Rows whose time stands far out of the file's others. One row of the year 2057 at the end of three days would be the
 * origin of every forecast, and make all that is known one long hole.
 */

const DAY = 86_400;
/** At most so many of a file's rows are astray: more of them are history after a long pause. */
const ASTRAY_SHARE = 0.01;
/** Rows that tell what belongs together. */
const LEAST_REST = 3;
/** A pause that no pause is: longer than this, and so many times as long as all the others last; or years. */
const REFUSED_FROM = 30 * DAY;
const REFUSED_SPANS = 10;
const REFUSED_ALWAYS = 3 * 366 * DAY;
/** A pause that is told: so many times the usual distance between rows. */
const TOLD_FROM = 2 * DAY;
const TOLD_INTERVALS = 100;

interface Astray {
  /** First and last of the rows that stand apart, by their place. */
  from: number;
  to: number;
  /** Seconds between them and the others. */
  gap: number;
  /** Seconds that the others last. */
  span: number;
}

/** The few rows at either end that stand furthest apart from the others; null where none do. */
function astray(times: Float64Array): Astray | null {
  const count = times.length;
  const most = Math.max(1, Math.floor(ASTRAY_SHARE * count));
  let found: Astray | null = null;
  for (let k = 1; k <= most && count - k >= LEAST_REST; k++) {
    const at = (index: number): number => times[index] ?? 0;
    const ends = [
      { from: count - k, to: count - 1, gap: at(count - k) - at(count - k - 1), span: at(count - k - 1) - at(0) },
      { from: 0, to: k - 1, gap: at(k) - at(k - 1), span: at(count - 1) - at(k) },
    ];
    for (const end of ends) if (end.gap > (found?.gap ?? 0)) found = end;
  }
  return found;
}

/**
 * @param times epoch seconds, ascending.
 * @param lines of the file, by row.
 * @returns what a person should know of rows that stand apart and may well be meant so.
 * @throws HeadroomError `invalid-input` where they cannot be.
 */
export function checkFarRows(path: string, times: Float64Array, lines: Float64Array): string[] {
  const apart = astray(times);
  if (apart === null) return [];
  const { from, to, gap, span } = apart;
  const rows = from === to ? `row ${lines[from]}` : `${to - from + 1} rows, the first of them row ${lines[from]},`;
  const where = from === 0 ? 'before' : 'after';
  const says = `${rows} (${isoTime(times[from] ?? 0)}) stands ${formatDuration(Math.round(gap))} ${where} all others`;
  if (gap > Math.max(REFUSED_FROM, REFUSED_SPANS * span) || gap > REFUSED_ALWAYS) {
    const whole = `rows ${lines[0]} to ${lines[times.length - 1]} span ${formatDuration(Math.round(span + gap))}`;
    throw csvError(path, 'reading', `${whole}: ${says}`, 'mend the time that is far off, or leave it out');
  }
  const usual = span / Math.max(1, times.length - (to - from + 1) - 1);
  if (gap <= Math.max(TOLD_FROM, TOLD_INTERVALS * usual)) return [];
  return [`${path}: ${says}; what lies between is missing. If its time is a mistake, leave it out`];
}
