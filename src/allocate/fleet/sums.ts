import { nodesCost, stepsOf, type Fleet } from './prepare.js';

/** Shares of parts on pools, [(part · blocks + block) · pools + pool]. */
export type Placement = Float64Array;

/** Load by block, pool and component, [(block · pools + pool) · components + component], in units. */
export function loadsOf(fleet: Fleet, placement: Placement): Float64Array {
  const { blocks, pools, parts } = fleet;
  const C = fleet.components.length;
  const loads = new Float64Array(blocks * pools * C);
  for (let index = 0; index < parts.count * blocks; index++) {
    const block = index % blocks;
    for (let p = 0; p < pools; p++) {
      const share = placement[index * pools + p] ?? 0;
      if (share === 0) continue;
      const at = (block * pools + p) * C;
      for (let c = 0; c < C; c++) loads[at + c] = (loads[at + c] ?? 0) + share * (parts.load[index * C + c] ?? 0);
    }
  }
  return loads;
}

export const servedShare = (fleet: Fleet, placement: Placement, index: number): number => {
  let served = 0;
  for (let p = 0; p < fleet.pools; p++) served += placement[index * fleet.pools + p] ?? 0;
  return Math.min(1, served);
};

/** Money in units, shortfall in the components' own. */
export interface Sums {
  total: number;
  costPerHour: Float64Array;
  shortfall: Float64Array;
}

/** What a plan costs, from its numbers alone. */
export function objectiveOf(fleet: Fleet, nodes: Int32Array, placement: Placement): Sums {
  const { blocks, pools, parts, hours, node, nodePrice, startPrice, warmPrice, warm, now, unit } = fleet;
  const C = fleet.components.length;
  const costPerHour = new Float64Array(blocks);
  const shortfall = new Float64Array(C * blocks);
  const loads = loadsOf(fleet, placement);
  let total = fleet.heldCost;
  for (let t = 0; t < blocks; t++) {
    const length = hours[t] ?? 0;
    // What is billed, and what the plan is charged: idle nodes that are paid anyway a little.
    let bill = length * (fleet.heldPerHour[t] ?? 0);
    for (let p = 0; p < pools; p++) {
      const count = nodes[p * blocks + t] ?? 0;
      const before = t === 0 ? (now[p] ?? 0) : (nodes[p * blocks + t - 1] ?? 0);
      const started = (startPrice[p] ?? 0) * Math.max(0, count - before);
      const free =
        ((fleet.input.pools[p]?.pricePerHour ?? 0) / fleet.money) * Math.min(count, fleet.held[p * blocks + t] ?? 0);
      bill += length * ((nodePrice[p] ?? 0) * count - free) + started;
      total += length * nodesCost(fleet, p, t, count) + started;
      let used = 0;
      for (let c = 0; c < C; c++) {
        const load = loads[(t * pools + p) * C + c] ?? 0;
        if (load > 0) used = Math.max(used, load / (node[p * C + c] ?? 0));
      }
      total += length * (warmPrice[p] ?? 0) * Math.min(warm[p] ?? 0, Math.max(0, used + (warm[p] ?? 0) - count));
    }
    costPerHour[t] = bill / length;
  }
  for (let e = 0; e < parts.count; e++) {
    const steps = stepsOf(parts.guaranteed[e] === 1);
    for (let t = 0; t < blocks; t++) {
      const index = e * blocks + t;
      if ((parts.value[index] ?? 0) <= 0) continue;
      const length = hours[t] ?? 0;
      let served = 0;
      for (let p = 0; p < pools; p++) {
        const share = placement[index * pools + p] ?? 0;
        if (share === 0) continue;
        served += share;
        total += length * share * (parts.cost[index * pools + p] ?? 0);
      }
      let left = Math.max(0, 1 - served);
      if (left <= 1e-12) continue;
      for (let c = 0; c < C; c++) {
        const at = c * blocks + t;
        shortfall[at] = (shortfall[at] ?? 0) + left * (parts.load[index * C + c] ?? 0) * (unit[c] ?? 1);
      }
      for (const step of steps) {
        const part = Math.min(left, 1 / steps.length);
        total += length * part * step * (parts.short[index] ?? 0);
        left -= part;
      }
    }
  }
  return { total, costPerHour, shortfall };
}
