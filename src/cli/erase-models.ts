import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { COMPONENTS } from '../domain/component.js';
import type { Holdings } from '../telemetry/erasure.js';
import { openLibrary } from './models.js';

export interface ErasedModels {
  /** Artifacts fitted on this account's series alone, and the line of its own champions. */
  artifacts: string[];
  champions: boolean;
  /** Artifacts that many accounts' series went into, this one's among them: weights alone, and they stay. */
  shared: string[];
}

/**
 * Removes the models of an account. Names of its series are made anew from what the store holds of it, so this comes
 * before the store is emptied.
 * @param dry says what would be removed.
 */
export async function eraseModels(
  env: NodeJS.ProcessEnv,
  account: string,
  held: Holdings,
  dry: boolean,
): Promise<ErasedModels> {
  const library = openLibrary(env);
  const listed = await library.store.list();
  const scopes = await library.champions.all();
  if (listed.length === 0 && scopes.length === 0) return { artifacts: [], champions: false, shared: [] };
  const names = await library.pseudonyms();
  const own = new Set(
    held.series.flatMap(({ kind, workload, name }) => {
      const component = COMPONENTS.find((one) => one === name);
      return kind === 'usage' && component !== undefined ? [names.series(account, workload, component)] : [];
    }),
  );
  const scope = names.scope(account);
  const erased: ErasedModels = { artifacts: [], champions: scopes.some((one) => one.scope === scope), shared: [] };
  for (const { id, card } of listed) {
    if (card === null) continue;
    const { series } = card.data;
    if (!series.some((one) => own.has(one))) continue;
    if (series.every((one) => own.has(one))) erased.artifacts.push(id);
    else erased.shared.push(id);
  }
  if (dry) return erased;
  for (const id of erased.artifacts) await rm(join(library.store.folder, `${id}.model`), { force: true });
  if (erased.champions) await rm(join(library.folder, 'champions', scope), { recursive: true, force: true });
  return erased;
}
