import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { AccountPolicy } from '../../src/domain/account.js';
import { withFleetPrices } from '../../src/allocate/index.js';
import { CommandFailure } from '../../src/cli/command.js';
import { readFleet } from '../../src/cli/commands/fleet.js';
import { refuseForeignAccounts, refuseForeignFleet } from '../../src/cli/fleet-currency.js';
import { fleetOnce } from '../../src/cli/fleet-once.js';
import { createPrices } from '../../src/prices/kept.js';
import { accountOf, createFleetWorld, fleetOf, START, type FleetWorld } from './fleet-world.js';

/* A fleet plans with prices of today, and in one currency with its accounts. */

const WORKLOADS = `workloads:
  - { name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 12 }, leadTime: 1m }
`;
const shop = accountOf('shop', WORKLOADS);
const PRICES = 'prices: { file: prices.csv, staleAfter: 1d }\n';

let world: FleetWorld | null = null;
const folders: string[] = [];
afterEach(async () => {
  await world?.close();
  world = null;
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })));
});

/** A fleet file with a book beside it, as a user has them. */
async function written(book: string, currency = 'USD'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fleet-prices-'));
  folders.push(folder);
  await writeFile(join(folder, 'prices.csv'), book);
  const file = join(folder, 'fleet.yaml');
  const pools = '{ name: general, pricePerHour: 1, node: { cpu: 4 }, max: 4, leadTime: 2m }';
  await writeFile(
    file,
    `version: headroom/v1\nfleet: shared\ncurrency: ${currency}\nhorizon: 2h\n${PRICES}pools:\n  - ${pools}\n`,
  );
  return file;
}

describe('a fleet with a source of prices', () => {
  const planned = async (book: string) => {
    const fleet = await readFleet(await written(book));
    world = await createFleetWorld(fleetOf(), [shop]);
    await world.forecast('shop', 7.5);
    await world.cycle();
    const prices = createPrices({ env: {}, now: () => START });
    return (await fleetOnce(world.store, fleet, START, prices)).record;
  };

  it('plans with them, and says what each pool costs and who says so', async () => {
    const record = await planned(`pool,pricePerHour,at\ngeneral,0.3,${START - 60}\n`);
    expect(record.costPerHour).toBeCloseTo(0.6, 6);
    expect(record.pools[0]?.pricePerHour).toBe(0.3);
    expect(record.pools[0]?.price).toMatch(/^0\.3 USD\/h from .*prices\.csv of 2026-05-04T05:59:00Z$/);
  });

  it.each([
    ['none of a pool', `pool,pricePerHour\nother,0.3\n`, /^1 USD\/h of the fleet file: .* has none of it$/, null],
    ['a negative one', 'pool,pricePerHour\ngeneral,-1\n', /of the fleet file:/, /prices: .*row 2.*negative/],
    [
      'one that is too old',
      `pool,pricePerHour,at\ngeneral,0.3,${START - 200_000}\n`,
      /of the fleet file:/,
      /older than 1d/,
    ],
  ])('%s: the fleet file’s price counts, and that is said', async (_, book, words, note) => {
    const record = await planned(book);
    expect(record.costPerHour).toBeCloseTo(2, 6);
    expect(record.pools[0]?.price).toMatch(words);
    if (note !== null) expect(record.notes.join('\n')).toMatch(note);
  });

  it('a book in another currency is refused in words that name the fleet', async () => {
    const fleet = await readFleet(await written('pool,pricePerHour\ngeneral,0.3\n', 'EUR'));
    const source = { name: 'x', read: () => Promise.resolve({ ...book, currency: 'USD' }) };
    const known = await createPrices({ env: {}, now: () => START, open: () => source }).of(fleet);
    expect(known).toEqual({ book: null, problem: 'x is in USD, the fleet in EUR' });
  });

  const book = {
    source: 'x',
    at: START,
    prices: [{ capacityType: 'on-demand' as const, pricePerHour: 0.2 }],
    egress: [],
  };

  it('interruptions come with the price', () => {
    const fleet = fleetOf();
    const [row] = book.prices;
    const rows = [{ pricePerHour: 0.2, ...row, interruptionsPerHour: 0.4 }];
    const priced = withFleetPrices(fleet, { book: { ...book, prices: rows }, problem: null });
    expect(priced.policy.pools[0]).toMatchObject({ pricePerHour: 0.2, interruptionsPerHour: 0.4 });
  });
});

describe('a fleet and an account in different currencies', () => {
  const euros = (more = ''): AccountPolicy => accountOf('shop', `currency: EUR\n${more}${WORKLOADS}`);
  const running = (): Promise<boolean> => Promise.resolve(true);
  const refused = async (work: Promise<void>): Promise<{ code: number; message: string }> => {
    const error: unknown = await work.then(
      () => null,
      (failed: unknown) => failed,
    );
    if (!(error instanceof CommandFailure)) throw new Error('was not refused');
    return { code: error.exitCode, message: error.message };
  };

  it('a fleet is not started over running accounts in another one', async () => {
    world = await createFleetWorld(fleetOf(), [euros()]);
    const { code, message } = await refused(refuseForeignAccounts(world.store, fleetOf(), running));
    expect(code).toBe(4);
    expect(message).toMatch(/the fleet file is in USD.*shop \(EUR\); write one currency in all files/);
  });

  it.each<[string, AccountPolicy, boolean]>([
    ['in the same', shop, true],
    ['that was stopped', euros(), false],
    ['on another cluster', { ...euros(), cluster: 'elsewhere' }, true],
  ])('and is over one %s', async (_, policy, runs) => {
    world = await createFleetWorld(fleetOf(), [policy]);
    await expect(refuseForeignAccounts(world.store, fleetOf(), () => Promise.resolve(runs))).resolves.toBeUndefined();
  });

  it('an account is not started under a fleet in another one, and is where there is none any more', async () => {
    world = await createFleetWorld(fleetOf(), [shop]);
    const { store } = world;
    await expect(refuseForeignFleet(store, euros()), 'no fleet yet').resolves.toBeUndefined();
    await world.cycle();
    const { code, message } = await refused(refuseForeignFleet(store, euros()));
    expect(code).toBe(4);
    expect(message).toMatch(/shop is in EUR, and the fleet shared, which shares general, in USD; write currency: USD/);
    await expect(refuseForeignFleet(store, shop)).resolves.toBeUndefined();
    await expect(refuseForeignFleet(store, { ...euros(), cluster: 'elsewhere' })).resolves.toBeUndefined();
  });
});
