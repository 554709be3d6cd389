import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { Histories } from '../../activities/dependencies.js';

/** Histories from the server, in the JSON that `temporal workflow show --output json` prints and replay reads. */
export function createHistories(client: Client): Histories {
  return {
    async fetch(workflowId) {
      const history = await client.workflow.getHandle(workflowId).fetchHistory();
      return JSON.parse(historyToJSON(history)) as unknown;
    },
    async isRunning(workflowId) {
      try {
        const described = await client.workflow.getHandle(workflowId).describe();
        return described.status.name === 'RUNNING';
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return false;
        throw error;
      }
    },
  };
}
