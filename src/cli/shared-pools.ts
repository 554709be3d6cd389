import { bodiesOf } from '../../activities/bodies.js';
import { newestFleet } from '../../activities/fleet/policies.js';
import { accountWorkflowId } from '../../workflows/messages.js';
import { SHARED_REMEDY } from '../allocate/neighbours.js';
import type { AccountPolicy } from '../domain/account.js';
import type { Store } from '../telemetry/port.js';
import type { Session } from './session.js';

type SharedStore = Pick<Store, 'newestRecords' | 'getRecords' | 'listRecords'>;

/**
 * A line for each pool of variable size that another running account sizes, too, and no fleet does: each would size it for
 * itself and what it knows of the others.
 * @param isRunning whether an account's loop runs: the store knows those that were stopped as well.
 */
export async function sharedPoolWarnings(
  store: SharedStore,
  policy: AccountPolicy,
  isRunning: (account: string) => Promise<boolean>,
): Promise<string[]> {
  const sized = (one: AccountPolicy): string[] =>
    one.pools.filter(({ size }) => size === 'variable').map(({ name }) => name);
  const fleet = await newestFleet(store);
  const planned = fleet === null || fleet.ended ? [] : fleet.policy.pools;
  const open = sized(policy).filter(
    (name) => !planned.some((pool) => pool.name === name && pool.cluster === policy.cluster),
  );
  if (open.length === 0) return [];
  const byPool = new Map<string, string[]>();
  const others = (await store.newestRecords('account')).filter(({ account }) => account !== policy.account);
  const bodies = await bodiesOf(
    store,
    'account',
    others.map(({ id }) => id),
  );
  for (const { account, id } of others) {
    const theirs = bodies.get(id) as AccountPolicy | undefined;
    if (theirs === undefined) continue;
    const shared = theirs.cluster === policy.cluster ? open.filter((name) => sized(theirs).includes(name)) : [];
    if (shared.length === 0 || !(await isRunning(account))) continue;
    for (const name of shared) byPool.set(name, [...(byPool.get(name) ?? []), account]);
  }
  return [...byPool].map(
    ([name, accounts]) =>
      `warning: pool ${name} is also sized by ${few(accounts.sort())}, and no fleet plans it: ${SHARED_REMEDY}`,
  );
}

const MOST_NAMED = 3;

/** A few names, and how many more there are. */
const few = (names: readonly string[]): string =>
  names.length <= MOST_NAMED + 1
    ? names.join(', ')
    : `${names.slice(0, MOST_NAMED).join(', ')} and ${names.length - MOST_NAMED} others`;

/** What to tell who starts an account; it is started whether that can be found out or not. */
export async function warnOfSharedPools({ store, client }: Session, policy: AccountPolicy): Promise<string[]> {
  if (store === null) return [];
  return sharedPoolWarnings(store, policy, runningIn({ client })).catch(() => []);
}

/** Whether an account's loop runs; one that cannot be asked does not. */
export function runningIn({ client }: Pick<Session, 'client'>): (account: string) => Promise<boolean> {
  const isRunning = async (account: string): Promise<boolean> => {
    const { status } = await client.workflow.getHandle(accountWorkflowId(account)).describe();
    return status.name === 'RUNNING';
  };
  return (account) => isRunning(account).catch(() => false);
}
