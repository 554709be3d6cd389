import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HeadroomError } from '../../src/domain/errors.js';
import { createStoreClient } from '../../src/telemetry/client.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { createStoreService, MOST_BODY_BYTES, type StoreService } from '../../src/telemetry/service.js';

const token = 'a-token-of-the-service-test';
const T = 1_767_571_200;
const signal = new AbortController().signal;

describe('store service: one owner, many readers', () => {
  let store: EmbeddedStore;
  let service: StoreService;
  beforeAll(async () => {
    store = await createEmbeddedStore({ path: ':memory:' });
    service = await createStoreService(store, { token });
  });
  afterAll(async () => {
    await service.close();
    await store.close();
  });

  const post = (
    path: string,
    body: string | Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = {},
  ): Promise<Response> =>
    fetch(`${service.url}${path}`, { method: 'POST', headers: { authorization: `Bearer ${token}`, ...headers }, body });
  const kindOf = async (response: Response): Promise<unknown> => {
    const body: unknown = await response.json();
    return typeof body === 'object' && body !== null && 'kind' in body ? body.kind : undefined;
  };

  it('listens on the loopback alone', () => {
    expect(service.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  it.each([
    ['no token', {}],
    ['another token', { authorization: 'Bearer of-bad-news-and-nothing' }],
    ['a token in another scheme', { authorization: `Basic ${token}` }],
  ])('%s is turned away before anything is read', async (_, headers) => {
    const response = await fetch(`${service.url}/v1/get-record`, { method: 'POST', headers, body: '{' });
    expect([400, 401]).toContain(response.status);
    expect(await response.text()).not.toContain('JSON');
  });

  it.each([
    ['no JSON', '/v1/get-record', '{', 400],
    ['a missing field', '/v1/get-record', '{"kind":"plan"}', 400],
    ['an unknown kind', '/v1/get-record', '{"kind":"spell","id":"1"}', 400],
    ['an unknown field', '/v1/get-record', '{"kind":"plan","id":"1","account":"x"}', 400],
    ['a limit of a million', '/v1/list-records', '{"kind":"plan","account":"a","limit":1000000}', 400],
    ['a step of zero', '/v1/read-usage', '{"account":"a","series":[],"from":0,"to":9,"step":0}', 400],
    ['a window the wrong way round', '/v1/read-usage', '{"account":"a","series":[],"from":900,"to":0,"step":300}', 400],
    [
      'a window of a million years',
      '/v1/read-usage',
      '{"account":"a","series":[{"workload":"w","component":"cpu"}],"from":0,"to":31536000000000,"step":1}',
      400,
    ],
    ['a frame that is none', '/v1/write-usage', 'timestamp,cpu', 400],
    ['a call that is not there', '/v1/drop-everything', '{}', 404],
    ['a snapshot that is not there', '/v1/read-snapshot', '{"id":"snap_x"}', 404],
  ])('%s is answered with what is wrong', async (_, path, body, status) => {
    const response = await post(path, body);
    expect(response.status).toBe(status);
    expect(await kindOf(response)).toBe(status === 404 && path.includes('snapshot') ? 'not-found' : 'invalid-input');
  });

  it('a body beyond the limit is refused and not read to its end', async () => {
    const response = await post('/v1/write-usage', new Uint8Array(MOST_BODY_BYTES + 1));
    expect(response.status).toBe(400);
    expect(await kindOf(response)).toBe('invalid-input');
  });

  it('a write larger than one request goes in parts, and is read back whole', async () => {
    const client = createStoreClient({ url: service.url, token });
    const samples = Array.from({ length: 450_000 }, (_, index) => ({ at: T + index, value: index % 7 }));
    const key = { account: 'large', workload: 'web', component: 'cpu' as const };
    expect(await client.writeUsage([{ key, samples }])).toEqual({ written: 450_000 });
    const window = await client.readUsage(
      { account: 'large', series: [{ workload: 'web', component: 'cpu' }], from: T, to: T + 450_000, step: 1 },
      signal,
    );
    const values = window.series[0]?.series.values;
    expect(values?.length).toBe(450_000);
    expect(values?.findIndex((value, index) => value !== index % 7)).toBe(-1);
  });

  it('errors of the store arrive with their kind, their action and their remedy', async () => {
    const failing = {
      ...store,
      putRecord: () =>
        Promise.reject(
          new HeadroomError({ kind: 'full', component: 'c', action: 'a', problem: 'p', remedy: 'free some space' }),
        ),
      getRecord: () => Promise.reject(new Error('a bug')),
    };
    const other = await createStoreService(failing, { token });
    const client = createStoreClient({ url: other.url, token });
    const record = { kind: 'plan' as const, id: '1', account: 'a', at: T, body: {} };
    await expect(client.putRecord(record)).rejects.toMatchObject({ kind: 'full', message: 'c: a: p; free some space' });
    await expect(client.getRecord('plan', '1')).rejects.toMatchObject({ kind: 'unavailable' });
    await other.close();
  });

  it('a cancelled reader is noticed by the owner, who stops reading', async () => {
    let seen: AbortSignal | undefined;
    const slow = {
      ...store,
      readUsage: (_query: unknown, until: AbortSignal) => {
        seen = until;
        return new Promise<never>((_, reject) => until.addEventListener('abort', () => reject(until.reason)));
      },
    };
    const other = await createStoreService(slow, { token });
    const controller = new AbortController();
    const query = { account: 'a', series: [], from: 0, to: 300, step: 300 };
    const reading = createStoreClient({ url: other.url, token }).readUsage(query, controller.signal);
    await expect.poll(() => seen).toBeDefined();
    controller.abort(new Error('enough'));
    await expect(reading).rejects.toThrow('enough');
    await expect.poll(() => seen?.aborted).toBe(true);
    await other.close();
  });

  it('an owner that has gone is unavailable, and says what to look at', async () => {
    const other = await createStoreService(store, { token });
    const client = createStoreClient({ url: other.url, token });
    expect(await client.getRecord('plan', 'none')).toBeNull();
    await other.close();
    await expect(client.getRecord('plan', 'none')).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(client.getRecord('plan', 'none')).rejects.toThrow('`headroom dev` or the worker is running');
  });

  it('refuses a token that can be guessed', async () => {
    await expect(createStoreService(store, { token: 'secret' })).rejects.toMatchObject({ kind: 'invalid-input' });
  });
});
