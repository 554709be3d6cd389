import type { Highs } from 'highs';
import type { Cluster } from './clusters.js';
import { solveMaster } from './master.js';
import { nodesCost, type Fleet } from './prepare.js';
import type { Relaxed } from './relax.js';

/** Rounding up is enough where it costs at most so much of the objective. */
const CHEAP = 0.002;
const NODE_LIMIT = 200;
const ITERATIONS = 200_000;

export interface Whole {
  nodes: Int32Array;
  pivots: number;
}

/**
 * Whole nodes from fractions. In a large fleet rounding up costs next to nothing, and every share stays as it is. In a
 * small one each block is solved by branch and bound within a node or two of the fractions, one block after another:
 * what a node costs to start is known from the block before, and what it saves in the next from the relaxation's duals.
 * Leaves the clusters' shares as they fit.
 */
export function wholeNodes(highs: Highs, fleet: Fleet, relaxed: Relaxed): Whole {
  const { blocks, pools, low, high, now } = fleet;
  const up = new Int32Array(pools * blocks);
  let extra = 0;
  for (let p = 0; p < pools; p++) {
    for (let t = 0; t < blocks; t++) {
      const at = p * blocks + t;
      const fraction = relaxed.master.nodes[at] ?? 0;
      up[at] = Math.min(high[at] ?? 0, Math.max(low[at] ?? 0, Math.ceil(fraction - 1e-6)));
      const more = nodesCost(fleet, p, t, up[at] ?? 0) - nodesCost(fleet, p, t, Math.min(fraction, up[at] ?? 0));
      extra += (fleet.hours[t] ?? 0) * more;
    }
  }
  let pivots = 0;
  if (extra > CHEAP * Math.abs(relaxed.upperBound)) {
    const byBlock = clustersByBlock(fleet, relaxed.clusters);
    const chosen = new Int32Array(pools * blocks);
    const before = Int32Array.from(now);
    for (let t = 0; t < blocks; t++) {
      const near = { low: Int32Array.from(low), high: Int32Array.from(high) };
      for (let p = 0; p < pools; p++) {
        const at = p * blocks + t;
        const fraction = relaxed.master.nodes[at] ?? 0;
        near.low[at] = Math.max(low[at] ?? 0, Math.floor(fraction + 1e-6) - 1);
        near.high[at] = Math.min(high[at] ?? 0, Math.ceil(fraction - 1e-6) + 1);
      }
      const worthAfter = Float64Array.from({ length: pools }, (_, p) => relaxed.master.startDuals[p * blocks + t] ?? 0);
      const solved = solveMaster(highs, fleet, byBlock[t] ?? [], {
        blocks: [t],
        before,
        worthAfter,
        ...near,
        whole: true,
        iterationLimit: ITERATIONS,
        nodeLimit: NODE_LIMIT,
        relativeGap: 1e-3,
      });
      pivots += solved?.pivots ?? 0;
      for (let p = 0; p < pools; p++) {
        const at = p * blocks + t;
        chosen[at] = solved === null ? (up[at] ?? 0) : Math.round(solved.nodes[at] ?? 0);
        before[p] = chosen[at] ?? 0;
      }
    }
    return { nodes: chosen, pivots };
  }
  return { nodes: up, pivots };
}

export function clustersByBlock(fleet: Fleet, clusters: readonly Cluster[]): Cluster[][] {
  const byBlock: Cluster[][] = Array.from({ length: fleet.blocks }, () => []);
  for (const cluster of clusters) byBlock[cluster.block]?.push(cluster);
  return byBlock;
}
