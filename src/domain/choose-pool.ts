import type { AccountPolicy, PoolPolicy, WorkloadPolicy } from './account.js';
import { COMPONENTS, type Resources } from './component.js';
import type { MigrationTarget } from './migration.js';
import { mayHold } from './residency.js';

/**
 * The cheapest pool that the replicas of a workload fit, other than the one that it is bound to: money per hour of the share
 * of a node that one replica takes, by its scarcest component. Pools that its file does not let it run on are none.
 * @returns the target, or null with why there is none.
 */
export function choosePool(
  policy: AccountPolicy,
  workload: WorkloadPolicy,
): { target: MigrationTarget; words: string } | { target: null; words: string } {
  const request: Resources = {};
  for (const component of COMPONENTS) {
    const asked = workload.components[component]?.request;
    if (asked !== undefined) request[component] = asked;
  }
  const bound = workload.pools?.length === 1 ? workload.pools[0] : undefined;
  const candidates = policy.pools
    .filter((pool) => pool.name !== bound && mayHold(workload, pool))
    .flatMap((pool) => {
      const share = shareOf(pool, request);
      return share === null ? [] : [{ pool, cost: share * pool.pricePerHour }];
    })
    .sort((a, b) => a.cost - b.cost || (a.pool.name < b.pool.name ? -1 : 1));
  const [best] = candidates;
  if (best === undefined) {
    return {
      target: null,
      words: `no other pool of the account file has a node that a replica of ${workload.name} fits`,
    };
  }
  const money = (cost: number): string => `${Number(cost.toPrecision(3))} ${policy.currency} an hour and replica`;
  return {
    target: { pool: best.pool.name, namespace: null, cluster: null },
    words: `pool ${best.pool.name}, the cheapest that it fits: ${candidates.map(({ pool, cost }) => `${pool.name} ${money(cost)}`).join(', ')}`,
  };
}

/** Share of one node that a replica takes; null where it does not fit, or the pool has no node. */
function shareOf({ node, max }: PoolPolicy, request: Resources): number | null {
  let share = 0;
  for (const component of COMPONENTS) {
    const wanted = request[component];
    const offered = node[component];
    // What the file does not say of a node is not scheduled by.
    if (wanted === undefined || offered === undefined) continue;
    share = Math.max(share, offered > 0 ? wanted / offered : Number.POSITIVE_INFINITY);
  }
  return share > 1 || max === 0 ? null : share;
}
