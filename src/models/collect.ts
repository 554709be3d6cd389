import { z } from 'zod';
import { COMPONENTS } from '../domain/component.js';
import { binStart, type EpochSeconds } from '../domain/time.js';
import type { Store, UsageWindow } from '../telemetry/port.js';
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
}

/** Known bins that a series needs to teach anything. */
const LEAST_BINS = 48;

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

/**
 * Takes a snapshot of each account's usage over the last `days`.
 * @param most series, over all accounts: beyond it later accounts (by the order of their pseudonyms) are left out, the
 * same ones every time.
 */
export async function snapshotAccounts(
  store: Store,
  pseudonyms: Pseudonyms,
  wanted: { account: string | null; at: EpochSeconds; days: number; most: number },
  signal: AbortSignal,
): Promise<{ snapshots: AccountSnapshot[]; left: number }> {
  const policies = await policiesOf(store, wanted.account);
  policies.sort((a, b) => (pseudonyms.scope(a.account) < pseudonyms.scope(b.account) ? -1 : 1));
  const snapshots: AccountSnapshot[] = [];
  let series = 0;
  let left = 0;
  for (const { account, step, timeZone, workloads } of policies) {
    const of = workloads.flatMap(({ name, components }) =>
      COMPONENTS.filter((component) => components[component] !== undefined).map((component) => ({
        workload: name,
        component,
      })),
    );
    if (series + of.length > wanted.most) {
      left += of.length;
      continue;
    }
    series += of.length;
    const to = binStart(wanted.at, step);
    const from = to - Math.floor((wanted.days * 86_400) / step) * step;
    const snapshot = await store.takeSnapshot({ account, series: of, from, to, step }, wanted.at, signal);
    snapshots.push({ account, snapshotId: snapshot.id, timeZone });
  }
  return { snapshots, left };
}

/** The series of snapshots, under pseudonyms, sorted by them; those without enough data are left out. */
export async function readSnapshots(
  store: Store,
  pseudonyms: Pseudonyms,
  snapshots: readonly AccountSnapshot[],
  signal: AbortSignal,
): Promise<TrainingSeries[]> {
  const all: TrainingSeries[] = [];
  for (const { account, snapshotId, timeZone } of snapshots) {
    all.push(...seriesOf(await store.readSnapshot(snapshotId, signal), account, timeZone, pseudonyms));
  }
  return all.sort((a, b) => (a.id < b.id ? -1 : 1));
}

function seriesOf(window: UsageWindow, account: string, timeZone: string, pseudonyms: Pseudonyms): TrainingSeries[] {
  return window.series.flatMap(({ workload, component, series }) => {
    // A negative or infinite reading is a counter's reset or a broken probe: it is as good as missing.
    const values = Float32Array.from(series.values, (value) => (value >= 0 && value < 1e30 ? value : Number.NaN));
    const first = values.findIndex((value) => !Number.isNaN(value));
    const known = values.reduce((count, value) => (Number.isNaN(value) ? count : count + 1), 0);
    if (first < 0 || known < LEAST_BINS) return [];
    const { start, step } = series;
    const id = pseudonyms.series(account, workload, component);
    return [{ id, start: start + first * step, step, timeZone, values: values.subarray(first) }];
  });
}

/** The part of each series that ends before `to`; series with too little left are dropped. */
export function cutSeries(series: readonly TrainingSeries[], to: EpochSeconds): TrainingSeries[] {
  return series.flatMap((one) => {
    const bins = Math.min(one.values.length, Math.floor((to - one.start) / one.step));
    if (bins < LEAST_BINS) return [];
    return [{ ...one, values: one.values.subarray(0, bins) }];
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
  const hashes = series.map(({ id, start, step, timeZone, values }) => {
    // NaN has many bit patterns, and means one thing.
    const bytes = Float32Array.from(values, (value) => (Number.isNaN(value) ? Number.NaN : value));
    return [id, start, step, timeZone, sha256(new Uint8Array(bytes.buffer))].join(' ');
  });
  return {
    from: Math.min(...series.map(({ start }) => start)),
    to: Math.max(...series.map(({ start, step, values }) => start + step * values.length)),
    step: Math.min(...series.map(({ step }) => step)),
    series: series.map(({ id }) => id),
    hash: sha256(hashes.join('\n')),
  };
}
