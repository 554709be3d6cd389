import { beforeAll, describe, expect, test } from 'vitest';
import { createAllocator, type Allocator } from '../../src/allocate/index.js';
import type { AccountFile } from '../../src/domain/account.js';
import { checkAccountFile } from '../../src/domain/account-file.js';
import type { Plan } from '../../src/domain/plan.js';
import { demandOf, inputOf, simple, stateOf } from './allocate-fixtures.js';

let allocator: Allocator;
beforeAll(async () => {
  allocator = await createAllocator();
});

describe('an account file with a price that is', () => {
  test.each([
    { name: 'missing', price: '', says: 'pools[0].pricePerHour: is missing' },
    {
      name: 'negative',
      price: 'pricePerHour: -0.4,',
      says: 'pools[0].pricePerHour: -0.4 is too small; it has to be 0 or more',
    },
    {
      name: '1e12',
      price: 'pricePerHour: 1e12,',
      says: 'pools[0].pricePerHour: 1000000000000 is too large; it has to be 1000000 or less',
    },
    { name: 'no number', price: 'pricePerHour: .nan,', says: 'pools[0].pricePerHour' },
  ])('$name is refused with its place', ({ price, says }) => {
    const result = checkAccountFile(
      `version: headroom/v1\naccount: shop\nworkloads: [{ name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 9 } }]\npools: [{ name: general, ${price} node: { cpu: 4 } }]\n`,
    );
    const problems = 'problems' in result ? result.problems : [];
    expect(problems.map((one) => `${one.path}: ${one.problem}`).join()).toContain(says);
    expect(problems[0]?.line).toBe(4);
  });
});

describe('a plan of what cannot be met', () => {
  const node = { name: 'general', pricePerHour: 0.4, leadTime: '0s' };
  const both = { cpu: { request: 1 }, memory: { request: '1Gi' } };
  test.each<{
    name: string;
    account?: Partial<AccountFile>;
    web?: Partial<AccountFile['workloads'][number]>;
    conflict: string[] | null;
    check?: (plan: Plan) => void;
  }>([
    {
      name: 'a pool without capacity: what runs is left as it is',
      account: { pools: [{ ...node, node: { cpu: 0 } }] },
      conflict: ['replica-limits', 'pool-fit'],
      check: (plan) => expect(plan.fields).toEqual([]),
    },
    {
      name: 'a pool that may have no node',
      account: { pools: [{ ...node, node: { cpu: 4 }, max: 0 }] },
      conflict: ['replica-limits', 'pool-size'],
    },
    {
      name: 'a minimum that the budget does not pay for',
      account: { budget: { perHour: 0.3 } },
      web: { replicas: { min: 3, max: 9 } },
      conflict: ['replica-limits', 'budget'],
      check: (plan) => expect(plan.conflict?.gaveUp).toContain('minimum of web'),
    },
    {
      name: 'a minimum of nodes that the budget does not pay for',
      account: { budget: { perHour: 0.5 }, pools: [{ ...node, node: { cpu: 4 }, min: 3 }] },
      conflict: ['pool-size', 'budget'],
    },
    {
      name: 'a component without a forecast: nothing is lowered',
      web: { components: both },
      conflict: null,
      check: (plan) => {
        expect(plan.blocks[0]?.workloads[0]?.replicas).toBe(4);
        expect(plan.reasons.find((one) => one.number === 'web.replicas')?.binding.words).toContain(
          'no forecast of memory',
        );
      },
    },
  ])('$name', ({ account, web, conflict, check }) => {
    const policy = simple({ pools: [{ ...node, node: { cpu: 4 } }], ...account }, web);
    const input = inputOf(policy, [demandOf('web', 'cpu', [2, 2])], {
      state: stateOf(policy, { web: 4 }, { general: 1 }),
    });
    const { plan } = allocator.allocate(input);
    expect(plan.conflict?.set.map((one) => one.constraint).sort() ?? null).toEqual(conflict?.sort() ?? null);
    expect(plan.check?.ok).toBe(true);
    check?.(plan);
  });
});
