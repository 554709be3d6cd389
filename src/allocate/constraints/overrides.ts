import type { Constraint } from './constraint.js';

/**
 * What an operator insists on: so many replicas, so many nodes. (An overridden request leaves that size alone to
 * choose from, see sizes.ts; an overridden level is part of the demand, see demand.ts.)
 */
export const overrides: Constraint = {
  name: 'overrides',
  why: 'a person who is on the spot knows what the forecast does not; hard limits hold even against them',
  add(build) {
    const { builder, prepared } = build;
    for (const workload of build.workloads) {
      if (workload.override === null) continue;
      const group = builder.group({
        id: `override/${workload.policy.name}/replicas`,
        constraint: 'overrides',
        words: workload.override.words,
      });
      const side = { bound: workload.override.value, group, gives: build.gives('override') };
      for (const block of build.blocks) builder.row(build.total(workload.index, block), { lower: side, upper: side });
    }
    for (const pool of prepared.pools) {
      if (pool.override === null || !pool.variable) continue;
      const group = builder.group({
        id: `override/${pool.policy.name}/nodes`,
        constraint: 'overrides',
        words: pool.override.words,
      });
      const side = { bound: pool.override.value, group, gives: build.gives('override') };
      for (const block of build.blocks) {
        const column = build.nodes(pool.index, block);
        if (column !== null) builder.row([{ column, value: 1 }], { lower: side, upper: side });
      }
    }
  },
};
