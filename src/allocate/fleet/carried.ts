import { chargeOf, type Fleet } from './prepare.js';
import type { CarriedPlan, FleetBasis } from './problem.js';
import type { Placement } from './sums.js';

/*
 * A plan as it is carried to the next cycle: which part of each account's demand is where, as one of a table of ways to be
 * placed (most are on one pool), two bytes a part and block. It comes back by the clock, on another demand: shares stay what
 * they were, within what an account may do today.
 */

/** Shares are carried in thousandths. */
const GRAIN = 1000;
/** Ways that two bytes can tell apart; 0 is nowhere. */
const MOST_WAYS = 65_535;

/** @returns null where the plan has more ways to be placed than can be told apart. */
export function carryPlan(fleet: Fleet, nodes: Int32Array, placement: Placement, gap: number): CarriedPlan | null {
  const { input, blocks, pools, parts } = fleet;
  const wayOf = new Uint16Array(input.accounts.length * 2 * blocks);
  const ways: number[] = new Array<number>(pools).fill(0);
  // A path through shares, pool by pool, to the number of a way: no text is made for each of many thousands.
  const paths = new Map<number, number>();
  let states = 1;
  const shares = new Int32Array(pools);
  // Most parts are placed as in the block before.
  let last = 0;
  for (let e = 0; e < parts.count; e++) {
    const row = ((parts.account[e] ?? 0) * 2 + (parts.guaranteed[e] === 1 ? 0 : 1)) * blocks;
    for (let t = 0; t < blocks; t++) {
      const from = (e * blocks + t) * pools;
      if (isWay(last, from)) {
        wayOf[row + t] = last;
        continue;
      }
      grains(placement, from, shares);
      let state = 0;
      let all = 0;
      for (let p = 0; p < pools; p++) {
        const share = shares[p] ?? 0;
        all += share;
        const key = state * (GRAIN + 1) + share;
        const next = paths.get(key);
        state = next ?? states++;
        if (next === undefined) paths.set(key, state);
      }
      if (all === 0) continue;
      const known = paths.get(-state);
      const way = known ?? ways.length / pools;
      if (known === undefined) {
        if (way > MOST_WAYS) return null;
        paths.set(-state, way);
        for (let p = 0; p < pools; p++) ways.push((shares[p] ?? 0) / GRAIN);
      }
      wayOf[row + t] = way;
      last = way;
    }
  }
  return { accounts: input.accounts.map(({ name }) => name), nodes: [...nodes], ways, wayOf, gap };

  function isWay(way: number, from: number): boolean {
    for (let p = 0; p < pools; p++) {
      if (Math.abs((placement[from + p] ?? 0) - (ways[way * pools + p] ?? 0)) > 0.5 / GRAIN) return false;
    }
    return true;
  }
}

/** In whole thousandths that are together what the shares are: what is served whole stays so. */
function grains(placement: Placement, from: number, into: Int32Array): void {
  let sum = 0;
  let all = 0;
  let largest = 0;
  for (let p = 0; p < into.length; p++) {
    const share = placement[from + p] ?? 0;
    sum += share;
    into[p] = Math.round(share * GRAIN);
    all += into[p] ?? 0;
    if ((into[p] ?? 0) > (into[largest] ?? 0)) largest = p;
  }
  into[largest] = (into[largest] ?? 0) + Math.min(GRAIN, Math.round(sum * GRAIN)) - all;
}

export interface CarriedStart {
  /** Nodes of pools that are within today's limits, [pool · blocks + block]. */
  nodes: Int32Array;
  /** Within what each part may do; pools may be too full. */
  placement: Placement;
}

/** Which of the carried blocks a block of today follows. */
export type Then = ArrayLike<number>;

/** @returns null where it is not of this form. */
export function carriedStart(fleet: Fleet, plan: CarriedPlan, basis: FleetBasis, then: Then): CarriedStart | null {
  const { input, blocks, pools, parts, low, high } = fleet;
  const before = basis.starts.length;
  const { accounts, ways, wayOf } = plan;
  if (plan.nodes.length !== pools * before || wayOf.length !== accounts.length * 2 * before) return null;
  if (ways.length % pools !== 0 || !ways.every((share) => share >= 0 && share <= 1)) return null;
  const nodes = new Int32Array(pools * blocks);
  for (let p = 0; p < pools; p++) {
    for (let t = 0; t < blocks; t++) {
      const at = p * blocks + t;
      const had = plan.nodes[p * before + (then[t] ?? 0)] ?? 0;
      nodes[at] = Math.min(high[at] ?? 0, Math.max(low[at] ?? 0, had));
    }
  }
  // Most parts are whole on one pool, which needs no looking into where they may still go there.
  const wholeOn = Int32Array.from({ length: ways.length / pools }, (_, way) =>
    ways.slice(way * pools, (way + 1) * pools).indexOf(1),
  );
  const indexOf = new Map(accounts.map((name, index) => [name, index]));
  const placement = new Float64Array(parts.count * blocks * pools);
  for (let e = 0; e < parts.count; e++) {
    const a = indexOf.get(input.accounts[parts.account[e] ?? 0]?.name ?? '');
    if (a === undefined) continue;
    const row = (a * 2 + (parts.guaranteed[e] === 1 ? 0 : 1)) * before;
    for (let t = 0; t < blocks; t++) {
      const index = e * blocks + t;
      const from = (wayOf[row + (then[t] ?? 0)] ?? 0) * pools;
      if (from === 0 || from >= ways.length) continue;
      const budget = parts.budget[index] ?? Number.POSITIVE_INFINITY;
      const only = wholeOn[from / pools] ?? -1;
      if (only >= 0 && parts.allowed[e * pools + only] === 1 && budget === Number.POSITIVE_INFINITY) {
        placement[index * pools + only] = fleet.spot[only] === 1 ? (parts.spotShare[e] ?? 1) : 1;
        continue;
      }
      let onSpot = 0;
      let all = 0;
      for (let p = 0; p < pools; p++) {
        const share = parts.allowed[e * pools + p] === 1 ? (ways[from + p] ?? 0) : 0;
        if (share === 0) continue;
        placement[index * pools + p] = share;
        all += share;
        if (fleet.spot[p] === 1) onSpot += share;
      }
      const spotShare = parts.spotShare[e] ?? 1;
      if (onSpot > spotShare) all -= scaled(index, (p) => (fleet.spot[p] === 1 ? spotShare / onSpot : 1));
      if (all > 1) scaled(index, () => 1 / all);
      if (!Number.isFinite(budget)) continue;
      let spent = 0;
      for (let p = 0; p < pools; p++) {
        const share = placement[index * pools + p] ?? 0;
        if (share > 0) spent += share * chargeOf(fleet, parts, e, t, p);
      }
      if (spent > budget) scaled(index, () => budget / spent);
    }
  }
  return { nodes, placement };

  /** @returns how much less is placed. */
  function scaled(index: number, factor: (pool: number) => number): number {
    let less = 0;
    for (let p = 0; p < pools; p++) {
      const share = placement[index * pools + p] ?? 0;
      const after = share * factor(p);
      placement[index * pools + p] = after;
      less += share - after;
    }
    return less;
  }
}
