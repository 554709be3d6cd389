import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';

/*
 * What a run leaves behind for the next: forecasts by the hash of all that they depend on. Peers never change while the
 * traces don't; ours is there again only where not a byte of the forecasting code has changed.
 */

export const cacheFolder = (): string =>
  join(
    process.env['HEADROOM_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'headroom'),
    'bench-forecast',
  );

export const hashOf = (...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 24);
};

/** Hash of all files below folders, by name. */
export function hashFolders(folders: readonly string[]): string {
  const files: string[] = [];
  const visit = (path: string): void => {
    if (!existsSync(path)) return;
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const inner = join(path, entry.name);
      if (entry.isDirectory()) visit(inner);
      else if (entry.name.endsWith('.js')) files.push(inner);
    }
  };
  folders.forEach(visit);
  return hashOf(...files.sort().map((file) => readFileSync(file)));
}

/** CPU and memory of one series, as its process measured them; null where a method has no such part. */
export const costSchema = z.object({
  /** CPU seconds of each fit. */
  fits: z.array(z.number()),
  /** CPU seconds of one cycle: a bin taken in and a day ahead forecast. */
  cycle: z.number().nullable(),
  /** The highest resident size of the process, in bytes. */
  memory: z.number().nullable(),
});
export type Cost = z.infer<typeof costSchema>;

/** Writes so that a reader finds all of it or nothing. */
export function writeWhole(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}.part`;
  writeFileSync(beside, content);
  renameSync(beside, path);
}

export const bytesOf = (values: Float64Array | Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

export function readDoubles(path: string): Float64Array {
  const bytes = readFileSync(path);
  const values = new Float64Array(bytes.byteLength / 8);
  new Uint8Array(values.buffer).set(bytes);
  return values;
}
