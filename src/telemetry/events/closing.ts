import { BLOB, blobValue, DuckDBBlobValue, VARCHAR } from '@duckdb/node-api';
import { mergeSmall } from '../../behavior/anonymity.js';
import { contributionsOf, sumContributions, type Contribution, type LastSeen } from '../../behavior/contributions.js';
import type { BehaviorRow } from '../../behavior/events.js';
import { binStart } from '../../domain/time.js';
import type { Database } from '../embedded/database.js';
import { int, type Session } from '../embedded/session.js';
import type { WriteQueue } from '../embedded/write-queue.js';
import { PENDING_TYPES } from './door-schema.js';
import { eventsError } from './errors.js';
import type { EventKey, Keyring } from './keys.js';
import type { BehaviorStore } from './port.js';
import { sealContributions, sealSeen, unsealContributions, unsealEvents, unsealSeen } from './sealed.js';

const DAY = 86_400;
/** A bin that events keep coming for is closed after so many times `settle` all the same. */
const LONGEST_WAIT = 10;
/** A body to the store stays well below what its service takes. */
const ROWS_AT_ONCE = 10_000;

export interface ClosedBins {
  /** Bins closed, days included. */
  bins: number;
  /** Rows written to the store. */
  rows: number;
  /** Events withheld for good: a whole day had too few persons for them. */
  withheld: number;
}

type Shape = 'events' | 'contributions';

/** One closing: all of one account's bin under one key, up to a number. */
interface Part {
  untilN: bigint;
  shape: Shape;
  account: string;
  bin: number;
  width: number;
  key: string;
  k: number;
  session: number;
}

const PART_COLUMNS = 'until_n, shape, account, bin, width, key, k, session';
const WHERE = 'shape = $1 AND account = $2 AND bin = $3 AND width = $4 AND key = $5 AND n <= $6';
const whereOf = (part: Part) => [part.shape, part.account, part.bin, part.width, part.key, part.untilN];

const partOf = ([untilN, shape, account, bin, width, key, k, session]: readonly unknown[]): Part => ({
  untilN: BigInt(String(untilN)),
  shape: shape === 'events' ? 'events' : 'contributions',
  account: String(account),
  bin: Number(bin),
  width: Number(width),
  key: String(key),
  k: Number(k),
  session: Number(session),
});

const bytesOf = (value: unknown): Uint8Array => {
  if (value instanceof DuckDBBlobValue) return value.bytes;
  throw new TypeError('not a blob');
};

/**
 * Closes bins, one at a time, in three steps: name the part (on disk), write its rows to the store under that name, then
 * forget it. A process that dies in between does the same part again, to the same rows, and the store knows its name.
 */
export function createCloser(house: {
  database: Database;
  queue: WriteQueue;
  keys: Keyring;
  doorId: () => string;
  options: { k: number; settle: number; session: number; maxAge: number };
  takeNumber: () => bigint;
  onClosed: (events: number) => void;
}) {
  const { database, queue, keys, options } = house;

  /** Groups whose time has come are named as parts. */
  const nameParts = (shape: Shape, now: number, hurry: boolean): Promise<Part[]> =>
    queue.run('closing bins', async ({ session }) => {
      const groups = await session.rows(
        `SELECT max(n), shape, account, bin, width, key FROM pending waiting
         WHERE shape = $1 AND bin + width + $2 <= $3 AND (shape = 'events' OR NOT EXISTS (
           SELECT 1 FROM pending events WHERE events.shape = 'events' AND events.account = waiting.account
             AND events.key = waiting.key AND events.bin >= waiting.bin AND events.bin < waiting.bin + waiting.width))
         GROUP BY shape, account, bin, width, key
         HAVING $4 OR max(received) + $2 <= $3 OR min(received) + $2 * ${LONGEST_WAIT} <= $3
         ORDER BY bin, account, key`,
        [shape, options.settle, now, hurry],
      );
      const parts: Part[] = [];
      for (const row of groups) {
        const part = partOf([...row, options.k, options.session]);
        // What was sealed by a key that is gone stays: the key may come back.
        if (keys.find(part.key) === undefined) continue;
        await session.query(`INSERT INTO parts (${PART_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, [
          ...[part.untilN, part.shape, part.account, part.bin, part.width, part.key, int(part.k), part.session],
        ]);
        parts.push(part);
      }
      return parts;
    });

  const unfinished = (): Promise<Part[]> =>
    database.read('closing bins', undefined, async (session) =>
      (await session.rows(`SELECT ${PART_COLUMNS} FROM parts ORDER BY bin, account, key`)).map(partOf),
    );

  const keyOf = (part: Part): EventKey => {
    const key = keys.find(part.key);
    if (key !== undefined) return key;
    const problem = `events wait that were sealed by key ${part.key}, which is not there`;
    throw eventsError(
      'refused',
      `closing a bin of ${part.account}`,
      problem,
      'put that key back behind the current one',
    );
  };

  /** What a part holds, and where its persons were last seen. */
  const read = (part: Part): Promise<{ contributions: Contribution[]; seen: LastSeen[] | null; events: number }> =>
    database.read(`closing a bin of ${part.account}`, undefined, async (session) => {
      const key = keyOf(part);
      const rows = await session.rows(`SELECT sealed, events FROM pending WHERE ${WHERE} ORDER BY n`, whereOf(part));
      const events = rows.reduce((sum, [, count]) => sum + Number(count), 0);
      if (part.shape === 'contributions') {
        const all = rows.flatMap(([sealed]) => unsealContributions(key, bytesOf(sealed)));
        return { contributions: sumContributions(all), seen: null, events };
      }
      const [last] = await session.rows('SELECT sealed FROM last_seen WHERE account = $1 AND key = $2', [
        part.account,
        part.key,
      ]);
      const before = last === undefined ? [] : unsealSeen(key, bytesOf(last[0]));
      const all = rows.flatMap(([sealed]) => unsealEvents(key, bytesOf(sealed), part.account));
      return { ...contributionsOf(all, before, part.session), events };
    });

  const rememberSeen = async (session: Session, part: Part, seen: readonly LastSeen[]): Promise<void> => {
    const newest = Math.max(part.bin + part.width, ...seen.map(({ at }) => at));
    const kept = seen.filter(({ at }) => at >= newest - part.session - part.width);
    await session.query('DELETE FROM last_seen WHERE account = $1 AND key = $2', [part.account, part.key]);
    await session.append(
      'last_seen',
      [VARCHAR, VARCHAR, BLOB],
      [...[[part.account], [part.key], [blobValue(sealSeen(keyOf(part), kept))]]],
    );
  };

  const finish = async (store: Pick<BehaviorStore, 'writeBehavior'>, part: Part): Promise<ClosedBins> => {
    const { contributions, seen, events } = await read(part);
    const { rows: merged, left } = mergeSmall(contributions, part.k);
    const rows: BehaviorRow[] = merged.map((row) => ({ ...row, at: part.bin, width: part.width }));
    for (let first = 0; first < rows.length; first += ROWS_AT_ONCE) {
      await store.writeBehavior({
        id: `${house.doorId()}/${part.untilN}/${part.shape}/${part.bin}/${first}`,
        account: part.account,
        at: part.bin,
        rows: rows.slice(first, first + ROWS_AT_ONCE),
      });
    }
    // Too few persons for a bin may be enough for a day; for less than that there is nothing coarser.
    const carried = part.width < DAY ? left : [];
    const withheld = left
      .filter(({ kind }) => part.width >= DAY && kind === 'operation')
      .reduce((sum, one) => sum + one.events, 0);
    await queue.run(`closing a bin of ${part.account}`, async ({ session, onCommit }) => {
      await session.query(`DELETE FROM pending WHERE ${WHERE}`, whereOf(part));
      await session.query('DELETE FROM parts WHERE until_n = $1 AND shape = $2 AND account = $3 AND bin = $4', [
        ...[part.untilN, part.shape, part.account, part.bin],
      ]);
      if (seen !== null) await rememberSeen(session, part, seen);
      if (carried.length > 0) {
        await session.append('pending', PENDING_TYPES, [
          ...[[house.takeNumber()], ['contributions'], [part.account], [binStart(part.bin, DAY)], [DAY], [part.key]],
          ...[[0], [0], [blobValue(sealContributions(keyOf(part), carried))]],
        ]);
      }
      if (withheld > 0) await session.query('INSERT INTO withheld VALUES ($1, $2)', [part.account, withheld]);
      onCommit(() => house.onClosed(events));
    });
    return { bins: 1, rows: rows.length, withheld };
  };

  /** Ids are forgotten once an event of their age would be refused anyway. */
  const forget = (now: number): Promise<void> =>
    queue.run('forgetting', async ({ session }) => {
      await session.query('DELETE FROM batches WHERE expires < $1', [now]);
      await session.query('DELETE FROM seen_ids WHERE day < $1', [(now - options.maxAge) / DAY - 2]);
    });

  const once = async (
    store: Pick<BehaviorStore, 'writeBehavior'>,
    now: number,
    hurry: boolean,
  ): Promise<ClosedBins> => {
    const closed: ClosedBins = { bins: 0, rows: 0, withheld: 0 };
    const finishAll = async (parts: readonly Part[]): Promise<void> => {
      for (const part of parts) {
        const { bins, rows, withheld } = await finish(store, part);
        closed.bins += bins;
        closed.rows += rows;
        closed.withheld += withheld;
      }
    };
    await finishAll(await unfinished());
    // Days last: what the bins leave over goes into them.
    await finishAll(await nameParts('events', now, hurry));
    await finishAll(await nameParts('contributions', now, hurry));
    await forget(now);
    return closed;
  };

  let running: Promise<unknown> = Promise.resolve();
  return {
    settle(store: Pick<BehaviorStore, 'writeBehavior'>, now: number, hurry: boolean): Promise<ClosedBins> {
      const turn = running.then(() => once(store, now, hurry));
      running = turn.catch(() => undefined);
      return turn;
    },
    idle: async (): Promise<void> => {
      await running;
    },
  };
}
