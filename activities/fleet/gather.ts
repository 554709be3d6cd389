import type { AccountPolicy } from '../../src/domain/account.js';
import type { AccountForecast } from '../../src/domain/forecast.js';
import type { FleetPolicy, SharedPool } from '../../src/domain/fleet.js';
import type { FleetPlanRecord, ObservedPool } from '../../src/domain/fleet-plan.js';
import { FLEET_ACCOUNT } from '../../src/domain/fleet-names.js';
import { sharesPool } from '../../src/domain/grant.js';
import type { Plan } from '../../src/domain/plan.js';
import { formatDuration, type EpochSeconds } from '../../src/domain/time.js';
import { accountAsks, blockAfter, fleetBlocks, type AccountAsks } from '../../src/allocate/fleet-demand.js';
import type { FleetAccount, FleetPool } from '../../src/allocate/fleet/problem.js';
import type { Block } from '../../src/allocate/problem.js';
import type { RecordKind, Store } from '../../src/telemetry/port.js';
import { packAccount, type PackedInput } from './work.js';

/*
 * The fleet's problem out of the store alone: each account's policy, newest forecast and newest plan, as its own loop left
 * them. No account is signalled, and none waits.
 */

export type GatherStore = Pick<Store, 'newestRecords' | 'getRecord' | 'listRecords'>;

const AT_ONCE = 8;

/** Without what it asks it is left out: `why` says the reason, null that its pools are other ones. */
interface Read {
  account: string;
  asks: Omit<AccountAsks, 'planIsFresh'> | null;
  why: string | null;
}

/** @returns the problem as a record keeps it. */
export async function gather(
  store: GatherStore,
  fleet: FleetPolicy,
  at: EpochSeconds,
  seen: readonly ObservedPool[],
  signal: AbortSignal,
): Promise<PackedInput> {
  const blocks = fleetBlocks(fleet, at);
  const grantBlocks = Math.max(1, blockAfter(blocks, at + fleet.grantsFor));
  const leftOut: PackedInput['leftOut'] = [];
  const notes: string[] = [];
  const unknown: string[] = [];
  const accounts: FleetAccount[] = [];
  const [policies, forecasts, plans, last] = await Promise.all([
    store.newestRecords('account'),
    newestBy(store, 'forecast'),
    newestBy(store, 'plan'),
    lastPlan(store),
  ]);
  const names = policies.sort((a, b) => (a.account < b.account ? -1 : 1));
  for (let first = 0; first < names.length; first += AT_ONCE) {
    signal.throwIfAborted();
    const some = await Promise.all(
      names.slice(first, first + AT_ONCE).map(async ({ account, id }): Promise<Read> => {
        const forecast = forecasts.get(account);
        const silent = forecast === undefined ? null : at - forecast.at;
        if (silent === null || silent > fleet.forgetAfter) {
          const since = silent === null ? 'it has never forecast' : `silent for ${formatDuration(Math.round(silent))}`;
          return { account, asks: null, why: since };
        }
        const asks = await readAccount(
          store,
          id,
          silent <= fleet.staleAfter ? forecast : undefined,
          plans.get(account),
        );
        if (asks === null) return { account, asks: null, why: 'its policy is not in the store' };
        const shares = fleet.pools.some((pool) => sharesPool(asks.policy, pool));
        return { account, asks: shares ? asks : null, why: null };
      }),
    );
    for (const one of some) {
      if (one.asks === null) {
        if (one.why !== null) leftOut.push({ account: one.account, why: one.why });
        continue;
      }
      const planIsFresh = one.asks.plan !== null && at - one.asks.plan.at <= fleet.staleAfter;
      const asked = accountAsks(fleet, { ...one.asks, planIsFresh }, blocks, grantBlocks);
      accounts.push(asked.account);
      if (asked.unknown.length > 0) unknown.push(one.account);
    }
  }
  return {
    blocks,
    pools: fleet.pools.map((pool) => fleetPool(pool, at, blocks, seen, last, notes)),
    accounts: accounts.map(packAccount),
    grantBlocks,
    ...(last === null ? {} : { basis: last.basis }),
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

async function readAccount(
  store: GatherStore,
  policyId: string,
  forecast: { id: string } | undefined,
  plan: { id: string } | undefined,
): Promise<Omit<AccountAsks, 'planIsFresh'> | null> {
  const [policy, foreseen, planned] = await Promise.all([
    store.getRecord('account', policyId),
    forecast === undefined ? null : store.getRecord('forecast', forecast.id),
    plan === undefined ? null : store.getRecord('plan', plan.id),
  ]);
  if (policy === null) return null;
  return {
    policy: policy.body as AccountPolicy,
    forecast: foreseen === null ? null : (foreseen.body as AccountForecast),
    plan: planned === null ? null : (planned.body as Plan),
  };
}

/** A pool that could not be read stays as it was last seen: nothing is decided on what nobody knows. */
function fleetPool(
  pool: SharedPool,
  at: EpochSeconds,
  blocks: readonly Block[],
  seen: readonly ObservedPool[],
  last: FleetPlanRecord | null,
  notes: string[],
): FleetPool {
  const state = seen.find((one) => one.pool === pool.name)?.state ?? null;
  const before = last?.pools.find((one) => one.pool === pool.name)?.now ?? null;
  const now = state?.nodes ?? before ?? pool.min;
  if (state === null) {
    const from = before === null ? 'its minimum' : 'as last seen';
    notes.push(`pool ${pool.name} was not read: counted with ${now} nodes, ${from}`);
  }
  const { provider, region, zone, capacityType, pricePerHour, node, min, max, warm } = pool;
  return {
    name: pool.name,
    ...(provider === undefined ? {} : { provider }),
    ...(region === undefined ? {} : { region }),
    ...(zone === undefined ? {} : { zone }),
    ...{ capacityType, pricePerHour, node, min, max, now, warm },
    size: state === null ? 'fixed' : pool.size,
    readyFrom: blockAfter(blocks, at + pool.leadTime),
    startPrice: pool.startPrice,
    interruptionsPerHour: pool.interruptionsPerHour,
    recoverySeconds: pool.leadTime,
  };
}
