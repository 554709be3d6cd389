import { describe, expect, it } from 'vitest';
import { accountAsks, blockAfter, fleetBlocks, type AccountAsks } from '../../src/allocate/fleet-demand.js';
import { packAccount, unpackInput } from '../../activities/fleet/work.js';
import type { Plan } from '../../src/domain/plan.js';
import { accountOf, fleetOf, forecastOf, START } from './fleet-world.js';

/* What an account asks of the fleet: too little here is capacity that it is not granted, too much is another's. */

const fleet = fleetOf('accounts: [{ account: special, movePrice: 7, placementPerHour: { general: 2 } }]\n');
const account = (more = '', name = 'acme') =>
  accountOf(
    name,
    `workloads:
  - name: web
    criticality: high
    components: { cpu: { request: 1, utilization: 0.5 }, memory: { request: 1Gi } }
    replicas: { min: 2, max: 40 }
${more}`,
  );

const planOf = (replicas: number, shortfall = 0, request = 1): Plan => ({
  ...{ id: 'p', account: 'acme', at: START, snapshotId: 's', forecastId: 'f', placements: [], reasons: [] },
  ...{ fields: [], conflict: null, costPerHour: 1, currency: 'USD' },
  verdict: { kind: 'hold', reason: 'steady', detail: '' },
  solver: { iterations: 0, objective: 0, gap: 0, warm: false, status: 'optimal' },
  blocks: [
    {
      ...{ from: START, to: START + 300, nodes: {}, costPerHour: 1 },
      workloads: [
        {
          ...{ workload: 'web', replicas, request: { cpu: request, memory: 2 ** 30 }, shortfall: { cpu: shortfall } },
          pools: { general: replicas - 1, elsewhere: 1 },
        },
      ],
    },
  ],
});

const blocks = fleetBlocks(fleet, START + 17);
const asked = (more: Partial<AccountAsks> = {}, grantBlocks = 3) =>
  accountAsks(
    fleet,
    { policy: account(), forecast: forecastOf('acme', START, 10), plan: null, planIsFresh: false, ...more },
    blocks,
    grantBlocks,
  );
const cpu = (one: ReturnType<typeof asked>, block = 0) => one.account.demand.cpu?.[block];

describe('blocks of the fleet', () => {
  it('begin with the step that is running: a grant binds at once', () => {
    expect(blocks[0]).toEqual({ from: START, to: START + 300 });
    expect(blocks.at(-1)?.to).toBe(START + 7200);
    expect(blocks).toHaveLength(24);
    expect(fleetBlocks({ step: 300, horizon: 86_400 }, START)).toHaveLength(24 + 22);
  });

  it.each([
    [0, 0],
    [1, 1],
    [300, 1],
    [301, 2],
    [90_000, 24],
  ])('a node asked for now, ready in %d s, is there from block %d on', (seconds, block) => {
    expect(blockAfter(fleetBlocks(fleet, START), START + seconds)).toBe(block);
  });
});

describe('what an account asks', () => {
  it.each([
    { name: 'whole replicas at the utilization that it allows', given: {}, replicas: 20 },
    { name: 'its minimum', given: { forecast: forecastOf('acme', START, 0) }, replicas: 2 },
    {
      name: 'its maximum, however huge the forecast',
      given: { forecast: forecastOf('acme', START, 1e9) },
      replicas: 40,
    },
    {
      name: 'what its own plan has now, above the forecast',
      given: { plan: planOf(25), planIsFresh: true },
      replicas: 25,
    },
    { name: 'and what that plan could not serve', given: { plan: planOf(25, 2), planIsFresh: true }, replicas: 29 },
    { name: 'of a plan of yesterday nothing', given: { plan: planOf(25), planIsFresh: false }, replicas: 20 },
  ])('$name', ({ given, replicas }) => {
    const one = asked(given);
    expect(cpu(one)).toBe(replicas);
    expect(one.account.demand.memory?.[0]).toBe(replicas * 2 ** 30);
    expect(one.unknown).toEqual([]);
  });

  it('the present plan counts for as long as the grant lasts, the forecast after it', () => {
    const one = asked({ plan: planOf(25), planIsFresh: true });
    expect([cpu(one, 2), cpu(one, 3)]).toEqual([25, 20]);
  });

  it('without a forecast: what it has; where not even that is known, unknown, and never nothing', () => {
    const held = asked({ forecast: null, plan: planOf(6) });
    expect([cpu(held), cpu(held, 20)]).toEqual([6, 6]);
    expect(held.unknown).toEqual(['web has no forecast']);
    const lost = asked({ forecast: null });
    expect(cpu(lost)).toBeNaN();
    expect(lost.account.demand.memory?.[5]).toBeNaN();
  });

  it('says where it runs, of the pools that are shared alone, and what moving costs', () => {
    const one = asked({ plan: planOf(9) });
    expect(one.account.running).toEqual([{ pool: 'general', amount: { cpu: 8, memory: 8 * 2 ** 30 } }]);
    expect(one.account.pools).toEqual(['general']);
    // Two nodes at 1 an hour, 5 % of two hours of it.
    expect(one.account.movePrice).toBeCloseTo(2 * 2 * 0.05, 9);
    expect(asked({ policy: account('', 'special') }).account).toMatchObject({
      movePrice: 7,
      placementPerHour: { general: 2 },
    });
  });

  it.each([
    ['its budget, in the fleet’s currency', 'budget: { perHour: 9 }\n', 9],
    ['no budget in another currency', 'budget: { perHour: 9 }\ncurrency: EUR\n', null],
    ['no budget', '', null],
  ])('%s', (_name, lines, budget) => {
    expect(asked({ policy: account(lines) }).account.budgetPerHour).toBe(budget);
  });

  it('goes through the store as it is, the unknown included', () => {
    const [known, lost] = [asked().account, asked({ forecast: null }).account];
    const packed = JSON.parse(JSON.stringify([packAccount(known), packAccount(lost)])) as ReturnType<
      typeof packAccount
    >[];
    const [a, b] = unpackInput({
      ...{ blocks, pools: [], grantBlocks: 3, unknown: [], leftOut: [], notes: [], seen: [] },
      accounts: packed,
    }).accounts;
    expect(a).toEqual(known);
    expect(b?.demand.cpu?.[0]).toBeNaN();
  });
});

describe('of workloads with different pools', () => {
  const spot = { name: 'spot', pricePerHour: 0.1, node: { cpu: 4 } };
  const [general] = fleet.pools;
  if (general === undefined) throw new Error('the fleet has no pool');
  const shared = { ...fleet, pools: [general, { ...general, ...spot, capacityType: 'spot' as const }] };
  /** Both ask for as much: 20 replicas of 1 core each. */
  const two = (web: string[], api: string[], spotMaxShare = 1) => {
    const policy = account();
    const [workload, pool] = [policy.workloads[0], policy.pools[0]];
    if (workload === undefined || pool === undefined) throw new Error('the account has neither');
    return {
      ...{ ...policy, spotMaxShare, pools: [pool, { ...pool, ...spot }] },
      workloads: [
        { ...workload, pools: web, mayMoveTo: ['general', 'spot'] },
        { ...workload, name: 'api', pools: api, mayMoveTo: ['general', 'spot'] },
      ],
    };
  };
  const forecast = forecastOf('acme', START, 10);
  const both = { ...forecast, series: forecast.series.flatMap((one) => [one, { ...one, workload: 'api' }]) };

  it.each([
    { name: 'none may run there: not the pool', policy: two(['general'], ['general']), pools: ['general'], share: 1 },
    {
      name: 'one of two equals was moved there: half',
      policy: two(['general'], ['spot']),
      pools: ['general', 'spot'],
      share: 0.5,
    },
    {
      name: 'both may: all',
      policy: two(['general', 'spot'], ['general', 'spot']),
      pools: ['general', 'spot'],
      share: 1,
    },
    {
      name: 'and never more than the account’s own bound',
      policy: two(['general'], ['spot'], 0.3),
      pools: ['general', 'spot'],
      share: 0.3,
    },
  ])('the share that the fleet may count on spot nodes: $name', ({ policy, pools, share }) => {
    const one = accountAsks(shared, { policy, forecast: both, plan: null, planIsFresh: false }, blocks, 3);
    expect(one.account).toMatchObject({ pools, spotMaxShare: share });
  });

  it('what is unknown bounds nothing', () => {
    const policy = two(['general'], ['spot']);
    const one = accountAsks(shared, { policy, forecast: null, plan: null, planIsFresh: false }, blocks, 3);
    expect(one.account.spotMaxShare).toBe(1);
  });
});
