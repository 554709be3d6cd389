import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { TellDrift } from '../../activities/drift.js';
import { driftSignal, retrainWorkflowId } from '../../workflows/retrain-messages.js';
import { CELL_SCOPE, type ModelLibrary } from '../models/library.js';

/** Tells the workflows that retrain: the account's own, and that of all accounts; those that run. */
export const createDrift =
  (client: Client, models: ModelLibrary): TellDrift =>
  async (account, reason, series) => {
    for (const scope of [(await models.pseudonyms()).scope(account), CELL_SCOPE]) {
      try {
        await client.workflow.getHandle(retrainWorkflowId(scope)).signal(driftSignal, { reason, series });
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    }
  };
