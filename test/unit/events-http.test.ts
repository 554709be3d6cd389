import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { MOST_BODY_BYTES } from '../../src/telemetry/events/body.js';
import { createDoor, type Door } from '../../src/telemetry/events/door.js';
import { parseKeys } from '../../src/telemetry/events/keys.js';
import { createEventService, type EventService } from '../../src/telemetry/events/service.js';
import { addToken, createTokenBook, removeToken } from '../../src/telemetry/events/tokens.js';

/** Recorded from OpenTelemetry's Python SDK 1.45.2 with its OTLP exporter: five events and one ordinary log line. */
const FROM_PYTHON =
  'CuwIClIKHAoMc2VydmljZS5uYW1lEgwKCnJlcG9ydC13ZWIKFgoMY2xvdWQucmVnaW9uEgYKBGV1LTEKGgoQaGVhZHJvb20uYWNjb3VudBIGCgRhY21lEpUICggKBmV2ZW50cxLEAQkAZQNRpKyHGBAJKggKBm9wZW5lZDIVCgd1c2VyLmlkEgoKCHBlcnNvbi0wMhsKEGhlYWRyb29tLmRhdGFzZXQSBwoFc2FsZXMyFAoOaGVhZHJvb20uY291bnQSAhgCMiAKE2hlYWRyb29tLmNvbXBsZXhpdHkSCSEAAAAAAAD4PzIUCgR0YWdzEgwqCgoDCgFhCgMKAWIyFQoGbmVzdGVkEgsyCQoHCgF4EgIYAVn9BMf2JW3qGGILcmVwb3J0Lm9wZW4SxAEJAC+ejKSshxgQCSoICgZvcGVuZWQyFQoHdXNlci5pZBIKCghwZXJzb24tMTIbChBoZWFkcm9vbS5kYXRhc2V0EgcKBXNhbGVzMhQKDmhlYWRyb29tLmNvdW50EgIYAjIgChNoZWFkcm9vbS5jb21wbGV4aXR5EgkhAAAAAAAA+D8yFAoEdGFncxIMKgoKAwoBYQoDCgFiMhUKBm5lc3RlZBILMgkKBwoBeBICGAFZvozI9iVt6hhiC3JlcG9ydC5vcGVuEsQBCQD5OMikrIcYEAkqCAoGb3BlbmVkMhUKB3VzZXIuaWQSCgoIcGVyc29uLTIyGwoQaGVhZHJvb20uZGF0YXNldBIHCgVzYWxlczIUCg5oZWFkcm9vbS5jb3VudBICGAIyIAoTaGVhZHJvb20uY29tcGxleGl0eRIJIQAAAAAAAPg/MhQKBHRhZ3MSDCoKCgMKAWEKAwoBYjIVCgZuZXN0ZWQSCzIJCgcKAXgSAhgBWffryPYlbeoYYgtyZXBvcnQub3BlbhLEAQkAw9MDpayHGBAJKggKBm9wZW5lZDIVCgd1c2VyLmlkEgoKCHBlcnNvbi0zMhsKEGhlYWRyb29tLmRhdGFzZXQSBwoFc2FsZXMyFAoOaGVhZHJvb20uY291bnQSAhgCMiAKE2hlYWRyb29tLmNvbXBsZXhpdHkSCSEAAAAAAAD4PzIUCgR0YWdzEgwqCgoDCgFhCgMKAWIyFQoGbmVzdGVkEgsyCQoHCgF4EgIYAVl2Kcn2JW3qGGILcmVwb3J0Lm9wZW4SxAEJAI1uP6WshxgQCSoICgZvcGVuZWQyFQoHdXNlci5pZBIKCghwZXJzb24tNDIbChBoZWFkcm9vbS5kYXRhc2V0EgcKBXNhbGVzMhQKDmhlYWRyb29tLmNvdW50EgIYAjIgChNoZWFkcm9vbS5jb21wbGV4aXR5EgkhAAAAAAAA+D8yFAoEdGFncxIMKgoKAwoBYQoDCgFiMhUKBm5lc3RlZBILMgkKBwoBeBICGAFZhGzJ9iVt6hhiC3JlcG9ydC5vcGVuEiYJAAA2M6SshxgqEgoQYW4gb3JkaW5hcnkgbGluZVkwosn2JW3qGA==';

const KEY = 'c3'.repeat(32);
/** A Monday, 00:00 UTC; the recorded events are of its first seconds. */
const T = 1_767_571_200;
const signal = new AbortController().signal;
const LINES = 'application/x-ndjson';
const line = (user: string, more: object = {}): string =>
  JSON.stringify({ account: 'acme', at: T, user, operation: 'query', ...more });

describe('events by HTTP', () => {
  let folder = '';
  let clock = T + 60;
  let store: EmbeddedStore;
  let door: Door;
  let service: EventService;
  let acme = '';
  let all = '';
  const answers: string[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headroom-events-'));
    store = await createEmbeddedStore({ path: join(folder, 'telemetry.duckdb') });
    door = await createDoor({ folder, keys: parseKeys(KEY, 'the test'), mostPending: 100 });
    const tokens = join(folder, 'tokens.json');
    acme = (await addToken(tokens, ['acme'])).token;
    all = (await addToken(tokens, null)).token;
    const { find } = createTokenBook(tokens);
    const now = (): number => clock;
    service = await createEventService({ door, find, ownToken: 'own', host: '127.0.0.1', port: 0, now });
  });
  afterAll(async () => {
    await service.close();
    await door.close();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  const post = async (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) => {
    const response = await fetch(`${service.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${all}`, 'content-type': LINES, ...headers },
      body,
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    answers.push(bytes.toString('latin1'));
    return { status: response.status, headers: response.headers, bytes, text: bytes.toString() };
  };
  /** Closes all bins and answers what was counted since. */
  const counted = async (account: string): Promise<number> => {
    await door.settle(store, clock + 30 * 86_400);
    const rows = await store.readEvents({ account, from: 0, to: clock + 86_400, limit: 1000 }, signal);
    return rows.filter(({ kind }) => kind === 'operation').reduce((sum, { events }) => sum + events, 0);
  };
  const crowd = (account: string, more: object = {}): string =>
    Array.from({ length: 5 }, (_, index) => line(`crowd-member-${index}`, { account, ...more })).join('\n');

  it.each<{
    name: string;
    account: string;
    encode: (text: string) => string | Uint8Array<ArrayBuffer>;
    headers: Record<string, string>;
  }>([
    { name: 'plain', account: 'plain', encode: (text: string) => text, headers: {} },
    {
      name: 'by gzip',
      account: 'packed',
      encode: (text: string) => Uint8Array.from(gzipSync(text)),
      headers: { 'content-encoding': 'gzip' },
    },
  ])('JSON lines, $name: taken once on disk, and a repeat counts nothing', async ({ account, encode, headers }) => {
    const body = encode(`\n${crowd(account)}\n\n`);
    expect(await post('/v1/events', body, headers)).toMatchObject({ status: 202, text: '{"accepted":5,"repeated":0}' });
    expect(await post('/v1/events', body, headers)).toMatchObject({ status: 202, text: '{"accepted":0,"repeated":5}' });
    expect(await counted(account)).toBe(5);
  });

  it('the same lines under another Idempotency-Key are other events', async () => {
    const body = crowd('keyed');
    for (const key of ['1', '1', '2'])
      expect((await post('/v1/events', body, { 'idempotency-key': key })).status).toBe(202);
    expect(await counted('keyed')).toBe(10);
  });

  const good = line('someone-good', { account: 'mixed' });
  it.each([
    { name: 'not JSON', bad: 'leaky-person-1 was here', says: 'line 2: is not JSON' },
    { name: 'no object', bad: '["leaky-person-1"]', says: 'line 2: must be one JSON object' },
    {
      name: 'an unknown field',
      bad: line('leaky-person-1', { 'leaky-person-1': 1 }),
      says: 'line 2: has a field that is not',
    },
    { name: 'no user', bad: '{"account":"mixed","at":1767571200,"operation":"x"}', says: 'line 2: user is missing' },
    {
      name: 'a user where no person acted',
      bad: line('leaky-person-1', { system: true }),
      says: 'line 2: user must be absent',
    },
    { name: 'fields swapped', bad: line('x', { account: 'leaky-person-1@home' }), says: 'line 2: account must be' },
    { name: 'a time that is none', bad: line('x', { at: 'leaky-person-1' }), says: 'line 2: at must be epoch seconds' },
    { name: 'milliseconds', bad: line('x', { at: T * 1000 }), says: 'line 2: at must be epoch seconds' },
    { name: 'a count of zero', bad: line('x', { count: 0 }), says: 'line 2: count must be above 0' },
    {
      name: 'a negative complexity',
      bad: line('x', { complexity: -1 }),
      says: 'line 2: complexity must not be negative',
    },
    {
      name: 'an infinite count',
      bad: line('x').replace('"query"', '"query","count":1e999'),
      says: 'line 2: count must be',
    },
    {
      name: 'a control character',
      bad: line('x', { dataset: 'a\u001b[31m' }),
      says: 'line 2: dataset must not have control',
    },
    { name: 'too long a line', bad: line('x', { dataset: 'a'.repeat(20_000) }), says: 'line 2: is longer than 16384' },
    { name: 'yesterday’s yesterdays', bad: line('x', { at: T - 30 * 86_400 }), says: 'headroom events import' },
    { name: 'the future', bad: line('x', { at: T + 86_400 }), says: 'in the future' },
  ])('$name: the line is told, and nothing of the batch was taken', async ({ bad, says }) => {
    const { status, text } = await post('/v1/events', `${good}\n${bad}\n${good}`);
    expect({ status, told: text.includes(says), text }).toMatchObject({ status: 400, told: true });
    expect(text).not.toContain('leaky-person');
    expect(await counted('mixed')).toBe(0);
  });

  it('a mended batch is sent again whole', async () => {
    const lines = crowd('mended').split('\n');
    expect((await post('/v1/events', [...lines, '{'].join('\n'))).status).toBe(400);
    expect((await post('/v1/events', lines.join('\n'))).status).toBe(202);
    expect(await counted('mended')).toBe(5);
  });

  it.each<{ name: string; headers: Record<string, string>; path: string; status: number }>([
    { name: 'no token', headers: { authorization: '' }, path: '/v1/events', status: 401 },
    { name: 'a wrong token', headers: { authorization: 'Bearer hre_00000000_x' }, path: '/v1/events', status: 401 },
    {
      name: 'a wrong token, OTLP',
      headers: { authorization: 'Bearer x', 'content-type': 'application/x-protobuf' },
      path: '/v1/logs',
      status: 401,
    },
    { name: 'a sender at the operator’s own door', headers: {}, path: '/v1/import', status: 401 },
    { name: 'another content type', headers: { 'content-type': 'text/csv' }, path: '/v1/events', status: 415 },
    { name: 'another encoding', headers: { 'content-encoding': 'br' }, path: '/v1/events', status: 415 },
    { name: 'gzip that is none', headers: { 'content-encoding': 'gzip' }, path: '/v1/events', status: 400 },
    { name: 'another address', headers: {}, path: '/v1/leaky-person-1', status: 404 },
    { name: 'OTLP that is none', headers: { 'content-type': 'application/x-protobuf' }, path: '/v1/logs', status: 400 },
    { name: 'OTLP that is no JSON', headers: { 'content-type': 'application/json' }, path: '/v1/logs', status: 400 },
  ])('$name is refused with $status and repeats nothing', async ({ path, headers, status }) => {
    const answer = await post(path, `${line('leaky-person-1')} {`, headers);
    expect(answer.status).toBe(status);
    expect(answer.text).not.toContain('leaky-person');
  });

  it.each<{ name: string; body: () => Uint8Array<ArrayBuffer>; headers: Record<string, string> }>([
    { name: 'plain', body: () => new Uint8Array(MOST_BODY_BYTES + 1), headers: {} },
    {
      name: 'small when packed',
      body: () => Uint8Array.from(gzipSync(new Uint8Array(20 * MOST_BODY_BYTES))),
      headers: { 'content-encoding': 'gzip' },
    },
  ])('a body that is too large, $name, is refused', async ({ body, headers }) => {
    expect((await post('/v1/events', body(), headers)).status).toBe(413);
  });

  it('a sender that is slow to end a body that is too large is heard out, and then told: not cut off in the middle', async () => {
    const headers = { authorization: `Bearer ${all}`, 'content-type': LINES };
    const request = httpRequest(`${service.url}/v1/events`, { method: 'POST', headers });
    const answered = new Promise<object>((answer, fail) => {
      request.once('error', fail).once('response', (response) => {
        response.resume();
        answer({ status: response.statusCode, sent: request.writableFinished });
      });
    });
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(MOST_BODY_BYTES + 1);
      await delay(300);
      yield new Uint8Array(MOST_BODY_BYTES);
    }
    Readable.from(slow()).pipe(request);
    expect(await answered).toEqual({ status: 413, sent: true });
  });

  it('a token of one account writes no other’s events, and need not name its own', async () => {
    const as = { authorization: `Bearer ${acme}` };
    const other = await post('/v1/events', crowd('beta'), as);
    expect(other).toMatchObject({ status: 400 });
    expect(other.text).toContain('is not one that this token may write');
    const unnamed = crowd('acme').replaceAll('"account":"acme",', '');
    expect((await post('/v1/events', unnamed, as)).status).toBe(202);
    expect([await counted('beta'), await counted('acme')]).toEqual([0, 5]);
  });

  it('a token that was taken back is not known any more', async () => {
    const { id, token } = await addToken(join(folder, 'tokens.json'), ['acme']);
    const as = { authorization: `Bearer ${token}`, 'idempotency-key': 'taken back' };
    expect((await post('/v1/events', '', as)).status).toBe(202);
    await removeToken(join(folder, 'tokens.json'), id);
    expect((await post('/v1/events', '', as)).status).toBe(401);
  });

  it('tells senders to wait where too much is waiting, and loses nothing by it', async () => {
    const many = Array.from({ length: 101 }, (_, index) => line(`m${index}`, { account: 'many' })).join('\n');
    const { status, headers } = await post('/v1/events', many);
    expect(status).toBe(429);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await counted('many')).toBe(0);
  });

  it('OTLP, protobuf, as OpenTelemetry’s own exporter sends it: events are taken, an ordinary line is rejected', async () => {
    const body = Uint8Array.from(Buffer.from(FROM_PYTHON, 'base64'));
    const headers = { 'content-type': 'application/x-protobuf' };
    const before = await counted('acme');
    const { status, bytes, headers: back } = await post('/v1/logs', body, headers);
    expect({ status, type: back.get('content-type') }).toEqual({ status: 200, type: 'application/x-protobuf' });
    // Field 1: partial success, in it field 1: one record rejected.
    expect([bytes[0], bytes[2], bytes[3]]).toEqual([0x0a, 0x08, 0x01]);
    expect(bytes.toString()).toContain('record 6: operation is missing');
    expect((await post('/v1/logs', body, headers)).status).toBe(200);
    expect(await counted('acme')).toBe(before + 10);
    const rows = await store.readEvents({ account: 'acme', from: 0, to: T + 86_400, limit: 100 }, signal);
    expect(rows).toContainEqual(
      expect.objectContaining({ name: 'report.open', detail: 'sales', users: 5, complexity: { sum: 15, of: 10 } }),
    );
    expect(rows).toContainEqual(expect.objectContaining({ kind: 'program', name: 'report-web', users: 5 }));
    expect(rows).toContainEqual(expect.objectContaining({ kind: 'region', name: 'eu-1', users: 5 }));
  });

  it('OTLP, JSON: a full success is an empty answer, and numbers may be text', async () => {
    const attribute = (key: string, value: object): object => ({ key, value });
    const logRecords = Array.from({ length: 5 }, (_, index) => ({
      observedTimeUnixNano: `${T + index}000000000`,
      attributes: [
        attribute('enduser.id', { stringValue: `json-person-${index}` }),
        attribute('event.name', { stringValue: 'login' }),
        attribute('tenant.id', { stringValue: 'otlp-json' }),
        attribute('headroom.count', { intValue: '3' }),
        attribute('headroom.group', { stringValue: 'staff' }),
      ],
      body: { stringValue: 'ignored' },
      severityText: 'INFO',
    }));
    const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ scope: { name: 'x' }, logRecords }] }] });
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    expect(await post('/v1/logs', body, headers)).toMatchObject({ status: 200, text: '{}' });
    expect(await counted('otlp-json')).toBe(15);
    expect(await post('/v1/logs', '{}', headers)).toMatchObject({ status: 200, text: '{}' });
  });

  it('OTLP is told to wait by a status that its senders try again after', async () => {
    const logRecords = Array.from({ length: 101 }, () => ({
      timeUnixNano: `${T}000000000`,
      eventName: 'login',
      attributes: [
        { key: 'user.id', value: { intValue: 7 } },
        { key: 'headroom.account', value: { stringValue: 'many' } },
      ],
    }));
    const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
    const { status, headers, text } = await post('/v1/logs', body, { 'content-type': 'application/json' });
    expect({ status, text }).toEqual({ status: 429, text: '{"code":8,"message":"too much is waiting"}' });
    expect(headers.get('retry-after')).not.toBeNull();
  });

  it('ids sent twice through different ways count once', async () => {
    const lines = crowd('ids').split('\n');
    const named = lines.map((one, index) => one.replace('{', `{"id":"event ${index}",`));
    expect((await post('/v1/events', named.join('\n'))).text).toBe('{"accepted":5,"repeated":0}');
    expect((await post('/v1/events', named.slice(0, 3).join('\n'))).text).toBe('{"accepted":0,"repeated":3}');
    clock += 8 * 86_400;
    await door.settle(store, clock);
    expect((await post('/v1/events', named.join('\n'))).status).toBe(400);
    clock = T + 60;
    expect(await counted('ids')).toBe(5);
  });

  it('nowhere on disk, and in no answer, is there a raw id or the key', async () => {
    await post('/v1/events', crowd('last', { dataset: 'home/crowd-member-3/inbox' }));
    const raw = [
      'crowd-member',
      'leaky-person',
      'someone-good',
      'json-person',
      'person-0',
      KEY,
      Buffer.from(KEY, 'hex'),
    ];
    const found: string[] = [];
    for (const name of await readdir(folder)) {
      const bytes = await readFile(join(folder, name));
      for (const word of raw) if (bytes.includes(word)) found.push(`${name}: ${word.toString()}`);
    }
    for (const answer of answers) for (const word of raw) if (answer.includes(word.toString())) found.push(answer);
    expect(found).toEqual([]);
    expect(answers.length).toBeGreaterThan(30);
  });
});
