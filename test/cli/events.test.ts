import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { behaviorRowSchema } from '../../src/behavior/events.js';
import {
  because,
  environment,
  headroom,
  json,
  NO_SERVER,
  NOT_BUILT,
  startHeadroomDev,
  steadyScenario,
  temporaryFolder,
  until,
  type Folder,
} from './headroom.js';

/*
 * The built command, killed with SIGKILL while events come in. What an operator loses where this fails: events that were
 * acknowledged, or counts that are too high, or a name on disk.
 */

const BIN = fileURLToPath(new URL('../../bin/headroom', import.meta.url));
const BATCHES = 40;
const PERSONS = 25;
const shownSchema = z.object({ rows: z.array(behaviorRowSchema) });
const tokenSchema = z.object({ id: z.string(), token: z.string() });
const statusSchema = z.object({ pending: z.number(), withheld: z.array(z.object({ events: z.number() })) });

interface Listener {
  url: string;
  child: ChildProcess;
  said(): string;
}

async function listen(env: NodeJS.ProcessEnv): Promise<Listener> {
  const argv = [BIN, 'events', 'listen', '--port', '0', '--settle', '1h'];
  const child = spawn(process.execPath, argv, { env, cwd: tmpdir(), stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const url = await until('it listens', () => {
    if (child.exitCode !== null) throw new Error(`events listen ended with ${child.exitCode}: ${said}`);
    return /events at (http:\S+):/.exec(said)?.[1];
  });
  return { url, child, said: () => said };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

/** Every byte below a folder, by file. */
async function* filesBelow(folder: string): AsyncGenerator<{ path: string; bytes: Buffer; mode: number }> {
  for (const name of await readdir(folder, { recursive: true })) {
    const path = join(folder, name);
    const found = await stat(path);
    if (found.isFile()) yield { path, bytes: await readFile(path), mode: found.mode };
  }
}

describe.skipIf(NOT_BUILT !== null)(`headroom events${because(NOT_BUILT)}`, () => {
  let folder: Folder;
  let env: NodeJS.ProcessEnv;
  let token = '';
  let said = '';
  const at = Math.floor(Date.now() / 1000) - 5 * 3600;
  const user = (index: number): string => `raw-id-${index}@example.org`;
  const batch = (number: number): string =>
    Array.from({ length: PERSONS }, (_, index) =>
      JSON.stringify({
        ...{ account: 'acme', at: at + number, user: user(index), operation: 'query' },
        ...{ dataset: index % 5 === 0 ? `home/${user(index + 1)}` : 'sales', group: 'staff' },
      }),
    ).join('\n');
  const run = async (...argv: string[]) => {
    const ran = await headroom(env, 'events', ...argv);
    said += ran.out + ran.err;
    return ran;
  };
  beforeAll(async () => {
    folder = await temporaryFolder();
    env = environment(folder.path);
  });
  afterAll(() => folder.remove());

  it('without a key nothing is taken, and it is said what to do', async () => {
    expect(await run('listen', '--port', '0')).toMatchObject({
      code: 4,
      err: expect.stringContaining('headroom events key'),
    });
    expect((await run('key')).code).toBe(0);
    ({ token } = await json(env, tokenSchema, 'events', 'token', '--account', 'acme'));
  });

  it('killed three times while events come in, and all sent again: each counts once', async () => {
    let listener = await listen(env);
    const acknowledged: number[] = [];
    const send = async (number: number): Promise<void> => {
      const response = await fetch(`${listener.url}/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
        body: batch(number),
      });
      if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
      acknowledged.push(number);
    };
    const numbers = Array.from({ length: BATCHES }, (_, index) => index);
    for (const killAfter of [5, 12, 25]) {
      const sending = Promise.allSettled(numbers.map(send));
      await until('some are acknowledged', () => acknowledged.length >= killAfter, { every: 1 });
      await end(listener.child, 'SIGKILL');
      await sending;
      said += listener.said();
      listener = await listen(env);
    }
    // The write-ahead log, too, which is made anew whenever DuckDB sees fit.
    const open: string[] = [];
    for await (const { path, mode } of filesBelow(join(folder.path, 'events')))
      if ((mode & 0o077) !== 0) open.push(path);
    expect(open).toEqual([]);
    // As any sender does: all that it is not sure of, and more.
    for (const number of [...numbers, ...numbers]) await send(number);
    // An import goes through the process that has the door.
    const file = await folder.write('more.jsonl', batch(BATCHES));
    expect(await run('import', file)).toMatchObject({ code: 0, out: expect.stringContaining(`${PERSONS} taken in`) });
    const status = await json(env, statusSchema, 'events', 'status');
    expect(status).toEqual({ pending: (BATCHES + 1) * PERSONS, withheld: [] });
    await end(listener.child, 'SIGTERM');
    said += listener.said();

    // Nobody listens: an import opens the door itself, and closes what is old enough.
    expect(await run('import', file, '--settle', '0s')).toMatchObject({
      code: 0,
      out: expect.stringContaining('0 taken in'),
    });
    const shown = await json(env, shownSchema, 'events', 'show', 'acme');
    const operations = shown.rows.filter(({ kind }) => kind === 'operation');
    const total = operations.reduce((sum, { events }) => sum + events, 0);
    const { withheld } = await json(env, statusSchema, 'events', 'status');
    expect(total + withheld.reduce((sum, { events }) => sum + events, 0)).toBe((BATCHES + 1) * PERSONS);
    expect(Math.min(...operations.map(({ users }) => users ?? 0))).toBeGreaterThanOrEqual(5);
    expect(operations).toContainEqual(expect.objectContaining({ name: 'query', detail: 'sales', users: 20 }));
    expect(await run('show', 'acme')).toMatchObject({ code: 0, out: expect.stringContaining('sales') });
  });

  it('no byte on disk, and no word that was said, is a raw id, a token or the key', async () => {
    const key = (await readFile(join(folder.path, 'events', 'key'), 'utf8')).trim();
    const raw = ['raw-id-', 'example.org', token, key];
    const found: string[] = [];
    for await (const { path, bytes } of filesBelow(folder.path)) {
      if (path.endsWith('more.jsonl') || path.endsWith(join('events', 'key'))) continue;
      for (const word of raw) if (bytes.includes(word)) found.push(`${path}: ${word}`);
    }
    for (const word of raw) if (said.includes(word)) found.push(`said: ${word}`);
    expect(found).toEqual([]);
    expect(said).toContain('events at http://127.0.0.1');
  });

  it.each([
    { name: 'a wrong line', argv: ['import', 'bad.jsonl'], code: 2, says: 'line 1: is not JSON' },
    { name: 'no file', argv: ['import', 'absent.jsonl'], code: 3, says: 'absent.jsonl' },
    { name: 'a token for nobody', argv: ['token'], code: 2, says: '--all-accounts' },
    { name: 'a token that is not there', argv: ['token', '--remove', 'x'], code: 3, says: '--list' },
    { name: 'a bin that divides no hour', argv: ['listen', '--bin', '7m'], code: 2, says: 'divide an hour' },
    { name: 'k of one', argv: ['listen', '--k', '1'], code: 2, says: 'from 2 to 1000' },
    { name: 'an unknown kind', argv: ['show', 'acme', '--kind', 'x'], code: 2, says: 'known are operation' },
  ])('$name: exit code $code, in words', async ({ argv, code, says }) => {
    await folder.write('bad.jsonl', 'raw-id-9 was here');
    const ran = await headroom(
      env,
      'events',
      ...argv.map((one) => (one === 'bad.jsonl' ? join(folder.path, one) : one)),
    );
    expect(ran).toMatchObject({ code, out: '' });
    expect(ran.err).toContain(says);
    expect(ran.err).not.toContain('raw-id');
  });
});

describe.skipIf(NO_SERVER !== null)(`events beside a running headroom${because(NO_SERVER)}`, () => {
  it('are written through the process that owns the store, and read back through it', async () => {
    const folder = await temporaryFolder();
    const env = environment(folder.path);
    const scenario = await folder.write('scenario.yaml', steadyScenario(['acme'], { mode: 'held' }));
    const dev = await startHeadroomDev(env, '--scenario', scenario);
    try {
      expect((await headroom(env, 'events', 'key')).code).toBe(0);
      const at = Math.floor(Date.now() / 1000) - 5 * 3600;
      const events = Array.from({ length: 6 }, (_, index) => ({ at, user: `u${index}`, operation: 'login' }));
      const file = await folder.write('a.jsonl', events.map((event) => JSON.stringify(event)).join('\n'));
      const ran = await headroom(env, 'events', 'import', file, '--account', 'acme');
      expect(ran).toMatchObject({ code: 0, out: expect.stringContaining('1 rows stored') });
      const { rows } = await json(env, shownSchema, 'events', 'show', 'acme');
      expect(rows).toMatchObject([{ kind: 'operation', name: 'login', users: 6, events: 6 }]);
    } finally {
      await dev.stop();
      await folder.remove();
    }
  });
});
