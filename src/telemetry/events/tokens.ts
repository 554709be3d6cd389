import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmod, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { eventsError } from './errors.js';

/** Kept in the clear is only a hash: who reads the file can write nobody's events. */
const tokenSchema = z.strictObject({
  id: z.string(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  /** Null: events of every account. */
  accounts: z.array(z.string()).min(1).nullable(),
});
const fileSchema = z.strictObject({ tokens: z.array(tokenSchema) });

export type EventToken = z.output<typeof tokenSchema>;

/** Who sends, by its token. */
export interface Sender {
  id: string;
  accounts: readonly string[] | null;
}

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();

export async function readTokens(path: string): Promise<EventToken[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw eventsError('unavailable', `reading ${path}`, 'it cannot be read', 'see whose file it is', error);
  });
  if (text === null) return [];
  try {
    return fileSchema.parse(JSON.parse(text)).tokens;
  } catch (cause) {
    throw eventsError(
      'invalid-input',
      `reading ${path}`,
      'it is no list of tokens',
      'delete it and make them anew',
      cause,
    );
  }
}

async function writeTokens(path: string, tokens: readonly EventToken[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, JSON.stringify({ tokens }, null, 2), { mode: 0o600 });
  await chmod(draft, 0o600);
  await rename(draft, path);
}

/** Makes a token; it is told this once, and a hash of it is kept. */
export async function addToken(
  path: string,
  accounts: readonly string[] | null,
): Promise<{ id: string; token: string }> {
  const id = randomBytes(4).toString('hex');
  const token = `hre_${id}_${randomBytes(24).toString('base64url')}`;
  const made = { id, hash: hashOf(token).toString('hex'), accounts: accounts === null ? null : [...accounts] };
  await writeTokens(path, [...(await readTokens(path)), made]);
  return { id, token };
}

/** @throws HeadroomError `not-found` */
export async function removeToken(path: string, id: string): Promise<void> {
  const tokens = await readTokens(path);
  const rest = tokens.filter((token) => token.id !== id);
  if (rest.length === tokens.length) {
    throw eventsError(
      'not-found',
      'removing a token',
      `there is none of that id`,
      '`headroom events token --list` shows them',
    );
  }
  await writeTokens(path, rest);
}

/** Tokens as the file has them now: one that was added or removed counts from the next request on. */
export function createTokenBook(path: string): { find(token: string): Promise<Sender | null> } {
  let version = '';
  let tokens: EventToken[] = [];
  return {
    async find(token) {
      const now = await stat(path).then(
        ({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`,
        () => 'absent',
      );
      if (now !== version) {
        tokens = await readTokens(path);
        version = now;
      }
      const hash = hashOf(token);
      const found = tokens.find((one) => timingSafeEqual(Buffer.from(one.hash, 'hex'), hash));
      return found === undefined ? null : { id: found.id, accounts: found.accounts };
    },
  };
}
