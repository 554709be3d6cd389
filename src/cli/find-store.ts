import { HeadroomError } from '../domain/errors.js';
import { createStoreClient } from '../telemetry/client.js';
import type { RuntimeFile } from '../temporal/home.js';

/*
 * One process owns the store; the others reach it over HTTP: on one machine by what `run.json` says, elsewhere by
 * HEADROOM_STORE_URL with HEADROOM_STORE_TOKEN.
 */

export const STORE_URL = 'HEADROOM_STORE_URL';
export const STORE_TOKEN = 'HEADROOM_STORE_TOKEN';

export type StoreClient = ReturnType<typeof createStoreClient>;

/** The owner elsewhere that the environment names; null where it names none. */
export function storeOfEnvironment(env: NodeJS.ProcessEnv): StoreClient | null {
  const url = env[STORE_URL];
  if (url === undefined || url === '') return null;
  const token = env[STORE_TOKEN];
  if (token !== undefined && token !== '') return createStoreClient({ url, token });
  throw new HeadroomError({
    kind: 'invalid-input',
    component: 'cli',
    action: `reaching the store at ${url}`,
    problem: `${STORE_TOKEN} is not set`,
    remedy: 'set it to the token that the owner of the store was started with',
  });
}

/** The store of the environment, else of the process that runs here; null where there is neither. */
export const findStore = (env: NodeJS.ProcessEnv, runtime: RuntimeFile | null): StoreClient | null =>
  storeOfEnvironment(env) ??
  (runtime === null ? null : createStoreClient({ url: runtime.storeUrl, token: runtime.storeToken }));
