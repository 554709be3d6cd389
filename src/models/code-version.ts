import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/*
 * Which code trained: the package's version, and a hash over what forecasts and trains as it runs here, so that a fit
 * that no longer repeats can be told from one that never did.
 */

/** Rooms whose code a fit runs. */
const ROOMS = ['forecast', 'models'];

export interface CodeVersion {
  version: string;
  build: string;
}

let known: CodeVersion | null = null;

/** Read once: a process runs one build. @param version the package's. */
export function codeVersion(version: string): CodeVersion {
  known ??= { version, build: hashOf(fileURLToPath(new URL('..', import.meta.url))) };
  return known;
}

function hashOf(source: string): string {
  const hash = createHash('sha256');
  for (const file of ROOMS.flatMap((room) => filesUnder(join(source, room))).sort()) {
    hash.update(file.slice(source.length)).update('\n').update(readFileSync(file)).update('\n');
  }
  return hash.digest('hex').slice(0, 16);
}

const filesUnder = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /(?<!\.d)\.(js|ts)$/.test(entry.name))
    .map((entry) => join(entry.parentPath ?? dirname(folder), entry.name));
