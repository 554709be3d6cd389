import type { AccountPolicy } from '../../src/domain/account.js';
import type { AccountForecast } from '../../src/domain/forecast.js';
import type { Held } from '../../src/domain/held.js';
import type { FleetPolicy, SharedPool } from '../../src/domain/fleet.js';
import type { FleetPlanRecord, ObservedPool } from '../../src/domain/fleet-plan.js';
import { FLEET_ACCOUNT } from '../../src/domain/fleet-names.js';
import { mayRunOn, sharesPool } from '../../src/domain/grant.js';
import type { Plan } from '../../src/domain/plan.js';
import { someOf } from '../../src/domain/some-of.js';
import { formatDuration, type EpochSeconds } from '../../src/domain/time.js';
import { accountAsks, blockAfter, fleetBlocks, type AccountAsks } from '../../src/allocate/fleet-demand.js';
import type { Pods } from '../../src/allocate/pack-pods.js';
import { podsOn, poolInUse, type PoolInUse } from '../../src/allocate/fleet-in-use.js';
import type { FleetAccount, FleetPool } from '../../src/allocate/fleet/problem.js';
import type { Block } from '../../src/allocate/problem.js';
import { withFleetPrices } from '../../src/allocate/price-book/apply.js';
import type { Prices } from '../../src/prices/port.js';
import type { RecordKind, Store } from '../../src/telemetry/port.js';
import { bodiesOf } from '../bodies.js';
import { heldCommitments } from './held.js';
import { packAccount, type PackedInput } from './work.js';

/*
 * The fleet's problem out of the store alone: each account's policy, newest forecast and newest plan, as its own loop left
 * them. No account is signalled, and none waits.
 */

export type GatherStore = Pick<Store, 'newestRecords' | 'getRecord' | 'getRecords' | 'listRecords'>;

/** Accounts whose records are read together: their plans are some tens of megabytes. */
const AT_ONCE = 500;

/** Without what it asks it is left out: `why` says the reason, null that its pools are other ones. */
interface Read {
  account: string;
  /** Where its workloads are; those of an account that is silent are still there. */
  running: Map<string, Pods[]>;
  asks: Omit<AccountAsks, 'planIsFresh'> | null;
  why: string | null;
}

export interface GatherOptions {
  /** For a plan that nobody carries out: pools that were not read are planned, too, from what is counted on them. */
  sizeUnread?: boolean;
  /** Where the fleet's prices come from; absent: its file alone. */
  prices?: Prices;
}

/** @returns the problem as a record keeps it. */
export async function gather(
  store: GatherStore,
  file: FleetPolicy,
  at: EpochSeconds,
  seen: readonly ObservedPool[],
  signal: AbortSignal,
  { sizeUnread = false, prices }: GatherOptions = {},
): Promise<PackedInput> {
  const known = (await prices?.of(file, signal)) ?? null;
  const { policy: fleet, used } = known === null ? { policy: file, used: null } : withFleetPrices(file, known);
  const blocks = fleetBlocks(fleet, at);
  const grantBlocks = Math.max(1, blockAfter(blocks, at + fleet.grantsFor));
  const leftOut: PackedInput['leftOut'] = [];
  const notes: string[] = [];
  const unknown: string[] = [];
  const foreign: string[] = [];
  const accounts: FleetAccount[] = [];
  const runs: { account: string; running: Map<string, Pods[]> }[] = [];
  const [policies, forecasts, plans, last, held] = await Promise.all([
    store.newestRecords('account'),
    newestBy(store, 'forecast'),
    newestBy(store, 'plan'),
    lastPlan(store),
    heldCommitments(store, fleet, blocks, notes),
  ]);
  const names = policies.sort((a, b) => (a.account < b.account ? -1 : 1));
  for (let first = 0; first < names.length; first += AT_ONCE) {
    signal.throwIfAborted();
    const group = names.slice(first, first + AT_ONCE).map(({ account, id }) => {
      const forecast = forecasts.get(account);
      const silent = forecast === undefined ? null : at - forecast.at;
      const speaks = silent !== null && silent <= fleet.forgetAfter;
      return {
        ...{ account, policy: id, silent, speaks },
        forecast: speaks && silent <= fleet.staleAfter ? forecast?.id : undefined,
        plan: plans.get(account)?.id,
      };
    });
    const read = await readTogether(store, group);
    const some = group.map(({ account, silent, speaks, ...ids }): Read => {
      const asks = asksOf(read, ids);
      const running = asks === null ? new Map<string, Pods[]>() : runningShared(asks.plan, asks.policy, fleet);
      if (!speaks) {
        const since = silent === null ? 'it has never forecast' : `silent for ${formatDuration(Math.round(silent))}`;
        return { account, running, asks: null, why: since };
      }
      if (asks === null) return { account, running, asks: null, why: 'its policy is not in the store' };
      const shares = fleet.pools.some((pool) => mayRunOn(asks.policy, pool));
      return { account, running, asks: shares ? asks : null, why: null };
    });
    for (const one of some) {
      if (one.running.size > 0) runs.push({ account: one.account, running: one.running });
      if (one.asks === null) {
        if (one.why !== null) leftOut.push({ account: one.account, why: one.why });
        continue;
      }
      const planIsFresh = one.asks.plan !== null && at - one.asks.plan.at <= fleet.staleAfter;
      const asked = accountAsks(fleet, { ...one.asks, planIsFresh }, blocks, grantBlocks);
      accounts.push(asked.account);
      if (one.asks.policy.currency !== fleet.currency) foreign.push(`${one.account} (${one.asks.policy.currency})`);
      if (asked.unknown.length > 0) unknown.push(one.account);
    }
  }
  if (foreign.length > 0) {
    notes.push(
      `accounts in another currency than the fleet’s ${fleet.currency}: ${someOf(foreign)}; no budget of theirs binds the fleet’s plan, only their own: write one currency in all files`,
    );
  }
  if (known !== null && known.problem !== null) notes.push(`prices: ${known.problem}`);
  return {
    ...(used === null ? {} : { prices: used }),
    blocks,
    pools: fleet.pools.map((pool) =>
      fleetPool(
        pool,
        { at, blocks, seen, last, inUse: poolInUse(pool, runs), held: held.get(pool.name) ?? [], sizeUnread },
        notes,
      ),
    ),
    accounts: accounts.map(packAccount),
    grantBlocks,
    ...(last === null ? {} : { basis: last.basis, after: last.id }),
    unknown,
    leftOut,
    notes,
    seen: seen.map(({ pool, state, problem }) => ({ pool, state, problem })),
  };
}

const newestBy = async (store: GatherStore, kind: RecordKind): Promise<Map<string, { id: string; at: EpochSeconds }>> =>
  new Map((await store.newestRecords(kind)).map(({ account, id, at }) => [account, { id, at }]));

async function lastPlan(store: GatherStore): Promise<FleetPlanRecord | null> {
  const [record] = await store.listRecords('fleet-plan', FLEET_ACCOUNT, { limit: 1 });
  return record === undefined ? null : (record.body as FleetPlanRecord);
}

interface RecordIds {
  policy: string;
  forecast: string | undefined;
  plan: string | undefined;
}

type Bodies = Record<keyof RecordIds, Map<string, unknown>>;

/** Three questions for all of them, where one each would be most of what a fleet of thousands costs. */
async function readTogether(store: GatherStore, group: readonly RecordIds[]): Promise<Bodies> {
  const bodies = (kind: RecordKind, field: keyof RecordIds): Promise<Map<string, unknown>> =>
    bodiesOf(
      store,
      kind,
      group.flatMap((one) => one[field] ?? []),
    );
  const [policy, forecast, plan] = await Promise.all([
    bodies('account', 'policy'),
    bodies('forecast', 'forecast'),
    bodies('plan', 'plan'),
  ]);
  return { policy, forecast, plan };
}

/** Null where the policy itself is not there. */
function asksOf(read: Bodies, ids: RecordIds): Omit<AccountAsks, 'planIsFresh'> | null {
  const policy = read.policy.get(ids.policy) as AccountPolicy | undefined;
  if (policy === undefined) return null;
  return {
    policy,
    forecast: (read.forecast.get(ids.forecast ?? '') as AccountForecast | undefined) ?? null,
    plan: (read.plan.get(ids.plan ?? '') as Plan | undefined) ?? null,
  };
}

/** Of the pools that it shares with others alone. */
function runningShared(plan: Plan | null, policy: AccountPolicy, fleet: FleetPolicy): Map<string, Pods[]> {
  if (plan === null) return new Map();
  const shared = new Set(fleet.pools.filter((pool) => sharesPool(policy, pool)).map(({ name }) => name));
  return new Map([...podsOn(plan, policy)].filter(([pool]) => shared.has(pool)));
}

interface PoolFacts {
  at: EpochSeconds;
  blocks: readonly Block[];
  seen: readonly ObservedPool[];
  last: FleetPlanRecord | null;
  inUse: PoolInUse | null;
  held: Held[];
  sizeUnread: boolean;
}

/**
 * A pool that could not be read stays as it was last seen, and one that never was as accounts count on it: nothing is
 * decided on what nobody knows. Nodes that accounts run on are part of its minimum.
 */
function fleetPool(
  pool: SharedPool,
  { at, blocks, seen, last, inUse, held: paid, sizeUnread }: PoolFacts,
  notes: string[],
): FleetPool {
  const state = seen.find((one) => one.pool === pool.name)?.state ?? null;
  const before = last?.pools.find((one) => one.pool === pool.name)?.now ?? null;
  const counted = Math.max(pool.min, Math.min(inUse?.nodes ?? 0, pool.max));
  const now = state?.nodes ?? before ?? counted;
  if (state === null) {
    const from =
      before !== null
        ? 'as last seen'
        : inUse === null
          ? 'its minimum: no account’s plan counts on more'
          : `by the newest plans of ${inUse.accounts.slice(0, 3).join(', ')}${inUse.accounts.length > 3 ? ' and others' : ''}`;
    notes.push(`pool ${pool.name} was not read: counted with ${now} nodes, ${from}`);
  }
  const { provider, region, zone, capacityType, pricePerHour, node, max, warm } = pool;
  const held = Math.min(inUse?.nodes ?? 0, now, max);
  return {
    name: pool.name,
    ...(provider === undefined ? {} : { provider }),
    ...(region === undefined ? {} : { region }),
    ...(zone === undefined ? {} : { zone }),
    ...{ capacityType, pricePerHour, node, min: Math.max(pool.min, held), max, now, warm },
    size: state === null && !sizeUnread ? 'fixed' : pool.size,
    readyFrom: blockAfter(blocks, at + pool.leadTime),
    startPrice: pool.startPrice,
    interruptionsPerHour: pool.interruptionsPerHour,
    recoverySeconds: pool.leadTime,
    ...(inUse === null || held === 0 ? {} : { inUse: { nodes: held, accounts: inUse.accounts } }),
    ...(paid.length === 0 ? {} : { held: paid }),
  };
}
