import type { GlobalModel } from '../forecast/global.js';
import { shortId } from '../models/artifact.js';
import { CELL_SCOPE, type ModelLibrary } from '../models/library.js';
import type { Succession } from '../models/reign.js';

/*
 * The champions, as this process has them loaded. A model that cannot be loaded is left out and said once: it is never a
 * reason for no forecast.
 */

/** What serves one account. */
export interface Served {
  globals: readonly GlobalModel[];
  /** Names the very artifacts: another key asks for another fit. */
  key: string;
  /** A person made the last change: it takes effect at once. What retraining promotes is spread over the accounts. */
  urgent: boolean;
}

export interface ServedModels {
  of(account: string): Promise<Served>;
}

export const NOTHING_SERVED: Served = { globals: [], key: '', urgent: false };

/** A look for news reads some folder names; wall milliseconds between two. */
const LOOK_EVERY_MS = 2000;
/** What `retrain` signs its steps with (workflows/retrain.ts). */
const RETRAIN = 'retrain';

/** @param say takes a line for whoever watches the worker. */
export function createServedModels(
  library: ModelLibrary,
  say: (line: string) => void,
  wallMs: () => number = () => performance.now(),
): ServedModels {
  const loaded = new Map<string, GlobalModel | null>();
  let states: readonly Succession[] = [];
  let version: string | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | null = null;

  async function look(): Promise<void> {
    try {
      const found = await library.champions.version();
      if (found === version) return;
      const next = await library.champions.all();
      const wanted = new Set(next.flatMap(({ champion }) => (champion === null ? [] : [champion.id])));
      for (const id of wanted) if (!loaded.has(id)) loaded.set(id, await load(id));
      for (const id of loaded.keys()) if (!wanted.has(id)) loaded.delete(id);
      states = next;
      version = found;
    } catch (error) {
      // What was loaded goes on serving.
      say(`models: looking for champions: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async function load(id: string): Promise<GlobalModel | null> {
    try {
      return (await library.load(id)).model;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      say(`models: ${shortId(id)} is left out of the forecasts: ${why}`);
      return null;
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
      const models = serving.flatMap(({ champion }) => {
        const model = champion === null ? null : (loaded.get(champion.id) ?? null);
        return champion === null || model === null ? [] : [{ id: champion.id, model }];
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
        key: models.map(({ id }) => id).join(' '),
        urgent: last !== null && last.by !== RETRAIN,
      };
    },
  };
}
