import type { PreparedWorkload } from '../prepare.js';
import type { Constraint } from './constraint.js';

/** replicas on a pool ≤ perNode · its nodes, for each workload that asks for it. */
export const antiAffinity: Constraint = {
  name: 'anti-affinity',
  why: 'a node is lost as a whole: no more replicas on one than the workload can miss together',
  add(build) {
    const { builder, prepared } = build;
    for (const workload of build.workloads) {
      const most = perNode(workload);
      if (most === null || build.unfit.has(workload.index)) continue;
      const words = antiAffinityWords(workload, most);
      const group = builder.group({ id: `anti-affinity/${workload.policy.name}`, constraint: 'anti-affinity', words });
      for (const block of build.blocks) {
        for (const index of workload.pools) {
          const pool = prepared.pools[index];
          const columns = build.replicas(workload.index, block).filter((one) => one.pool === index);
          if (pool === undefined || columns.length === 0) continue;
          for (const { column } of columns) builder.put(column, 1 / most);
          const nodes = build.nodes(index, block);
          if (nodes !== null) builder.put(nodes, -1);
          builder.row([], { upper: { bound: nodes === null ? pool.now : 0, group } });
        }
      }
    }
  },
};

export const perNode = ({ policy }: PreparedWorkload): number | null => policy.antiAffinity?.perNode ?? null;

export const antiAffinityWords = ({ policy }: PreparedWorkload, most: number): string =>
  `at most ${most} ${most === 1 ? 'replica' : 'replicas'} of ${policy.name} on one node`;
