import { readFile } from 'node:fs/promises';
import { HeadroomError } from '../domain/errors.js';

/**
 * The text of a file that somebody named.
 * @param remedy what to name instead.
 * @throws HeadroomError `not-found` where it cannot be read.
 */
export async function readNamedFile(path: string, remedy: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new HeadroomError({
      kind: 'not-found',
      component: 'cli',
      action: `reading ${path}`,
      problem: error instanceof Error ? error.message : String(error),
      remedy,
      cause: error,
    });
  }
}
