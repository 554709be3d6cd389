import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { packPlan, placedId, unpackPlan, unpackWithPlan } from '../../activities/fleet/placed.js';
import { readInput } from '../../activities/fleet/work.js';
import { checkFleet } from '../../src/allocate/checker/fleet.js';
import {
  createFleetSolver,
  type FleetAccount,
  type FleetInput,
  type FleetPlan,
} from '../../src/allocate/fleet/index.js';
import type { FleetPlanRecord } from '../../src/domain/fleet-plan.js';
import { someAccount, someFleet } from './fleet-random.js';
import { accountOf, createFleetWorld, fleetOf, type FleetWorld } from './fleet-world.js';

/* A cycle that goes on from the plan of the last one: as safe as one that is solved anew, and without a linear program. */

const GIB = 2 ** 30;
const solver = await createFleetSolver();

/** Of so many nodes that a whole one is next to nothing; `scale` of demand by account, an hour from `hour` on. */
const large = (scale: (account: number) => number, hour = 0, late = 1): FleetInput => ({
  blocks: [0, 1, 2].map((t) => ({ from: 3600 * (t + hour), to: 3600 * (t + hour + 1) })),
  pools: [
    {
      ...{ name: 'reserved', capacityType: 'reserved', pricePerHour: 0.4, node: { cpu: 16, memory: 64 * GIB } },
      ...{ size: 'variable', min: 0, max: 300, now: 300, warm: 0, readyFrom: 0, startPrice: 0 },
      ...{ interruptionsPerHour: 0, recoverySeconds: 300 },
    },
    {
      ...{ name: 'general', capacityType: 'on-demand', pricePerHour: 1, node: { cpu: 16, memory: 64 * GIB } },
      ...{ size: 'variable', min: 0, max: 2000, now: 500, warm: 2, readyFrom: 0, startPrice: 0.002 },
      ...{ interruptionsPerHour: 0, recoverySeconds: 300 },
    },
    {
      ...{ name: 'spot', capacityType: 'spot', pricePerHour: 0.3, node: { cpu: 16, memory: 32 * GIB } },
      ...{ size: 'variable', min: 0, max: 150, now: 150, warm: 0, readyFrom: 0, startPrice: 0.002 },
      ...{ interruptionsPerHour: 0.02, recoverySeconds: 300 },
    },
  ],
  accounts: Array.from({ length: 160 }, (_, a): FleetAccount => {
    const cpu = [0, 1, 2].map(
      (t) => 62 * scale(a) * (1 + 0.1 * Math.sin(a)) * ([1, 1.5, 2][t + hour] ?? 2) * (t + hour < 2 ? 1 : late),
    );
    return {
      ...{ name: `account-${a}`, weight: [5, 20, 80, 400][a % 4] ?? 20, guaranteed: a % 2 === 0 ? { cpu: 25 } : {} },
      ...{ pools: a % 7 === 0 ? ['general'] : null, spotMaxShare: [1, 0.5, 0][a % 3] ?? 1 },
      demand: { cpu, memory: cpu.map((value) => value * (1 + (a % 5)) * GIB) },
      ...{ budgetPerHour: null, running: [], placementPerHour: {}, movePrice: 0 },
    };
  }),
});

/** The first account that has a part of its demand whole on a pool, of those that may go elsewhere. */
function on({ accounts, placed }: FleetPlan, pool: number): number {
  const wholeAt = (at: number): boolean => placed.extra[at] === 1 || placed.guaranteed[at] === 1;
  const found = accounts.findIndex((_, a) => a % 7 !== 0 && wholeAt((a * 3 + pool) * 3));
  if (found < 0) throw new Error(`nobody is on pool ${pool}`);
  return found;
}

const drifted = (a: number): number => 1.004 * (1 + 0.03 * Math.sin(7 * a));
const after = (input: FleetInput, plan: FleetPlan): FleetInput => ({ ...input, basis: plan.basis });

describe('a cycle after the last', () => {
  const before = solver.solve(large(() => 1));

  it('goes on from its plan: no program is solved, every limit is kept, and it costs what one solved anew costs', () => {
    const input = after(large(drifted), before);
    const plan = solver.solve(input);
    expect(plan.work).toMatchObject({ rounds: 0, clusters: 0, warm: true });
    expect(checkFleet(input, plan).broken).toEqual([]);
    const { basis: _, ...cold } = input;
    expect(plan.objective).toBeLessThanOrEqual(solver.solve(cold).objective * 1.005);
    expect(plan.status).toBe('proven');
    expect(solver.solve(input)).toEqual(plan);
  });

  it('weighs whole nodes where there are few of them, with small programs block by block', () => {
    const few = solver.solve(large(() => 0.08));
    const input = after(
      large((a) => 0.08 * drifted(a)),
      few,
    );
    const plan = solver.solve(input);
    expect(plan.work.rounds).toBe(0);
    expect(plan.work.pivots).toBeGreaterThan(0);
    expect(checkFleet(input, plan).broken).toEqual([]);
    expect(plan.gap).toBeLessThanOrEqual((few.basis.plan?.gap ?? 0) + 0.003);
  });

  it('an hour later each block goes on from the one of its time, with what was scarce then', () => {
    const scarce = solver.solve(large(() => 1, 0, 3));
    const input = after(
      large(() => 1, 1, 3),
      scarce,
    );
    expect(Math.max(...scarce.shortfall)).toBeGreaterThan(0);
    const plan = solver.solve(input);
    expect(plan.work.rounds).toBe(0);
    expect(checkFleet(input, plan).broken).toEqual([]);
  });

  it.each<[string, (input: FleetInput) => FleetInput]>([
    ['an account that came', (input) => ({ ...input, accounts: [...input.accounts, accountNamed('new')] })],
    ['an account that went', (input) => ({ ...input, accounts: input.accounts.slice(1) })],
    [
      'one that may not go to spot any more',
      (input) => ({
        ...input,
        accounts: input.accounts.map((one, a) => (a === on(before, 2) ? { ...one, spotMaxShare: 0 } : one)),
      }),
    ],
    [
      'one that may use one pool alone',
      (input) => ({
        ...input,
        accounts: input.accounts.map((one, a) => (a === on(before, 0) ? { ...one, pools: ['general'] } : one)),
      }),
    ],
  ])('takes in %s', (_, change) => {
    const input = after(change(large(drifted)), before);
    const plan = solver.solve(input);
    expect(plan.work.rounds).toBe(0);
    expect(checkFleet(input, plan).broken).toEqual([]);
    expect(Math.max(...plan.shortfall.subarray(0, 3)), 'cores: less than a node’s').toBeLessThan(16);
  });

  it.each<[string, FleetInput]>([
    ['demand that is another', large((a) => (a < 80 ? 4 : 1))],
    [
      'a pool that became cheap',
      withPrice(
        large(() => 1),
        { general: 0.35 },
      ),
    ],
  ])('is solved anew for %s', (_, input) => {
    const plan = solver.solve(after(input, before));
    expect(plan.work.rounds).toBeGreaterThan(0);
    expect(checkFleet(input, plan).broken).toEqual([]);
    expect(plan.gap).toBeLessThanOrEqual(0.01);
  });

  it('is measured by the last plan that was solved anew, so that plans do not get worse cycle by cycle', () => {
    let plan = before;
    for (let cycle = 1; cycle <= 8; cycle++) {
      const input = after(
        large((a) => 1 + 0.02 * Math.sin(a + cycle)),
        plan,
      );
      plan = solver.solve(input);
      if (plan.work.rounds === 0) expect(plan.basis.plan?.gap).toBe(before.basis.plan?.gap);
      expect(plan.gap).toBeLessThanOrEqual(Math.max(0.01, before.gap + 0.003 + 1e-9));
    }
  });

  it('a plan that is none is left aside', () => {
    const kept = before.basis.plan;
    if (kept === undefined) throw new Error('the plan carries nothing');
    const input = large(drifted);
    for (const plan of [
      { ...kept, wayOf: kept.wayOf.slice(1) },
      { ...kept, nodes: [] },
      { ...kept, ways: [0, 0] },
      { ...kept, ways: kept.ways.map(() => 7) },
    ]) {
      const found = solver.solve({ ...input, basis: { ...before.basis, plan } });
      expect(found.work.rounds).toBeGreaterThan(0);
      expect(checkFleet(input, found).broken).toEqual([]);
    }
  });
});

function accountNamed(name: string): FleetAccount {
  return {
    ...{ name, weight: 80, guaranteed: { cpu: 8 }, pools: null, spotMaxShare: 0, budgetPerHour: null, running: [] },
    ...{ demand: { cpu: [40, 40, 40], memory: [GIB, GIB, GIB] }, placementPerHour: {}, movePrice: 0 },
  };
}

function withPrice(input: FleetInput, price: Record<string, number>): FleetInput {
  return {
    ...input,
    pools: input.pools.map((pool) => ({ ...pool, pricePerHour: price[pool.name] ?? pool.pricePerHour })),
  };
}

describe('any two fleets one after the other', () => {
  it('have plans that the independent checker finds nothing wrong with', () => {
    let resumed = 0;
    fc.assert(
      fc.property(
        someFleet(2, 5, 3),
        fc.array(fc.double({ min: 0.9, max: 1.1, noNaN: true }), { minLength: 5, maxLength: 5 }),
        fc.option(someAccount(3, 3)),
        (first, factors, other) => {
          const { basis } = solver.solve(first);
          const accounts = first.accounts.map((one, a) =>
            one.name === other?.name
              ? other
              : {
                  ...one,
                  demand: { ...one.demand, cpu: Array.from(one.demand.cpu ?? [], (x) => x * (factors[a] ?? 1)) },
                },
          );
          const input = { ...first, accounts, basis };
          const plan = solver.solve(input);
          if (plan.work.rounds === 0) resumed += 1;
          expect(checkFleet(input, plan).broken).toEqual([]);
          expect(solver.solve(input)).toEqual(plan);
          const gap = basis.plan?.gap ?? 0;
          if (plan.work.rounds === 0) expect(plan.gap).toBeLessThanOrEqual(gap + 0.003 + 1e-9);
        },
      ),
      { numRuns: 50, seed: 21 },
    );
    expect(resumed, 'otherwise nothing was tried').toBeGreaterThan(12);
  });
});

describe('between two cycles', () => {
  let world: FleetWorld | null = null;
  afterEach(() => world?.close());

  it('the plan is a record of its own, as it was', () => {
    const plan = solver.solve(large(drifted));
    const packed: unknown = JSON.parse(JSON.stringify(packPlan(plan)));
    expect(unpackPlan(packed)).toEqual(plan.basis.plan);
    expect(unpackPlan({ ...(packed as object), wayOf: 'none' })).toBeNull();
    expect(unpackPlan({})).toBeNull();
  });

  it('the next one goes on from it, and is solved from prices alone where it is gone', async () => {
    const shop = accountOf(
      'shop',
      'workloads: [{ name: web, replicas: { min: 1, max: 20 }, components: { cpu: { request: 1 } } }]',
    );
    world = await createFleetWorld(fleetOf(), [shop]);
    await world.forecast('shop', 6);
    const { id } = await world.cycle({ size: false });
    expect(await world.store.getRecord('fleet-work', placedId(id))).not.toBeNull();
    const next = await world.cycle({ size: false });
    const input = await world.store.getRecord('fleet-work', `${next.id}/input`);
    const packed = readInput(input?.body);
    expect(packed.after).toBe(id);
    expect((await unpackWithPlan(world.store, packed)).basis?.plan?.accounts).toEqual(['shop']);
    await world.store.putRecord({
      ...{ kind: 'fleet-work', id: placedId(id), account: 'fleet_main', at: next.at, body: 'lost' },
    });
    const { basis } = await unpackWithPlan(world.store, packed);
    expect(basis?.prices.length).toBeGreaterThan(0);
    expect(basis?.plan).toBeUndefined();
    const last = await world.store.getRecord('fleet-plan', (await world.cycle({ size: false })).id);
    expect((last?.body as FleetPlanRecord).status).toBe('proven');
  });
});
