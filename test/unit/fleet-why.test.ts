import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FLEET_ACCOUNT } from '../../src/domain/fleet-names.js';
import { createStoreService, type StoreService } from '../../src/telemetry/service.js';
import { environment, within, type Ran } from '../cli/headroom.js';
import { accountOf, createFleetWorld, fleetOf, START, type FleetWorld } from './fleet-world.js';

/* `headroom fleet why` over what a real cycle left in a real store: a person asks why there is not more. */

const token = 'a-token-of-the-fleet-why-test';
const workload = (criticality: string): string => `workloads:
  - name: web
    criticality: ${criticality}
    components: { cpu: { request: 1 } }
    replicas: { min: 1, max: 400 }
    leadTime: 1m
`;
const shop = accountOf('shop', `${workload('critical')}guaranteedShare: { cpu: 8 }\n`);
const batch = accountOf('batch', `${workload('low')}guaranteedShare: { cpu: 2 }\n`);
const late = accountOf('late', workload('low'));

let world: FleetWorld;
let service: StoreService;
const inFleet = (...argv: string[]): Promise<Ran> =>
  within(
    environment(tmpdir(), { HEADROOM_HOME: tmpdir(), HEADROOM_STORE_URL: service.url, HEADROOM_STORE_TOKEN: token }),
    ...['fleet', ...argv],
  );
const why = (...argv: string[]): Promise<Ran> => inFleet('why', ...argv);

beforeAll(async () => {
  world = await createFleetWorld(fleetOf(), [shop, batch, late]);
  service = await createStoreService(world.store, { token });
});
afterAll(async () => {
  await service.close();
  await world.close();
});

describe('headroom fleet grants', () => {
  it('before any was given: not found, for scripts as for people', async () => {
    expect(await inFleet('grants')).toMatchObject({
      code: 3,
      err: expect.stringContaining('has granted anything yet'),
    });
    const { code, out } = await inFleet('grants', '--json');
    expect(code).toBe(3);
    expect(JSON.parse(out)).toMatchObject({ grants: [] });
  });
});

describe('headroom fleet why', () => {
  it('without a plan: not found, and how to get one', async () => {
    expect(await why()).toMatchObject({ code: 3, err: expect.stringContaining('headroom fleet start -f FILE') });
  });

  it('says of each pool and of who is short what bound it, its price and the next best', async () => {
    await world.forecast('batch', 350);
    await world.forecast('shop', 7.5);
    await world.cycle();
    const { code, out } = await why();
    expect(code).toBe(0);
    expect(out).toMatch(/^2 nodes of pool general at .*\n {2}bound by {3}no new node is ready before /m);
    expect(out).toMatch(
      /^4 nodes of pool general at .*\n {2}bound by {3}its maximum of 4 nodes; one more node would /m,
    );
    expect(out).toMatch(/^batch at .*\n {2}bound by {3}short of cpu: pool general /m);
    expect(out, 'no price of a place is made up where nothing is placed').not.toMatch(/^batch.*\n.*\n {2}next best/m);
    expect(out).toMatch(/late is not counted: it has never forecast/);
    expect(out, 'who gets what it asks for is not listed').not.toMatch(/^shop/m);
  });

  it.each([
    { name: 'general', pools: 2, accounts: 0, granted: false },
    { name: 'batch', pools: 0, accounts: 1, granted: true },
    { name: 'shop', pools: 0, accounts: 0, granted: true },
    { name: 'late', pools: 0, accounts: 0, granted: false },
  ])('$name in JSON: that alone', async ({ name, pools, accounts, granted }) => {
    const { code, out } = await why(name, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      planId: 'fleet/1',
      currency: 'USD',
      pools: expect.toSatisfy((found: unknown[]) => found.length === pools),
      accounts: expect.toSatisfy((found: unknown[]) => found.length === accounts),
      granted: granted ? { account: name } : null,
    });
  });

  it('of an account that gets what it asks for: that, and where', async () => {
    const { code, out } = await why('shop');
    expect(code).toBe(0);
    expect(out).toMatch(/^shop {2}all that it asked for, on general; nothing but its own demand bounds it$/m);
  });

  it('of what is not there: not found, with those that are', async () => {
    const { code, out, err } = await why('shoq');
    expect(code).toBe(3);
    expect(out).toBe('');
    expect(err).toMatch(/no pool or account "shoq"; pools: general; accounts: batch, shop/);
  });

  it('of a plan from before plans kept reasons: says so, and guesses nothing', async () => {
    const plan = await world.store.getRecord('fleet-plan', 'fleet/1');
    const body = { ...(plan?.body as Record<string, unknown>), id: 'fleet/old', reasons: undefined };
    await world.store.putRecord({ kind: 'fleet-plan', id: 'fleet/old', account: FLEET_ACCOUNT, at: START + 60, body });
    expect(await why()).toMatchObject({ code: 3, err: expect.stringContaining('before plans kept their reasons') });
  });
});
