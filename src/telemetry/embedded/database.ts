import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { isFatal, isInterrupt, storeError, translate } from './errors.js';
import { createSession, type Session } from './session.js';

export interface DatabaseOptions {
  /** `:memory:`, or a file in a folder that exists. */
  path: string;
  /** As DuckDB writes it, `256MB`: what it may keep in memory; beyond that it spills beside the file. */
  memoryLimit: string;
  threads: number;
  readers: number;
  /** Brings the schema up and reloads what is kept in memory; also after a reopening. */
  onOpen(session: Session): Promise<void>;
}

/**
 * The open file: one writing connection, a few reading ones, each leased to one caller at a time. An error after which
 * DuckDB refuses all service (as a checkpoint on a full disk) closes the file, opens it anew and tries once more: what
 * was committed is in the write-ahead log by then.
 */
export interface Database {
  readonly path: string;
  read<T>(action: string, signal: AbortSignal | undefined, work: (session: Session) => Promise<T>): Promise<T>;
  /** The writing connection. The caller sees to it that only one uses it at a time (write-queue.ts). */
  write<T>(action: string, work: (session: Session) => Promise<T>): Promise<T>;
  /** For what is answered from memory. @throws HeadroomError `unavailable` after closing. */
  assertOpen(action: string): void;
  close(): Promise<void>;
}

/** DuckDB's file lock keeps other processes away, not a second instance in this one, which would ruin the file. */
const opened = new Set<string>();

function identityOf(path: string): string {
  const full = resolve(path);
  try {
    return join(realpathSync(dirname(full)), basename(full));
  } catch {
    return full;
  }
}

interface Engine {
  instance: DuckDBInstance;
  writer: Session;
  readers: Session[];
  idle: Session[];
}

export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { path } = options;
  const inMemory = path === ':memory:';
  const identity = identityOf(path);
  if (!inMemory && opened.has(identity)) {
    throw storeError(
      'unavailable',
      `opening ${path}`,
      `${path} is in use by this process`,
      'use that store, or close it',
    );
  }

  const open = async (): Promise<Engine> => {
    let instance: DuckDBInstance | undefined;
    try {
      instance = await DuckDBInstance.create(path, {
        memory_limit: options.memoryLimit,
        threads: String(options.threads),
        // They plan by the statistics of the moment at which a statement is prepared (once a connection). After that
        // rows come, and a sorted read of them gives cut names and wrong numbers, without an error.
        disabled_optimizers: 'compressed_materialization,statistics_propagation',
      });
      const writer = createSession(await instance.connect());
      const readers: Session[] = [];
      for (let count = 0; count < options.readers; count++) readers.push(createSession(await instance.connect()));
      await options.onOpen(writer);
      return { instance, writer, readers, idle: [...readers] };
    } catch (cause) {
      instance?.closeSync();
      throw translate(cause, `opening ${path}`, path);
    }
  };
  const shut = (engine: Engine): void => {
    for (const session of [engine.writer, ...engine.readers]) session.close();
    engine.instance.closeSync();
  };

  if (!inMemory) opened.add(identity);
  let engine: Engine | null;
  try {
    engine = await open();
  } catch (error) {
    opened.delete(identity);
    throw error;
  }
  let closed = false;
  let active = 0;
  let reopening: Promise<void> | null = null;
  let whenIdle: (() => void) | null = null;
  const waiting: (() => void)[] = [];

  const settle = (): void => {
    if (active === 0) whenIdle?.();
  };
  const idle = async (): Promise<void> => {
    while (active > 0) {
      await new Promise<void>((done) => (whenIdle = done));
      whenIdle = null;
    }
  };

  /** Single flight; who comes meanwhile waits. An in-memory store cannot be opened anew: it would be another one. */
  const reopen = (broken: Engine | null): Promise<void> => {
    if (broken !== engine && engine !== null) return Promise.resolve();
    reopening ??= (async () => {
      await idle();
      if (engine !== null) shut(engine);
      engine = null;
      engine = await open();
    })().finally(() => {
      reopening = null;
      for (const wake of waiting.splice(0)) wake();
    });
    return reopening;
  };

  const assertOpen = (action: string): void => {
    if (closed) throw storeError('unavailable', action, `${path} is closed`, 'open the store again');
  };

  const current = async (action: string): Promise<Engine> => {
    while (reopening !== null) await reopening.catch(() => undefined);
    assertOpen(action);
    if (engine === null) await reopen(null);
    return engine ?? current(action);
  };

  const leaseReader = async (action: string): Promise<{ from: Engine; session: Session }> => {
    for (;;) {
      const from = await current(action);
      const session = from.idle.pop();
      if (session !== undefined) return { from, session };
      await new Promise<void>((wake) => waiting.push(wake));
    }
  };

  const attempt = async <T>(from: Engine, work: () => Promise<T>): Promise<T> => {
    active += 1;
    try {
      return await work();
    } catch (cause) {
      if (!inMemory && isFatal(cause)) throw new Broken(from, cause);
      throw cause;
    } finally {
      active -= 1;
      settle();
    }
  };

  const twice = async <T>(action: string, once: () => Promise<T>): Promise<T> => {
    for (let tried = 0; ; tried++) {
      try {
        return await once();
      } catch (error) {
        if (!(error instanceof Broken)) throw error;
        await reopen(error.engine);
        if (tried > 0) throw translate(error.cause, action, path);
      }
    }
  };

  return {
    path,
    read: (action, signal, work) =>
      twice(action, async () => {
        signal?.throwIfAborted();
        const { from, session } = await leaseReader(action);
        let again: NodeJS.Timeout | undefined;
        // An interrupt that comes before the query has begun is forgotten: it is repeated until the call has ended.
        const interrupt = (): void => {
          session.interrupt();
          again = setInterval(() => session.interrupt(), 5);
        };
        try {
          signal?.throwIfAborted();
          signal?.addEventListener('abort', interrupt, { once: true });
          const result = await attempt(from, () => work(session));
          signal?.throwIfAborted();
          return result;
        } catch (cause) {
          if (signal?.aborted === true && (isInterrupt(cause) || cause === signal.reason)) throw signal.reason;
          if (cause instanceof Broken) throw cause;
          throw translate(cause, action, path);
        } finally {
          signal?.removeEventListener('abort', interrupt);
          clearInterval(again);
          from.idle.push(session);
          waiting.shift()?.();
        }
      }),
    write: (action, work) =>
      twice(action, async () => {
        const from = await current(action);
        try {
          return await attempt(from, () => work(from.writer));
        } catch (cause) {
          if (cause instanceof Broken) throw cause;
          throw translate(cause, action, path);
        }
      }),
    assertOpen,
    async close() {
      if (closed) return;
      while (reopening !== null) await reopening.catch(() => undefined);
      closed = true;
      await idle();
      if (engine !== null) {
        // Off the event loop; closing would do the same on it. Where it fails the log stays, and is read next time.
        if (!inMemory) await engine.writer.query('CHECKPOINT').catch(() => undefined);
        shut(engine);
        engine = null;
      }
      opened.delete(identity);
      for (const wake of waiting.splice(0)) wake();
    },
  };
}

class Broken extends Error {
  constructor(
    readonly engine: Engine,
    override readonly cause: unknown,
  ) {
    super('the database has to be opened anew');
  }
}
