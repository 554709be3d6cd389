import { chargeOf, nodesCost, stepsOf, type Fleet } from './prepare.js';

/*
 * How accounts answer prices. Given what a unit of each component costs in each pool and block, every part of every
 * account is a problem of its own, solved here in closed form: run where it is cheapest, under the bounds on spot and
 * budget, or stay unserved where that costs less. Their sum is the accounts' part of the Lagrangian bound.
 */

/** Prices by block, pool and component, [(block · pools + pool) · components + component]: money per unit-hour, ≥ 0. */
export type Prices = Float64Array;

export interface Answers {
  /** Money per hour that each part costs at these prices at least, [part · blocks + block]. */
  value: Float64Array;
  /** Which way it chose, as a number that is alike where the choice is: its pools, and whether something is unserved. */
  way: Int32Array;
  /** How much dearer the next best pool is, per value of the part; infinite where there is none. */
  margin: Float64Array;
  /** Σ over parts and blocks of hours · value. */
  total: number;
}

/** Whether a way leaves something unserved. */
export const leavesUnserved = (way: number, pools: number): boolean =>
  way === pools || (way > pools && (way - pools - 1) % 8 > 0);

/** Tangents to the value of a budget's price at most: each price gives a valid lower bound, the last nearly the best. */
const BUDGET_ROUNDS = 12;

export function answerPrices(fleet: Fleet, prices: Prices): Answers {
  const { blocks, pools, parts, spot, hours } = fleet;
  const C = fleet.components.length;
  const { count, allowed, load, cost, short, spotShare, budgeted, guaranteed } = parts;
  const value = new Float64Array(count * blocks);
  const way = new Int32Array(count * blocks);
  const margin = new Float64Array(count * blocks);
  const at = new Float64Array(pools);
  const none = pools + 1;
  let total = 0;
  for (let e = 0; e < count; e++) {
    const restricted = (spotShare[e] ?? 1) < 1;
    const steps = stepsOf(guaranteed[e] === 1);
    for (let t = 0; t < blocks; t++) {
      const index = e * blocks + t;
      const loadAt = index * C;
      let best = Number.POSITIVE_INFINITY;
      let second = Number.POSITIVE_INFINITY;
      let pool = -1;
      for (let p = 0; p < pools; p++) {
        if (allowed[e * pools + p] === 0) {
          at[p] = Number.POSITIVE_INFINITY;
          continue;
        }
        let sum = cost[index * pools + p] ?? 0;
        const priceAt = (t * pools + p) * C;
        for (let c = 0; c < C; c++) sum += (prices[priceAt + c] ?? 0) * (load[loadAt + c] ?? 0);
        at[p] = sum;
        if (sum < best) {
          second = best;
          best = sum;
          pool = p;
        } else if (sum < second) second = sum;
      }
      const unserved = short[index] ?? 0;
      const worth = parts.value[index] ?? 0;
      margin[index] = worth > 0 ? (Math.min(second, unserved) - best) / worth : Number.POSITIVE_INFINITY;
      const bound = parts.budget[index] ?? Number.POSITIVE_INFINITY;
      const budgetBinds = budgeted[e] === 1 && Number.isFinite(bound);
      if (!budgetBinds && best <= unserved && (!restricted || spot[pool] === 0)) {
        value[index] = best;
        way[index] = pool;
      } else if (!budgetBinds && !restricted && unserved * (steps.at(-1) ?? 1) < best) {
        let sum = 0;
        for (const step of steps) sum += step;
        value[index] = (unserved * sum) / steps.length;
        way[index] = pools;
      } else {
        const found = budgetBinds
          ? withinBudget(fleet, e, t, at, bound)
          : fill(fleet, at, spotShare[e] ?? 1, unserved, steps);
        value[index] = found.value;
        const unservedSteps = Math.ceil(found.unserved * steps.length - 1e-9);
        way[index] = none + ((found.onSpot + 1) * none + found.offSpot + 1) * 8 + unservedSteps;
        if (worth > 0) margin[index] = mixedMargin(fleet, at, found) / worth;
      }
      total += (hours[t] ?? 0) * (value[index] ?? 0);
    }
  }
  return { value, way, margin, total };
}

/** How near a part that is on spot and elsewhere is to another choice: of the pool for either, or between the two. */
function mixedMargin(fleet: Fleet, at: Float64Array, filled: Filled): number {
  let least = Number.POSITIVE_INFINITY;
  for (const [chosen, isSpot] of [
    [filled.onSpot, 1],
    [filled.offSpot, 0],
  ] as const) {
    const cost = chosen < 0 ? Number.POSITIVE_INFINITY : (at[chosen] ?? 0);
    for (let p = 0; p < fleet.pools; p++) {
      if (p === chosen || !Number.isFinite(at[p] ?? Number.POSITIVE_INFINITY)) continue;
      // Another pool of its kind that is nearly as cheap; spot that is nearly as dear as the rest.
      if (fleet.spot[p] === isSpot || isSpot === 1) least = Math.min(least, Math.abs((at[p] ?? 0) - cost));
    }
  }
  return least;
}

export interface Filled {
  value: number;
  /** The pools used, −1 where none; with their shares. */
  onSpot: number;
  offSpot: number;
  spotPart: number;
  otherPart: number;
  unserved: number;
}

/** The cheapest way to place a part whose shares cost `at`, with at most `spotShare` on spot: in order of cost. */
export function fill(
  fleet: Fleet,
  at: Float64Array,
  spotShare: number,
  short: number,
  steps: readonly number[],
): Filled {
  let spotPool = -1;
  let otherPool = -1;
  for (let p = 0; p < fleet.pools; p++) {
    const cost = at[p] ?? Number.POSITIVE_INFINITY;
    if (!Number.isFinite(cost)) continue;
    if (fleet.spot[p] === 1) {
      if (spotPool < 0 || cost < (at[spotPool] ?? 0)) spotPool = p;
    } else if (otherPool < 0 || cost < (at[otherPool] ?? 0)) otherPool = p;
  }
  const spotCost = spotPool < 0 ? Number.POSITIVE_INFINITY : (at[spotPool] ?? 0);
  const otherCost = otherPool < 0 ? Number.POSITIVE_INFINITY : (at[otherPool] ?? 0);
  let left = 1;
  let value = 0;
  let spotPart = 0;
  let otherPart = 0;
  const width = 1 / steps.length;
  let step = 0;
  for (let turn = 0; turn < steps.length + 2 && left > 1e-12; turn++) {
    const unserved = step < steps.length ? short * (steps[step] ?? 1) : Number.POSITIVE_INFINITY;
    const spotNow = spotPart < spotShare ? spotCost : Number.POSITIVE_INFINITY;
    if (spotNow <= otherCost && spotNow <= unserved && Number.isFinite(spotNow)) {
      spotPart = Math.min(left, spotShare);
      value += spotPart * spotNow;
      left -= spotPart;
    } else if (otherCost <= unserved && Number.isFinite(otherCost)) {
      otherPart = left;
      value += left * otherCost;
      left = 0;
    } else {
      const part = Math.min(left, width);
      value += part * unserved;
      left -= part;
      step += 1;
    }
  }
  return {
    value,
    onSpot: spotPart > 0 ? spotPool : -1,
    offSpot: otherPart > 0 ? otherPool : -1,
    spotPart,
    otherPart,
    unserved: 1 - spotPart - otherPart,
  };
}

/** The same under a budget: the budget has a price, which is found; every price gives a lower bound. */
function withinBudget(fleet: Fleet, part: number, block: number, at: Float64Array, budget: number): Filled {
  const { parts, pools, blocks } = fleet;
  const charge = Float64Array.from({ length: pools }, (_, p) => chargeOf(fleet, parts, part, block, p));
  const priced = new Float64Array(pools);
  const steps = stepsOf(parts.guaranteed[part] === 1);
  const short = parts.short[part * blocks + block] ?? 0;
  const spotShare = parts.spotShare[part] ?? 1;
  const answer = (price: number): { filled: Filled; spent: number } => {
    for (let p = 0; p < pools; p++) {
      const own = at[p] ?? Number.POSITIVE_INFINITY;
      priced[p] = Number.isFinite(own) ? own + price * (charge[p] ?? 0) : own;
    }
    const filled = fill(fleet, priced, spotShare, short, steps);
    const spent =
      filled.spotPart * (filled.onSpot < 0 ? 0 : (charge[filled.onSpot] ?? 0)) +
      filled.otherPart * (filled.offSpot < 0 ? 0 : (charge[filled.offSpot] ?? 0));
    return { filled: { ...filled, value: filled.value - price * budget }, spent };
  };
  // Concave and piecewise linear in the price: cutting planes in one dimension end at a corner after a few tangents.
  let low = { price: 0, ...answer(0) };
  if (low.spent <= budget) return low.filled;
  let high = { price: 1, ...answer(1) };
  for (let doubling = 0; doubling < 40 && high.spent > budget; doubling++) {
    low = high;
    high = { price: high.price * 8, ...answer(high.price * 8) };
  }
  let best = high.filled.value > low.filled.value ? high : low;
  for (let round = 0; round < BUDGET_ROUNDS; round++) {
    const slope = low.spent - high.spent;
    if (slope <= 1e-12) break;
    // Where the tangents of both sides meet.
    const price =
      (high.filled.value - low.filled.value + (low.spent - budget) * low.price - (high.spent - budget) * high.price) /
      slope;
    if (!(price > low.price && price < high.price)) break;
    const there = { price, ...answer(price) };
    const meets = low.filled.value + (low.spent - budget) * (price - low.price);
    if (there.filled.value > best.filled.value) best = there;
    if (there.filled.value >= meets - 1e-9 * Math.abs(meets)) break;
    if (there.spent > budget) low = there;
    else high = there;
  }
  // Below its budget it goes on as at the price found, and leaves the rest unserved: that is what tells it apart.
  return { ...best.filled, unserved: Math.max(best.filled.unserved, 1e-9) };
}

/**
 * The pools' part of the Lagrangian bound: what nodes cost at least when their capacity is paid at these prices. A
 * pool's problem is a path through its numbers of nodes, block by block; since its costs are linear between the limits and
 * the nodes that are paid in any case, these and the present number are all that it can want (total unimodularity), which makes
 * the bound exact.
 */
export function poolBound(fleet: Fleet, prices: Prices): number {
  const { blocks, pools, hours, node, startPrice, warmPrice, warm, now, low, high, held } = fleet;
  const C = fleet.components.length;
  let total = fleet.heldCost;
  for (let p = 0; p < pools; p++) {
    const present = now[p] ?? 0;
    const levels = [
      ...new Set([
        present,
        ...low.subarray(p * blocks, (p + 1) * blocks),
        ...high.subarray(p * blocks, (p + 1) * blocks),
        ...held.subarray(p * blocks, (p + 1) * blocks),
      ]),
    ];
    const start = startPrice[p] ?? 0;
    let before = new Map<number, number>([[present, 0]]);
    for (let t = 0; t < blocks; t++) {
      let paid = 0;
      for (let c = 0; c < C; c++) paid += (prices[(t * pools + p) * C + c] ?? 0) * (node[p * C + c] ?? 0);
      const length = hours[t] ?? 0;
      const kept = length * (warm[p] ?? 0) * (paid + Math.min(0, (warmPrice[p] ?? 0) - paid));
      const after = new Map<number, number>();
      for (const level of levels) {
        if (level < (low[p * blocks + t] ?? 0) || level > (high[p * blocks + t] ?? 0)) continue;
        let least = Number.POSITIVE_INFINITY;
        for (const [from, cost] of before) least = Math.min(least, cost + start * Math.max(0, level - from));
        after.set(level, least + length * (nodesCost(fleet, p, t, level) - paid * level) + kept);
      }
      before = after;
    }
    total += Math.min(...before.values());
  }
  return total;
}
