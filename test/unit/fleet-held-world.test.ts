import { afterEach, describe, expect, it } from 'vitest';
import { readCommitments } from '../../activities/fleet/commitments.js';
import type { Decision, Recommendation } from '../../src/domain/commitment.js';
import { reservationsUnder } from '../../src/domain/grant.js';
import type { Plan } from '../../src/domain/plan.js';
import { readFleetFile } from '../../src/domain/fleet-file.js';
import type { FleetPlanRecord } from '../../src/domain/fleet-plan.js';
import { accountOf, createFleetWorld, fleetOf, START, type FleetWorld } from './fleet-world.js';

/* What a person approved, from the record to the next plans, by the real activities and the real store. */

const WORKLOADS = `workloads:
  - name: web
    components: { cpu: { request: 1 } }
    replicas: { min: 1, max: 12 }
    leadTime: 1m
`;
const shop = accountOf('shop', WORKLOADS);
const HOUR = 3600;

let world: FleetWorld;
afterEach(() => world.close());

async function approve(decision: Partial<Decision> = {}, currency = 'USD'): Promise<void> {
  const at = await world.now();
  const recommendation: Recommendation = {
    ...{
      kind: 'recommendation',
      id: 'commitments/1-a',
      at,
      fleetId: 'shared@1',
      currency,
      from: at,
      to: at,
      nodes: {},
    },
    pools: [
      {
        ...{ id: '1-a/general', pool: 'general', term: 'month', nodes: 2, length: 28 * 24 * HOUR, pricePerHour: 0.6 },
        ...{ onDemandPerHour: 1, costPerHour: 1, withoutPerHour: 2, usedShare: 1, weeks: 4, words: '', notJudged: [] },
      },
    ],
  };
  const body: Decision = {
    ...{ kind: 'decision', id: '1-a/general', decision: 'approved', author: 'ann', at },
    ...{ pool: 'general', term: 'month', nodes: 2, pricePerHour: 0.6, until: at + HOUR },
    ...decision,
  };
  for (const one of [recommendation, body]) {
    const id = one.kind === 'decision' ? `${one.id}/decision` : one.id;
    await world.store.putRecord({ kind: 'commitment', id, account: 'fleet_main', at, body: one });
  }
  expect((await readCommitments(world.store)).decisions).toHaveLength(1);
}

async function planned(demand: number): Promise<FleetPlanRecord> {
  await world.forecast('shop', demand);
  const { id } = await world.cycle();
  const record = await world.store.getRecord('fleet-plan', id);
  return record?.body as FleetPlanRecord;
}

describe('a commitment that a person approved', () => {
  it('is in the next plan, named by why, and is over at its end', async () => {
    world = await createFleetWorld(fleetOf(), [shop]);
    await planned(11.5);
    await world.pass(600);
    const before = await planned(11.5);
    expect(before.costPerHour).toBeCloseTo(3, 6);
    expect(before).not.toHaveProperty('heldPerHour');
    await approve();
    const after = await planned(11.5);
    // Two of the three nodes for 0.6 each, instead of 1.
    expect(after.blocks[0]?.costPerHour).toBeCloseTo(2.2, 6);
    expect(after.heldPerHour).toBeCloseTo(1.2, 6);
    expect(after.pools[0]?.held).toMatchObject([{ name: 'month', nodes: 2, until: START + 600 + HOUR }]);
    expect(after.reasons?.pools[0]?.bound).toMatch(
      /2 of 3 are paid in any case: 2 by month until 2026-05-04T07:10:00Z/,
    );
    // Blocks behind its end pay the ordinary price.
    expect(after.blocks.map(({ from, costPerHour }) => [from - START, costPerHour])).toContainEqual([HOUR + 600, 3]);
    await world.pass(HOUR);
    const last = await planned(11.5);
    expect(last.costPerHour).toBeCloseTo(3, 6);
    expect(last.pools[0]).not.toHaveProperty('held');
  });

  it('is paid where nothing needs it, and what it keeps running is not taken for what is needed', async () => {
    world = await createFleetWorld(fleetOf(), [shop]);
    await approve();
    await planned(7.5);
    await world.pass(600);
    const record = await planned(0.5);
    expect(record.heldPerHour).toBeCloseTo(1.2, 6);
    const [pool] = record.pools;
    expect(pool?.needed?.[0]).toBeLessThanOrEqual(pool?.nodes[0] ?? 0);
    expect(pool?.order, 'letting go of what is paid saves nothing').toBe(2);
    expect(pool?.fields).toEqual([]);
  });

  it.each<[string, Partial<Decision>, string, RegExp]>([
    ['of a pool that the file no longer has', { pool: 'gone' }, 'USD', /of pool gone.*not counted.*no such pool/],
    ['in another currency', {}, 'EUR', /not counted, their price is in EUR/],
    ['that was rejected', { decision: 'rejected' }, 'USD', /^$/],
  ])('%s is not counted, and that is said', async (_, decision, currency, words) => {
    world = await createFleetWorld(fleetOf(), [shop]);
    await approve(decision, currency);
    const record = await planned(11.5);
    expect(record).not.toHaveProperty('heldPerHour');
    expect(record.notes.filter((note) => note.includes('approved by')).join('\n')).toMatch(words);
  });

  it('what the file states is counted beside it', async () => {
    const stated =
      'reservations: [{ name: old, pool: general, nodes: 1, until: "2026-05-05T00:00:00Z", pricePerHour: 0.5 }]';
    world = await createFleetWorld(fleetOf(stated), [shop]);
    await approve();
    const record = await planned(11.5);
    expect(record.heldPerHour).toBeCloseTo(1.7, 6);
    // Its third node comes with the next block, and is paid for already.
    expect(record.blocks[1]?.costPerHour).toBeCloseTo(1.7, 6);
  });
});

describe('what a fleet holds', () => {
  it('is in the plan of the account that runs on it, at what it costs, until the fleet is silent', async () => {
    world = await createFleetWorld(fleetOf(), [shop]);
    await approve();
    await planned(7.5);
    expect((await world.grant('shop'))?.held).toMatchObject([{ pool: 'general', name: 'month', nodes: 2 }]);
    const costs = async (): Promise<unknown> => {
      const { plan } = await world.act(shop);
      const { heldPerHour, costPerHour } = (await world.store.getRecord('plan', plan.id))?.body as Plan;
      return [heldPerHour, Number(costPerHour.toFixed(4))];
    };
    expect(await costs()).toEqual([1.2, 1.2]);
    await world.pass(fleetOf().grantsFor + 60);
    await world.forecast('shop', 7.5);
    expect(await costs(), 'nobody says any more that it is paid').toEqual([undefined, 2]);
  });

  it('is shared by those who run there, as much as is used', async () => {
    const stated =
      'reservations: [{ name: old, pool: general, nodes: 3, until: "2026-05-05T00:00:00Z", pricePerHour: 0.5 }]';
    world = await createFleetWorld(fleetOf(stated), [shop, accountOf('desk', WORKLOADS)]);
    await world.forecast('desk', 1.5);
    await planned(5.5);
    const [ofShop, ofDesk] = [await world.grant('shop'), await world.grant('desk')];
    // Six and two of eight cores, which two of the three nodes have.
    expect(ofShop?.held?.[0]?.nodes).toBeCloseTo(1.5, 3);
    expect(ofDesk?.held?.[0]?.nodes).toBeCloseTo(0.5, 3);
  });

  it('counts instead of what an account states of a pool that is shared', () => {
    const own = { pool: 'general', nodes: 3, until: START + HOUR, pricePerHour: 0.2 };
    const elsewhere = { ...own, pool: 'alone' };
    const policy = { ...shop, reservations: [own, elsewhere] };
    expect(reservationsUnder(policy, [{ name: 'general' }], undefined).reservations).toEqual([elsewhere]);
    expect(reservationsUnder(shop, [{ name: 'general' }], undefined)).toBe(shop);
  });
});

describe('reservations in a fleet file', () => {
  const file = (reservation: string): string => `version: headroom/v1
fleet: a
pools:
  - { name: general, pricePerHour: 1, node: { cpu: 4 }, max: 4 }
  - { name: cheap, capacityType: spot, pricePerHour: 0.3, node: { cpu: 4 }, max: 4 }
reservations:
  - ${reservation}
`;
  const of = (fields: string): string => `{ until: "2026-05-05T00:00:00Z", pricePerHour: 0.5, ${fields} }`;
  it.each([
    ['an unknown pool', of('pool: generl, nodes: 1'), /"generl" is not defined.*general/],
    ['spot', of('pool: cheap, nodes: 1'), /pool "cheap" is spot/],
    ['end before start', of('pool: general, nodes: 1, from: "2026-05-06T00:00:00Z"'), /is not after its beginning/],
    ['more than the pool', of('pool: general, nodes: 5'), /5 nodes are above the pool’s maximum of 4/],
    [
      'more than the pool together',
      `${of('pool: general, nodes: 2')}\n  - ${of('pool: general, nodes: 3')}`,
      /with those beside it 5 in all, are above/,
    ],
    ['nothing', of('pool: general, nodes: 0'), /nodes: 0 is too small/],
    ['negative', of('pool: general, nodes: -2'), /nodes/],
    [
      'a negative price',
      '{ pool: general, nodes: 1, until: "2026-05-05T00:00:00Z", pricePerHour: -1 }',
      /pricePerHour/,
    ],
    ['half a node', of('pool: general, nodes: 1.5'), /nodes/],
    ['no end', '{ pool: general, nodes: 1, pricePerHour: 0.5 }', /until.*missing/],
    ['a price too large', '{ pool: general, nodes: 1, until: 1, pricePerHour: 1e12 }', /pricePerHour/],
  ])('%s is refused in words', (_, reservation, words) => {
    expect(() => readFleetFile(file(reservation), 'f.yaml')).toThrow(words);
  });

  it('one after another may each fill the pool', () => {
    const [first, then] = [
      '{ pool: general, nodes: 4, until: "2026-05-05T00:00:00Z", pricePerHour: 0 }',
      '{ pool: general, nodes: 4, from: "2026-05-05T00:00:00Z", until: "2026-06-05T00:00:00Z", pricePerHour: 0 }',
    ];
    expect(readFleetFile(file(`${first}\n  - ${then}`), 'f.yaml').reservations).toHaveLength(2);
  });
});
