import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import { coarsen } from '../../domain/series.js';
import type { EpochSeconds } from '../../domain/time.js';
import { calendarOf } from '../calendar.js';
import type { FeatureInputs } from '../feature-inputs.js';
import { createFeatureState, FEATURE_CONTEXT, type FeatureState } from '../features.js';
import { ROW_WIDTH, writeRow } from './relative.js';

/** A series to learn from: plain data, which goes to a thread as it is. */
export interface TrainingSeries {
  start: EpochSeconds;
  /** Seconds. */
  step: number;
  /** NaN is a missing bin. */
  values: Float32Array | Float64Array;
  /** 1 where the value is a lower bound: such a bin is seen, and as a target it is the least that the value was. */
  censored?: Uint8Array;
  /** IANA name. */
  timeZone: string;
  inputs?: FeatureInputs;
}

export interface Rows {
  count: number;
  /** [row][ROW_WIDTH], relative to each row's last value and unit. */
  values: Float32Array;
  targets: Float32Array;
  /** 1 where the target is a lower bound; absent where none is. */
  bounds?: Uint8Array;
}

export interface SampleOptions {
  /** About how many rows from all series together; each gives as many, as far as it can. */
  rows: number;
  /** Horizons of each origin. */
  aheads: number;
  /** Share of origins that are shown a short history alone: so it learns to forecast a young series. */
  young: number;
  seed: number;
  /** Whether bins that are lower bounds are targets too; without it they are none. */
  bounds?: boolean;
}

const DAY = 86_400;
/** Known bins before the first origin. */
const FIRST = 3;
/** A target further from the last value than this, in units, says no more than that it is far. */
const FARTHEST = 100;

/** Steps that are learnt ahead: a day, at least 24, and a week of hours. */
export const longestAhead = (step: number): number =>
  Math.max(24, Math.min(2016, Math.ceil((step >= 3600 ? 7 * DAY : DAY) / step)));

/**
 * Rows of origins drawn evenly from each series, targets drawn evenly in the logarithm of the horizon.
 * @param part of each series by its targets: bins from `from` (inclusive) to `to` (exclusive), as shares of it.
 */
export function sampleRows(
  series: readonly TrainingSeries[],
  part: { from: number; to: number },
  options: SampleOptions,
): Rows {
  const most = Math.ceil(options.rows / Math.max(1, series.length));
  const room = most * series.length + options.aheads * series.length;
  const rows: Drawn = {
    count: 0,
    values: new Float32Array(room * ROW_WIDTH),
    targets: new Float32Array(room),
    bounds: new Uint8Array(room),
  };
  series.forEach((one, index) => {
    const random = xoroshiro128plus(options.seed + 7919 * index);
    sampleSeries(one, part, most, options, random, rows);
  });
  return {
    count: rows.count,
    values: rows.values.subarray(0, rows.count * ROW_WIDTH),
    targets: rows.targets.subarray(0, rows.count),
    ...(rows.bounds.includes(1) ? { bounds: rows.bounds.subarray(0, rows.count) } : {}),
  };
}

/** Rows of both, the first ones first. */
export function joinRows(one: Rows, other: Rows): Rows {
  if (other.count === 0) return one;
  const both = <T extends Float32Array | Uint8Array>(out: T, a: T, b: T): T => {
    out.set(a);
    out.set(b, a.length);
    return out;
  };
  const boundsOf = ({ bounds, count }: Rows): Uint8Array => bounds ?? new Uint8Array(count);
  const count = one.count + other.count;
  return {
    count,
    values: both(new Float32Array(count * ROW_WIDTH), one.values, other.values),
    targets: both(new Float32Array(count), one.targets, other.targets),
    ...(one.bounds === undefined && other.bounds === undefined
      ? {}
      : { bounds: both(new Uint8Array(count), boundsOf(one), boundsOf(other)) }),
  };
}

const HOUR = 3600;
/** Hours of two weeks: of fewer nothing is learnt of a week. */
const LEAST_HOURS = 336;

/** The same series in hourly bins, by the rule of `coarsen`; none where its bins are no parts of an hour, or too few. */
export function inHours(series: TrainingSeries): TrainingSeries[] {
  const { start, step, values, censored } = series;
  if (step >= HOUR || HOUR % step !== 0 || (values.length * step) / HOUR < LEAST_HOURS) return [];
  const hours = coarsen(
    { start, step, values: Float64Array.from(values), censored: censored ?? new Uint8Array(values.length) },
    HOUR,
  );
  return [{ ...series, ...hours }];
}

type Drawn = Rows & { bounds: Uint8Array };

function sampleSeries(
  series: TrainingSeries,
  part: { from: number; to: number },
  most: number,
  options: SampleOptions,
  random: RandomGenerator,
  rows: Drawn,
): void {
  const { values, step } = series;
  const calendar = calendarOf(series.timeZone);
  const from = Math.max(FIRST + 1, Math.floor(part.from * values.length));
  const to = Math.floor(part.to * values.length);
  const longest = Math.min(longestAhead(step), to - 1 - FIRST);
  const wanted = Math.min(Math.ceil(most / options.aheads), Math.max(0, to - from));
  if (longest < 1 || wanted < 1) return;
  // Targets are drawn, and origins before them: so that no target of a part is out of it.
  const origins = new Map<number, { ahead: number; isYoung: boolean }[]>();
  for (let k = 0; k < wanted; k++) {
    const target = uniformInt(random, from, to - 1);
    const isYoung = chance(random) < options.young;
    const most = Math.min(longest, target - FIRST);
    const ahead = Math.min(most, Math.floor(Math.exp(chance(random) * Math.log(most + 1))));
    const origin = target - Math.max(1, ahead);
    const asked = origins.get(origin) ?? [];
    origins.set(origin, asked);
    for (let a = 0; a < options.aheads; a++) {
      const reach = Math.min(longest, to - 1 - origin);
      const least = Math.max(1, from - origin);
      if (reach < least) continue;
      const other = least * Math.exp(chance(random) * Math.log((reach + 1) / least));
      asked.push({ ahead: a === 0 ? Math.max(1, ahead) : Math.min(reach, Math.floor(other)), isYoung });
    }
  }
  const followed = createFeatureState({ step, calendar });
  let next = 0;
  const label = (index: number): EpochSeconds => series.start + index * step;
  for (const [origin, asked] of [...origins].sort(([a], [b]) => a - b)) {
    for (; next <= origin; next++) followed.observe(label(next), values[next] ?? Number.NaN);
    let young: FeatureState | null = null;
    for (const { ahead, isYoung } of asked) {
      const target = values[origin + ahead] ?? Number.NaN;
      const isBound = series.censored?.[origin + ahead] === 1;
      if (Number.isNaN(target) || (isBound && options.bounds !== true)) continue;
      if (isYoung && young === null) {
        young = createFeatureState({ step, calendar });
        const length = Math.floor(Math.exp(chance(random) * Math.log(FEATURE_CONTEXT / 2)));
        for (let index = Math.max(0, origin - FIRST - length); index <= origin; index++) {
          young.observe(label(index), values[index] ?? Number.NaN);
        }
      }
      const state = isYoung ? young : followed;
      if (state === null || rows.count >= rows.targets.length) continue;
      const frame = writeRow(state.describe(ahead, series.inputs), rows.values, rows.count * ROW_WIDTH);
      if (frame === null) continue;
      const relative = (target - frame.last) / frame.unit;
      rows.bounds[rows.count] = isBound ? 1 : 0;
      rows.targets[rows.count++] = Math.max(-FARTHEST, Math.min(FARTHEST, relative));
    }
  }
}

const chance = (random: RandomGenerator): number => (random.next() + 2 ** 31) / 2 ** 32;
