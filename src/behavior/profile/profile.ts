import type { EpochSeconds } from '../../domain/time.js';
import type { Calendar } from '../../forecast/calendar.js';
import { calendarOf } from '../../forecast/calendar.js';
import type { BehaviorRow } from '../events.js';
import { closeHour, prefetchList, type Exposure, type Prefetch } from './data-sets.js';
import { addToHour, newHour, sharesOf, type HourSums, type OperationSum } from './hours.js';
import { NO_PRIOR, priorOf, sharedRates, type SharedRates } from './prior.js';
import {
  addCount,
  countsOf,
  credible,
  HOURS_OF_WEEK,
  newRateTable,
  predictive,
  rateAt,
  type OperationCounts,
  type RateContext,
  type RatePrior,
  type RateTable,
} from './rates.js';
import {
  MOST_GROUP_OPERATIONS,
  MOST_GROUPS,
  MOST_LABELS,
  newLearnt,
  readState,
  writeState,
  type Learnt,
  type ProfileState,
} from './state.js';
import { addTransition, nextOperations, type NextOperation } from './transitions.js';

const HOUR = 3600;
const DAY = 86_400;
/** A silence that long, where so many events were to be expected, is a door that nobody listened at, and no quiet. */
const SILENCE_HOURS = 6;
const SILENCE_EVENTS = 20;
/** Beyond it nothing is known of the time in between, however quiet the account. */
const LONGEST_SILENCE = 14 * 24;

export interface ProfileOptions {
  /** IANA name; hours of the week are the account's own. */
  timeZone: string;
  /** Seconds after which what was seen counts half. Default 28 days. */
  halfLife?: number;
}

/** What is expected of one operation in one hour. */
export interface OperationRate {
  /** Null: all operations together. */
  operation: string | null;
  /** Events an hour, with the interval that holds the rate with the probability asked for. */
  mean: number;
  low: number;
  high: number;
  /** The interval that holds the count of that hour. */
  count: { low: number; high: number };
  /** Complexity of one operation, as far as it is said; null where it is not. */
  complexity: number | null;
}

export interface Asked {
  at: EpochSeconds;
  /** Only what this group does; null: the whole account. */
  group?: string | null;
  /** Of the intervals; default 0.9. */
  probability?: number;
}

/** What other accounts lend: their profiles, from which nothing is taken but shares and shapes. */
export interface Peers {
  everybody: RatePrior;
  group(name: string): RatePrior;
  next(from: string): ReadonlyMap<string, number> | null;
}

export interface BehaviorProfile {
  readonly timeZone: string;
  /** From the first hour seen to the end of the last that is over; null before. */
  seen(): { from: EpochSeconds; to: EpochSeconds; hours: number } | null;
  /**
   * Takes rows in. An hour is learnt from when a later one begins; what comes for an hour that is over still counts, in
   * O(1); what is older than the first hour is left out. Memory is bounded, whatever comes. Rows of the future would make
   * the present late: leave them out.
   */
  add(rows: readonly BehaviorRow[]): void;
  /** Hours before this moment are over, also where nothing came in them. */
  close(at: EpochSeconds): void;
  /** All together first, then the operations, the most frequent first. */
  rates(asked: Asked): OperationRate[];
  /** Groups with their share of the events, the largest first. */
  groups(): { group: string; share: number }[];
  next(from: string, probability?: number): NextOperation[];
  /** Operations that something is known to follow. */
  origins(): string[];
  /** The data sets that will be read in the hour after `at`, the likeliest first. */
  prefetch(asked: Asked & { most?: number; atLeast?: number }): Prefetch[];
  /** Means of what came with the events; null where nobody says. */
  signals(): {
    sessions: number | null;
    inputRate: number | null;
    programs: { name: string; share: number }[];
    regions: { name: string; share: number }[];
  };
  lend(): Lent;
  state(): ProfileState;
}

/** What this profile is worth to another account. */
export interface Lent {
  everybody: SharedRates | null;
  groups: Map<string, SharedRates>;
  next: Map<string, Map<string, number>>;
}

export const NO_PEERS: Peers = { everybody: NO_PRIOR, group: () => NO_PRIOR, next: () => null };

/** Several accounts as the prior of another. */
export function peersOf(lent: readonly Lent[]): Peers {
  const everybody = priorOf(lent.flatMap((one) => (one.everybody === null ? [] : [one.everybody])));
  return {
    everybody,
    group: (name) => {
      const same = lent.flatMap((one) => one.groups.get(name) ?? []);
      return same.length === 0 ? everybody : priorOf(same);
    },
    next: (from) => {
      const rows = lent.flatMap((one) => one.next.get(from) ?? []);
      if (rows.length === 0) return null;
      const mean = new Map<string, number>();
      for (const row of rows) for (const [to, share] of row) mean.set(to, (mean.get(to) ?? 0) + share / rows.length);
      return mean;
    },
  };
}

/**
 * The profile of one account.
 * @param peers what other accounts lend, for what this one has not seen.
 * @throws HeadroomError `invalid-input`: `from` is no profile.
 */
export function createProfile(options: ProfileOptions, peers: Peers = NO_PEERS, from?: unknown): BehaviorProfile {
  const halfLife = (options.halfLife ?? 28 * DAY) / HOUR;
  const calendar = calendarOf(options.timeZone);
  const learnt: Learnt = from === undefined ? newLearnt() : readState(from).learnt;
  const open = new Map<number, HourSums>();
  /** Weight of an hour that ends now; grows, so that what was seen before counts less beside it. */
  let weight = 1;
  let exposed = learnt.exposure.reduce((sum, value) => sum + value, 0);

  const hourOfWeek = (epochHour: number): number => hourIn(calendar, epochHour);
  const exposure = (): Exposure => ({ hours: learnt.exposure, total: exposed, weight });
  const contextOf = (table: RateTable, prior: RatePrior): RateContext => ({
    ...{ table, exposure: learnt.exposure, exposed, weight, prior },
  });
  const whole = (): RateContext => contextOf(learnt.rates, peers.everybody);
  const expected = (epochHour: number): number => {
    const { shape, rate } = rateAt(whole(), null, hourOfWeek(epochHour));
    return shape / rate;
  };

  const groupTable = (name: string): RateTable => {
    const known = learnt.groups.get(name);
    if (known !== undefined) return known;
    if (learnt.groups.size >= MOST_GROUPS) {
      const least = [...learnt.groups].reduce((one, other) => (other[1].all.total < one[1].all.total ? other : one));
      learnt.groups.delete(least[0]);
    }
    const made = newRateTable(MOST_GROUP_OPERATIONS);
    learnt.groups.set(name, made);
    return made;
  };

  const addSum = (counts: OperationCounts, hour: number, sum: OperationSum, by: number): void => {
    addCount(counts, hour, sum.events * by);
    counts.work += sum.work * by;
    counts.workOf += sum.workOf * by;
  };

  /** Adds what an hour saw to the sums; order does not matter. */
  const count = (sums: HourSums, hour: number, by: number): void => {
    addSum(learnt.rates.all, hour, sums.all, by);
    for (const [name, sum] of sums.operations) addSum(countsOf(learnt.rates, name), hour, sum, by);
    for (const [group, { all, operations }] of sums.groups) {
      const table = groupTable(group);
      addSum(table.all, hour, all, by);
      for (const [name, sum] of operations) addSum(countsOf(table, name), hour, sum, by);
    }
    for (const { from: one, to, events } of sums.transitions) addTransition(learnt.transitions, one, to, events * by);
    for (const signal of ['sessions', 'inputRate'] as const) {
      learnt[signal].sum += sums[signal].sum * by;
      learnt[signal].of += sums[signal].of * by;
    }
    for (const { kind, name, events } of sums.labels) {
      const labels = kind === 'program' ? learnt.programs : learnt.regions;
      if (!labels.has(name) && labels.size >= MOST_LABELS) {
        labels.delete([...labels].reduce((one, other) => (other[1] < one[1] ? other : one))[0]);
      }
      labels.set(name, (labels.get(name) ?? 0) + events * by);
    }
  };

  /** How far counts lie from what was expected: their dispersion. Expectation first, before the hour is learnt. */
  const surprise = (context: RateContext, sums: ReadonlyMap<string, OperationSum>, all: number, hour: number): void => {
    if (exposed / weight < HOURS_OF_WEEK / 7) return;
    const judge = (counts: OperationCounts, operation: string | null, events: number): void => {
      const { shape, rate } = rateAt(context, operation, hour);
      const mean = shape / rate;
      // Where next to nothing is expected a single event would count for thousands.
      if (mean < 0.5) return;
      counts.excess += (events - mean) ** 2 / mean;
      counts.hours += 1;
      if (counts.hours >= 2000) [counts.excess, counts.hours] = [counts.excess / 2, counts.hours / 2];
    };
    judge(context.table.all, null, all);
    for (const [name, counts] of context.table.operations) judge(counts, name, sums.get(name)?.events ?? 0);
  };

  const learn = (epochHour: number, sums: HourSums): void => {
    const hour = hourOfWeek(epochHour);
    surprise(whole(), sums.operations, sums.all.events, hour);
    for (const [group, table] of learnt.groups) {
      const seen = sums.groups.get(group);
      const context = contextOf(table, peers.group(group));
      surprise(context, seen?.operations ?? NONE, seen?.all.events ?? 0, hour);
    }
    closeHour(learnt.dataSets, epochHour, hour, sums.dataSets, exposure());
    count(sums, hour, weight);
    learnt.exposure[hour] = (learnt.exposure[hour] ?? 0) + weight;
    exposed += weight;
  };

  const age = (hours: number): void => {
    weight *= 2 ** (hours / halfLife);
    if (weight > 1e6) rescale();
  };

  const rescale = (): void => {
    const scaled = readState(writeState(learnt, options.timeZone, weight)).learnt;
    Object.assign(learnt, scaled);
    weight = 1;
    exposed = learnt.exposure.reduce((sum, value) => sum + value, 0);
  };

  /** Whether the hours [from, to), in which nothing came, were quiet: else nobody listened. */
  const wasQuiet = (first: number, to: number): boolean => {
    if (to - first < SILENCE_HOURS) return true;
    if (to - first > LONGEST_SILENCE) return false;
    let missed = 0;
    for (let epochHour = first; epochHour < to; epochHour++) {
      const hour = hourOfWeek(epochHour);
      // Only what this account did in that very hour of other weeks tells.
      if ((learnt.exposure[hour] ?? 0) / weight < 0.5) continue;
      const { shape, rate, dispersion } = rateAt(whole(), null, hour);
      missed += shape / rate / dispersion;
    }
    return missed < SILENCE_EVENTS;
  };

  /** Closes all hours before `to`. */
  const closeBefore = (to: number): void => {
    if (learnt.closed === null) {
      const firstOpen = Math.min(...open.keys());
      if (!Number.isFinite(firstOpen) || firstOpen >= to) return;
      learnt.first = firstOpen;
      learnt.closed = firstOpen - 1;
    }
    let next = learnt.closed + 1;
    while (next < to) {
      const sums = open.get(next);
      if (sums !== undefined) {
        open.delete(next);
        age(1);
        learn(next, sums);
        next += 1;
        continue;
      }
      const later = Math.min(to, ...[...open.keys()].filter((hour) => hour > next));
      const quiet = wasQuiet(next, later);
      if (quiet) {
        for (let hour = next; hour < later; hour++) {
          age(1);
          learn(hour, newHour());
        }
      } else age(later - next);
      next = later;
    }
    learnt.closed = Math.max(learnt.closed, to - 1);
  };

  const take = (row: BehaviorRow): void => {
    for (const { epochHour, share } of sharesOf(row, expected)) {
      if (learnt.closed !== null && epochHour <= learnt.closed) {
        // Of a time before the first hour nobody knows how long it was: counts without their hours would be a rate.
        if (learnt.first === null || epochHour < learnt.first) continue;
        // Late: it counts as much as it would have then.
        const late = newHour();
        addToHour(late, row, share);
        count(late, hourOfWeek(epochHour), weight * 2 ** ((epochHour - learnt.closed) / halfLife));
        continue;
      }
      const sums = open.get(epochHour) ?? newHour();
      open.set(epochHour, sums);
      addToHour(sums, row, share);
    }
  };

  const tableOf = (group: string | null | undefined): RateContext =>
    group === undefined || group === null
      ? whole()
      : contextOf(learnt.groups.get(group) ?? newRateTable(MOST_GROUP_OPERATIONS), peers.group(group));

  return {
    timeZone: options.timeZone,

    seen() {
      if (learnt.first === null || learnt.closed === null) return null;
      return { from: learnt.first * HOUR, to: (learnt.closed + 1) * HOUR, hours: exposed / weight };
    },

    add(rows) {
      const ordered = [...rows].sort((one, other) => one.at - other.at || other.width - one.width);
      for (const row of ordered) {
        // Rows of a day stand at its beginning, and its hours come after them.
        closeBefore(Math.floor(row.at / HOUR));
        take(row);
      }
    },

    close(at) {
      closeBefore(Math.floor(at / HOUR));
    },

    rates({ at, group, probability = 0.9 }) {
      const context = tableOf(group);
      const hour = hourOfWeek(Math.floor(at / HOUR));
      const describe = (operation: string | null): OperationRate => {
        const rate = rateAt(context, operation, hour);
        const counts = operation === null ? context.table.all : context.table.operations.get(operation);
        const complexity = counts !== undefined && counts.workOf > 0 ? counts.work / counts.workOf : null;
        return { operation, ...credible(rate, probability), count: predictive(rate, probability), complexity };
      };
      const own = [...context.table.operations].sort(([, one], [, other]) => other.total - one.total);
      return [describe(null), ...own.map(([name]) => describe(name))];
    },

    groups() {
      const all = Math.max(1e-9, learnt.rates.all.total);
      return [...learnt.groups]
        .map(([group, table]) => ({ group, share: table.all.total / all }))
        .sort((one, other) => other.share - one.share);
    },

    next: (one, probability = 0.9) => nextOperations(learnt.transitions, one, weight, peers.next(one), probability),

    origins: () =>
      [...learnt.transitions.from].sort(([, one], [, other]) => other.total - one.total).map(([name]) => name),

    prefetch({ at, probability = 0.9, most = 20, atLeast = 0.05 }) {
      const now = Math.floor(at / HOUR);
      const readNow = new Set<string>();
      for (const [hour, { dataSets }] of open) {
        if (hour > now) continue;
        for (const [name, sure] of dataSets) if (sure >= 0.5) readNow.add(name);
      }
      // The hour that begins now is mostly the next one where this one is nearly over.
      const target = Math.floor((at + HOUR / 2) / HOUR);
      return prefetchList(learnt.dataSets, target, hourOfWeek(target), readNow, exposure(), probability)
        .filter((one) => one.probability >= atLeast)
        .slice(0, most);
    },

    signals() {
      const mean = ({ sum, of }: { sum: number; of: number }): number | null => (of > 0 ? sum / of : null);
      const shares = (labels: ReadonlyMap<string, number>) => {
        let all = 0;
        for (const events of labels.values()) all += events;
        return [...labels]
          .map(([name, events]) => ({ name, share: events / all }))
          .sort((one, other) => other.share - one.share);
      };
      return {
        sessions: mean(learnt.sessions),
        inputRate: mean(learnt.inputRate),
        programs: shares(learnt.programs),
        regions: shares(learnt.regions),
      };
    },

    lend() {
      const lent = (table: RateTable) => sharedRates(table, learnt.exposure, exposed, weight);
      const groups = new Map<string, SharedRates>();
      for (const [name, table] of learnt.groups) {
        const shared = lent(table);
        if (shared !== null) groups.set(name, shared);
      }
      const next = new Map(
        [...learnt.transitions.from].map(([name, { to, total }]) => [
          name,
          new Map([...to].map(([operation, events]) => [operation, events / total])),
        ]),
      );
      return { everybody: lent(learnt.rates), groups, next };
    },

    state: () => writeState(learnt, options.timeZone, weight),
  };
}

const NONE: ReadonlyMap<string, OperationSum> = new Map();

/** Hour of the local week at the middle of an hour of UTC: zones may be off by half an hour. */
const hourIn = (calendar: Calendar, epochHour: number): number =>
  Math.min(HOURS_OF_WEEK - 1, Math.floor(calendar.secondOfWeek(epochHour * HOUR + HOUR / 2) / HOUR));
