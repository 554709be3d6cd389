import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { eventsError } from './errors.js';

const DAY = 86_400;
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** One key of the operator's. It lives in this process's memory and in the operator's own file or secret, nowhere else. */
export interface EventKey {
  /** Tells keys apart; says nothing about the key. */
  readonly id: string;
  /**
   * The pseudonym of a person: HMAC-SHA-256, cut to 128 bits. Another one in each account and on each UTC day, so that
   * nobody can be followed from one to the other.
   */
  person(account: string, at: number, who: string): string;
  /** A name for something that was taken in, to recognise its repeat. */
  mark(what: string): string;
  /** Encrypts what waits on disk for its bin to close (AES-256-GCM, a nonce of its own each time). */
  seal(plain: Uint8Array): Uint8Array;
  /** @throws Error where it was not sealed by this key, or was altered. */
  unseal(sealed: Uint8Array): Buffer;
}

/** The key that is in use, and those before it, which still open and recognise what they sealed and marked. */
export interface Keyring {
  readonly current: EventKey;
  readonly all: readonly EventKey[];
  find(id: string): EventKey | undefined;
}

function createKey(secret: Buffer): EventKey {
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `headroom events ${purpose}`, 32));
  const [forPersons, forMarks, forSealing] = ['persons', 'marks', 'sealing'].map(derive);
  if (forPersons === undefined || forMarks === undefined || forSealing === undefined) throw new RangeError('no key');
  const hash = (key: Buffer, ...parts: string[]): string => {
    const hmac = createHmac('sha256', key);
    // Each part behind its length, so that no two lists of parts read the same.
    for (const part of parts) hmac.update(`${Buffer.byteLength(part)}:`).update(part);
    return hmac.digest().subarray(0, 16).toString('base64url');
  };
  return {
    id: hash(derive('id')).slice(0, 8),
    person: (account, at, who) => hash(forPersons, account, String(Math.floor(at / DAY)), who),
    mark: (what) => hash(forMarks, what),
    seal(plain) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, forSealing, nonce);
      return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
    unseal(sealed) {
      const decipher = createDecipheriv(CIPHER, forSealing, sealed.subarray(0, NONCE_BYTES));
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
      return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    },
  };
}

const HEX = /^[0-9a-f]{64}$/i;
const REMEDY = '`headroom events key` makes one; or set HEADROOM_EVENTS_KEY to 64 hexadecimal digits';

/**
 * Keys as they are written: 64 hexadecimal digits each, the one in use first.
 * @throws HeadroomError `invalid-input`; it never repeats what was read.
 */
export function parseKeys(text: string, where: string): Keyring {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  if (words.length === 0) throw eventsError('refused', `reading the key of ${where}`, 'it is empty', REMEDY);
  const wrong = words.findIndex((word) => !HEX.test(word));
  if (wrong >= 0) {
    const problem = `key ${wrong + 1} is not 64 hexadecimal digits`;
    throw eventsError('invalid-input', `reading the key of ${where}`, problem, REMEDY);
  }
  const all = words.map((word) => createKey(Buffer.from(word, 'hex')));
  const [current] = all;
  if (current === undefined) throw new RangeError('no key');
  return { current, all, find: (id) => all.find((key) => key.id === id) };
}

async function readPrivate(path: string): Promise<string | null> {
  const found = await stat(path).catch(() => null);
  if (found === null) return null;
  if ((found.mode & 0o077) !== 0) {
    const problem = 'others on this machine can read it';
    throw eventsError('refused', `reading the key of ${path}`, problem, `chmod 600 ${path}, and rotate the key`);
  }
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw eventsError('unavailable', `reading the key of ${path}`, 'it cannot be read', 'see whose file it is', cause);
  });
}

/**
 * The operator's keys: HEADROOM_EVENTS_KEY, else the file.
 * @throws HeadroomError `refused` where there is none, or where the file is readable by others.
 */
export async function loadKeys(env: NodeJS.ProcessEnv, path: string): Promise<Keyring> {
  const named = env['HEADROOM_EVENTS_KEY'];
  if (named !== undefined && named !== '') return parseKeys(named, 'HEADROOM_EVENTS_KEY');
  const text = await readPrivate(path);
  if (text !== null) return parseKeys(text, path);
  throw eventsError('refused', 'taking events', `no key is there: ${path} and HEADROOM_EVENTS_KEY are absent`, REMEDY);
}

/** How many keys a file holds: the one in use, and one before it for what is still open. */
const KEPT = 2;

/**
 * Makes the key file (mode 0600), or puts a new key before the old one.
 * @throws HeadroomError `conflict` where there is a key and `rotate` is not asked for.
 */
export async function writeKey(path: string, rotate: boolean): Promise<{ id: string; previous: string | null }> {
  await mkdir(dirname(path), { recursive: true });
  const fresh = randomBytes(32).toString('hex');
  const text = await readPrivate(path);
  if (text === null) {
    // Exclusive: of two at once one wins, and the other is told.
    const file = await open(path, 'wx', 0o600).catch((cause: unknown) => {
      throw eventsError('unavailable', `making ${path}`, 'it cannot be made', 'see whose folder it is', cause);
    });
    await file.writeFile(`${fresh}\n`);
    await file.sync();
    await file.close();
    return { id: parseKeys(fresh, path).current.id, previous: null };
  }
  const before = parseKeys(text, path);
  if (!rotate) {
    const remedy = '`headroom events key --rotate` puts a new one before it';
    throw eventsError('conflict', `making ${path}`, `key ${before.current.id} is there already`, remedy);
  }
  const old = text.split(/\s+/).filter((word) => word !== '');
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, [fresh, ...old].slice(0, KEPT).join('\n') + '\n', { mode: 0o600 });
  await chmod(draft, 0o600);
  await rename(draft, path);
  return { id: parseKeys(fresh, path).current.id, previous: before.current.id };
}
