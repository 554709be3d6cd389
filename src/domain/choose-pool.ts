import type { AccountPolicy, PoolPolicy, WorkloadPolicy } from './account.js';
import { COMPONENTS, formatQuantity, type Resources } from './component.js';
import type { MigrationTarget } from './migration.js';
import { mayHold, residencyWords } from './residency.js';

/** Pools that a migration may take a workload to: where it may run, or where the last migration found that it might. */
const mayGoTo = ({ mayMoveTo, pools }: WorkloadPolicy): readonly string[] | undefined => mayMoveTo ?? pools;

/**
 * Why a workload must not be on a pool, or cannot be, each with what to do about it: the same rules for a pool that a person
 * names as for one that is chosen.
 * @param request of a replica; what the account file says, where nobody knows what runs.
 */
export function poolProblems(
  policy: AccountPolicy,
  workload: WorkloadPolicy,
  name: string,
  request: Resources = requestOf(workload),
): string[] {
  const pool = policy.pools.find((one) => one.name === name);
  if (pool === undefined) {
    return [`the account file has no pool "${name}": it has ${policy.pools.map((one) => one.name).join(', ')}`];
  }
  const problems: string[] = [];
  const allowed = mayGoTo(workload);
  if (allowed?.includes(name) === false) {
    problems.push(
      `${workload.name} may run on ${allowed.join(', ')} alone, not on pool ${name}; where it may go there, say so in the account file: mayMoveTo: [${name}]`,
    );
  }
  if (!mayHold(workload, pool)) {
    const { region, provider } = pool;
    const where = [region, provider].filter((part) => part !== undefined).join(' of ');
    problems.push(
      `the data of ${workload.name} may be in ${residencyWords(workload)} alone, and pool ${name} ${where === '' ? 'does not say where it is' : `is in ${where}`}; name a pool there, or correct its residency or the pool's provider and region in the account file`,
    );
  }
  if (pool.max === 0) problems.push(`pool ${name} may have no node (max: 0); raise it in the account file`);
  for (const component of COMPONENTS) {
    const [wanted, offered] = [request[component], pool.node[component]];
    if (wanted === undefined || offered === undefined || wanted <= offered) continue;
    problems.push(
      `a replica of ${workload.name} asks for ${formatQuantity(component, wanted)} of ${component}, and a node of pool ${name} offers ${formatQuantity(component, offered)}; name a pool with larger nodes, or correct the request or the node in the account file`,
    );
  }
  return problems;
}

function requestOf({ components }: WorkloadPolicy): Resources {
  const request: Resources = {};
  for (const component of COMPONENTS) {
    const asked = components[component]?.request;
    if (asked !== undefined) request[component] = asked;
  }
  return request;
}

/** Of one replica on a pool, money per hour: its share of a node, by its scarcest component. */
export const replicaPrice = (pool: PoolPolicy, workload: WorkloadPolicy): number =>
  shareOf(pool, requestOf(workload)) * pool.pricePerHour;

/**
 * The cheapest pool that the replicas of a workload fit, other than the one that it is bound to: money per hour of the share
 * of a node that one replica takes, by its scarcest component. Pools that its file does not let it run on are none.
 * @param limits of the account that a move to a pool would break, in words: such a pool is none either.
 * @returns the target, or null with why there is none.
 */
export function choosePool(
  policy: AccountPolicy,
  workload: WorkloadPolicy,
  limits: (pool: PoolPolicy) => readonly string[] = () => [],
): { target: MigrationTarget; words: string } | { target: null; words: string } {
  const bound = workload.pools?.length === 1 ? workload.pools[0] : undefined;
  const candidates = policy.pools
    .filter((pool) => pool.name !== bound && poolProblems(policy, workload, pool.name).length === 0)
    .filter((pool) => limits(pool).length === 0)
    .map((pool) => ({ pool, cost: replicaPrice(pool, workload) }))
    .sort((a, b) => a.cost - b.cost || (a.pool.name < b.pool.name ? -1 : 1));
  const [best] = candidates;
  if (best === undefined) {
    return {
      target: null,
      words: `there is no other pool that ${workload.name} may go to, and that has a node which a replica fits; name one with --to to read what stands in its way`,
    };
  }
  const money = (cost: number): string => `${Number(cost.toPrecision(3))} ${policy.currency} an hour and replica`;
  return {
    target: { pool: best.pool.name, namespace: null, cluster: null },
    words: `pool ${best.pool.name}, the cheapest that it fits: ${candidates.map(({ pool, cost }) => `${pool.name} ${money(cost)}`).join(', ')}`,
  };
}

/** Share of one node that a replica takes, by its scarcest component. */
function shareOf({ node }: PoolPolicy, request: Resources): number {
  let share = 0;
  for (const component of COMPONENTS) {
    const wanted = request[component];
    const offered = node[component];
    // What the file does not say of a node is not scheduled by.
    if (wanted === undefined || offered === undefined) continue;
    share = Math.max(share, offered > 0 ? wanted / offered : Number.POSITIVE_INFINITY);
  }
  return share;
}
