import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { createStore, type CacheRecord, type Store } from './store.js';
import { Answered, type Transport } from './transport.js';
import { notOlder } from './versions.js';

/*
 * One list and its watch, kept going: what a kind's objects are now, and how sure that is. A list is read in pages; its
 * resourceVersion is where the watch begins; a watch that the server ends is continued from the last version heard; one
 * that is too old (410), or was away for more than a moment, begins again with a list.
 */

export interface ReflectorSource<R extends CacheRecord> {
  /** `deployments.apps`, for messages and grants. */
  resource: string;
  /** Of the list: `/apis/apps/v1/deployments`, or that of one namespace. */
  path: string;
  /** Keeps what is needed of an object. @throws where it is no such object. */
  slim(object: unknown): R;
}

export interface ReflectorTimes {
  /** Objects of one page. */
  pageSize: number;
  listMs: number;
  /** Until a watch has been accepted. */
  openMs: number;
  /**
   * The server sends a bookmark about once a minute; a watch that had one, and is quiet for longer than this, is broken.
   * Where nothing of the kind changes and etcd tells the server of no progress, none comes: until the first one silence
   * proves nothing, and the watch is given its whole time.
   */
  quietMs: number;
  /** How much later than asked for the server may end a watch. */
  lateMs: number;
  /** How long a watch is asked for; the server ends it then, and it goes on. */
  watchSeconds: number;
  /** A watch that was away for longer than this is begun again with a list: what it would hear late is not the present. */
  awayMs: number;
  /** First pause after a failure, and the longest. */
  pauseMs: number;
  longestPauseMs: number;
  /** Pause before asking again for what is not served (no such CRD) or not granted. */
  absentMs: number;
}

export const TIMES: ReflectorTimes = {
  pageSize: 500,
  listMs: 30_000,
  openMs: 10_000,
  quietMs: 90_000,
  lateMs: 30_000,
  watchSeconds: 1800,
  awayMs: 5_000,
  pauseMs: 200,
  longestPauseMs: 30_000,
  absentMs: 600_000,
};

export type ReflectorStatus =
  /** Complete, and being told of every change. */
  | { kind: 'live' }
  /** Not yet, or no longer; `failure` of the last of so many attempts in a row, null before the first has failed. */
  | { kind: 'away'; failure: string | null; attempts: number }
  /** The server has no such resource. */
  | { kind: 'absent' }
  /** The server does not let us: 403, or 401 where it does not know us; in its words, with what to do. */
  | { kind: 'forbidden'; status: 401 | 403; words: string };

export interface Reflector<R extends CacheRecord> {
  readonly resource: string;
  readonly store: Store<R>;
  status(): ReflectorStatus;
  /** When the server was last heard on it, on the clock given; null where never. */
  heardAt(): number | null;
  /** The resourceVersion up to which changes are known. */
  version(): string;
  /** Attempts that have ended in a failure so far. */
  failures(): number;
  /** When the last of them did, on the clock given; before all time where none did. */
  failedAt(): number;
  /** Resolves at the next change of status or store. */
  changed(): Promise<void>;
  /** Ends the pause after a failure. */
  hurry(): void;
  close(): Promise<void>;
}

const metadataSchema = z.object({
  resourceVersion: z.string().default(''),
  continue: z.string().optional(),
});
const listSchema = z.object({ metadata: metadataSchema, items: z.array(z.unknown()).nullish() });
const eventSchema = z.object({ type: z.string(), object: z.unknown() });
const versionSchema = z.object({ metadata: z.object({ resourceVersion: z.string() }) });
const statusSchema = z.object({ code: z.number().optional(), message: z.string().default('no reason given') });

export function createReflector<R extends CacheRecord>(
  transport: Transport,
  source: ReflectorSource<R>,
  options: { times?: Partial<ReflectorTimes>; now?: () => number; random?: () => number } = {},
): Reflector<R> {
  const times = { ...TIMES, ...options.times };
  const { now = () => performance.now(), random = Math.random } = options;
  const store = createStore<R>();
  const ended = new AbortController();
  let status: ReflectorStatus = { kind: 'away', failure: null, attempts: 0 };
  let version = '';
  let failures = 0;
  let failedAt = Number.NEGATIVE_INFINITY;
  let heardAt: number | null = null;
  /** When the watch was last alive; null where the next one begins with a list. */
  let aliveAt: number | null = null;
  let wake = new AbortController();
  let change = deferred();

  const tell = () => {
    const told = change;
    change = deferred();
    told.resolve();
  };
  const become = (next: ReflectorStatus) => {
    status = next;
    tell();
  };

  async function list(): Promise<void> {
    const records: R[] = [];
    let next: string | undefined;
    let at = '';
    do {
      const answer = await transport.get(
        source.path,
        { limit: times.pageSize, continue: next },
        { signal: ended.signal, timeoutMs: times.listMs },
      );
      const page = listSchema.parse(answer);
      for (const item of page.items ?? []) records.push(source.slim(item));
      at = page.metadata.resourceVersion;
      next = page.metadata.continue === '' ? undefined : page.metadata.continue;
    } while (next !== undefined);
    store.replace(records);
    version = at;
    heardAt = now();
  }

  /** @returns the type of the event. */
  function take(line: unknown): string {
    const { type, object } = eventSchema.parse(line);
    if (type === 'ERROR') {
      const { code, message } = statusSchema.parse(object);
      throw new Answered(code ?? 500, message);
    }
    version = versionSchema.parse(object).metadata.resourceVersion;
    if (type === 'ADDED' || type === 'MODIFIED') store.set(source.slim(object));
    else if (type === 'DELETED') {
      const { namespace, name } = source.slim(object);
      store.delete(namespace, name);
    }
    tell();
    return type;
  }

  async function watch(): Promise<void> {
    // Spread, so that a fleet of watches does not come back all at once.
    const timeoutSeconds = Math.max(1, Math.round(times.watchSeconds * (0.8 + 0.4 * random())));
    const deadline = now() + timeoutSeconds * 1000 + times.lateMs;
    let bookmarked = false;
    const alive = () => {
      heardAt = now();
      aliveAt = heardAt;
    };
    await transport.stream(
      source.path,
      {
        watch: true,
        resourceVersion: version,
        allowWatchBookmarks: true,
        timeoutSeconds,
      },
      {
        signal: ended.signal,
        openMs: times.openMs,
        quietMs: () => (bookmarked ? times.quietMs : Math.max(1, deadline - now())),
        onOpen: () => {
          alive();
          become({ kind: 'live' });
        },
        onLine: (line) => {
          alive();
          if (take(line) === 'BOOKMARK') bookmarked = true;
        },
      },
    );
    alive();
  }

  /** What a failure means; the pause before the next attempt, in milliseconds. */
  function failed(error: unknown, attempt: number): number {
    failures++;
    failedAt = now();
    // An answer that is not the one that was asked for is a sign of life, too.
    if (error instanceof Answered) heardAt = now();
    if (error instanceof Answered && error.status === 410) {
      // What the watch would go on from is compacted away.
      aliveAt = null;
      become({ kind: 'away', failure: error.message, attempts: attempt });
      return attempt > 1 ? backoff(attempt) : 0;
    }
    const words = error instanceof Error ? error.message : String(error);
    if (error instanceof Answered && error.status === 403) {
      aliveAt = null;
      become({ kind: 'forbidden', status: 403, words: `${words}; grant list and watch on ${source.resource}` });
      return times.absentMs;
    }
    if (error instanceof Answered && error.status === 401) {
      become({ kind: 'forbidden', status: 401, words: `${words}; renew the credentials of the kubeconfig` });
      return backoff(attempt);
    }
    if (error instanceof Answered && error.status === 404) {
      aliveAt = null;
      store.replace([]);
      become({ kind: 'absent' });
      return times.absentMs;
    }
    const said = error instanceof Answered ? `the API server answers ${error.status}: ${words}` : words;
    const pause = Math.max(backoff(attempt), error instanceof Answered ? (error.retryAfterMs ?? 0) : 0);
    become({ kind: 'away', failure: said, attempts: attempt });
    return pause;
  }

  const backoff = (attempt: number): number =>
    Math.min(times.longestPauseMs, times.pauseMs * 2 ** Math.min(16, attempt - 1)) * (0.5 + 0.5 * random());

  async function run(): Promise<void> {
    let attempt = 0;
    while (!ended.signal.aborted) {
      const began = now();
      let pause = 0;
      try {
        if (aliveAt === null || began - aliveAt > times.awayMs) {
          aliveAt = null;
          await list();
          aliveAt = now();
        }
        const opened = now();
        await watch();
        // A server that ends each watch at once would be asked without end.
        attempt = now() - opened < times.pauseMs ? attempt + 1 : 0;
        if (attempt > 0) pause = backoff(attempt);
        become({ kind: 'away', failure: null, attempts: 0 });
      } catch (error) {
        if (ended.signal.aborted) return;
        attempt = status.kind === 'live' && now() - began > times.longestPauseMs ? 1 : attempt + 1;
        pause = failed(error, attempt);
      }
      if (pause > 0) await rest(pause);
    }
  }

  async function rest(milliseconds: number): Promise<void> {
    wake = new AbortController();
    const either = AbortSignal.any([wake.signal, ended.signal]);
    await delay(milliseconds, undefined, { signal: either, ref: false }).catch(() => undefined);
  }

  const running = run();
  return {
    resource: source.resource,
    store,
    status: () => status,
    heardAt: () => heardAt,
    version: () => version,
    failures: () => failures,
    failedAt: () => failedAt,
    changed: () => change.promise,
    hurry: () => wake.abort(),
    async close() {
      ended.abort(new Error('closed'));
      await running;
    },
  };
}

/** Has the cache seen this version of the object, or something later? */
export function hasReached<R extends CacheRecord>(
  reflector: Reflector<R>,
  object: { namespace: string; name: string; resourceVersion: string },
): boolean {
  const known = reflector.store.get(object.namespace, object.name);
  if (known !== undefined && notOlder(known.resourceVersion, object.resourceVersion)) return true;
  return notOlder(reflector.version(), object.resourceVersion);
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
