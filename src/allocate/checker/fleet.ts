import type { Component } from '../../domain/component.js';
import type { FleetInput, FleetPlan } from '../fleet/problem.js';

/*
 * An independent reading of what a fleet's plan must hold and what it costs, from the input and the plan alone. It shares
 * no code with the solver: what both have wrong alike, they have from the words of problem.ts.
 */

const STEPS = [1, 1.25, 1.5, 1.75];
const CLOSE = 1e-6;

export interface FleetCheck {
  /** Every limit that is broken, in words; none where the plan holds. */
  broken: string[];
  /** Money over the horizon, summed anew. */
  objective: number;
}

/** Demand of an account in its two parts, with what is unknown held. */
function partsOf(
  input: FleetInput,
  accountIndex: number,
  component: Component,
  block: number,
): { guaranteed: number; extra: number } {
  const account = input.accounts[accountIndex];
  if (account === undefined) return { guaranteed: 0, extra: 0 };
  const stated = account.demand[component]?.[block];
  const promised = account.guaranteed[component] ?? 0;
  const has = account.running.reduce((sum, one) => sum + (one.amount[component] ?? 0), 0);
  const demand = stated === undefined || Number.isNaN(stated) ? Math.max(has, promised) : stated;
  const guaranteed = Math.min(demand, promised);
  return { guaranteed, extra: demand - guaranteed };
}

/** Sets of pools beyond which each counts by itself alone. */
const MANY_SETS = 200;

/**
 * The component that an account has least of, by block: among all sets of pools that accounts are confined to and that have at
 * least its own pools, the one whose accounts together ask for most of what there can be. Null where there is enough of all.
 */
function scarcity(
  input: FleetInput,
  stated: readonly Component[],
): (account: number, block: number) => Component | null {
  const { pools, accounts, blocks } = input;
  interface Home {
    pools: number[];
    /** Demand of those who have just these pools, by block and component. */
    asked: number[][];
  }
  const homes = new Map<string, Home>();
  const homeOf = accounts.map((one, a) => {
    const demand = blocks.map((_, t) =>
      stated.map((component) => {
        const { guaranteed, extra } = partsOf(input, a, component, t);
        return guaranteed + extra;
      }),
    );
    const asks = stated.map((_, c) => demand.some((row) => (row[c] ?? 0) > 0));
    const own = pools.flatMap((pool, p) => {
      const has = stated.every((component, c) => asks[c] === false || (pool.node[component] ?? 0) > 0);
      return has && (one.pools === null || one.pools.includes(pool.name)) ? [p] : [];
    });
    const home = homes.get(own.join()) ?? { pools: own, asked: demand.map((row) => row.map(() => 0)) };
    home.asked = home.asked.map((row, t) => row.map((sum, c) => sum + (demand[t]?.[c] ?? 0)));
    homes.set(own.join(), home);
    return own.join();
  });
  const inside = (inner: Home, outer: Home): boolean =>
    inner === outer || (homes.size <= MANY_SETS && inner.pools.every((p) => outer.pools.includes(p)));
  const all = [...homes.values()];
  const times = (home: Home, block: number, c: number): number => {
    let asked = 0;
    for (const other of all) if (inside(other, home)) asked += other.asked[block]?.[c] ?? 0;
    let there = 0;
    for (const p of home.pools) {
      const pool = pools[p];
      if (pool === undefined) continue;
      const grows = pool.size === 'variable' && block >= pool.readyFrom;
      there += (pool.node[stated[c] ?? 'cpu'] ?? 0) * (grows ? pool.max : Math.min(pool.now, pool.max));
    }
    return asked === 0 ? 0 : asked / there;
  };
  const known = new Map<string, Component | null>();
  return (account, block) => {
    const key = `${homeOf[account] ?? ''}@${block}`;
    const before = known.get(key);
    const own = homes.get(homeOf[account] ?? '');
    if (before !== undefined || own === undefined) return before ?? null;
    let least: { component: Component; times: number } | null = null;
    for (const wider of all) {
      if (!inside(own, wider)) continue;
      for (const [c, component] of stated.entries()) {
        const pressed = times(wider, block, c);
        if (pressed > (least?.times ?? 1 + 1e-9)) least = { component, times: pressed };
      }
    }
    known.set(key, least?.component ?? null);
    return least?.component ?? null;
  };
}

export function checkFleet(input: FleetInput, plan: FleetPlan): FleetCheck {
  const broken: string[] = [];
  const { pools, accounts, blocks } = input;
  const B = blocks.length;
  const stated = plan.components;
  const offered = (p: number, component: Component): number => pools[p]?.node[component] ?? 0;
  const weights = Math.max(0, ...accounts.map((account) => account.weight));
  const priced = pools.map((pool) => pool.pricePerHour).filter((price) => price > 0);
  const horizon = blocks.reduce((sum, block) => sum + (block.to - block.from) / 3600, 0);
  const nodePrice = pools.map((pool) => pool.pricePerHour + pool.interruptionsPerHour * pool.startPrice);
  const unitValue = new Map(
    stated.map((component) => {
      const each = pools.flatMap((pool, p) =>
        (nodePrice[p] ?? 0) > 0 && (pool.node[component] ?? 0) > 0
          ? [(nodePrice[p] ?? 0) / (pool.node[component] ?? 1)]
          : [],
      );
      const largest = Math.max(...pools.map((pool) => pool.node[component] ?? 0));
      // Where every node is free, demand still has a worth: one unit of money a node.
      return [component, each.length > 0 ? Math.min(...each) : Math.max(...nodePrice, 1e-9) / largest] as const;
    }),
  );
  const leastOf = scarcity(input, stated);
  const used = new Float64Array(pools.length * B * stated.length);
  let objective = 0;
  accounts.forEach((account, a) => {
    for (let t = 0; t < B; t++) {
      const hours = ((blocks[t]?.to ?? 0) - (blocks[t]?.from ?? 0)) / 3600;
      const where = `${account.name} in block ${t}`;
      const demand = stated.map((component) => partsOf(input, a, component, t));
      const worth = (kind: 'guaranteed' | 'extra'): number =>
        stated.reduce((sum, component, c) => sum + (unitValue.get(component) ?? 0) * (demand[c]?.[kind] ?? 0), 0);
      const whole = worth('guaranteed') + worth('extra');
      let billed = 0;
      for (const kind of ['guaranteed', 'extra'] as const) {
        const value = worth(kind);
        let sum = 0;
        let onSpot = 0;
        for (const [p, pool] of pools.entries()) {
          const share = plan.placed[kind][(a * pools.length + p) * B + t] ?? 0;
          if (!(share >= 0 && share <= 1 + CLOSE)) broken.push(`${where}: a share of ${share} on ${pool.name}`);
          if (share === 0) continue;
          sum += share;
          if (pool.capacityType === 'spot') onSpot += share;
          if (account.pools !== null && !account.pools.includes(pool.name)) broken.push(`${where}: on ${pool.name}`);
          let fullest = 0;
          stated.forEach((component, c) => {
            const load = share * (demand[c]?.[kind] ?? 0);
            if (load > 0 && offered(p, component) === 0) broken.push(`${where}: ${pool.name} has no ${component}`);
            const at = (p * B + t) * stated.length + c;
            used[at] = (used[at] ?? 0) + load;
            if (load > 0) fullest = Math.max(fullest, load / offered(p, component));
          });
          billed += fullest * pool.pricePerHour;
          const homes = account.running.map((one) => one.pool);
          const rent = homes.length === 0 || homes.includes(pool.name) ? 0 : account.movePrice / horizon;
          const fixed = (account.placementPerHour[pool.name] ?? 0) + rent;
          const outage = pool.interruptionsPerHour * (pool.recoverySeconds / 3600);
          const part = whole > 0 ? value / whole : 0;
          objective += hours * share * (part * fixed + account.weight * value * outage);
        }
        if (sum > 1 + CLOSE) broken.push(`${where}: ${sum} of its ${kind} demand is placed`);
        if (onSpot > account.spotMaxShare + CLOSE) broken.push(`${where}: ${onSpot} of its ${kind} demand on spot`);
        let left = Math.max(0, 1 - sum);
        if (kind === 'guaranteed') objective += hours * left * value * (20 * weights + 80 * account.weight);
        else {
          const scarce = left > CLOSE ? leastOf(a, t) : null;
          const taken =
            scarce === null ? 0 : (unitValue.get(scarce) ?? 0) * (demand[stated.indexOf(scarce)]?.extra ?? 0);
          const worth = taken > 0 ? Math.max(2 * taken, value / 4) : value;
          for (const step of STEPS) {
            const part = Math.min(left, 1 / STEPS.length);
            objective += hours * part * step * account.weight * worth;
            left -= part;
          }
        }
      }
      if (account.budgetPerHour !== null && billed > account.budgetPerHour * (1 + CLOSE) + CLOSE * 1e-3) {
        broken.push(`${where}: costs ${billed} an hour, its budget is ${account.budgetPerHour}`);
      }
    }
  });
  const costPerHour = new Float64Array(B);
  const heldPerHour = new Float64Array(B);
  pools.forEach((pool, p) => {
    for (let t = 0; t < B; t++) {
      const hours = ((blocks[t]?.to ?? 0) - (blocks[t]?.from ?? 0)) / 3600;
      const where = `pool ${pool.name} in block ${t}`;
      const count = plan.nodes[p * B + t] ?? Number.NaN;
      const before = t === 0 ? pool.now : (plan.nodes[p * B + t - 1] ?? 0);
      if (!Number.isInteger(count) || count < 0) broken.push(`${where}: ${count} nodes`);
      if (count > pool.max) broken.push(`${where}: ${count} nodes, at most ${pool.max}`);
      if (pool.size === 'fixed' && count !== Math.min(pool.now, pool.max)) broken.push(`${where}: its size is fixed`);
      const ready = t < pool.readyFrom ? Math.min(pool.now, pool.max) : pool.max;
      if (pool.size === 'variable' && count < Math.min(pool.min, ready)) broken.push(`${where}: under its minimum`);
      if (count > ready) broken.push(`${where}: ${count} nodes before they can be ready`);
      let full = 0;
      stated.forEach((component, c) => {
        const load = used[(p * B + t) * stated.length + c] ?? 0;
        const room = offered(p, component) * count;
        if (load > room * (1 + CLOSE)) broken.push(`${where}: ${load} of ${room} ${component} are placed`);
        if (load > 0) full = Math.max(full, load / offered(p, component));
      });
      const cheapest = priced.length > 0 ? Math.min(...priced) : 1;
      const givenUp = Math.min(pool.warm, Math.max(0, full + pool.warm - count));
      const began = pool.startPrice * Math.max(0, count - before);
      objective += hours * ((nodePrice[p] ?? 0) * count + 3 * Math.max(pool.pricePerHour, cheapest) * givenUp) + began;
      const { from = 0, to = 0 } = blocks[t] ?? {};
      let [paidNodes, paid] = [0, 0];
      for (const one of pool.held ?? []) {
        const within = Math.max(0, Math.min(to, one.until) - Math.max(from, one.from)) / 3600;
        if (within >= hours) paidNodes += one.nodes;
        paid += one.nodes * one.pricePerHour * within;
      }
      // Those that run cost nothing more, but for the thousandth that an idle one is let go for.
      const free = Math.min(count, paidNodes) * pool.pricePerHour * hours;
      objective += paid - 0.999 * free;
      heldPerHour[t] = (heldPerHour[t] ?? 0) + paid / hours;
      costPerHour[t] = (costPerHour[t] ?? 0) + (nodePrice[p] ?? 0) * count + (began + paid - free) / hours;
    }
  });
  checkGrants(input, plan, broken);
  for (let t = 0; t < B; t++) {
    for (const [what, stated, summed] of [
      ['costs', plan.costPerHour[t], costPerHour[t] ?? 0],
      ['holds', plan.heldPerHour[t], heldPerHour[t] ?? 0],
    ] as const) {
      if (!(Math.abs((stated ?? Number.NaN) - summed) <= 1e-6 * Math.max(1e-3, summed)))
        broken.push(`block ${t}: the plan says that it ${what} ${stated} an hour, and it ${what} ${summed}`);
    }
  }
  if (Math.abs(objective - plan.objective) > 1e-6 * Math.max(1, Math.abs(objective))) {
    broken.push(`the plan says that it costs ${plan.objective}, and costs ${objective}`);
  }
  if (plan.lowerBound > plan.objective * (1 + 1e-6)) {
    broken.push(`the lower bound ${plan.lowerBound} is above the plan's ${plan.objective}`);
  }
  return { broken, objective };
}

/** Grants: what is placed and what is guaranteed; together no more than there is, as long as guarantees are not. */
function checkGrants(input: FleetInput, plan: FleetPlan, broken: string[]): void {
  const B = input.blocks.length;
  const P = input.pools.length;
  const last = input.grantBlocks ?? 1;
  for (const component of plan.components) {
    let granted = 0;
    let needed = 0;
    let firm = 0;
    input.accounts.forEach((account, a) => {
      const grant = plan.grants[a];
      const amount = grant?.amount[component];
      let served = 0;
      for (let t = 0; t < last; t++) {
        const { guaranteed, extra } = partsOf(input, a, component, t);
        let now = 0;
        for (let p = 0; p < P; p++) {
          const at = (a * P + p) * B + t;
          now += (plan.placed.guaranteed[at] ?? 0) * guaranteed + (plan.placed.extra[at] ?? 0) * extra;
        }
        served = Math.max(served, now);
      }
      const promised = account.guaranteed[component] ?? 0;
      needed += Math.max(served, promised);
      firm += promised;
      if (amount === undefined) {
        if (served > 0 || promised > 0) broken.push(`${account.name} has no grant of ${component}`);
        return;
      }
      granted += amount;
      if (amount < served * (1 - CLOSE) && grant?.bound === null)
        broken.push(`${account.name} is granted less ${component} than is placed`);
      if (amount < promised * (1 - CLOSE)) broken.push(`${account.name} is granted less ${component} than guaranteed`);
    });
    let most = Number.POSITIVE_INFINITY;
    let there = 0;
    for (let t = 0; t < last; t++) {
      let room = 0;
      input.pools.forEach((pool, p) => (room += (pool.node[component] ?? 0) * (plan.nodes[p * B + t] ?? 0)));
      most = Math.min(most, room);
      there = Math.max(there, room);
    }
    // Over several blocks each account's highest may lie elsewhere: then the block with the most nodes is the bound.
    const bound = Math.max(most, Math.min(needed, there), firm);
    if (granted > bound * (1 + CLOSE) + 1e-9) {
      broken.push(`grants of ${component} are ${granted} in all, and there is ${bound}`);
    }
  }
}
