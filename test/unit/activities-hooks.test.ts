import { createServer, type IncomingMessage, type Server } from 'node:http';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { callHook } from '../../activities/hooks.js';
import { placeOf, provisionRequest } from '../../activities/places.js';
import type { AccountPolicy } from '../../src/domain/account.js';
import type { FieldTarget, Mutation } from '../../src/domain/cluster.js';
import { AT, policyOf, simple } from './allocate-fixtures.js';

/* What a user's cache hears before capacity is needed; it must never be what keeps capacity from coming. */

const addressSchema = z.object({ port: z.number() });

describe('hooks', () => {
  let server: Server;
  let heard: { request: IncomingMessage; body: unknown }[];
  let answers: { code: number; text?: string }[];
  let url: string;
  beforeEach(async () => {
    heard = [];
    answers = [];
    server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        heard.push({ request, body: JSON.parse(text) });
        const { code, text: said = '' } = answers.shift() ?? { code: 204 };
        response.writeHead(code, { location: 'http://127.0.0.1:1/' }).end(said);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${addressSchema.parse(server.address()).port}/warm`;
  });
  afterEach(async () => {
    server.close();
    await once(server, 'close');
  });

  const policy = (at = url): AccountPolicy => simple({}, { prefetch: [{ name: 'catalogue', url: at }] });
  const mutation = (target: Partial<Extract<FieldTarget, { field: 'prepared' }>> = {}): Mutation => ({
    key: 'change/acme/7#2',
    account: 'acme',
    target: { field: 'prepared', workload: 'web', action: 'prefetch.catalogue', value: AT + 3600, ...target },
    expect: { value: 0, owner: null },
    reason: 'more replicas from then on',
    planId: 'plan-1',
  });
  const call = (given = mutation(), account = policy()) => callHook(account, given, new AbortController().signal);

  test('is told once what is coming and when, under the change’s key', async () => {
    answers = [{ code: 202, text: 'on it' }];
    const answer = await call();
    expect(answer).toMatchObject({ answered: true, value: AT + 3600 });
    expect(answer?.note).toMatch(/^prefetch.catalogue: 202 in \d+ ms: on it$/);
    expect(heard).toHaveLength(1);
    expect(heard[0]?.request).toMatchObject({ method: 'POST', url: '/warm' });
    expect(heard[0]?.request.headers).toMatchObject({
      'idempotency-key': 'change/acme/7#2',
      'content-type': 'application/json',
    });
    expect(heard[0]?.body).toEqual({
      key: 'change/acme/7#2',
      account: 'acme',
      workload: 'web',
      hook: 'prefetch',
      action: 'prefetch.catalogue',
      neededAt: '2026-03-02T11:00:00Z',
      reason: 'more replicas from then on',
      plan: 'plan-1',
    });
  });

  test('one that asked is told which data sets will be read', async () => {
    await call({ ...mutation(), dataSets: ['orders', 'customers'] });
    expect(heard[0]?.body).toMatchObject({ dataSets: ['orders', 'customers'] });
  });

  test.each([
    { row: 'a stumble is tried again', codes: [503, 200], answered: true, calls: 2 },
    { row: 'down twice is gone ahead without', codes: [500, 500], answered: false, calls: 2 },
    { row: 'a no is not argued with', codes: [404], answered: false, calls: 1 },
    { row: 'it is followed nowhere else', codes: [302, 302], answered: false, calls: 2 },
  ])('$row', async ({ codes, answered, calls }) => {
    answers = codes.map((code) => ({ code }));
    const answer = await call();
    expect(answer?.answered).toBe(answered);
    expect(heard).toHaveLength(calls);
    // Unanswered it stands as not done: the next cycle that has time left calls again.
    if (!answered) expect(answer).toMatchObject({ value: 0, note: expect.stringContaining('gone ahead without') });
  });

  test('one that nobody serves is told in words, and nothing is thrown', async () => {
    const answer = await call(mutation(), policy('http://127.0.0.1:1/warm'));
    expect(answer?.answered).toBe(false);
    expect(answer?.note).toContain('prefetch.catalogue: ');
  });

  test('a cancelled change ends the call', async () => {
    const ended = new AbortController();
    ended.abort(new Error('cancelled'));
    await expect(callHook(policy(), mutation(), ended.signal)).rejects.toThrow('cancelled');
  });

  test.each([
    {
      row: 'another field',
      given: { ...mutation(), target: { field: 'replicas', workload: 'web', value: 3 } as const },
    },
    { row: 'an action that is none', given: mutation({ action: 'prefetch.gone' }) },
    { row: 'a workload that is gone', given: mutation({ workload: 'old' }) },
  ])('$row calls nobody', async ({ given }) => {
    expect(await call(given)).toBeNull();
    expect(heard).toEqual([]);
  });
});

describe('where the fields of pools and tasks stand', () => {
  const account = policyOf({
    timeZone: 'Europe/Berlin',
    workloads: [{ name: 'web', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 5 } }],
    pools: [
      { name: 'plain', pricePerHour: 1, node: { cpu: 4 } },
      { name: 'warm', pricePerHour: 1, node: { cpu: 4 }, provisioning: { placeholders: { share: 0.5 } } },
      {
        name: 'spot',
        pricePerHour: 1,
        node: { cpu: 4 },
        provisioning: { karpenter: { nodePool: 'cheap', limit: 'cpu' } },
      },
    ],
    tasks: [
      { name: 'shown', workload: 'web', cron: '0 2 * * *', duration: '1h', demand: { cpu: 1 }, later: '1h' },
      {
        name: 'moved',
        workload: 'web',
        cron: '0 3 * * *',
        duration: '1h',
        demand: { cpu: 1 },
        later: '1h',
        target: {},
      },
    ],
  });

  test('a pool’s nodes are told by its label, Karpenter’s by Karpenter’s own', () => {
    const { provisioned } = provisionRequest(account);
    expect(provisioned?.map(({ pool, nodeSelector }) => [pool, nodeSelector])).toEqual([
      ['warm', { 'headroom.dev/pool': 'warm' }],
      ['spot', { 'karpenter.sh/nodepool': 'cheap' }],
    ]);
    expect(provisioned?.[0]?.placeholders).toMatchObject({ namespace: 'acme', share: 0.5, node: { cpu: 4 } });
    expect(provisioned?.[1]?.karpenter).toEqual({ nodePool: 'cheap', limit: 'cpu', weight: false });
  });

  test('a task whose CronJob the file names, and no other', () => {
    const moved = {
      kind: 'CronJob',
      task: 'moved',
      namespace: 'acme',
      name: 'moved',
      schedule: { cron: '0 3 * * *', timeZone: 'Europe/Berlin' },
    };
    expect(provisionRequest(account).tasks).toEqual([moved]);
    expect(placeOf(account, { field: 'start', task: 'moved', scheduled: AT, value: AT })).toEqual(moved);
    expect(placeOf(account, { field: 'start', task: 'shown', scheduled: AT, value: AT })).toBeNull();
  });

  test('a file that says nothing of it asks for nothing of it', () => {
    expect(provisionRequest(simple())).toEqual({});
    expect(placeOf(simple(), { field: 'warm', pool: 'general', value: 1 })).toEqual({
      kind: 'Pool',
      pool: 'general',
      nodeSelector: { 'headroom.dev/pool': 'general' },
    });
  });
});
