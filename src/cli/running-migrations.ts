import { migrationWorkflowId } from '../../workflows/migration-messages.js';
import { recordSchema } from './migration-record.js';
import type { Session } from './session.js';

const MOST = 1000;

/**
 * Ids, `shop/web/2`, of an account’s migrations that run now. The server’s list lags by a moment and the store’s records begin
 * with the first write, so both are asked, and the server is asked again of each.
 */
export async function runningMigrations({ client, store }: Session, account: string): Promise<string[]> {
  const prefix = migrationWorkflowId(`${account}/`);
  const query = `WorkflowType IN ('migration', 'clusterMigration') AND ExecutionStatus = 'Running' AND WorkflowId STARTS_WITH ${JSON.stringify(prefix)}`;
  const ids = new Set<string>();
  for await (const { workflowId } of client.workflow.list({ query })) {
    ids.add(workflowId.slice(migrationWorkflowId('').length));
  }
  for (const { id, body } of (await store?.listRecords('migration', account, { limit: MOST })) ?? []) {
    if ((recordSchema.safeParse(body).data?.outcome ?? null) === null) ids.add(id);
  }
  const running: string[] = [];
  for (const id of [...ids].sort()) {
    const status = await client.workflow
      .getHandle(migrationWorkflowId(id))
      .describe()
      .catch(() => null);
    if (status?.status.name === 'RUNNING') running.push(id);
  }
  return running;
}
