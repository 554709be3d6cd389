import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { COMPONENTS } from '../domain/component.js';
import { isHeadroomError } from '../domain/errors.js';
import type { Unreadable } from '../models/champions.js';
import type { ModelLibrary } from '../models/library.js';
import { withdraw, type Act, type Succession } from '../models/reign.js';
import type { Listed } from '../models/store.js';
import type { Holdings } from '../telemetry/erasure.js';
import { openLibrary } from './models.js';

export interface ErasedModels {
  /** Artifacts fitted on this account's series alone, and the line of its own champions. */
  artifacts: string[];
  champions: boolean;
  /** Artifacts that many accounts' series went into, this one's among them: weights alone, and they stay. */
  shared: string[];
  /** Champions of others than this account whose artifacts go, and what serves in their place; null: nothing does. */
  fallen: { scope: string; kind: string; id: string; instead: string | null }[];
  /** Successions that could not be read, and so were left as they are. */
  unreadable: Unreadable[];
}

/**
 * Removes the models of an account. Names of its series are made anew from what the store holds of it, so this comes
 * before the store is emptied. A champion that goes gives way to the one before it, and that first: at no moment does a
 * succession name what is not there.
 * @param act who does it, for the record.
 * @param dry says what would be removed.
 */
export async function eraseModels(
  env: NodeJS.ProcessEnv,
  account: string,
  held: Holdings,
  act: Act,
  dry: boolean,
): Promise<ErasedModels> {
  const library = openLibrary(env);
  const listed = await library.store.list();
  const { states, unreadable } = await library.champions.all();
  const erased: ErasedModels = { artifacts: [], champions: false, shared: [], fallen: [], unreadable };
  if (listed.length === 0 && states.length === 0 && unreadable.length === 0) return erased;
  const names = await library.pseudonyms();
  const own = new Set(
    held.series.flatMap(({ kind, workload, name }) => {
      const component = COMPONENTS.find((one) => one === name);
      return kind === 'usage' && component !== undefined ? [names.series(account, workload, component)] : [];
    }),
  );
  const scope = names.scope(account);
  erased.champions = [...states, ...unreadable].some((one) => one.scope === scope);
  // The whole folder of its own scope goes, readable or not.
  erased.unreadable = unreadable.filter((one) => one.scope !== scope);
  for (const { id, card } of listed) {
    if (card === null) continue;
    const { series } = card.data;
    if (!series.some((one) => own.has(one))) continue;
    if (series.every((one) => own.has(one))) erased.artifacts.push(id);
    else erased.shared.push(id);
  }
  const gone = new Set(erased.artifacts);
  const sound = await soundOnes(library, listed);
  for (const { scope: where, kind, champion } of states.filter((state) => state.scope !== scope)) {
    const step = (state: Succession): Succession => withdraw(state, gone, (id) => sound.has(id), act);
    const { champions } = library;
    const after = dry ? step(await champions.read(where, kind)) : await champions.change(where, kind, step);
    if (champion === null || after.champion?.id === champion.id) continue;
    erased.fallen.push({ scope: where, kind, id: champion.id, instead: after.champion?.id ?? null });
  }
  if (dry) return erased;
  if (erased.champions) await rm(join(library.folder, 'champions', scope), { recursive: true, force: true });
  for (const id of erased.artifacts) await rm(join(library.store.folder, `${id}.model`), { force: true });
  return erased;
}

/** Artifacts that a worker could load. */
async function soundOnes(library: ModelLibrary, listed: readonly Listed[]): Promise<Set<string>> {
  const sound = new Set<string>();
  for (const { id, card } of listed) {
    if (card === null) continue;
    try {
      await library.load(id);
      sound.add(id);
    } catch (error) {
      if (!isHeadroomError(error)) throw error;
    }
  }
  return sound;
}
