import { formatDuration } from '../../domain/time.js';
import type { Constraint } from './constraint.js';

/**
 * Nodes of a block that begins before a new node could be ready are at most those that were asked for already. (For
 * replicas the blocks themselves begin at the first that can be reached.)
 */
export const leadTime: Constraint = {
  name: 'lead-time',
  why: 'nothing that is decided now is ready before its lead time',
  add(build) {
    const { builder, prepared } = build;
    for (const pool of prepared.pools) {
      if (!pool.variable) continue;
      const group = builder.group({
        id: `lead-time/${pool.policy.name}`,
        constraint: 'lead-time',
        words: `a node of pool ${pool.policy.name} takes ${formatDuration(pool.policy.leadTime)}; it has ${pool.now}`,
      });
      for (const block of build.blocks) {
        const column = build.nodes(pool.index, block);
        if (column === null || block >= pool.firstBlock) continue;
        builder.row([{ column, value: 1 }], { upper: { bound: pool.now, group } });
      }
    }
  },
};
