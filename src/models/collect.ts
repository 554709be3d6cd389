import { z } from 'zod';
import { inputsOf, ordinary, withinSpan, type KnownAhead } from '../forecast/known-inputs.js';
import { COMPONENTS, type Component } from '../domain/component.js';
import { binStart, type EpochSeconds } from '../domain/time.js';
import type { Store, UsageCatalogue, UsageSeries } from '../telemetry/port.js';
import { aheadOf } from './ahead.js';
import { sha256 } from './artifact.js';
import type { TrainingSeries } from './port.js';
import type { Pseudonyms } from './pseudonyms.js';

/* From the store's usage to series without names: what a trainer may see. */

/** What of an account's policy says which series there are. */
const policySchema = z.object({
  account: z.string(),
  step: z.number().positive(),
  timeZone: z.string(),
  workloads: z.array(z.object({ name: z.string(), components: z.partialRecord(z.enum(COMPONENTS), z.unknown()) })),
});
type SeriesPolicy = z.infer<typeof policySchema>;

/** An immutable view of one account's usage. */
export interface AccountSnapshot {
  account: string;
  snapshotId: string;
  timeZone: string;
  /** What was known ahead of it; absent where the account has no policy. */
  ahead?: KnownAhead;
}

/** Known bins that a series needs to teach anything. */
const LEAST_BINS = 48;

/** Grids for series that no policy names a step for, or whose samples are further apart than its step. */
const GRIDS = [300, 900, 3600, 86_400];

/** Series that were not taken, why, and whose: a few of the accounts by name, for the one who asks. */
export interface LeftOut {
  why: string;
  series: number;
  accounts: string[];
}
/** Names in one {@link LeftOut}. */
const NAMES = 5;

/** Where series come from: a store, and what it knows of usage where it can say. */
export type UsageStore = Store & Partial<UsageCatalogue>;

export interface Gathered {
  /** One for each account and step. */
  snapshots: AccountSnapshot[];
  /** Series beyond the limit. */
  left: number;
  leftOut: LeftOut[];
}

/** Adds to a list of what was left out. */
function leave(out: LeftOut[], why: string, account: string, series = 1): void {
  let one = out.find((known) => known.why === why);
  if (one === undefined) out.push((one = { why, series: 0, accounts: [] }));
  one.series += series;
  if (!one.accounts.includes(account) && one.accounts.length < NAMES) one.accounts.push(account);
}

/** Newest policy of every account that the store knows, or of one. */
async function policiesOf(store: Store, account: string | null): Promise<SeriesPolicy[]> {
  const names = account === null ? (await store.newestRecords('account')).map((one) => one.account) : [account];
  const policies = [];
  for (const name of names.sort()) {
    const [record] = await store.listRecords('account', name, { limit: 1 });
    const parsed = policySchema.safeParse(record?.body);
    if (parsed.success) policies.push(parsed.data);
  }
  return policies;
}

/** All series of an account, each on the finest grid that its samples allow. */
interface AccountSeries {
  account: string;
  timeZone: string;
  grids: Map<number, { workload: string; component: Component }[]>;
}

/** What a policy names, and whatever else of usage the store holds: of accounts without a policy, too. */
async function seriesToTake(store: UsageStore, account: string | null, out: LeftOut[]): Promise<AccountSeries[]> {
  const policies = new Map((await policiesOf(store, account)).map((policy) => [policy.account, policy]));
  const held = (await store.usageSeries?.(account)) ?? null;
  const names = [...new Set([...policies.keys(), ...(held ?? []).map((one) => one.account)])].sort();
  return names.map((name) => {
    const policy = policies.get(name);
    const grids: AccountSeries['grids'] = new Map();
    const take = (grid: number, workload: string, component: Component): void => {
      grids.set(grid, [...(grids.get(grid) ?? []), { workload, component }]);
    };
    const known = new Set<string>();
    for (const { workload, component, interval } of (held ?? []).filter((one) => one.account === name)) {
      known.add(`${workload}/${component}`);
      const grid = gridFor(policy?.step ?? null, interval);
      if (grid === null) leave(out, 'its samples are more than a day apart', name);
      else take(grid, workload, component);
    }
    for (const { name: workload, components } of policy?.workloads ?? []) {
      for (const component of COMPONENTS) {
        if (components[component] === undefined || known.has(`${workload}/${component}`)) continue;
        if (held === null) take(policy?.step ?? 300, workload, component);
        else leave(out, 'the store has no usage of it', name);
      }
    }
    return { account: name, timeZone: policy?.timeZone ?? 'UTC', grids };
  });
}

/** The policy's step where the samples are close enough for it; null where no grid is coarse enough. */
function gridFor(step: number | null, interval: number | null): number | null {
  const fits = (grid: number): boolean => interval === null || grid >= 0.99 * interval;
  if (step !== null && fits(step)) return step;
  return GRIDS.filter((grid) => grid > (step ?? 0)).find(fits) ?? null;
}

/**
 * Takes a snapshot of each account's usage over the last `days`.
 * @param most series, over all accounts: beyond it later accounts (by the order of their pseudonyms) are left out, the
 * same ones every time.
 */
export async function snapshotAccounts(
  store: UsageStore,
  pseudonyms: Pseudonyms,
  wanted: { account: string | null; at: EpochSeconds; days: number; most: number },
  signal: AbortSignal,
): Promise<Gathered> {
  const leftOut: LeftOut[] = [];
  const accounts = await seriesToTake(store, wanted.account, leftOut);
  accounts.sort((a, b) => (pseudonyms.scope(a.account) < pseudonyms.scope(b.account) ? -1 : 1));
  const snapshots: AccountSnapshot[] = [];
  let series = 0;
  let left = 0;
  for (const { account, timeZone, grids } of accounts) {
    const count = [...grids.values()].reduce((sum, list) => sum + list.length, 0);
    if (series + count > wanted.most) {
      left += count;
      leave(leftOut, `there are more than ${wanted.most}`, account, count);
      continue;
    }
    series += count;
    const [record] = await store.listRecords('account', account, { limit: 1 });
    const ahead = await aheadOf(store, account, record?.body);
    for (const [step, of] of [...grids].sort(([a], [b]) => a - b)) {
      const to = binStart(wanted.at, step);
      const from = to - Math.floor((wanted.days * 86_400) / step) * step;
      const snapshot = await store.takeSnapshot({ account, series: of, from, to, step }, wanted.at, signal);
      snapshots.push({ account, snapshotId: snapshot.id, timeZone, ...(ahead === null ? {} : { ahead }) });
    }
  }
  return { snapshots, left, leftOut };
}

/** Told of each series of a snapshot, by its name; `enough` says whether it goes in. */
export type SeenSeries = (account: string, timeZone: string, one: UsageSeries, enough: boolean) => void;

/** The series of snapshots, under pseudonyms, sorted by them; those without enough data are left out. */
export async function readSnapshots(
  store: Store,
  pseudonyms: Pseudonyms,
  snapshots: readonly AccountSnapshot[],
  signal: AbortSignal,
  seen: SeenSeries = () => undefined,
): Promise<TrainingSeries[]> {
  const all: TrainingSeries[] = [];
  const together = new Set(snapshots.map(({ account }) => account)).size > 1 ? { together: true as const } : {};
  for (const { account, snapshotId, timeZone, ahead } of snapshots) {
    for (const one of (await store.readSnapshot(snapshotId, signal)).series) {
      const series = trainingSeries(one, account, timeZone, pseudonyms, ahead);
      seen(account, timeZone, one, series !== null);
      if (series !== null) all.push({ ...series, ...together });
    }
  }
  return all.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Notes the series that are too short. */
export const leaveShort =
  (out: LeftOut[]): SeenSeries =>
  (account, _timeZone, _one, enough) => {
    if (!enough) leave(out, `fewer than ${LEAST_BINS} bins of it are known`, account);
  };

function trainingSeries(
  { workload, component, series: raw }: UsageSeries,
  account: string,
  timeZone: string,
  pseudonyms: Pseudonyms,
  ahead?: KnownAhead,
): TrainingSeries | null {
  // As a worker gives them to the models: without what announced events added, which stands beside them.
  const series = ahead === undefined ? raw : ordinary(raw, workload, component, ahead.events);
  // A negative or infinite reading is a counter's reset or a broken probe: it is as good as missing.
  const values = Float32Array.from(series.values, (value) => (value >= 0 && value < 1e30 ? value : Number.NaN));
  const first = values.findIndex((value) => !Number.isNaN(value));
  const known = values.reduce((count, value) => (Number.isNaN(value) ? count : count + 1), 0);
  if (first < 0 || known < LEAST_BINS) return null;
  const { start, step } = series;
  const id = pseudonyms.series(account, workload, component);
  const censored = Uint8Array.from(series.censored.subarray(first));
  const bounds = censored.includes(1) ? { censored } : {};
  const from = start + first * step;
  const one = { id, start: from, step, timeZone, values: values.subarray(first), ...bounds };
  if (ahead === undefined) return one;
  return { ...one, inputs: inputsOf(ahead, workload, component, from, start + step * values.length) };
}

/** Bins `from` (inclusive) to `to` (exclusive) of a series, by number. */
export function partOf(one: TrainingSeries, from: number, to?: number): TrainingSeries {
  const values = one.values.subarray(from, to);
  const censored = one.censored === undefined ? {} : { censored: one.censored.subarray(from, to) };
  return { ...one, start: one.start + from * one.step, values, ...censored };
}

/** The part of each series that ends before `to`; series with too little left are dropped. */
export function cutSeries(series: readonly TrainingSeries[], to: EpochSeconds): TrainingSeries[] {
  return series.flatMap((one) => {
    const bins = Math.min(one.values.length, Math.floor((to - one.start) / one.step));
    if (bins < LEAST_BINS) return [];
    return [partOf(one, 0, bins)];
  });
}

/** First and last moment of series, and a hash of all that is in them. */
export function describeSeries(series: readonly TrainingSeries[]): {
  from: EpochSeconds;
  to: EpochSeconds;
  step: number;
  series: string[];
  hash: string;
} {
  const hashes = series.map(({ id, start, step, timeZone, values, censored, inputs, together }) => {
    // NaN has many bit patterns, and means one thing.
    const bytes = Float32Array.from(values, (value) => (Number.isNaN(value) ? Number.NaN : value));
    const parts = [id, start, step, timeZone, sha256(new Uint8Array(bytes.buffer))];
    if (censored?.includes(1) === true) parts.push(sha256(Uint8Array.from(censored)));
    if (inputs !== undefined) parts.push(JSON.stringify(withinSpan(inputs, start, start + step * values.length)));
    if (together === true) parts.push('together');
    return parts.join(' ');
  });
  return {
    from: Math.min(...series.map(({ start }) => start)),
    to: Math.max(...series.map(({ start, step, values }) => start + step * values.length)),
    step: Math.min(...series.map(({ step }) => step)),
    series: series.map(({ id }) => id),
    hash: sha256(hashes.join('\n')),
  };
}
