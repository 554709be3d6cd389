import { expect, test } from 'vitest';
import { createAllocator } from '../../src/allocate/index.js';
import { poolProblems } from '../../src/domain/choose-pool.js';
import { demandOf, inputOf, policyOf, stateOf } from './allocate-fixtures.js';

/* A size that the account file has otherwise than the cluster. What a user loses where this fails: to learn which of them counts. */

const policyWith = (cpu: { request: number; grid?: number[] }) =>
  policyOf({
    workloads: [{ name: 'web', components: { cpu }, replicas: { min: 1, max: 9 } }],
    pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 } }],
  });

const OTHER = 'web runs with a cpu request of 1, and the account file says';

test.each([
  ['the same', { request: 1 }, {}, null],
  [
    'larger',
    { request: 2 },
    {},
    `${OTHER} 2: the plan counts with what runs; correct one of the two, or let the plan choose (grid: [1, 2])`,
  ],
  [
    'larger than any node',
    { request: 8 },
    {},
    `${OTHER} 8, which fits no node of its pools: the plan counts with what runs; correct one of the two`,
  ],
  ['larger, with a grid to choose from', { request: 2, grid: [1, 2] }, {}, null],
  ['larger, in a workload that is not there', { request: 2 }, { exists: false }, null],
])('a request that is %s', async (_name, cpu, seen, words) => {
  const policy = policyWith(cpu);
  const state = stateOf(policy, { web: 4 }, { general: 1 });
  const input = inputOf(policy, [demandOf('web', 'cpu', [4, 4])], {
    state: { ...state, workloads: state.workloads.map((one) => ({ ...one, request: { cpu: 1 }, ...seen })) },
  });
  const { detail } = (await createAllocator()).allocate(input).plan.verdict;
  if (words === null) expect(detail).not.toContain('account file says');
  else
    expect(
      detail
        .split('; ')
        .filter((one) => one.startsWith('web runs'))
        .join(),
    ).toBe(words.split('; ')[0]);
  if (words !== null) expect(detail).toContain(words);
});

test('what runs is what a pool has to hold, where that is known', () => {
  const policy = policyWith({ request: 8 });
  const [workload] = policy.workloads;
  if (workload === undefined) throw new Error('no workload');
  expect(poolProblems(policy, workload, 'general', { cpu: 1 })).toEqual([]);
  expect(poolProblems(policy, workload, 'general').join()).toContain('asks for 8 of cpu');
});
