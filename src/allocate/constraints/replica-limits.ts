import { poolWords } from '../prepare.js';
import type { Constraint } from './constraint.js';

/** minimum ≤ Σ replicas ≤ maximum. The autoscaler's ceiling is a maximum too: it would scale down again what is above. */
export const replicaLimits: Constraint = {
  name: 'replica-limits',
  why: 'fewer than the minimum is no service any more; more than the maximum overruns what the workload leans on',
  add(build) {
    const { builder, prepared } = build;
    for (const workload of build.workloads) {
      const { name } = workload.policy;
      const minimum = builder.group({
        id: `minimum/${name}`,
        constraint: 'replica-limits',
        words: `minimum ${workload.min} replicas of ${name} ${poolWords(prepared, workload)}`,
      });
      const maximum = builder.group({
        id: `maximum/${name}`,
        constraint: 'replica-limits',
        words: workload.maxWords,
      });
      for (const block of build.blocks) {
        build.putTotal(workload.index, block);
        builder.row([], {
          lower: { bound: workload.min, group: minimum, gives: build.gives('minimum') },
          upper: { bound: workload.max, group: maximum },
        });
      }
    }
  },
};
