import type { Fleet } from './prepare.js';
import { loadsOf, type Placement } from './sums.js';

const TINY = 1e-9;

/**
 * Makes shares keep to the last digit what a linear program keeps within its tolerance: what is next to nothing becomes
 * nothing, sums end at one, and a pool that is a hair too full is scaled to fit. In place.
 */
export function fitShares(fleet: Fleet, nodes: Int32Array, placement: Placement): void {
  const { blocks, pools, parts, node } = fleet;
  const C = fleet.components.length;
  for (let index = 0; index < parts.count * blocks; index++) {
    let sum = 0;
    for (let p = 0; p < pools; p++) {
      const at = index * pools + p;
      if ((placement[at] ?? 0) < TINY) placement[at] = 0;
      sum += placement[at] ?? 0;
    }
    if (sum > 1 || sum > 1 - 1e-7) {
      for (let p = 0; p < pools; p++) placement[index * pools + p] = (placement[index * pools + p] ?? 0) / sum;
    }
  }
  const loads = loadsOf(fleet, placement);
  for (let t = 0; t < blocks; t++) {
    for (let p = 0; p < pools; p++) {
      let factor = 1;
      for (let c = 0; c < C; c++) {
        const room = (node[p * C + c] ?? 0) * (nodes[p * blocks + t] ?? 0);
        const load = loads[(t * pools + p) * C + c] ?? 0;
        if (load > room) factor = Math.min(factor, room / load);
      }
      if (factor === 1) continue;
      for (let e = 0; e < parts.count; e++) {
        const at = (e * blocks + t) * pools + p;
        placement[at] = (placement[at] ?? 0) * factor;
      }
    }
  }
}
