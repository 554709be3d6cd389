import type { Highs } from 'highs';
import type { Answers, Prices } from './answers.js';
import { solveBlock } from './block-program.js';
import type { CarriedStart } from './carried.js';
import { fitShares } from './fit.js';
import { nodesCost, type Fleet } from './prepare.js';
import { keptWarm, rearrangements, type Rearrangement } from './rearrange.js';
import { objectiveOf, type Placement, type Sums } from './sums.js';

/*
 * Last cycle’s plan made one of today, without a linear program over the fleet: what no longer fits moves to where it costs least at last
 * cycle's prices, and where whole nodes weigh, numbers next to the last ones are tried block by block. How good that is the
 * bound at these prices tells; where it is not good enough, the fleet is solved as ever.
 */

/** Whole nodes are looked at one by one where rounding up costs more than this share of the bill. */
const CHEAP = 0.002;

export interface Resumed {
  nodes: Int32Array;
  placement: Placement;
  sums: Sums;
  pivots: number;
}

/**
 * @param start its placement is changed in place.
 * @param enough the objective at which numbers of nodes are looked into no further.
 */
export function resume(
  highs: Highs,
  fleet: Fleet,
  { nodes: had, placement }: CarriedStart,
  prices: Prices,
  answers: Answers,
  enough: number,
): Resumed {
  const { blocks, pools, hours, low, high } = fleet;
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
      const fewest = Math.min(nodes[at] ?? 0, Math.max(needed, low[at] ?? 0));
      const cost = (hours[t] ?? 0) * nodesCost(fleet, p, t, nodes[at] ?? 0);
      extra += cost - (hours[t] ?? 0) * nodesCost(fleet, p, t, fewest);
      bill += cost + (hours[t] ?? 0) * (fleet.rebate[p] ?? 0) * Math.min(nodes[at] ?? 0, fleet.held[at] ?? 0);
    }
  }
  let pivots = 0;
  if (extra > CHEAP * bill) {
    const model = highs.createModel();
    try {
      settle(model);
    } finally {
      model.dispose();
    }
  }
  fitShares(fleet, nodes, placement);
  return { nodes, placement, sums: objectiveOf(fleet, nodes, placement), pivots };

  /** First what was there or what rounding up needs, whichever costs less; where that is not enough, numbers near them. */
  function settle(model: ReturnType<Highs['createModel']>): void {
    const of = (numbers: Int32Array, t: number): Int32Array =>
      Int32Array.from({ length: pools }, (_, p) => numbers[p * blocks + t] ?? 0);
    const worth = worthOf(fleet, had, prices);
    const solve = (t: number, first: Int32Array[], search: boolean): void => {
      const solved = solveBlock(highs, model, fleet, placement, answers, {
        ...{ block: t, first, search },
        before: t === 0 ? fleet.now : of(nodes, t - 1),
        worthAfter: worth.subarray((t + 1) * pools, (t + 2) * pools),
      });
      pivots += solved?.pivots ?? 0;
      for (let p = 0; p < pools; p++) {
        const at = p * blocks + t;
        nodes[at] = solved?.nodes[p] ?? nodes[at] ?? 0;
      }
    };
    for (let t = 0; t < blocks; t++) solve(t, [of(had, t), of(nodes, t)], false);
    for (let t = 0; t < blocks; t++) {
      if (objectiveOf(fleet, nodes, placement).total <= enough) return;
      solve(t, [of(nodes, t)], true);
    }
  }
}

/**
 * What the last node that is there when a block begins saves from then on, money, [block · pools + pool], one block more than there are:
 * what its room is worth at the prices beyond what it costs, and never more than starting one.
 */
function worthOf(fleet: Fleet, had: Int32Array, prices: Prices): Float64Array {
  const { blocks, pools, hours, node, startPrice } = fleet;
  const C = fleet.components.length;
  const worth = new Float64Array((blocks + 1) * pools);
  for (let t = blocks - 1; t >= 0; t--) {
    for (let p = 0; p < pools; p++) {
      let paid = 0;
      for (let c = 0; c < C; c++) paid += (prices[(t * pools + p) * C + c] ?? 0) * (node[p * C + c] ?? 0);
      const count = Math.max(1, had[p * blocks + t] ?? 0);
      const price = nodesCost(fleet, p, t, count) - nodesCost(fleet, p, t, count - 1);
      const saved = (worth[(t + 1) * pools + p] ?? 0) + (hours[t] ?? 0) * (paid - price);
      worth[t * pools + p] = Math.min(startPrice[p] ?? 0, Math.max(0, saved));
    }
  }
  return worth;
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
