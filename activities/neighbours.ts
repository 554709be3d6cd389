import type { AccountPolicy } from '../src/domain/account.js';
import type { ClusterState } from '../src/domain/cluster.js';
import type { Plan } from '../src/domain/plan.js';
import { sharesPool } from '../src/domain/grant.js';
import type { EpochSeconds } from '../src/domain/time.js';
import { neighboursOn, type Neighbour } from '../src/allocate/neighbours.js';
import type { Store } from '../src/telemetry/port.js';

/*
 * The other accounts of a pool, out of the store: nobody is asked. Only where the account itself would write the pool's
 * nodes; pools of a fleet, and nodes that an autoscaler makes, are not sized by accounts.
 */

type NeighbourStore = Pick<Store, 'newestRecords' | 'getRecord'>;

/** Policies never change under their id; the newest so many are remembered. */
const MOST_KEPT = 256;

export function createNeighbours(store: NeighbourStore) {
  const policies = new Map<string, AccountPolicy>();

  async function policyOf(id: string): Promise<AccountPolicy | null> {
    const known = policies.get(id);
    if (known !== undefined) return known;
    const record = await store.getRecord('account', id);
    if (record === null) return null;
    const policy = record.body as AccountPolicy;
    const [oldest] = policies.keys();
    if (policies.size >= MOST_KEPT && oldest !== undefined) policies.delete(oldest);
    policies.set(id, policy);
    return policy;
  }

  /** The state with what others need of each pool that the account may size. */
  return async (policy: AccountPolicy, state: ClusterState, at: EpochSeconds): Promise<ClusterState> => {
    const sized = policy.pools.filter(({ name, size }) => {
      const seen = state.pools.find(({ pool }) => pool === name);
      return size === 'variable' && seen !== undefined && (seen.owner === null || seen.owner.startsWith('headroom'));
    });
    if (sized.length === 0) return state;
    const newest = (await store.newestRecords('account')).filter(({ account }) => account !== policy.account);
    if (newest.length === 0) return state;
    const plans = new Map((await store.newestRecords('plan')).map(({ account, id }) => [account, id]));
    const others: Neighbour[] = [];
    for (const { account, id } of newest) {
      const planId = plans.get(account);
      const theirs = planId === undefined ? null : await policyOf(id);
      if (planId === undefined || theirs === null) continue;
      if (!sized.some(({ name }) => sharesPool(theirs, { name, cluster: policy.cluster }))) continue;
      const plan = await store.getRecord('plan', planId);
      if (plan !== null) others.push({ policy: theirs, plan: plan.body as Plan });
    }
    if (others.length === 0) return state;
    return {
      ...state,
      pools: state.pools.map((seen) => {
        const pool = sized.find(({ name }) => name === seen.pool);
        const needed = pool === undefined ? null : neighboursOn(pool, policy.cluster, others, at);
        return needed === null ? seen : { ...seen, others: needed };
      }),
    };
  };
}
