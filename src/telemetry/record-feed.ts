import type { EpochSeconds } from '../domain/time.js';
import type { RecordKind, Store, StoredRecord } from './port.js';

/** Which version of a record a reader has seen; ids may be written again with a later time. */
export interface SeenRecord {
  id: string;
  at: EpochSeconds;
}

/** Told when a record is written, where a reader would otherwise have to ask again and again. */
export interface RecordFeed {
  /**
   * The account's newest record of a kind, as soon as it is another than `seen` (at once where it is already).
   * Rejects with the signal's reason when it is aborted; holds nothing after that.
   */
  nextRecord(kind: RecordKind, account: string, seen: SeenRecord | null, signal: AbortSignal): Promise<StoredRecord>;
}

const isNews = (record: StoredRecord, seen: SeenRecord | null): boolean =>
  seen === null || record.id !== seen.id || record.at !== seen.at;

/**
 * The owner's store with a feed of what is put into it. All writers of the process go through the object returned
 * here, the service for the other processes included: so nothing is missed.
 */
export function withRecordFeed<Owned extends Store>(store: Owned): Owned & RecordFeed {
  const waiting = new Map<string, Set<() => void>>();
  const keyOf = (kind: RecordKind, account: string): string => `${kind}/${account}`;

  /** Resolves at the next write; `listening` is called as soon as none can be missed any more. */
  const nextWrite = (key: string, signal: AbortSignal): { written: Promise<void>; cancel(): void } => {
    let wake = (): void => undefined;
    let abort = (): void => undefined;
    const cancel = (): void => {
      signal.removeEventListener('abort', abort);
      const others = waiting.get(key);
      others?.delete(wake);
      if (others?.size === 0) waiting.delete(key);
    };
    const written = new Promise<void>((resolve, reject) => {
      wake = () => {
        cancel();
        resolve();
      };
      abort = () => {
        cancel();
        reject(signal.reason instanceof Error ? signal.reason : new Error('cancelled'));
      };
      const others = waiting.get(key) ?? new Set();
      others.add(wake);
      waiting.set(key, others);
      signal.addEventListener('abort', abort, { once: true });
    });
    return { written, cancel };
  };

  const wakeAll = (kind: RecordKind, account: string): void => {
    for (const wake of [...(waiting.get(keyOf(kind, account)) ?? [])]) wake();
  };

  return {
    ...store,
    async putRecord(record) {
      await store.putRecord(record);
      wakeAll(record.kind, record.account);
    },
    async putRecords(kind, records) {
      await store.putRecords(kind, records);
      for (const { account } of records) wakeAll(kind, account);
    },
    async nextRecord(kind, account, seen, signal) {
      for (;;) {
        signal.throwIfAborted();
        // Listening begins before looking: what is written in between wakes it.
        const next = nextWrite(keyOf(kind, account), signal);
        next.written.catch(() => undefined);
        try {
          const [newest] = await store.listRecords(kind, account, { limit: 1 });
          signal.throwIfAborted();
          if (newest !== undefined && isNews(newest, seen)) return newest;
          await next.written;
        } finally {
          next.cancel();
        }
      }
    },
  };
}
