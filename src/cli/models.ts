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
