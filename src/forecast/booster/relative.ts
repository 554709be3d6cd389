import { LEVEL_FEATURES, PLAIN_FEATURES, SCALE_FEATURES, type Features, type LevelFeature } from '../features.js';

/*
 * A row as one model for many series sees it: levels by how far they are from the last value, in units of how far the
 * series moves, scales as logarithms of such units. Two series that differ by a factor give the same row.
 */

const L = LEVEL_FEATURES.length;
/** Where demand ends is a level of every series. */
export const ZERO = L;
export const FIRST_SCALE = L + 1;
export const FIRST_PLAIN = FIRST_SCALE + SCALE_FEATURES.length;
export const ROW_WIDTH = FIRST_PLAIN + PLAIN_FEATURES.length;
export const ROW_NAMES: readonly string[] = [...LEVEL_FEATURES, 'zero', ...SCALE_FEATURES, ...PLAIN_FEATURES];

/** Columns that there were before tasks had one of their own; models that were trained on these ask no others. */
export const FEWEST_COLUMNS = ROW_WIDTH - 1;
/** What a model asks that looks at scheduled tasks. */
export const TASK_COLUMNS: readonly number[] = (['scheduled', 'until scheduled'] as const).map(
  (name) => FIRST_PLAIN + PLAIN_FEATURES.indexOf(name),
);

export const levelColumn = (name: LevelFeature): number => LEVEL_FEATURES.indexOf(name);
export const STEPS_AHEAD = FIRST_PLAIN + PLAIN_FEATURES.indexOf('steps ahead');

const MEAN_WEEK = levelColumn('mean week');
const STEP_DAY = SCALE_FEATURES.indexOf('step day');
const SPREAD_DAY = SCALE_FEATURES.indexOf('spread day');
const SPREAD_WEEK = SCALE_FEATURES.indexOf('spread week');
/** A day without movement counts as this share of the week's: what wakes up is not a thousand units away. */
const CALM = 0.1;
/** A series that never moved is taken to move by this share of its level. */
const STILL = 1e-3;
/** Smallest scale, in units. */
export const SMALLEST = 1e-2;

/** What makes a row's numbers a series' again: value = last + unit · number. */
export interface Frame {
  last: number;
  unit: number;
}

/**
 * Writes a row.
 * @param out ROW_WIDTH numbers from `at`.
 * @returns null where not even a last value is known.
 */
export function writeRow({ levels, scales, plain }: Features, out: Float32Array, at: number): Frame | null {
  const from = levels[0] ?? Number.NaN;
  if (Number.isNaN(from)) return null;
  const level = Math.max(Math.abs(from), Math.abs(orZero(levels[MEAN_WEEK])));
  const unit = Math.max(
    orZero(scales[STEP_DAY]),
    orZero(scales[SPREAD_DAY]),
    CALM * orZero(scales[SPREAD_WEEK]),
    STILL * level,
    1e-12,
  );
  for (let k = 0; k < L; k++) out[at + k] = ((levels[k] ?? Number.NaN) - from) / unit;
  out[at + ZERO] = -from / unit;
  for (let k = 0; k < scales.length; k++) {
    const scale = scales[k] ?? Number.NaN;
    out[at + FIRST_SCALE + k] = Number.isNaN(scale) ? Number.NaN : Math.log(Math.max(scale / unit, SMALLEST));
  }
  out.set(plain, at + FIRST_PLAIN);
  return { last: from, unit };
}

const orZero = (value: number | undefined): number => (value === undefined || Number.isNaN(value) ? 0 : value);
