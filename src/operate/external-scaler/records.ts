import type { AccountPolicy } from '../../domain/account.js';
import type { AccountForecast } from '../../domain/forecast.js';
import type { Plan } from '../../domain/plan.js';
import type { RecordFeed, SeenRecord } from '../../telemetry/record-feed.js';
import type { Store } from '../../telemetry/port.js';
import { notFound, type AccountRecords } from './answer.js';
import type { ScalerQuery } from './query.js';

/** What the scaler reads; it writes nothing. */
export type ScalerStore = Pick<Store, 'getRecord' | 'listRecords'> & RecordFeed;

export interface ScalerRecords {
  /** @throws HeadroomError `not-found` where the store knows no such account. */
  read(query: ScalerQuery): Promise<AccountRecords>;
  /** The same, not older than what was written last; with what it stands on, to wait for the next. */
  readNewest(query: ScalerQuery): Promise<{ records: AccountRecords; seen: SeenRecord | null }>;
  /** Resolves when the answer may have changed by a new record. */
  changed(query: ScalerQuery, seen: SeenRecord | null, signal: AbortSignal): Promise<void>;
}

/** Every trigger of an account asks for the same few documents, of some 100 KB, within the same second. */
const KEPT_MS = 2000;

export function createScalerRecords(store: ScalerStore, wallClock: () => number = Date.now): ScalerRecords {
  const kept = new Map<string, { at: number; value: Promise<{ records: AccountRecords; seen: SeenRecord | null }> }>();

  const newest = async (kind: 'account' | 'plan' | 'forecast', account: string) =>
    (await store.listRecords(kind, account, { limit: 1 }))[0] ?? null;

  const load = async (query: ScalerQuery) => {
    const policy = await newest('account', query.account);
    if (policy === null) throw notFound(query);
    const known = await newest(kindOf(query), query.account);
    const plan = query.metric === 'replicas' ? ((known?.body ?? null) as Plan | null) : null;
    const basis = plan === null ? null : await store.getRecord('forecast', plan.forecastId);
    const forecast = (query.metric === 'replicas' ? basis : known)?.body ?? null;
    return {
      records: {
        policy: policy.body as AccountPolicy,
        plan,
        forecast: forecast as AccountForecast | null,
      },
      seen: known === null ? null : { id: known.id, at: known.at },
    };
  };

  const cached = (query: ScalerQuery) => {
    const now = wallClock();
    for (const [key, { at }] of kept) if (now - at >= KEPT_MS) kept.delete(key);
    const key = `${kindOf(query)}/${query.account}`;
    const found = kept.get(key);
    if (found !== undefined) return found.value;
    const value = load(query);
    kept.set(key, { at: now, value });
    value.catch(() => kept.delete(key));
    return value;
  };

  return {
    read: async (query) => {
      try {
        return (await cached(query)).records;
      } catch (error) {
        // Kept for the account, and worded for the one who asks.
        throw isNotFound(error) ? notFound(query) : error;
      }
    },
    readNewest: load,
    changed: async (query, seen, signal) => {
      await store.nextRecord(kindOf(query), query.account, seen, signal);
    },
  };
}

const kindOf = ({ metric }: ScalerQuery): 'plan' | 'forecast' => (metric === 'replicas' ? 'plan' : 'forecast');

const isNotFound = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'kind' in error && error.kind === 'not-found';
