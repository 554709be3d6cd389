import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
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

/** Hash of a built file and of all that it imports from this checkout, however far. */
export function hashImports(entry: string): string {
  const found = new Map<string, Buffer>();
  const visit = (file: string): void => {
    if (found.has(file) || !existsSync(file)) return;
    const text = readFileSync(file);
    found.set(file, text);
    for (const [, path] of text.toString().matchAll(/(?:from|import|import\(|new URL\()\s*'(\.[^']+)'/g)) {
      visit(resolve(dirname(file), path ?? ''));
    }
  };
  visit(entry);
  // By content, so that two checkouts of the same code share what they forecast.
  return hashOf(...[...found.values()].map((text) => hashOf(text)).sort());
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
