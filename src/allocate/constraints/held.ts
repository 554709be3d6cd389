import type { Constraint } from './constraint.js';

/** Nodes that cost nothing more ≤ nodes; how many at most is the column's own bound. */
export const held: Constraint = {
  name: 'held',
  why: 'what is paid in any case is given back for nodes that run, and for no others',
  add(build) {
    const { builder, prepared } = build;
    for (const pool of prepared.pools) {
      for (const block of build.blocks) {
        const [nodes, free] = [build.nodes(pool.index, block), build.free(pool.index, block)];
        if (nodes === null || free === null) continue;
        builder.put(free, 1);
        builder.put(nodes, -1);
        builder.row([], { upper: { bound: 0 } });
      }
    }
  },
};
