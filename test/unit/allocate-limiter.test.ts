import { beforeAll, describe, expect, test } from 'vitest';
import { createAllocator, type AllocationInput, type Allocator } from '../../src/allocate/index.js';
import type { AccountFile } from '../../src/domain/account.js';
import { AT, demandOf, inputOf, simple, stateOf } from './allocate-fixtures.js';

let allocator: Allocator;
beforeAll(async () => {
  allocator = await createAllocator();
});

const general = { name: 'general', pricePerHour: 0.4, node: { cpu: 4 }, leadTime: '0s' };
const spot = { name: 'spot', capacityType: 'spot' as const, pricePerHour: 0.1, node: { cpu: 4 }, leadTime: '0s' };
const two = [demandOf('web', 'cpu', [2, 2])];
const eight = [demandOf('web', 'cpu', [8, 8])];

interface Case {
  name: string;
  account?: Partial<AccountFile>;
  replicas: { min: number; max: number; stepUp?: number };
  demand?: AllocationInput['demand'];
  nodes?: Record<string, number>;
  more?: Partial<AllocationInput>;
  number?: string;
  value: number;
  constraint: string;
  words: string;
}

describe('a number that is less than was asked for names', () => {
  test.each<Case>([
    {
      name: 'the budget, where the minimum breaks it and demand does not',
      account: { budget: { perHour: 0.4 } },
      replicas: { min: 12, max: 20 },
      ...{ value: 4, constraint: 'budget', words: 'budget 0.40 USD/h' },
    },
    {
      name: 'the budget, where minimum and demand break it',
      account: { budget: { perHour: 0.9 } },
      replicas: { min: 10, max: 20 },
      demand: [demandOf('web', 'cpu', [12, 12])],
      ...{ value: 8, constraint: 'budget', words: 'budget 0.90 USD/h' },
    },
    {
      name: 'the budget, where it buys nothing at all',
      account: { budget: { perHour: 0.3 } },
      replicas: { min: 3, max: 9 },
      ...{ value: 0, constraint: 'budget', words: 'budget 0.30 USD/h' },
    },
    {
      name: 'the budget, on nodes that are fewer than the minimum of their pool',
      account: { budget: { perHour: 0.5 }, pools: [{ ...general, min: 3 }] },
      replicas: { min: 1, max: 9 },
      number: 'general.nodes',
      ...{ value: 1, constraint: 'budget', words: 'budget 0.50 USD/h' },
    },
    {
      name: 'the size of a fixed pool, though there is a budget too',
      account: { budget: { perHour: 9 }, pools: [{ ...general, size: 'fixed' }] },
      replicas: { min: 10, max: 20 },
      nodes: { general: 2 },
      ...{ value: 8, constraint: 'pool-fit', words: 'pool general has 2 nodes and is fixed' },
    },
    {
      name: 'the maximum of a pool',
      account: { budget: { perHour: 9 }, pools: [{ ...general, max: 1 }] },
      replicas: { min: 6, max: 20 },
      ...{ value: 4, constraint: 'pool-size', words: 'maximum 1 nodes of pool general' },
    },
    {
      name: 'both, where the pool is at its maximum and the budget is spent',
      account: { budget: { perHour: 0.4 }, pools: [{ ...general, max: 1 }] },
      replicas: { min: 6, max: 20 },
      ...{ value: 4, constraint: 'pool-size', words: 'maximum 1 nodes of pool general; budget 0.40 USD/h' },
    },
    {
      name: 'the share on spot, where money and nodes are there',
      account: { spotMaxShare: 0.5, pools: [{ ...general, max: 1 }, spot] },
      replicas: { min: 12, max: 20 },
      ...{ value: 8, constraint: 'spot-share', words: 'at most 50 % of web on spot' },
    },
    {
      name: 'what the fleet grants',
      account: { budget: { perHour: 9 } },
      replicas: { min: 6, max: 20 },
      more: { grant: { cpu: 5 }, grantFrom: 'fleet' },
      ...{ value: 5, constraint: 'grant', words: 'the fleet grants 5 cores' },
    },
    {
      name: 'the lead time of nodes',
      account: { budget: { perHour: 9 }, pools: [{ ...general, leadTime: '1h' }] },
      replicas: { min: 6, max: 20 },
      nodes: { general: 1 },
      ...{ value: 4, constraint: 'lead-time', words: 'a node of pool general takes 1h' },
    },
    {
      name: 'its own maximum, under an override above it',
      replicas: { min: 1, max: 5 },
      more: {
        overrides: [
          {
            ...{ kind: 'override', id: 'o1', author: 'ann', reason: 'match day', since: AT - 60, until: AT + 7200 },
            target: { field: 'replicas', workload: 'web', value: 12 },
          },
        ],
      },
      ...{ value: 5, constraint: 'replica-limits', words: 'maximum 5 replicas of web' },
    },
    {
      name: 'the budget, where demand alone breaks it, with what more of it would save',
      account: { budget: { perHour: 0.5 } },
      replicas: { min: 1, max: 20 },
      demand: eight,
      ...{ value: 4, constraint: 'budget', words: 'budget 0.50 USD/h' },
    },
  ])('$name', ({ account, replicas, demand, nodes, more, number, value, constraint, words }) => {
    const policy = simple({ pools: [general], ...account }, { replicas });
    const state = stateOf(policy, { web: 2 }, nodes ?? {});
    const { plan } = allocator.allocate(inputOf(policy, demand ?? two, { state, ...more }));
    const reason = plan.reasons.find((one) => one.number === (number ?? 'web.replicas'));
    expect(reason?.value).toBe(value);
    expect(reason?.binding).toMatchObject({ constraint });
    expect(reason?.binding.words).toContain(words);
    expect(plan.conflict).not.toBeNull();
  });
});

describe('the money in a reason is what a bill would show', () => {
  const reasonOf = (demand: number, min: number) => {
    const policy = simple({ pools: [{ ...general, min: 1 }] }, { replicas: { min, max: 20 } });
    const input = inputOf(policy, [demandOf('web', 'cpu', [demand, demand])], {
      state: stateOf(policy, { web: 2 }, { general: 1 }),
    });
    return allocator.allocate(input).plan.reasons.find((one) => one.number === 'web.replicas');
  };

  test('a replica less on a node that stays saves nothing, whatever its share of the node', () => {
    const reason = reasonOf(1, 2);
    expect(reason?.binding).toMatchObject({ constraint: 'replica-limits', pricePerHour: 0 });
    expect(reason?.rejected[0]).toEqual({
      ...{ alternative: '1 replicas', why: 'under the 2 that its limits ask for', costPerHour: 0 },
    });
  });

  test('a replica less that ends its node saves the node', () => {
    expect(reasonOf(1, 5)?.rejected[0]).toMatchObject({ alternative: '4 replicas', costPerHour: -0.4 });
  });

  test('what goes unserved is weighed, and said to be', () => {
    expect(reasonOf(3, 1)?.rejected[0]?.why).toMatch(/1 cores of cpu unserved at the level, weighed like \d/);
  });

  // What a user loses: a limit left a workload short, and `why` said that more would only be for a higher level.
  test.each([
    { name: 'its maximum', account: {}, max: 7, words: /^maximum 7 replicas of web$/ },
    { name: 'the budget', account: { budget: { perHour: 0.4 } }, max: 20, words: /^budget 0.40 USD\/h$/ },
  ])('the replicas that the level itself takes are missing for the limit that keeps them away: $name', (one) => {
    const input = inputOf(simple(one.account, { replicas: { min: 1, max: one.max } }), eight);
    const reason = allocator.allocate(input).plan.reasons.find(({ number }) => number === 'web.replicas');
    const more = reason?.rejected.filter(({ alternative }) => alternative.includes('for level')) ?? [];
    expect(more.map(({ alternative }) => alternative)).toEqual(['8 replicas for level 0.99']);
    expect(more[0]?.why).toMatch(one.words);
  });

  test('where the level has what it takes, the next one is what was not asked for', () => {
    const reason = allocator
      .allocate(inputOf(simple({}, { replicas: { min: 1, max: 20 } }), eight))
      .plan.reasons.find(({ number }) => number === 'web.replicas');
    expect(reason?.rejected.find(({ alternative }) => alternative.includes('for level'))).toMatchObject({
      alternative: expect.stringMatching(/^1[0-9] replicas for level 0.999$/) as string,
      why: 'level 0.99 was asked for',
    });
  });
});
