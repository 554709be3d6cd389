import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDoor, type Door } from '../../src/telemetry/events/door.js';
import { importFile } from '../../src/telemetry/events/file.js';
import { parseKeys } from '../../src/telemetry/events/keys.js';

const T = 1_767_571_200;
const line = (index: number, more: object = {}): string =>
  JSON.stringify({ account: 'acme', at: T + index, user: `leaky-person-${index % 7}`, operation: 'query', ...more });
const lines = (count: number): string => `${Array.from({ length: count }, (_, index) => line(index)).join('\n')}\n`;

describe('events by file', () => {
  let folder = '';
  let door: Door;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headroom-events-file-'));
    door = await createDoor({ folder: join(folder, 'events'), keys: parseKeys('d4'.repeat(32), 'the test') });
  });
  afterEach(async () => {
    await door.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** @param failAfter batches after which it is cut off. */
  const take = async (
    name: string,
    content: string | Buffer,
    options: { account?: string; failAfter?: number } = {},
  ) => {
    const path = join(folder, name);
    await writeFile(path, content);
    let batches = 0;
    return importFile({
      path,
      ...(options.account === undefined ? {} : { account: options.account }),
      now: T + 86_400,
      take: ({ events, marks }) => {
        if (batches++ === options.failAfter) throw new Error('cut off');
        return door.accept(events, { marks, forget: null, now: T });
      },
      wait: () => Promise.reject(new Error('full')),
      onProgress: () => undefined,
    });
  };
  const pending = async (): Promise<number> => (await door.status()).pending;

  it.each([
    { name: 'as it is', file: 'a.jsonl', content: lines(9), account: undefined },
    { name: 'by gzip, whatever its name', file: 'a.jsonl', content: gzipSync(lines(9)), account: undefined },
    { name: 'without a last end of line', file: 'a.jsonl', content: lines(9).trimEnd(), account: undefined },
    {
      name: 'with ends of line of another system',
      file: 'a.jsonl',
      content: lines(9).replaceAll('\n', '\r\n'),
      account: undefined,
    },
    {
      name: 'without its account',
      file: 'a.jsonl',
      content: lines(9).replaceAll('"account":"acme",', ''),
      account: 'acme',
    },
  ])('$name: taken once, and known when it comes again', async ({ file, content, account }) => {
    const options = account === undefined ? {} : { account };
    expect(await take(file, content, options)).toEqual({ events: 9, accepted: 9, repeated: 0 });
    expect(await take(`again-${file}`, content, options)).toEqual({ events: 9, accepted: 0, repeated: 9 });
    expect(await pending()).toBe(9);
  });

  it('CSV, with empty cells that are absent', async () => {
    const rows = Array.from(
      { length: 5 },
      (_, index) => `${T + index},p${index},,"a ""b"", c",${index === 0 ? '' : 2},`,
    );
    const csv = `at,user,system,operation,count,dataset\n${rows.join('\n')}\n${T},,true,nightly,,sales\n`;
    expect(await take('a.csv', csv, { account: 'acme' })).toMatchObject({ accepted: 6 });
    expect(await take('b.csv.gz', gzipSync(csv), { account: 'acme' })).toMatchObject({ repeated: 6 });
  });

  it('cut off after any batch, it goes on from there', async () => {
    const long = lines(12_000);
    await expect(take('a.jsonl', long, { failAfter: 1 })).rejects.toThrow('cut off');
    expect(await pending()).toBe(5000);
    expect(await take('a.jsonl', long)).toEqual({ events: 12_000, accepted: 7000, repeated: 5000 });
  });

  it('one that has grown brings what is new', async () => {
    await take('a.jsonl', lines(6000));
    expect(await take('a.jsonl', lines(13_000))).toEqual({ events: 13_000, accepted: 7000, repeated: 6000 });
    expect(await pending()).toBe(13_000);
  });

  it('the same event twice in a file is two events', async () => {
    expect(await take('a.jsonl', `${line(0)}\n${line(0)}\n`)).toMatchObject({ accepted: 2, repeated: 0 });
  });

  it.each([
    { name: 'a line that is not JSON', content: `${lines(3)}leaky-person\n`, says: 'line 4: is not JSON' },
    { name: 'a field that is not known', content: line(0, { who: 1 }), says: 'line 1: has a field' },
    { name: 'the second half of a line', content: `${lines(2)}${line(2).slice(20)}`, says: 'line 3: is not JSON' },
    { name: 'a line without an end', content: 'leaky-person'.repeat(50_000), says: 'line 1: is longer than' },
    { name: 'gzip that was cut off', content: gzipSync(lines(100)).subarray(0, 60), says: 'ended in the middle' },
    { name: 'a file far behind the last good line', content: `${lines(12_000)}{`, says: 'line 12001' },
  ])('$name: told, and nothing was taken', async ({ content, says }) => {
    const error: unknown = await take('a.jsonl', content).catch((thrown: unknown) => thrown);
    expect(String(error)).toContain(says);
    expect(String(error)).not.toContain('leaky-person');
    expect(await pending()).toBe(0);
  });

  it.each([
    { name: 'a row too long', content: 'at,user,operation\n1,leaky-person,c,d\n', says: 'it is not CSV near line 2' },
    { name: 'no such column', content: 'at,user,operation,leaky-person\n1,b,c,d\n', says: 'line 2: has a field' },
  ])('CSV with $name: told, and nothing was taken', async ({ content, says }) => {
    const error: unknown = await take('a.csv', content, { account: 'acme' }).catch((thrown: unknown) => thrown);
    expect(String(error)).toContain(says);
    expect(String(error)).not.toContain('leaky-person');
    expect(await pending()).toBe(0);
  });

  it('a file that is not there', async () => {
    const missing = importFile({
      ...{ path: join(folder, 'absent'), now: T, wait: () => Promise.resolve(), onProgress: () => undefined },
      take: () => Promise.reject(new Error('nothing to take')),
    });
    await expect(missing).rejects.toMatchObject({ kind: 'not-found' });
  });
});
