import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { createRevalidate, createRollback } from '../../activities/apply.js';
import type { Dependencies } from '../../activities/dependencies.js';
import { createPolicies } from '../../activities/policies.js';
import type { RollbackInput } from '../../activities/types.js';
import { SHARED_REMEDY } from '../../src/allocate/neighbours.js';
import { createAllocator } from '../../src/allocate/index.js';
import type { FieldTarget } from '../../src/domain/cluster.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { AT, demandOf, inputOf, simple, stateOf } from './allocate-fixtures.js';

/* A pool that an account gives back, with others on it. Where this fails, a roll-back ends somebody else's pods. */

const own = simple();
const open: EmbeddedStore[] = [];
afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
});

/** `own` runs `replicas` of a core on a pool of so many nodes of 4 cores; `blog`, where it is there, plans 6 of them. */
async function worldOf({ nodes, replicas, shared }: { nodes: number; replicas: number; shared: boolean }) {
  const store = await createEmbeddedStore({ path: ':memory:' });
  open.push(store);
  const { plan } = (await createAllocator()).allocate(inputOf(own, [demandOf('web', 'cpu', [6, 6])]));
  for (const account of shared ? ['acme', 'blog'] : ['acme']) {
    await store.putRecord({ kind: 'account', id: `${account}@1`, account, at: AT, body: { ...own, account } });
    await store.putRecord({ kind: 'plan', id: `${account}/p`, account, at: AT, body: { ...plan, account } });
  }
  const written: FieldTarget[] = [];
  const state = stateOf(own, { web: replicas }, { general: nodes });
  const partial = {
    store,
    cluster: () => ({
      observe: () => Promise.resolve(state),
      restore: ({ target }: { target: FieldTarget }) => {
        written.push(target);
        return Promise.resolve({ kind: 'applied', value: target.value });
      },
    }),
    fence: { read: () => Promise.resolve(null) },
  };
  const deps = partial as unknown as Dependencies;
  const policies = createPolicies(store);
  const back = (target: FieldTarget) => {
    const { rollback } = createRollback(deps, policies);
    const input: RollbackInput = {
      ...{ account: 'acme', policyId: 'acme@1', changeId: 'acme/1', changeKeys: [], index: 0, reason: 'test' },
      step: { target, owner: null },
    };
    return new MockActivityEnvironment().run(rollback, input);
  };
  return { back, written, state, deps, policies };
}

const nodes = (value: number): FieldTarget => ({ field: 'nodes', pool: 'general', value });

describe('nodes that are put back', () => {
  test.each([
    { name: 'go where nobody else is there', world: { nodes: 5, replicas: 2, shared: false }, to: 1, left: 1 },
    { name: 'stay for what a neighbour counts on', world: { nodes: 5, replicas: 3, shared: true }, to: 1, left: 3 },
    { name: 'never become more than there are', world: { nodes: 2, replicas: 5, shared: true }, to: 1, left: 2 },
    { name: 'are put back whole where that is enough', world: { nodes: 9, replicas: 2, shared: true }, to: 4, left: 4 },
    { name: 'come back where they were lowered', world: { nodes: 1, replicas: 2, shared: true }, to: 4, left: 4 },
  ])('$name', async ({ world, to, left }) => {
    const { back, written } = await worldOf(world);
    const result = await back(nodes(to));
    expect(written).toEqual([nodes(left)]);
    expect(result).toMatchObject({ kind: 'applied', value: left });
    if (left === to) expect(result).not.toHaveProperty('note');
    else expect(result).toMatchObject({ note: `blog needs them, too; ${SHARED_REMEDY}` });
  });

  test('a workload’s replicas are its account’s alone', async () => {
    const { back, written } = await worldOf({ nodes: 5, replicas: 4, shared: true });
    const target: FieldTarget = { field: 'replicas', workload: 'web', value: 1 };
    await back(target);
    expect(written).toEqual([target]);
  });

  test('who finds the pool sized by another account is told the same remedy', async () => {
    const { state, deps, policies } = await worldOf({ nodes: 5, replicas: 4, shared: true });
    const [pool] = state.pools;
    if (pool !== undefined) pool.sizedBy = 'blog';
    const mutation = { key: 'change/acme/1#0', account: 'acme', target: nodes(6), reason: '' };
    const input = {
      account: 'acme',
      policyId: 'acme@1',
      mutations: [{ ...mutation, expect: { value: 3, owner: null } }],
    };
    const told: unknown = await new MockActivityEnvironment().run(createRevalidate(deps, policies).revalidate, input);
    const detail = expect.stringContaining(`for account blog (${SHARED_REMEDY})`) as string;
    expect(told).toMatchObject({ kind: 'stale', detail });
  });
});
