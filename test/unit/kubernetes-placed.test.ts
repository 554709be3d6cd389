import { expect, test } from 'vitest';
import { placedOn } from '../../src/cluster/kubernetes/read/pools.js';
import { podRecord } from '../../src/cluster/kubernetes/cache/placement-records.js';

/* Where pods are decides which workloads would move. What a user loses where this fails: a move from where nothing runs. */

const pod = (name: string, node: string, more: { phase?: string; leaving?: true } = {}) =>
  podRecord({
    metadata: {
      ...{ name, namespace: 'acme', uid: name, resourceVersion: '1' },
      ...(more.leaving === true ? { deletionTimestamp: '2026-06-01T00:00:00Z' } : {}),
    },
    spec: { nodeName: node, containers: [] },
    status: { phase: more.phase ?? 'Running' },
  });
const POOLS = new Map([
  ['n1', 'general'],
  ['n2', 'general'],
  ['n3', 'spot'],
]);

test.each([
  ['on nodes of one pool', [pod('a', 'n1'), pod('b', 'n2')], { general: 2 }],
  ['on two', [pod('a', 'n1'), pod('b', 'n3')], { general: 1, spot: 1 }],
  ['on a node of none that the account names: no pool', [pod('a', 'n1'), pod('b', 'n9')], { general: 1, '?': 1 }],
  [
    'without a node yet, ended or leaving: nowhere',
    [pod('a', ''), pod('b', 'n1', { phase: 'Succeeded' }), pod('c', 'n3', { leaving: true })],
    {},
  ],
])('pods %s', (_name, pods, expected) => {
  expect(placedOn(POOLS, pods)).toEqual(expected);
});
