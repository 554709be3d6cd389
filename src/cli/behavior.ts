import { z } from 'zod';
import { classify, type Forest } from '../behavior/classes/forest.js';
import type { WorkloadClass } from '../behavior/classes/class.js';
import { createProfile, NO_PEERS, peersOf, type BehaviorProfile, type Lent } from '../behavior/profile/profile.js';
import type { BehaviorRow } from '../behavior/events.js';
import { findTasks, joinComponents, type FoundTask, type WorkloadTask } from '../behavior/tasks/find.js';
import { COMPONENTS, type Component } from '../domain/component.js';
import { isHeadroomError } from '../domain/errors.js';
import type { Series } from '../domain/series.js';
import { binStart, type EpochSeconds } from '../domain/time.js';
import { calendarOf } from '../forecast/calendar.js';
import { isEmpty, type Holdings, type StoreErasure } from '../telemetry/erasure.js';
import type { BehaviorStore } from '../telemetry/events/port.js';
import type { Store } from '../telemetry/port.js';

/* What the store knows of an account's behaviour, read together: its profile, its tasks, what kind its workloads are. */

const DAY = 86_400;
const WEEK = 7 * DAY;
const HOUR = 3600;
/** Rows so old hardly count beside new ones. */
const WEEKS = 8;
const MOST_ROWS = 200_000;
/** Accounts whose experience is lent to another one. */
const MOST_PEERS = 32;
/** Of these no profile is there yet: they are built on the way. */
const MOST_BUILT = 8;
const USAGE = 28 * DAY;
const MOST_SERIES = 200;
/** Operations whose counts are searched for schedules. */
const MOST_OPERATIONS = 30;

export type Stored = Store & BehaviorStore & StoreErasure;

/** What fetches ahead, and the probability from which it is told of data sets; null: it did not ask. */
const fetcherSchema = z
  .object({ name: z.string(), dataSets: z.object({ atLeast: z.number() }).optional() })
  .transform(({ name, dataSets }) => ({ name, atLeast: dataSets?.atLeast ?? null }));

/** As far as the account's last policy says it. */
const policySchema = z.object({
  timeZone: z.string(),
  step: z.number().positive(),
  tasks: z.array(z.object({ name: z.string(), workload: z.string(), cron: z.string() })),
  workloads: z.array(
    z.object({
      name: z.string(),
      prefetch: z.array(fetcherSchema),
      prestage: z.array(fetcherSchema).default([]),
      warmUp: z.array(fetcherSchema).default([]),
    }),
  ),
});
export type KnownPolicy = z.output<typeof policySchema>;

/** What the store has of the account's policy; null before it was ever started. */
export async function policyOf(store: Stored, account: string): Promise<KnownPolicy | null> {
  const [record] = await store.listRecords('account', account, { limit: 1 });
  const parsed = policySchema.safeParse(record?.body);
  return parsed.success ? parsed.data : null;
}

export interface UsageOf {
  workload: string;
  component: Component;
  series: Series;
}

/** The last four weeks of the account's usage, in the finest bins of a few that its samples allow. */
export async function usageOf(
  store: Stored,
  account: string,
  held: Holdings,
  at: EpochSeconds,
  step: number | null,
  signal: AbortSignal,
): Promise<UsageOf[]> {
  const series = held.series.flatMap(({ kind, workload, name, samples }) => {
    const component = COMPONENTS.find((one) => one === name);
    return kind === 'usage' && component !== undefined && samples > 0 ? [{ workload, component }] : [];
  });
  const found: UsageOf[] = [];
  for (const one of series.slice(0, MOST_SERIES)) {
    for (const grid of [...(step === null ? [300] : [step]), 900, HOUR]) {
      const to = binStart(at, grid);
      try {
        const window = await store.readUsage({ account, series: [one], from: to - USAGE, to, step: grid }, signal);
        found.push(...window.series);
        break;
      } catch (error) {
        // The samples are further apart than these bins: coarser ones, then.
        if (!isHeadroomError(error) || error.kind !== 'invalid-input') throw error;
      }
    }
  }
  return found;
}

export interface ClassOf {
  workload: string;
  component: Component;
  class: WorkloadClass;
  probability: number;
}

export function classesOf(forest: Forest, usage: readonly UsageOf[], timeZone: string): ClassOf[] {
  const calendar = calendarOf(timeZone);
  return usage.flatMap(({ workload, component, series }) => {
    const found = classify(forest, series, calendar, component);
    return found === null ? [] : [{ workload, component, class: found.class, probability: found.probability }];
  });
}

const profileId = (account: string): string => `profile/${account}`;

/** Rows of an account before `at`, a week at a time, oldest first. */
async function* rowsBefore(store: Stored, account: string, at: EpochSeconds, signal: AbortSignal) {
  for (let week = WEEKS; week >= 1; week--) {
    const from = at - week * WEEK;
    yield await store.readEvents({ account, from, to: from + WEEK, limit: MOST_ROWS }, signal);
  }
}

/**
 * Builds a profile from the stored rows.
 * @param keep as a record for others to borrow from; not where it is one of the past.
 */
async function buildProfile(
  store: Stored,
  account: string,
  timeZone: string,
  at: EpochSeconds,
  peers: Parameters<typeof createProfile>[1],
  keep: boolean,
  signal: AbortSignal,
  onRows: (rows: readonly BehaviorRow[]) => void = () => undefined,
): Promise<BehaviorProfile> {
  const profile = createProfile({ timeZone }, peers);
  for await (const rows of rowsBefore(store, account, at, signal)) {
    profile.add(rows);
    onRows(rows);
  }
  if (keep && profile.seen() !== null) {
    await store.putRecord({ kind: 'profile', id: profileId(account), account, at, body: profile.state() });
  }
  return profile;
}

/** What the other accounts lend, by their profiles; those that have none yet get one, a few at a time. */
async function borrow(
  store: Stored,
  account: string,
  at: EpochSeconds,
  keep: boolean,
  signal: AbortSignal,
): Promise<Lent[]> {
  const others = (await store.behaviorAccounts()).filter((name) => name !== account).slice(0, MOST_PEERS);
  const lent: Lent[] = [];
  let built = 0;
  for (const name of others) {
    const record = await store.getRecord('profile', profileId(name));
    const timeZone = (await policyOf(store, name))?.timeZone ?? 'UTC';
    const fresh = record !== null && Math.abs(at - record.at) < WEEK;
    if (fresh) {
      lent.push(createProfile({ timeZone }, NO_PEERS, record.body).lend());
    } else if (built < MOST_BUILT) {
      built += 1;
      lent.push((await buildProfile(store, name, timeZone, at, NO_PEERS, keep, signal)).lend());
    }
  }
  return lent.filter((one) => one.everybody !== null);
}

/** How often operations were done, as series: a schedule shows in them as in usage. Rows of a day have no time. */
function countSeries(from: EpochSeconds) {
  const width = 900;
  const bins = Math.round(USAGE / width);
  const counts = new Map<string, { values: Float64Array; total: number; system: boolean }>();
  return {
    add(rows: readonly BehaviorRow[]): void {
      for (const row of rows) {
        if (row.kind !== 'operation' || row.name === null || row.width > HOUR) continue;
        const bin = Math.floor((row.at - from) / width);
        if (bin < 0 || bin >= bins) continue;
        const one = counts.get(row.name) ?? { values: new Float64Array(bins), total: 0, system: true };
        counts.set(row.name, one);
        one.values[bin] = (one.values[bin] ?? 0) + row.events;
        one.total += row.events;
        one.system &&= row.users === null;
      }
    },
    series(until: EpochSeconds): { operation: string; series: Series }[] {
      const end = Math.min(bins, Math.floor((until - from) / width));
      return [...counts]
        .sort(([, one], [, other]) => Number(other.system) - Number(one.system) || other.total - one.total)
        .slice(0, MOST_OPERATIONS)
        .map(([operation, { values }]) => {
          // What came before the first event of all was not listened to.
          const first = values.findIndex((value) => value > 0);
          const part = values.subarray(Math.max(0, first), end);
          const start = from + Math.max(0, first) * width;
          return { operation, series: { start, step: width, values: part, censored: new Uint8Array(part.length) } };
        });
    },
  };
}

export interface BehaviorOf {
  at: EpochSeconds;
  /** False where the store has neither a policy nor any data of such an account. */
  known: boolean;
  /** Groups of its users that something is known of: its own, the largest first, then those that others lend. */
  groups: string[];
  timeZone: string;
  policy: KnownPolicy | null;
  profile: BehaviorProfile;
  /** Accounts that lent what this one has not seen. */
  borrowedFrom: number;
  usageTasks: WorkloadTask[];
  eventTasks: (FoundTask & { operation: string })[];
  classes: ClassOf[];
}

/**
 * All that there is to say of an account.
 * @param given.at null: now, or the end of its data where that is weeks ago.
 */
export async function behaviorOf(
  store: Stored,
  account: string,
  given: { at: EpochSeconds | null; now: EpochSeconds; timeZone: string | null },
  forest: Forest,
  signal: AbortSignal,
): Promise<BehaviorOf> {
  const held = await store.holdings(account);
  const policy = await policyOf(store, account);
  const timeZone = given.timeZone ?? policy?.timeZone ?? 'UTC';
  const newest = Math.max(
    held.lastEvent ?? Number.NEGATIVE_INFINITY,
    ...held.series.map(({ last }) => last ?? Number.NEGATIVE_INFINITY),
  );
  // To the second, as it is printed: of a schedule's next time, which comes after it, the same second would be said.
  const at = Math.floor(given.at ?? (newest < given.now - WEEK && Number.isFinite(newest) ? newest : given.now));
  const lent = await borrow(store, account, at, given.at === null, signal);
  const from = binStart(at - USAGE, HOUR);
  const counts = countSeries(from);
  const profile = await buildProfile(store, account, timeZone, at, peersOf(lent), given.at === null, signal, (rows) =>
    counts.add(rows),
  );
  const calendar = calendarOf(timeZone);
  const usage = await usageOf(store, account, held, at, policy?.step ?? null, signal);
  const usageTasks = joinComponents(
    usage.map(({ workload, component, series }) => ({ workload, component, tasks: findTasks(series, calendar, at) })),
  );
  const until = profile.seen()?.to ?? at;
  const eventTasks = counts
    .series(Math.min(at, until))
    .flatMap(({ operation, series }) => findTasks(series, calendar, at).map((task) => ({ operation, ...task })));
  const groups = new Set(profile.groups().map(({ group }) => group));
  for (const one of lent) for (const group of one.groups.keys()) groups.add(group);
  return {
    ...{ known: policy !== null || !isEmpty(held), groups: [...groups] },
    ...{ at, timeZone, policy, profile, borrowedFrom: lent.length, usageTasks, eventTasks },
    classes: classesOf(forest, usage, timeZone),
  };
}
