import { QueryRejectedError, WorkflowNotFoundError, WorkflowUpdateFailedError, type Client } from '@temporalio/client';
import type { Accounts } from '../../activities/migrate.js';
import type { account } from '../../workflows/account.js';
import { accountWorkflowId, policyQuery, setPolicyUpdate, statusQuery } from '../../workflows/messages.js';
import { HeadroomError } from '../domain/errors.js';
import { isoTime } from '../domain/time.js';

/** A worker that does not answer within this is out of reach, and the activity is tried again. */
const PATIENCE_MS = 10_000;

/** What a migration asks of the account workflows; one that does not run pauses nothing, and has nothing to be told. */
export function createAccounts(client: Client): Accounts {
  const handleOf = (name: string) => client.workflow.getHandle<typeof account>(accountWorkflowId(name));
  const patient = <T>(work: () => Promise<T>): Promise<T> => client.withDeadline(Date.now() + PATIENCE_MS, work);
  const ifRunning = async <T>(work: () => Promise<T>): Promise<T | null> => {
    try {
      return await patient(work);
    } catch (error) {
      if (error instanceof WorkflowNotFoundError || error instanceof QueryRejectedError) return null;
      throw error;
    }
  };
  return {
    async paused(name) {
      const status = await ifRunning(() => handleOf(name).query(statusQuery));
      const pause = status?.pause ?? null;
      if (status === null || pause === null || pause.until <= status.now) return null;
      const why = pause.reason === '' ? '' : `: ${pause.reason}`;
      return `account ${name} is paused by ${pause.author} until ${isoTime(pause.until)}${why}`;
    },
    async policy(name) {
      const status = await ifRunning(() => handleOf(name).query(statusQuery));
      const known = status === null ? null : await ifRunning(() => handleOf(name).query(policyQuery));
      // Two questions: another policy may have been set between them.
      if (status === null || known === null || status.revision !== known.revision) return null;
      return { policyId: status.policyId, policy: known.policy, at: status.now };
    },
    async setPolicy(name, alter, author, clusterQueue) {
      const known = await ifRunning(() => handleOf(name).query(policyQuery));
      if (known === null) return null;
      const policy = alter(known.policy);
      if (JSON.stringify(policy) === JSON.stringify(known.policy)) return { revision: known.revision };
      try {
        return await ifRunning(() =>
          handleOf(name).executeUpdate(setPolicyUpdate, {
            args: [{ policy, author, ...(clusterQueue === undefined ? {} : { clusterQueue }) }],
          }),
        );
      } catch (error) {
        if (!(error instanceof WorkflowUpdateFailedError)) throw error;
        throw new HeadroomError({
          kind: 'refused',
          component: 'temporal/accounts',
          action: `telling account ${name} where its workload is`,
          problem: error.cause?.message ?? error.message,
          remedy: 'set its policy by hand',
          cause: error,
        });
      }
    },
  };
}
