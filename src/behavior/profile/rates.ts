import { gammaQuantile } from '../distributions.js';

/*
 * How often each operation is done, by hour of the local week: Gamma-Poisson with three levels, each the prior of the
 * next: what others do (prior.ts) → the same hour on all weekdays, or on both days of the weekend → the hour of the week.
 * Each level hands down its mean and its variance (moment matching), so that an hour which nobody has seen is as wide as
 * what it borrows from. Counts are burstier than Poisson's: evidence is divided by the dispersion (quasi-likelihood).
 */

export const HOURS_OF_WEEK = 168;
export const DAY_HOURS = 48;

/** 0 to 23 on weekdays, 24 to 47 at the weekend; the local week begins on Monday. */
export const dayHour = (hour: number): number => (hour % 24) + (hour >= 120 ? 24 : 0);

/** Hours of the week that share a day hour: five, or two. */
export const SAME_DAY_HOUR: readonly (readonly number[])[] = Array.from({ length: DAY_HOURS }, (_, cell) =>
  Array.from({ length: HOURS_OF_WEEK }, (_none, hour) => hour).filter((hour) => dayHour(hour) === cell),
);

/** Weighted counts of one operation by hour of the week. */
export interface OperationCounts {
  events: Float64Array;
  total: number;
  /** Work said of it: the sum of count × complexity, over so many operations. */
  work: number;
  workOf: number;
  /** Σ (count − expected)² / expected and Σ 1 over closed hours: what its dispersion is read from. */
  excess: number;
  hours: number;
}

/** Weighted counts of an account, or of one group of persons in it. */
export interface RateTable {
  operations: Map<string, OperationCounts>;
  /** All operations, those included whose name was merged away. */
  all: OperationCounts;
  readonly most: number;
}

export const newCounts = (): OperationCounts => ({
  ...{ events: new Float64Array(HOURS_OF_WEEK), total: 0, work: 0, workOf: 0, excess: 0, hours: 0 },
});

export const newRateTable = (most: number): RateTable => ({ operations: new Map(), all: newCounts(), most });

/** The counts of a name; where the table is full the smallest gives way, and lives on in `all` alone. */
export function countsOf(table: RateTable, name: string): OperationCounts {
  const known = table.operations.get(name);
  if (known !== undefined) return known;
  if (table.operations.size >= table.most) {
    let smallest: string | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const [key, { total }] of table.operations) {
      if (total < least) [smallest, least] = [key, total];
    }
    if (smallest !== null) table.operations.delete(smallest);
  }
  const made = newCounts();
  table.operations.set(name, made);
  return made;
}

export function addCount(counts: OperationCounts, hour: number, weighted: number): void {
  counts.events[hour] = (counts.events[hour] ?? 0) + weighted;
  counts.total += weighted;
}

/** What is believed before an account's own counts are looked at. */
export interface RatePrior {
  /** Events an hour of all operations, averaged over the week; null where there is nobody to learn from. */
  level: number | null;
  /** Share of the operation in all events; null where nobody is known to do it. */
  share(operation: string): number | null;
  /** Relative to its own mean over the week, by day hour; null where nobody is known to do it. */
  shape(operation: string | null): Float64Array | null;
}

/** Counts, and the weighted hours in which they could have come, by hour of the week. */
export interface RateContext {
  table: RateTable;
  exposure: Float64Array;
  exposed: number;
  /** Weight of an hour that ends now: what turns weighted sums into hours. */
  weight: number;
  prior: RatePrior;
}

/** A Gamma over events an hour. */
export interface Rate {
  shape: number;
  rate: number;
  /** Variance of a count over its mean, 1 or more. */
  dispersion: number;
}

/** A day of somebody else's account is worth so many hours of one's own. */
const BORROWED_HOURS = 6;
/** Relative variance of one hour of the week around the mean of its day hour. */
const BETWEEN_DAYS = 0.08;
/** An operation that nobody has done yet may be half an event in all that was seen. */
const UNSEEN = 0.5;

/** Variance over mean of an operation's counts an hour; shrunk to that of all operations, and never below Poisson's. */
export function dispersionOf(counts: OperationCounts, all: OperationCounts): number {
  const overall = all.hours > 0 ? (all.excess + 24) / (all.hours + 24) : 1;
  return Math.max(1, (counts.excess + 24 * overall) / (counts.hours + 24));
}

/**
 * Events an hour in one hour of the local week.
 * @param operation null: all of them together.
 */
export function rateAt(context: RateContext, operation: string | null, hour: number): Rate {
  const { table, exposure, weight } = context;
  const own = operation === null ? table.all : table.operations.get(operation);
  const counts = own ?? NOTHING;
  const dispersion = dispersionOf(counts, table.all);
  const cell = dayHour(hour);

  const mean = meanOverWeek(context, operation, counts) * shapeOf(context, operation, cell);
  const base = Math.max(mean, 1e-9);
  let cellEvents = 0;
  let cellHours = 0;
  for (const same of SAME_DAY_HOUR[cell] ?? []) {
    cellEvents += counts.events[same] ?? 0;
    cellHours += exposure[same] ?? 0;
  }
  // An exponential around what is borrowed, updated by the day hour.
  const cellShape = 1 + cellEvents / weight / dispersion;
  const cellRate = 1 / base + cellHours / weight / dispersion;
  const cellMean = cellShape / cellRate;
  const variance = cellShape / cellRate ** 2 + cellMean ** 2 * BETWEEN_DAYS;
  return {
    shape: cellMean ** 2 / variance + (counts.events[hour] ?? 0) / weight / dispersion,
    rate: cellMean / variance + (exposure[hour] ?? 0) / weight / dispersion,
    dispersion,
  };
}

const NOTHING = newCounts();

function meanOverWeek(context: RateContext, operation: string | null, counts: OperationCounts): number {
  const { table, exposed, weight, prior } = context;
  const hours = exposed / weight;
  const level =
    ((prior.level ?? 0) * BORROWED_HOURS + table.all.total / weight) /
    Math.max(1e-9, hours + (prior.level === null ? 0 : BORROWED_HOURS));
  if (operation === null) return level;
  // What nobody else is known to do is done here as often as it was so far.
  const share = prior.share(operation) ?? (counts.total / weight + UNSEEN) / (table.all.total / weight + 2 * UNSEEN);
  return (counts.total / weight + BORROWED_HOURS * level * share) / (hours + BORROWED_HOURS);
}

/** Relative to the mean over the week: of others who do it, else of all that this account does. */
function shapeOf(context: RateContext, operation: string | null, cell: number): number {
  const borrowed = context.prior.shape(operation) ?? context.prior.shape(null);
  const { table, exposure, exposed, weight } = context;
  let events = 0;
  let hours = 0;
  for (const same of SAME_DAY_HOUR[cell] ?? []) {
    events += table.all.events[same] ?? 0;
    hours += exposure[same] ?? 0;
  }
  const level = exposed > 0 ? table.all.total / exposed : 0;
  const prior = borrowed?.[cell] ?? 1;
  if (level === 0) return prior;
  const pseudo = BORROWED_HOURS / 6;
  return (events / level / weight + pseudo * prior) / (hours / weight + pseudo);
}

/** Mean, and the interval that holds the rate with the given probability. */
export function credible(rate: Rate, probability: number): { mean: number; low: number; high: number } {
  const tail = (1 - probability) / 2;
  return {
    mean: rate.shape / rate.rate,
    low: gammaQuantile(tail, rate.shape, rate.rate),
    high: gammaQuantile(1 - tail, rate.shape, rate.rate),
  };
}

/** The interval that holds the count of one hour with the given probability: a Gamma of the same mean and variance. */
export function predictive(rate: Rate, probability: number): { low: number; high: number } {
  const mean = rate.shape / rate.rate;
  const variance = rate.dispersion * mean + rate.shape / rate.rate ** 2;
  const tail = (1 - probability) / 2;
  const shape = mean ** 2 / variance;
  // Counts are whole: the middle of the step is what the Gamma stands for.
  const at = (p: number): number => Math.max(0, Math.round(gammaQuantile(p, shape, mean / variance)));
  return { low: at(tail), high: at(1 - tail) };
}
