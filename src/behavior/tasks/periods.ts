import type { EpochSeconds } from '../../domain/time.js';
import { logGamma } from '../distributions.js';

/*
 * Schedules in a list of starts, by phase folding: under the right period starts fall on one phase; under a wrong one
 * they spread. A fold is believed where so many hits would hardly come by chance, whatever phase and period were tried.
 */

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;
export const WEEK = 604_800;

/** What cron lines can say: divisors of the hour, of the day, the day, the week. */
const CALENDAR = [
  ...[5, 6, 10, 12, 15, 20, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 4, 6, 8, 12].map((hours) => hours * HOUR),
  DAY,
  WEEK,
];

/** Runs that may have been missed, of those that were due. */
const LEAST_HIT_RATE = 0.6;
/** That starts fall so by chance, over all phases and periods that are tried. */
const MOST_CHANCE = 1e-3;

/** Half of a window as a share of its period where bins are no finer: half of the circle is then left to tell by. */
const RESOLVED = 0.25;

export interface Start {
  /** On the clock that the schedule is read on: local seconds for calendar periods. */
  at: EpochSeconds;
  duration: number;
  height: number;
}

export interface Fold {
  /** Seconds. */
  period: number;
  /** Seconds after a multiple of the period at which it starts: the median of the hits. */
  phase: number;
  /** Half of the window around the phase in which a start is a hit. */
  tolerance: number;
  /** Runs that were due in the time seen, and those that came. */
  due: number;
  hits: number;
  /** log10 of the probability that chance alone gives as many. */
  chance: number;
  /** Indices into the starts. */
  members: number[];
}

/** Spans of the clock in which starts could have been seen. */
export type Span = readonly [from: number, to: number];

/** log10 P(X ≥ hits) of a binomial; the sum is cut where it no longer counts. */
export function log10Tail(hits: number, trials: number, p: number): number {
  if (hits <= 0) return 0;
  if (p <= 0) return Number.NEGATIVE_INFINITY;
  if (p >= 1) return 0;
  const log = (k: number): number =>
    logGamma(trials + 1) - logGamma(k + 1) - logGamma(trials - k + 1) + k * Math.log(p) + (trials - k) * Math.log1p(-p);
  const first = log(hits);
  let sum = 0;
  for (let k = hits; k <= trials; k++) {
    const term = Math.exp(log(k) - first);
    sum += term;
    if (term < 1e-12 * sum && k > trials * p) break;
  }
  return Math.min(0, (first + Math.log(sum)) / Math.LN10);
}

const within = (value: number, period: number): number => ((value % period) + period) % period;

/**
 * The best schedule in the starts; null where none is believed.
 * @param step resolution of the starts, seconds.
 */
export function bestFold(starts: readonly Start[], spans: readonly Span[], step: number): Fold | null {
  if (starts.length < 3) return null;
  const seen = spans.reduce((sum, [from, to]) => sum + to - from, 0);
  const rate = starts.length / Math.max(1, seen);
  const folds: Fold[] = [];
  const consider = (period: number, least: number): void => {
    // A period has to be told from the resolution, and to have come round often enough.
    if (period < 3 * step || seen / period < least) return;
    for (const tolerance of [0.75 * step, 1.5 * step, 600, 1800]) {
      // What the resolution itself blurs is no sign of another period: an hourly schedule in bins of a quarter of an hour
      // would else be found as several of two or four hours.
      const widest = tolerance === 0.75 * step ? RESOLVED * period : 0.15 * period;
      if (tolerance < 0.75 * step || tolerance > widest) continue;
      const fold = foldAt(starts, spans, period, tolerance, rate, step);
      if (fold !== null && fold.hits >= least) folds.push(fold);
    }
  };
  for (const period of CALENDAR) consider(period, period >= WEEK ? 3 : 4);
  const calendar = choose(folds, CALENDAR.length);
  // Every ninety minutes, every five hours: only where no clock explains as much.
  folds.length = 0;
  for (const period of likelyPeriods(starts, step)) consider(period, 5);
  const free = choose(folds, 40);
  if (free === null || calendar === null) return calendar ?? free;
  return free.members.length > 1.3 * calendar.members.length ? free : calendar;
}

/** Of what is hardly chance: what explains most starts, then what misses least, then the longest period. */
function choose(folds: readonly Fold[], tried: number): Fold | null {
  let best: Fold | null = null;
  for (const fold of folds) {
    const tries = (tried * fold.period) / fold.tolerance;
    if (fold.hits / fold.due < LEAST_HIT_RATE || fold.chance + Math.log10(tries) > Math.log10(MOST_CHANCE)) continue;
    if (best === null || valueOf(fold) > valueOf(best)) best = fold;
  }
  return best;
}

/** A wider window must explain clearly more than it costs. */
const valueOf = (fold: Fold): number =>
  fold.members.length * (fold.hits / fold.due) * (1 - 0.1 * Math.log10(1 + fold.tolerance / 60));

function foldAt(
  starts: readonly Start[],
  spans: readonly Span[],
  period: number,
  tolerance: number,
  rate: number,
  step: number,
): Fold | null {
  const order = starts
    .map((start, index) => ({ phase: within(start.at, period), index }))
    .sort((one, other) => one.phase - other.phase);
  // The densest window over the circle, by two pointers; once more round, so that it may cross its end.
  let bestFirst = 0;
  let bestCount = 0;
  let last = 0;
  const at = (index: number): number =>
    (order[index % order.length]?.phase ?? 0) + (index >= order.length ? period : 0);
  for (let first = 0; first < order.length; first++) {
    while (last < first + order.length && at(last) - at(first) <= 2 * tolerance) last += 1;
    if (last - first > bestCount) [bestFirst, bestCount] = [first, last - first];
  }
  const chosen = Array.from({ length: bestCount }, (_, offset) => bestFirst + offset);
  const phase = at(chosen[bestCount >> 1] ?? bestFirst);
  const members = chosen.map((index) => order[index % order.length]?.index ?? 0).sort((a, b) => a - b);
  const cycles = new Set(members.map((index) => Math.round(((starts[index]?.at ?? 0) - phase) / period)));
  const due = dueRuns(spans, period, phase, tolerance);
  if (due < 1) return null;
  const hits = Math.min(due, cycles.size);
  const near = rateBeside(order, period, phase, tolerance) / Math.max(1, due);
  // As many as come on average are an upper bound of the chance that one comes at all, however starts are spread: those of
  // a dense series keep apart, and fill a window more often than a Poisson process would. Starts stand on the grid of
  // bins, so that a window holds those of one bin more.
  const chance = log10Tail(hits, due, Math.min(1, Math.max(rate, near) * (2 * tolerance + step)));
  return { period, phase: within(phase, period), tolerance, due, hits, chance, members };
}

/**
 * Starts beside the window, by second of the circle: what comes by chance comes in the busy hours, and a window among
 * them is hit more often than one of the night.
 */
function rateBeside(order: readonly { phase: number }[], period: number, phase: number, tolerance: number): number {
  const reach = Math.min(period / 4, 8 * tolerance);
  const outer = reach - 2 * tolerance;
  if (outer <= 0) return 0;
  let beside = 0;
  for (const { phase: one } of order) {
    const distance = Math.abs(within(one - phase + period / 2, period) - period / 2);
    if (distance > 2 * tolerance && distance <= reach) beside += 1;
  }
  return beside / (2 * outer);
}

/** Runs that would have been seen. */
export function dueRuns(spans: readonly Span[], period: number, phase: number, tolerance: number): number {
  let due = 0;
  for (const [from, to] of spans) {
    const first = Math.ceil((from + tolerance - phase) / period);
    const last = Math.floor((to - tolerance - phase) / period);
    due += Math.max(0, last - first + 1);
  }
  return due;
}

/** Periods that gaps between starts speak for, refined by their mean; the most frequent first. */
function likelyPeriods(starts: readonly Start[], step: number): number[] {
  const gaps: number[] = [];
  const recent = starts.slice(-400);
  for (let index = 0; index < recent.length; index++) {
    for (let ahead = 1; ahead <= 2; ahead++) {
      const gap = (recent[index + ahead]?.at ?? Number.NaN) - (recent[index]?.at ?? 0);
      if (gap >= 3 * step && gap <= WEEK) gaps.push(gap);
    }
  }
  gaps.sort((a, b) => a - b);
  const found: { period: number; count: number }[] = [];
  let first = 0;
  while (first < gaps.length) {
    const start = gaps[first] ?? 0;
    let last = first;
    while (last < gaps.length && (gaps[last] ?? 0) - start <= Math.max(2 * step, 0.02 * start)) last += 1;
    const cluster = gaps.slice(first, last);
    found.push({ period: cluster.reduce((sum, gap) => sum + gap, 0) / cluster.length, count: cluster.length });
    first = last;
  }
  return found
    .filter(({ count }) => count >= 4)
    .sort((one, other) => other.count - one.count)
    .slice(0, 5)
    .map(({ period }) => refine(recent, period));
}

/** The period by least squares over the numbered starts: small errors would add up over many runs. */
function refine(starts: readonly Start[], guess: number): number {
  let period = guess;
  const origin = starts[0]?.at ?? 0;
  for (let round = 0; round < 3; round++) {
    let last = origin;
    let number = 0;
    let [n, sx, sy, sxx, sxy] = [0, 0, 0, 0, 0];
    for (const { at } of starts) {
      const steps = Math.round((at - last) / period);
      if (steps === 0 && at !== origin) continue;
      if (Math.abs(at - last - steps * period) > 0.15 * period) continue;
      number += steps;
      last = at;
      n += 1;
      sx += number;
      sy += at - origin;
      sxx += number * number;
      sxy += number * (at - origin);
    }
    const slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
    if (!Number.isFinite(slope) || Math.abs(slope - period) > 0.1 * period) return period;
    period = slope;
  }
  return period;
}
