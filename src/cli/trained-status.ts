import { WorkflowNotFoundError } from '@temporalio/client';
import type { retrain } from '../../workflows/retrain.js';
import { retrainStatusQuery, retrainWorkflowId } from '../../workflows/retrain-messages.js';
import { CELL_SCOPE } from '../models/library.js';
import { openLibrary, scopeOf, servingOf } from './models.js';
import type { Session } from './session.js';

/** What an account's status says of trained models. */
export interface TrainedStatus {
  /** What should serve it and cannot, and what retraining asks a person to look at, in words. */
  troubles: string[];
}

/** By the folder of models that this command sees, and by the workflows that retrain. */
export async function modelsOf({ client }: Session, env: NodeJS.ProcessEnv, account: string): Promise<TrainedStatus> {
  const library = openLibrary(env);
  // A look is to make no key where there is nothing to name.
  const any = (await library.champions.version()) !== '';
  const scopes = any ? [await scopeOf(library, account), CELL_SCOPE] : [CELL_SCOPE];
  const { troubles } = await servingOf(library, scopes);
  for (const scope of scopes) {
    const handle = client.workflow.getHandle<typeof retrain>(retrainWorkflowId(scope));
    try {
      const { attention, phase } = await client.withDeadline(Date.now() + PATIENCE_MS, () =>
        handle.query(retrainStatusQuery),
      );
      if (phase !== 'stopping' && typeof attention === 'string') troubles.push(`retraining ${scope}: ${attention}`);
    } catch (error) {
      // The status itself needs no retraining; it is not to wait for it, or to fail with it.
      if (!(error instanceof WorkflowNotFoundError)) troubles.push(`retraining ${scope} does not answer`);
    }
  }
  return { troubles };
}

const PATIENCE_MS = 5000;
