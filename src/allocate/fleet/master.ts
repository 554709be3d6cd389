import type { Highs } from 'highs';
import type { Prices } from './answers.js';
import type { Cluster } from './clusters.js';
import { createProgramBuilder, runProgram, type RunOptions } from './lp.js';
import type { Fleet } from './prepare.js';

/*
 * The master problem: nodes of every pool and block, and the shares of every cluster on every pool. Its rows are the
 * capacity of each component in each pool and block, what starting nodes costs, nodes that are paid in any case (a column of what is
 * given back, at most those that run), and one a cluster.
 */

export interface MasterOptions extends RunOptions {
  /** The blocks to solve, ascending and consecutive; nodes before the first; what a node is worth after the last. */
  blocks: readonly number[];
  before: ArrayLike<number>;
  worthAfter?: ArrayLike<number>;
  /** Bounds of nodes instead of the fleet's, [pool · blocks + block]. */
  low?: Int32Array;
  high?: Int32Array;
  whole?: boolean;
}

export interface MasterSolution {
  /** [pool · blocks + block]; only the blocks that were solved are set. */
  nodes: Float64Array;
  prices: Prices;
  /** What one more node at the end of a block saves in starts of the next, money, [pool · blocks + block]. */
  startDuals: Float64Array;
  objective: number;
  pivots: number;
  bound: number;
}

/** Solves the master, and leaves each cluster's shares in it. @returns null where HiGHS found none within its limits. */
export function solveMaster(
  highs: Highs,
  fleet: Fleet,
  clusters: readonly Cluster[],
  options: MasterOptions,
): MasterSolution | null {
  const { blocks, pools, hours, node, nodePrice, startPrice, warmPrice, warm } = fleet;
  const C = fleet.components.length;
  const { low = fleet.low, high = fleet.high, whole = false } = options;
  const builder = createProgramBuilder();
  const capacity = new Int32Array(blocks * pools * C).fill(-1);
  const starts = new Int32Array(blocks * pools).fill(-1);
  options.blocks.forEach((t, position) => {
    for (let p = 0; p < pools; p++) {
      for (let c = 0; c < C; c++) {
        const offered = node[p * C + c] ?? 0;
        if (offered === 0) continue;
        capacity[(t * pools + p) * C + c] = builder.row(Number.NEGATIVE_INFINITY, -offered * (warm[p] ?? 0));
      }
      if ((startPrice[p] ?? 0) > 0) {
        starts[t * pools + p] = builder.row(position === 0 ? -(options.before[p] ?? 0) : 0, Number.POSITIVE_INFINITY);
      }
    }
  });
  const nodeColumns = new Int32Array(blocks * pools).fill(-1);
  const last = options.blocks.at(-1) ?? 0;
  for (const t of options.blocks) {
    const length = hours[t] ?? 0;
    for (let p = 0; p < pools; p++) {
      const at = p * blocks + t;
      const worth = t === last ? (options.worthAfter?.[p] ?? 0) : 0;
      nodeColumns[t * pools + p] = builder.column(
        length * (nodePrice[p] ?? 0) - worth,
        low[at] ?? 0,
        high[at] ?? 0,
        whole,
      );
      for (let c = 0; c < C; c++) {
        const row = capacity[(t * pools + p) * C + c] ?? -1;
        if (row >= 0) builder.entry(row, -(node[p * C + c] ?? 0));
      }
      const start = starts[t * pools + p] ?? -1;
      const held = Math.min(fleet.held[at] ?? 0, high[at] ?? 0);
      const rebate = held > 0 && (fleet.rebate[p] ?? 0) > 0 ? builder.row(Number.NEGATIVE_INFINITY, 0) : -1;
      if (rebate >= 0) builder.entry(rebate, -1);
      if (start >= 0) {
        builder.entry(start, -1);
        if (t !== last) builder.entry(starts[(t + 1) * pools + p] ?? 0, 1);
        builder.column(startPrice[p] ?? 0, 0, Number.POSITIVE_INFINITY);
        builder.entry(start, 1);
      }
      if (rebate >= 0) {
        builder.column(-length * (fleet.rebate[p] ?? 0), 0, held);
        builder.entry(rebate, 1);
      }
      if ((warm[p] ?? 0) > 0) {
        builder.column(length * (warmPrice[p] ?? 0), 0, warm[p] ?? 0);
        for (let c = 0; c < C; c++) {
          const row = capacity[(t * pools + p) * C + c] ?? -1;
          if (row >= 0) builder.entry(row, -(node[p * C + c] ?? 0));
        }
      }
    }
  }
  const columns = new Int32Array(clusters.length * pools).fill(-1);
  clusters.forEach((cluster, k) => {
    const t = cluster.block;
    const length = hours[t] ?? 0;
    const all = builder.row(1, 1);
    const spotRow = cluster.spotShare < 1 ? builder.row(Number.NEGATIVE_INFINITY, cluster.spotShare) : -1;
    const budgetRow = cluster.budget === null ? -1 : builder.row(Number.NEGATIVE_INFINITY, 1);
    for (let p = 0; p < pools; p++) {
      if (cluster.allowed[p] === 0) continue;
      columns[k * pools + p] = builder.column(length * (cluster.cost[p] ?? 0), 0, Number.POSITIVE_INFINITY);
      builder.entry(all, 1);
      for (let c = 0; c < C; c++) {
        const row = capacity[(t * pools + p) * C + c] ?? -1;
        if (row >= 0) builder.entry(row, cluster.load[c] ?? 0);
      }
      if (spotRow >= 0 && fleet.spot[p] === 1) builder.entry(spotRow, 1);
      if (budgetRow >= 0) builder.entry(budgetRow, cluster.budget?.[p] ?? 0);
    }
    const steps = cluster.short.length;
    for (let j = 0; j < steps; j++) {
      builder.column(length * (cluster.short[j] ?? 0), 0, 1 / steps);
      builder.entry(all, 1);
    }
  });
  const solved = runProgram(highs, builder.build(), options);
  if (solved === null) return null;
  clusters.forEach((cluster, k) => {
    for (let p = 0; p < pools; p++) {
      const column = columns[k * pools + p] ?? -1;
      cluster.shares[p] = column < 0 ? 0 : Math.min(1, Math.max(0, solved.values[column] ?? 0));
    }
  });
  const nodes = new Float64Array(pools * blocks);
  const prices = new Float64Array(blocks * pools * C);
  const startDuals = new Float64Array(pools * blocks);
  for (const t of options.blocks) {
    for (let p = 0; p < pools; p++) {
      nodes[p * blocks + t] = solved.values[nodeColumns[t * pools + p] ?? 0] ?? 0;
      if (whole) continue;
      for (let c = 0; c < C; c++) {
        const row = capacity[(t * pools + p) * C + c] ?? -1;
        if (row >= 0) prices[(t * pools + p) * C + c] = Math.max(0, -(solved.rowDuals[row] ?? 0)) / (hours[t] ?? 1);
      }
      const start = t === last ? -1 : (starts[(t + 1) * pools + p] ?? -1);
      if (start >= 0) startDuals[p * blocks + t] = Math.max(0, solved.rowDuals[start] ?? 0);
    }
  }
  return { nodes, prices, startDuals, objective: solved.objective, bound: solved.bound, pivots: solved.pivots };
}
