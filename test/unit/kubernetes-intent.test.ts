import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { extract, merged, ownIntent } from '../../src/cluster/kubernetes/intent.js';
import { DEPLOYMENT, type LiveObject } from '../../src/cluster/kubernetes/objects.js';
import {
  inPlaceName,
  inPlaceNote,
  inPlaceRequests,
  requestOwner,
  requestsOf,
  sizedInPlace,
} from '../../src/cluster/kubernetes/requests.js';
import { USER_FLOOR, userFloor } from '../../src/cluster/kubernetes/state.js';

describe('what a manager has applied, as it stands', () => {
  const object = {
    spec: {
      replicas: 5,
      paused: true,
      containers: [
        { name: 'main', image: 'shop:1', resources: { requests: { cpu: '400m', memory: '1Gi' } } },
        { name: 'sidecar', image: 'proxy:1' },
      ],
      ports: [
        { port: 80, protocol: 'TCP', name: 'http' },
        { port: 80, protocol: 'UDP', name: 'quic' },
      ],
      finalizers: ['a', 'b'],
      args: ['x', 'y'],
      labels: {},
    },
  };
  test.each([
    { row: 'a field', fields: { 'f:spec': { 'f:replicas': {} } }, part: { spec: { replicas: 5 } } },
    { row: 'a field that is gone', fields: { 'f:spec': { 'f:minReadySeconds': {} } }, part: { spec: {} } },
    {
      row: 'an element by its key, which it is known by',
      fields: {
        'f:spec': {
          'f:containers': {
            'k:{"name":"main"}': { '.': {}, 'f:name': {}, 'f:resources': { 'f:requests': { 'f:cpu': {} } } },
          },
        },
      },
      part: { spec: { containers: [{ name: 'main', resources: { requests: { cpu: '400m' } } }] } },
    },
    {
      row: 'an element by several keys',
      fields: { 'f:spec': { 'f:ports': { 'k:{"port":80,"protocol":"UDP"}': { 'f:name': {} } } } },
      part: { spec: { ports: [{ port: 80, protocol: 'UDP', name: 'quic' }] } },
    },
    {
      row: 'an element of a set',
      fields: { 'f:spec': { 'f:finalizers': { 'v:"b"': {} } } },
      part: { spec: { finalizers: ['b'] } },
    },
    { row: 'a list as a whole', fields: { 'f:spec': { 'f:args': {} } }, part: { spec: { args: ['x', 'y'] } } },
    { row: 'an empty map', fields: { 'f:spec': { 'f:labels': { '.': {} } } }, part: { spec: { labels: {} } } },
  ])('$row', ({ fields, part }) => expect(extract(object, fields)).toEqual(part));
});

describe('an intent', () => {
  const live: LiveObject = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name: 'web',
      namespace: 'acme',
      uid: 'u',
      resourceVersion: '7',
      annotations: { 'headroom.dev/change-replicas': 'old', 'headroom.dev/in-place-request.cpu': 'x', team: 'shop' },
      managedFields: [
        {
          manager: 'headroom',
          operation: 'Apply',
          apiVersion: 'apps/v1',
          fieldsV1: {
            'f:metadata': {
              'f:annotations': { 'f:headroom.dev/change-replicas': {}, 'f:headroom.dev/in-place-request.cpu': {} },
            },
            'f:spec': { 'f:replicas': {} },
          },
        },
        { manager: 'kubectl', operation: 'Update', apiVersion: 'apps/v1', fieldsV1: { 'f:spec': { 'f:paused': {} } } },
      ],
    },
    spec: { replicas: 5, paused: true },
  };
  const ref = { ...DEPLOYMENT, namespace: 'acme', name: 'web' };
  const writeAs = { manager: 'headroom', ours: true };

  test('states what Headroom owns already, the new, and nothing of others', () => {
    const fields = { spec: { strategy: { type: 'Recreate' } } };
    expect(
      ownIntent({ ref, object: live, fields, paths: [], annotations: { 'headroom.dev/x': 'new' }, writeAs }),
    ).toEqual({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: {
        name: 'web',
        namespace: 'acme',
        uid: 'u',
        resourceVersion: '7',
        annotations: {
          'headroom.dev/change-replicas': 'old',
          'headroom.dev/in-place-request.cpu': 'x',
          'headroom.dev/x': 'new',
        },
      },
      spec: { replicas: 5, strategy: { type: 'Recreate' } },
    });
  });

  test('leaves out an annotation that shall be gone', () => {
    const without = ['headroom.dev/in-place-request.cpu'];
    const intent = ownIntent({ ref, object: live, fields: {}, paths: [], annotations: {}, without, writeAs });
    expect(intent).toMatchObject({ metadata: { annotations: { 'headroom.dev/change-replicas': 'old' } } });
    expect(JSON.stringify(intent)).not.toContain('in-place-request');
  });

  const key = fc.constantFrom('a', 'b', 'c');
  const level = fc.dictionary(key, fc.oneof(fc.integer(), fc.dictionary(key, fc.integer())));
  const tree: fc.Arbitrary<Record<string, unknown>> = fc.dictionary(key, fc.oneof(fc.integer(), level));
  test('laid over another leaves nothing of either out', () => {
    fc.assert(
      fc.property(tree, tree, (below, above) => {
        const result = merged(below, above);
        expect(merged(result, above)).toEqual(result);
        expect(Object.keys(result).sort()).toEqual([...new Set([...Object.keys(below), ...Object.keys(above)])].sort());
      }),
    );
  });
});

describe('a size given in place', () => {
  const template = (cpu: string) => ({
    spec: { containers: [{ name: 'main', resources: { requests: { cpu, memory: '1Gi' } } }, { name: 'side' }] },
  });
  const name = inPlaceName('cpu');
  test.each([
    {
      row: 'holds over the template that it was given for',
      note: inPlaceNote('main', '600m', '400m'),
      own: '400m',
      cpu: 0.6,
    },
    {
      row: 'holds however the template writes the same amount',
      note: inPlaceNote('main', '600m', '0.4'),
      own: '400m',
      cpu: 0.6,
    },
    { row: 'ends when the template changes', note: inPlaceNote('main', '600m', '400m'), own: '500m', cpu: 0.5 },
    { row: 'ends when another container is sized', note: inPlaceNote('side', '600m', '400m'), own: '400m', cpu: 0.4 },
    { row: 'is none where it is garbled', note: '{"container":', own: '400m', cpu: 0.4 },
    { row: 'is none where it is no amount', note: inPlaceNote('main', 'much', '400m'), own: '400m', cpu: 0.4 },
  ])('$row', ({ note, own, cpu }) => {
    const sized = sizedInPlace(template(own), { [name]: note });
    expect(requestsOf(sized)).toEqual({ cpu, memory: 2 ** 30 });
    const managedFields = [
      {
        manager: 'headroom',
        operation: 'Apply',
        fieldsV1: { 'f:metadata': { 'f:annotations': { [`f:${name}`]: {} } } },
      },
    ];
    const holds = inPlaceRequests({ [name]: note }, template(own)).cpu !== undefined;
    expect(requestOwner({ annotations: { [name]: note }, managedFields }, template(own), 'cpu')).toBe(
      holds ? 'headroom' : null,
    );
  });
});

describe('the floor that the user set', () => {
  const path = ['spec', 'minReplicas'];
  const by = (manager: string) => [{ manager, fieldsV1: { 'f:spec': { 'f:minReplicas': {} } } }];
  test.each([
    { row: 'is what stands there where it is his', metadata: { managedFields: by('argocd') }, bound: 6 },
    { row: 'and where nobody is known to have set it', metadata: {}, bound: 6 },
    {
      row: 'is what Headroom found',
      metadata: { managedFields: by('headroom'), annotations: { [USER_FLOOR]: '2' } },
      bound: 2,
    },
    {
      row: 'may be nothing',
      metadata: { managedFields: by('headroom'), annotations: { [USER_FLOOR]: '0' } },
      bound: 0,
    },
    { row: 'is not known without the note', metadata: { managedFields: by('headroom') }, bound: null },
    {
      row: 'nor by one that is garbled',
      metadata: { managedFields: by('headroom'), annotations: { [USER_FLOOR]: 'two' } },
      bound: null,
    },
    {
      row: 'is his again when he takes it back, whatever the note',
      metadata: { managedFields: by('kubectl'), annotations: { [USER_FLOOR]: '2' } },
      bound: 6,
    },
  ])('$row', ({ metadata, bound }) => expect(userFloor(metadata, 6, path)).toBe(bound));
});
