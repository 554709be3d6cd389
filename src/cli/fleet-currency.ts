import { bodiesOf } from '../../activities/bodies.js';
import { newestFleet } from '../../activities/fleet/policies.js';
import type { AccountPolicy } from '../domain/account.js';
import type { FleetPolicy } from '../domain/fleet.js';
import { sharesPool } from '../domain/grant.js';
import { someOf } from '../domain/some-of.js';
import type { Store } from '../telemetry/port.js';
import { CommandFailure, EXIT } from './command.js';

/*
 * One currency in the files of a fleet and of the accounts that share its pools: a budget in another one cannot be held by the
 * fleet, and prices of one pool in two currencies are not the same. What gets past this (it was there before, or no store was in
 * reach) is counted all the same, so that nobody loses nodes by it, and named in the plan's notes.
 */

type CurrencyStore = Pick<Store, 'newestRecords' | 'getRecords' | 'listRecords'>;

/**
 * Before a fleet is started or changed.
 * @param isRunning whether an account's loop runs: the store knows those that were stopped as well.
 * @throws CommandFailure (refused) where running accounts that share its pools are in another currency.
 */
export async function refuseForeignAccounts(
  store: CurrencyStore,
  fleet: FleetPolicy,
  isRunning: (account: string) => Promise<boolean>,
): Promise<void> {
  const records = await store.newestRecords('account');
  const bodies = await bodiesOf(
    store,
    'account',
    records.map(({ id }) => id),
  );
  const foreign: string[] = [];
  for (const { account, id } of records) {
    const policy = bodies.get(id) as AccountPolicy | undefined;
    if (policy === undefined || policy.currency === fleet.currency) continue;
    if (!fleet.pools.some((pool) => sharesPool(policy, pool)) || !(await isRunning(account))) continue;
    foreign.push(`${account} (${policy.currency})`);
    if (foreign.length > MOST) break;
  }
  if (foreign.length === 0) return;
  throw new CommandFailure(
    EXIT.refused,
    `the fleet file is in ${fleet.currency}, and accounts that share its pools are in another currency: ${someOf(foreign, MOST)}; ` +
      `write one currency in all files, prices and budgets with it: headroom policy set ACCOUNT -f FILE, or the fleet file`,
  );
}

const MOST = 5;

/**
 * Before an account is started or changed.
 * @throws CommandFailure (refused) where a fleet that was started shares one of its pools in another currency.
 */
export async function refuseForeignFleet(store: CurrencyStore, policy: AccountPolicy): Promise<void> {
  const fleet = await newestFleet(store);
  if (fleet === null || fleet.ended || fleet.policy.currency === policy.currency) return;
  const shared = fleet.policy.pools.filter((pool) => sharesPool(policy, pool)).map(({ name }) => name);
  if (shared.length === 0) return;
  throw new CommandFailure(
    EXIT.refused,
    `${policy.account} is in ${policy.currency}, and the fleet ${fleet.policy.fleet}, which shares ${someOf(shared)}, in ${fleet.policy.currency}; ` +
      `write currency: ${fleet.policy.currency} in the account file, prices and budget with it, or give the fleet a file in ${policy.currency} first`,
  );
}
