import type { GlobalModel } from '../forecast/global.js';
import { shortId } from '../models/artifact.js';
import { CELL_SCOPE, type ModelLibrary } from '../models/library.js';
import type { Succession } from '../models/reign.js';

/*
 * The champions, as this process has them loaded. A model that cannot be loaded is left out, said once and tried again: it
 * is never a reason for no forecast.
 */

/** What serves one account. */
export interface Served {
  globals: readonly GlobalModel[];
  /** Of each of them, what was trained: `booster`. Absent where nobody says. */
  kinds?: readonly string[];
  /** Names the very artifacts: another key asks for another fit. */
  key: string;
  /** A person made the last change: it takes effect at once. What retraining promotes is spread over the accounts. */
  urgent: boolean;
}

export interface ServedModels {
  of(account: string): Promise<Served>;
}

export const NOTHING_SERVED: Served = { globals: [], key: '', urgent: false };

const placeOf = ({ scope, kind }: { scope: string; kind: string }): string => `${scope}/${kind}`;

/** A look for news reads some folder names; wall milliseconds between two. */
const LOOK_EVERY_MS = 2000;
/**
 * What could not be read is tried again after so long, then after twice as long, and so on: a disk that was away or a file
 * that was half copied must not cost a champion its place.
 */
const AGAIN_MS = 10_000;
const AGAIN_MOST_MS = 300_000;
/** What `retrain` signs its steps with (workflows/retrain.ts). */
const RETRAIN = 'retrain';

/** Something that could not be read: an artifact by its id, or a succession by its place. */
interface Failed {
  why: string;
  tries: number;
  /** Wall milliseconds at which it is tried again. */
  again: number;
}

/** @param say takes a line for whoever watches the worker. */
export function createServedModels(
  library: ModelLibrary,
  say: (line: string) => void,
  wallMs: () => number = () => performance.now(),
): ServedModels {
  const loaded = new Map<string, GlobalModel>();
  const failed = new Map<string, Failed>();
  let states: readonly Succession[] = [];
  let version: string | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | null = null;
  let lastTrouble: string | null = null;

  async function look(): Promise<void> {
    try {
      const found = await library.champions.version();
      const now = wallMs();
      const again = [...failed.values()].some((one) => now >= one.again);
      if (found === version && !again) return;
      const { states: read, unreadable } = await library.champions.all();
      const damaged = new Set(unreadable.map(placeOf));
      // Where a succession cannot be read, what served of it before goes on serving.
      const next = [...read, ...states.filter((state) => damaged.has(placeOf(state)))];
      for (const one of unreadable) fail(placeOf(one), one.problem, now);
      const wanted = new Set(next.flatMap(({ champion }) => (champion === null ? [] : [champion.id])));
      for (const id of wanted) if (!loaded.has(id) && now >= (failed.get(id)?.again ?? 0)) await load(id, now);
      for (const id of loaded.keys()) if (!wanted.has(id)) loaded.delete(id);
      for (const key of failed.keys()) if (!wanted.has(key) && !damaged.has(key)) failed.delete(key);
      states = next;
      version = found;
      lastTrouble = null;
    } catch (error) {
      // What was loaded goes on serving.
      const trouble = `models: looking for champions: ${error instanceof Error ? error.message : String(error)}`;
      if (trouble !== lastTrouble) say(trouble);
      lastTrouble = trouble;
    }
  }

  function fail(key: string, why: string, now: number): void {
    const before = failed.get(key);
    if (before !== undefined && now < before.again) return;
    const tries = (before?.tries ?? 0) + 1;
    failed.set(key, { why, tries, again: now + Math.min(AGAIN_MOST_MS, AGAIN_MS * 2 ** (tries - 1)) });
    if (before?.why !== why) say(`models: ${why}; tried again from time to time`);
  }

  async function load(id: string, now: number): Promise<void> {
    try {
      loaded.set(id, (await library.load(id)).model);
      if (failed.delete(id)) say(`models: ${shortId(id)} could be loaded, and serves from the next fits on`);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      fail(id, `${shortId(id)} is left out of the forecasts: ${why}`, now);
    }
  }

  return {
    async of(account) {
      if (wallMs() - lookedAt >= LOOK_EVERY_MS) {
        looking ??= look().finally(() => {
          lookedAt = wallMs();
          looking = null;
        });
      }
      // Whoever comes while a change is being loaded waits for it: half of it would be another fit.
      if (looking !== null) await looking;
      if (states.length === 0) return NOTHING_SERVED;
      const own = (await library.pseudonyms()).scope(account);
      const serving = [...new Set(states.map(({ kind }) => kind))].sort().flatMap((kind) => {
        const of = (scope: string): Succession | undefined =>
          states.find((one) => one.scope === scope && one.kind === kind && one.champion !== null);
        return of(own) ?? of(CELL_SCOPE) ?? [];
      });
      const models = serving.flatMap(({ champion, kind }) => {
        const model = champion === null ? null : (loaded.get(champion.id) ?? null);
        return champion === null || model === null ? [] : [{ id: champion.id, kind, model }];
      });
      const relevant = states.filter(({ scope }) => scope === own || scope === CELL_SCOPE);
      const last = relevant
        .flatMap(({ history }) => history.filter(({ event }) => event === 'promoted' || event === 'rolled-back'))
        .reduce<{ at: number; by: string } | null>(
          (newest, step) => (newest === null || step.at >= newest.at ? step : newest),
          null,
        );
      return {
        globals: models.map(({ model }) => model),
        kinds: models.map(({ kind }) => kind),
        key: models.map(({ id }) => id).join(' '),
        urgent: last !== null && last.by !== RETRAIN,
      };
    },
  };
}
