import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { clusterMigration } from '../../workflows/cluster-migration.js';
import type { migration } from '../../workflows/migration.js';
import { migrationStatusQuery, migrationWorkflowId } from '../../workflows/migration-messages.js';
import type { MigrationOutcome } from '../domain/migration.js';
import { stateLines } from './migration-words.js';
import type { Session } from './session.js';

const LOOK_EVERY_MS = 500;

/** The highest number that a migration of the workload had; 0 where there was none. */
export async function lastNumber({ client, store }: Session, account: string, workload: string): Promise<number> {
  const prefix = `${account}/${workload}/`;
  let last = 0;
  const see = (id: string): void => {
    const number = Number(id.slice(id.lastIndexOf('/') + 1));
    if (id.includes(prefix) && Number.isInteger(number)) last = Math.max(last, number);
  };
  const query = `WorkflowType IN ('migration', 'clusterMigration') AND WorkflowId STARTS_WITH ${JSON.stringify(migrationWorkflowId(prefix))}`;
  for await (const { workflowId } of client.workflow.list({ query })) see(workflowId);
  for (const { id } of (await store?.listRecords('migration', account, { limit: 1000 })) ?? []) {
    if (id.startsWith(prefix)) see(id);
  }
  return last;
}

/** Tells each step as it comes, until the end. */
export async function followed(
  handle: WorkflowHandle<typeof migration | typeof clusterMigration>,
  say: (line: string) => void,
): Promise<MigrationOutcome> {
  const ending = { over: false };
  const result = handle.result().finally(() => (ending.over = true));
  result.catch(() => undefined);
  let told = '';
  while (!ending.over) {
    // Progress is a courtesy: what is not answered now is asked again.
    const state = await handle.query(migrationStatusQuery).catch(() => null);
    const [line, ...rest] = state === null ? [] : stateLines(state);
    if (line !== undefined && line !== told && !ending.over) {
      say([line, ...rest.filter((one) => one.startsWith('needs'))].join('\n'));
      told = line;
    }
    await Promise.race([result.catch(() => undefined), delay(LOOK_EVERY_MS)]);
  }
  return result;
}
