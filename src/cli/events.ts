import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { z } from 'zod';
import { HeadroomError, isHeadroomError } from '../domain/errors.js';
import type { Accepted, Door, DoorStatus } from '../telemetry/events/door.js';
import { createDoor } from '../telemetry/events/door.js';
import type { FileBatch } from '../telemetry/events/file.js';
import type { ClosedBins } from '../telemetry/events/closing.js';
import { forgottenSchema, type Forgotten } from '../telemetry/events/forget.js';
import { loadKeys } from '../telemetry/events/keys.js';
import type { StoreErasure } from '../telemetry/erasure.js';
import type { BehaviorStore } from '../telemetry/events/port.js';
import type { Store } from '../telemetry/port.js';
import { createEventService } from '../telemetry/events/service.js';
import { createTokenBook, readTokens } from '../telemetry/events/tokens.js';
import { homeFolder, isAlive, newToken } from '../temporal/home.js';
import type { Terminal } from './command.js';
import { openStore } from './commands/import.js';

/** Where what belongs to events is kept, in Headroom's home. */
export function eventPaths(env: NodeJS.ProcessEnv) {
  const folder = join(homeFolder(env), 'events');
  return {
    folder,
    key: env['HEADROOM_EVENTS_KEY_FILE'] ?? join(folder, 'key'),
    tokens: join(folder, 'tokens.json'),
    listener: join(folder, 'listener.json'),
  };
}

const listenerSchema = z.object({ pid: z.int(), url: z.string(), token: z.string() });
type Listener = z.output<typeof listenerSchema>;

/** The process that has the door, where one listens. */
export async function readListener(env: NodeJS.ProcessEnv): Promise<Listener | null> {
  const text = await readFile(eventPaths(env).listener, 'utf8').catch(() => null);
  if (text === null) return null;
  const listener = listenerSchema.parse(JSON.parse(text));
  return isAlive(listener.pid) ? listener : null;
}

export async function withStore<T>(
  env: NodeJS.ProcessEnv,
  work: (store: Store & BehaviorStore & StoreErasure) => Promise<T>,
): Promise<T> {
  const { store } = await openStore(env);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** Closes what is old enough. The store is opened once for all of it, and only where there is something to write. */
async function settleBins(env: NodeJS.ProcessEnv, door: Door, hurry: boolean): Promise<ClosedBins> {
  let opened: ReturnType<typeof openStore> | null = null;
  const lazy: Pick<BehaviorStore, 'writeBehavior'> = {
    async writeBehavior(part) {
      opened ??= openStore(env);
      return (await opened).store.writeBehavior(part);
    },
  };
  try {
    return await door.settle(lazy, now(), { hurry });
  } finally {
    await closeOpened(opened);
  }
}

async function closeOpened(opened: ReturnType<typeof openStore> | null): Promise<void> {
  const found = await opened?.catch(() => null);
  await found?.store.close();
}

export interface DoorSettings {
  bin: number;
  k: number;
  settle: number;
}

/** DuckDB makes its write-ahead log anew after each checkpoint, whenever that is: only the process' own mask reaches it. */
function keepToOneself(): void {
  // A thread may not set it; what runs commands in one has set its own.
  if (isMainThread) process.umask(0o077);
}

const openDoor = async (env: NodeJS.ProcessEnv, settings: Partial<DoorSettings>): Promise<Door> => {
  const { folder, key } = eventPaths(env);
  keepToOneself();
  return createDoor({ folder, keys: await loadKeys(env, key), ...settings });
};

const now = (): number => Date.now() / 1000;
/** Bins are looked at this often: soon enough for a bin of a minute. */
const EVERY_MS = 15_000;

/** Listens for events until it is told to end. What is open then waits on disk. */
export async function listen(
  terminal: Terminal,
  options: DoorSettings & { host: string; port: number },
): Promise<void> {
  const { env } = terminal;
  const { host, port, ...settings } = options;
  const paths = eventPaths(env);
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const door = await openDoor(env, settings);
  const token = newToken();
  let told = '';
  const settle = async (): Promise<void> => {
    try {
      const { withheld } = await settleBins(env, door, false);
      if (withheld > 0) terminal.err(`${withheld} events withheld: a whole day had fewer than ${settings.k} persons`);
      told = '';
    } catch (error) {
      // What is not ours may carry what a sender wrote; it is named and not repeated.
      const words = isHeadroomError(error) ? error.message : error instanceof Error ? error.name : 'unknown error';
      if (words !== told) terminal.err(`bins stay open, nothing is lost: ${words}`);
      told = words;
    }
  };
  try {
    const { locked } = await door.status();
    if (locked > 0) terminal.err(`${locked} events wait for a key that is not there; put it behind the current one`);
    if ((await readTokens(paths.tokens)).length === 0) {
      terminal.err('nobody has a token yet: `headroom events token` makes one');
    }
    const { find } = createTokenBook(paths.tokens);
    const service = await createEventService({ door, find, ownToken: token, host, port, now });
    await mkdir(paths.folder, { recursive: true });
    const draft = `${paths.listener}.${process.pid}`;
    await writeFile(draft, JSON.stringify({ pid: process.pid, url: service.url, token }), { mode: 0o600 });
    await rename(draft, paths.listener);
    terminal.out(`events at ${service.url}: JSON lines at /v1/events, OTLP logs at /v1/logs; Ctrl-C ends it`);
    await settle();
    const timer = setInterval(() => void settle(), EVERY_MS);
    await stopped;
    clearInterval(timer);
    await service.close();
    await rm(paths.listener, { force: true });
  } finally {
    await door.close();
  }
}

const acceptedSchema = z.object({ kind: z.literal('accepted'), accepted: z.int(), repeated: z.int() });

/** The door of the process that listens; over loopback, with its own token. */
async function sendTo(listener: Listener, batch: FileBatch): Promise<Accepted> {
  const action = `sending to process ${listener.pid}`;
  const response = await fetch(`${listener.url}/v1/import`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${listener.token}`,
      'content-type': 'application/x-ndjson',
      'x-headroom-chain': batch.chain,
    },
    body: batch.lines.join('\n'),
  }).catch((cause: unknown) => {
    throw new HeadroomError({
      ...{ kind: 'unavailable', component: 'cli', action, problem: 'it does not answer', cause },
      remedy: 'import it again; what was taken is not taken twice',
    });
  });
  if (response.status === 429) return { kind: 'busy', retryAfter: Number(response.headers.get('retry-after') ?? 5) };
  if (response.ok) return acceptedSchema.parse(await response.json());
  throw new HeadroomError({
    ...{ kind: 'unavailable', component: 'cli', action, problem: `it answered ${response.status}` },
    remedy: 'see what it says, and import again; what was taken is not taken twice',
  });
}

/** How an import reaches the door: through the process that listens, or by itself where none does. */
export interface Entrance {
  through: string;
  take(batch: FileBatch): Promise<Accepted>;
  wait(retryAfter: number): Promise<void>;
  /** Closes what is old enough. */
  finish(): Promise<{ rows: number; withheld: number } | null>;
  close(): Promise<void>;
}

export async function openEntrance(env: NodeJS.ProcessEnv, settings: DoorSettings): Promise<Entrance> {
  const sleep = (seconds: number) => new Promise<void>((resolve) => setTimeout(resolve, seconds * 1000));
  const listener = await readListener(env);
  if (listener !== null) {
    return {
      through: `process ${listener.pid}`,
      take: (batch) => sendTo(listener, batch),
      wait: sleep,
      finish: () => Promise.resolve(null),
      close: () => Promise.resolve(),
    };
  }
  const door = await openDoor(env, settings);
  const settle = () => settleBins(env, door, true);
  return {
    through: eventPaths(env).folder,
    take: (batch) => door.accept(batch.events, { marks: batch.marks, forget: null, now: now() }),
    wait: async () => {
      const { bins } = await settle();
      if (bins === 0) {
        throw new HeadroomError({
          ...{ kind: 'full', component: 'cli', action: 'importing events', problem: 'the open bins are full' },
          remedy: 'wait until they close, or import a shorter file; what was taken is not taken twice',
        });
      }
    },
    finish: settle,
    close: () => door.close(),
  };
}

/** What waits, as the process that has the door sees it, or as its file says. */
export async function readStatus(env: NodeJS.ProcessEnv): Promise<DoorStatus> {
  const listener = await readListener(env);
  if (listener === null) {
    const door = await openDoor(env, {});
    try {
      return await door.status();
    } finally {
      await door.close();
    }
  }
  const response = await fetch(`${listener.url}/v1/status`, { headers: { authorization: `Bearer ${listener.token}` } });
  return z
    .object({
      pending: z.number(),
      locked: z.number(),
      withheld: z.array(z.object({ account: z.string(), events: z.number() })),
    })
    .parse(await response.json());
}

/** What waits at the door of an account or of a user is forgotten: by the process that has the door, or in its file. */
export async function forgetAtDoor(
  env: NodeJS.ProcessEnv,
  asked: { account: string } | { user: string },
): Promise<Forgotten | null> {
  const listener = await readListener(env);
  if (listener !== null) {
    const response = await fetch(`${listener.url}/v1/erase`, {
      method: 'POST',
      headers: { authorization: `Bearer ${listener.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(asked),
    });
    if (response.ok) return forgottenSchema.parse(await response.json());
    throw new HeadroomError({
      ...{ kind: 'unavailable', component: 'cli', action: `erasing through process ${listener.pid}` },
      ...{ problem: `it answered ${response.status}`, remedy: 'try again; what was erased stays erased' },
    });
  }
  // No event ever came here: there is no door to open, and no key to ask for.
  if (!existsSync(join(eventPaths(env).folder, 'door.duckdb'))) return null;
  const door = await openDoor(env, {});
  try {
    return await ('account' in asked ? door.forgetAccount(asked.account) : door.forgetUser(asked.user));
  } finally {
    await door.close();
  }
}
