import { COMPONENTS, type Resources } from '../../domain/component.js';
import type { Entry } from '../model.js';
import { amountWords } from './demand.js';
import type { Constraint } from './constraint.js';

/** Σ replicas · request ≤ nodes · node, for each pool and component that its nodes name, counted in nodes. */
export const poolFit: Constraint = {
  name: 'pool-fit',
  why: 'replicas need room on nodes; what fits no node would wait for ever',
  add(build) {
    const { builder, prepared } = build;
    for (const workload of build.workloads) {
      // Without any pool it is not its size that is wrong; see residency.ts.
      if (!build.unfit.has(workload.index) || workload.pools.length === 0) continue;
      const request = workload.options[build.sizes(workload)]?.request ?? {};
      const group = builder.group({
        id: `fit/${workload.policy.name}`,
        constraint: 'pool-fit',
        words: fitsNoNodeWords(workload.policy.name, request),
      });
      for (const block of build.blocks) {
        builder.row(build.total(workload.index, block), { upper: { bound: 0, group } });
      }
    }
    for (const pool of prepared.pools) {
      const group = pool.variable
        ? null
        : builder.group({
            id: `fixed/${pool.policy.name}`,
            constraint: 'pool-fit',
            words: `pool ${pool.policy.name} has ${pool.now} nodes and is fixed`,
          });
      for (const block of build.blocks) {
        const nodes = build.nodes(pool.index, block);
        for (const component of COMPONENTS) {
          const node = pool.policy.node[component];
          if (node === undefined || node === 0) continue;
          const entries: Entry[] = [];
          for (const workload of build.workloads) {
            for (const { column, option, pool: on } of build.replicas(workload.index, block)) {
              const request = workload.options[option]?.request[component];
              if (on !== pool.index || request === undefined || build.unfit.has(workload.index)) continue;
              entries.push({ column, value: request / node });
            }
          }
          if (entries.length === 0) continue;
          if (nodes === null) {
            builder.row(entries, { upper: { bound: pool.now, ...(group === null ? {} : { group }) } });
          } else {
            builder.row([...entries, { column: nodes, value: -1 }], { upper: { bound: 0 } });
          }
        }
      }
    }
  },
};

/** Of a size that is larger than every node that the workload may run on. */
export function fitsNoNodeWords(workload: string, request: Resources): string {
  const asked = COMPONENTS.flatMap((component) => {
    const amount = request[component];
    return amount === undefined ? [] : [amountWords(component, amount)];
  });
  return `a replica of ${workload} (${asked.join(', ')}) fits no node of its pools`;
}
