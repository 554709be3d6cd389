import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { AccountPolicy } from '../domain/account.js';
import { isTrainedName } from '../domain/model-names.js';
import { isHeadroomError } from '../domain/errors.js';
import { shortId } from '../models/artifact.js';
import { codeVersion } from '../models/code-version.js';
import { CELL_SCOPE, createModelLibrary, modelsFolder, type ModelLibrary } from '../models/library.js';
import { TRAINERS } from '../models/trainers/index.js';
import { homeFolder } from '../temporal/home.js';
import { packageVersion } from './version.js';

/** The folder of models that this environment names. */
export const openLibrary = (env: NodeJS.ProcessEnv): ModelLibrary =>
  createModelLibrary({
    folder: modelsFolder(homeFolder(env), env),
    trainers: TRAINERS,
    code: codeVersion(packageVersion()),
  });

/** The scope that a command means: an account's own, or the cell's. */
export async function scopeOf(library: ModelLibrary, account: string | undefined): Promise<string> {
  return account === undefined ? CELL_SCOPE : (await library.pseudonyms()).scope(account);
}

/**
 * Trained models that an account file names and that serve nobody here: neither the account nor all accounts.
 * @returns one line each, with what to do.
 */
export async function absentOf(
  library: ModelLibrary,
  account: string,
  policy: Pick<AccountPolicy, 'models'>,
): Promise<string[]> {
  const named = (policy.models ?? []).filter(isTrainedName);
  if (named.length === 0) return [];
  // A look is to make no key where nothing was ever named by one.
  const hasKey = existsSync(join(library.folder, 'pseudonyms.key'));
  const { sound } = await servingOf(library, [...(hasKey ? [await scopeOf(library, account)] : []), CELL_SCOPE]);
  return named
    .filter((name) => !sound.some(({ kind }) => kind === name))
    .map(
      (name) =>
        `the account file names ${name}, and no trained model of that kind serves from ${library.folder}: ` +
        `\`headroom retrain start --kinds ${name}\` trains one, HEADROOM_MODELS names another folder; or take it out of \`models\``,
    );
}

export interface Serving {
  /** Champions that load, by scope and kind. */
  sound: { scope: string; kind: string; id: string }[];
  /** Champions that do not, and successions that cannot be read, in words. */
  troubles: string[];
}

/**
 * Whether what should serve can: every champion is loaded as a worker would.
 * @param scopes those alone; all of them where null.
 */
export async function servingOf(library: ModelLibrary, scopes: readonly string[] | null): Promise<Serving> {
  const { states, unreadable } = await library.champions.all();
  const within = ({ scope }: { scope: string }): boolean => scopes === null || scopes.includes(scope);
  const serving: Serving = { sound: [], troubles: unreadable.filter(within).map(({ problem }) => problem) };
  for (const { scope, kind, champion } of states.filter(within)) {
    if (champion === null) continue;
    try {
      await library.load(champion.id);
      serving.sound.push({ scope, kind, id: champion.id });
    } catch (error) {
      if (!isHeadroomError(error)) throw error;
      serving.troubles.push(`${kind} ${shortId(champion.id)}, champion of ${scope}, is left out: ${error.message}`);
    }
  }
  return serving;
}
