import { randomUUID } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { blobValue, INTEGER, VARCHAR } from '@duckdb/node-api';
import { z } from 'zod';
import type { BehaviorEvent, EventInput } from '../../behavior/events.js';
import { binStart } from '../../domain/time.js';
import { openDatabase } from '../embedded/database.js';
import { int, type Session } from '../embedded/session.js';
import { createWriteQueue } from '../embedded/write-queue.js';
import { createCloser, type ClosedBins } from './closing.js';
import { DOOR_SCHEMA, DOOR_VERSION, PENDING_TYPES } from './door-schema.js';
import { eventsError } from './errors.js';
import { createForgetting, type DoorErasure } from './forget.js';
import type { Keyring } from './keys.js';
import type { BehaviorStore } from './port.js';
import { pseudonymise, sealEvents } from './sealed.js';

const DAY = 86_400;

const optionsSchema = z.strictObject({
  folder: z.string().min(1),
  bin: z
    .number()
    .refine((seconds) => seconds >= 60 && 3600 % seconds === 0, 'must divide an hour and be a minute or more')
    .default(900),
  k: z.int().min(2).max(1000).default(5),
  settle: z.number().min(0).max(3600).default(120),
  session: z.number().min(1).max(7200).default(1800),
  maxAge: z
    .number()
    .min(3600)
    .default(7 * DAY),
  mostPending: z.int().min(1).default(1_000_000),
});

export interface DoorOptions {
  /** Where its file is kept; made with mode 0700. */
  folder: string;
  keys: Keyring;
  /** Seconds of a bin; divides an hour. Default 900. */
  bin?: number;
  /** No stored row rests on fewer distinct persons. Default 5. */
  k?: number;
  /** Seconds after its end, and after its last arrival, at which a bin is closed. Default 120. */
  settle?: number;
  /** Seconds within which two operations of a person are a transition. Default 1800. */
  session?: number;
  /** Seconds: ids of events and batches are remembered for so long, and older events refused by HTTP. Default 7 d. */
  maxAge?: number;
  /** Events that may wait for their bins; beyond it senders are told to wait. Default 1,000,000. */
  mostPending?: number;
}

/** Names the state of a batch after its first `after` events, to recognise what of it was taken in before. */
export interface Mark {
  after: number;
  name: string;
}

export type Accepted =
  | { kind: 'accepted'; accepted: number; repeated: number }
  /** Too much is waiting; nothing was taken in. */
  | { kind: 'busy'; retryAfter: number };

export interface DoorStatus {
  /** Events on disk whose bin is open. */
  pending: number;
  /** Events that wait for a key that is not there any more. */
  locked: number;
  /** Events by account that even a whole day had too few persons for. */
  withheld: { account: string; events: number }[];
}

export interface Door extends DoorErasure {
  readonly maxAge: number;
  /**
   * Takes a batch in: resolves once it is on disk, pseudonymised and sealed. Everything up to the last mark that is known
   * is a repeat; so is an event whose id is known.
   * @param options.forget epoch seconds at which the marks may be forgotten; null: never.
   */
  accept(
    events: readonly EventInput[],
    options: { marks: readonly Mark[]; forget: number | null; now: number },
  ): Promise<Accepted>;
  /** Closes the bins whose time has come: merges, writes to the store, forgets. Safe to repeat after any failure. */
  settle(store: Pick<BehaviorStore, 'writeBehavior'>, now: number, options?: { hurry?: boolean }): Promise<ClosedBins>;
  status(): Promise<DoorStatus>;
  close(): Promise<void>;
}

/**
 * Where behavioural events come in. Raw ids end here; what waits for its bin waits sealed; what leaves it for the store
 * rests on k persons or more.
 * @throws HeadroomError `unavailable`: another process has the door's file; `full`: no space left.
 */
export async function createDoor({ keys, ...given }: DoorOptions): Promise<Door> {
  const options = optionsSchema.parse(given);
  const { folder, bin, maxAge, mostPending } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const path = join(folder, 'door.duckdb');
  let next = 1n;
  /** Events on disk, and those on their way to it. */
  let waiting = 0;
  let coming = 0;
  let id = '';

  const onOpen = async (session: Session): Promise<void> => {
    for (const statement of DOOR_SCHEMA) await session.query(statement);
    const [row] = await session.rows('SELECT version, id FROM door');
    if (row === undefined) {
      id = randomUUID();
      await session.query('INSERT INTO door VALUES ($1, $2)', [int(DOOR_VERSION), id]);
    } else if (Number(row[0]) !== DOOR_VERSION) {
      const problem = `it has layout ${String(row[0])}, and this version knows ${DOOR_VERSION}`;
      throw eventsError('refused', `opening ${path}`, problem, 'use the version that wrote it');
    } else id = String(row[1]);
    const [counts] = await session.rows(
      `SELECT coalesce(max(n), 0), coalesce(sum(events), 0) FROM (
         SELECT n, events FROM pending UNION ALL SELECT until_n, 0 FROM parts)`,
    );
    // Above the clock of any earlier run: a number that named a part is never used again.
    const clock = BigInt(Date.now()) * 1000n;
    const last = BigInt(String(counts?.[0] ?? 0));
    next = (last > clock ? last : clock) + 1n;
    waiting = Number(counts?.[1] ?? 0);
  };
  const database = await openDatabase({ path, memoryLimit: '128MB', threads: 1, readers: 1, onOpen });
  await chmod(path, 0o600);
  const queue = createWriteQueue(database);
  const closer = createCloser({
    ...{ database, queue, keys, doorId: () => id, options },
    takeNumber: () => next++,
    onClosed: (events) => (waiting -= events),
  });

  /** The index up to which the batch was taken in before. */
  const knownUpTo = async (session: Session, marks: readonly Mark[]): Promise<number> => {
    const names = new Map<string, number>();
    for (const key of keys.all) for (const { after, name } of marks) names.set(key.mark(`batch ${name}`), after);
    let upTo = 0;
    for (const known of await among(session, 'SELECT id FROM batches WHERE id IN', [...names.keys()])) {
      upTo = Math.max(upTo, names.get(known) ?? 0);
    }
    return upTo;
  };

  /** Those whose id is new; and the ids, to be remembered. */
  const unseen = async (session: Session, events: readonly EventInput[]) => {
    const named = events.filter((event) => event.id !== undefined);
    if (named.length === 0) return { fresh: events, ids: [] };
    const nameOf = (key: Keyring['current'], event: EventInput) =>
      key.mark(`event ${event.account.length} ${event.account} ${event.id ?? ''}`);
    const names = keys.all.flatMap((key) => named.map((event) => nameOf(key, event)));
    const days = named.map(({ at }) => Math.floor(at / DAY));
    const from = Math.min(...days);
    const to = Math.max(...days);
    const sql = `SELECT id FROM seen_ids WHERE day BETWEEN ${from} AND ${to} AND id IN`;
    const known = new Set(await among(session, sql, names));
    const ids: { day: number; id: string }[] = [];
    const fresh = events.filter((event) => {
      if (event.id === undefined) return true;
      if (keys.all.some((key) => known.has(nameOf(key, event)))) return false;
      const name = nameOf(keys.current, event);
      known.add(name);
      ids.push({ day: Math.floor(event.at / DAY), id: name });
      return true;
    });
    return { fresh, ids };
  };

  /** Events by account and bin, pseudonymised. */
  const grouped = (events: readonly EventInput[]): { account: string; bin: number; events: BehaviorEvent[] }[] => {
    const groups = new Map<string, { account: string; bin: number; events: BehaviorEvent[] }>();
    for (const input of events) {
      const event = pseudonymise(keys.current, input);
      const start = binStart(event.at, bin);
      const name = `${event.account} ${start}`;
      const group = groups.get(name);
      if (group === undefined) groups.set(name, { account: event.account, bin: start, events: [event] });
      else group.events.push(event);
    }
    return [...groups.values()];
  };

  return {
    maxAge,
    ...createForgetting(queue, keys, closer.idle, (events) => (waiting -= events)),

    async accept(events, { marks, forget, now }) {
      if (waiting + coming + events.length > mostPending && events.length > 0) {
        return { kind: 'busy', retryAfter: Math.max(1, Math.ceil(Math.min(60, options.settle))) };
      }
      // Counted before it is written, so that many at once cannot pass the limit together.
      coming += events.length;
      let accepted = 0;
      try {
        await queue.run('taking events in', async ({ session, onCommit }) => {
          const rest = events.slice(await knownUpTo(session, marks));
          const { fresh, ids } = await unseen(session, rest);
          const last = marks.at(-1);
          if (last !== undefined) {
            await session.query('INSERT INTO batches VALUES ($1, $2) ON CONFLICT DO NOTHING', [
              keys.current.mark(`batch ${last.name}`),
              forget,
            ]);
          }
          await session.append('seen_ids', [INTEGER, VARCHAR], [ids.map(({ day }) => day), ids.map((one) => one.id)]);
          const groups = grouped(fresh);
          await session.append('pending', PENDING_TYPES, [
            groups.map(() => next++),
            groups.map(() => 'events'),
            groups.map((group) => group.account),
            groups.map((group) => group.bin),
            groups.map(() => bin),
            groups.map(() => keys.current.id),
            groups.map(() => now),
            groups.map((group) => group.events.length),
            groups.map((group) => blobValue(sealEvents(keys.current, group.events))),
          ]);
          onCommit(() => {
            accepted = fresh.length;
            waiting += accepted;
          });
        });
      } finally {
        coming -= events.length;
      }
      return { kind: 'accepted', accepted, repeated: events.length - accepted };
    },

    settle: (store, now, { hurry = false } = {}) => closer.settle(store, now, hurry),

    async status() {
      return database.read('looking at what waits', undefined, async (session) => {
        const rows = await session.rows('SELECT key, sum(events) FROM pending GROUP BY key');
        const withheld = await session.rows(
          'SELECT account, sum(events) FROM withheld GROUP BY account ORDER BY account',
        );
        const locked = rows.filter(([key]) => keys.find(String(key)) === undefined);
        const total = (of: typeof rows): number => of.reduce((sum, [, events]) => sum + Number(events), 0);
        return {
          pending: total(rows),
          locked: total(locked),
          withheld: withheld.map(([account, events]) => ({ account: String(account), events: Number(events) })),
        };
      });
    },

    async close() {
      await closer.idle();
      await queue.drain();
      await database.close();
    },
  };
}

/** Ids asked about in one statement. */
const AT_ONCE = 1024;

/** `… IN (…)` over a list of any length; padded, so that a handful of prepared statements serve all. */
async function among(session: Session, sql: string, names: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (let first = 0; first < names.length; first += AT_ONCE) {
    const part = names.slice(first, first + AT_ONCE);
    let size = 1;
    while (size < part.length) size *= 2;
    const params = Array.from({ length: size }, (_, index) => part[index] ?? part[0] ?? '');
    const list = params.map((_, index) => `$${index + 1}`).join(', ');
    for (const [id] of await session.rows(`${sql} (${list})`, params)) found.push(String(id));
  }
  return found;
}
