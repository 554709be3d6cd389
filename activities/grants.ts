import type { AccountPolicy } from '../src/domain/account.js';
import type { ClusterState } from '../src/domain/cluster.js';
import {
  grantInForce,
  grantSchema,
  mayRunOn,
  reservationsUnder,
  sharesPool,
  type GrantInForce,
} from '../src/domain/grant.js';
import type { EpochSeconds } from '../src/domain/time.js';
import type { Store } from '../src/telemetry/port.js';
import { newestFleet } from './fleet/policies.js';

/*
 * What the fleet's word means for one account's plan: the grant that binds it, and the pools that it leaves to the fleet.
 * Read from the store with each plan; the fleet asks no account, and tells none.
 */

export interface FleetWord {
  /** Null where no fleet has a say. */
  grant: GrantInForce | null;
  /** The account as its plan counts, with its part of what the fleet holds. */
  policy: AccountPolicy;
  /** The cluster as it was seen, with the pools that the fleet sizes in the fleet's name: no account writes them. */
  state: ClusterState;
}

type GrantStore = Pick<Store, 'listRecords'>;

/** The owner in whose name the pools stand that the fleet sizes. */
export const FLEET_OWNER = 'fleet';

export function createFleetWord(store: GrantStore) {
  return async (policy: AccountPolicy, state: ClusterState, at: EpochSeconds): Promise<FleetWord> => {
    const fleet = await newestFleet(store);
    if (fleet === null || fleet.ended || fleet.policy.mode === 'observe') return { grant: null, policy, state };
    const shared = fleet.policy.pools.filter((pool) => sharesPool(policy, pool));
    if (shared.length === 0) return { grant: null, policy, state };
    // Where none of it may run on any of them the fleet does not count it, and never grants it anything.
    const counted = shared.some((pool) => mayRunOn(policy, pool));
    const [record] = counted ? await store.listRecords('grant', policy.account, { limit: 1 }) : [];
    const grant = record === undefined ? null : grantSchema.parse(record.body);
    const sized =
      fleet.policy.mode === 'auto'
        ? new Set(shared.filter(({ provisioning }) => provisioning.kind !== 'none').map(({ name }) => name))
        : new Set<string>();
    const held = grant !== null && grant.until > at ? grant.held : undefined;
    return {
      policy: reservationsUnder(policy, shared, held),
      grant: grantInForce(policy, state, at, { grant, shared: counted }),
      state:
        sized.size === 0
          ? state
          : {
              ...state,
              pools: state.pools.map((pool) => (sized.has(pool.pool) ? { ...pool, owner: FLEET_OWNER } : pool)),
            },
    };
  };
}
