import { BLOB, blobValue, DuckDBBlobValue, VARCHAR } from '@duckdb/node-api';
import { z } from 'zod';
import { SHORTEST_ID, withoutId } from '../../behavior/labels.js';
import type { Session } from '../embedded/session.js';
import type { WriteQueue } from '../embedded/write-queue.js';
import { PENDING_TYPES } from './door-schema.js';
import type { EventKey, Keyring } from './keys.js';
import {
  personOf,
  sealContributions,
  sealEvents,
  sealSeen,
  unsealContributions,
  unsealEvents,
  unsealSeen,
} from './sealed.js';

/* What the door forgets when an account or a user is erased: all that waits for its bin. */

export const forgottenSchema = z.object({
  /** Events that waited for their bins. */
  events: z.int(),
  /** Cells of closed bins that waited for their day, and places where somebody was last seen. */
  cells: z.int(),
  seen: z.int(),
  /** Events that wait under a key that is not there: nobody can tell whose they are. */
  locked: z.int(),
});
export type Forgotten = z.output<typeof forgottenSchema>;

export interface DoorErasure {
  /** Everything that waits of an account, its number of withheld operations included. */
  forgetAccount(account: string): Promise<Forgotten>;
  /** Everything that waits of a user, in every account: the raw id becomes its pseudonym of each day. */
  forgetUser(user: string): Promise<Forgotten>;
}

const bytesOf = (value: unknown): Uint8Array => {
  if (value instanceof DuckDBBlobValue) return value.bytes;
  throw new TypeError('not a blob');
};

/**
 * @param idle resolves when no bin is being closed.
 * @param onForgotten so many events wait no more.
 */
export function createForgetting(
  queue: WriteQueue,
  keys: Keyring,
  idle: () => Promise<void>,
  onForgotten: (events: number) => void,
): DoorErasure {
  const forgetInRows = async (session: Session, user: string, forgotten: Forgotten): Promise<void> => {
    // What others did may carry the id as a label.
    const clean = (label: string): string => (user.length < SHORTEST_ID ? label : withoutId(user, label));
    const cleaned = (label: string | null): string | null => (label === null ? null : clean(label));
    const rows = await session.rows('SELECT n, shape, account, bin, key, events, sealed FROM pending ORDER BY n');
    for (const [n, shape, account, bin, keyId, events, sealed] of rows) {
      const key = keys.find(String(keyId));
      if (key === undefined) {
        forgotten.locked += Number(events);
        continue;
      }
      const isTheirs = theirs(key, String(account), user);
      if (shape === 'events') {
        const all = unsealEvents(key, bytesOf(sealed), String(account));
        const kept = all
          .filter((one) => one.system || !isTheirs(one.person, one.at))
          .map((one) => ({
            ...one,
            operation: clean(one.operation),
            ...{ dataset: cleaned(one.dataset), group: cleaned(one.group) },
            ...{ program: cleaned(one.program), region: cleaned(one.region) },
          }));
        if (JSON.stringify(kept) === JSON.stringify(all)) continue;
        forgotten.events += all.length - kept.length;
        await replace(session, BigInt(String(n)), kept.length, kept.length === 0 ? null : sealEvents(key, kept));
      } else {
        // Cells of a day stand under the pseudonyms of that day.
        const all = unsealContributions(key, bytesOf(sealed));
        const kept = all
          .filter((one) => one.system || !isTheirs(one.person, Number(bin)))
          .map((one) => ({
            ...one,
            ...{ name: cleaned(one.name), detail: cleaned(one.detail), group: cleaned(one.group) },
          }));
        if (JSON.stringify(kept) === JSON.stringify(all)) continue;
        forgotten.cells += all.length - kept.length;
        await replace(session, BigInt(String(n)), 0, kept.length === 0 ? null : sealContributions(key, kept));
      }
    }
    for (const [account, keyId, sealed] of await session.rows('SELECT account, key, sealed FROM last_seen')) {
      const key = keys.find(String(keyId));
      if (key === undefined) continue;
      const isTheirs = theirs(key, String(account), user);
      const all = unsealSeen(key, bytesOf(sealed));
      const kept = all.filter((one) => !isTheirs(one.person, one.at));
      if (kept.length === all.length) continue;
      forgotten.seen += all.length - kept.length;
      await session.query('DELETE FROM last_seen WHERE account = $1 AND key = $2', [String(account), String(keyId)]);
      await session.append(
        'last_seen',
        [VARCHAR, VARCHAR, BLOB],
        [[String(account)], [String(keyId)], [blobValue(sealSeen(key, kept))]],
      );
    }
  };

  /** In one transaction, with no bin on its way to the store; then off the disk. */
  const run = async (action: string, work: (session: Session, forgotten: Forgotten) => Promise<void>) => {
    await idle();
    const forgotten: Forgotten = { events: 0, cells: 0, seen: 0, locked: 0 };
    await queue.run(action, async ({ session, onCommit }) => {
      await work(session, forgotten);
      onCommit(() => onForgotten(forgotten.events));
    });
    await queue.between(action, (session) => session.query('CHECKPOINT'));
    return forgotten;
  };

  return {
    forgetAccount: (account) =>
      run(`erasing ${account}`, async (session, forgotten) => {
        const waiting = await session.rows('SELECT shape, sum(events) FROM pending WHERE account = $1 GROUP BY shape', [
          account,
        ]);
        for (const [shape, events] of waiting) {
          if (shape === 'events') forgotten.events = Number(events);
          else forgotten.cells += 1;
        }
        const [seen] = await session.rows('SELECT count(*) FROM last_seen WHERE account = $1', [account]);
        forgotten.seen = Number(seen?.[0] ?? 0);
        for (const table of ['pending', 'parts', 'last_seen', 'withheld']) {
          await session.query(`DELETE FROM ${table} WHERE account = $1`, [account]);
        }
      }),
    forgetUser: (user) =>
      // Never named in the action: that stands in errors and logs.
      run('erasing a user', (session, forgotten) => forgetInRows(session, user, forgotten)),
  };
}

async function replace(session: Session, n: bigint, events: number, sealed: Uint8Array | null): Promise<void> {
  if (sealed === null) {
    await session.query('DELETE FROM pending WHERE n = $1', [n]);
    return;
  }
  const [row] = await session.rows('SELECT shape, account, bin, width, key, received FROM pending WHERE n = $1', [n]);
  const [shape, account, bin, width, key, received] = row ?? [];
  await session.query('DELETE FROM pending WHERE n = $1', [n]);
  await session.append('pending', PENDING_TYPES, [
    ...[[n], [String(shape)], [String(account)], [Number(bin)], [Number(width)], [String(key)], [Number(received)]],
    ...[[events], [blobValue(sealed)]],
  ]);
}

/** Whether a pseudonym of a day is the user's, under one key. */
function theirs(key: EventKey, account: string, user: string): (person: string, at: number) => boolean {
  const byDay = new Map<number, string>();
  return (person, at) => {
    const day = Math.floor(at / 86_400);
    const known = byDay.get(day) ?? key.person(account, at, personOf(user));
    byDay.set(day, known);
    return person === known;
  };
}
