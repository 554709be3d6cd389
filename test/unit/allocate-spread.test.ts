import { beforeAll, describe, expect, test } from 'vitest';
import { checkPlan, createAllocator, type AllocationInput, type Allocator } from '../../src/allocate/index.js';
import type { AccountFile } from '../../src/domain/account.js';
import { checkAccountFile } from '../../src/domain/account-file.js';
import type { Plan } from '../../src/domain/plan.js';
import { STRATEGY_SETTINGS } from '../../src/domain/strategies.js';
import { demandOf, inputOf, simple, stateOf } from './allocate-fixtures.js';

let allocator: Allocator;
beforeAll(async () => {
  allocator = await createAllocator();
});

type Pools = AccountFile['pools'];
const pools: Pools = [
  { name: 'a', provider: 'aws', region: 'eu-1', zone: 'z1', pricePerHour: 0.4, node: { cpu: 4 }, leadTime: '0s' },
  { name: 'b', provider: 'aws', region: 'eu-1', zone: 'z2', pricePerHour: 0.44, node: { cpu: 4 }, leadTime: '0s' },
  { name: 'u', provider: 'gcp', region: 'us-1', zone: 'z9', pricePerHour: 0.2, node: { cpu: 4 }, leadTime: '0s' },
  {
    ...{ name: 's1', provider: 'aws', region: 'eu-1', zone: 'z1', capacityType: 'spot', pricePerHour: 0.1 },
    ...{ node: { cpu: 4 }, leadTime: '0s' },
  },
  {
    ...{ name: 's2', provider: 'aws', region: 'eu-1', zone: 'z2', capacityType: 'spot', pricePerHour: 0.11 },
    ...{ node: { cpu: 4 }, leadTime: '0s' },
  },
];

function planned(
  account: Partial<AccountFile>,
  web: Partial<AccountFile['workloads'][number]>,
  replicas: number,
): { plan: Plan; input: AllocationInput; counts: Record<string, number> } {
  const policy = simple({ pools, ...account }, web);
  const state = stateOf(policy, { web: replicas });
  const input = inputOf(policy, [demandOf('web', 'cpu', [replicas, replicas])], { state });
  const { plan } = allocator.allocate(input);
  expect(checkPlan(input, plan).breaches).toEqual([]);
  expect(plan.conflict).toBeNull();
  return { plan, input, counts: plan.blocks[0]?.workloads[0]?.pools ?? {} };
}

describe('where replicas go', () => {
  test.each<{
    name: string;
    account: Partial<AccountFile>;
    web: Partial<AccountFile['workloads'][number]>;
    counts: Record<string, number>;
  }>([
    { name: 'the cheapest, where nothing is said', account: {}, web: {}, counts: { s1: 8 } },
    { name: 'at most half on spot', account: { spotMaxShare: 0.5 }, web: {}, counts: { s1: 4, u: 4 } },
    {
      name: 'at most a quarter on one market',
      account: { spotMarketMaxShare: 0.25 },
      web: {},
      counts: { s1: 4, s2: 4, u: 8 },
    },
    {
      name: 'half survive any zone',
      account: { spotMaxShare: 0 },
      web: { surviveZone: 0.5, pools: ['a', 'b'] },
      counts: { a: 4, b: 4 },
    },
    {
      name: 'data stay in their region',
      account: { spotMaxShare: 0 },
      web: { residency: { regions: ['eu-1'] } },
      counts: { a: 8 },
    },
    {
      name: 'data stay with their provider',
      account: { spotMaxShare: 0 },
      web: { residency: { providers: ['gcp'] } },
      counts: { u: 8 },
    },
    {
      ...{ name: 'moving data costs more than the cheap region saves', counts: { a: 8 } },
      account: { spotMaxShare: 0, egress: [{ from: 'aws', to: 'gcp', perGiB: 0.09 }] },
      web: { data: [{ at: 'aws/eu-1', gibPerReplicaHour: 2 }] },
    },
    {
      ...{ name: 'a price that moves is weighed', counts: { u: 8 } },
      account: {
        weights: { priceRisk: 1 },
        pools: pools.map((pool) => (pool.capacityType === 'spot' ? { ...pool, priceVolatility: 3 } : pool)),
      },
      web: {},
    },
  ])('$name', ({ account, web, counts }) => {
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    expect(planned(account, web, total).counts).toEqual(counts);
  });

  test('apart: one replica a node takes as many nodes', () => {
    const { plan } = planned({ spotMaxShare: 0 }, { antiAffinity: { perNode: 1 } }, 5);
    expect(plan.blocks[0]?.nodes).toMatchObject({ u: 5 });
  });

  test('what data cost to move is told beside the other places', () => {
    const { plan } = planned(
      { spotMaxShare: 0, egress: [{ from: 'aws', to: 'gcp', perGiB: 0.09 }] },
      { data: [{ at: 'aws', gibPerReplicaHour: 2 }], pools: ['a', 'u'] },
      8,
    );
    const rejected = plan.reasons.find((one) => one.number === 'web.replicas')?.rejected ?? [];
    expect(rejected.find((one) => one.alternative.includes('pool u'))?.why).toContain('data moved 1.44');
  });
});

const file = (more: string): string => `
version: headroom/v1
account: shop
${more}
workloads: [{ name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 9 } }]
pools: [{ name: general, pricePerHour: 0.4, node: { cpu: 4 }, zone: z1, region: eu-1, provider: aws }]
`;
const read = (more: string) => {
  const result = checkAccountFile(file(more));
  if ('policy' in result) return result.policy;
  throw new Error(result.problems.map((one) => `${one.path}: ${one.problem}`).join());
};

describe('a strategy', () => {
  test.each(['cheapest', 'balanced', 'safest'] as const)('%s presets every one of its settings', (strategy) => {
    expect(read(`strategy: ${strategy}`)).toMatchObject(STRATEGY_SETTINGS[strategy]);
  });

  test('gives way to what the file says itself', () => {
    const policy = read('strategy: safest\nlevel: 0.9\nweights: { churn: 7 }');
    expect(policy).toMatchObject({
      ...STRATEGY_SETTINGS.safest,
      level: 0.9,
      weights: { ...STRATEGY_SETTINGS.safest.weights, churn: 7 },
    });
  });

  test('that is not known is refused with those that are', () => {
    expect(() => read('strategy: yolo')).toThrow(/strategy.*cheapest.*balanced.*safest/);
  });

  test('is shown in full in the plan, and in a file without one what nobody said', () => {
    const policy = read('strategy: safest');
    const { plan } = allocator.allocate(inputOf(policy, [demandOf('web', 'cpu', [3])]));
    expect(plan.settings).toEqual({ strategy: 'safest', ...STRATEGY_SETTINGS.safest });
    expect(allocator.allocate(inputOf(read(''), [demandOf('web', 'cpu', [3])])).plan.settings?.strategy).toBeNull();
  });
});

describe('an account file that asks for what cannot be', () => {
  test.each([
    { name: 'data where no pool is', more: 'residency: { regions: [eu-2] }', says: 'none of its pools is in eu-2' },
    { name: 'a zone to lose where there is one', more: 'surviveZone: 0.5', says: 'its pools are in one zone' },
    { name: 'all of it left when a zone is lost', more: 'surviveZone: 1', says: 'surviveZone' },
    { name: 'no replica a node', more: 'antiAffinity: { perNode: 0 }', says: 'perNode' },
  ])('$name', ({ more, says }) => {
    const text = file('').replace('max: 9 } }', `max: 9 }, ${more} }`);
    const result = checkAccountFile(text);
    expect('problems' in result ? result.problems.map((one) => `${one.path}: ${one.problem}`).join() : '').toContain(
      says,
    );
  });

  test.each([
    {
      name: 'two sources of prices',
      more: 'prices: { file: a.csv, url: "https://prices.example" }',
      says: 'one of file, url',
    },
    {
      name: 'a secret that is none of prices',
      more: 'prices: { url: "https://p.example", tokenEnv: AWS_SECRET }',
      says: 'HEADROOM_PRICES_TOKEN',
    },
    { name: 'a price of 1e12', more: 'egress: [{ from: a, to: b, perGiB: 1e12 }]', says: 'perGiB' },
  ])('$name', ({ more, says }) => {
    expect(() => read(more)).toThrow(says);
  });
});
