import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';

/* Executions on the server as a whole: to be listed and deleted, with the histories that they have there. */

export interface Execution {
  workflowId: string;
  runId: string;
  running: boolean;
}

export interface Executions {
  list(query: string): Promise<Execution[]>;
  /** Asks the server to delete a closed run with its history; the server does so in its own time. */
  remove(execution: Execution): Promise<void>;
}

export function createExecutions(client: Client): Executions {
  return {
    async list(query) {
      const found: Execution[] = [];
      for await (const { workflowId, runId, status } of client.workflow.list({ query })) {
        found.push({ workflowId, runId, running: status.name === 'RUNNING' });
      }
      return found;
    },
    async remove({ workflowId, runId }) {
      await client.workflowService.deleteWorkflowExecution({
        namespace: client.options.namespace,
        workflowExecution: { workflowId, runId },
      });
    },
  };
}

export interface ErasedHistories {
  /** Closed runs whose histories the server has taken to delete, or would. */
  removed: number;
  /** Those of them that it had not deleted yet when nobody waited any longer; it does so in its own time. */
  pending: number;
  /** Ids of workflows that still run: they keep theirs. */
  running: string[];
}

/** A server at rest needs some ten to twenty seconds; what it has taken on it finishes by itself. */
const PATIENCE_MS = 2000;

/**
 * Deletes the histories of an account: its own workflow's runs, those of its changes, and of the retraining of its own
 * models.
 * @param retrain the id of the latter; null where it has none.
 * @param dry counts them.
 */
export async function eraseHistories(
  executions: Executions,
  account: string,
  retrain: string | null,
  dry: boolean,
  patience = PATIENCE_MS,
): Promise<ErasedHistories> {
  const ids = [`account/${account}`, ...(retrain === null ? [] : [retrain])];
  const query = [
    ...ids.map((id) => `WorkflowId = ${quoted(id)}`),
    ...['change', 'migration', 'migration-survey', 'prefetch'].map(
      (kind) => `WorkflowId STARTS_WITH ${quoted(`${kind}/${account}/`)}`,
    ),
  ];
  const find = (): Promise<Execution[]> => executions.list(query.join(' OR '));
  const found = await find();
  const running = [...new Set(found.filter((one) => one.running).map(({ workflowId }) => workflowId))];
  const closed = found.filter((one) => !one.running);
  if (dry) return { removed: closed.length, pending: 0, running };
  for (const one of closed) await executions.remove(one);
  const asked = new Set(closed.map(({ runId }) => runId));
  const until = performance.now() + patience;
  for (let wait = 100; ; wait = Math.min(1000, 2 * wait)) {
    const pending = asked.size === 0 ? 0 : (await find()).filter(({ runId }) => asked.has(runId)).length;
    if (pending === 0 || performance.now() >= until) return { removed: closed.length, pending, running };
    await delay(wait);
  }
}

/** As the server's query language writes a string. */
const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
