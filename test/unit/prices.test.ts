import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAllocator, withPrices } from '../../src/allocate/index.js';
import type { PriceBook } from '../../src/domain/prices.js';
import { readBook } from '../../src/prices/document.js';
import { createFilePrices } from '../../src/prices/file.js';
import { createHttpPrices } from '../../src/prices/http.js';
import { createPrices } from '../../src/prices/kept.js';
import { createPrometheusPrices } from '../../src/prices/prometheus.js';
import { unknownPools } from '../../src/prices/unknown.js';
import type { PriceSource } from '../../src/prices/port.js';
import { AT, demandOf, inputOf, policyOf, stateOf } from './allocate-fixtures.js';

/** Two providers: the dearer one never interrupts. */
const market = (prices?: Parameters<typeof policyOf>[0]['prices']) =>
  policyOf({
    ...(prices === undefined ? {} : { prices }),
    workloads: [{ name: 'web', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 40 } }],
    pools: [
      { name: 'a', provider: 'aws', region: 'eu-1', zone: 'z1', pricePerHour: 0.4, node: { cpu: 4 }, leadTime: '0s' },
      { name: 'g', provider: 'gcp', region: 'eu-1', zone: 'z2', pricePerHour: 0.5, node: { cpu: 4 }, leadTime: '0s' },
      {
        ...{ name: 's', provider: 'gcp', region: 'eu-1', zone: 'z2', capacityType: 'spot', pricePerHour: 0.3 },
        ...{ node: { cpu: 4 }, leadTime: '0s' },
      },
    ],
  });

const book = (prices: PriceBook['prices'], more: Partial<PriceBook> = {}): PriceBook => ({
  ...{ source: 'prices.csv', at: AT, prices, egress: [] },
  ...more,
});

describe('a book is read', () => {
  const csv =
    'provider,capacityType,pricePerHour,interruptionsPerHour,from,to,perGiB\naws,,0.31,,,,\ngcp,spot,0.12,0.05,,,\n,,,,aws,gcp,0.09\n';
  const rows = {
    prices: [{ provider: 'aws', pricePerHour: 0.31 }],
    egress: [{ from: 'aws', to: 'gcp', perGiB: 0.09 }],
  };
  test.each([
    { name: 'from CSV', text: csv, format: 'csv' as const, at: AT },
    { name: 'from JSON', text: JSON.stringify(rows), format: 'json' as const, at: AT },
    {
      name: 'from YAML, with its own time',
      text: `at: ${AT - 60}\nprices:\n  - {provider: aws, pricePerHour: 0.31}\negress: [{from: aws, to: gcp, perGiB: 0.09}]\n`,
      format: 'yaml' as const,
      at: AT - 60,
    },
  ])('$name', ({ text, format, at }) => {
    const read = readBook('prices', text, format, AT);
    expect(read.at).toBe(at);
    expect(read.prices[0]).toEqual({ provider: 'aws', pricePerHour: 0.31 });
    expect(read.egress).toEqual([{ from: 'aws', to: 'gcp', perGiB: 0.09 }]);
  });

  test.each([
    { name: 'a negative price', cells: 'aws,-0.3', says: 'row 2: pricePerHour -0.3 is negative' },
    { name: 'NaN', cells: 'aws,NaN', says: 'row 2: pricePerHour NaN is no number' },
    { name: '1e12', cells: 'aws,1e12', says: 'row 2: pricePerHour 1e12 is above 1000000' },
    { name: 'infinity', cells: 'aws,Infinity', says: 'is above' },
    { name: 'a decimal comma', cells: 'aws,"0,31"', says: 'is no number' },
    { name: 'no price at all', cells: 'aws,', says: 'row 2: pricePerHour is missing' },
  ])('and $name is refused with its place', ({ cells, says }) => {
    expect(() => readBook('prices.csv', `provider,pricePerHour\n${cells}\n`, 'csv', AT)).toThrow(says);
    expect(() => readBook('prices.csv', `provider,pricePerHour\n${cells}\n`, 'csv', AT)).toThrow(/correct it|give/);
  });

  test('and a price under another name is refused with that name', () => {
    expect(() => readBook('prices.csv', 'pool,price\na,0.3\n', 'csv', AT)).toThrow(
      'row 2: pricePerHour is missing; there is "price", which is no field of a price; give',
    );
  });

  test.each([
    { name: 'a row of the year 2036', at: '2036-01-01', says: /row 2: at 2036-01-01 lies in the future.*leave at out/ },
    { name: 'milliseconds', at: `${AT * 1000}`, says: new RegExp(`looks like epoch milliseconds.*seconds: ${AT},`) },
    { name: 'more than clocks differ', at: `${AT + 301}`, says: /lies in the future/ },
  ])('and a time in the future is refused, since it would never grow old: $name', ({ at, says }) => {
    expect(() => readBook('prices.csv', `pool,pricePerHour,at\na,0.3,${at}\n`, 'csv', AT - 60, AT)).toThrow(says);
    const whole = JSON.stringify({ at, prices: [{ pool: 'a', pricePerHour: 0.3 }] });
    expect(() => readBook('prices', whole, 'json', AT - 60, AT)).toThrow(`reading prices, at: at ${at} `);
  });

  test('and one that is ahead by no more than clocks differ is taken', () => {
    expect(readBook('prices.csv', `pool,pricePerHour,at\na,0.3,${AT + 299}\n`, 'csv', AT).at).toBe(AT + 299);
  });

  test.each([
    {
      name: 'two prices of a pool',
      text: 'pool,capacityType,pricePerHour\na,spot,0.3\na,,0.4\na,spot,0.9\n',
      says: 'row 4: row 2 has a price of the same already (pool a, capacityType spot); leave one',
    },
    {
      name: 'two of a way',
      text: 'from,to,perGiB\naws,gcp,0.1\ngcp,aws,0.1\naws,gcp,0.2\n',
      says: 'row 4: row 2 has a price of the same already (from aws to gcp)',
    },
  ])('and $name are refused, both named: the later one would count in silence', ({ text, says }) => {
    expect(() => readBook('prices.csv', text, 'csv', AT)).toThrow(says);
  });

  test.each([
    { name: 'one misspelt', pool: 'gg', says: ['did you mean "g"?'] },
    { name: 'one of another account', pool: 'elsewhere', says: ['its pools: a, g, s'] },
    { name: 'one that is there', pool: 'g', says: [] },
  ])('and a pool that the account does not have is said: $name', ({ pool, says }) => {
    const row = { pool, pricePerHour: 0.3 };
    const told = unknownPools(book([row, { provider: 'aws', pricePerHour: 0.3 }, row]), {
      owner: 'shop',
      pools: market().pools,
    });
    expect(told).toEqual(says.map((text) => expect.stringContaining(text)));
  });

  test.each([
    { name: 'no row', text: 'provider,pricePerHour\n', format: 'csv' as const },
    { name: 'no JSON', text: '<html>', format: 'json' as const },
    { name: 'a list', text: '[1]', format: 'json' as const },
  ])('and $name is refused', ({ text, format }) => {
    expect(() => readBook('prices', text, format, AT)).toThrow('prices: reading prices');
  });
});

describe('the price of a pool', () => {
  const used = (prices: PriceBook['prices']) => withPrices(market(), { book: book(prices), problem: null });
  test('is of the row that names most of it', () => {
    const { policy } = used([
      { provider: 'gcp', capacityType: 'spot', pricePerHour: 0.12 },
      { provider: 'gcp', pricePerHour: 0.45 },
      { provider: 'aws', zone: 'elsewhere', pricePerHour: 0.01 },
      { pool: 'a', pricePerHour: 0.33 },
    ]);
    expect(policy.pools.map((pool) => pool.pricePerHour)).toEqual([0.33, 0.45, 0.12]);
  });

  test('that is missing is the account file’s, and says so', () => {
    const { policy, used: words } = used([{ provider: 'gcp', pricePerHour: 0.45 }]);
    expect(policy.pools[0]?.pricePerHour).toBe(0.4);
    expect(words[0]).toMatchObject({ at: null, words: '0.4 USD/h of the account file: prices.csv has none of it' });
    expect(words[1]).toMatchObject({ at: AT, words: '0.45 USD/h from prices.csv of 2026-03-02T10:00:00Z' });
  });

  test('decides where replicas go; the plan says which it used, and what the other places would have cost', async () => {
    const allocator = await createAllocator();
    const plan = (prices: PriceBook['prices']) => {
      const priced = withPrices(market(), { book: book(prices), problem: null });
      const state = stateOf(priced.policy, { web: 8 });
      return allocator.allocate({
        ...inputOf(priced.policy, [demandOf('web', 'cpu', [8])], { state }),
        prices: priced.used,
      }).plan;
    };
    const spot = { capacityType: 'spot' as const, pricePerHour: 0.2 };
    const cheap = plan([{ provider: 'aws', pricePerHour: 0.41 }, spot]);
    expect(cheap.blocks[0]?.workloads[0]?.pools).toEqual({ s: 8 });
    expect(cheap.check).toEqual({ ok: true, broken: 0, breaches: [] });
    const reason = cheap.reasons.find((one) => one.number === 'web.replicas');
    expect(reason?.rejected).toContainEqual({
      ...{ alternative: 'on pool a (on-demand, aws)', why: 'costs more: 0.82 for nodes', costPerHour: 0.42 },
    });
    expect(cheap.reasons.find((one) => one.number === 's.nodes')?.binding.words).toContain(
      '0.2 USD/h from prices.csv of 2026-03-02T10:00:00Z',
    );
    // Cheaper by the hour, and not reliable enough: interruptions cost more than it saves.
    const shaky = plan([
      { provider: 'aws', pricePerHour: 0.41 },
      { ...spot, interruptionsPerHour: 3 },
    ]);
    expect(shaky.blocks[0]?.workloads[0]?.pools).toEqual({ a: 8 });
    const told = shaky.reasons
      .find((one) => one.number === 'web.replicas')
      ?.rejected.find((one) => one.alternative.includes('pool s'));
    expect(told?.why).toMatch(/costs more: 0\.4 for nodes, interruptions \d/);
  });
});

describe('what is known of a source', () => {
  const settings = { file: 'p.csv', every: '5m', keep: '1h', staleAfter: '1d' };
  function harness(read: () => PriceBook, speed = 1) {
    let at = AT;
    let calls = 0;
    const source: PriceSource = {
      name: 'fake',
      read: async () => {
        calls++;
        return read();
      },
    };
    const prices = createPrices({ env: {}, now: () => at, speed: () => speed, open: () => source });
    return { prices, calls: () => calls, later: (seconds: number) => (at += seconds), policy: market(settings) };
  }

  test('is asked for once in a while, however many accounts share it', async () => {
    const { prices, calls, later, policy } = harness(() => book([{ provider: 'aws', pricePerHour: 1 }]));
    await Promise.all([prices.of(policy), prices.of(structuredClone(policy))]);
    later(200);
    await prices.of(policy);
    expect(calls()).toBe(1);
    later(200);
    await prices.of(policy);
    expect(calls()).toBe(2);
  });

  test.each([
    ['runs sixty times as fast', 60, 4, 2],
    ['runs so fast that every second would be too often', 10_000, 0.5, 0.6],
    ['runs as the wall does', 1, 299, 2],
  ])('is asked for by the clock of the accounts, which %s', async (_row, speed, early, then) => {
    const { prices, calls, later, policy } = harness(() => book([{ provider: 'aws', pricePerHour: 1 }]), speed);
    await prices.of(policy);
    later(early);
    await prices.of(policy);
    expect(calls()).toBe(1);
    later(then);
    await prices.of(policy);
    expect(calls()).toBe(2);
  });

  test('an account without a source has none', async () => {
    const { prices } = harness(() => book([]));
    expect(await prices.of(market())).toBeNull();
  });

  test('the last good prices stand in for the stated time, then the account file’s do, and both are said', async () => {
    let broken = false;
    const { prices, later, policy } = harness(() => {
      if (broken) throw new Error('row 3: pricePerHour -1 is negative');
      return book([{ provider: 'aws', pricePerHour: 1 }]);
    });
    expect(await prices.of(policy)).toMatchObject({ problem: null });
    broken = true;
    later(1800);
    const kept = await prices.of(policy);
    expect(kept).toMatchObject({
      problem: 'row 3: pricePerHour -1 is negative',
      book: { prices: [{ pricePerHour: 1 }] },
    });
    if (kept !== null)
      expect(withPrices(policy, kept).used[0]?.words).toContain('(kept: row 3: pricePerHour -1 is negative)');
    later(1801);
    const gone = await prices.of(policy);
    expect(gone?.book).toBeNull();
    if (gone !== null) {
      const { used, policy: priced } = withPrices(policy, gone);
      expect(used[0]?.words).toContain('0.4 USD/h of the account file: row 3');
      expect(priced.pools[0]?.pricePerHour).toBe(0.4);
    }
    broken = false;
    later(301);
    expect(await prices.of(policy)).toMatchObject({ problem: null });
  });

  test.each([
    { name: 'stale', given: book([{ provider: 'aws', pricePerHour: 1 }], { at: AT - 90_000 }), says: 'older than 1d' },
    {
      name: 'in another currency',
      given: book([{ provider: 'aws', pricePerHour: 1 }], { currency: 'EUR' }),
      says: 'in EUR',
    },
  ])('prices that are $name are not used', async ({ given, says }) => {
    const { prices, policy } = harness(() => given);
    const known = await prices.of(policy);
    expect(known?.book).toBeNull();
    expect(known?.problem).toContain(says);
  });
});

describe('sources', () => {
  let folder: string;
  let answer: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  const server = createServer((request, response) => answer(request, response));
  let url = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'prices-'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
  });

  test('a file has the time of its last change', async () => {
    const file = join(folder, 'prices.yaml');
    await writeFile(file, 'prices: [{provider: aws, pricePerHour: 0.3}]\n');
    await utimes(file, AT, AT);
    expect(await createFilePrices(file, () => AT + 60).read()).toMatchObject({ source: file, at: AT });
    await expect(createFilePrices(join(folder, 'none.csv'), () => AT).read()).rejects.toMatchObject({
      kind: 'unavailable',
    });
    expect(() => createFilePrices('prices.txt', () => AT)).toThrow('ending');
  });

  test('HTTP sends the token, and does not fetch again what is unchanged', async () => {
    const seen: (string | undefined)[][] = [];
    answer = (request, response) => {
      seen.push([request.headers.authorization, request.headers['if-none-match']]);
      if (request.headers['if-none-match'] === '"1"') response.writeHead(304).end();
      else response.writeHead(200, { etag: '"1"' }).end('{"prices":[{"provider":"aws","pricePerHour":0.3}]}');
    };
    let at = AT;
    const source = createHttpPrices({ url: `${url}/now?key=secret`, token: 't', timeoutMs: 5000, now: () => at });
    const first = await source.read();
    at += 600;
    expect(await source.read()).toEqual({ ...first, at: AT + 600 });
    expect(first.source).not.toContain('secret');
    expect(seen).toEqual([
      ['Bearer t', undefined],
      ['Bearer t', '"1"'],
    ]);
  });

  test.each([
    { name: 'an error', status: 500, body: '', says: 'answers 500' },
    { name: 'no permission', status: 403, body: '', says: 'tokenEnv' },
    { name: 'another place', status: 302, body: '', says: 'redirect' },
    { name: 'no JSON', status: 200, body: '<html>', says: 'JSON' },
  ])('HTTP that answers with $name is an error', async ({ status, body, says }) => {
    answer = (_, response) => response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end(body);
    const source = createHttpPrices({ url, token: 't', timeoutMs: 5000, now: () => AT });
    await expect(source.read()).rejects.toThrow(says);
  });

  test('HTTP that does not answer ends within its time', async () => {
    answer = () => undefined;
    await expect(createHttpPrices({ url, timeoutMs: 50, now: () => AT }).read()).rejects.toThrow(
      'no answer within 0.05s',
    );
  });

  test('Prometheus: one row a series, joined by its labels', async () => {
    const vector = (value: string) =>
      JSON.stringify({
        status: 'success',
        data: {
          resultType: 'vector',
          result: [{ metric: { provider: 'aws', capacity_type: 'spot', zone: 'z1' }, value: [AT, value] }],
        },
      });
    answer = (request, response) => response.end(vector(request.url?.includes('rate') === true ? '0.05' : '0.21'));
    const queries = { price: 'node_price', interruptions: 'rate(interrupted[1d])' };
    const source = createPrometheusPrices({ url, queries, timeoutMs: 5000, now: () => AT });
    expect(await source.read()).toMatchObject({
      at: AT,
      prices: [
        { provider: 'aws', capacityType: 'spot', zone: 'z1', pricePerHour: 0.21, interruptionsPerHour: 0.05, at: AT },
      ],
    });
    answer = (_, response) => response.end(vector('NaN'));
    await expect(source.read()).rejects.toThrow('pricePerHour NaN is no number');
    answer = (_, response) => response.end('{"status":"success","data":{"resultType":"vector","result":[]}}');
    await expect(source.read()).rejects.toThrow('there is no such series');
  });
});
