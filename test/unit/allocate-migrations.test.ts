import fc from 'fast-check';
import { beforeAll, describe, expect, it, test } from 'vitest';
import {
  createAllocator,
  proposeMigrations,
  summarizePlan,
  type AllocationInput,
  type Allocator,
} from '../../src/allocate/index.js';
import type { AccountFile, AccountPolicy } from '../../src/domain/account.js';
import { oneOffOf, proposalWords, type MigrationProposal } from '../../src/domain/migration-proposal.js';
import { bruteForce } from './allocate-brute.js';
import { AT, demandOf, inputOf, policyOf, stateOf } from './allocate-fixtures.js';

type Workload = AccountFile['workloads'][number];
type Pool = AccountFile['pools'][number];

const dear: Pool = { name: 'dear', pricePerHour: 0.8, node: { cpu: 4 } };
const cheap: Pool = { name: 'cheap', pricePerHour: 0.4, node: { cpu: 4 } };

/** `web`, 8 replicas of a core on two nodes of `dear`, for a day; it may go to `cheap`. */
function account(more: {
  web?: Partial<Workload>;
  dear?: Partial<Pool>;
  cheap?: Partial<Pool>;
  policy?: Partial<AccountFile>;
}): AccountPolicy {
  return policyOf({
    workloads: [
      {
        name: 'web',
        components: { cpu: { request: 1 } },
        replicas: { min: 1, max: 50 },
        pools: ['dear'],
        mayMoveTo: ['dear', 'cheap'],
        ...more.web,
      },
    ],
    pools: [
      { ...dear, ...more.dear },
      { ...cheap, ...more.cheap },
    ],
    ...more.policy,
  });
}

const HOURS = 24;
const running = (policy: AccountPolicy, more: Partial<AllocationInput> = {}, hours = HOURS): AllocationInput =>
  inputOf(
    policy,
    [
      demandOf(
        'web',
        'cpu',
        Array.from({ length: hours }, () => 8),
      ),
    ],
    {
      state: stateOf(policy, { web: 8 }, { dear: 2, cheap: 0 }),
      ...more,
    },
  );

let allocator: Allocator;
beforeAll(async () => {
  allocator = await createAllocator();
});

const propose = (input: AllocationInput, distrusted: string[] = []): MigrationProposal[] => {
  const { plan, basis } = allocator.allocate(input);
  return proposeMigrations(allocator, { input, plan, basis, distrusted: new Set(distrusted) });
};

/** `web: dear → cheap`, with the refusals where there are any. */
const told = (proposals: readonly MigrationProposal[]): string[] =>
  proposals.map(({ workload, from, to, refusals }) =>
    [`${workload}: ${from} → ${to}`, ...refusals.map((why) => `not: ${why}`)].join('; '),
  );

const placedOn = (policy: AccountPolicy, placed: Record<string, number>): Partial<AllocationInput> => {
  const state = stateOf(policy, { web: 8 }, { dear: 2, cheap: 0 });
  return { state: { ...state, workloads: state.workloads.map((one) => ({ ...one, placed })) } };
};

describe('what a plan proposes to move', () => {
  it('says what it saves, what it costs once, how long that takes to be paid back, and how sure it is', () => {
    const [one, ...others] = propose(running(account({})));
    expect(others).toEqual([]);
    expect(one).toMatchObject({ workload: 'web', from: 'dear', to: 'cheap', replicas: 8, refusals: [] });
    if (one === undefined) return;
    // Two nodes at 0.40 less, and a thousandth of that for the places on them.
    expect(one.savingPerHour).toBeCloseTo(0.8 * 1.001, 3);
    // Node and pod get ready in 5 minutes, three steps of 2, 10 to verify; 8 replicas are 1.60 an hour until then.
    expect(one.takes).toBe(300 + 360 + 600);
    expect(one.oneOff.twice).toBeCloseTo((1.6 * 1260) / 3600, 9);
    // Five minutes of 8 replicas at the old place, and the 3 minutes that two new nodes take.
    expect(one.oneOff.churn).toBeCloseTo((8 * 0.2) / 12 + (2 * 0.4 * 180) / 3600, 9);
    expect(one.oneOff.egress).toBe(0);
    expect(one.over).toBe(HOURS * 3600);
    expect(one.paidBackIn).toBeCloseTo((oneOffOf(one) / one.savingPerHour) * 3600, 6);
    expect(one.confidence).toBeCloseTo(0.9, 9);
    expect(proposalWords(one, 'EUR')).toBe(
      'saves 0.801 EUR/h over 1d, costs 0.733 EUR once (0.56 while both serve, 0.173 for starts), paid back in 55m, 90 % sure',
    );
  });

  const open = { pools: undefined, mayMoveTo: undefined };
  const rows: [name: string, input: () => AllocationInput, expected: string[], distrusted?: string[]][] = [
    ['nothing for less than the hysteresis', () => running(account({ cheap: { pricePerHour: 0.77 } })), []],
    ['nothing that the horizon does not pay back', () => running(account({}), {}, 1), []],
    ['nothing where the account file says never', () => running(account({ policy: { migrations: 'never' } })), []],
    ['nothing where it may run on its own pool alone', () => running(account({ web: { mayMoveTo: undefined } })), []],
    ['nothing on a forecast that is not acted on', () => running(account({})), [], ['web']],
    ['nothing without a forecast', () => running(account({}), { demand: [] }), []],
    [
      'nothing whose data cost more to copy than it saves',
      () =>
        running(
          account({
            web: { migration: { gib: 500 } },
            dear: { provider: 'aws' },
            cheap: { provider: 'gcp' },
            policy: { egress: [{ from: 'aws', to: 'gcp', perGiB: 0.09 }] },
          }),
        ),
      [],
    ],
    [
      'what is copied within one provider costs nothing',
      () =>
        running(
          account({
            web: { migration: { gib: 500 } },
            dear: { provider: 'aws' },
            cheap: { provider: 'aws' },
            policy: { egress: [{ from: 'aws', to: 'gcp', perGiB: 0.09 }] },
          }),
        ),
      ['web: dear → cheap'],
    ],
    [
      'nothing that would read its data from another provider for more',
      () =>
        running(
          account({
            web: { data: [{ at: 'aws', gibPerReplicaHour: 1 }] },
            dear: { provider: 'aws' },
            cheap: { provider: 'gcp' },
            policy: { egress: [{ from: 'aws', to: 'gcp', perGiB: 0.09 }] },
          }),
        ),
      [],
    ],
    [
      'what is seen on one pool counts, whatever the file would allow',
      () => {
        const policy = account({ web: open });
        return running(policy, placedOn(policy, { dear: 8 }));
      },
      ['web: dear → cheap'],
    ],
    [
      'what is on the cheapest pool by now stays there',
      () => {
        const policy = account({ web: open });
        return running(policy, placedOn(policy, { cheap: 8 }));
      },
      [],
    ],
    [
      'what is spread over pools is not moved',
      () => {
        const policy = account({ web: open });
        return running(policy, placedOn(policy, { dear: 5, cheap: 3 }));
      },
      [],
    ],
    ['where it may run anywhere, and nobody sees where it does: nothing', () => running(account({ web: open })), []],
    [
      'a pool outside of where its data may be is named, with the refusal',
      () =>
        running(
          account({
            web: { residency: { regions: ['eu-1'] } },
            dear: { provider: 'aws', region: 'eu-1' },
            cheap: { provider: 'aws', region: 'us-1' },
          }),
        ),
      [
        "web: dear → cheap; not: the data of web may be in eu-1 alone, and pool cheap is in us-1 of aws; name a pool there, or correct its residency or the pool's provider and region in the account file",
      ],
    ],
    [
      'spot that may have a part of it alone does not get all of it',
      () => running(account({ cheap: { capacityType: 'spot' }, policy: { spotMaxShare: 0.5 } })),
      [
        'web: dear → cheap; not: at most 50 % of web may be there (spotMaxShare), and a migration moves all of it; give it both pools in the account file instead',
      ],
    ],
    [
      'what has to survive the loss of a zone is not put into one',
      () => {
        const policy = account({
          web: { ...open, surviveZone: 0.5 },
          dear: { zone: 'a' },
          cheap: { zone: 'b' },
        });
        return running(policy, placedOn(policy, { dear: 8 }));
      },
      [
        'web: dear → cheap; not: 50 % of web have to survive the loss of a zone, and a migration puts all of it on one pool; leave it where it is, or set its surviveZone: 0',
      ],
    ],
    [
      'nothing into a blackout that begins before it would be over',
      () =>
        running(
          account({
            policy: {
              blackouts: [
                {
                  name: 'launch',
                  from: new Date((AT + 900) * 1000).toISOString(),
                  to: new Date((AT + 7200) * 1000).toISOString(),
                  reason: 'sale',
                },
              ],
            },
          }),
        ),
      [
        'web: dear → cheap; not: blackout launch falls into the 21m that it takes (sale); it is weighed again after that',
      ],
    ],
    [
      'both at once have to be within the budget',
      () => running(account({ policy: { budget: { perHour: 2 } } })),
      [
        'web: dear → cheap; not: while both serve it would cost 2.4 an hour, over the budget 2.00 USD/h; raise the budget for that time',
      ],
    ],
    [
      'both at once have to be within what the fleet grants',
      () => running(account({}), { grant: { cpu: 12 }, grantFrom: 'fleet' }),
      [
        'web: dear → cheap; not: while both serve it asks for more than the fleet grants 12 cores of cpu; raise its guaranteedShare',
      ],
    ],
    [
      'a pool without the nodes for all of it is no place',
      () => running(account({ cheap: { max: 1 } })),
      ['web: dear → cheap; not: not all of it can be served there: maximum 1 nodes of pool cheap; raise that'],
    ],
    [
      'replicas that want nodes of their own need as many there',
      () => running(account({ web: { antiAffinity: { perNode: 4 } }, cheap: { max: 1 } })),
      ['web: dear → cheap; not: not all of it can be served there: maximum 1 nodes of pool cheap; raise that'],
    ],
  ];
  it.each(rows)('%s', (_name, input, expected, distrusted) => {
    expect(told(propose(input(), distrusted))).toEqual(expected);
  });

  it('is surer of prices that stand still', () => {
    const [steady] = propose(running(account({})));
    const [wild] = propose(running(account({ cheap: { priceVolatility: 1 } })));
    expect(wild?.confidence).toBeLessThan((steady?.confidence ?? 0) - 0.1);
    expect(wild?.confidence).toBeGreaterThan(0.5);
  });

  it('fills room that is paid for anyway', () => {
    const policy = policyOf({
      workloads: [
        { name: 'big', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 9 }, pools: ['b'] },
        {
          name: 'small',
          components: { cpu: { request: 1 } },
          replicas: { min: 1, max: 9 },
          pools: ['a'],
          mayMoveTo: ['a', 'b'],
        },
      ],
      pools: [
        { ...cheap, name: 'a' },
        { ...cheap, name: 'b' },
      ],
    });
    const blocks = Array.from({ length: HOURS }, () => 2);
    const input = inputOf(policy, [demandOf('big', 'cpu', blocks), demandOf('small', 'cpu', blocks)], {
      state: stateOf(policy, { big: 2, small: 2 }, { a: 1, b: 1 }),
    });
    const [one, ...others] = propose(input);
    expect(others).toEqual([]);
    expect(one).toMatchObject({ workload: 'small', from: 'a', to: 'b' });
    expect(one?.savingPerHour).toBeCloseTo(0.4, 6);
  });

  it('of two that share a node neither frees it alone: they are proposed together, and what that saves is counted once', () => {
    const small = (name: string): Workload => ({
      ...{ name, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 9 } },
    });
    const policy = policyOf({ workloads: [small('a'), small('b')], pools: [dear, cheap] });
    const input = inputOf(
      policy,
      ['a', 'b'].map((name) =>
        demandOf(
          name,
          'cpu',
          Array.from({ length: HOURS }, () => 2),
        ),
      ),
      { state: stateOf(policy, { a: 2, b: 2 }, { dear: 1, cheap: 0 }) },
    );
    const seen = (a: string, b: string): AllocationInput => ({
      ...input,
      state: {
        ...stateOf(policy, { a: 2, b: 2 }, { dear: 1, cheap: b === 'cheap' ? 1 : 0 }),
        workloads: input.state.workloads.map((one) => ({ ...one, placed: { [one.workload === 'a' ? a : b]: 2 } })),
      },
    });
    const both = propose(seen('dear', 'dear'));
    expect(both.map(({ workload, to, together }) => [workload, to, together])).toEqual([
      ['a', 'cheap', ['b']],
      ['b', 'cheap', ['a']],
    ]);
    // One node at 0.80 becomes one at 0.40.
    expect(both.reduce((sum, { savingPerHour }) => sum + savingPerHour, 0)).toBeCloseTo(0.4 * 1.001, 3);
    // Once the one has moved, the other frees the node.
    const [other, ...none] = propose(seen('dear', 'cheap'));
    expect(none).toEqual([]);
    expect(other).toMatchObject({ workload: 'a', to: 'cheap' });
    expect(other?.savingPerHour).toBeCloseTo(0.8, 2);
  });

  it('goes into the summary, but for what something stands against', () => {
    const input = running(account({}));
    const { plan } = allocator.allocate(input);
    const migrations = propose(input);
    expect(summarizePlan({ ...plan, migrations }).moves).toMatchObject([
      { workload: 'web', from: 'dear', to: 'cheap' },
    ]);
    const refused = migrations.map((one) => ({ ...one, refusals: ['no'] }));
    expect(summarizePlan({ ...plan, migrations: refused }).moves).toBeUndefined();
  });
});

/** Two workloads, each bound to one of two pools and free to go to the other. */
const problem = fc
  .record({
    workloads: fc.array(
      fc.record({
        on: fc.constantFrom(0, 1),
        request: fc.constantFrom(1, 2),
        demand: fc.array(fc.integer({ min: 50, max: 500 }), { minLength: 2, maxLength: 2 }),
      }),
      { minLength: 1, maxLength: 2 },
    ),
    prices: fc.array(fc.integer({ min: 10, max: 90 }), { minLength: 2, maxLength: 2 }),
    cores: fc.array(fc.constantFrom(2, 4), { minLength: 2, maxLength: 2 }),
  })
  .map(({ workloads, prices, cores }) => {
    const policy = policyOf({
      hysteresis: 0.05,
      workloads: workloads.map(({ on, request }, index) => ({
        name: `w${index}`,
        components: { cpu: { request } },
        replicas: { min: 1, max: 5 },
        pools: [`p${on}`],
        mayMoveTo: ['p0', 'p1'],
        leadTime: '1m',
        verification: { for: '1m' },
      })),
      pools: prices.map((price, index) => ({
        name: `p${index}`,
        pricePerHour: price / 100,
        node: { cpu: cores[index] ?? 4 },
        leadTime: '0s',
      })),
    });
    const demand = workloads.map((one, index) =>
      demandOf(
        `w${index}`,
        'cpu',
        one.demand.map((value) => value / 100),
      ),
    );
    const replicas = Object.fromEntries(
      workloads.map((one, index) => [`w${index}`, Math.ceil((one.demand[0] ?? 0) / 100 / one.request)]),
    );
    // Twelve hours a block: what is paid once is small beside it.
    const blocks = [0, 1].map((index) => ({ from: AT + index * 43_200, to: AT + (index + 1) * 43_200 }));
    return inputOf(policy, demand, { state: stateOf(policy, replicas, { p0: 9, p1: 9 }), blocks });
  });

const moved = (input: AllocationInput, workload: string, pool: string): AllocationInput => ({
  ...input,
  policy: {
    ...input.policy,
    workloads: input.policy.workloads.map((one) => (one.name === workload ? { ...one, pools: [pool] } : one)),
  },
});

test('a proposal saves what the best of all plans there costs less than the best of all plans here', () => {
  let compared = 0;
  fc.assert(
    fc.property(problem, (input) => {
      const here = bruteForce(input);
      if (here === null) return;
      for (const { workload, to, savingPerHour, refusals } of propose(input)) {
        if (refusals.length > 0) continue;
        const there = bruteForce(moved(input, workload, to));
        expect(there).not.toBeNull();
        compared++;
        const exact = (here - (there ?? 0)) / 24;
        // As far as the gaps of the two plans go; a tenth of a percent of what is there.
        expect(savingPerHour).toBeLessThanOrEqual(exact + (2e-3 * here) / 24);
        expect(exact).toBeGreaterThan(0);
      }
    }),
    { numRuns: 25, seed: 11 },
  );
  expect(compared).toBeGreaterThan(8);
});

test('what is cheaper by the replica, and by every plan there is, is proposed', () => {
  let compared = 0;
  fc.assert(
    fc.property(problem, (input) => {
      const [only] = input.policy.workloads;
      if (input.policy.workloads.length !== 1 || only === undefined) return;
      const [from, to] = only.pools?.[0] === 'p0' ? ['p0', 'p1'] : ['p1', 'p0'];
      const priceOf = (name: string): number => {
        const pool = input.policy.pools.find((one) => one.name === name);
        return (pool?.pricePerHour ?? 0) / (pool?.node.cpu ?? 1);
      };
      const [here, there] = [bruteForce(input), bruteForce(moved(input, 'w0', to))];
      // Well beyond hysteresis and what it costs once.
      if (here === null || there === null || there > 0.7 * here || priceOf(to) > 0.7 * priceOf(from)) return;
      compared++;
      expect(told(propose(input))).toEqual([`w0: ${from} → ${to}`]);
    }),
    { numRuns: 60, seed: 12 },
  );
  expect(compared).toBeGreaterThan(5);
});

test('no workload is sent to and fro: what was proposed is not proposed back, nor for prices that stir within the hysteresis', () => {
  let moves = 0;
  fc.assert(
    fc.property(problem, fc.double({ min: 0.98, max: 1.02, noNaN: true }), (input, stir) => {
      const best = propose(input).find(({ refusals }) => refusals.length === 0);
      if (best === undefined) return;
      moves++;
      const after = moved(input, best.workload, best.to);
      const stirred = {
        ...after,
        policy: {
          ...after.policy,
          pools: after.policy.pools.map((pool) =>
            pool.name === best.to ? { ...pool, pricePerHour: pool.pricePerHour * stir } : pool,
          ),
        },
      };
      const back = propose(stirred).filter(
        ({ workload, refusals }) => workload === best.workload && refusals.length === 0,
      );
      expect(back).toEqual([]);
    }),
    { numRuns: 25, seed: 13 },
  );
  expect(moves).toBeGreaterThan(8);
});
