import { createHmac, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Component } from '../domain/component.js';
import { codeOf, modelsError, translateFileError } from './errors.js';
import { claimFile } from './files.js';

/** Names for series and accounts in cards and scopes: the same ones every time here, and of no use elsewhere. */
export interface Pseudonyms {
  series(account: string, workload: string, component: Component): string;
  /** The scope of one account's own models. */
  scope(account: string): string;
}

const KEY_BYTES = 32;

/**
 * By HMAC-SHA-256 under a key that is made once and stays in its file (mode 0600): without it nobody can try names out.
 * @throws HeadroomError `invalid-input` where the file is damaged.
 */
export async function loadPseudonyms(path: string): Promise<Pseudonyms> {
  const key = await keyOf(path);
  const name = (...parts: string[]): string => {
    const hmac = createHmac('sha256', key);
    // Each part behind its length, so that no two lists of parts read the same.
    for (const part of parts) hmac.update(`${Buffer.byteLength(part)}:`).update(part);
    return hmac.digest('hex').slice(0, 16);
  };
  return {
    series: (account, workload, component) => name('series', account, workload, component),
    scope: (account) => `account-${name('scope', account)}`,
  };
}

async function keyOf(path: string): Promise<Buffer> {
  const action = 'reading the key of pseudonyms';
  try {
    const found = await read(path);
    if (found === null) await claimFile(path, randomBytes(KEY_BYTES));
    const key = found ?? (await read(path));
    if (key?.length === KEY_BYTES) return key;
  } catch (error) {
    throw translateFileError(error, action, path);
  }
  const remedy = 'put a copy back, or delete it: models trained before are then of series that nobody can name';
  throw modelsError('invalid-input', action, `${path} does not hold ${KEY_BYTES} bytes`, remedy);
}

async function read(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}
