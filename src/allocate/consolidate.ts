import { createLoads, type Loads } from './loads.js';
import type { Numbers } from './numbers.js';
import { mayMove } from './caps.js';
import type { Prepared, PreparedPool, PreparedWorkload } from './prepare.js';
import { nodeRange } from './rounding.js';

/**
 * Empties nodes that are hardly begun: where rounding has left a little on one pool's last node, and other pools have
 * room on nodes that are paid for anyway, that little moves there. The dearest pool is tried first; spot shares hold.
 */
export function consolidate(prepared: Prepared, numbers: Numbers, block: number): void {
  const variable = prepared.pools
    .filter((pool) => pool.variable && pool.policy.pricePerHour > 0)
    .sort((a, b) => b.policy.pricePerHour - a.policy.pricePerHour || a.index - b.index);
  if (prepared.pools.length < 2) return;
  if (variable.length === 0) return;
  const loads = createLoads(prepared, numbers, block);
  for (const pool of variable) {
    const nodes = numbers.nodes[block]?.[pool.index] ?? 0;
    if (nodes <= Math.max(nodeRange(prepared, numbers, pool, block).low, pool.held[block] ?? 0)) continue;
    const moves: Moved[] = [];
    if (moveOff(prepared, numbers, block, pool, nodes - 1, loads, moves)) {
      numbers.nodes[block]?.splice(pool.index, 1, nodes - 1);
    } else {
      for (const { workload, from, to } of moves.reverse()) shift(numbers, block, workload, to, from, loads);
    }
  }
}

interface Moved {
  workload: PreparedWorkload;
  from: number;
  to: number;
}

function shift(
  numbers: Numbers,
  block: number,
  workload: PreparedWorkload,
  from: number,
  to: number,
  loads: Loads,
): void {
  const counts = numbers.replicas[workload.index]?.[block];
  if (counts === undefined) return;
  counts[from] = (counts[from] ?? 0) - 1;
  counts[to] = (counts[to] ?? 0) + 1;
  loads.move(workload, from, -1);
  loads.move(workload, to, 1);
}

/** Moves replicas off a pool until its load fits so many nodes; false where that does not work out. */
function moveOff(
  prepared: Prepared,
  numbers: Numbers,
  block: number,
  from: PreparedPool,
  nodes: number,
  loads: Loads,
  moves: Moved[],
): boolean {
  const fits = (pool: number, most: number): boolean => loads.of(pool) <= most + 1e-9;
  while (!fits(from.index, nodes)) {
    const moved = prepared.workloads.some((workload) => {
      if ((numbers.replicas[workload.index]?.[block]?.[from.index] ?? 0) === 0) return false;
      return workload.pools.some((to) => {
        const pool = prepared.pools[to];
        if (pool === undefined || to === from.index || !mayTake(numbers, workload, block, from, pool)) return false;
        shift(numbers, block, workload, from.index, to, loads);
        if (fits(to, numbers.nodes[block]?.[to] ?? 0)) {
          moves.push({ workload, from: from.index, to });
          return true;
        }
        shift(numbers, block, workload, to, from.index, loads);
        return false;
      });
    });
    if (!moved) return false;
  }
  return true;
}

/** Whether a replica may be moved to a pool: it fits a node there, costs no share of it, and what is capped stays so. */
function mayTake(
  numbers: Numbers,
  workload: PreparedWorkload,
  block: number,
  from: PreparedPool,
  to: PreparedPool,
): boolean {
  const size = workload.options[numbers.option[workload.index] ?? 0];
  if (!to.variable || (size?.price[to.index] ?? null) === null) return false;
  return mayMove(workload.caps, numbers.replicas[workload.index]?.[block] ?? [], from.index, to.index);
}
