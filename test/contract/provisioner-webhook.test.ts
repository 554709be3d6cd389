import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Provisioner } from '../../src/cluster/provision.js';
import { createWebhookProvisioner } from '../../src/cluster/webhook/provisioner.js';
import { isSigned, signatureOf } from '../../src/cluster/webhook/sign.js';
import type { Mutation } from '../../src/domain/cluster.js';
import { isHeadroomError } from '../../src/domain/errors.js';
import { provisionerContract } from './provisioner.js';
import { createWebhookReceiver, type WebhookReceiver } from './webhook-receiver.js';

const SECRET = 'a secret of thirty-two characters';

const provisionerOf = (receiver: WebhookReceiver, secret: () => string | undefined = () => SECRET): Provisioner =>
  createWebhookProvisioner({
    url: receiver.url,
    secret,
    secretFrom: 'HEADROOM_WEBHOOK_POOLS',
    timeout: 2,
    pauseMs: 1,
  });

provisionerContract('signed webhook', async () => {
  const receiver = await createWebhookReceiver(SECRET);
  return {
    provisioner: provisionerOf(receiver),
    place: (pool) => ({ kind: 'Pool', pool }),
    target: (pool, nodes) => ({ field: 'nodes', pool, value: nodes }),
    foreignWrite: (nodes, owner) => {
      Object.assign(receiver.pool, { nodes, owner });
      return Promise.resolve();
    },
    loseNextAnswer: () => {
      receiver.loseAnswers = 1;
      return Promise.resolve();
    },
    goDown: () => {
      receiver.down = true;
      return Promise.resolve();
    },
    goSlow: () => {
      receiver.delay = 5000;
      return Promise.resolve();
    },
    repeatsItself: true,
    tearDown: () => receiver.close(),
  };
});

describe('the pool webhook', () => {
  let receiver: WebhookReceiver;
  let provisioner: Provisioner;
  beforeEach(async () => {
    receiver = await createWebhookReceiver(SECRET);
    provisioner = provisionerOf(receiver);
  });
  afterEach(() => receiver.close());

  const place = { kind: 'Pool' as const, pool: 'general' };
  const mutation: Mutation = {
    key: 'change/fleet_main/7#general',
    account: 'fleet_main',
    target: { field: 'nodes', pool: 'general', value: 5 },
    expect: { value: 2, owner: 'ops' },
    reason: 'demand',
  };
  const apply = (by = provisioner) => by.apply(mutation, place, new AbortController().signal);
  const read = () => provisioner.read(place, new AbortController().signal);
  const kindOf = async (work: Promise<unknown>): Promise<string> => {
    const error = await work.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    return isHeadroomError(error) ? error.kind : String(error);
  };

  test('is signed over time and body, carries the key, and no secret', async () => {
    await apply();
    const [request] = receiver.requests;
    const timestamp = String(request?.headers['headroom-timestamp']);
    const expected = createHmac('sha256', SECRET)
      .update(`${timestamp}.${request?.body ?? ''}`)
      .digest('hex');
    expect(request?.headers['headroom-signature']).toBe(`v1=${expected}`);
    expect(request?.headers['idempotency-key']).toBe(mutation.key);
    expect(JSON.stringify(request)).not.toContain(SECRET);
    expect(JSON.parse(request?.body ?? '')).toEqual({
      version: 'headroom/v1',
      pool: 'general',
      action: 'apply',
      key: mutation.key,
      nodes: 5,
      expect: { value: 2, owner: 'ops' },
      reason: 'demand',
    });
  });

  test('a receiver tells an altered body, another time and another secret from the real request', () => {
    const body = '{"nodes":5}';
    const request = { timestamp: '1000', signature: signatureOf(SECRET, '1000', body), body };
    expect(isSigned(SECRET, request, 1010)).toBe(true);
    expect(isSigned(SECRET, { ...request, body: '{"nodes":500}' }, 1010)).toBe(false);
    expect(isSigned(SECRET, { ...request, timestamp: '1001' }, 1010)).toBe(false);
    expect(isSigned('another secret', request, 1010)).toBe(false);
    expect(isSigned(SECRET, request, 1000 + 3600), 'sent again an hour later').toBe(false);
    expect(isSigned(SECRET, { ...request, signature: undefined }, 1010)).toBe(false);
  });

  test.each([
    ['500', 500],
    ['429', 429],
    ['503', 503],
  ])('a passing %s is tried again with the same key, and the pool is sized once', async (_name, status) => {
    receiver.answers = [{ status }, { status }];
    expect(await apply()).toEqual({ kind: 'applied', value: 5 });
    expect(receiver.requests.map(({ headers }) => headers['idempotency-key'])).toEqual([
      mutation.key,
      mutation.key,
      mutation.key,
    ]);
    expect(receiver.pool.nodes).toBe(5);
  });

  test('one that stays is an error that says where, and what to do', async () => {
    receiver.answers = Array.from({ length: 9 }, () => ({ status: 502, body: 'bad gateway' }));
    await expect(apply()).rejects.toThrow(/502: bad gateway.*repeating a write with its key is safe/s);
    expect(receiver.requests).toHaveLength(3);
  });

  test('a redirect is refused: what the pool is to be goes to nobody else', async () => {
    const other = await createWebhookReceiver(SECRET);
    try {
      receiver.answers = [{ status: 307, headers: { location: other.url } }];
      expect(await apply()).toMatchObject({ kind: 'refused', detail: expect.stringContaining('redirects (307)') });
      expect(other.requests).toHaveLength(0);
    } finally {
      await other.close();
    }
  });

  test('a wrong secret is refused, in words that name its variable', async () => {
    const answered = await apply(provisionerOf(receiver, () => 'another secret'));
    expect(answered).toMatchObject({ kind: 'refused', detail: expect.stringContaining('HEADROOM_WEBHOOK_POOLS') });
    expect(receiver.pool.nodes).toBe(2);
  });

  test('without a secret nothing is sent', async () => {
    expect(await kindOf(apply(provisionerOf(receiver, () => undefined)))).toBe('invalid-input');
    expect(receiver.requests).toHaveLength(0);
  });

  test.each([
    ['no JSON', '<html>'],
    ['a pool of half a node', '{"nodes":1.5,"readyNodes":1}'],
    ['nodes below zero', '{"nodes":-1,"readyNodes":0}'],
    ['nothing in it', '{}'],
    ['longer than any answer', `{"nodes":2,"readyNodes":2,"owner":"${'x'.repeat(100_000)}"}`],
  ])('an answer that makes no sense is never a number: %s', async (_name, body) => {
    receiver.answers = Array.from({ length: 9 }, () => ({ status: 200, body }));
    expect(await kindOf(read())).toBe('unavailable');
  });

  test('a pool that the receiver does not know is none', async () => {
    expect(await provisioner.read({ kind: 'Pool', pool: 'ghost' }, new AbortController().signal)).toBeNull();
  });
});
