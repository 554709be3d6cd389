import type { Constraint } from './constraint.js';

/** Rises smaller than this are free: it keeps rows apart that would otherwise meet in a point, where duals are open. */
const FREE = 1e-5;

/**
 * started ≥ this block − the block before, paid by the piece. Only rises are counted: over time every fall has its
 * rise, and a fall that is never made good is what one wants to have; the first fall of all is held back by the
 * account's hysteresis (see verdict.ts).
 */
export const churn: Constraint = {
  name: 'churn',
  why: 'starting a replica or a node costs: it runs before it serves, and caches start cold',
  add(build) {
    const { builder, prepared } = build;
    if (build.hard !== null) return;
    for (const block of build.blocks) {
      const before = build.before(block);
      if (before === null) continue;
      for (const workload of build.workloads) {
        if (workload.startPrice === 0) continue;
        const started = builder.column({ cost: build.cost(workload.startPrice) });
        const bound = (before === 'now' ? -workload.running : 0) - FREE;
        builder.put(started, 1);
        build.putTotal(workload.index, block, -1);
        if (before !== 'now') build.putTotal(workload.index, before);
        builder.row([], { lower: { bound } });
      }
      for (const pool of prepared.pools) {
        const column = build.nodes(pool.index, block);
        if (column === null || pool.startPrice === 0) continue;
        const started = builder.column({ cost: build.cost(pool.startPrice) });
        const earlier = before === 'now' ? null : build.nodes(pool.index, before);
        const rest = earlier === null ? [] : [{ column: earlier, value: 1 }];
        const bound = (before === 'now' ? -pool.now : 0) - FREE;
        builder.row([{ column: started, value: 1 }, { column, value: -1 }, ...rest], { lower: { bound } });
      }
    }
  },
};
