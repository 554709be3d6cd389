import { CELL_SCOPE } from '../models/library.js';
import { openLibrary, scopeOf, servingOf } from './models.js';
import type { Session } from './session.js';

/** What an account's status says of trained models. */
export interface TrainedStatus {
  /** What should serve it and cannot, in words. */
  troubles: string[];
}

/** By the folder of models that this command sees: on a machine of its own without one it says nothing. */
export async function modelsOf(_session: Session, env: NodeJS.ProcessEnv, account: string): Promise<TrainedStatus> {
  const library = openLibrary(env);
  // A look is to make no key where there is nothing to name.
  if ((await library.champions.version()) === '') return { troubles: [] };
  const scopes = [await scopeOf(library, account), CELL_SCOPE];
  return { troubles: (await servingOf(library, scopes)).troubles };
}
