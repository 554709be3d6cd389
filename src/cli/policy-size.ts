import type { AccountPolicy } from '../domain/account.js';
import { CommandFailure, EXIT } from './command.js';

/**
 * Bytes of JSON that a policy may have. A policy travels to its account in one payload; Temporal takes 2 MiB in one, and
 * a worker that has to write more than that into a history cannot end its task, so that the account would stand still.
 * The rest is for what travels with it: queues, author, and what the account carries over to its next run.
 */
export const MOST_POLICY_BYTES = 1_500_000;

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;

/** @throws CommandFailure (usage) where a policy is too large for one account; nothing is sent then. */
export function refuseTooLarge(policy: AccountPolicy): void {
  const bytes = Buffer.byteLength(JSON.stringify(policy));
  if (bytes <= MOST_POLICY_BYTES) return;
  const { account, workloads } = policy;
  const fit = Math.floor((workloads.length * MOST_POLICY_BYTES) / bytes);
  const held = fit < 1 ? '' : `: about ${fit} workloads of this size fit in one`;
  throw new CommandFailure(
    EXIT.usage,
    `the policy of ${account} has ${megabytes(bytes)} with ${workloads.length} workloads; ` +
      `an account’s loop takes ${megabytes(MOST_POLICY_BYTES)} at most\n` +
      `split it into several accounts${held}; a fleet file shares the pools between them (docs/fleet.md)`,
  );
}
