import { join } from 'node:path';
import type { GlobalModel } from '../forecast/global.js';
import { shortId, type Artifact } from './artifact.js';
import { createChampions, type Champions, type Unreadable } from './champions.js';
import type { CodeVersion } from './code-version.js';
import { modelsError } from './errors.js';
import type { Trainer } from './port.js';
import { loadPseudonyms, type Pseudonyms } from './pseudonyms.js';
import { createArtifactStore, type ArtifactStore } from './store.js';

/** The folder of models as its users see it. */
export interface ModelLibrary {
  readonly folder: string;
  readonly store: ArtifactStore;
  readonly champions: Champions;
  readonly code: CodeVersion;
  /** Where checkpoints stand. */
  readonly work: string;
  readonly kinds: readonly string[];
  /** Made when it is first asked for. */
  pseudonyms(): Promise<Pseudonyms>;
  /** @throws HeadroomError `not-found` where this build trains no such kind. */
  trainer(kind: string): Trainer;
  /** @throws HeadroomError as {@link ArtifactStore.get}, and where this build cannot load its kind. */
  load(id: string): Promise<{ artifact: Artifact; model: GlobalModel }>;
  /**
   * Lets go of artifacts that no succession keeps. Where a succession cannot be read, nobody knows what it keeps: no
   * artifact of its kind goes.
   * @param youngerThanMs files of less age stay: a fit that ended now has yet to be named.
   */
  collect(nowMs: number, youngerThanMs: number): Promise<{ removed: string[]; unreadable: Unreadable[] }>;
}

/** The scope of models that serve all accounts of a cell. */
export const CELL_SCOPE = 'main';

/** Artifacts of less age are not collected: a fit that ends now has yet to be named by a succession. */
export const YOUNG_MS = 3_600_000;

/** Where the models of a home are; several workers of one cell share a folder by HEADROOM_MODELS. */
export const modelsFolder = (home: string, env: NodeJS.ProcessEnv): string => {
  const named = env['HEADROOM_MODELS'];
  return named === undefined || named === '' ? join(home, 'models') : named;
};

export function createModelLibrary(options: {
  folder: string;
  trainers: readonly Trainer[];
  code: CodeVersion;
}): ModelLibrary {
  const { folder, trainers, code } = options;
  const store = createArtifactStore(join(folder, 'artifacts'));
  const champions = createChampions(join(folder, 'champions'));
  let names: Promise<Pseudonyms> | null = null;
  const trainer = (kind: string): Trainer => {
    const found = trainers.find((one) => one.kind === kind);
    if (found !== undefined) return found;
    const known = trainers.map((one) => one.kind).join(', ');
    throw modelsError('not-found', `finding the trainer of ${kind}`, `this build knows ${known}`, 'use one of them');
  };
  return {
    folder,
    store,
    champions,
    code,
    work: join(folder, 'work'),
    kinds: trainers.map((one) => one.kind),
    trainer,
    pseudonyms() {
      names ??= loadPseudonyms(join(folder, 'pseudonyms.key'));
      // A failure is not kept: the next call tries again.
      return names.catch((error: unknown) => {
        names = null;
        throw error;
      });
    },
    async load(id) {
      const artifact = await store.get(id);
      const model = await trainer(artifact.card.kind).load(artifact.weights);
      const has = (level: number): boolean => model.levels.some((own) => Math.abs(own - level) < 1e-6);
      const unlike = !artifact.card.levels.every(has);
      if (!unlike) return { artifact, model };
      const problem = 'its weights answer other levels than its card says';
      throw modelsError('invalid-input', `loading model ${shortId(id)}`, problem, '`headroom models rollback`');
    },
    async collect(nowMs, youngerThanMs) {
      const { ids, unreadable } = await champions.kept();
      const kinds = new Set(unreadable.map(({ kind }) => kind));
      const unsure =
        unreadable.length === 0
          ? []
          : (await store.list()).filter(({ card }) => card === null || kinds.has(card.kind)).map(({ id }) => id);
      const removed = await store.collect(new Set([...ids, ...unsure]), nowMs, youngerThanMs);
      return { removed, unreadable };
    },
  };
}
