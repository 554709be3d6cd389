import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventInputSchema } from '../../src/behavior/events.js';
import { loadKeys, parseKeys, writeKey } from '../../src/telemetry/events/keys.js';
import { pseudonymise } from '../../src/telemetry/events/sealed.js';
import { addToken, createTokenBook, readTokens } from '../../src/telemetry/events/tokens.js';

const ONE = '11'.repeat(32);
const OTHER = '22'.repeat(32);
const DAY = 86_400;

describe('the key', () => {
  let folder = '';
  let path = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headroom-key-'));
    path = join(folder, 'events', 'key');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('is made for its owner alone, once, and rotated with the one before it kept', async () => {
    const { id } = await writeKey(path, false);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await expect(writeKey(path, false)).rejects.toMatchObject({ kind: 'conflict' });
    const second = await writeKey(path, true);
    const third = await writeKey(path, true);
    expect(second.previous).toBe(id);
    expect((await loadKeys({}, path)).all.map((key) => key.id)).toEqual([third.id, second.id]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('of the environment goes before the file', async () => {
    await writeKey(path, false);
    expect((await loadKeys({ HEADROOM_EVENTS_KEY: ONE }, path)).current.id).toBe(parseKeys(ONE, '').current.id);
  });

  it.each([
    { name: 'absent', text: null, mode: 0o600, kind: 'refused', says: 'headroom events key' },
    { name: 'empty', text: '\n', mode: 0o600, kind: 'refused', says: 'it is empty' },
    { name: 'too short', text: 'secret-words', mode: 0o600, kind: 'invalid-input', says: 'key 1 is not 64 hex' },
    { name: 'the second one wrong', text: `${ONE}\nsecret-words`, mode: 0o600, kind: 'invalid-input', says: 'key 2' },
    { name: 'readable by others', text: ONE, mode: 0o644, kind: 'refused', says: 'chmod 600' },
  ])('$name: refused, with what to do and without the key', async ({ text, mode, kind, says }) => {
    const file = join(folder, 'key');
    if (text !== null) {
      await writeFile(file, text);
      await chmod(file, mode);
    }
    const error: unknown = await loadKeys({}, file).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ kind, message: expect.stringContaining(says) });
    expect(String(error)).not.toContain('secret-words');
    expect(String(error)).not.toContain(ONE);
  });

  const { current } = parseKeys(ONE, 'the test');
  it.each([
    { name: 'the same person on the same day', other: current.person('acme', DAY - 1, 'ada'), same: true },
    { name: 'another person', other: current.person('acme', 0, 'bob'), same: false },
    { name: 'in another account', other: current.person('beta', 0, 'ada'), same: false },
    { name: 'on another day', other: current.person('acme', DAY, 'ada'), same: false },
    { name: 'under another key', other: parseKeys(OTHER, '').current.person('acme', 0, 'ada'), same: false },
    { name: 'with its parts shifted', other: current.person('acm', 0, 'eada'), same: false },
  ])('a pseudonym $name: same is $same', ({ other, same }) => {
    expect(current.person('acme', 0, 'ada') === other).toBe(same);
    expect(other).toMatch(/^[\w-]{22}$/);
  });

  it('what one key sealed no other opens, and nobody can alter', () => {
    const sealed = current.seal(Buffer.from('home/ada'));
    expect(current.unseal(sealed).toString()).toBe('home/ada');
    expect(Buffer.from(sealed).includes('ada')).toBe(false);
    expect(() => parseKeys(OTHER, '').current.unseal(sealed)).toThrow();
    for (const at of [0, 14, sealed.length - 1]) {
      const altered = Uint8Array.from(sealed);
      altered[at] = (altered[at] ?? 0) ^ 1;
      expect(() => current.unseal(altered)).toThrow();
    }
  });

  it.each([
    { name: 'a folder of one’s own', user: 'ada', dataset: 'home/ada/mail', is: 'home/{user}/mail' },
    { name: 'in another case, and twice', user: 'Ada', dataset: 'ADA of ada', is: '{user} of {user}' },
    { name: 'within another word', user: 'ada', dataset: 'canada', is: 'canada' },
    {
      name: 'an id of letters that mean something elsewhere',
      user: 'a.*+?^$',
      dataset: 'x/a.*+?^$/y',
      is: 'x/{user}/y',
    },
    { name: 'an address', user: 'ada@home.org', dataset: 'box-ada@home.org', is: 'box-{user}' },
    { name: 'too short an id', user: 'ad', dataset: 'home/ad', is: 'home/ad' },
    { name: 'lower case that is longer', user: 'ada', dataset: 'İ/ada', is: 'İ/{user}' },
  ])('$name: $dataset becomes $is', ({ user, dataset, is }) => {
    const event = eventInputSchema.parse({ account: 'acme', at: 0, user, operation: 'read', dataset });
    expect(pseudonymise(current, event).dataset).toBe(is);
  });
});

describe('tokens', () => {
  it('are kept as hashes, and known with the accounts that they may write', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'headroom-tokens-'));
    const path = join(folder, 'tokens.json');
    const one = await addToken(path, ['acme', 'beta']);
    const all = await addToken(path, null);
    expect((await readFile(path, 'utf8')).includes(one.token.slice(-20))).toBe(false);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const { find } = createTokenBook(path);
    expect(await find(one.token)).toEqual({ id: one.id, accounts: ['acme', 'beta'] });
    expect(await find(all.token)).toEqual({ id: all.id, accounts: null });
    expect(await find('')).toBeNull();
    expect(await find((await readTokens(path))[0]?.hash ?? '')).toBeNull();
    await writeFile(path, '{}');
    await expect(find(one.token)).rejects.toMatchObject({ kind: 'invalid-input' });
    await rm(folder, { recursive: true, force: true });
  });
});
