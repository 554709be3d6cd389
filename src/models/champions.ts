import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { modelsError, translateFileError } from './errors.js';
import { claimFile, namesIn } from './files.js';
import { keptOf, nobodyYet, successionSchema, type Succession } from './reign.js';

/*
 * The states of each succession as numbered files: the next number is claimed by one writer, so that a person at the
 * command line and the workflow never overwrite each other, and a crash leaves the state before it. No lock can be left
 * behind.
 */

/** `main` for all accounts of a cell, or the scope of one account. */
const SCOPE = /^[a-z0-9][a-z0-9-]{0,79}$/;
const KIND = /^[a-z][a-z0-9-]*$/;

/** A succession whose latest state cannot be read. */
export interface Unreadable {
  scope: string;
  kind: string;
  /** What is wrong with which file, and what to do about it. */
  problem: string;
}

export interface Successions {
  states: Succession[];
  unreadable: Unreadable[];
}

export interface Champions {
  read(scope: string, kind: string): Promise<Succession>;
  /**
   * Puts `step` on the latest state; where another was faster, on theirs.
   * @throws what `step` throws; HeadroomError `conflict` where others keep being faster.
   */
  change(scope: string, kind: string, step: (state: Succession) => Succession): Promise<Succession>;
  /** All of them, by scope and kind; one that cannot be read is named, and keeps no other from being read. */
  all(): Promise<Successions>;
  /**
   * Artifacts that serve, served, or may serve: never to be collected. Of a succession that cannot be read, whatever its
   * files still name; what they name no more is unknown.
   */
  kept(): Promise<{ ids: Set<string>; unreadable: Unreadable[] }>;
  /** Changes whenever any succession does: what a look for news costs. */
  version(): Promise<string>;
}

const ATTEMPTS = 20;
/** States before the latest that stay, for a person who wants to see how it came about. */
const STATES_KEPT = 20;

const numberOf = (name: string): number => (/^\d{8}\.json$/.test(name) ? Number(name.slice(0, 8)) : 0);
const nameOf = (number: number): string => `${String(number).padStart(8, '0')}.json`;

export function createChampions(folder: string): Champions {
  const folderOf = (scope: string, kind: string): string => {
    if (SCOPE.test(scope) && KIND.test(kind)) return join(folder, scope, kind);
    const remedy = 'a scope is lower-case letters, digits and "-"; a kind is one that `headroom models list` names';
    throw modelsError('invalid-input', 'reading champions', `"${scope}", "${kind}" name none`, remedy);
  };
  const guarded = async <T>(action: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw translateFileError(error, action, folder);
    }
  };

  async function latest(scope: string, kind: string): Promise<{ number: number; state: Succession }> {
    const within = folderOf(scope, kind);
    const number = Math.max(0, ...(await namesIn(within)).map(numberOf));
    if (number === 0) return { number, state: nobodyYet(scope, kind) };
    const path = join(within, nameOf(number));
    const parsed = successionSchema.safeParse(parse(await readFile(path, 'utf8')));
    if (parsed.success) return { number, state: parsed.data };
    const remedy = 'delete that file: the one before it counts then';
    throw modelsError('invalid-input', `reading the champions of ${scope}`, `${path} is damaged`, remedy);
  }

  async function successions(): Promise<{ scope: string; kind: string }[]> {
    const found = [];
    for (const scope of (await namesIn(folder)).filter((name) => SCOPE.test(name))) {
      for (const kind of await namesIn(join(folder, scope))) if (KIND.test(kind)) found.push({ scope, kind });
    }
    return found;
  }

  async function all(): Promise<Successions> {
    const states: Succession[] = [];
    const unreadable: Unreadable[] = [];
    for (const { scope, kind } of await successions()) {
      try {
        states.push((await latest(scope, kind)).state);
      } catch (error) {
        const { message } = translateFileError(error, `reading the champions of ${scope}`, folder);
        unreadable.push({ scope, kind, problem: message });
      }
    }
    return { states, unreadable };
  }

  /** Every id that a file of a succession still spells out, whatever else is wrong with it. */
  async function named({ scope, kind }: Unreadable): Promise<string[]> {
    const within = join(folder, scope, kind);
    const texts = await Promise.all(
      (await namesIn(within)).map((name) => readFile(join(within, name), 'utf8').catch(() => '')),
    );
    return texts.flatMap((text) => text.match(/\b[0-9a-f]{64}\b/g) ?? []);
  }

  return {
    read: (scope, kind) => guarded(`reading the champion of ${scope}`, async () => (await latest(scope, kind)).state),
    change: (scope, kind, step) =>
      guarded(`changing the champion of ${scope}`, async () => {
        for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
          const { number, state } = await latest(scope, kind);
          const next = step(state);
          if (next === state) return state;
          const bytes = Buffer.from(`${JSON.stringify(next, null, 1)}\n`);
          if (!(await claimFile(join(folderOf(scope, kind), nameOf(number + 1)), bytes))) continue;
          await rm(join(folderOf(scope, kind), nameOf(number - STATES_KEPT)), { force: true });
          return next;
        }
        const remedy = 'try again';
        throw modelsError('conflict', `changing the champion of ${scope}`, 'others keep changing it', remedy);
      }),
    all: () => guarded('reading champions', all),
    kept: () =>
      guarded('reading champions', async () => {
        const { states, unreadable } = await all();
        const spelt = (await Promise.all(unreadable.map(named))).flat();
        return { ids: new Set([...states.flatMap(keptOf), ...spelt]), unreadable };
      }),
    version: () =>
      guarded('reading champions', async () => {
        const parts = [];
        for (const { scope, kind } of await successions()) {
          parts.push(`${scope}/${kind}/${Math.max(0, ...(await namesIn(join(folder, scope, kind))).map(numberOf))}`);
        }
        return parts.join(' ');
      }),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
