import type { WorkloadPolicy } from '../../domain/account.js';
import { residencyWords } from '../../domain/residency.js';
import type { Constraint } from './constraint.js';

/**
 * No replica on pools outside of where its data may be. Those pools are none of the workload's at all (prepare.ts); what is
 * said here is what is left where none remains: Σ replicas ≤ 0.
 */
export const residency: Constraint = {
  name: 'residency',
  why: 'data that must not leave a region are not served from another, however cheap',
  add(build) {
    for (const workload of build.workloads) {
      if (workload.policy.residency === undefined || workload.pools.length > 0) continue;
      const group = build.builder.group({
        id: `residency/${workload.policy.name}`,
        constraint: 'residency',
        words: nowhereWords(workload.policy),
      });
      for (const block of build.blocks) {
        build.builder.row(build.total(workload.index, block), { upper: { bound: 0, group } });
      }
    }
  },
};

/** Of a workload whose data may be on none of its pools. */
export const nowhereWords = (policy: WorkloadPolicy): string =>
  `data of ${policy.name} may be in ${residencyWords(policy)} alone: no pool of its is there`;
