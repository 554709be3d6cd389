import type { AccountPolicy, WorkloadPolicy } from '../domain/account.js';
import { COMPONENTS, type Component, type Resources } from '../domain/component.js';
import type { AccountForecast } from '../domain/forecast.js';
import type { FleetPolicy } from '../domain/fleet.js';
import { MOST_AHEAD } from '../domain/fleet-rules.js';
import { mayRunOn, sharesPool, workloadMayRunOn } from '../domain/grant.js';
import type { Plan } from '../domain/plan.js';
import { CRITICALITY_WEIGHT } from '../domain/policy-rules.js';
import { binStart, type EpochSeconds } from '../domain/time.js';
import { demandBlocks } from './demand.js';
import type { FleetAccount } from './fleet/problem.js';
import type { Block, DemandBlocks } from './problem.js';

/*
 * What an account asks of the fleet, from what its own loop left in the store: its policy, its newest forecast, its newest
 * plan. Demand becomes requests as the account itself would make them: whole replicas, between its minimum and maximum.
 */

const HOUR = 3600;
const FINE = 2 * HOUR;

/** Steps for two hours, then hours, from the step that is running at `at` on: a grant binds at once. */
export function fleetBlocks({ step, horizon }: Pick<FleetPolicy, 'step' | 'horizon'>, at: EpochSeconds): Block[] {
  const start = binStart(at, step);
  const end = start + Math.min(MOST_AHEAD, Math.max(step, horizon));
  const blocks: Block[] = [];
  for (let from = start; from < end;) {
    const to = Math.min(end, from + (from - start < FINE ? step : Math.max(step, HOUR)));
    blocks.push({ from, to });
    from = to;
  }
  return blocks;
}

/** Of the first block that begins `seconds` from now or later; the number of blocks where none does. */
export function blockAfter(blocks: readonly Block[], at: EpochSeconds): number {
  const found = blocks.findIndex(({ from }) => from >= at);
  return found < 0 ? blocks.length : found;
}

export interface AccountAsks {
  policy: AccountPolicy;
  /** Null where there is none that is new enough: what it needs is then unknown. */
  forecast: AccountForecast | null;
  /** Its newest plan; null where it has none. Says where it runs, and what the guard beneath its forecast wants. */
  plan: Plan | null;
  /** Whether that plan is new enough to say what is wanted now. */
  planIsFresh: boolean;
}

export interface Asked {
  account: FleetAccount;
  /** Workloads, and why what they need is not known; empty where all is. */
  unknown: string[];
}

/**
 * The account as the fleet's problem has it.
 * @param grantBlocks the blocks that a grant made now has to last for.
 */
export function accountAsks(
  fleet: FleetPolicy,
  { policy, forecast, plan, planIsFresh }: AccountAsks,
  blocks: readonly Block[],
  grantBlocks: number,
): Asked {
  const demand: Demand = {};
  const onSpot: Demand = {};
  const add = (to: Demand, component: Component, block: number, amount: number): void => {
    const all = (to[component] ??= new Float64Array(blocks.length));
    all[block] = (all[block] ?? 0) + amount;
  };
  const spotPools = fleet.pools.filter(({ capacityType }) => capacityType === 'spot');
  const unknown: string[] = [];
  const series = forecast === null ? [] : demandBlocks({ forecast, policy, blocks, events: forecast.events ?? [] });
  for (const workload of policy.workloads) {
    const planned = plan?.blocks[0]?.workloads.find((one) => one.workload === workload.name);
    const request = requestOf(workload, planned?.request);
    const own = series.filter((one) => one.workload === workload.name);
    const lasting = own.length > 0 ? null : (planned?.replicas ?? Number.NaN);
    if (lasting !== null) unknown.push(`${workload.name} has no forecast`);
    const mayUseSpot = spotPools.some((pool) => workloadMayRunOn(policy, workload, pool));
    const now = planIsFresh && planned !== undefined ? wantedNow(workload, planned, request) : 0;
    for (let block = 0; block < blocks.length; block++) {
      const asked = lasting ?? replicasFor(workload, own, request, block);
      const replicas = block < grantBlocks ? Math.max(asked, Number.isNaN(asked) ? asked : now) : asked;
      for (const component of COMPONENTS) {
        const each = request[component];
        if (each === undefined) continue;
        add(demand, component, block, replicas * each);
        if (mayUseSpot) add(onSpot, component, block, replicas * each);
      }
    }
  }
  const shared = fleet.pools.filter((pool) => sharesPool(policy, pool)).map(({ name }) => name);
  const running = runningOf(plan, shared);
  const special = fleet.accounts.find(({ account }) => account === policy.account);
  const perHour = running.reduce((sum, one) => sum + rentOf(fleet, one.pool, one.amount), 0);
  const hours = ((blocks.at(-1)?.to ?? 0) - (blocks[0]?.from ?? 0)) / HOUR;
  return {
    unknown,
    account: {
      name: policy.account,
      weight: Math.max(...policy.workloads.map(({ criticality }) => CRITICALITY_WEIGHT[criticality])),
      guaranteed: policy.guaranteedShare ?? {},
      pools: fleet.pools.filter((pool) => mayRunOn(policy, pool)).map(({ name }) => name),
      demand,
      spotMaxShare: Math.min(policy.spotMaxShare, largestShare(onSpot, demand)),
      // A budget in another currency is the account's own to keep: its own plan does.
      budgetPerHour: policy.currency === fleet.currency ? (policy.budget?.perHour ?? null) : null,
      running,
      placementPerHour: special?.placementPerHour ?? {},
      movePrice: special?.movePrice ?? fleet.moving.price + fleet.moving.saving * perHour * hours,
    },
  };
}

type Demand = Partial<Record<Component, Float64Array>>;

/**
 * The largest share that a part has of the whole, in any component and block where both are known: what only some workloads may
 * run on is not counted on for the others. 1 where nothing is known, or there is no such part.
 */
function largestShare(part: Demand, whole: Demand): number {
  if (Object.keys(part).length === 0) return 1;
  let largest = -1;
  for (const component of COMPONENTS) {
    whole[component]?.forEach((all, block) => {
      const share = (part[component]?.[block] ?? 0) / all;
      if (all > 0 && !Number.isNaN(share)) largest = Math.max(largest, share);
    });
  }
  return largest < 0 ? 1 : Math.min(1, largest);
}

/** Requests of one replica: as its plan has them, else as the account file does. */
function requestOf(workload: WorkloadPolicy, planned: Resources | undefined): Resources {
  const request: Resources = {};
  for (const component of COMPONENTS) {
    const settings = workload.components[component];
    if (settings !== undefined) request[component] = planned?.[component] ?? settings.request;
  }
  return request;
}

/** Whole replicas that cover every component at the account's level, between minimum and maximum. */
function replicasFor(
  workload: WorkloadPolicy,
  series: readonly DemandBlocks[],
  request: Resources,
  block: number,
): number {
  let most = workload.replicas.min;
  for (const { component, blocks } of series) {
    const usable = (request[component] ?? 0) * (workload.components[component]?.utilization ?? 1);
    if (usable > 0) most = Math.max(most, Math.ceil((blocks[block]?.atLevel ?? 0) / usable - 1e-9));
  }
  return Math.min(most, workload.replicas.max);
}

type Planned = Plan['blocks'][number]['workloads'][number];

/** What its own plan has now, and what that plan could not serve: an earlier grant may have bound it. */
function wantedNow(workload: WorkloadPolicy, planned: Planned, request: Resources): number {
  let missing = 0;
  for (const component of COMPONENTS) {
    const usable = (request[component] ?? 0) * (workload.components[component]?.utilization ?? 1);
    const short = planned.shortfall[component] ?? 0;
    if (usable > 0 && short > 0) missing = Math.max(missing, Math.ceil(short / usable - 1e-9));
  }
  return Math.min(planned.replicas + missing, workload.replicas.max);
}

/** Where its plan has it, of the pools that are shared. */
function runningOf(plan: Plan | null, shared: readonly string[]): FleetAccount['running'] {
  const byPool = new Map<string, Resources>();
  for (const { pools, request } of plan?.blocks[0]?.workloads ?? []) {
    for (const [pool, replicas] of Object.entries(pools)) {
      if (!shared.includes(pool) || !(replicas > 0)) continue;
      const amount = byPool.get(pool) ?? {};
      for (const component of COMPONENTS) {
        const each = request[component];
        if (each !== undefined) amount[component] = (amount[component] ?? 0) + replicas * each;
      }
      byPool.set(pool, amount);
    }
  }
  return [...byPool].map(([pool, amount]) => ({ pool, amount }));
}

/** What its part of a pool's nodes costs in an hour: that of the component that it takes the most of. */
function rentOf(fleet: FleetPolicy, pool: string, amount: Resources): number {
  const found = fleet.pools.find(({ name }) => name === pool);
  if (found === undefined) return 0;
  let nodes = 0;
  for (const component of COMPONENTS) {
    const offered = found.node[component];
    if (offered !== undefined && offered > 0) nodes = Math.max(nodes, (amount[component] ?? 0) / offered);
  }
  return nodes * found.pricePerHour;
}
