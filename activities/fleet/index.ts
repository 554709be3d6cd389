import { fieldName } from '../../src/domain/change.js';
import type { FleetPolicy, SharedPool } from '../../src/domain/fleet.js';
import { FLEET_ACCOUNT } from '../../src/domain/fleet-names.js';
import type { ObservedPool } from '../../src/domain/fleet-plan.js';
import { HeadroomError, isHeadroomError } from '../../src/domain/errors.js';
import { poolPlace, type PoolProvisioners } from '../../src/cluster/provisioners.js';
import type { FleetDecider } from '../../src/decide/fleet.js';
import { withFleetPrices } from '../../src/allocate/price-book/apply.js';
import type { Prices } from '../../src/prices/port.js';
import type { Store, StoredRecord } from '../../src/telemetry/port.js';
import type { Fence } from '../dependencies.js';
import { translated } from '../failures.js';
import { recommendFrom } from './commitments.js';
import { gather } from './gather.js';
import { decidedFleet, summaryOf } from './plan.js';
import { createFleetPolicies } from './policies.js';
import type { FleetActivities, PoolSized } from './types.js';
import { packPlan, placedId, unpackWithPlan } from './placed.js';
import { ACCOUNTS_A_PART, grantsSchema, readAccounts, readInput } from './work.js';

export interface FleetDependencies {
  store: Store;
  fence: Fence;
  decider: FleetDecider;
  provisioners: PoolProvisioners;
  /** Prices from outside; absent: the fleet file's own count. */
  prices?: Prices;
}

/** The activities of the workflow `fleet/main`, over the given ports. */
export function createFleetActivities(deps: FleetDependencies): FleetActivities {
  const { store, fence, decider, provisioners } = deps;
  const policies = createFleetPolicies(store);
  const work = (id: string, at: number, body: unknown): StoredRecord => ({
    kind: 'fleet-work',
    id,
    account: FLEET_ACCOUNT,
    at,
    body,
  });
  const read = async (kind: StoredRecord['kind'], id: string): Promise<StoredRecord> => {
    const record = await store.getRecord(kind, id);
    if (record !== null) return record;
    throw new HeadroomError({
      kind: 'not-found',
      component: 'activities/fleet',
      action: `reading ${kind} ${id}`,
      problem: 'the store does not have it (any more)',
      remedy: 'the next cycle makes it anew',
    });
  };

  /** One pool that does not answer is a pool that is not known, and no reason to know nothing of the others. */
  async function observed(pool: SharedPool, signal: AbortSignal): Promise<ObservedPool> {
    const of = { pool: pool.name };
    try {
      const state = await provisioners(pool).read(poolPlace(pool), signal);
      if (state === null) return { ...of, state, problem: 'there is no such pool' };
      const missing = state.missing ?? [];
      if (missing.length > 0) return { ...of, state: null, problem: missing.join('; ') };
      return { ...of, state, problem: null };
    } catch (error) {
      signal.throwIfAborted();
      return { ...of, state: null, problem: wordsOf(error) };
    }
  }

  return {
    recordFleet: (input) => translated(() => policies.remember(input)),

    observePools: ({ fleetId, cluster }) =>
      translated(async (signal) => {
        const fleet = await policies.get(fleetId);
        const pools = fleet.pools.filter((pool) => pool.cluster === cluster);
        return { pools: await Promise.all(pools.map((pool) => observed(pool, signal))) };
      }),

    gatherFleet: ({ fleetId, planId, at, pools }) =>
      translated(async (signal) => {
        const fleet = await policies.get(fleetId);
        const [input, freeze] = await Promise.all([
          gather(store, fleet, at, pools, signal, deps.prices === undefined ? {} : { prices: deps.prices }),
          fence.read(0),
        ]);
        const inputId = `${planId}/input`;
        const parts = Math.max(1, Math.ceil(input.accounts.length / ACCOUNTS_A_PART));
        const part = (k: number) => input.accounts.slice(k * ACCOUNTS_A_PART, (k + 1) * ACCOUNTS_A_PART);
        await store.putRecord(work(inputId, at, { ...input, accounts: part(0), parts }));
        for (let k = 1; k < parts; k++) await store.putRecord(work(`${inputId}/${k}`, at, part(k)));
        return { inputId, accounts: input.accounts.length, unknown: input.unknown.length, freeze };
      }),

    solveFleet: ({ fleetId, planId, inputId, at }) =>
      translated(async () => {
        const [fleet, record] = await Promise.all([policies.get(fleetId), read('fleet-work', inputId)]);
        const packed = readInput(record.body);
        for (let k = 1; k < (packed.parts ?? 1); k++) {
          packed.accounts.push(...readAccounts((await read('fleet-work', `${inputId}/${k}`)).body));
        }
        const input = await unpackWithPlan(store, packed);
        const plan = await decider.solve(input);
        const seen = packed.seen.map(({ pool, state, problem }): ObservedPool => ({
          pool,
          state: state as ObservedPool['state'],
          problem,
        }));
        const decided = decidedFleet(plan, { fleet, fleetId, planId, at }, packed, input, seen);
        const placed = packPlan(plan);
        await store.putRecord(work(`${planId}/grants`, at, decided.grants));
        if (placed !== null) await store.putRecord(work(placedId(planId), at, placed));
        await store.putRecord({ kind: 'fleet-plan', id: planId, account: FLEET_ACCOUNT, at, body: decided.record });
        return { plan: summaryOf(decided.record) };
      }),

    publishGrants: ({ planId, at, until }) =>
      translated(async () => {
        const record = await read('fleet-work', `${planId}/grants`);
        const grants = grantsSchema.parse(record.body);
        await store.putRecords(
          'grant',
          grants.map((grant) => ({
            id: `${grant.account}/${planId}`,
            account: grant.account,
            at,
            body: { ...grant, until },
          })),
        );
        return { grants: grants.length };
      }),

    recommendCommitments: ({ fleetId, recommendationId, at }) =>
      translated(async (signal) => {
        const fleet = await policies.get(fleetId);
        const known = (await deps.prices?.of(fleet, signal)) ?? null;
        const priced = known === null ? fleet : withFleetPrices(fleet, known).policy;
        const { pools } = await recommendFrom(store, priced, { id: recommendationId, fleetId, at }, signal);
        return {
          recommendationId,
          lines: pools
            .slice(0, MOST_RECOMMENDED)
            .map(({ words, notJudged }) => [words, ...notJudged.slice(0, 2)].join('; ').slice(0, MOST_WORDS)),
          open: pools.filter(({ term }) => term !== null).length,
        };
      }),

    sizePools: ({ fleetId, mutations }) =>
      translated(async (signal) => {
        const fleet = await policies.get(fleetId);
        const sized: PoolSized[] = [];
        for (const mutation of mutations) {
          const { target } = mutation;
          const name = 'pool' in target ? target.pool : '';
          const of = { pool: name, field: fieldName(target) };
          // Read right before each write: a freeze stops what has not happened yet.
          const freeze = await fence.read(0);
          if (freeze !== null) {
            sized.push({ ...of, result: { kind: 'frozen', detail: `by ${freeze.author}: ${freeze.reason}` } });
            continue;
          }
          const pool = poolNamed(fleet, name);
          if (pool === null) {
            sized.push({ ...of, result: { kind: 'not-found', detail: `the fleet file names no pool ${name}` } });
            continue;
          }
          try {
            sized.push({ ...of, result: await provisioners(pool).apply(mutation, poolPlace(pool), signal) });
          } catch (error) {
            signal.throwIfAborted();
            // One pool out of reach holds up none of the others; whether it was written its key tells the next cycle.
            sized.push({ ...of, result: { kind: 'failed', detail: wordsOf(error) } });
          }
        }
        return { sized };
      }),
  };
}

const poolNamed = (fleet: FleetPolicy, name: string): SharedPool | null =>
  fleet.pools.find((pool) => pool.name === name) ?? null;

const MOST_WORDS = 300;
const MOST_RECOMMENDED = 5;

const wordsOf = (error: unknown): string =>
  (isHeadroomError(error) || error instanceof Error ? error.message : String(error)).slice(0, MOST_WORDS);
