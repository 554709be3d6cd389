import { readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { isHeadroomError } from '../domain/errors.js';
import { decodeArtifact, encodeArtifact, shortId, type Artifact } from './artifact.js';
import type { ModelCard } from './card.js';
import { codeOf, modelsError, translateFileError } from './errors.js';
import { namesIn, replaceFile, sweepDrafts } from './files.js';

/** One line of a list: an artifact, or a file that is none any more, with the reason. */
export type Listed =
  | { id: string; bytes: number; card: ModelCard; problem: null }
  | { id: string; bytes: number; card: null; problem: string };

/** Artifacts by the hash of their content, as files of one folder. */
export interface ArtifactStore {
  readonly folder: string;
  /** Idempotent: the same card and weights are the same file. A damaged one of that name is mended. */
  put(card: Omit<ModelCard, 'weights'>, weights: Uint8Array): Promise<Artifact>;
  /** @throws HeadroomError `not-found`; `invalid-input` where it is damaged or foreign. */
  get(id: string): Promise<Artifact>;
  /**
   * The whole id of one that is named by its beginning, in lower or upper case.
   * @throws HeadroomError `not-found`, or `invalid-input` where several begin so.
   */
  find(prefix: string): Promise<string>;
  list(): Promise<Listed[]>;
  /**
   * Drops what is not kept, and drafts of processes that died.
   * @param youngerThanMs files of less age stay: they may be on their way to be named.
   */
  collect(keep: ReadonlySet<string>, nowMs: number, youngerThanMs: number): Promise<string[]>;
}

const SUFFIX = '.model';
const NAME = /^[0-9a-f]{64}\.model$/;

/** @param folder made when the first artifact is written. */
export function createArtifactStore(folder: string): ArtifactStore {
  const pathOf = (id: string): string => join(folder, `${id}${SUFFIX}`);
  const guarded = async <T>(action: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw translateFileError(error, action, folder);
    }
  };
  const ids = async (): Promise<string[]> =>
    (await namesIn(folder)).filter((name) => NAME.test(name)).map((name) => name.slice(0, -SUFFIX.length));

  const get = (id: string): Promise<Artifact> =>
    guarded(`loading model ${shortId(id)}`, async () => {
      try {
        return decodeArtifact(id, await readFile(pathOf(id)));
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error;
        throw modelsError(
          'not-found',
          `loading model ${shortId(id)}`,
          `it is not in ${folder}`,
          '`headroom models list` shows what is',
        );
      }
    });

  return {
    folder,
    get,
    put: (card, weights) =>
      guarded('keeping a model', async () => {
        const { id, bytes } = encodeArtifact(card, weights);
        try {
          const known = await get(id);
          // Made again a moment ago: as young as a new one, so that nobody collects it before it is named.
          const now = new Date();
          await utimes(pathOf(id), now, now).catch(() => undefined);
          return known;
        } catch (error) {
          if (!isHeadroomError(error) || (error.kind !== 'not-found' && error.kind !== 'invalid-input')) throw error;
        }
        await replaceFile(pathOf(id), bytes);
        return get(id);
      }),
    find: (prefix) =>
      guarded(`finding model ${prefix}`, async () => {
        const action = `finding model ${prefix}`;
        const wanted = prefix.toLowerCase();
        if (!/^[0-9a-f]{4,64}$/.test(wanted)) {
          throw modelsError('invalid-input', action, 'that is no id', 'give four or more of its hexadecimal digits');
        }
        const found = (await ids()).filter((id) => id.startsWith(wanted));
        if (found.length > 1) {
          throw modelsError('invalid-input', action, `${found.length} begin so`, 'give more of its digits');
        }
        if (found[0] !== undefined) return found[0];
        throw modelsError('not-found', action, `none in ${folder} begins so`, '`headroom models list` shows what is');
      }),
    list: () =>
      guarded('listing models', async () => {
        const listed: Listed[] = [];
        for (const id of await ids()) {
          const bytes = (await stat(pathOf(id)).catch(() => null))?.size;
          if (bytes === undefined) continue; // Collected a moment ago.
          try {
            listed.push({ id, bytes, card: (await get(id)).card, problem: null });
          } catch (error) {
            if (!isHeadroomError(error)) throw error;
            listed.push({ id, bytes, card: null, problem: error.message });
          }
        }
        return listed;
      }),
    collect: (keep, nowMs, youngerThanMs) =>
      guarded('letting old models go', async () => {
        const gone: string[] = [];
        for (const id of await ids()) {
          if (keep.has(id)) continue;
          const found = await stat(pathOf(id)).catch(() => null);
          if (found === null || nowMs - found.mtimeMs < youngerThanMs) continue;
          await rm(pathOf(id), { force: true });
          gone.push(id);
        }
        await sweepDrafts(folder, nowMs);
        return gone;
      }),
  };
}
