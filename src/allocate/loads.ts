import { COMPONENTS } from '../domain/component.js';
import { perNode } from './constraints/anti-affinity.js';
import type { Numbers } from './numbers.js';
import type { Prepared, PreparedWorkload } from './prepare.js';

/** What replicas take of each pool in one block, kept up as they move: asked for thousands of times by the rounding. */
export interface Loads {
  /** In nodes of the pool, by its most loaded component. */
  of(pool: number): number;
  /** Counts `by` replicas of a workload more (or fewer) on a pool. */
  move(workload: PreparedWorkload, pool: number, by: number): void;
}

export function createLoads(prepared: Prepared, numbers: Numbers, block: number): Loads {
  const width = COMPONENTS.length;
  /** 1 / what a node offers, 0 where it names none of the component. */
  const perUnit = new Float64Array(prepared.pools.length * width);
  const used = new Float64Array(prepared.pools.length * width);
  for (const pool of prepared.pools) {
    for (let c = 0; c < width; c++) {
      const component = COMPONENTS[c];
      const offered = component === undefined ? undefined : pool.policy.node[component];
      if (offered !== undefined && offered > 0) perUnit[pool.index * width + c] = 1 / offered;
    }
  }
  /** Of workloads that want few replicas a node: how many are on each pool. */
  const apart = new Map<number, { most: number; counts: Float64Array }>();
  const move = (workload: PreparedWorkload, pool: number, by: number): void => {
    const request = workload.options[numbers.option[workload.index] ?? 0]?.request;
    if (request === undefined) return;
    const most = perNode(workload);
    if (most !== null) {
      let own = apart.get(workload.index);
      if (own === undefined)
        apart.set(workload.index, (own = { most, counts: new Float64Array(prepared.pools.length) }));
      own.counts[pool] = (own.counts[pool] ?? 0) + by;
    }
    for (let c = 0; c < width; c++) {
      const component = COMPONENTS[c];
      const asked = component === undefined ? undefined : request[component];
      if (asked !== undefined) used[pool * width + c] = (used[pool * width + c] ?? 0) + by * asked;
    }
  };
  for (const workload of prepared.workloads) {
    const counts = numbers.replicas[workload.index]?.[block];
    if (counts === undefined) continue;
    for (let pool = 0; pool < counts.length; pool++) {
      const count = counts[pool] ?? 0;
      if (count > 0) move(workload, pool, count);
    }
  }
  return {
    of(pool) {
      let most = 0;
      for (let at = pool * width; at < (pool + 1) * width; at++) {
        most = Math.max(most, (used[at] ?? 0) * (perUnit[at] ?? 0));
      }
      for (const { most: each, counts } of apart.values()) most = Math.max(most, (counts[pool] ?? 0) / each);
      return most;
    },
    move,
  };
}
