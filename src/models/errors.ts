import { errorsOf, isHeadroomError, type HeadroomError } from '../domain/errors.js';

/** An error of the models' store and registry. */
export const modelsError = errorsOf('models');

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** What the file system throws, as an error that a person can act on. */
export function translateFileError(error: unknown, action: string, folder: string): HeadroomError {
  if (isHeadroomError(error)) return error;
  return FULL.has(codeOf(error))
    ? modelsError('full', action, `no space is left for ${folder}`, 'free some; `headroom models gc` lets old ones go')
    : modelsError('unavailable', action, String(error), `see that ${folder} can be read and written`, error);
}
