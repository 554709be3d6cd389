import { readFile, stat } from 'node:fs/promises';
import { extname, isAbsolute, resolve } from 'node:path';
import type { EpochSeconds } from '../domain/time.js';
import { readBook } from './document.js';
import { priceError, type PriceSource } from './port.js';

const FORMATS: Readonly<Record<string, 'csv' | 'json' | 'yaml'>> = {
  '.csv': 'csv',
  '.json': 'json',
  '.yaml': 'yaml',
  '.yml': 'yaml',
};

/** Prices of a file; their time is what they state, else the file's own. */
export function createFilePrices(file: string, now: () => EpochSeconds): PriceSource {
  const format = FORMATS[extname(file).toLowerCase()];
  if (format === undefined) {
    const problem = `the ending of ${file} is not known`;
    throw priceError('invalid-input', `opening ${file}`, problem, 'name it .csv, .json, .yaml or .yml');
  }
  return {
    name: file,
    async read(signal) {
      let text: string;
      let modified: EpochSeconds;
      try {
        modified = Math.floor((await stat(file)).mtimeMs / 1000);
        text = await readFile(file, { encoding: 'utf8', ...(signal === undefined ? {} : { signal }) });
      } catch (cause) {
        const problem = cause instanceof Error ? cause.message : String(cause);
        throw priceError('unavailable', `reading ${file}`, problem, remedyFor(file), cause);
      }
      const wall = now();
      // A file copied from a machine whose clock is ahead is of now at the latest.
      return readBook(file, text, format, Math.min(modified, wall), wall);
    },
  };
}

/** The command line has made relative paths whole; one that comes from elsewhere is of the folder that this process runs in. */
const remedyFor = (file: string): string =>
  isAbsolute(file)
    ? 'the worker reads prices.file at this very path on its own machine (what an account file names by a relative path lies beside ' +
      'that file): put the prices there too, name another path, or use prices.url'
    : `this process looks for it at ${resolve(file)}: name an absolute path`;
