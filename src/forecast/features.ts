import type { EpochSeconds } from '../domain/time.js';
import type { Calendar } from './calendar.js';
import { createOutlook, OUTLOOK_WIDTH, type FeatureInputs } from './feature-inputs.js';

/*
 * What is known of a series at an origin and of a target ahead of it, computed once for all models that learn from
 * features. A new bin costs O(1): sums and extremes are kept by block of an hour, and a window is its last blocks, so that
 * the numbers are the very same whether a state followed a series for years or was given its last bins a moment ago.
 */

const DAY = 86_400;
const HOUR = 3600;
const WEEK_BLOCKS = 168;
const DAY_BLOCKS = 24;
const SHORT = 12;
const LAGS = 4;
/** Bins of history that a state keeps: two weeks of five minutes. */
export const FEATURE_CONTEXT = 4032;

/** Levels of the origin and of the target, in the unit of the series. */
export const LEVEL_FEATURES = [
  ...['last', 'lag 1', 'lag 2', 'lag 3', 'lag 4', 'mean 3', 'mean 12', 'mean 6 h', 'mean day', 'mean week'],
  ...['max 12', 'max day', 'max week', 'min 12', 'min day', 'min week'],
  // Of the target: the same minute of the last hour and the mean of six, the same local time of the last day that is
  // known at the origin (by itself and with its neighbours), the day before that, a week's days, the day a week before.
  ...['same minute', 'same minute, mean', 'day before', 'day before, smooth', 'two days before', 'same time, mean'],
  ...['same time, max', 'same time, min', 'week before'],
  // The last value moved as the series moved between these times on the day before, and on the mean day.
  ...['moved as the day before', 'moved as the mean day'],
] as const;
/** How far the series moves, in its unit, ≥ 0. */
export const SCALE_FEATURES = [
  ...['step 12', 'step day', 'step week', 'spread day', 'spread week', 'day on day, day', 'day on day, week'],
  ...['same time, spread', 'level'],
] as const;
/** Without a unit. */
export const PLAIN_FEATURES = [
  ...['age', 'steps ahead', 'hours ahead', 'step', 'hour', 'hour sin', 'hour cos', 'weekday', 'week sin', 'week cos'],
  ...['minute', 'burstiness day', 'burstiness week', 'since high', 'since low', 'known'],
  ...['holiday', 'event', 'scheduled', 'system load', 'system load a day before'],
  // What is new stands at the end: models that were trained without it know the others by their places.
  ...['until scheduled'],
] as const;

export type LevelFeature = (typeof LEVEL_FEATURES)[number];
const levelAt = (name: LevelFeature): number => LEVEL_FEATURES.indexOf(name);
const TARGET_LEVELS = levelAt('same minute');
const AHEAD = PLAIN_FEATURES.indexOf('steps ahead');
const BURSTINESS = PLAIN_FEATURES.indexOf('burstiness day');

export interface FeatureOptions {
  /** Seconds between bins. */
  step: number;
  calendar: Calendar;
}

/** NaN wherever there is too little to say. */
export interface Features {
  /** As {@link LEVEL_FEATURES}, {@link SCALE_FEATURES}, {@link PLAIN_FEATURES} name them. */
  readonly levels: Float64Array;
  readonly scales: Float64Array;
  readonly plain: Float64Array;
}

export interface FeatureState {
  /** Takes a bin (NaN: it is missing); labels increase, and those left out are missing. */
  observe(label: EpochSeconds, value: number): void;
  /** Of the bin `ahead` steps after the last one taken. The same arrays at every call. */
  describe(ahead: number, inputs?: FeatureInputs): Features;
}

interface Window {
  mean: number;
  spread: number;
  most: number;
  least: number;
  /** Mean size of a step, and of the change against the day before. */
  step: number;
  season: number;
  known: number;
}

// What is kept of a block.
const [COUNT, SUM, SQUARES, MOST, LEAST, STEPS, STEP_SUM, SEASONS, SEASON_SUM] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const KEPT = 9;

export function createFeatureState({ step, calendar }: FeatureOptions): FeatureState {
  const perBlock = Math.max(1, Math.round(HOUR / step));
  const perDay = DAY / step;
  const dayOfBins = Math.ceil(perDay);
  // Only blocks that lie wholly in the context count, and for changes against the day before that day too: else a state
  // that was given its last bins alone would differ from one that saw all.
  const blocksKept = Math.max(1, Math.floor(FEATURE_CONTEXT / perBlock) - 1);
  const seasonBlocks = Math.max(0, Math.floor((FEATURE_CONTEXT - dayOfBins - perBlock) / perBlock) - 1);
  const ring = new Float32Array(FEATURE_CONTEXT).fill(Number.NaN);
  const blocks = new Float64Array(blocksKept * KEPT);
  const blockIds = new Float64Array(blocksKept).fill(Number.NaN);
  let newest = Number.NaN;
  let lastKnown = Number.NaN;
  let last = Number.NaN;
  let dayShift = perDay;
  let shiftOf = Number.NaN;
  let isFresh = false;
  // What lookBack() says of the origin, for targets so many days ahead.
  let hereFor = Number.NaN;
  let usualHere = Number.NaN;
  let hereBefore = Number.NaN;
  const levels = new Float64Array(LEVEL_FEATURES.length);
  const scales = new Float64Array(SCALE_FEATURES.length);
  const plain = new Float64Array(PLAIN_FEATURES.length);
  const day: Window = { mean: 0, spread: 0, most: 0, least: 0, step: 0, season: 0, known: 0 };
  const week: Window = { ...day };
  const quarter: Window = { ...day };
  const outlook = createOutlook(calendar);

  const slot = (index: number): number => ((index % FEATURE_CONTEXT) + FEATURE_CONTEXT) % FEATURE_CONTEXT;
  const at = (index: number): number =>
    index > newest || index <= newest - FEATURE_CONTEXT ? Number.NaN : (ring[slot(index)] ?? Number.NaN);
  const atTime = (label: EpochSeconds): number => at(Math.round(label / step));

  /** Where block `id` is kept, emptied if another was there. */
  const open = (id: number): number => {
    const place = ((id % blocksKept) + blocksKept) % blocksKept;
    const base = place * KEPT;
    if (blockIds[place] !== id) {
      blockIds[place] = id;
      blocks.fill(0, base, base + KEPT);
      blocks[base + MOST] = Number.NEGATIVE_INFINITY;
      blocks[base + LEAST] = Number.POSITIVE_INFINITY;
    }
    return base;
  };

  const observe = (label: EpochSeconds, raw: number): void => {
    const index = Math.round(label / step);
    const value = Math.fround(raw);
    isFresh = false;
    const skipped = Number.isNaN(newest) ? 0 : Math.min(FEATURE_CONTEXT, index - newest - 1);
    for (let k = 1; k <= skipped; k++) ring[slot(index - k)] = Number.NaN;
    newest = index;
    ring[slot(index)] = value;
    if (Number.isNaN(value)) return;
    const id = Math.floor(index / perBlock);
    const base = open(id);
    const add = (what: number, amount: number): void => {
      blocks[base + what] = (blocks[base + what] ?? 0) + amount;
    };
    add(COUNT, 1);
    add(SUM, value);
    add(SQUARES, value * value);
    blocks[base + MOST] = Math.max(blocks[base + MOST] ?? 0, value);
    blocks[base + LEAST] = Math.min(blocks[base + LEAST] ?? 0, value);
    const before = at(index - 1);
    if (!Number.isNaN(before)) {
      add(STEPS, 1);
      add(STEP_SUM, Math.abs(value - before));
    }
    if (seasonBlocks > 0) {
      if (shiftOf !== id) {
        // By block and not by bin: reading a zone's clock would cost more than all the rest.
        const start = id * perBlock * step;
        dayShift = Math.round((start - calendar.daysBefore(start, 1)) / step);
        shiftOf = id;
      }
      const yesterday = at(index - dayShift);
      if (!Number.isNaN(yesterday)) {
        add(SEASONS, 1);
        add(SEASON_SUM, Math.abs(value - yesterday));
      }
    }
    last = value;
    lastKnown = index;
  };

  /** Over the last `count` blocks, and the one that is filling. */
  const sumUp = (count: number, out: Window): void => {
    const id = Math.floor(newest / perBlock);
    let [n, sum, squares, steps, stepSum, seasons, seasonSum] = [0, 0, 0, 0, 0, 0, 0];
    let most = Number.NEGATIVE_INFINITY;
    let least = Number.POSITIVE_INFINITY;
    const reach = Math.min(count, blocksKept - 1);
    for (let k = 0; k <= reach; k++) {
      const place = (((id - k) % blocksKept) + blocksKept) % blocksKept;
      if (blockIds[place] !== id - k) continue;
      const base = place * KEPT;
      n += blocks[base + COUNT] ?? 0;
      sum += blocks[base + SUM] ?? 0;
      squares += blocks[base + SQUARES] ?? 0;
      most = Math.max(most, blocks[base + MOST] ?? 0);
      least = Math.min(least, blocks[base + LEAST] ?? 0);
      steps += blocks[base + STEPS] ?? 0;
      stepSum += blocks[base + STEP_SUM] ?? 0;
      if (k > seasonBlocks) continue;
      seasons += blocks[base + SEASONS] ?? 0;
      seasonSum += blocks[base + SEASON_SUM] ?? 0;
    }
    out.known = n / (reach * perBlock + 1 + (((newest % perBlock) + perBlock) % perBlock));
    out.mean = n > 0 ? sum / n : Number.NaN;
    out.spread = n > 1 ? Math.sqrt(Math.max(0, squares / n - out.mean * out.mean)) : Number.NaN;
    out.most = n > 0 ? most : Number.NaN;
    out.least = n > 0 ? least : Number.NaN;
    out.step = steps > 0 ? stepSum / steps : Number.NaN;
    out.season = seasons > 0 ? seasonSum / seasons : Number.NaN;
  };

  /** Hours since a bin at or above (below) a bound, in what is kept; as long as that where there is none. */
  const since = (bound: number, above: boolean): number => {
    const id = Math.floor(newest / perBlock);
    const meets = (value: number): boolean => (above ? value >= bound : value < bound);
    for (let k = 0; k < Math.min(WEEK_BLOCKS, blocksKept - 1); k++) {
      const place = (((id - k) % blocksKept) + blocksKept) % blocksKept;
      if (blockIds[place] !== id - k || !meets(blocks[place * KEPT + (above ? MOST : LEAST)] ?? Number.NaN)) continue;
      const from = (id - k) * perBlock;
      for (let index = Math.min(newest, from + perBlock - 1); index >= from; index--) {
        if (meets(at(index))) return ((newest - index) * step) / HOUR;
      }
    }
    return (Math.min(WEEK_BLOCKS, blocksKept - 1) * perBlock * step) / HOUR;
  };

  const describeOrigin = (): void => {
    isFresh = true;
    hereFor = Number.NaN;
    levels.fill(Number.NaN);
    scales.fill(Number.NaN);
    plain.fill(Number.NaN);
    sumUp(6, quarter);
    sumUp(DAY_BLOCKS, day);
    sumUp(WEEK_BLOCKS, week);
    // What lies before the context is not known, as it is not to a state that was given the context alone.
    if (!(newest - lastKnown < FEATURE_CONTEXT)) last = Number.NaN;
    levels[0] = last;
    for (let k = 1; k <= LAGS; k++) levels[k] = at(newest - k);
    let [n, sum, sumOfThree, three, steps, stepSum] = [0, 0, 0, 0, 0, 0];
    let most = Number.NEGATIVE_INFINITY;
    let least = Number.POSITIVE_INFINITY;
    for (let k = 0; k < SHORT; k++) {
      const value = at(newest - k);
      if (Number.isNaN(value)) continue;
      n++;
      sum += value;
      if (k < 3) {
        three++;
        sumOfThree += value;
      }
      most = Math.max(most, value);
      least = Math.min(least, value);
      const before = at(newest - k - 1);
      if (Number.isNaN(before)) continue;
      steps++;
      stepSum += Math.abs(value - before);
    }
    levels[levelAt('mean 3')] = three > 0 ? sumOfThree / three : Number.NaN;
    const or = (value: number): number => (n > 0 ? value : Number.NaN);
    levels.set([or(sum / n), quarter.mean, day.mean, week.mean], levelAt('mean 12'));
    levels.set([or(most), day.most, week.most, or(least), day.least, week.least], levelAt('max 12'));
    scales.set([
      ...[steps > 0 ? stepSum / steps : Number.NaN, day.step, week.step, day.spread, week.spread],
      ...[day.season, week.season, Number.NaN, Math.abs(week.mean)],
    ]);
    const middle = (week.most + week.least) / 2;
    const burstiness = ({ spread, mean }: Window): number =>
      spread + Math.abs(mean) > 0 ? (spread - mean) / (spread + Math.abs(mean)) : Number.NaN;
    plain[0] = Number.isNaN(last) ? Number.NaN : newest - lastKnown;
    plain.set(
      [burstiness(day), burstiness(week), Math.log1p(since(middle, true)), Math.log1p(since(middle, false)), day.known],
      BURSTINESS,
    );
  };

  /** The mean of a bin and its neighbours that are known. */
  const around = (label: EpochSeconds): number => {
    const index = Math.round(label / step);
    let [n, sum] = [0, 0];
    for (let k = -1; k <= 1; k++) {
      const value = at(index + k);
      if (Number.isNaN(value)) continue;
      n++;
      sum += value;
    }
    return n > 0 ? sum / n : Number.NaN;
  };

  const sameTime = { mean: 0, most: 0, least: 0, spread: 0 };
  /** The same local time of seven days, `days` before and further back. */
  const lookBack = (target: EpochSeconds, days: number): void => {
    let [n, sum, squares] = [0, 0, 0];
    sameTime.most = Number.NEGATIVE_INFINITY;
    sameTime.least = Number.POSITIVE_INFINITY;
    for (let k = 0; k < 7; k++) {
      const value = around(calendar.daysBefore(target, days + k));
      if (Number.isNaN(value)) continue;
      n++;
      sum += value;
      squares += value * value;
      sameTime.most = Math.max(sameTime.most, value);
      sameTime.least = Math.min(sameTime.least, value);
    }
    sameTime.mean = n > 0 ? sum / n : Number.NaN;
    sameTime.spread = n > 1 ? Math.sqrt(Math.max(0, squares / n - sameTime.mean ** 2)) : Number.NaN;
    if (n === 0) sameTime.most = sameTime.least = Number.NaN;
  };

  return {
    observe,
    describe(ahead, inputs) {
      if (!isFresh) describeOrigin();
      const origin = newest * step;
      const target = (newest + ahead) * step;
      const hours = Math.ceil((ahead * step) / HOUR);
      let [n, sum] = [0, 0];
      for (let k = 0; k < 6; k++) {
        const value = step < HOUR ? atTime(target - (hours + k) * HOUR) : Number.NaN;
        if (Number.isNaN(value)) continue;
        n++;
        sum += value;
      }
      let to = TARGET_LEVELS;
      levels[to++] = step < HOUR ? atTime(target - hours * HOUR) : Number.NaN;
      levels[to++] = n > 0 ? sum / n : Number.NaN;
      let days = Math.max(1, Math.ceil((ahead * step) / DAY));
      // Where the clock is put forward the same time so many days before can lie after the origin.
      if (calendar.daysBefore(target, days) > origin) days++;
      const dayBefore = around(calendar.daysBefore(target, days));
      const weeks = 7 * Math.ceil(days / 7);
      if (hereFor !== days) {
        lookBack(origin, days);
        usualHere = sameTime.mean;
        hereBefore = around(calendar.daysBefore(origin, days));
        hereFor = days;
      }
      lookBack(target, days);
      levels[to++] = atTime(calendar.daysBefore(target, days));
      levels[to++] = dayBefore;
      levels[to++] = around(calendar.daysBefore(target, days + 1));
      levels[to++] = sameTime.mean;
      levels[to++] = sameTime.most;
      levels[to++] = sameTime.least;
      levels[to++] = around(calendar.daysBefore(target, weeks));
      levels[to++] = last + dayBefore - hereBefore;
      levels[to++] = last + sameTime.mean - usualHere;
      scales[SCALE_FEATURES.length - 2] = sameTime.spread;
      const hour = calendar.secondOfDay(target) / HOUR;
      const ofWeek = calendar.secondOfWeek(target) / (7 * DAY);
      to = AHEAD;
      plain[to++] = Math.log2(ahead);
      plain[to++] = Math.log2((ahead * step) / HOUR);
      plain[to++] = Math.log2(step);
      plain[to++] = hour;
      plain[to++] = Math.sin((2 * Math.PI * hour) / 24);
      plain[to++] = Math.cos((2 * Math.PI * hour) / 24);
      plain[to++] = Math.floor(ofWeek * 7);
      plain[to++] = Math.sin(2 * Math.PI * ofWeek);
      plain[to++] = Math.cos(2 * Math.PI * ofWeek);
      plain[to++] = step < HOUR ? (target % HOUR) / 60 : Number.NaN;
      outlook(origin, target, step, inputs, week.mean, plain, PLAIN_FEATURES.length - OUTLOOK_WIDTH);
      return { levels, scales, plain };
    },
  };
}
