import { HeadroomError } from '../domain/errors.js';
import { REAL_TIME, simulatedNow, type EpochSeconds } from '../domain/time.js';
import { resolveTarget } from '../temporal/connection.js';
import type { Terminal } from './command.js';
import { findStore, type StoreClient } from './find-store.js';

/** The store alone: where it is, and what time its accounts live in. */
export async function withStore<T>(
  terminal: Terminal,
  work: (store: StoreClient, now: EpochSeconds) => Promise<T>,
): Promise<T> {
  const { runtime } = await resolveTarget(terminal.env);
  const store = findStore(terminal.env, runtime);
  if (store === null) {
    throw new HeadroomError({
      kind: 'unavailable',
      component: 'cli',
      action: 'opening the store',
      problem: 'no process that owns one runs here, and HEADROOM_STORE_URL is not set',
      remedy: 'start `headroom dev` or a worker, or name the store',
    });
  }
  try {
    return await work(store, simulatedNow(runtime?.scale ?? REAL_TIME, Date.now()));
  } finally {
    await store.close();
  }
}
