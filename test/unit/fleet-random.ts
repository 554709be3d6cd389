import fc from 'fast-check';
import type { Held } from '../../src/domain/held.js';
import type { FleetAccount, FleetInput, FleetPool } from '../../src/allocate/fleet/index.js';

/* Random fleets, with what is unknown, short, forbidden or too dear in them. */

const GIB = 2 ** 30;

const amount = fc.integer({ min: 0, max: 40 });
export const someAccount = (index: number, blocks: number): fc.Arbitrary<FleetAccount> =>
  fc.record({
    name: fc.constant(`account-${index}`),
    weight: fc.constantFrom(5, 20, 80, 400),
    guaranteed: fc.oneof(
      fc.constant({}),
      fc.record({ cpu: amount }),
      fc.record({ cpu: amount, memory: amount.map((n) => n * GIB) }),
    ),
    pools: fc.constantFrom<string[] | null>(null, null, ['pool-0'], ['pool-1'], []),
    demand: fc.record({
      cpu: fc.array(fc.oneof(amount, fc.constant(Number.NaN)), { minLength: blocks, maxLength: blocks }),
      memory: fc.array(
        amount.map((n) => n * 3 * GIB),
        { minLength: blocks, maxLength: blocks },
      ),
    }),
    spotMaxShare: fc.constantFrom(0, 0.3, 1),
    budgetPerHour: fc.constantFrom(null, null, 0, 0.5, 2),
    running: fc.constantFrom([], [{ pool: 'pool-0', amount: { cpu: 4, memory: 8 * GIB } }]),
    placementPerHour: fc.constantFrom<Record<string, number>>({}, { 'pool-1': 0.2 }),
    movePrice: fc.constantFrom(0, 0.3),
  });

const somePool = (index: number): fc.Arbitrary<FleetPool> =>
  fc.record({
    name: fc.constant(`pool-${index}`),
    capacityType: fc.constantFrom('reserved' as const, 'on-demand' as const, 'spot' as const),
    pricePerHour: fc.constantFrom(0, 0.3, 1, 1.7),
    node: fc.constantFrom({ cpu: 16, memory: 64 * GIB }, { cpu: 8, memory: 64 * GIB }, { cpu: 16 }),
    size: fc.constantFrom('fixed' as const, 'variable' as const, 'variable' as const),
    min: fc.integer({ min: 0, max: 3 }),
    max: fc.integer({ min: 0, max: 4 }),
    now: fc.integer({ min: 0, max: 4 }),
    warm: fc.integer({ min: 0, max: 2 }),
    readyFrom: fc.integer({ min: 0, max: 2 }),
    startPrice: fc.constantFrom(0, 0.1, 2),
    interruptionsPerHour: fc.constantFrom(0, 0.05),
    recoverySeconds: fc.constant(300),
  });

/** Nodes that are paid in any case for some of the blocks, of any pool. */
export const someHeld = (blocks: number): fc.Arbitrary<Held[]> =>
  fc.array(
    fc
      .record({
        name: fc.constantFrom('old', 'one-year'),
        nodes: fc.integer({ min: 0, max: 4 }),
        from: fc.integer({ min: -1, max: blocks - 1 }).map((t) => t * 3600),
        hours: fc.constantFrom(0.5, 1, 2, 5),
        pricePerHour: fc.constantFrom(0, 0.2, 3),
      })
      .map(({ hours, from, ...rest }) => ({ ...rest, from, until: from + 3600 * hours })),
    { maxLength: 3 },
  );

/** The same fleet with commitments. */
export const withHeld = (input: FleetInput, held: readonly Held[][]): FleetInput => ({
  ...input,
  pools: input.pools.map((pool, p) => ({ ...pool, held: held[p] ?? [] })),
});

export const someFleet = (pools: number, accounts: number, blocks: number): fc.Arbitrary<FleetInput> =>
  fc.record({
    blocks: fc.constant(Array.from({ length: blocks }, (_, t) => ({ from: 3600 * t, to: 3600 * (t + 1) }))),
    pools: fc.tuple(...Array.from({ length: pools }, (_, p) => somePool(p))),
    accounts: fc
      .integer({ min: 0, max: accounts })
      .chain((count) => fc.tuple(...Array.from({ length: count }, (_, a) => someAccount(a, blocks)))),
    grantBlocks: fc.integer({ min: 1, max: blocks }),
  });
