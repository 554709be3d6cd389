import { afterEach, describe, expect, it } from 'vitest';
import { accountOf, createFleetWorld, fleetOf, type FleetWorld } from './fleet-world.js';

/*
 * One wrong, huge forecast cannot take what another account is guaranteed: shown on pods that run, or do not.
 * 16 cores at most; `shop` is critical and guaranteed 8 of them, `batch` is of low criticality and guaranteed 2.
 */

const workload = (criticality: string): string => `workloads:
  - name: web
    criticality: ${criticality}
    components: { cpu: { request: 1 } }
    replicas: { min: 1, max: 400 }
    leadTime: 1m
`;
const shop = accountOf('shop', `${workload('critical')}guaranteedShare: { cpu: 8 }\n`);
const batch = accountOf('batch', `${workload('low')}guaranteedShare: { cpu: 2 }\n`);
const HUGE = 350;

let world: FleetWorld;
afterEach(() => world.close());

describe('one wrong, huge forecast', () => {
  it('takes the pool, where no fleet shares it out', async () => {
    world = await createFleetWorld(fleetOf(), [shop, batch]);
    await world.forecast('batch', HUGE);
    await world.forecast('shop', 7.5);
    await world.act(batch);
    await world.pass(600);
    await world.act(shop);
    await world.pass(600);
    expect(await world.ready('shop'), 'the loss that the fleet is there to prevent').toBeLessThan(8);
  });

  it('leaves the other its guarantee, and what it needs, where the fleet grants', async () => {
    world = await createFleetWorld(fleetOf(), [shop, batch]);
    await world.forecast('batch', HUGE);
    await world.forecast('shop', 7.5);
    const plan = await world.cycle();
    expect(plan).toMatchObject({ accounts: 2, unknown: 0, short: 1 });
    const [ofShop, ofBatch] = [await world.grant('shop'), await world.grant('batch')];
    expect(ofShop?.granted.cpu).toBeGreaterThanOrEqual(8);
    expect(ofBatch?.granted.cpu).toBeGreaterThanOrEqual(2);
    expect((ofShop?.granted.cpu ?? 0) + (ofBatch?.granted.cpu ?? 0)).toBeLessThanOrEqual(16 + 1e-6);
    await world.pass(300);
    // The wrong one is the first to ask.
    const told = await world.act(batch);
    await world.pass(600);
    await world.act(shop);
    await world.pass(600);
    expect(await world.ready('shop')).toBe(8);
    expect(await world.ready('batch')).toBeGreaterThanOrEqual(2);
    expect(await world.ready('batch')).toBeLessThanOrEqual(8);
    expect(told.grant).toMatchObject({ source: 'fleet' });
  });

  it('is told as what bound the plan', async () => {
    world = await createFleetWorld(fleetOf(), [shop, batch]);
    await world.forecast('batch', 12);
    await world.forecast('shop', 7.5);
    await world.cycle();
    const { plan } = await world.act(batch);
    expect(plan.reasons.map(({ binding }) => binding.words).join()).toContain('the fleet grants 8 cores of cpu');
  });

  it('gives back what it took too much of, when the fleet comes later', async () => {
    world = await createFleetWorld(fleetOf(), [shop, batch]);
    await world.forecast('batch', HUGE);
    await world.forecast('shop', 7.5);
    await world.act(batch);
    await world.pass(600);
    expect(await world.ready('batch')).toBeGreaterThan(8);
    await world.cycle();
    await world.act(batch);
    await world.pass(600);
    await world.act(shop);
    await world.pass(900);
    expect(await world.ready('shop')).toBe(8);
  });
});

describe('a silent fleet', () => {
  it('leaves each account its guaranteed share, says so, and no more', async () => {
    world = await createFleetWorld(fleetOf(), [shop, batch]);
    await world.forecast('batch', HUGE);
    await world.forecast('shop', 7.5);
    await world.cycle();
    await world.pass(300);
    await world.act(batch);
    await world.pass(900);
    const told = await world.act(batch);
    expect(told.grant).toMatchObject({ source: 'guaranteed', amounts: { cpu: 2 } });
    expect(told.plan.verdict.detail).toMatch(/the fleet is silent: its grant ended at .* held to its guaranteed share/);
    await world.pass(600);
    expect(await world.ready('batch')).toBe(2);
    await world.act(shop);
    await world.pass(600);
    expect(await world.ready('shop')).toBe(8);
  });

  it('speaks again with its next cycle', async () => {
    world = await createFleetWorld(fleetOf(), [shop, batch]);
    await world.forecast('shop', 7.5);
    await world.cycle();
    await world.pass(3600);
    await world.forecast('shop', 7.5);
    expect((await world.act(shop)).grant?.source).toBe('guaranteed');
    await world.cycle();
    expect((await world.act(shop)).grant?.source).toBe('fleet');
  });
});

describe('pools', () => {
  it('are sized for what all accounts need together, and by the fleet alone', async () => {
    world = await createFleetWorld(fleetOf(), [shop, batch]);
    await world.forecast('batch', 3);
    await world.forecast('shop', 7.5);
    const plan = await world.cycle();
    expect(plan.fields.map(({ target }) => target)).toEqual([{ field: 'nodes', pool: 'general', value: 3 }]);
    const told = await world.act(shop);
    expect(told.plan.fields.map(({ target }) => target.field)).not.toContain('nodes');
  });

  it('are held beneath an account whose plan gives it up: what it had goes on', async () => {
    const poor = accountOf('poor', `${workload('normal').replace('min: 1', 'min: 40')}budget: { perHour: 0.1 }\n`);
    world = await createFleetWorld(fleetOf('moving: { saving: 0 }\n'), [poor]);
    await world.forecast('poor', 1);
    expect((await world.act(poor)).plan.verdict, 'it changes nothing').toMatchObject({ reason: 'infeasible' });
    const plan = await world.cycle();
    const record = await world.store.getRecord('fleet-plan', plan.id);
    expect(record?.body).toMatchObject({ pools: [{ inUse: { nodes: 1, accounts: ['poor'] } }] });
    expect((await world.seePools()).pools[0]?.state?.nodes, 'its two replicas stand on one').toBe(1);
    expect(await world.ready('poor')).toBe(2);
  });

  it('a freeze stops every size, and what was asked for before stays', async () => {
    world = await createFleetWorld(fleetOf(), [shop, batch]);
    await world.forecast('shop', 12);
    const at = await world.now();
    world.frozen = { kind: 'freeze', author: 'ops', reason: 'incident', since: at, until: at + 3600 };
    await world.cycle();
    const [pool] = (await world.seePools()).pools;
    expect(pool?.state?.nodes).toBe(2);
    world.frozen = null;
    await world.cycle();
    expect((await world.seePools()).pools[0]?.state?.nodes).toBe(3);
  });

  it('a repeat of a cycle’s sizes after a crash sizes nothing twice', async () => {
    world = await createFleetWorld(fleetOf(), [shop, batch]);
    await world.forecast('shop', 12);
    const plan = await world.cycle({ size: false });
    const mutations = plan.fields.map(({ target, seen, reason }) => ({
      ...{ key: 'change/fleet_main/7#general', account: 'fleet_main', target, expect: seen, reason },
    }));
    const again = () => world.size(mutations);
    expect(await again()).toMatchObject([{ result: { kind: 'applied', value: 3 } }]);
    expect(await again()).toMatchObject([{ result: { kind: 'repeated', value: 3 } }]);
  });
});

describe('an account', () => {
  it('whose demand is unknown keeps what it has, and is never counted as nothing', async () => {
    world = await createFleetWorld(fleetOf('staleAfter: 30m\n'), [shop, batch]);
    await world.forecast('batch', 4);
    await world.forecast('shop', 7.5);
    await world.cycle();
    await world.act(shop);
    await world.pass(3600);
    await world.forecast('batch', HUGE);
    const plan = await world.cycle();
    expect(plan).toMatchObject({ accounts: 2, unknown: 1 });
    const grant = await world.grant('shop');
    expect(grant?.asked).toBeNull();
    expect(grant?.granted.cpu).toBeGreaterThanOrEqual(8);
  });

  it('of a pool that is not shared is as it was without a fleet', async () => {
    const lone = accountOf('lone', workload('normal').replace('workloads:', 'cluster: elsewhere\nworkloads:'));
    world = await createFleetWorld(fleetOf(), [shop, lone]);
    await world.forecast('shop', 2);
    await world.forecast('lone', 6);
    expect(await world.cycle()).toMatchObject({ accounts: 1 });
    expect(await world.grant('lone')).toBeNull();
    const told = await world.act(lone);
    expect(told).not.toHaveProperty('grant');
    expect(told.plan.fields.map(({ target }) => target)).toContainEqual({
      field: 'replicas',
      workload: 'web',
      value: 6,
    });
  });

  it('that never forecast is left out, and says why', async () => {
    world = await createFleetWorld(fleetOf(), [shop, batch]);
    await world.forecast('shop', 2);
    const { id } = await world.cycle();
    const record = await world.store.getRecord('fleet-plan', id);
    expect(record?.body).toMatchObject({ leftOut: [{ account: 'batch', why: 'it has never forecast' }] });
  });
});
