import { expect, test } from 'vitest';
import { createNeighbours } from '../../activities/neighbours.js';
import { createAllocator } from '../../src/allocate/index.js';
import type { AccountPolicy } from '../../src/domain/account.js';
import type { Plan } from '../../src/domain/plan.js';
import { someOf } from '../../src/domain/some-of.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { AT, demandOf, inputOf, simple, stateOf } from './allocate-fixtures.js';

/*
 * Who else is on the pools of an account, out of the store. What a user loses where this fails: nodes from beneath another
 * account, or a store that each cycle of each account reads whole.
 */

const own = simple();
const state = stateOf(own, { web: 4 }, { general: 5 });

async function planOf(account: string): Promise<Plan> {
  const { plan } = (await createAllocator()).allocate(inputOf(own, [demandOf('web', 'cpu', [6, 6])]));
  return { ...plan, id: `${account}/p`, account };
}

/** The store with other accounts in it, and the kinds that it was asked for the newest records of. */
async function worldOf(others: readonly AccountPolicy[]) {
  const store = await createEmbeddedStore({ path: ':memory:' });
  const put = (policy: AccountPolicy, revision: number): Promise<void> =>
    store.putRecord({
      ...{ kind: 'account', id: `${policy.account}@${revision}`, account: policy.account, at: AT + revision },
      body: policy,
    });
  for (const policy of [own, ...others]) {
    await put(policy, 1);
    const plan = await planOf(policy.account);
    await store.putRecord({ kind: 'plan', id: plan.id, account: policy.account, at: plan.at, body: plan });
  }
  const asked: string[] = [];
  const neighbours = createNeighbours({
    newestRecords: (kind) => {
      asked.push(kind);
      return store.newestRecords(kind);
    },
    getRecords: (kind, ids) => store.getRecords(kind, ids),
  } satisfies Pick<EmbeddedStore, 'newestRecords' | 'getRecords'>);
  const found = async (): Promise<string[]> => {
    const [pool] = (await neighbours(own, state, AT)).pools;
    return pool?.others?.accounts ?? [];
  };
  return { store, put, asked, found };
}

const other = (account: string, over: Partial<AccountPolicy> = {}): AccountPolicy => ({ ...own, account, ...over });
const elsewhere = own.pools.map((pool) => ({ ...pool, name: 'elsewhere' }));

test('those that name the pool on the same cluster are found, and no others', async () => {
  const { store, found } = await worldOf([
    other('blog'),
    other('news'),
    other('far', { cluster: 'far' }),
    other('apart', { pools: elsewhere }),
  ]);
  expect(await found()).toEqual(['blog', 'news']);
  await store.close();
});

test('where nobody shares, no plans are looked for', async () => {
  const { store, asked, found } = await worldOf([other('apart', { pools: elsewhere })]);
  expect(await found()).toEqual([]);
  expect(asked).toEqual(['account']);
  await store.close();
});

test('a policy that is set anew counts from the next look, though several accounts ask at once', async () => {
  const { store, put, found } = await worldOf([other('blog'), other('news', { pools: elsewhere })]);
  expect(await found()).toEqual(['blog']);
  const before = found();
  await put(other('blog', { pools: elsewhere }), 2);
  await put(other('news'), 2);
  const [, after, again] = await Promise.all([before, found(), found()]);
  expect(after).toEqual(['news']);
  expect(again).toEqual(['news']);
  await store.close();
});

test.each([
  [[], ''],
  [['a', 'b', 'c'], 'a, b, c'],
  [['a', 'b', 'c', 'd'], 'a, b, c and 1 more'],
  [['a', 'b', 'c', 'd', 'e'], 'a, b, c and 2 more'],
])('%j are called %j', (names, words) => {
  expect(someOf(names)).toBe(words);
});
