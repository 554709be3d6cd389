import type { Constraint } from './constraint.js';

/** Σ replicas ≥ what there is now, for a workload that has a component without a forecast. */
export const missingData: Constraint = {
  name: 'missing-data',
  why: 'missing data is never read as zero: nothing is scaled down on it',
  add(build) {
    for (const workload of build.workloads) {
      if (workload.missing.length === 0) continue;
      const held = Math.min(workload.now, workload.max);
      const group = build.builder.group({
        id: `missing-data/${workload.policy.name}`,
        constraint: 'missing-data',
        words: `no forecast of ${workload.missing.join(', ')} of ${workload.policy.name}: its ${held} replicas stay`,
      });
      for (const block of build.blocks) {
        build.builder.row(build.total(workload.index, block), {
          lower: { bound: held, group, gives: build.gives('missing-data') },
        });
      }
    }
  },
};
