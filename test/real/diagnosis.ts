import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { connectClient } from '../../src/temporal/connection.js';
import type { World } from './world.js';

/** What a reader of a failure needs: where an account stands, what its workflows wait for, what the worker said last. */
export async function diagnosis(world: World, account: string): Promise<string> {
  const { address } = world.stand.temporal;
  const lines = [
    `replicas ${await world.replicas(account).then(String, String)}`,
    JSON.stringify(await world.stand.status(account).catch(String)),
    JSON.stringify(await world.stand.history(account).catch(String)).slice(-3000),
  ];
  try {
    const { client, connection } = await connectClient({ options: { address }, namespace: 'default' });
    for await (const { workflowId, runId, type } of client.workflow.list({ query: "ExecutionStatus = 'Running'" })) {
      const { raw } = await client.workflow.getHandle(workflowId, runId).describe();
      const pending = (raw.pendingActivities ?? []).map(({ activityType, attempt, state, lastFailure }) =>
        [activityType?.name, attempt, state, lastFailure?.message].join(' '),
      );
      const task = JSON.stringify(raw.pendingWorkflowTask ?? null);
      lines.push(
        `${type} ${workflowId}: ${pending.join('; ')}; task ${task}`,
        ...(await failedTasks(client, workflowId)),
      );
    }
    await connection.close();
  } catch (error) {
    lines.push(String(error));
  }
  return [...lines, world.worker.said().slice(-4000)].join('\n');
}

/** Why a workflow's code could not go on, where it could not: the words of its failed workflow tasks. */
async function failedTasks(client: Client, workflowId: string): Promise<string[]> {
  const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
  const dump = process.env['CHAOS_DUMP'];
  if (dump !== undefined)
    await writeFile(join(dump, `${workflowId.replaceAll('/', '-')}.json`), historyToJSON({ events }));
  return (events ?? []).flatMap(({ eventId, workflowTaskFailedEventAttributes: failed }) =>
    failed === null || failed === undefined ? [] : [`  event ${String(eventId)}: ${JSON.stringify(failed.failure)}`],
  );
}

/** The same promise; where it fails, its error says what {@link diagnosis} found. */
export async function explained<T>(world: World, account: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new Error(`${String(error)}\n${await diagnosis(world, account)}`, { cause: error });
  }
}
