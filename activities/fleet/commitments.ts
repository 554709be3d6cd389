import { commitmentRecordSchema, type Decision, type Recommendation } from '../../src/domain/commitment.js';
import type { FleetPolicy } from '../../src/domain/fleet.js';
import type { FleetPlanRecord } from '../../src/domain/fleet-plan.js';
import { FLEET_ACCOUNT } from '../../src/domain/fleet-names.js';
import type { EpochSeconds } from '../../src/domain/time.js';
import { HOUR, recommend, type NeededNodes } from '../../src/allocate/fleet/recommend.js';
import type { Store } from '../../src/telemetry/port.js';

/*
 * The weekly recommendation out of the store: the fleet's own plans say how many nodes each pool needed in each hour, and
 * each recommendation keeps those hours, since plans are kept for two weeks.
 */

export type CommitmentStore = Pick<Store, 'listRecords' | 'putRecord'>;

/** As long as plans are kept at most. */
const LOOK_BACK = 14 * 24;
/** Three years of weeks, and what was decided on them. */
const MOST_RECORDS = 1000;
/** A plan that is older says nothing of an hour. */
const FRESH = HOUR;

export interface KeptCommitments {
  /** Newest first. */
  recommendations: Recommendation[];
  decisions: Decision[];
}

export async function readCommitments(store: Pick<Store, 'listRecords'>): Promise<KeptCommitments> {
  const kept: KeptCommitments = { recommendations: [], decisions: [] };
  for (const { body } of await store.listRecords('commitment', FLEET_ACCOUNT, { limit: MOST_RECORDS })) {
    const record = commitmentRecordSchema.parse(body);
    if (record.kind === 'decision') kept.decisions.push(record);
    else kept.recommendations.push(record);
  }
  return kept;
}

export interface RecommendOptions {
  id: string;
  fleetId: string;
  at: EpochSeconds;
}

/** @returns what is recommended, stored; a repeat of an id answers what it said. */
export async function recommendFrom(
  store: CommitmentStore,
  policy: FleetPolicy,
  { id, fleetId, at }: RecommendOptions,
  signal: AbortSignal,
): Promise<Recommendation> {
  const { recommendations, decisions } = await readCommitments(store);
  const before = recommendations.find((one) => one.id === id);
  if (before !== undefined) return before;
  const to = Math.floor(at / HOUR) * HOUR;
  const since = recommendations.reduce((most, one) => Math.max(most, one.to), 0);
  const from = Math.min(to, Math.max(since, to - LOOK_BACK * HOUR));
  const nodes = await neededSince(store, policy, from, to, signal);
  const fresh: Recommendation = {
    ...{ kind: 'recommendation', id, at, fleetId, currency: policy.currency, from, to, nodes },
    pools: [],
  };
  const needed = together([...recommendations, fresh], to);
  const record: Recommendation = {
    ...fresh,
    pools: recommend({ policy, at, needed, decisions }, (pool) => `${id.slice(id.indexOf('/') + 1)}/${pool}`),
  };
  await store.putRecord({ kind: 'commitment', id, account: FLEET_ACCOUNT, at, body: record });
  return record;
}

/**
 * Of each hour what the last plan made by its beginning has for its middle: far enough ahead that nodes which take some
 * minutes to come are in it; of nodes that are paid in any case those that are needed. Unknown where there is no plan of the hour before, or the pool was not read.
 */
async function neededSince(
  store: Pick<Store, 'listRecords'>,
  { pools }: FleetPolicy,
  from: EpochSeconds,
  to: EpochSeconds,
  signal: AbortSignal,
): Promise<Recommendation['nodes']> {
  const nodes: Recommendation['nodes'] = Object.fromEntries(pools.map(({ name }) => [name, []]));
  for (let hour = from; hour < to; hour += HOUR) {
    signal.throwIfAborted();
    const [record] = await store.listRecords('fleet-plan', FLEET_ACCOUNT, { limit: 1, before: hour + 1 });
    const plan = record === undefined || record.at < hour - FRESH ? null : (record.body as FleetPlanRecord);
    const middle = hour + HOUR / 2;
    const block = plan?.blocks.findIndex((one) => one.from <= middle && middle < one.to) ?? -1;
    for (const { name } of pools) {
      const pool = plan?.pools.find((one) => one.pool === name);
      nodes[name]?.push(pool === undefined || pool.now === null ? null : ((pool.needed ?? pool.nodes)[block] ?? null));
    }
  }
  return nodes;
}

/** All hours that were ever kept, up to `to`; where two recommendations have one, the later says. */
function together(recommendations: readonly Recommendation[], to: EpochSeconds): NeededNodes {
  const from = recommendations.reduce((least, one) => Math.min(least, one.from), to);
  const byPool = new Map<string, Float64Array>();
  for (const one of [...recommendations].sort((a, b) => a.at - b.at)) {
    for (const [pool, values] of Object.entries(one.nodes)) {
      const all = byPool.get(pool) ?? new Float64Array((to - from) / HOUR).fill(Number.NaN);
      values.forEach((value, index) => {
        const place = (one.from - from) / HOUR + index;
        if (value !== null && place < all.length) all[place] = value;
      });
      byPool.set(pool, all);
    }
  }
  return { from, byPool };
}
