import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  createReflector,
  hasReached,
  type Reflector,
  type ReflectorTimes,
} from '../../src/cluster/kubernetes/cache/reflector.js';
import { createTransport } from '../../src/cluster/kubernetes/cache/transport.js';
import { notOlder } from '../../src/cluster/kubernetes/cache/versions.js';
import type { CacheRecord } from '../../src/cluster/kubernetes/cache/store.js';
import { kubeConfigOf } from '../contract/kube-config.js';

interface Thing extends CacheRecord {
  value: number;
}
const schema = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string(), uid: z.string(), resourceVersion: z.string() }),
  value: z.number(),
});
const slim = (object: unknown): Thing => {
  const { metadata, value } = schema.parse(object);
  return { ...metadata, value };
};
const thing = (name: string, value: number, version: number, uid = name) => ({
  metadata: { namespace: 'acme', name, uid, resourceVersion: String(version) },
  value,
});

/** A list and a watch whose every answer the test decides. */
interface Api {
  url: string;
  /** `list`, `list continue=…`, `watch 12`, in order. */
  asked: string[];
  things: ReturnType<typeof thing>[];
  version: number;
  /** Answers instead of the usual; undefined goes on to the usual. */
  answer: ((asked: string, response: ServerResponse) => boolean) | null;
  watches: Set<ServerResponse>;
  send(type: string, object: unknown): void;
  server: Server;
}

async function startApi(): Promise<Api> {
  const watches = new Set<ServerResponse>();
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const after = searchParams.get('continue');
    const asked =
      searchParams.get('watch') === 'true'
        ? `watch ${searchParams.get('resourceVersion') ?? ''}`
        : `list${after === null ? '' : ` continue=${after}`}`;
    api.asked.push(asked);
    if (api.answer?.(asked, response) === true) return;
    if (asked.startsWith('watch')) {
      watches.add(response);
      response.on('close', () => watches.delete(response));
      response.writeHead(200).flushHeaders();
      return;
    }
    const limit = Number(searchParams.get('limit'));
    const from = Number(after ?? 0);
    const more = from + limit < api.things.length ? { continue: String(from + limit) } : {};
    const metadata = { resourceVersion: String(api.version), ...more };
    response.writeHead(200).end(JSON.stringify({ metadata, items: api.things.slice(from, from + limit) }));
  };
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const api: Api = {
    url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    asked: [],
    things: [],
    version: 10,
    answer: null,
    watches,
    send: (type, object) => {
      for (const response of watches) response.write(`${JSON.stringify({ type, object })}\n`);
    },
    server,
  };
  return api;
}

const status =
  (code: number, message: string, headers: Record<string, string> = {}) =>
  (response: ServerResponse) => {
    response.writeHead(code, headers).end(JSON.stringify({ kind: 'Status', message, code }));
    return true;
  };

describe('a reflector', () => {
  let api: Api;
  let opened: Reflector<Thing>[] = [];
  beforeEach(async () => {
    api = await startApi();
  });
  afterEach(async () => {
    await Promise.all(opened.map((one) => one.close()));
    opened = [];
    api.server.closeAllConnections();
    await new Promise((resolve) => api.server.close(resolve));
  });
  const open = (times: Partial<ReflectorTimes> = {}): Reflector<Thing> => {
    const transport = createTransport(kubeConfigOf(api.url));
    const reflector = createReflector<Thing>(
      transport,
      { resource: 'things.test', path: '/apis/test/v1/things', slim },
      { times: { pauseMs: 5, longestPauseMs: 20, ...times } },
    );
    opened.push(reflector);
    return reflector;
  };
  const until = async (reflector: Reflector<Thing>, so: () => boolean): Promise<void> => {
    while (!so()) await reflector.changed();
  };
  const live = (reflector: Reflector<Thing>) => until(reflector, () => reflector.status().kind === 'live');
  const values = (reflector: Reflector<Thing>) =>
    Object.fromEntries([...reflector.store.all()].map(({ name, value }) => [name, value]));

  test('reads a list page by page, and watches from its version', async () => {
    api.things = Array.from({ length: 7 }, (_, index) => thing(`t${index}`, index, 5));
    const reflector = open({ pageSize: 3 });
    await live(reflector);
    expect(api.asked).toEqual(['list', 'list continue=3', 'list continue=6', 'watch 10']);
    expect(reflector.store.size).toBe(7);
  });

  test('takes changes in, and forgets what is deleted', async () => {
    api.things = [thing('a', 1, 5), thing('b', 1, 6)];
    const reflector = open();
    await live(reflector);
    api.send('MODIFIED', thing('a', 2, 11));
    api.send('DELETED', thing('b', 1, 12));
    api.send('ADDED', thing('c', 3, 13));
    await until(reflector, () => reflector.version() === '13');
    expect(values(reflector)).toEqual({ a: 2, c: 3 });
  });

  test('an event that comes in two parts is one event', async () => {
    const reflector = open();
    await live(reflector);
    const line = `${JSON.stringify({ type: 'ADDED', object: thing('ä', 1, 11) })}\n`;
    const bytes = Buffer.from(line);
    const cut = bytes.indexOf('ä') + 1;
    for (const response of api.watches) response.write(bytes.subarray(0, cut));
    await new Promise((resolve) => setTimeout(resolve, 20));
    for (const response of api.watches) response.write(bytes.subarray(cut));
    await until(reflector, () => reflector.store.size === 1);
    expect(values(reflector)).toEqual({ ä: 1 });
  });

  test('a watch that the server ends is continued from the last version heard, without another list', async () => {
    const reflector = open();
    await live(reflector);
    api.send('BOOKMARK', { metadata: { resourceVersion: '40' } });
    await until(reflector, () => reflector.version() === '40');
    for (const response of api.watches) response.end();
    await until(reflector, () => api.asked.includes('watch 40') && reflector.status().kind === 'live');
    expect(api.asked).toEqual(['list', 'watch 10', 'watch 40']);
  });

  test.each([
    { row: 'said in the stream', how: 'event' },
    { row: 'answered to the watch', how: 'answer' },
  ])(
    'a version that is gone ($row) begins again with a list, and what was deleted meanwhile is gone',
    async ({ how }) => {
      api.things = [thing('a', 1, 5), thing('b', 1, 6)];
      const reflector = open();
      await live(reflector);
      api.things = [thing('b', 7, 90)];
      api.version = 99;
      if (how === 'event') {
        api.send('ERROR', { kind: 'Status', code: 410, message: 'too old resource version: 10 (99)' });
      } else {
        api.answer = (asked, response) => asked === 'watch 10' && status(410, 'Expired')(response);
        for (const response of api.watches) response.end();
      }
      await until(reflector, () => reflector.version() === '99' && reflector.status().kind === 'live');
      expect(values(reflector)).toEqual({ b: 7 });
    },
  );

  test('a list whose next page has expired is read from its beginning', async () => {
    api.things = Array.from({ length: 4 }, (_, index) => thing(`t${index}`, index, 5));
    let times = 1;
    api.answer = (asked, response) => asked === 'list continue=2' && times-- > 0 && status(410, 'Expired')(response);
    const reflector = open({ pageSize: 2 });
    await live(reflector);
    expect(reflector.store.size).toBe(4);
  });

  test('a watch that was away for longer than a moment begins again with a list: what it hears late is not the present', async () => {
    const reflector = open({ awayMs: 30 });
    await live(reflector);
    let refuse = true;
    api.answer = (_, response) => refuse && status(503, 'starting')(response);
    for (const response of api.watches) response.destroy();
    await until(reflector, () => reflector.status().kind === 'away');
    await new Promise((resolve) => setTimeout(resolve, 60));
    api.things = [thing('late', 1, 50)];
    api.version = 51;
    refuse = false;
    reflector.hurry();
    await until(reflector, () => reflector.status().kind === 'live');
    expect(values(reflector)).toEqual({ late: 1 });
    expect(api.asked.filter((asked) => asked === 'list').length).toBeGreaterThan(1);
  });

  test('a watch that had its bookmarks, and falls silent, is broken, and the status says so', async () => {
    const reflector = open({ quietMs: 40 });
    await live(reflector);
    api.send('BOOKMARK', { metadata: { resourceVersion: '20' } });
    await until(reflector, () => reflector.status().kind === 'away');
    expect(reflector.status()).toMatchObject({ failure: 'nothing was heard for 0.04 s' });
    await live(reflector);
  });

  test('a watch that never had one is given its time, and not longer', async () => {
    const reflector = open({ quietMs: 40, watchSeconds: 1, lateMs: 50 });
    const began = performance.now();
    await live(reflector);
    await until(reflector, () => reflector.failures() === 1);
    // Not after the 40 ms of one that had bookmarks: after the second that the watch was asked to last.
    expect(performance.now() - began).toBeGreaterThan(900);
    await live(reflector);
  });

  test('an event that is cut off in the middle breaks the watch, and is heard from the next', async () => {
    const reflector = open();
    await live(reflector);
    for (const response of api.watches) response.end('{"type":"MODIFIED","object":{"metadata":{"na');
    await until(reflector, () => reflector.failures() === 1);
    await live(reflector);
    expect(api.asked.at(-1)).toBe('watch 10');
  });

  test.each([
    { code: 403, kind: 'forbidden', words: 'grant list and watch on things.test' },
    { code: 401, kind: 'forbidden', words: 'renew the credentials' },
    { code: 404, kind: 'absent', words: '' },
    { code: 503, kind: 'away', words: 'the API server answers 503: because' },
  ])('a list that is answered $code is $kind', async ({ code, kind, words }) => {
    api.answer = (_, response) => status(code, 'because')(response);
    const reflector = open();
    await until(reflector, () => reflector.failures() > 0);
    expect(reflector.status().kind).toBe(kind);
    expect(JSON.stringify(reflector.status())).toContain(words);
  });

  test('what was not served is found as soon as somebody hints at it', async () => {
    api.answer = (_, response) => status(404, '404 page not found')(response);
    const reflector = open();
    await until(reflector, () => reflector.status().kind === 'absent');
    api.answer = null;
    api.things = [thing('a', 1, 5)];
    reflector.hurry();
    await live(reflector);
    expect(values(reflector)).toEqual({ a: 1 });
  });

  test('a server that asks to be left alone is left alone for so long', async () => {
    api.answer = (_, response) => status(429, 'too many requests', { 'retry-after': '60' })(response);
    const reflector = open();
    await until(reflector, () => reflector.failures() > 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(api.asked).toHaveLength(1);
  });

  test('an object that was deleted and made again is the new one', async () => {
    api.things = [thing('a', 1, 5, 'first')];
    const reflector = open();
    await live(reflector);
    api.send('DELETED', thing('a', 1, 11, 'first'));
    api.send('ADDED', thing('a', 2, 12, 'second'));
    await until(reflector, () => reflector.version() === '12');
    expect([...reflector.store.all()]).toMatchObject([{ uid: 'second', value: 2 }]);
  });

  test('knows whether it has heard of a write', async () => {
    api.things = [thing('a', 1, 5)];
    const reflector = open();
    await live(reflector);
    const at = (version: number) =>
      hasReached(reflector, { namespace: 'acme', name: 'a', resourceVersion: String(version) });
    expect([at(5), at(10), at(11), at(100)]).toEqual([true, true, false, false]);
    api.send('MODIFIED', thing('a', 2, 100));
    await until(reflector, () => reflector.version() === '100');
    expect([at(99), at(100), at(101)]).toEqual([true, true, false]);
  });
});

test.each([
  ['9', '10', false],
  ['10', '9', true],
  ['10', '10', true],
  ['99999999999999999999', '100000000000000000000', false],
  ['', '1', false],
])('version %s is not older than %s: %s', (version, than, so) => expect(notOlder(version, than)).toBe(so));
