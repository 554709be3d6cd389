import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCommitments, recommendFrom } from '../../activities/fleet/commitments.js';
import { recommend } from '../../src/allocate/fleet/recommend.js';
import type { Decision } from '../../src/domain/commitment.js';
import type { FleetPolicy } from '../../src/domain/fleet.js';
import { readFleetFile } from '../../src/domain/fleet-file.js';
import { FLEET_ACCOUNT } from '../../src/domain/fleet-names.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { createStoreService, type StoreService } from '../../src/telemetry/service.js';
import { environment, within, type Ran } from '../cli/headroom.js';

/* What to reserve, from the nodes that the fleet needed: money is lost by too much of it as by too little. */

const HOUR = 3600;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;
/** A Monday, 2026-05-04T06:00:00Z. */
const AT = 1_777_874_400;

const policyOf = (...terms: string[]): FleetPolicy =>
  readFleetFile(
    `version: headroom/v1
fleet: shared
currency: EUR
pools:
  - { name: general, pricePerHour: 1, node: { cpu: 4 } }
  - { name: other, pricePerHour: 1, node: { cpu: 4 } }
commitments:
  terms:
${terms.map((term) => `    - { pool: general, ${term} }\n`).join('')}`,
    'fleet.yaml',
  );
const MONTH = 'name: month, length: 28d, pricePerHour: 0.6';
const YEAR = 'name: year, length: 364d, pricePerHour: 0.4';

/** Six nodes by day and two by night; at weekends two. */
const needAt = (at: number): number => {
  const hour = Math.floor(at / HOUR) % 24;
  const weekday = (Math.floor(at / DAY) + 3) % 7;
  return weekday < 5 && hour >= 6 && hour < 20 ? 6 : 2;
};
const neededFor = (weeks: number, at = (time: number): number => needAt(time)) => {
  const from = AT - weeks * WEEK;
  return {
    from,
    byPool: new Map([['general', Float64Array.from({ length: weeks * 168 }, (_, i) => at(from + i * HOUR))]]),
  };
};
const approved = (nodes: number, until: number, term = 'month'): Decision => ({
  ...{ kind: 'decision', id: 'x', decision: 'approved', author: 'ann', at: AT - DAY },
  ...{ pool: 'general', term, nodes, pricePerHour: 0.6, until },
});
const of = (policy: FleetPolicy, needed: ReturnType<typeof neededFor>, decisions: Decision[] = []) =>
  recommend({ policy, at: AT, needed, decisions }, (pool) => `1/${pool}`);

describe('what is worth reserving', () => {
  it.each([
    // 70 of 168 hours need more than two: 42 %.
    { name: 'what is needed day and night', terms: [MONTH], weeks: 4, term: 'month', nodes: 2 },
    {
      name: 'working hours too, where the price is below their share',
      terms: [MONTH.replace('0.6', '0.41')],
      weeks: 4,
      term: 'month',
      nodes: 6,
    },
    {
      name: 'the longer term where half of it is known, and it saves more',
      terms: [MONTH, YEAR],
      weeks: 26,
      term: 'year',
      nodes: 6,
    },
    { name: 'the shorter where it is not', terms: [MONTH, YEAR], weeks: 25, term: 'month', nodes: 2 },
    { name: 'no more than can be had', terms: [`${MONTH}, most: 1`], weeks: 4, term: 'month', nodes: 1 },
    { name: 'nothing of one week', terms: [MONTH], weeks: 1, term: null, nodes: 0 },
    { name: 'nothing of no history', terms: [MONTH], weeks: 0, term: null, nodes: 0 },
  ])('$name', ({ terms, weeks, term, nodes }) => {
    const found = of(policyOf(...terms), neededFor(weeks));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ id: '1/general', pool: 'general', term, nodes });
  });

  it('says what it is like, what it costs with and without, and what could not be judged', () => {
    const [found] = of(policyOf(MONTH, YEAR), neededFor(4));
    expect(found?.words).toBe(
      'reserve 2 nodes of pool general for month: the last of them is needed 100 % of the time, and pays from 60 % on, ' +
        'if the term is like the last 4 weeks',
    );
    // 2 + 4 × 70/168 nodes on average.
    expect(found?.withoutPerHour).toBeCloseTo(2 + (4 * 70) / 168, 9);
    expect(found?.costPerHour).toBeCloseTo(1.2 + (4 * 70) / 168, 9);
    expect(found?.notJudged).toEqual(['year needs 26 weeks of the fleet’s plans, and there are 4']);
  });

  it('history too short: said, and no number made up', () => {
    expect(of(policyOf(MONTH), neededFor(1))[0]).toMatchObject({
      ...{ term: null, nodes: 0, costPerHour: 0, withoutPerHour: 0 },
      words: 'nothing can be said of pool general yet',
      notJudged: ['month needs 2 weeks of the fleet’s plans, and there are 1'],
    });
  });

  it('hours that are not known are not hours without need', () => {
    const some = neededFor(4, (at) => (at % (20 * HOUR) === 0 ? Number.NaN : needAt(at)));
    expect(of(policyOf(MONTH), some)[0]).toMatchObject({ term: 'month', nodes: 2 });
    const nights = neededFor(4, (at) => (needAt(at) === 2 ? Number.NaN : 6));
    expect(of(policyOf(MONTH), nights)[0], 'the nights are what is not known').toMatchObject({
      term: null,
      notJudged: ['month: of the last 4 weeks only 41 % are known'],
    });
  });

  it.each([
    { name: 'nothing again that is reserved', decisions: [approved(2, AT + 4 * WEEK)], nodes: 0 },
    { name: 'what is still missing', decisions: [approved(1, AT + 4 * WEEK)], nodes: 1 },
    { name: 'again what ends too soon to count', decisions: [approved(2, AT + DAY)], nodes: 2 },
    {
      name: 'again what was rejected',
      decisions: [{ ...approved(2, AT + 4 * WEEK), decision: 'rejected' as const }],
      nodes: 2,
    },
    { name: 'again what was another pool’s', decisions: [{ ...approved(2, AT + 4 * WEEK), pool: 'other' }], nodes: 2 },
  ])('recommends $name', ({ decisions, nodes }) => {
    expect(of(policyOf(MONTH), neededFor(4), decisions)[0]?.nodes).toBe(nodes);
  });
});

const token = 'a-token-of-the-commitments-test';

describe('headroom fleet commitments', () => {
  let store: EmbeddedStore;
  let service: StoreService;
  const policy = policyOf(MONTH, YEAR);
  const ask = (...argv: string[]): Promise<Ran> =>
    within(
      environment(tmpdir(), { HEADROOM_HOME: tmpdir(), HEADROOM_STORE_URL: service.url, HEADROOM_STORE_TOKEN: token }),
      ...['fleet', 'commitments', ...argv],
    );
  const signal = new AbortController().signal;
  const recommendAt = (id: string, at: number) => recommendFrom(store, policy, { id, fleetId: 'shared@1', at }, signal);
  /** Plans as the fleet's cycle leaves them, one an hour: so many now, and what is needed from the next half hour on. */
  const plans = (from: number, to: number): Promise<void> =>
    store.putRecords(
      'fleet-plan',
      Array.from({ length: (to - from) / HOUR }, (_, index) => {
        const at = from + index * HOUR;
        const blocks = [at, at + HOUR / 2].map((start) => ({ from: start, to: start + HOUR / 2, costPerHour: 1 }));
        const pools = [{ pool: 'general', now: 9, nodes: [9, needAt(at)] }];
        return { id: `fleet/${at}`, account: FLEET_ACCOUNT, at, body: { blocks, pools } };
      }),
    );

  beforeAll(async () => {
    store = await createEmbeddedStore({ path: ':memory:' });
    service = await createStoreService(store, { token });
  });
  afterAll(async () => {
    await service.close();
    await store.close();
  });

  it('before the first: not found, and what makes one', async () => {
    expect(await ask()).toMatchObject({ code: 3, err: expect.stringContaining('whose file has `commitments`') });
  });

  it('too short a history is said, and there is nothing to approve', async () => {
    await plans(AT - 8 * DAY, AT);
    await recommendAt('commitments/1-a', AT);
    const { code, out } = await ask();
    expect(code).toBe(0);
    expect(out).toContain('nothing can be said of pool general yet');
    expect(out).toContain('not judged: month needs 2 weeks of the fleet’s plans, and there are 1');
    expect(await ask('approve', '1-a/general')).toMatchObject({ code: 4, err: expect.stringContaining('yet') });
  });

  it('a week later it goes on from the hours that were kept, though the plans behind them are gone', async () => {
    await plans(AT, AT + WEEK);
    const { nodes, from, to } = await recommendAt('commitments/2-a', AT + WEEK);
    expect([from, to]).toEqual([AT, AT + WEEK]);
    expect(nodes['general']).toHaveLength(168);
    expect(nodes['other']?.every((value) => value === null)).toBe(true);
    const { out } = await ask('--json');
    expect(JSON.parse(out)).toMatchObject({
      currency: 'EUR',
      pools: [{ id: '2-a/general', term: 'month', nodes: 2, pricePerHour: 0.6, weeks: 2, decision: null }],
      reserved: [],
    });
    expect((await ask()).out).toMatch(/2-a\/general .* 2 nodes .* 0\.6 instead of 1 EUR\/h .* open/);
  });

  it('a repeat after a crash says the same and keeps nothing twice', async () => {
    const before = await recommendAt('commitments/2-a', AT + WEEK);
    expect(await recommendAt('commitments/2-a', AT + WEEK)).toEqual(before);
    expect((await readCommitments(store)).recommendations).toHaveLength(2);
  });

  it.each([
    {
      name: 'one that never was',
      id: '9-z/general',
      code: 3,
      err: 'nothing was recommended as 9-z/general; open now: 2-a/general',
    },
    {
      name: 'one that a newer one replaced',
      id: '1-a/general',
      code: 4,
      err: 'a newer one replaced; open now: 2-a/general',
    },
  ])('refuses to approve $name', async ({ id, code, err }) => {
    expect(await ask('approve', id)).toMatchObject({ code, err: expect.stringContaining(err) });
  });

  it('approved: on record with its author, once, and the next recommendation counts it', async () => {
    const { code, out } = await ask('approve', '2-a/general', '--author', 'ann', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ decision: 'approved', author: 'ann', nodes: 2, term: 'month' });
    expect(await ask('reject', '2-a/general', '--author', 'ben')).toMatchObject({
      code: 4,
      err: expect.stringContaining('was approved by ann'),
    });
    const { decisions } = await readCommitments(store);
    expect(decisions).toHaveLength(1);
    const now = decisions[0]?.at ?? 0;
    const next = await recommendAt('commitments/3-a', AT + WEEK + 60);
    expect(now).toBeGreaterThan(AT);
    expect(next.pools[0]).toMatchObject({ term: null, nodes: 0 });
    expect((await ask()).out).toMatch(/reserved: 2 nodes of general for month until .*, approved by ann/);
  });
});
