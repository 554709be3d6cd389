import { COMPONENTS, COMPONENT_UNITS, type Component, type Resources } from '../../src/domain/component.js';
import type { FleetPolicy } from '../../src/domain/fleet.js';
import type { FleetPlanRecord, FleetPlanSummary, ObservedPool, Short } from '../../src/domain/fleet-plan.js';
import { heldThrough } from '../../src/domain/held.js';
import type { EpochSeconds } from '../../src/domain/time.js';
import { blockAfter } from '../../src/allocate/fleet-demand.js';
import { poolOrders } from '../../src/allocate/fleet-orders.js';
import { accountLoad, poolLoad } from '../../src/allocate/fleet/explain.js';
import { fleetReasons } from '../../src/allocate/fleet/reasons.js';
import type { FleetGrant, FleetInput, FleetPlan } from '../../src/allocate/fleet/problem.js';
import type { GrantDrafts, PackedInput } from './work.js';

/* From the solver's arrays to what is kept: the plan of the pools, and a grant for each account. */

const MOST_SHORT = 20;
const MOST_LINES = 50;

export interface DecidedFleet {
  record: FleetPlanRecord;
  grants: GrantDrafts;
}

export function decidedFleet(
  plan: FleetPlan,
  { fleet: file, fleetId, planId, at }: { fleet: FleetPolicy; fleetId: string; planId: string; at: EpochSeconds },
  packed: PackedInput,
  input: FleetInput,
  seen: readonly ObservedPool[],
): DecidedFleet {
  // Orders and bill count with the prices that the plan was made with.
  const fleet = {
    ...file,
    pools: file.pools.map((pool, index) => ({
      ...pool,
      pricePerHour: input.pools[index]?.pricePerHour ?? pool.pricePerHour,
    })),
  };
  const blocks = plan.blocks.length;
  const orders = poolOrders(
    fleet,
    fleet.pools.map((pool, index) => ({
      pool,
      seen: seen.find((one) => one.pool === pool.name) ?? { pool: pool.name, state: null, problem: 'nobody read it' },
      nodes: plan.nodes.subarray(index * blocks, (index + 1) * blocks),
      readyFrom: blockAfter(plan.blocks, at + pool.leadTime),
      inUse: input.pools[index]?.inUse ?? null,
      held: heldThrough(input.pools[index]?.held ?? [], plan.blocks[0] ?? { from: at, to: at }),
    })),
  );
  const shorts = plan.grants.filter(({ short }) => Object.keys(short).length > 0);
  const record: FleetPlanRecord = {
    id: planId,
    at,
    fleetId,
    status: plan.status,
    costPerHour: plan.costPerHour[0] ?? 0,
    ...paidIn(plan.heldPerHour[0]),
    currency: fleet.currency,
    objective: plan.objective,
    lowerBound: plan.lowerBound,
    gap: plan.gap,
    accounts: plan.accounts.length,
    unknown: packed.unknown.length,
    short: shorts.length,
    shortest: shorts.slice(0, MOST_SHORT).map(shortOf),
    leftOut: packed.leftOut.slice(0, MOST_LINES),
    pools: orders.map((order, index) => ({
      ...order,
      capacityType: fleet.pools[index]?.capacityType ?? '',
      pricePerHour: fleet.pools[index]?.pricePerHour ?? 0,
      ...priceWords(packed, index),
      nodes: [...plan.nodes.subarray(index * blocks, (index + 1) * blocks)],
      ...heldIn(input, plan, index),
      prices: pricesOf(plan, index),
    })),
    blocks: plan.blocks.map(({ from, to }, index) => ({ from, to, costPerHour: plan.costPerHour[index] ?? 0 })),
    conflicts: plan.conflicts.map(({ set, gaveUp }) => ({ set: [...set], gaveUp })),
    notes: [...packed.notes, ...plan.notes].slice(0, MOST_LINES),
    reasons: fleetReasons(input, plan),
    work: { ...plan.work },
    basis: { shape: plan.basis.shape, starts: [...plan.basis.starts], prices: [...plan.basis.prices] },
  };
  const shares = heldShares(input, plan);
  return {
    record,
    grants: plan.grants.map((grant, index) => {
      const held = shares[index] ?? [];
      const draft = draftOf(plan, input, grant, index, planId, at, packed);
      return held.length === 0 ? draft : { ...draft, held };
    }),
  };
}

const priceWords = ({ prices }: PackedInput, index: number): { price?: string } => {
  const words = prices?.[index]?.words;
  return words === undefined ? {} : { price: words };
};

type HeldShare = NonNullable<GrantDrafts[number]['held']>;

/**
 * Of the nodes that are paid in any case and used, each account's part, as it has of the component that fills the pool: in the last
 * block of the grants, by when nodes that were asked for now mostly are there. What nobody uses is in no account's bill.
 */
function heldShares(input: FleetInput, plan: FleetPlan): HeldShare[] {
  const shares: HeldShare[] = input.accounts.map(() => []);
  const block = (input.grantBlocks ?? 1) - 1;
  const span = plan.blocks[block];
  input.pools.forEach((pool, p) => {
    const live = (pool.held ?? []).filter((one) => span !== undefined && one.from <= span.from && one.until >= span.to);
    const nodes = plan.nodes[p * plan.blocks.length + block] ?? 0;
    const used = Math.min(1, nodes / live.reduce((sum, one) => sum + one.nodes, 0));
    if (live.length === 0 || used === 0) return;
    fillersOf(input, plan, p, block).forEach((share, a) => {
      for (const { name, nodes: all, from, until, pricePerHour } of live) {
        const part = Number((share * used * all).toPrecision(4));
        if (part > 0) shares[a]?.push({ pool: pool.name, name, nodes: part, from, until, pricePerHour });
      }
    });
  });
  return shares;
}

/** Each account's share of the component that fills a pool in a block; zeros where nothing is there. */
function fillersOf(input: FleetInput, plan: FleetPlan, pool: number, block: number): number[] {
  const loads = poolLoad(input, plan, pool, block);
  const node = input.pools[pool]?.node ?? {};
  const fullness = (component: Component): number => (loads.get(component) ?? 0) / (node[component] ?? Infinity);
  const [fullest] = [...loads.keys()].sort((a, b) => fullness(b) - fullness(a));
  const all = fullest === undefined ? 0 : (loads.get(fullest) ?? 0);
  return input.accounts.map((_, a) =>
    fullest === undefined || all === 0 ? 0 : accountLoad(input, plan, a, pool, fullest, block) / all,
  );
}

const paidIn = (heldPerHour: number | undefined): { heldPerHour?: number } =>
  heldPerHour === undefined || heldPerHour === 0 ? {} : { heldPerHour };

/** Of a pool with nodes that are paid in any case, also how many nodes are needed: some may run for nothing. */
function heldIn(input: FleetInput, plan: FleetPlan, index: number): Pick<PlannedRecord, 'held' | 'needed'> {
  const pool = input.pools[index];
  if (pool?.held === undefined) return {};
  const needed = plan.blocks.map((block, t) => {
    const nodes = plan.nodes[index * plan.blocks.length + t] ?? 0;
    if (nodes > heldThrough(pool.held ?? [], block)) return nodes;
    let full = 0;
    for (const [component, load] of poolLoad(input, plan, index, t)) {
      if (load > 0) full = Math.max(full, load / (pool.node[component] ?? 0));
    }
    return Math.min(nodes, Math.max(pool.min, Math.ceil(full - 1e-6) + pool.warm));
  });
  return { held: [...pool.held], needed };
}

type PlannedRecord = FleetPlanRecord['pools'][number];

function pricesOf(plan: FleetPlan, pool: number): Resources {
  const found: Resources = {};
  plan.components.forEach((component, index) => {
    const price = plan.prices[(pool * plan.components.length + index) * plan.blocks.length] ?? 0;
    if (price > 0) found[component] = Number(price.toPrecision(4));
  });
  return found;
}

/** `1.5 cores of cpu, 4294967296 bytes of memory`. */
export const amountsText = (amounts: Resources): string =>
  COMPONENTS.flatMap((component) => {
    const amount = amounts[component];
    return amount === undefined
      ? []
      : [`${Number(amount.toPrecision(4))} ${COMPONENT_UNITS[component]} of ${component}`];
  }).join(', ');

const shortOf = ({ account, short, bound }: FleetGrant): Short => ({
  account,
  missing: short,
  words: bound ?? `gets less than it needs by ${amountsText(short)}`,
});

function draftOf(
  plan: FleetPlan,
  input: FleetInput,
  { account, amount, short, bound }: FleetGrant,
  index: number,
  planId: string,
  at: EpochSeconds,
  packed: PackedInput,
): GrantDrafts[number] {
  const known = !packed.unknown.includes(account);
  const asked = known ? askedOf(input, index) : null;
  const pools: Record<string, Resources> = {};
  const guaranteed = input.accounts[index]?.guaranteed ?? {};
  const blocks = plan.blocks.length;
  for (const [pool, name] of plan.pools.entries()) {
    const place = (index * plan.pools.length + pool) * blocks;
    const [own, beyond] = [plan.placed.guaranteed[place] ?? 0, plan.placed.extra[place] ?? 0];
    if (own + beyond <= 0 || asked === null) continue;
    const there: Resources = {};
    for (const component of COMPONENTS) {
      const value = asked[component];
      if (value === undefined) continue;
      const first = Math.min(value, guaranteed[component] ?? 0);
      there[component] = Number((own * first + beyond * (value - first)).toPrecision(6));
    }
    pools[name] = there;
  }
  const lacks = Object.keys(short).length > 0;
  const words = lacks
    ? (bound ?? `less than it needs by ${amountsText(short)}`)
    : known
      ? (bound ?? 'all that it asked for')
      : 'its demand is unknown: it keeps what it has';
  return { account, planId, at, granted: amount, asked, pools, words };
}

/** The most of any block that the grant has to last for. */
function askedOf(input: FleetInput, index: number): Resources {
  const asked: Resources = {};
  const demand = input.accounts[index]?.demand;
  for (const component of COMPONENTS) {
    const values = demand?.[component];
    if (values === undefined) continue;
    let most = 0;
    for (let block = 0; block < (input.grantBlocks ?? 1); block++) most = Math.max(most, values[block] ?? 0);
    if (Number.isFinite(most)) asked[component] = most;
  }
  return asked;
}

const MOST_HELD = 5;

/** What of it the workflow is told. */
export function summaryOf(record: FleetPlanRecord): FleetPlanSummary {
  const { id, at, status, costPerHour, currency, gap, accounts, unknown, short, heldPerHour } = record;
  const conflict = record.conflicts[0];
  return {
    ...{ id, at, status, costPerHour, currency, gap, accounts, unknown, short },
    ...paidIn(heldPerHour),
    conflict:
      conflict === undefined
        ? null
        : `${conflict.set.map(({ words }) => words).join(' against ')}; gives up ${conflict.gaveUp}`.slice(0, 1000),
    fields: record.pools.flatMap(({ cluster, fields }) => fields.map((field) => ({ ...field, cluster }))),
    held: record.pools
      .filter(({ now, planned, fields }) => fields.length === 0 && now !== null && planned !== now)
      .slice(0, MOST_HELD)
      .map(({ pool, words }) => `${pool}: ${words}`.slice(0, 200)),
  };
}
