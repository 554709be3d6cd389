import { poolLoad, totalOf, type Numbers } from './numbers.js';
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
  for (const pool of variable) {
    const nodes = numbers.nodes[block]?.[pool.index] ?? 0;
    if (nodes <= nodeRange(prepared, numbers, pool, block).low) continue;
    const before = prepared.workloads.map((workload) => [...(numbers.replicas[workload.index]?.[block] ?? [])]);
    if (moveOff(prepared, numbers, block, pool, nodes - 1)) {
      numbers.nodes[block]?.splice(pool.index, 1, nodes - 1);
    } else {
      for (const workload of prepared.workloads) {
        numbers.replicas[workload.index]?.splice(block, 1, before[workload.index] ?? []);
      }
    }
  }
}

/** Moves replicas off a pool until its load fits so many nodes; false where that does not work out. */
function moveOff(prepared: Prepared, numbers: Numbers, block: number, from: PreparedPool, nodes: number): boolean {
  const fits = (pool: PreparedPool, most: number): boolean =>
    poolLoad(prepared, numbers, block, pool.index) <= most + 1e-9;
  while (!fits(from, nodes)) {
    const moved = prepared.workloads.some((workload) =>
      workload.pools.some((to) => {
        const pool = prepared.pools[to];
        const counts = numbers.replicas[workload.index]?.[block];
        if (pool === undefined || counts === undefined || to === from.index) return false;
        if ((counts[from.index] ?? 0) === 0 || !mayTake(prepared, numbers, workload, block, pool)) return false;
        counts[from.index] = (counts[from.index] ?? 0) - 1;
        counts[to] = (counts[to] ?? 0) + 1;
        if (fits(pool, numbers.nodes[block]?.[to] ?? 0)) return true;
        counts[from.index] = (counts[from.index] ?? 0) + 1;
        counts[to] = (counts[to] ?? 0) - 1;
        return false;
      }),
    );
    if (!moved) return false;
  }
  return true;
}

/** Whether one more replica may be on a pool: it fits a node there, costs no share of it, and spot keeps its bound. */
function mayTake(
  prepared: Prepared,
  numbers: Numbers,
  workload: PreparedWorkload,
  block: number,
  pool: PreparedPool,
): boolean {
  const size = workload.options[numbers.option[workload.index] ?? 0];
  if (!pool.variable || (size?.price[pool.index] ?? null) === null) return false;
  if (pool.policy.capacityType !== 'spot') return true;
  const spot = prepared.pools.reduce(
    (sum, one) =>
      one.policy.capacityType === 'spot' ? sum + (numbers.replicas[workload.index]?.[block]?.[one.index] ?? 0) : sum,
    0,
  );
  return spot + 1 <= prepared.input.policy.spotMaxShare * totalOf(numbers, workload.index, block) + 1e-9;
}
