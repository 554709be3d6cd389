import { NO_LIMIT, type FieldTarget } from '../domain/cluster.js';
import type { FleetPolicy, SharedPool } from '../domain/fleet.js';
import type { ObservedPool, PoolOrder } from '../domain/fleet-plan.js';
import type { PlannedField } from '../domain/plan.js';
import { inUseWords, type PoolInUse } from './fleet-in-use.js';
import { seenValue } from '../domain/seen.js';

/*
 * From the fleet's plan to what is asked of each pool now. What is needed is asked for at once; what is let go waits until
 * everything that the plan counts on is ready, is worth the trouble, and goes in steps: so nodes move between pools by
 * being there first and going after.
 */

export interface PlannedPool {
  pool: SharedPool;
  seen: ObservedPool;
  /** Nodes to have, by block. */
  nodes: ArrayLike<number>;
  /** The first block in which a node that is asked for now is ready. */
  readyFrom: number;
  /** Nodes that accounts run on; null where there are none. */
  inUse?: PoolInUse | null;
  /** Nodes that are paid in any case now: letting go of one saves nothing. Absent: none. */
  held?: number;
}

/** Whether anybody may size it: its file says how, and it is no fixed pool. */
export const isSized = (pool: SharedPool): boolean => pool.size === 'variable' && pool.provisioning.kind !== 'none';

export function poolOrders(policy: FleetPolicy, planned: readonly PlannedPool[]): PoolOrder[] {
  const wants = planned.map((one) => ({ one, wanted: wantedOf(one) }));
  let bill = 0;
  let saved = 0;
  const waiting: string[] = [];
  for (const { one, wanted } of wants) {
    const { pool, seen } = one;
    if (seen.state === null) continue;
    const { nodes, readyNodes } = seen.state;
    bill += nodes * pool.pricePerHour;
    // Of those alone that are not paid in any case.
    const least = Math.max(wanted, one.held ?? 0);
    if (isSized(pool) && least < nodes) saved += (nodes - least) * pool.pricePerHour;
    if (comes(pool) && readyNodes < wanted) waiting.push(`${pool.name} (${readyNodes} of ${wanted})`);
  }
  const worth = saved >= policy.moving.saving * bill && saved > 0;
  return wants.map(({ one, wanted }): PoolOrder => {
    const { pool, seen } = one;
    const { state } = seen;
    const base = {
      pool: pool.name,
      cluster: pool.cluster,
      now: state?.nodes ?? null,
      ready: state?.readyNodes ?? null,
      planned: one.nodes[0] ?? 0,
      ...(one.inUse === undefined || one.inUse === null ? {} : { inUse: one.inUse }),
    };
    const going = state !== null && state.readyNodes > state.nodes ? `; ${state.readyNodes} are still there` : '';
    const stay = (words: string): PoolOrder => ({
      ...base,
      order: state?.nodes ?? wanted,
      words: `${words}${going}`,
      fields: [],
    });
    if (state === null) return stay(`not read, and left as it is: ${seen.problem ?? 'it is not there'}`);
    const { nodes } = state;
    const { inUse = null } = one;
    // Held by who runs there, not by what would be cheapest.
    const held = inUse !== null && wanted > 0 && wanted === inUse.nodes ? inUseWords(inUse) : null;
    if (held !== null && wanted === nodes && !hasOtherFields(one)) return stay(held);
    // At its maximum nobody says that it is enough: accounts may well be short of it.
    const atMost = wanted >= pool.max ? `${wanted} nodes are its maximum` : null;
    if (wanted === nodes && !hasOtherFields(one)) return stay(atMost ?? `${wanted} nodes are what is needed`);
    if (pool.size === 'fixed') return stay('a fixed pool');
    if (pool.provisioning.kind === 'none') return stay(`${wanted} nodes are needed; nobody provisions it`);
    if (wanted >= nodes) {
      const order = Math.min(wanted, nodes + policy.moving.mostUp);
      const step = order < wanted ? `, ${order} of them now (at most ${policy.moving.mostUp} more in a cycle)` : '';
      const words = `${held ?? `${wanted} nodes are needed`}${step}`;
      return { ...base, order, words, fields: fieldsOf(one, order, words) };
    }
    if (waiting.length > 0) {
      return stay(
        `${wanted} nodes would do; they go when what takes their place is ready: ${waiting.slice(0, 3).join(', ')}`,
      );
    }
    if (!worth) {
      const share = Math.round(policy.moving.saving * 1000) / 10;
      return stay(`${wanted} nodes would do; letting go would save less than ${share} % of the bill`);
    }
    // What is paid in any case may as well stay.
    const { held: paid = 0 } = one;
    const least = Math.max(wanted, paid);
    if (least >= nodes) return stay(`${wanted} nodes would do; letting go saves nothing: ${paid} are paid in any case`);
    const order = Math.max(least, nodes - policy.moving.mostDown);
    const step = order > least ? `, ${nodes - order} go now (at most ${policy.moving.mostDown} in a cycle)` : '';
    const free = least > wanted ? `; ${paid} are paid in any case, and stay` : '';
    const words = `${held ?? atMost ?? `${wanted} nodes are enough`}${free}${step}`;
    return { ...base, order, words, fields: fieldsOf(one, order, words) };
  });
}

/** Whether nodes come by being asked for: Karpenter's come with the pods that need them. */
const comes = (pool: SharedPool): boolean => isSized(pool) && pool.provisioning.kind !== 'karpenter';

/** What is asked for now is there at `readyFrom`: so much has to be had until then, and no less before. */
function wantedOf({ pool, seen, nodes, readyFrom, inUse }: PlannedPool): number {
  let most = Math.min(inUse?.nodes ?? 0, seen.state?.nodes ?? 0);
  const until = Math.min(Math.max(0, readyFrom), Math.max(0, nodes.length - 1));
  for (let block = 0; block <= until; block++) most = Math.max(most, nodes[block] ?? 0);
  return Math.min(pool.max, Math.max(pool.min, most));
}

/** Karpenter is told a limit and kept warm by placeholders, whatever nodes there are by now. */
const hasOtherFields = ({ pool }: PlannedPool): boolean => pool.provisioning.kind === 'karpenter';

/** The fields behind so many nodes, those alone that are to change. */
function fieldsOf({ pool, seen }: PlannedPool, order: number, reason: string): PlannedField[] {
  const { state } = seen;
  if (state === null) return [];
  return targetsOf(pool, seen, order).flatMap((target): PlannedField[] => {
    const now = seenValue({ at: 0, workloads: [], pools: [state] }, target);
    return now === null || now.value === target.value ? [] : [{ target, seen: now, reason }];
  });
}

function targetsOf(
  { name, node, warm, provisioning }: SharedPool,
  { state }: ObservedPool,
  order: number,
): FieldTarget[] {
  switch (provisioning.kind) {
    case 'none':
      return [];
    case 'simulated':
    case 'cluster-api':
    case 'webhook':
      return [{ field: 'nodes', pool: name, value: order }];
    case 'karpenter': {
      const { limit, placeholders } = provisioning;
      const offered = limit === 'nodes' ? 1 : (node[limit] ?? 0);
      // What Karpenter counts of a node is its whole capacity: more than it offers to pods.
      const each = Math.max(offered, state?.nodePool?.limit?.perNode ?? 0);
      const value = Math.min(NO_LIMIT, Math.ceil(order * each - 1e-9));
      const targets: FieldTarget[] = [{ field: 'limit', pool: name, resource: limit, value }];
      if (placeholders !== undefined) {
        targets.push({ field: 'warm', pool: name, value: Math.ceil(warm / placeholders.share - 1e-9) });
      }
      return targets;
    }
  }
}
