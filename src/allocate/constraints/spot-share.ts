import type { Cap } from '../caps.js';
import type { Build } from '../build.js';
import type { Constraint } from './constraint.js';

/**
 * Σ replicas on spot pools ≤ share · Σ replicas, for each workload. A plan has one size a workload, so it holds size
 * by size: otherwise the relaxation would count small replicas elsewhere against large ones on spot.
 */
export const spotShare: Constraint = {
  name: 'spot-share',
  why: 'spot nodes are taken away together: a workload keeps enough elsewhere to live on',
  add: (build) => addCaps(build, 'spot-share'),
};

/** The rows of one kind of cap: Σ replicas on its pools ≤ share · Σ replicas (+ the one that cannot be split). */
export function addCaps(build: Build, limit: Cap['limit']): void {
  const { builder } = build;
  for (const workload of build.workloads) {
    if (build.unfit.has(workload.index)) continue;
    for (const cap of workload.caps) {
      if (cap.limit !== limit) continue;
      const group = builder.group({ id: cap.id, constraint: limit, words: cap.words });
      // Whole replicas may be up to one over the share: any more would cut off plans that there are.
      const side = { bound: cap.spare === 1 ? 1 - 1e-6 : 0, group, gives: build.gives(limit) };
      for (const block of build.blocks) {
        const columns = build.replicas(workload.index, block);
        const sizes = columns.every(({ option }) => option === columns[0]?.option)
          ? [columns[0]?.option]
          : new Set(columns.map(({ option }) => option));
        for (const size of sizes) {
          for (const { column, option, pool } of columns) {
            if (option === size) builder.put(column, (cap.pools.has(pool) ? 1 : 0) - cap.share);
          }
          builder.row([], { upper: side });
        }
      }
    }
  }
}
