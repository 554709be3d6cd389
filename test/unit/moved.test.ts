import { describe, expect, test } from 'vitest';
import type { AccountPolicy } from '../../src/domain/account.js';
import { readAccountFile } from '../../src/domain/account-file.js';
import { carriedOver, givenUp, pointedAt, type Move } from '../../src/domain/moved.js';

/* What a file says after a migration. Where this fails, the same file again looks for a workload where it is no more. */

const fileOf = (api = '', max = 10): AccountPolicy =>
  readAccountFile(
    `version: headroom/v1
account: shop
mode: auto
workloads:
  - { name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: ${max} } }
  - { name: api, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 3 }, pools: [general]${api} }
pools:
  - { name: general, pricePerHour: 1, node: { cpu: 8 } }
  - { name: spot, pricePerHour: 0.3, node: { cpu: 8 } }`,
    'shop.yaml',
  );
const FILE = fileOf();
const at = (policy: AccountPolicy, workload = 'api') => {
  const found = policy.workloads.find(({ name }) => name === workload);
  return { name: found?.target.name, pools: found?.pools, mayMoveTo: found?.mayMoveTo };
};
const move = (number: number, pool: string, from: AccountPolicy | null, endedAt: number | null = number): Move => {
  const was = from?.workloads.find(({ name }) => name === 'api');
  return {
    ...{ id: `shop/api/${number}`, workload: 'api', number, copy: `api-${number}`, endedAt },
    to: { pool, namespace: null, cluster: null },
    from: was === undefined ? null : { target: was.target, pools: was.pools },
  };
};
const done = (policy: AccountPolicy, { workload, copy, to }: Move): AccountPolicy =>
  pointedAt(policy, workload, copy, to);

const FIRST = move(1, 'spot', FILE);
const ONCE = done(FILE, FIRST);
const SECOND = move(2, 'general', ONCE);
const TWICE = done(ONCE, SECOND);
/** Under way: it has, or has not, told the account. */
const UNDER_WAY = move(2, 'general', ONCE, null);
const ELSEWHERE = fileOf(', target: { name: other }');

describe('a file that says what it said before a migration', () => {
  test.each<[string, AccountPolicy, Move[], AccountPolicy | null, ReturnType<typeof at>, number | null]>([
    ['set again', FILE, [FIRST], ONCE, at(ONCE), 1],
    ['started again', FILE, [FIRST], null, at(ONCE), 1],
    ['of before two', FILE, [SECOND, FIRST], TWICE, at(TWICE), 2],
    ['of before two, started', FILE, [SECOND, FIRST], null, at(TWICE), 2],
    ['written between the two', ONCE, [SECOND, FIRST], TWICE, at(TWICE), 2],
    ['while one goes on that has told nobody yet', FILE, [UNDER_WAY, FIRST], ONCE, at(ONCE), 1],
    ['while one goes on that has told the account', FILE, [UNDER_WAY, FIRST], TWICE, at(TWICE), 2],
    ['started while one goes on', FILE, [UNDER_WAY, FIRST], null, at(ONCE), 1],
    ['that was changed with it', ONCE, [FIRST], ONCE, at(ONCE), null],
    ['that says something else', ELSEWHERE, [FIRST], ONCE, at(ELSEWHERE), null],
    ['in force already: somebody went back to it', FILE, [FIRST], FILE, at(FILE), null],
    ['after something else was in force', FILE, [FIRST], ELSEWHERE, at(FILE), null],
    ['after a migration from elsewhere', FILE, [FIRST, move(2, 'spot', ELSEWHERE)], null, at(FILE), null],
    ['of which nobody knows what was before', FILE, [move(1, 'spot', null)], ONCE, at(FILE), null],
    ['but for where it may go', fileOf(', mayMoveTo: [spot]'), [FIRST], ONCE, { ...at(ONCE), mayMoveTo: ['spot'] }, 1],
  ])('%s', (_row, file, moves, inForce, expected, kept) => {
    const carried = carriedOver(file, moves, inForce);
    expect(at(carried.policy)).toEqual(expected);
    expect(carried.kept.map(({ workload, move: { number } }) => ({ workload, number }))).toEqual(
      kept === null ? [] : [{ workload: 'api', number: kept }],
    );
  });

  test('what else it says is taken', () => {
    const { policy } = carriedOver(fileOf('', 7), [FIRST], ONCE);
    expect(policy.workloads[0]?.replicas.max).toBe(7);
    expect(at(policy, 'web')).toEqual(at(FILE, 'web'));
  });
});

test.each<[string, AccountPolicy, Move[], number[]]>([
  ['goes on from it', ONCE, [FIRST], []],
  ['goes on from the newest', TWICE, [FIRST, SECOND], []],
  ['says the old place', FILE, [FIRST, SECOND], [1, 2]],
  ['says another place', ELSEWHERE, [FIRST], [1]],
  ['says the old place while it goes on', FILE, [move(1, 'spot', FILE, null)], []],
])('a policy that %s gives up what is not carried over any more', (_row, policy, moves, expected) => {
  expect(givenUp(policy, moves).map(({ number }) => number)).toEqual(expected);
});
