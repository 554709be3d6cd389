import type { Component } from '../../domain/component.js';
import { isoTime } from '../../domain/time.js';
import { chargeOf, type Fleet } from './prepare.js';
import type { FleetGrant } from './problem.js';
import { loadsOf, servedShare, type Placement } from './sums.js';
import { cutToPools } from './within.js';

/**
 * What each account may ask for until the grant expires: what is placed for it, never less than its guarantee, and of
 * what stays free on the pools that it runs on a part by its weight and size. Free room that guarantees in use by nobody
 * would need is not given away, so that all grants fit together as long as the guarantees do.
 */
export function grantsOf(fleet: Fleet, nodes: Int32Array, placement: Placement): FleetGrant[] {
  const { input, blocks, pools, parts, node, unit, components } = fleet;
  const C = components.length;
  const A = input.accounts.length;
  const last = input.grantBlocks ?? 1;
  const served = new Float64Array(A * C);
  const short = new Float64Array(A * C);
  const shortAt = new Int32Array(A).fill(-1);
  const runs = new Uint8Array(A * pools);
  for (let t = 0; t < last; t++) {
    const now = new Float64Array(A * C);
    const missing = new Float64Array(A * C);
    for (let e = 0; e < parts.count; e++) {
      const a = parts.account[e] ?? 0;
      const index = e * blocks + t;
      let share = 0;
      for (let p = 0; p < pools; p++) {
        const one = placement[index * pools + p] ?? 0;
        share += one;
        if (one > 0) runs[a * pools + p] = 1;
      }
      share = Math.min(1, share);
      for (let c = 0; c < C; c++) {
        const load = parts.load[index * C + c] ?? 0;
        now[a * C + c] = (now[a * C + c] ?? 0) + share * load;
        missing[a * C + c] = (missing[a * C + c] ?? 0) + (1 - share) * load;
      }
    }
    for (let at = 0; at < now.length; at++) {
      served[at] = Math.max(served[at] ?? 0, now[at] ?? 0);
      const lacks = missing[at] ?? 0;
      if (lacks > 1e-7 * ((now[at] ?? 0) + lacks) && lacks > (short[at] ?? 0)) {
        short[at] = lacks;
        shortAt[Math.trunc(at / C)] = t;
      }
    }
  }
  const spare = new Float64Array(pools * C).fill(Number.POSITIVE_INFINITY);
  const loads = loadsOf(fleet, placement);
  for (let t = 0; t < last; t++) {
    for (let p = 0; p < pools; p++) {
      for (let c = 0; c < C; c++) {
        const free = (nodes[p * blocks + t] ?? 0) * (node[p * C + c] ?? 0) - (loads[(t * pools + p) * C + c] ?? 0);
        spare[p * C + c] = Math.max(0, Math.min(spare[p * C + c] ?? 0, free));
      }
    }
  }
  const given = new Float64Array(A * C);
  const had = served.slice();
  const cutOf = new Uint8Array(A);
  components.forEach((component, c) => {
    let free = 0;
    for (let p = 0; p < pools; p++) free += spare[p * C + c] ?? 0;
    let room = Number.POSITIVE_INFINITY;
    for (let t = 0; t < last; t++) {
      let now = 0;
      for (let p = 0; p < pools; p++) now += (nodes[p * blocks + t] ?? 0) * (node[p * C + c] ?? 0);
      room = Math.min(room, now);
    }
    // What all could ask for at once: each its highest block, or its guarantee.
    input.accounts.forEach((account, a) => {
      room -= Math.max((account.guaranteed[component] ?? 0) / (unit[c] ?? 1), served[a * C + c] ?? 0);
    });
    const factor = free > 0 ? Math.min(1, Math.max(0, room / free)) : 0;
    for (let p = 0; p < pools; p++) {
      let all = 0;
      input.accounts.forEach((account, a) => {
        if (runs[a * pools + p] === 1) all += account.weight * (served[a * C + c] ?? 0);
      });
      if (all <= 0) continue;
      input.accounts.forEach((account, a) => {
        if (runs[a * pools + p] === 0) return;
        const part = (account.weight * (served[a * C + c] ?? 0)) / all;
        given[a * C + c] = (given[a * C + c] ?? 0) + factor * part * (spare[p * C + c] ?? 0);
      });
    }
    const of = (values: Float64Array): Float64Array =>
      Float64Array.from({ length: A }, (_, a) => values[a * C + c] ?? 0);
    const claims = {
      promised: Float64Array.from(input.accounts, (account) => (account.guaranteed[component] ?? 0) / (unit[c] ?? 1)),
      served: of(served),
      spare: of(given),
    };
    const cut = cutToPools(fleet, nodes, c, claims);
    for (let a = 0; a < A; a++) {
      served[a * C + c] = claims.served[a] ?? 0;
      given[a * C + c] = claims.spare[a] ?? 0;
      if (cut[a] === 1) cutOf[a] = 1;
    }
  });
  return input.accounts.map((account, a): FleetGrant => {
    const grant: FleetGrant = { account: account.name, amount: {}, spare: {}, short: {}, bound: null };
    components.forEach((component, c) => {
      const one = unit[c] ?? 1;
      const has = served[a * C + c] ?? 0;
      const guaranteed = account.guaranteed[component] ?? 0;
      const lacks = short[a * C + c] ?? 0;
      if (!knows(account.demand[component], last) && (had[a * C + c] ?? 0) === 0 && guaranteed === 0) return;
      const extra = lacks > 0 ? 0 : (given[a * C + c] ?? 0) * one;
      grant.amount[component] = Math.max(has * one, guaranteed) + extra;
      grant.spare[component] = extra;
      if (lacks > 0) grant.short[component] = lacks * one;
    });
    grant.bound = boundWords(fleet, nodes, placement, a, shortAt[a] ?? -1, Object.keys(grant.short));
    if (grant.bound === null && cutOf[a] === 1) grant.bound = CUT;
    return grant;
  });
}

const CUT =
  'its highest block fits, and not together with the highest of all others: cut by weight to what the pools hold';

/** Whether a series says anything about the blocks of the grant; an account of no such component is bounded at none. */
function knows(series: ArrayLike<number> | undefined, blocks: number): boolean {
  if (series === undefined) return false;
  for (let t = 0; t < blocks; t++) if (Number.isNaN(series[t] ?? Number.NaN)) return false;
  return true;
}

function boundWords(
  fleet: Fleet,
  nodes: Int32Array,
  placement: Placement,
  a: number,
  t: number,
  short: readonly string[],
): string | null {
  if (t < 0 || short.length === 0) return null;
  const { input, blocks, pools, parts } = fleet;
  const account = input.accounts[a];
  const lacks = short.map((component): Component | string => component).join(' and ');
  for (let e = 0; e < parts.count; e++) {
    if (parts.account[e] === a && budgetBinds(fleet, nodes, placement, e, t)) {
      return `short of ${lacks}: its budget of ${account?.budgetPerHour ?? 0} an hour`;
    }
  }
  const part = parts.account.indexOf(a);
  const full: string[] = [];
  let allowed = 0;
  for (let p = 0; p < pools; p++) {
    if (parts.allowed[part * pools + p] === 0) continue;
    allowed += 1;
    const pool = input.pools[p];
    if (pool === undefined || (nodes[p * blocks + t] ?? 0) < (fleet.high[p * blocks + t] ?? 0)) continue;
    const until = input.blocks[pool.readyFrom]?.from;
    full.push(
      t < pool.readyFrom && pool.now < pool.max && until !== undefined
        ? `pool ${pool.name} has ${pool.now} nodes and no new one before ${isoTime(until)}`
        : pool.max === 0
          ? `pool ${pool.name} may have no node`
          : `pool ${pool.name} is at its ${nodes[p * blocks + t] ?? 0} nodes`,
    );
  }
  if (allowed === 0) return `short of ${lacks}: no pool that it may use offers them`;
  if (full.length === 0)
    return `short of ${lacks}: serving it would cost more than it is worth at weight ${account?.weight ?? 0}`;
  return `short of ${lacks}: ${full.join('; ')}`;
}

/**
 * Whether its budget is what leaves a part short: it is spent, or a pool that can still grow would serve the rest of it, and that
 * costs more than is left. Where every pool is full no budget would help.
 */
function budgetBinds(fleet: Fleet, nodes: Int32Array, placement: Placement, e: number, t: number): boolean {
  const { input, blocks, pools, parts } = fleet;
  const budget = parts.budget[e * blocks + t] ?? Number.POSITIVE_INFINITY;
  const unserved = 1 - servedShare(fleet, placement, e * blocks + t);
  if (!Number.isFinite(budget) || unserved <= 1e-7) return false;
  let left = budget;
  for (let p = 0; p < pools; p++) {
    const share = placement[(e * blocks + t) * pools + p] ?? 0;
    if (share > 0) left -= share * chargeOf(fleet, parts, e, t, p);
  }
  if (left <= 1e-6 * budget) return true;
  return input.pools.some((pool, p) => {
    if (parts.allowed[e * pools + p] === 0) return false;
    const most = pool.size === 'fixed' || t < pool.readyFrom ? Math.min(pool.now, pool.max) : pool.max;
    return (nodes[p * blocks + t] ?? 0) < most && unserved * chargeOf(fleet, parts, e, t, p) > left;
  });
}
