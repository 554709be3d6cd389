import type { Constraint } from './constraint.js';

/** minimum ≤ nodes ≤ maximum of a variable pool. */
export const poolSize: Constraint = {
  name: 'pool-size',
  why: 'a pool has a quota above, and below a size that somebody counts on',
  add(build) {
    const { builder, prepared } = build;
    for (const pool of prepared.pools) {
      if (!pool.variable) continue;
      const { name } = pool.policy;
      const upper = builder.group({
        id: `pool-maximum/${name}`,
        constraint: 'pool-size',
        words: `maximum ${pool.max} nodes of pool ${name}`,
      });
      const lower = builder.group({
        id: `pool-minimum/${name}`,
        constraint: 'pool-size',
        words: `minimum ${pool.min} nodes of pool ${name} at ${pool.policy.pricePerHour.toFixed(2)}`,
      });
      for (const block of build.blocks) {
        const column = build.nodes(pool.index, block);
        if (column === null) continue;
        builder.row([{ column, value: 1 }], {
          lower: { bound: pool.min, group: lower, gives: build.gives('pool-minimum') },
          upper: { bound: pool.max, group: upper },
        });
      }
    }
  },
};
