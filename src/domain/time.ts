/** Seconds since 1970-01-01T00:00:00Z: the only clock reading that the domain knows. */
export type EpochSeconds = number;

/**
 * How simulated time runs against the wall. A workflow records it at its start and every duration passes through it,
 * so that a day can be played in minutes with the code that runs for years. `factor` 1 with equal epochs is real time.
 */
export interface TimeScale {
  /** Wall clock when the run began, in milliseconds since 1970. */
  wallEpochMs: number;
  /** Simulated clock at that moment, in seconds since 1970. */
  epoch: EpochSeconds;
  /** Simulated seconds that pass in one wall second; > 0. */
  factor: number;
}

export const REAL_TIME: TimeScale = { wallEpochMs: 0, epoch: 0, factor: 1 };

/** The simulated time at a reading of the wall clock (milliseconds). */
export const simulatedNow = (scale: TimeScale, wallMs: number): EpochSeconds =>
  scale.epoch + ((wallMs - scale.wallEpochMs) / 1000) * scale.factor;

/** Wall milliseconds that a simulated duration (seconds) takes. */
export const wallMilliseconds = (scale: TimeScale, seconds: number): number => (seconds / scale.factor) * 1000;

/** The next boundary of the cycle, plus the time that telemetry takes to arrive. */
export function nextBoundary(now: EpochSeconds, cycle: number, settle: number): EpochSeconds {
  return Math.floor((now - settle) / cycle) * cycle + cycle + settle;
}

const UNITS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/**
 * Reads `90s`, `5m`, `1h30m`, `2d`, `1w`.
 * @returns seconds
 * @throws RangeError where the text is not a duration.
 */
export function parseDuration(text: string): number {
  const trimmed = text.trim();
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/.test(trimmed)) {
    throw new RangeError(`"${text}" is not a duration; write for example 90s, 5m, 1h30m, 2d or 1w`);
  }
  let seconds = 0;
  for (const part of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g)) {
    seconds += Number(part[1]) * (UNITS[part[2] ?? ''] ?? Number.NaN);
  }
  return seconds;
}

/** Writes seconds as `1h30m`; the inverse of {@link parseDuration} for whole seconds. */
export function formatDuration(seconds: number): string {
  if (seconds === 0) return '0s';
  if (seconds < 0) return `-${formatDuration(-seconds)}`;
  if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
  let rest = Math.round(seconds);
  let text = '';
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const size = UNITS[unit] ?? 1;
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}

/** The last second that a Date can hold; beyond it lies nothing that an operator means. */
const LAST_SECOND = 8.64e12;

/**
 * ISO-8601 in UTC, to the second: finer than that nothing in the domain is. Never throws: it stands in lines that
 * workflows show, and a line must not cost a task.
 */
export const isoTime = (seconds: EpochSeconds): string =>
  Math.abs(seconds) <= LAST_SECOND
    ? new Date(Math.round(seconds) * 1000).toISOString().replace('.000Z', 'Z')
    : seconds > 0
      ? 'the end of time'
      : 'no time';

/**
 * Reads epoch seconds or ISO-8601 with a zone.
 * @throws RangeError where it is neither; a time without a zone is refused, since it would mean the machine's own.
 */
export function parseTime(text: string): EpochSeconds {
  const trimmed = text.trim();
  if (/^-?\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed);
  if (/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?\s?(Z|[+-]\d{2}:?\d{2}))?$/i.test(trimmed)) {
    const millis = Date.parse(trimmed);
    if (Number.isFinite(millis) && isDay(trimmed.slice(0, 10))) return millis / 1000;
  }
  throw new RangeError(`"${text}" is not a time; write epoch seconds or ISO-8601 with a zone, as 2026-05-01T12:00:00Z`);
}

/** `Date.parse` would take the 30th of February for the 2nd of March. */
const isDay = (text: string): boolean => new Date(`${text}T00:00:00Z`).toISOString().startsWith(text);

/** The label of the bin that holds `at`: bins are aligned to the epoch. */
export const binStart = (at: EpochSeconds, step: number): EpochSeconds => Math.floor(at / step) * step;
