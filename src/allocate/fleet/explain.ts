import { heldThrough, heldWords } from '../../domain/held.js';
import { inUseWords } from '../fleet-in-use.js';
import type { Component } from '../../domain/component.js';
import { formatQuantity } from '../../domain/component.js';
import type { FleetReason } from '../../domain/fleet-plan.js';
import { isoTime } from '../../domain/time.js';
import type { FleetInput, FleetPlan } from './problem.js';

/* What bound a number of the fleet's plan, its price, and the next best that was not taken. */

export type { FleetReason };

const money = (amount: number): string => `${Math.round(amount * 1e4) / 1e4}`;

/** What an account has of a component on a pool in a block, in its unit, from the plan's placement. */
export function accountLoad(
  input: FleetInput,
  plan: FleetPlan,
  account: number,
  pool: number,
  component: Component,
  block: number,
): number {
  const at = (account * input.pools.length + pool) * input.blocks.length + block;
  const [own, beyond] = [plan.placed.guaranteed[at] ?? 0, plan.placed.extra[at] ?? 0];
  if (own === 0 && beyond === 0) return 0;
  const { guaranteed, extra } = partsIn(input, account, component, block);
  return own * guaranteed + beyond * extra;
}

/** Load of a pool in a block by component, in the components' units, from the plan's placement. */
export function poolLoad(input: FleetInput, plan: FleetPlan, pool: number, block: number): Map<Component, number> {
  const loads = new Map<Component, number>(plan.components.map((component) => [component, 0]));
  input.accounts.forEach((_, a) => {
    for (const component of plan.components) {
      const load = accountLoad(input, plan, a, pool, component, block);
      if (load > 0) loads.set(component, (loads.get(component) ?? 0) + load);
    }
  });
  return loads;
}

/** Nodes of a pool that are paid in any case in a block. */
const paidNodes = (input: FleetInput, pool: number, block: number): number =>
  heldThrough(input.pools[pool]?.held ?? [], input.blocks[block] ?? { from: 0, to: 0 });

/** What the n-th node of a pool costs for an hour, beyond what is paid in any case. */
const priceOfNode = (input: FleetInput, pool: number, block: number, n: number): number =>
  n <= paidNodes(input, pool, block) ? 0 : (input.pools[pool]?.pricePerHour ?? 0);

/** Why a pool has so many nodes in a block, and which of them are paid in any case. */
export function explainNodes(input: FleetInput, plan: FleetPlan, pool: number, block: number): FleetReason {
  const reason = numberReason(input, plan, pool, block);
  const paid = paidNodes(input, pool, block);
  if (paid === 0) return reason;
  const nodes = plan.nodes[pool * input.blocks.length + block] ?? 0;
  const words = heldWords(input.pools[pool]?.held ?? [], input.blocks[block]?.from ?? 0);
  const used =
    nodes >= paid ? (nodes === paid ? 'all' : `${paid} of ${nodes}`) : `all ${nodes}, and ${paid - nodes} more,`;
  return {
    ...reason,
    bound: `${reason.bound}; ${nodes === 0 ? `${paid} nodes` : used} are paid in any case: ${words}`,
  };
}

function numberReason(input: FleetInput, plan: FleetPlan, pool: number, block: number): FleetReason {
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
  const saves = Math.max(0, worth - priceOfNode(input, pool, block, nodes + 1));
  const alternative = otherPool(input, plan, pool, block, fullest);
  if (of.size === 'fixed') {
    const bound = 'its nodes stay as they are: a fixed size, or it was not read';
    return { what, bound, price: saves, alternative };
  }
  const needed = fullest === null ? 0 : Math.ceil(fullest.share - 1e-6) + of.warm;
  const full = needed >= nodes;
  if (full && nodes >= of.max) return { what, bound: `its maximum of ${of.max} nodes`, price: saves, alternative };
  if (full && block < of.readyFrom && nodes >= of.now && fullest !== null) {
    const at = isoTime(input.blocks[of.readyFrom]?.from ?? input.blocks.at(-1)?.to ?? 0);
    return { what, bound: `no new node is ready before ${at}`, price: saves, alternative };
  }
  if (nodes > 0 && nodes === of.min && needed <= of.min) {
    const held = of.inUse?.nodes === nodes ? inUseWords(of.inUse) : `its minimum of ${of.min} nodes`;
    return { what, bound: held, price: 0, alternative: null };
  }
  if (nodes === 0) return { what, bound: 'nothing is placed on it', price: 0, alternative: null };
  if (fullest === null && nodes <= of.warm) {
    return { what, bound: `${of.warm} warm nodes are asked for`, price: 0, alternative: null };
  }
  const warm = of.warm > 0 ? ` and ${of.warm} warm nodes` : '';
  const placed =
    fullest === null
      ? `nothing is placed on it${warm === '' ? '' : `, and ${of.warm} warm nodes are asked for`}`
      : `${quantity(fullest.component, fullest.load)} ${fullest.component} are placed on it${warm}`;
  if (full) return { what, bound: placed, price: saves, alternative };
  // More than what is placed needs: they are kept for later, or nothing better was found within the gap.
  let later = -1;
  for (let t = block + 1; t < B && later < 0; t++) if ((plan.nodes[pool * B + t] ?? 0) > nodes) later = t;
  const bound =
    later < 0 && nodes <= paidNodes(input, pool, block)
      ? `${placed}, which needs ${needed}; the others cost nothing more`
      : later < 0
        ? `${placed}, which needs ${needed}; fewer nodes save nothing that the plan’s gap of ${percent(plan.gap)} tells`
        : `${placed}, which needs ${needed}; the others stay for ${plan.nodes[pool * B + later] ?? 0} nodes at ${isoTime(input.blocks[later]?.from ?? 0)}`;
  return { what, bound, price: saves, alternative };
}

const percent = (share: number): string => `${Math.round(share * 1e4) / 100} %`;

/** As a person reads it: nobody wants the last digit of a sum of loads. */
const quantity = (component: Component, value: number): string =>
  formatQuantity(component, Number(value.toPrecision(4)));

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
    const there = priceOfNode(input, p, block, (plan.nodes[p * input.blocks.length + block] ?? 0) + 1);
    const here = priceOfNode(input, pool, block, plan.nodes[pool * input.blocks.length + block] ?? 0);
    const costPerHour = there * (amount / offered) - here;
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
  // Where nothing is placed there is no place to compare with: what bound it says all.
  for (let p = 0; p < P && dearest >= 0; p++) {
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
  const bound = boundOf(input, plan, account, block) ?? 'its own demand';
  return { what, bound, price, alternative: best };
}

/** What of an account's limits holds it down in a block; null where it gets all that it asks for, wherever it likes. */
export function boundOf(input: FleetInput, plan: FleetPlan, account: number, block: number): string | null {
  const of = input.accounts[account];
  if (of === undefined) return null;
  const short = plan.grants[account]?.bound ?? null;
  if (short !== null) return short;
  const unknown = plan.components.filter((component) => {
    const stated = of.demand[component];
    if (stated !== undefined) return Number.isNaN(stated[block] ?? Number.NaN);
    return (of.guaranteed[component] ?? 0) > 0 || of.running.some((one) => (one.amount[component] ?? 0) > 0);
  });
  if (unknown.length > 0) return `its demand of ${unknown.join(' and ')} is unknown: it keeps what it has`;
  if (of.spotMaxShare >= 1) return null;
  let [own, beyond] = [0, 0];
  let allowed = false;
  input.pools.forEach((pool, p) => {
    if (pool.capacityType !== 'spot' || (of.pools !== null && !of.pools.includes(pool.name))) return;
    const at = (account * input.pools.length + p) * input.blocks.length + block;
    own += plan.placed.guaranteed[at] ?? 0;
    beyond += plan.placed.extra[at] ?? 0;
    allowed = true;
  });
  if (!allowed || Math.max(own, beyond) < of.spotMaxShare - 1e-6) return null;
  return `at most ${percent(of.spotMaxShare)} of it may be on spot`;
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
