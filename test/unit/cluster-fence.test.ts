import { describe, expect, test } from 'vitest';
import type { FieldOwner, FieldTarget } from '../../src/domain/cluster.js';
import {
  describeTarget,
  judgeApply,
  judgeRestore,
  nextMark,
  reportedOwner,
  type ChangeMark,
  type FieldNow,
} from '../../src/cluster/fence.js';
import { mutation } from '../contract/cluster.js';

const mark = (key: string, value: number, earlier: string[] = []): ChangeMark => ({ key, value, earlier });
const field = (value: number, owner: FieldOwner, more: Partial<FieldNow> = {}): FieldNow => ({
  value,
  owner,
  reportedOwner: owner,
  mark: null,
  ...more,
});
const write = { kind: 'write' };
const moved = (value: number, owner: FieldOwner) => ({ kind: 'moved', value, owner });

describe('may a change write?', () => {
  // The change expects 3, owned by kubectl.
  test.each([
    { row: 'as it was seen', now: field(3, 'kubectl'), answer: write },
    { row: 'another value', now: field(4, 'kubectl'), answer: moved(4, 'kubectl') },
    { row: 'another owner', now: field(3, 'argocd'), answer: moved(3, 'argocd') },
    { row: 'nobody’s any more', now: field(3, null), answer: moved(3, null) },
    { row: 'the rounding of a double', now: field(3 + 1e-12, 'kubectl'), answer: write },
    {
      row: 'a sibling is still the other’s: what observe told counts',
      now: field(3, 'headroom', { reportedOwner: 'kubectl' }),
      answer: write,
    },
    {
      row: 'a sibling was taken by the step before: the field’s own owner counts',
      now: field(3, 'kubectl', { reportedOwner: 'headroom' }),
      answer: write,
    },
    {
      row: 'its key is there',
      now: field(5, 'headroom', { mark: mark('change/acme/1#1', 5) }),
      answer: { kind: 'repeated', value: 5 },
    },
    {
      row: 'its key was there, and all is as it expects',
      now: field(3, 'kubectl', { mark: mark('change/acme/1#r1', 3, ['change/acme/1#1']) }),
      answer: { kind: 'repeated', value: 3 },
    },
    {
      row: 'another change’s key changes nothing',
      now: field(3, 'kubectl', { mark: mark('change/acme/0#1', 9) }),
      answer: write,
    },
  ])('$row', ({ now, answer }) => expect(judgeApply(now, mutation())).toEqual(answer));
});

describe('may the last known good be written back?', () => {
  // Change `k1`, `k2`; 3 was good; the restore's own key is `r`.
  test.each([
    { row: 'over the own write', now: field(5, 'headroom', { mark: mark('k2', 5) }), answer: write },
    {
      row: 'over the write of another change',
      now: field(5, 'headroom', { mark: mark('k9', 5) }),
      answer: moved(5, 'headroom'),
    },
    { row: 'over a person’s value', now: field(7, 'kubectl', { mark: mark('k2', 5) }), answer: moved(7, 'kubectl') },
    {
      row: 'over a person’s same value',
      now: field(5, 'kubectl', { mark: mark('k2', 5) }),
      answer: moved(5, 'kubectl'),
    },
    {
      row: 'a value that came in Headroom’s name and without a mark',
      now: field(6, 'headroom', { mark: mark('k2', 5) }),
      answer: moved(6, 'headroom'),
    },
    { row: 'where it was never written', now: field(3, 'kubectl'), answer: { kind: 'repeated', value: 3 } },
    {
      row: 'where somebody put it back',
      now: field(3, 'kubectl', { mark: mark('k2', 5) }),
      answer: { kind: 'repeated', value: 3 },
    },
    {
      row: 'a second time',
      now: field(3, 'kubectl', { mark: mark('r', 3, ['k2']) }),
      answer: { kind: 'repeated', value: 3 },
    },
  ])('$row', ({ now, answer }) => {
    expect(judgeRestore(now, { key: 'r', changeKeys: ['k1', 'k2'], good: 3 })).toEqual(answer);
  });
});

test('marks remember the keys before, newest first, and do not grow for ever', () => {
  let last: ChangeMark | null = null;
  for (let index = 0; index < 40; index++) last = nextMark(last, `k${index}`, index);
  expect(last).toMatchObject({ key: 'k39', value: 39 });
  expect(last?.earlier.slice(0, 2)).toEqual(['k38', 'k37']);
  expect(last?.earlier).toHaveLength(16);
});

test.each([
  { owners: [], answer: null },
  { owners: [null, null], answer: null },
  { owners: [null, 'headroom'], answer: 'headroom' },
  { owners: ['headroom', 'kubectl', 'argocd'], answer: 'kubectl' },
])('one owner for $owners: $answer', ({ owners, answer }) => expect(reportedOwner(owners)).toBe(answer));

test.each<{ target: FieldTarget; words: string }>([
  { target: { field: 'replicas', workload: 'web', value: 1 }, words: 'acme/web replicas' },
  { target: { field: 'request', workload: 'web', component: 'cpu', value: 1 }, words: 'acme/web request.cpu' },
  { target: { field: 'nodes', pool: 'spot', value: 1 }, words: 'pool spot nodes' },
])('$words', ({ target, words }) => expect(describeTarget('acme', target)).toBe(words));
