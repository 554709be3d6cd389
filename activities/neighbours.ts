import type { AccountPolicy } from '../src/domain/account.js';
import type { ClusterState } from '../src/domain/cluster.js';
import type { Plan } from '../src/domain/plan.js';
import { sharesPool } from '../src/domain/grant.js';
import type { EpochSeconds } from '../src/domain/time.js';
import { neighboursOn, type Neighbour } from '../src/allocate/neighbours.js';
import { ours } from '../src/allocate/verdict.js';
import type { Store } from '../src/telemetry/port.js';
import { bodiesOf } from './bodies.js';

/*
 * The other accounts of a pool, out of the store: nobody is asked. Only where the account itself would write the pool's
 * nodes; pools of a fleet, and nodes that an autoscaler makes, are not sized by accounts.
 */

type NeighbourStore = Pick<Store, 'newestRecords' | 'getRecords'>;

export function createNeighbours(store: NeighbourStore) {
  /** The newest of each account, by id: under one id a policy never changes. */
  let known = new Map<string, AccountPolicy>();

  async function newestPolicies(): Promise<AccountPolicy[]> {
    // Several accounts ask at once, and each leaves what it found: this look goes on from what it began with.
    const before = known;
    const ids = (await store.newestRecords('account')).map(({ id }) => id);
    const read = await bodiesOf(
      store,
      'account',
      ids.filter((id) => !before.has(id)),
    );
    const found = new Map(
      ids.flatMap((id) => {
        const policy = before.get(id) ?? (read.get(id) as AccountPolicy | undefined);
        return policy === undefined ? [] : [[id, policy] as const];
      }),
    );
    known = found;
    return [...found.values()];
  }

  /** The state with what others need of each pool that the account may size. */
  return async (policy: AccountPolicy, state: ClusterState, at: EpochSeconds): Promise<ClusterState> => {
    const sized = policy.pools.filter(({ name, size }) => {
      const seen = state.pools.find(({ pool }) => pool === name);
      return size === 'variable' && seen !== undefined && ours(seen.owner);
    });
    if (sized.length === 0) return state;
    const sharing = (await newestPolicies()).filter(
      (one) =>
        one.account !== policy.account && sized.some(({ name }) => sharesPool(one, { name, cluster: policy.cluster })),
    );
    // Mostly nobody shares, and then no plans are looked for: every cycle of every account comes by here.
    if (sharing.length === 0) return state;
    const newest = new Map((await store.newestRecords('plan')).map(({ account, id }) => [account, id]));
    const plans = await bodiesOf(
      store,
      'plan',
      sharing.flatMap(({ account }) => newest.get(account) ?? []),
    );
    const others = sharing.flatMap((theirs): Neighbour[] => {
      const plan = plans.get(newest.get(theirs.account) ?? '') as Plan | undefined;
      return plan === undefined ? [] : [{ policy: theirs, plan }];
    });
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
