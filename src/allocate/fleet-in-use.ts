import { COMPONENTS, type Resources } from '../domain/component.js';
import type { SharedPool } from '../domain/fleet.js';
import type { Plan } from '../domain/plan.js';

/*
 * Where accounts run by now, whatever the fleet would rather have: workloads move when their own account moves them, and
 * an account that only recommends, or was stopped, never does. Nodes beneath them are not there to be given away.
 */

/** Nodes of a pool that accounts run on. */
export interface PoolInUse {
  nodes: number;
  accounts: string[];
}

/**
 * What an account has on each pool: by its newest plan, and where the cluster had more when that was made, that.
 * @param plan its newest, however old: one that was stopped leaves its workloads where they are.
 */
export function runningOn(plan: Plan): Map<string, Resources> {
  const byPool = new Map<string, Resources>();
  for (const { workload, replicas, pools, request } of plan.blocks[0]?.workloads ?? []) {
    const seen = (field: 'replicas' | 'floor'): number =>
      plan.fields.find(({ target }) => target.field === field && target.workload === workload)?.seen.value ?? 0;
    const there = Math.max(replicas, seen('replicas'), seen('floor'));
    for (const [pool, some] of Object.entries(pools)) {
      if (!(some > 0) || !(replicas > 0)) continue;
      const amount = byPool.get(pool) ?? {};
      for (const component of COMPONENTS) {
        const planned = request[component];
        if (planned === undefined) continue;
        const before = plan.fields.find(
          ({ target }) => target.field === 'request' && target.workload === workload && target.component === component,
        )?.seen.value;
        const each = Math.max(planned, before ?? 0);
        amount[component] = (amount[component] ?? 0) + there * (some / replicas) * each;
      }
      byPool.set(pool, amount);
    }
  }
  return byPool;
}

/** Whole nodes beneath what accounts have on a pool; null where none has anything there. */
export function poolInUse(
  pool: Pick<SharedPool, 'name' | 'node'>,
  accounts: readonly { account: string; running: ReadonlyMap<string, Resources> }[],
): PoolInUse | null {
  const total: Resources = {};
  const names: string[] = [];
  for (const { account, running } of accounts) {
    const amount = running.get(pool.name);
    if (amount === undefined) continue;
    names.push(account);
    for (const component of COMPONENTS) total[component] = (total[component] ?? 0) + (amount[component] ?? 0);
  }
  let nodes = 0;
  for (const component of COMPONENTS) {
    const offered = pool.node[component] ?? 0;
    if (offered > 0) nodes = Math.max(nodes, Math.ceil((total[component] ?? 0) / offered - 1e-6));
  }
  return nodes === 0 ? null : { nodes, accounts: names.sort() };
}

const MOST_NAMED = 3;

/** `3 nodes: shop runs there`. */
export function inUseWords({ nodes, accounts }: PoolInUse): string {
  const named = accounts.slice(0, MOST_NAMED).join(', ');
  const more = accounts.length > MOST_NAMED ? ` and ${accounts.length - MOST_NAMED} more` : '';
  return `${nodes} node${nodes === 1 ? '' : 's'}: ${named}${more} ${accounts.length === 1 ? 'runs' : 'run'} there`;
}
