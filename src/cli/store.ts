import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { EpochSeconds } from '../domain/time.js';
import { createEmbeddedStore, storeMemory, type EmbeddedStore } from '../telemetry/embedded/store.js';
import { withRecordFeed, type RecordFeed } from '../telemetry/record-feed.js';
import { createStoreService } from '../telemetry/service.js';
import { newToken, type RuntimeFile } from '../temporal/home.js';
import { findStore, STORE_TOKEN, type StoreClient } from './find-store.js';

export interface OwnedStore {
  store: EmbeddedStore & RecordFeed;
  /** For processes of this machine. */
  url: string;
  token: string;
  close(): Promise<void>;
}

export interface OwnStoreOptions {
  home: string;
  env: NodeJS.ProcessEnv;
  /** Default: the loopback, a free port. */
  host?: string;
  port?: number;
  now(): EpochSeconds;
  say(line: string): void;
}

/** Past retention, rows are dropped this often. */
const COMPACT_EVERY_MS = 3_600_000;

/** Opens the embedded store of a folder and serves it. Its token is the environment's, else a new one. */
export async function ownStore(options: OwnStoreOptions): Promise<OwnedStore> {
  const { home, env, host, port, now, say } = options;
  await mkdir(home, { recursive: true });
  const store = withRecordFeed(
    await createEmbeddedStore({ path: join(home, 'telemetry.duckdb'), ...storeMemory(env) }),
  );
  const given = env[STORE_TOKEN];
  const token = given === undefined || given === '' ? newToken() : given;
  const service = await createStoreService(store, {
    token,
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
  }).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  const compaction = setInterval(() => {
    store.compact(now()).catch((error: unknown) => say(`compacting: ${String(error)}`));
  }, COMPACT_EVERY_MS);
  return {
    store,
    url: service.url,
    token,
    async close() {
      clearInterval(compaction);
      await service.close();
      await store.close();
    },
  };
}

/** The store of the environment, of the process that runs here, or (where there is neither) this process' own. */
export async function openStore(
  runtime: RuntimeFile | null,
  options: OwnStoreOptions,
): Promise<{ store: OwnedStore['store'] | StoreClient; owned: OwnedStore | null; close(): Promise<void> }> {
  const found = findStore(options.env, runtime);
  if (found !== null) return { store: found, owned: null, close: () => found.close() };
  const owned = await ownStore(options);
  return { store: owned.store, owned, close: () => owned.close() };
}
