import { betaQuantile } from '../distributions.js';
import { dayHour, HOURS_OF_WEEK, SAME_DAY_HOUR } from './rates.js';

/*
 * Which data sets will be read in the next hour. For each the share of hours in which it was read, by hour of the week
 * within the same hour of alike days within all hours (Beta-Bernoulli, each level the prior of the next, as strongly as
 * the past of each data set asks for); then the odds are multiplied by what "it was last read so long ago" has been worth in this account so far.
 */

export interface DataSetCounts {
  /** Weighted hours of the week in which it was read. */
  hits: Float64Array;
  total: number;
  /** Weighted hours that were over when it was first seen. */
  before: number;
  /** The hour (epoch hours) in which it was last read. */
  last: number;
  /** How well each expert has spoken of it: log-likelihoods. */
  evidence: Float64Array;
}

/** Since when a data set was read: within the last hour, two, six, a day, longer. */
const AGES = [1, 2, 6, 24, Number.POSITIVE_INFINITY] as const;

export interface DataSetTable {
  sets: Map<string, DataSetCounts>;
  /** By age: hours, those in which it was read, and those that were expected without looking at the age. */
  hours: Float64Array;
  read: Float64Array;
  expected: Float64Array;
  readonly most: number;
}

export const newDataSetTable = (most: number): DataSetTable => ({
  sets: new Map(),
  hours: new Float64Array(AGES.length),
  read: new Float64Array(AGES.length),
  expected: new Float64Array(AGES.length),
  most,
});

/** Weighted hours that could have seen a reading, by hour of the week, and their sum. */
export interface Exposure {
  hours: Float64Array;
  total: number;
  weight: number;
}

const ageOf = (epochHour: number, last: number): number =>
  Math.max(
    0,
    AGES.findIndex((age) => epochHour - last <= age),
  );

/**
 * What the day hour's and the week hour's priors are worth, in hours: how much the hour says of a data set is for its own
 * past to decide (Bayesian model averaging, with the evidence of past hours slowly forgotten).
 */
const EXPERTS: readonly (readonly [number, number])[] = [
  [2, 2],
  [2, 20],
  [20, 20],
  [500, 500],
];
export const newEvidence = (): Float64Array => new Float64Array(EXPERTS.length);
/** Evidence of a week ago counts some 0.85 of today's. */
const REMEMBERED = 0.999;

/** What each expert says of "it is read in this hour", without its age, and how many hours it rests on. */
function opinions(counts: DataSetCounts, hour: number, exposure: Exposure): { p: number; hours: number }[] {
  const { weight } = exposure;
  const lived = Math.max(0, exposure.total - counts.before) / weight;
  const part = exposure.total > 0 ? (lived * weight) / exposure.total : 1;
  // Jeffreys' prior would say a half of a data set that was read once: rarely read is the common case.
  const overall = Math.min(1, (counts.total / weight + 0.1) / (lived + 1));
  const cell = dayHour(hour);
  let cellHits = 0;
  let cellHours = 0;
  for (const same of SAME_DAY_HOUR[cell] ?? []) {
    cellHits += (counts.hits[same] ?? 0) / weight;
    cellHours += (exposure.hours[same] ?? 0) / weight;
  }
  const hits = (counts.hits[hour] ?? 0) / weight;
  const hours = Math.max(hits, ((exposure.hours[hour] ?? 0) / weight) * part);
  const dayHours = Math.max(cellHits, cellHours * part);
  return EXPERTS.map(([ofDay, ofWeek]) => {
    const p = (hits + ofWeek * ((cellHits + ofDay * overall) / (dayHours + ofDay))) / (hours + ofWeek);
    return { p: Math.min(1 - 1e-4, Math.max(1e-6, p)), hours: hours + Math.min(ofWeek, dayHours + ofDay, lived + 1) };
  });
}

function weightsOf(evidence: Float64Array): number[] {
  const best = Math.max(...evidence);
  const weights = [...evidence].map((one) => Math.exp(one - best));
  const sum = weights.reduce((total, one) => total + one, 0);
  return weights.map((one) => one / sum);
}

/** Pseudo-counts of the Beta over "it is read in this hour", without its age. */
function betaOf(counts: DataSetCounts, said: readonly { p: number; hours: number }[]): { a: number; b: number } {
  let p = 0;
  let hours = 0;
  weightsOf(counts.evidence).forEach((weight, index) => {
    p += weight * (said[index]?.p ?? 0);
    hours += weight * (said[index]?.hours ?? 0);
  });
  return { a: p * hours, b: (1 - p) * hours };
}

/** What the odds are multiplied by at an age: those that came over those that were expected; 1 while nothing is known. */
function worth(table: DataSetTable, age: number): number {
  const [hours, read, expected] = [table.hours[age] ?? 0, table.read[age] ?? 0, table.expected[age] ?? 0];
  return (read + 1) / (hours - read + 1) / ((expected + 1) / (hours - expected + 1));
}

const byOdds = (probability: number, factor: number): number => {
  if (probability >= 1) return 1;
  const odds = (probability / (1 - probability)) * factor;
  return odds / (1 + odds);
};

/**
 * An hour is over: what was read in it, each with how sure that is (1, or less where it is known by its day alone).
 * Learns first what the ages were worth, from what was believed before.
 */
export function closeHour(
  table: DataSetTable,
  epochHour: number,
  hour: number,
  read: ReadonlyMap<string, number>,
  exposure: Exposure,
): void {
  for (const [name, counts] of table.sets) {
    const age = ageOf(epochHour, counts.last);
    const said = opinions(counts, hour, exposure);
    const { a, b } = betaOf(counts, said);
    const sure = read.get(name) ?? 0;
    table.hours[age] = (table.hours[age] ?? 0) + 1;
    table.expected[age] = (table.expected[age] ?? 0) + a / (a + b);
    table.read[age] = (table.read[age] ?? 0) + sure;
    said.forEach(({ p }, index) => {
      const likelihood = sure * Math.log(p) + (1 - sure) * Math.log(1 - p);
      counts.evidence[index] = (counts.evidence[index] ?? 0) * REMEMBERED + likelihood;
    });
  }
  // Old experience with ages gives way to new, over some ten thousand readings each.
  for (let age = 0; age < AGES.length; age++) {
    if ((table.expected[age] ?? 0) < 10_000) continue;
    for (const sums of [table.hours, table.read, table.expected]) sums[age] = (sums[age] ?? 0) / 2;
  }
  for (const [name, sure] of read) {
    const counts = countsOf(table, name, exposure.total);
    counts.hits[hour] = (counts.hits[hour] ?? 0) + sure * exposure.weight;
    counts.total += sure * exposure.weight;
    if (sure >= 0.5) counts.last = epochHour;
  }
}

function countsOf(table: DataSetTable, name: string, before: number): DataSetCounts {
  const known = table.sets.get(name);
  if (known !== undefined) return known;
  if (table.sets.size >= table.most) {
    let smallest: string | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const [key, { total }] of table.sets) if (total < least) [smallest, least] = [key, total];
    if (smallest !== null) table.sets.delete(smallest);
  }
  const counts = { hits: new Float64Array(HOURS_OF_WEEK), total: 0, before };
  const made = { ...counts, last: Number.NEGATIVE_INFINITY, evidence: newEvidence() };
  table.sets.set(name, made);
  return made;
}

export interface Prefetch {
  dataSet: string;
  /** That it is read in the next hour. */
  probability: number;
  low: number;
  high: number;
  /** Hours since it was last read, 0: within this one; null where it never was. */
  age: number | null;
}

/**
 * All known data sets with the probability of being read in an hour, the likeliest first.
 * @param readNow those that are known to have been read in the hour that is still open.
 */
export function prefetchList(
  table: DataSetTable,
  epochHour: number,
  hour: number,
  readNow: ReadonlySet<string>,
  exposure: Exposure,
  probability: number,
): Prefetch[] {
  const tail = (1 - probability) / 2;
  return [...table.sets]
    .map(([dataSet, counts]): Prefetch => {
      const last = readNow.has(dataSet) ? epochHour - 1 : counts.last;
      const factor = worth(table, ageOf(epochHour, last));
      const { a, b } = betaOf(counts, opinions(counts, hour, exposure));
      return {
        dataSet,
        probability: byOdds(a / (a + b), factor),
        low: byOdds(betaQuantile(tail, a, b), factor),
        high: byOdds(betaQuantile(1 - tail, a, b), factor),
        age: Number.isFinite(last) ? Math.max(0, epochHour - last - 1) : null,
      };
    })
    .sort((one, other) => other.probability - one.probability || (one.dataSet < other.dataSet ? -1 : 1));
}
