import { expect, test } from 'vitest';
import { createAllocator } from '../../src/allocate/index.js';
import { createEngine } from '../../src/cluster/simulated/engine.js';
import { buildScenario } from '../../src/cluster/simulated/scenario.js';
import { neighboursOn } from '../../src/allocate/neighbours.js';
import { AT, demandOf, inputOf, simple, stateOf } from './allocate-fixtures.js';

/*
 * Two accounts that size one pool without a fleet undo each other's numbers. What a user loses where this fails: the name of
 * the other, and what to do about it.
 */

const POOL = { name: 'general', node: { cpu: 4 }, pricePerHour: 0.4, nodes: 1, max: 9 };

test('a pool says which account’s change sized it last, for as long as that stands', () => {
  const engine = createEngine(
    buildScenario(
      {
        version: 'headroom-scenario/v1',
        clock: { start: AT, mode: 'manual' },
        pools: [POOL],
        accounts: ['acme', 'other'].map((name) => ({
          name,
          workloads: [{ name: 'web', replicas: 1, components: { cpu: { request: 1, demand: 1 } } }],
        })),
      },
      { what: 'test', directory: '.' },
    ).model,
  );
  const seen = () => engine.observe({ account: 'acme', workloads: [], pools: ['general'] }).pools[0];
  expect(seen()).toEqual({ pool: 'general', nodes: 1, readyNodes: 1, owner: null });
  const { result } = engine.apply({
    ...{ key: 'change/other/4#0', account: 'other', reason: 'test' },
    ...{ target: { field: 'nodes', pool: 'general', value: 3 }, expect: { value: 1, owner: null } },
  });
  expect(result).toEqual({ kind: 'applied', value: 3 });
  expect(seen()).toMatchObject({ nodes: 3, owner: 'headroom', sizedBy: 'other' });
});

test.each([
  ['another account', { sizedBy: 'other' }, true],
  ['the account itself', { sizedBy: 'acme' }, false],
  ['the fleet', { sizedBy: 'fleet_main' }, false],
  ['nobody known', {}, false],
])('a plan that would size a pool that was last sized by %s', async (_who, by, named) => {
  const policy = simple();
  const state = stateOf(policy, { web: 4 }, { general: 5 });
  const input = inputOf(policy, [demandOf('web', 'cpu', [4, 4])], {
    state: { ...state, pools: state.pools.map((pool) => ({ ...pool, owner: 'headroom', ...by })) },
  });
  const { verdict, fields } = (await createAllocator()).allocate(input).plan;
  expect(fields).toMatchObject([{ target: { field: 'nodes', pool: 'general', value: 1 } }]);
  const words = 'pool general was last sized by account other: two accounts on one pool undo each other';
  expect(verdict.detail.includes(words)).toBe(named);
  expect(verdict.detail.includes('headroom fleet start -f FILE')).toBe(named);
});

test.each([
  // Own: one node. What blog needs of the pool comes on top, and nobody takes it away.
  ['another account runs on the rest', { nodes: 3.2, live: 3.2 }, 5, [], 'pool general has 5 nodes: 1 of its own'],
  ['another runs on less', { nodes: 1.2, live: 1.2 }, 5, [3], 'pool general has 3 nodes: 1 of its own'],
  ['both need more than there is', { nodes: 3.2, live: 3.2 }, 2, [5], 'pool general has 5 nodes: 1 of its own'],
  ['another was stopped long ago: it keeps what is there', { nodes: 3.2, live: 0 }, 5, [], 'pool general has 5 nodes'],
  ['another was stopped long ago: it is bought nothing', { nodes: 3.2, live: 0 }, 2, [], 'pool general has 2 nodes'],
])('%s', async (_name, needed, nodes, expected, words) => {
  const policy = simple();
  const state = stateOf(policy, { web: 4 }, { general: nodes });
  const others = { ...needed, accounts: ['blog'] };
  const input = inputOf(policy, [demandOf('web', 'cpu', [4, 4])], {
    state: { ...state, pools: state.pools.map((pool) => ({ ...pool, others })) },
  });
  const { verdict, fields } = (await createAllocator()).allocate(input).plan;
  expect(fields.map(({ target }) => target.value)).toEqual(expected);
  expect(verdict.detail).toContain(words);
  expect(verdict.detail).toContain(
    'what blog needs of it; name the pool in a fleet file (headroom fleet start -f FILE)',
  );
});

test('what others need of a pool comes from their newest plans, and of the same cluster alone', async () => {
  const policy = { ...simple(), account: 'blog' };
  const allocator = await createAllocator();
  const { plan } = allocator.allocate(inputOf(policy, [demandOf('web', 'cpu', [6, 6])]));
  const [pool] = policy.pools;
  if (pool === undefined) throw new Error('no pool');
  const at = plan.at + 60;
  const needed = neighboursOn(pool, policy.cluster, [{ policy, plan }], at);
  expect(needed).toMatchObject({ accounts: ['blog'], live: needed?.nodes });
  expect(needed?.nodes).toBeGreaterThanOrEqual(6 / 4);
  expect(neighboursOn(pool, policy.cluster, [{ policy, plan }], plan.at + 86_400)?.live).toBe(0);
  expect(neighboursOn(pool, 'elsewhere', [{ policy, plan }], at)).toBeNull();
  expect(neighboursOn({ ...pool, name: 'other' }, policy.cluster, [{ policy, plan }], at)).toBeNull();
});
