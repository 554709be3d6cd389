import type { Constraint } from './constraint.js';

/** replicas and nodes = those of the block before, in a block whose decision would fall into a blackout. */
export const blackout: Constraint = {
  name: 'blackout',
  why: 'nothing is changed during a blackout, so what it needs has to be there before it begins',
  add(build) {
    const { builder, prepared } = build;
    const gives = build.gives('blackout');
    for (const block of build.blocks) {
      const words = prepared.blackout[block] ?? null;
      const before = build.before(block);
      if (words === null || before === null) continue;
      const group = builder.group({ id: `blackout/${words}`, constraint: 'blackout', words });
      for (const workload of build.workloads) {
        const same = { bound: before === 'now' ? workload.now : 0, group, gives };
        const rest = before === 'now' ? [] : build.total(workload.index, before, -1);
        builder.row([...build.total(workload.index, block), ...rest], { lower: same, upper: same });
      }
      for (const pool of prepared.pools) {
        const column = build.nodes(pool.index, block);
        if (column === null) continue;
        const same = { bound: before === 'now' ? pool.now : 0, group, gives };
        const earlier = before === 'now' ? null : build.nodes(pool.index, before);
        const rest = earlier === null ? [] : [{ column: earlier, value: -1 }];
        builder.row([{ column, value: 1 }, ...rest], { lower: same, upper: same });
      }
    }
  },
};
