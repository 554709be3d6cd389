import { COMPONENTS, type Component } from '../../domain/component.js';
import { heldCost, heldThrough } from '../../domain/held.js';
import { scarceComponents } from './scarce.js';
import type { FleetAccount, FleetInput } from './problem.js';

/** How unserved demand beyond the guarantee is priced: each quarter of it dearer, so that equals share what is scarce. */
export const SHORT_STEPS = [1, 1.25, 1.5, 1.75] as const;
/** Where a component is scarce: a claim by what it takes of that, as a multiple, and at least so much of what all of it costs. */
const SCARCE = 2;
const FLOOR = 0.25;
/** What warm nodes that are given up cost, as a multiple of the node's price: less than any account's demand. */
const WARM_FACTOR = 3;
/** A node that is paid in any case counts so much of its price while it runs: idle ones are let go. */
const IDLE = 0.001;
/** Guaranteed demand before any other: as multiples of the largest weight; the less critical still gives first. */
const GUARANTEED_BASE = 20;
const GUARANTEED_OWN = 80;

/**
 * The fleet as typed arrays. An account's demand is in two parts, each placed in proportion: what is guaranteed (by
 * component the smaller of demand and guarantee) and what is beyond it. Amounts are in units of the largest node of the
 * component and money in units of `money`, so that solvers see numbers near one.
 */
export interface Fleet {
  input: FleetInput;
  blocks: number;
  pools: number;
  components: readonly Component[];
  /** Length of each block. */
  hours: Float64Array;
  /** One unit of each component, and of money, as the input has it. */
  unit: Float64Array;
  money: number;
  /** What a node offers, [pool · components + component]. */
  node: Float64Array;
  /** Money per node-hour with the starts that interruptions are expected to cost; start; a warm node given up. */
  nodePrice: Float64Array;
  startPrice: Float64Array;
  warmPrice: Float64Array;
  warm: Float64Array;
  spot: Uint8Array;
  now: Int32Array;
  /** Nodes that are paid in any case, [pool · blocks + block], and what one of them that runs is given back, money per hour. */
  held: Int32Array;
  rebate: Float64Array;
  /** What is paid in any case: money per hour by block, and in all. */
  heldPerHour: Float64Array;
  heldCost: number;
  /** Nodes that a pool may have, [pool · blocks + block]. */
  low: Int32Array;
  high: Int32Array;
  parts: Parts;
  notes: string[];
}

export interface Parts {
  count: number;
  /** By part: its account, whether it is guaranteed, the largest share on spot, whether a budget can bind. */
  account: Int32Array;
  guaranteed: Uint8Array;
  spotShare: Float64Array;
  budgeted: Uint8Array;
  /** [part · pools + pool]: may run there; */
  allowed: Uint8Array;
  /** [(part · blocks + block) · components + component]. */
  load: Float64Array;
  /**
   * [part · blocks + block]: what serving it costs on the cheapest nodes; the price of the first step unserved: weight × that,
   * and where its pools have too little of a component, weight × what it takes of that one.
   */
  value: Float64Array;
  short: Float64Array;
  /** [(part · blocks + block) · pools + pool]: money per hour on a pool besides its nodes. */
  cost: Float64Array;
  /** Money per hour that the part may cost, [part · blocks + block]; infinite where no budget binds. */
  budget: Float64Array;
}

/** The price of each step unserved, as multiples of `short`. */
export const stepsOf = (guaranteed: boolean): readonly number[] => (guaranteed ? [1] : SHORT_STEPS);

export function prepareFleet(input: FleetInput): Fleet {
  const components = COMPONENTS.filter((component) => input.pools.some((pool) => (pool.node[component] ?? 0) > 0));
  const blocks = input.blocks.length;
  const pools = input.pools.length;
  const count = components.length;
  const unit = Float64Array.from(components, (component) =>
    Math.max(...input.pools.map((pool) => pool.node[component] ?? 0)),
  );
  const priced = input.pools.map((pool) => pool.pricePerHour).filter((price) => price > 0);
  const money = priced.length > 0 ? priced.reduce((sum, price) => sum + price, 0) / priced.length : 1;
  const node = new Float64Array(pools * count);
  input.pools.forEach((pool, p) => {
    components.forEach((component, c) => (node[p * count + c] = (pool.node[component] ?? 0) / (unit[c] ?? 1)));
  });
  const cheapest = priced.length > 0 ? Math.min(...priced) / money : 1;
  const per = (of: (pool: FleetInput['pools'][number]) => number): Float64Array => Float64Array.from(input.pools, of);
  const fleet: Fleet = {
    input,
    blocks,
    pools,
    components,
    hours: Float64Array.from(input.blocks, (block) => (block.to - block.from) / 3600),
    unit,
    money,
    node,
    nodePrice: per((pool) => (pool.pricePerHour + pool.interruptionsPerHour * pool.startPrice) / money),
    startPrice: per((pool) => pool.startPrice / money),
    warmPrice: per((pool) => WARM_FACTOR * Math.max(pool.pricePerHour / money, cheapest)),
    warm: per((pool) => pool.warm),
    spot: Uint8Array.from(input.pools, (pool) => (pool.capacityType === 'spot' ? 1 : 0)),
    now: Int32Array.from(input.pools, (pool) => pool.now),
    held: new Int32Array(pools * blocks),
    rebate: per((pool) => ((1 - IDLE) * pool.pricePerHour) / money),
    heldPerHour: new Float64Array(blocks),
    heldCost: 0,
    low: new Int32Array(pools * blocks),
    high: new Int32Array(pools * blocks),
    parts: emptyParts(0, 0, 0, 0),
    notes: [],
  };
  fleet.parts = partsOf(fleet, unitValues(fleet));
  nodeBounds(fleet);
  setHeld(fleet);
  return fleet;
}

function setHeld(fleet: Fleet): void {
  const { input, blocks, hours, held, heldPerHour, money } = fleet;
  input.pools.forEach(({ held: own = [] }, p) => {
    input.blocks.forEach((block, t) => {
      held[p * blocks + t] = heldThrough(own, block);
      heldPerHour[t] = (heldPerHour[t] ?? 0) + heldCost(own, block) / money;
    });
  });
  fleet.heldCost = heldPerHour.reduce((sum, each, t) => sum + each * (hours[t] ?? 0), 0);
}

/** Objective of so many nodes for an hour, beyond what is paid in any case: convex in the number. */
export const nodesCost = ({ nodePrice, rebate, held, blocks }: Fleet, p: number, t: number, nodes: number): number =>
  nodes * (nodePrice[p] ?? 0) - (rebate[p] ?? 0) * Math.min(nodes, held[p * blocks + t] ?? 0);

/** Money per hour of one unit of each component where it is cheapest: what demand is worth, alike for all accounts. */
function unitValues(fleet: Fleet): Float64Array {
  const { components, node, nodePrice, pools } = fleet;
  const fallback = Math.max(...nodePrice, 1e-9);
  return Float64Array.from(components, (_, c) => {
    let least = Number.POSITIVE_INFINITY;
    for (let p = 0; p < pools; p++) {
      const amount = node[p * components.length + c] ?? 0;
      const price = nodePrice[p] ?? 0;
      if (amount > 0 && price > 0) least = Math.min(least, price / amount);
    }
    return Number.isFinite(least) ? least : fallback;
  });
}

function emptyParts(count: number, pools: number, blocks: number, components: number): Parts {
  return {
    count,
    account: new Int32Array(count),
    guaranteed: new Uint8Array(count),
    spotShare: new Float64Array(count),
    budgeted: new Uint8Array(count),
    allowed: new Uint8Array(count * pools),
    load: new Float64Array(count * blocks * components),
    value: new Float64Array(count * blocks),
    short: new Float64Array(count * blocks),
    cost: new Float64Array(count * blocks * pools),
    budget: new Float64Array(count * blocks).fill(Number.POSITIVE_INFINITY),
  };
}

function partsOf(fleet: Fleet, values: Float64Array): Parts {
  const { input, blocks, pools, components, hours, unit, money, notes } = fleet;
  const C = components.length;
  const horizon = hours.reduce((sum, one) => sum + one, 0);
  const mostWeight = input.accounts.reduce((most, account) => Math.max(most, account.weight), 0);
  const poolIndex = new Map(input.pools.map((pool, p) => [pool.name, p]));
  const listed: { account: number; guaranteed: boolean; demand: Float64Array }[] = [];
  // Two buffers for all accounts: ten thousand small ones would keep the collector busy.
  const each = blocks * C;
  const demands = new Float64Array(input.accounts.length * each);
  const firsts = new Float64Array(input.accounts.length * each);
  input.accounts.forEach((account, a) => {
    const demand = demands.subarray(a * each, (a + 1) * each);
    const first = firsts.subarray(a * each, (a + 1) * each);
    demandOf(account, fleet, notes, demand);
    let any = false;
    let beyond = false;
    for (let c = 0; c < C; c++) {
      const component = components[c];
      const most = component === undefined ? 0 : (account.guaranteed[component] ?? 0) / (unit[c] ?? 1);
      for (let t = 0; t < blocks; t++) {
        const at = t * C + c;
        const amount = Math.min(demand[at] ?? 0, most);
        first[at] = amount;
        const rest = (demand[at] ?? 0) - amount;
        demand[at] = rest;
        any ||= amount > 0;
        beyond ||= rest > 0;
      }
    }
    if (any) listed.push({ account: a, guaranteed: true, demand: first });
    if (beyond) listed.push({ account: a, guaranteed: false, demand });
  });
  const parts = emptyParts(listed.length, pools, blocks, C);
  const total = new Float64Array(input.accounts.length * blocks);
  const valueOf = (demand: Float64Array, t: number): number => {
    let sum = 0;
    for (let c = 0; c < C; c++) sum += (values[c] ?? 0) * (demand[t * C + c] ?? 0);
    return sum;
  };
  for (const { account, demand } of listed) {
    for (let t = 0; t < blocks; t++) {
      total[account * blocks + t] = (total[account * blocks + t] ?? 0) + valueOf(demand, t);
    }
  }
  const allowedOf = allowedPools(fleet, listed);
  const wholes = new Float64Array(input.accounts.length * each);
  for (const { account, demand } of listed) {
    for (let i = 0; i < each; i++) wholes[account * each + i] = (wholes[account * each + i] ?? 0) + (demand[i] ?? 0);
  }
  const scarce = scarceComponents(fleet, allowedOf, wholes);
  /**
   * Of what its pools have too little of, each account’s claim counts by what it takes of that alone: so that equals get equal
   * shares of their demand, however dear the rest of it is. Never less than a quarter of what it costs, nor than that by weight.
   */
  const worthOf = (value: number, demand: Float64Array, t: number, c: number): number => {
    const taken = c < 0 ? 0 : (values[c] ?? 0) * (demand[t * C + c] ?? 0);
    return taken === 0 ? value : Math.max(SCARCE * taken, FLOOR * value);
  };
  const fixed = new Float64Array(pools);
  const exposed = Float64Array.from(input.pools, (pool) => pool.interruptionsPerHour * (pool.recoverySeconds / 3600));
  listed.forEach(({ account: a, guaranteed, demand }, e) => {
    const account = input.accounts[a];
    if (account === undefined) return;
    parts.account[e] = a;
    parts.guaranteed[e] = guaranteed ? 1 : 0;
    parts.spotShare[e] = account.spotMaxShare;
    parts.load.set(demand, e * blocks * C);
    const here = new Set(account.running.map(({ pool }) => poolIndex.get(pool) ?? -1));
    input.pools.forEach((pool, p) => {
      parts.allowed[e * pools + p] = allowedOf[a * pools + p] ?? 0;
      const rent = here.size === 0 || here.has(p) ? 0 : account.movePrice / horizon;
      fixed[p] = ((account.placementPerHour[pool.name] ?? 0) + rent) / money;
    });
    const factor = guaranteed ? GUARANTEED_BASE * mostWeight + GUARANTEED_OWN * account.weight : account.weight;
    for (let t = 0; t < blocks; t++) {
      const at = e * blocks + t;
      const value = valueOf(demand, t);
      const all = total[a * blocks + t] ?? 0;
      parts.value[at] = value;
      parts.short[at] = factor * (guaranteed ? value : worthOf(value, demand, t, scarce[a * blocks + t] ?? -1));
      const share = all > 0 ? value / all : 0;
      for (let p = 0; p < pools; p++) {
        parts.cost[at * pools + p] = share * (fixed[p] ?? 0) + account.weight * value * (exposed[p] ?? 0);
      }
    }
  });
  setBudgets(fleet, parts);
  return parts;
}

/** Demand as amounts in units, [block · components + component]; unknown demand is what the account has. */
function demandOf(account: FleetAccount, fleet: Fleet, notes: string[], demand: Float64Array): void {
  const { blocks, components, unit } = fleet;
  components.forEach((component, c) => {
    const series = account.demand[component];
    let running = 0;
    for (const { amount } of account.running) running += amount[component] ?? 0;
    const held = Math.max(running, account.guaranteed[component] ?? 0);
    let unknown = 0;
    for (let t = 0; t < blocks; t++) {
      const value = series === undefined ? Number.NaN : (series[t] ?? Number.NaN);
      if (Number.isNaN(value)) unknown += 1;
      demand[t * components.length + c] = (Number.isNaN(value) ? held : value) / (unit[c] ?? 1);
    }
    // An account that was never said to use a component, nor runs any, does not ask for it.
    if (unknown === 0 || (series === undefined && held === 0)) return;
    const where = unknown === blocks ? '' : ` in ${unknown} of ${blocks} blocks`;
    notes.push(
      held > 0
        ? `${account.name}: demand of ${component} is unknown${where}: what it has is held`
        : `${account.name}: demand of ${component} is unknown${where}, and so is what it has: no grant bounds it`,
    );
  });
}

/** Pools by account, [account · pools + pool]: named, and offering every component that the account asks for. */
function allowedPools(fleet: Fleet, listed: readonly { account: number; demand: Float64Array }[]): Uint8Array {
  const { input, pools, components, node } = fleet;
  const C = components.length;
  const allowed = new Uint8Array(input.accounts.length * pools);
  input.accounts.forEach((account, a) => {
    const named = account.pools === null ? null : new Set(account.pools);
    input.pools.forEach((pool, p) => {
      allowed[a * pools + p] = named === null || named.has(pool.name) ? 1 : 0;
    });
  });
  for (const { account, demand } of listed) {
    for (let c = 0; c < C; c++) {
      let asks = false;
      for (let at = c; at < demand.length && !asks; at += C) asks = (demand[at] ?? 0) > 0;
      if (!asks) continue;
      for (let p = 0; p < pools; p++) {
        if ((node[p * C + c] ?? 0) === 0) allowed[account * pools + p] = 0;
      }
    }
  }
  return allowed;
}

/** Money per hour that a part is charged on a pool: its share of a node's price, by the component that it fills first. */
export function chargeOf(fleet: Fleet, parts: Parts, part: number, block: number, pool: number): number {
  const C = fleet.components.length;
  let most = 0;
  for (let c = 0; c < C; c++) {
    const load = parts.load[(part * fleet.blocks + block) * C + c] ?? 0;
    if (load > 0) most = Math.max(most, load / (fleet.node[pool * C + c] ?? 0));
  }
  return most * ((fleet.input.pools[pool]?.pricePerHour ?? 0) / fleet.money);
}

/**
 * Divides each budget between the account's parts, the guaranteed first: so much as it costs on the dearest pool that it
 * may use. What is left bounds the rest. A budget that cannot bind is left out.
 */
function setBudgets(fleet: Fleet, parts: Parts): void {
  const { input, blocks, pools, money } = fleet;
  const dearest = (part: number, t: number): number => {
    let most = 0;
    for (let p = 0; p < pools; p++) {
      if (parts.allowed[part * pools + p] === 1) most = Math.max(most, chargeOf(fleet, parts, part, t, p));
    }
    return most;
  };
  for (let e = 0; e < parts.count; e++) {
    const a = parts.account[e] ?? 0;
    const budget = input.accounts[a]?.budgetPerHour ?? null;
    if (budget === null) continue;
    const before = e > 0 && parts.account[e - 1] === a ? e - 1 : null;
    for (let t = 0; t < blocks; t++) {
      const left = budget / money - (before === null ? 0 : dearest(before, t));
      if (dearest(e, t) <= left) continue;
      parts.budget[e * blocks + t] = Math.max(0, left);
      parts.budgeted[e] = 1;
    }
  }
}

/** Limits on nodes by block: what is ready by then, minimum under maximum, and never more than could be used. */
function nodeBounds(fleet: Fleet): void {
  const { input, blocks, pools, components, node, parts, low, high } = fleet;
  const C = components.length;
  input.pools.forEach((pool, p) => {
    let useful = 0;
    for (let t = 0; t < blocks; t++) {
      for (let c = 0; c < C; c++) {
        const offered = node[p * C + c] ?? 0;
        if (offered === 0) continue;
        let load = 0;
        for (let e = 0; e < parts.count; e++) {
          if (parts.allowed[e * pools + p] === 1) load += parts.load[(e * blocks + t) * C + c] ?? 0;
        }
        useful = Math.max(useful, Math.ceil(load / offered));
      }
    }
    for (let t = 0; t < blocks; t++) {
      const at = p * blocks + t;
      const reachable = t < pool.readyFrom ? Math.min(pool.now, pool.max) : pool.max;
      if (pool.size === 'fixed') {
        low[at] = high[at] = Math.min(pool.now, pool.max);
        continue;
      }
      low[at] = Math.min(pool.min, reachable);
      high[at] = Math.max(low[at] ?? 0, Math.min(reachable, useful + pool.warm));
    }
  });
}
