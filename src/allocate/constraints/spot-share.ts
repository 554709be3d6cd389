import type { Constraint } from './constraint.js';

/**
 * Σ replicas on spot pools ≤ share · Σ replicas, for each workload. A plan has one size a workload, so it holds size
 * by size: otherwise the relaxation would count small replicas elsewhere against large ones on spot.
 */
export const spotShare: Constraint = {
  name: 'spot-share',
  why: 'spot nodes are taken away together: a workload keeps enough elsewhere to live on',
  add(build) {
    const { builder, prepared } = build;
    const share = prepared.input.policy.spotMaxShare;
    if (share >= 1) return;
    const spot = new Set(
      prepared.pools.filter((pool) => pool.policy.capacityType === 'spot').map((pool) => pool.index),
    );
    for (const workload of build.workloads) {
      if (!workload.pools.some((pool) => spot.has(pool))) continue;
      const group = builder.group({
        id: `spot/${workload.policy.name}`,
        constraint: 'spot-share',
        words: `at most ${Math.round(share * 100)} % of ${workload.policy.name} on spot`,
      });
      for (const block of build.blocks) {
        const columns = build.replicas(workload.index, block);
        const sizes = columns.every(({ option }) => option === columns[0]?.option)
          ? [columns[0]?.option]
          : new Set(columns.map(({ option }) => option));
        for (const size of sizes) {
          for (const { column, option, pool } of columns) {
            if (option === size) builder.put(column, (spot.has(pool) ? 1 : 0) - share);
          }
          builder.row([], { upper: { bound: 0, group, gives: build.gives('spot-share') } });
        }
      }
    }
  },
};
