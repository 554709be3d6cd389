import type { PlanBlock, PlannedWorkload } from '../../src/domain/plan.js';
import type { AllocationInput } from '../../src/allocate/problem.js';
import { broken, costOf } from './allocate-check.js';

/* All plans of a small account: two pools at most, two blocks, one size a workload. */

/** Every way to run the workloads in one block, with the fewest nodes that carry it. */
function waysOf(input: AllocationInput, index: number): PlanBlock[] {
  const { policy } = input;
  const span = input.blocks[index] ?? { from: 0, to: 0 };
  const perWorkload = policy.workloads.map((workload): PlannedWorkload[] => {
    const request = { cpu: workload.components.cpu?.request ?? 0 };
    const found: PlannedWorkload[] = [];
    for (let replicas = workload.replicas.min; replicas <= workload.replicas.max; replicas++) {
      for (let first = 0; first <= replicas; first++) {
        if (policy.pools.length === 1 && first < replicas) continue;
        const counts = [first, replicas - first];
        const fits = policy.pools.every((pool, at) => counts[at] === 0 || request.cpu <= (pool.node.cpu ?? 0));
        if (!fits) continue;
        const pools = Object.fromEntries(
          policy.pools.flatMap((pool, at) => ((counts[at] ?? 0) === 0 ? [] : [[pool.name, counts[at] ?? 0]])),
        );
        found.push({ workload: workload.name, replicas, request, pools, shortfall: {} });
      }
    }
    return found;
  });
  return perWorkload
    .reduce<PlannedWorkload[][]>((all, ways) => all.flatMap((taken) => ways.map((way) => [...taken, way])), [[]])
    .map((workloads) => {
      const nodes = Object.fromEntries(
        policy.pools.map((pool) => {
          const used = workloads.reduce((sum, one) => sum + (one.pools[pool.name] ?? 0) * (one.request.cpu ?? 0), 0);
          const fixed = input.state.pools.find((one) => one.pool === pool.name)?.nodes ?? 0;
          return [pool.name, pool.size === 'fixed' ? fixed : Math.ceil(used / (pool.node.cpu ?? 1) - 1e-9)];
        }),
      );
      return { ...span, workloads, nodes, costPerHour: 0 };
    });
}

/** What the cheapest of all plans costs; null where no plan keeps every limit. */
export function bruteForce(input: AllocationInput): number | null {
  const feasible = input.blocks.map((_, index) =>
    waysOf(input, index).filter((way) => broken(input, [way]).length === 0),
  );
  let best: number | null = null;
  for (const first of feasible[0] ?? []) {
    for (const second of feasible[1] ?? []) {
      const cost = costOf(input, [first, second]);
      if (best === null || cost < best) best = cost;
    }
  }
  return best;
}
