import type { Answers, Prices } from './answers.js';
import type { CarriedStart } from './carried.js';
import { fitShares } from './fit.js';
import type { Fleet } from './prepare.js';
import { keptWarm, rearrangements, type Rearrangement } from './rearrange.js';
import { objectiveOf, type Placement, type Sums } from './sums.js';

/*
 * Last cycle's plan made one of today, without a linear program: what no longer fits moves to where it costs least at last
 * cycle's prices, and where whole nodes weigh, numbers next to the last ones are tried block by block. How good that is the
 * bound at these prices tells; where it is not good enough, the fleet is solved as ever.
 */

/** Steps of a node or two that are tried in a block at most. */
const STEPS = 4;
/** Whole nodes are looked at one by one where rounding up costs more than this share of the bill. */
const CHEAP = 0.002;

export interface Resumed {
  nodes: Int32Array;
  placement: Placement;
  sums: Sums;
  /** Arrangements that were tried. */
  tried: number;
}

/** @param start its placement is changed in place. */
export function resume(
  fleet: Fleet,
  { nodes: had, placement }: CarriedStart,
  prices: Prices,
  answers: Answers,
): Resumed {
  const { blocks, pools, hours, nodePrice, low, high } = fleet;
  const nodes = new Int32Array(pools * blocks);
  const states = rearrangements(fleet, placement, prices, answers);
  let extra = 0;
  let bill = 0;
  for (const state of states) {
    const { block: t } = state;
    const most = Int32Array.from({ length: pools }, (_, p) => high[p * blocks + t] ?? 0);
    state.serve();
    state.fit(most);
    state.draw(most.map((count, p) => (had[p * blocks + t] === count ? count : 0)));
    for (let p = 0; p < pools; p++) {
      const at = p * blocks + t;
      const needed = neededNodes(fleet, state, p) + keptWarm(fleet, t, p, prices);
      nodes[at] = Math.min(high[at] ?? 0, Math.max(low[at] ?? 0, Math.ceil(needed - 1e-6)));
      const price = (hours[t] ?? 0) * (nodePrice[p] ?? 0);
      extra += price * Math.max(0, (nodes[at] ?? 0) - Math.max(needed, low[at] ?? 0));
      bill += price * (nodes[at] ?? 0);
    }
  }
  let tried = 0;
  if (extra > CHEAP * bill) {
    for (const state of states) tried += settle(fleet, state, nodes, had);
  }
  fitShares(fleet, nodes, placement);
  return { nodes, placement, sums: objectiveOf(fleet, nodes, placement), tried };
}

function neededNodes(fleet: Fleet, { load }: Rearrangement, pool: number): number {
  const C = fleet.components.length;
  let needed = 0;
  for (let c = 0; c < C; c++) {
    const amount = load[pool * C + c] ?? 0;
    if (amount > 0) needed = Math.max(needed, amount / (fleet.node[pool * C + c] ?? 0));
  }
  return needed;
}

/**
 * Whole nodes of one block, the blocks before it being settled: from what was there last cycle and from what rounding up
 * needs, a node less, a node more or one pool's for another's as long as that saves.
 */
function settle(fleet: Fleet, state: Rearrangement, nodes: Int32Array, had: Int32Array): number {
  const { blocks, pools, hours, nodePrice, startPrice, now, low, high } = fleet;
  const { block: t } = state;
  const length = hours[t] ?? 0;
  let tried = 0;
  const costOf = (counts: Int32Array): number => {
    tried += 1;
    let sum = 0;
    for (let p = 0; p < pools; p++) {
      const count = counts[p] ?? 0;
      const before = t === 0 ? (now[p] ?? 0) : (nodes[p * blocks + t - 1] ?? 0);
      const after = t + 1 < blocks ? (had[p * blocks + t + 1] ?? 0) : count;
      sum += length * (nodePrice[p] ?? 0) * count;
      sum += (startPrice[p] ?? 0) * (Math.max(0, count - before) + Math.max(0, after - count));
    }
    state.fit(counts);
    sum += length * state.spent();
    state.undo();
    return sum;
  };
  state.mark();
  const own = (of: Int32Array): Int32Array => Int32Array.from({ length: pools }, (_, p) => of[p * blocks + t] ?? 0);
  let best = { counts: own(nodes), cost: 0 };
  best.cost = costOf(best.counts);
  const last = own(had);
  if (last.some((count, p) => count !== best.counts[p])) {
    const cost = costOf(last);
    if (cost < best.cost) best = { counts: last, cost };
  }
  for (let step = 0; step < STEPS; step++) {
    let next = best;
    for (let less = -1; less < pools; less++) {
      for (let more = -1; more < pools; more++) {
        if (less === more) continue;
        const counts = best.counts.slice();
        if (less >= 0) counts[less] = (counts[less] ?? 0) - 1;
        if (more >= 0) counts[more] = (counts[more] ?? 0) + 1;
        if (less >= 0 && (counts[less] ?? 0) < (low[less * blocks + t] ?? 0)) continue;
        if (more >= 0 && (counts[more] ?? 0) > (high[more * blocks + t] ?? 0)) continue;
        const cost = costOf(counts);
        if (cost < next.cost - 1e-9) next = { counts, cost };
      }
    }
    if (next === best) break;
    best = next;
  }
  state.fit(best.counts);
  for (let p = 0; p < pools; p++) nodes[p * blocks + t] = best.counts[p] ?? 0;
  return tried;
}
