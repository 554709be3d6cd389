import type { Component } from '../../domain/component.js';
import { formatQuantity } from '../../domain/component.js';
import { isoTime } from '../../domain/time.js';
import type { FleetInput, FleetPlan } from './problem.js';

/** Why a number of a plan is what it is: plain data, for `why`, for JSON and for the history. */
export interface FleetReason {
  /** The number, in words. */
  what: string;
  /** What bound it. */
  bound: string;
  /** Money per hour that one more unit of what bounds it would save; 0 where nothing binds. */
  price: number;
  /** The next best that was not taken, and what it would cost more an hour; null where there is none. */
  alternative: { words: string; costPerHour: number } | null;
}

const money = (amount: number): string => `${Math.round(amount * 1e4) / 1e4}`;

/** Load of a pool in a block by component, in the components' units, from the plan's placement. */
export function poolLoad(input: FleetInput, plan: FleetPlan, pool: number, block: number): Map<Component, number> {
  const loads = new Map<Component, number>(plan.components.map((component) => [component, 0]));
  input.accounts.forEach((_, a) => {
    for (const component of plan.components) {
      const { guaranteed, extra } = partsIn(input, a, component, block);
      const at = (a * input.pools.length + pool) * input.blocks.length + block;
      const load = (plan.placed.guaranteed[at] ?? 0) * guaranteed + (plan.placed.extra[at] ?? 0) * extra;
      if (load > 0) loads.set(component, (loads.get(component) ?? 0) + load);
    }
  });
  return loads;
}

/** Why a pool has so many nodes in a block. */
export function explainNodes(input: FleetInput, plan: FleetPlan, pool: number, block: number): FleetReason {
  const of = input.pools[pool];
  const B = input.blocks.length;
  if (of === undefined) throw new RangeError(`the fleet has no pool ${pool}`);
  const nodes = plan.nodes[pool * B + block] ?? 0;
  const what = `${nodes} nodes of pool ${of.name} at ${isoTime(input.blocks[block]?.from ?? 0)}`;
  let worth = 0;
  let fullest: { component: Component; load: number; share: number } | null = null;
  for (const [component, load] of poolLoad(input, plan, pool, block)) {
    const offered = of.node[component] ?? 0;
    if (offered === 0) continue;
    const at = (pool * plan.components.length + plan.components.indexOf(component)) * B + block;
    worth += (plan.prices[at] ?? 0) * offered;
    const share = load / offered;
    if (share > (fullest?.share ?? 0)) fullest = { component, load, share };
  }
  const saves = Math.max(0, worth - of.pricePerHour);
  const alternative = otherPool(input, plan, pool, block, fullest);
  if (of.size === 'fixed') return { what, bound: 'the pool has a fixed size', price: saves, alternative };
  const early = block < of.readyFrom;
  if (nodes >= of.max) return { what, bound: `its maximum of ${of.max} nodes`, price: saves, alternative };
  if (early && nodes >= of.now) {
    const at = isoTime(input.blocks[of.readyFrom]?.from ?? input.blocks.at(-1)?.to ?? 0);
    return { what, bound: `no new node is ready before ${at}`, price: saves, alternative };
  }
  const needed = fullest === null ? 0 : Math.ceil(fullest.share - 1e-6) + of.warm;
  if (nodes > 0 && nodes === of.min && needed <= of.min) {
    return { what, bound: `its minimum of ${of.min} nodes`, price: 0, alternative: null };
  }
  if (fullest === null) {
    const bound = nodes === 0 ? 'nothing is placed on it' : `${of.warm} warm nodes are asked for`;
    return { what, bound, price: 0, alternative: null };
  }
  const warm = of.warm > 0 ? ` and ${of.warm} warm nodes` : '';
  const bound = `${formatQuantity(fullest.component, fullest.load)} ${fullest.component} are placed on it${warm}`;
  return { what, bound, price: saves, alternative };
}

/** The cheapest other pool with room for one more node's worth of what fills this one. */
function otherPool(
  input: FleetInput,
  plan: FleetPlan,
  pool: number,
  block: number,
  fullest: { component: Component } | null,
): FleetReason['alternative'] {
  const of = input.pools[pool];
  if (of === undefined || fullest === null) return null;
  const amount = of.node[fullest.component] ?? 0;
  let best: FleetReason['alternative'] = null;
  input.pools.forEach((other, p) => {
    const offered = other.node[fullest.component] ?? 0;
    const most = block < other.readyFrom ? Math.min(other.now, other.max) : other.max;
    if (p === pool || offered === 0 || (plan.nodes[p * input.blocks.length + block] ?? 0) >= most) return;
    const costPerHour = other.pricePerHour * (amount / offered) - of.pricePerHour;
    if (best !== null && best.costPerHour <= costPerHour) return;
    const words = `the same ${fullest.component} on pool ${other.name}, ${money(Math.abs(costPerHour))} an hour a node ${costPerHour < 0 ? 'less, before egress, moves and interruptions' : 'more'}`;
    best = { words, costPerHour };
  });
  return best;
}

/** Why an account runs where it runs in a block, and what bounds what it gets. */
export function explainAccount(input: FleetInput, plan: FleetPlan, account: number, block: number): FleetReason {
  const of = input.accounts[account];
  if (of === undefined) throw new RangeError(`the fleet has no account ${account}`);
  const B = input.blocks.length;
  const P = input.pools.length;
  const places: string[] = [];
  let dearest = -1;
  let mostPlaced = 0;
  for (let p = 0; p < P; p++) {
    const at = (account * P + p) * B + block;
    const share = Math.max(plan.placed.guaranteed[at] ?? 0, plan.placed.extra[at] ?? 0);
    if (share <= 1e-6) continue;
    places.push(`${Math.round(share * 100)} % on ${input.pools[p]?.name ?? ''}`);
    if (share > mostPlaced) {
      mostPlaced = share;
      dearest = p;
    }
  }
  const at = isoTime(input.blocks[block]?.from ?? 0);
  const what = `${of.name} at ${at}: ${places.length === 0 ? 'nothing is placed' : places.join(', ')}`;
  const priced = (p: number): number => {
    let sum = of.placementPerHour[input.pools[p]?.name ?? ''] ?? 0;
    plan.components.forEach((component, c) => {
      const { guaranteed, extra } = partsIn(input, account, component, block);
      sum += (plan.prices[(p * plan.components.length + c) * B + block] ?? 0) * (guaranteed + extra);
    });
    return sum;
  };
  const price = dearest < 0 ? 0 : priced(dearest);
  let best: FleetReason['alternative'] = null;
  for (let p = 0; p < P; p++) {
    const pool = input.pools[p];
    if (p === dearest || pool === undefined || (of.pools !== null && !of.pools.includes(pool.name))) continue;
    const offers = plan.components.every(
      (component, c) =>
        (pool.node[component] ?? 0) > 0 ||
        partsIn(input, account, plan.components[c] ?? component, block).guaranteed +
          partsIn(input, account, plan.components[c] ?? component, block).extra ===
          0,
    );
    if (!offers) continue;
    const costPerHour = priced(p) - price;
    if (best === null || costPerHour < best.costPerHour) {
      best = { words: `all of it on pool ${pool.name}`, costPerHour };
    }
  }
  const bound = plan.grants[account]?.bound ?? 'its own demand';
  return { what, bound, price, alternative: best };
}

/** Demand of an account in its two parts; what is unknown is what it has. */
function partsIn(
  input: FleetInput,
  account: number,
  component: Component,
  block: number,
): { guaranteed: number; extra: number } {
  const of = input.accounts[account];
  if (of === undefined) return { guaranteed: 0, extra: 0 };
  const stated = of.demand[component]?.[block] ?? Number.NaN;
  const promised = of.guaranteed[component] ?? 0;
  let running = 0;
  for (const { amount } of of.running) running += amount[component] ?? 0;
  const demand = Number.isNaN(stated) ? Math.max(running, promised) : stated;
  const guaranteed = Math.min(demand, promised);
  return { guaranteed, extra: demand - guaranteed };
}
