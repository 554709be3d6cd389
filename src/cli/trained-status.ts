import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { WorkflowNotFoundError } from '@temporalio/client';
import type { retrain } from '../../workflows/retrain.js';
import { retrainStatusQuery, retrainWorkflowId } from '../../workflows/retrain-messages.js';
import type { AccountPolicy } from '../domain/account.js';
import { isHeadroomError } from '../domain/errors.js';
import { CELL_SCOPE } from '../models/library.js';
import { absentOf, openLibrary, scopeOf, servingOf } from './models.js';
import type { Session } from './session.js';

/** What an account's status says of trained models. */
export interface TrainedStatus {
  /** What should serve it and cannot, and what retraining asks a person to look at, in words. */
  troubles: string[];
}

/** By the folder of models that this command sees, and by the workflows that retrain. */
export async function modelsOf(
  { client }: Session,
  env: NodeJS.ProcessEnv,
  account: string,
  policy: Pick<AccountPolicy, 'models'> = {},
): Promise<TrainedStatus> {
  const library = openLibrary(env);
  const troubles: string[] = [];
  const scopes = [CELL_SCOPE];
  try {
    // A look is to make no key where nothing was ever named by one.
    if (existsSync(join(library.folder, 'pseudonyms.key'))) scopes.unshift(await scopeOf(library, account));
    troubles.push(...(await servingOf(library, scopes)).troubles);
    troubles.push(...(await absentOf(library, account, policy)));
  } catch (error) {
    if (!isHeadroomError(error)) throw error;
    troubles.push(error.message);
  }
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
