import type { PreparedWorkload } from '../prepare.js';
import type { Constraint } from './constraint.js';

/** Σ replicas ≥ what a disruption budget wants available, as far as that is there now. */
export const disruption: Constraint = {
  name: 'disruption',
  why: 'somebody promised that so many are available: to lower under it takes from them what evictions may not',
  add(build) {
    for (const workload of build.workloads) {
      const least = leastAvailable(workload);
      if (least === null) continue;
      const group = build.builder.group({
        id: `disruption/${workload.policy.name}`,
        constraint: 'disruption',
        words: disruptionWords(workload, least),
      });
      for (const block of build.blocks) {
        build.builder.row(build.total(workload.index, block), {
          lower: { bound: least.replicas, group, gives: build.gives('disruption') },
        });
      }
    }
  },
};

export const disruptionWords = ({ policy }: PreparedWorkload, least: { name: string; minAvailable: number }): string =>
  `PodDisruptionBudget ${least.name} wants ${least.minAvailable} of ${policy.name} available`;

/** It stops what lowers; it raises nothing, and asks for no more than the maximum. */
export function leastAvailable(
  workload: PreparedWorkload,
): { name: string; minAvailable: number; replicas: number } | null {
  const budget = workload.state?.disruption;
  if (budget === undefined) return null;
  return { ...budget, replicas: Math.min(budget.minAvailable, workload.now, workload.max) };
}
