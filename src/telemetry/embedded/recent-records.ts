import type { RecordKind, StoredRecord } from '../port.js';

/*
 * Records that are read in the cycle that writes them, or by each cycle, as they stand in the file: to find one by its id there
 * is a look at every record, since a table of millions has no index that answers it.
 */

/** Characters kept of each kind. Forecasts and sets of answers are some 3 and 10 KB an account. */
const KEPT: ReadonlyMap<RecordKind, number> = new Map([
  ['forecast', 4 * 1024 * 1024],
  ['answers', 4 * 1024 * 1024],
  ['grant', 1024 * 1024],
  ['fleet', 256 * 1024],
]);

interface Kept {
  account: string;
  at: number;
  text: string;
}

export interface RecentRecords {
  /** What was written, once it is durable. */
  keep(record: Omit<StoredRecord, 'body'>, text: string): void;
  /** What was read; `asked` is what {@link RecentRecords.changes} said before: what was written since counts. */
  keepRead(record: Omit<StoredRecord, 'body'>, text: string, asked: number): void;
  changes(): number;
  find(kind: RecordKind, id: string): StoredRecord | null;
  forget(account: string): void;
}

export function createRecentRecords(): RecentRecords {
  const kinds = new Map(
    [...KEPT].map(([kind, most]) => [kind, { most, characters: 0, texts: new Map<string, Kept>() }]),
  );
  let changes = 0;

  type One = NonNullable<ReturnType<typeof kinds.get>>;
  const drop = (one: One, id: string): void => {
    one.characters -= one.texts.get(id)?.text.length ?? 0;
    one.texts.delete(id);
  };
  const put = ({ kind, id, account, at }: Omit<StoredRecord, 'body'>, text: string): void => {
    const one = kinds.get(kind);
    if (one === undefined) return;
    drop(one, id);
    one.texts.set(id, { account, at, text });
    one.characters += text.length;
    for (const oldest of one.texts.keys()) {
      if (one.characters <= one.most) break;
      drop(one, oldest);
    }
  };

  return {
    keep(record, text) {
      changes += 1;
      put(record, text);
    },
    keepRead(record, text, asked) {
      if (asked === changes) put(record, text);
    },
    changes: () => changes,
    find(kind, id) {
      const kept = kinds.get(kind)?.texts.get(id);
      if (kept === undefined) return null;
      const body: unknown = JSON.parse(kept.text);
      return { kind, id, account: kept.account, at: kept.at, body };
    },
    forget(account) {
      changes += 1;
      for (const one of kinds.values()) for (const [id, kept] of one.texts) if (kept.account === account) drop(one, id);
    },
  };
}
