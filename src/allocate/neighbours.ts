import type { AccountPolicy, PoolPolicy } from '../domain/account.js';
import type { PoolNeighbours } from '../domain/cluster.js';
import { COMPONENTS } from '../domain/component.js';
import type { Plan } from '../domain/plan.js';
import type { EpochSeconds } from '../domain/time.js';
import { runningOn } from './fleet-in-use.js';

/*
 * What other accounts need of a pool that no fleet sizes. Each plan knows its own workloads alone: to size the pool for those
 * would take the nodes from beneath the others.
 */

/** Another account, by the newest that it wrote down. */
export interface Neighbour {
  policy: AccountPolicy;
  plan: Plan;
}

/** Seconds after which a plan says only what is not to be taken away, and no longer asks for nodes. */
const SPEAKS_FOR = 3600;

/**
 * @param pool as the account itself has it; its `node` says how large a node is.
 * @returns null where no other account needs anything of it.
 */
export function neighboursOn(
  pool: PoolPolicy,
  cluster: string,
  others: readonly Neighbour[],
  at: EpochSeconds,
): PoolNeighbours | null {
  let nodes = 0;
  let live = 0;
  const accounts: string[] = [];
  for (const { policy, plan } of others) {
    const theirs = policy.pools.find(({ name }) => name === pool.name);
    if (theirs === undefined || policy.cluster !== cluster) continue;
    const need = neededNodes(pool, { policy, plan }, theirs.leadTime);
    if (need === 0) continue;
    accounts.push(policy.account);
    nodes += need;
    if (at - plan.at <= SPEAKS_FOR) live += need;
  }
  return accounts.length === 0 ? null : { nodes, live, accounts: accounts.sort() };
}

/** Parts of nodes: the most of what runs and of what is planned until a node that is asked for now is ready. */
function neededNodes(pool: PoolPolicy, { policy, plan }: Neighbour, lead: number): number {
  const soon = plan.at + lead;
  return plan.blocks.reduce((most, block, index) => {
    if (index > 0 && block.from > soon) return most;
    const then = index === 0 ? plan : { ...plan, blocks: [block], fields: [] };
    const amounts = runningOn(then, policy).get(pool.name) ?? {};
    const shares = COMPONENTS.map((component) => {
      const offered = pool.node[component] ?? 0;
      return offered > 0 ? (amounts[component] ?? 0) / offered : 0;
    });
    return Math.max(most, ...shares);
  }, 0);
}

/** What to do about a pool that several accounts size. */
export const SHARED_REMEDY =
  'name the pool in a fleet file (headroom fleet start -f FILE), or give each account a pool of its own';
