import type { AccountPolicy, PoolPolicy, WorkloadPolicy } from '../domain/account.js';
import { nearest } from '../domain/nearest.js';
import { CommandFailure, EXIT } from './command.js';

/* What a person names on the command line, in the account's policy. A name that is not there is not found: exit 3. */

/** @throws CommandFailure not found, with the workloads that there are. */
export const namedWorkload = (policy: AccountPolicy, name: string): WorkloadPolicy =>
  named(policy.account, 'workload', policy.workloads, name);

/** @throws CommandFailure not found, with the pools that there are. */
export const namedPool = (policy: AccountPolicy, name: string): PoolPolicy =>
  named(policy.account, 'pool', policy.pools, name);

function named<T extends { name: string }>(account: string, kind: string, all: readonly T[], name: string): T {
  const found = all.find((one) => one.name === name);
  if (found !== undefined) return found;
  const names = all.map((one) => one.name);
  const near = nearest(name, names);
  const meant = near === null ? '' : `; did you mean "${near}"?`;
  throw new CommandFailure(EXIT.notFound, `${account} has no ${kind} "${name}"; it has ${names.join(', ')}${meant}`);
}
