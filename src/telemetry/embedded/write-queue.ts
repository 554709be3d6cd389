import type { Database } from './database.js';
import { isDurableAnyway, isFatal } from './errors.js';
import type { Session } from './session.js';

/** A write within a transaction that others may share. */
export interface Transaction {
  session: Session;
  /** Called once the commit is on disk, never otherwise: the place to change what is kept in memory. */
  onCommit(apply: () => void): void;
}

export interface WriteQueue {
  /** Resolves when the write is durable. Writes that wait together are committed together: one flush to disk for all. */
  run<T>(action: string, work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** Between two transactions, outside of any: for a checkpoint. */
  between<T>(action: string, work: (session: Session) => Promise<T>): Promise<T>;
  /** Resolves when everything that was asked for before has ended. */
  drain(): Promise<void>;
}

/** A write that may share its transaction. */
interface Shared {
  action: string;
  work(transaction: Transaction): Promise<void>;
  done(): void;
  fail(error: unknown): void;
}

/** Something that has the writing connection for itself; it settles its own promise. */
type Alone = () => Promise<void>;

/** More than this in one transaction makes the first wait for the last without saving anything. */
const MOST_TOGETHER = 64;

export function createWriteQueue(database: Database): WriteQueue {
  const jobs: (Shared | Alone)[] = [];
  let busy = false;

  const commit = (group: readonly Shared[]): Promise<void> =>
    database.write(group[0]?.action ?? 'writing', async (session) => {
      const applied: (() => void)[] = [];
      const transaction: Transaction = { session, onCommit: (apply) => applied.push(apply) };
      await session.query('BEGIN TRANSACTION');
      try {
        for (const job of group) await job.work(transaction);
        await session.query('COMMIT');
      } catch (cause) {
        if (!isDurableAnyway(cause)) {
          // A failed commit has rolled back by itself, and then there is nothing to roll back.
          if (!isFatal(cause)) await session.query('ROLLBACK').catch(() => undefined);
          throw cause;
        }
      }
      for (const apply of applied) apply();
    });

  const runGroup = async (group: readonly Shared[]): Promise<void> => {
    try {
      await commit(group);
      for (const job of group) job.done();
    } catch (error) {
      if (group.length === 1) group[0]?.fail(error);
      // One of them spoilt it for all: each for itself, so that only that one hears of it.
      else for (const job of group) await runGroup([job]);
    }
  };

  const loop = async (): Promise<void> => {
    busy = true;
    for (;;) {
      const first = jobs.shift();
      if (first === undefined) break;
      if (typeof first === 'function') {
        await first();
        continue;
      }
      const group = [first];
      for (let next = jobs[0]; typeof next === 'object' && group.length < MOST_TOGETHER; next = jobs[0]) {
        group.push(next);
        jobs.shift();
      }
      await runGroup(group);
    }
    // In the same turn as the look that found nothing, so that no job can slip in between.
    busy = false;
  };

  const add = (job: Shared | Alone): void => {
    jobs.push(job);
    if (!busy) void loop();
  };

  return {
    run: (action, work) =>
      new Promise((resolve, reject) => {
        let finish: () => void = () => reject(new Error(`${action}: ended without a result`));
        add({
          action,
          work: async (transaction) => {
            const value = await work(transaction);
            finish = () => resolve(value);
          },
          done: () => finish(),
          fail: reject,
        });
      }),
    between: (action, work) =>
      new Promise((resolve, reject) => add(() => database.write(action, work).then(resolve, reject))),
    drain: () =>
      new Promise((resolve) =>
        add(() => {
          resolve();
          return Promise.resolve();
        }),
      ),
  };
}
