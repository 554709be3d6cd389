import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import { fieldOwner } from '../../src/cluster/kubernetes/managed-fields.js';
import { markName, readMark } from '../../src/cluster/kubernetes/marks.js';
import { mainRequest, requestsOf } from '../../src/cluster/kubernetes/requests.js';
import type { Cluster } from '../../src/cluster/port.js';
import type { Mutation } from '../../src/domain/cluster.js';
import { mutation, targetOf } from '../contract/cluster.js';
import { kubeConfigOf } from '../contract/kube-config.js';
import { isObject } from '../contract/managed-object.js';
import { createFakeApiServer, type FakeApiServer } from '../contract/kubernetes-api-server.js';

const never = () => new AbortController().signal;

describe('kubernetes adapter', () => {
  let api: FakeApiServer;
  let cluster: Cluster;
  beforeEach(async () => {
    api = await createFakeApiServer();
    cluster = createKubernetesCluster({ kubeConfig: kubeConfigOf(api.url), name: 'main' });
  });
  afterEach(() => api.close());
  const apply = (given: Mutation) =>
    cluster.apply(given, targetOf('workload' in given.target ? given.target.workload : ''), never());
  const floor = (value: number, expectValue = 2): Mutation =>
    mutation({ target: { field: 'floor', workload: 'api', value }, expect: { value: expectValue, owner: 'kubectl' } });
  const patches = () => api.requests.filter((request) => request.startsWith('PATCH'));

  test('value and mark are one request, in Headroom’s name', async () => {
    await apply(mutation());
    expect(patches()).toEqual(['PATCH /apis/apps/v1/namespaces/acme/deployments/web manager=headroom']);
    const metadata = JSON.stringify(api.deployment('web').read()['metadata']);
    expect(metadata).toContain('headroom.dev/change-replicas');
    expect(metadata).toContain('change/acme/1#1');
    // What stood there before is still there.
    expect(metadata).toContain('"team":"shop"');
  });

  test('an object that moves between read and write is read and judged again', async () => {
    let times = 2;
    api.beforePatch = () => {
      if (times-- > 0) api.deployment('web').touch();
    };
    expect(await apply(mutation())).toEqual({ kind: 'applied', value: 5 });
    expect(patches()).toHaveLength(3);
  });

  test('a person who is faster than the write is seen, and wins', async () => {
    api.beforePatch = () => {
      api.beforePatch = null;
      const body = { spec: { replicas: 12 } };
      api.deployment('web').patch({ body, manager: 'kubectl-edit', apply: false, force: false });
    };
    expect(await apply(mutation())).toEqual({ kind: 'moved', value: 12, owner: 'kubectl-edit' });
    expect(api.deployment('web').read()['spec']).toMatchObject({ replicas: 12 });
  });

  test('an object that never stands still ends in an error that may be tried again', async () => {
    api.beforePatch = () => api.deployment('web').touch();
    await expect(apply(mutation())).rejects.toMatchObject({ kind: 'unavailable' });
    expect(api.deployment('web').read()['spec']).toMatchObject({ replicas: 3 });
  });

  test.each([
    { code: 403, kind: 'refused', words: 'grant patch on deployments.apps' },
    { code: 401, kind: 'refused', words: 'renew the credentials' },
    { code: 422, kind: 'refused', words: 'admission says no' },
    { code: 404, kind: 'not-found', words: 'admission says no' },
  ])('a write that is answered $code is $kind', async ({ code, kind, words }) => {
    api.answer = { method: 'PATCH', code, message: 'admission says no' };
    const result = await apply(mutation());
    expect(result.kind).toBe(kind);
    expect('detail' in result ? result.detail : '').toContain(words);
  });

  test.each([429, 500, 503])('a write that is answered %i may be tried again', async (code) => {
    api.answer = { method: 'PATCH', code, message: 'slow down' };
    await expect(apply(mutation())).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(apply(mutation())).rejects.toThrow('slow down');
  });

  test('reading without the right to is refused, with the verb to grant', async () => {
    api.answer = { method: 'GET', code: 403, message: 'forbidden' };
    const request = { account: 'acme', workloads: [targetOf('web')], pools: [] };
    await expect(cluster.observe(request, never())).rejects.toMatchObject({ kind: 'refused' });
    await expect(cluster.observe(request, never())).rejects.toThrow(/grant list and watch on/);
  });

  test('replicas that an HPA scales are not fought over', async () => {
    const body = { spec: { replicas: 6 } };
    api
      .deployment('api')
      .patch({ body, manager: 'kube-controller-manager', apply: false, force: false, subresource: 'scale' });
    const request = { account: 'acme', workloads: [targetOf('api')], pools: [] };
    const state = await cluster.observe(request, never());
    expect(state.workloads[0]?.owners.replicas).toBe('hpa/api');
    const target = { field: 'replicas', workload: 'api', value: 9 } as const;
    const result = await apply(mutation({ target, expect: { value: 6, owner: 'hpa/api' } }));
    expect(result).toMatchObject({ kind: 'refused' });
    expect('detail' in result ? result.detail : '').toContain('set ownership to "floor"');
    expect(patches()).toEqual([]);
  });

  test('a floor that is given back leaves no trace of Headroom’s ownership', async () => {
    await apply(floor(6));
    expect(owners(api, 'api')).toEqual({ kubectl: false, headroom: true });
    const target = { field: 'floor', workload: 'api', value: 2 } as const;
    const restore = {
      key: '#r',
      changeKeys: ['change/acme/1#1'],
      account: 'acme',
      target,
      owner: 'kubectl',
      reason: '',
    };
    expect(await cluster.restore(restore, targetOf('api'), never())).toEqual({ kind: 'applied', value: 2 });
    expect(owners(api, 'api')).toEqual({ kubectl: true, headroom: false });
    // And the next change is fenced as the first was.
    expect(await apply({ ...floor(7), key: 'change/acme/2#1' })).toEqual({ kind: 'applied', value: 7 });
  });

  test('a floor is given back to one who applies, with all else that it applied', async () => {
    const spec = {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'api' },
      minReplicas: 3,
      maxReplicas: 12,
    };
    api.autoscaler('api').patch({ body: { spec }, manager: 'argocd', apply: true, force: true });
    expect(await apply({ ...floor(6, 3), expect: { value: 3, owner: 'argocd' } })).toMatchObject({ kind: 'applied' });
    const target = { field: 'floor', workload: 'api', value: 3 } as const;
    const restore = {
      key: '#r',
      changeKeys: ['change/acme/1#1'],
      account: 'acme',
      target,
      owner: 'argocd',
      reason: '',
    };
    expect(await cluster.restore(restore, targetOf('api'), never())).toEqual({ kind: 'applied', value: 3 });
    expect(api.autoscaler('api').read()['spec']).toEqual(spec);
    const state = await cluster.observe({ account: 'acme', workloads: [targetOf('api')], pools: [] }, never());
    expect(state.workloads[0]?.owners.floor).toBe('argocd');
  });

  test('pools are told by the label of their nodes, and are not sized here', async () => {
    const node = (name: string, pool: string, ready: string, unschedulable = false) => ({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { 'headroom.dev/pool': pool } },
      spec: { unschedulable },
      status: { conditions: [{ type: 'Ready', status: ready }] },
    });
    api.nodes = [
      node('a', 'spot', 'True'),
      node('b', 'spot', 'Unknown'),
      node('c', 'spot', 'True', true),
      node('d', 'gp', 'True'),
    ];
    const state = await cluster.observe({ account: 'acme', workloads: [], pools: ['spot', 'gp', 'none'] }, never());
    expect(state.pools).toEqual([
      { pool: 'spot', nodes: 3, readyNodes: 1, cordoned: 1, owner: 'node-autoscaler' },
      { pool: 'gp', nodes: 1, readyNodes: 1, owner: 'node-autoscaler' },
      { pool: 'none', nodes: 0, readyNodes: 0, owner: 'node-autoscaler' },
    ]);
    const target = { field: 'nodes', pool: 'spot', value: 5 } as const;
    const result = await cluster.apply(mutation({ target }), null, never());
    expect(result).toMatchObject({ kind: 'refused' });
  });
});

/** Whose name stands at the HPA's floor. */
function owners(api: FakeApiServer, name: string): Record<string, boolean> {
  const { metadata } = api.autoscaler(name).read();
  const entries = isObject(metadata) ? metadata['managedFields'] : undefined;
  const texts = Array.isArray(entries) ? entries.map((entry) => JSON.stringify(entry)) : [];
  const has = (manager: string) =>
    texts.some((text) => text.includes(`"manager":"${manager}"`) && text.includes('f:minReplicas'));
  return { kubectl: has('kubectl'), headroom: has('headroom') };
}

describe('managedFields', () => {
  const entry = (manager: string, time: string, fieldsV1: object, subresource?: string) => ({
    manager,
    time: new Date(time),
    fieldsV1,
    ...(subresource === undefined ? {} : { subresource }),
  });
  const replicas = { 'f:spec': { 'f:replicas': {} } };
  const early = '2026-01-01T00:00:00Z';
  const late = '2026-01-02T00:00:00Z';

  test.each([
    { row: 'nobody', entries: [], owner: null },
    { row: 'no entry at all', entries: undefined, owner: null },
    { row: 'one', entries: [entry('kubectl', early, replicas)], owner: 'kubectl' },
    { row: 'another field', entries: [entry('kubectl', early, { 'f:spec': { 'f:paused': {} } })], owner: null },
    { row: 'the last of two', entries: [entry('a', early, replicas), entry('b', late, replicas)], owner: 'b' },
    {
      row: 'shared with Headroom: the other',
      entries: [entry('headroom', late, replicas), entry('argocd', early, replicas)],
      owner: 'argocd',
    },
    { row: 'by the scale subresource', entries: [entry('kubectl', early, replicas, 'scale')], owner: 'kubectl' },
    { row: 'the status does not count', entries: [entry('controller', early, replicas, 'status')], owner: null },
    { row: 'garbled', entries: [{ manager: 'x', fieldsV1: 'nothing' }], owner: null },
  ])('$row', ({ entries, owner }) => {
    expect(fieldOwner(entries, ['spec', 'replicas'])).toBe(owner);
  });

  test('a container is found by its key, not by its place', () => {
    const fields = {
      'f:containers': { 'k:{"name":"a"}': { 'f:cpu': {} }, 'k:not json': {}, 'k:{"name":"b"}': { 'f:memory': {} } },
    };
    const of = (container: string, leaf: string) =>
      fieldOwner([entry('kubectl', early, fields)], ['containers', { key: { name: container } }, leaf]);
    expect([of('a', 'cpu'), of('b', 'cpu'), of('b', 'memory')]).toEqual(['kubectl', null, 'kubectl']);
  });
});

describe('requests of a pod', () => {
  const template = (main: Record<string, string>, sidecar: Record<string, string>, named?: string) => ({
    metadata: named === undefined ? {} : { annotations: { 'kubectl.kubernetes.io/default-container': named } },
    spec: {
      containers: [
        { name: 'one', resources: { requests: main } },
        { name: 'two', resources: { requests: sidecar } },
      ],
    },
  });

  test('are those of all containers; what none asks for is absent, not zero', () => {
    expect(requestsOf(template({ cpu: '500m' }, { cpu: '0.25', memory: '1Gi' }))).toEqual({
      cpu: 0.75,
      memory: 2 ** 30,
    });
    expect(requestsOf(undefined)).toEqual({});
  });

  test.each([
    { row: 'the main container gets what the others leave', value: 1, answer: { quantity: '750m', value: 1 } },
    { row: 'rounded up as the API has it', value: 0.50001, answer: { quantity: '251m', value: 0.501 } },
    { row: 'nothing left', value: 0.25, answer: { refused: expect.stringContaining('leaves nothing') } },
  ])('$row', ({ value, answer }) => {
    expect(mainRequest(template({ cpu: '500m' }, { cpu: '250m' }), 'cpu', value)).toEqual(answer);
  });

  test('io is nothing that a pod can ask for', () => {
    expect(mainRequest(template({}, {}), 'io', 1)).toMatchObject({ refused: expect.stringContaining('io') });
  });

  test('the container that the template names is the one that is sized', () => {
    const both = template({ cpu: '500m' }, { cpu: '250m' }, 'two');
    expect(mainRequest(both, 'cpu', 1)).toEqual({ quantity: '500m', value: 1 });
  });
});

describe('marks', () => {
  const target = { field: 'request', workload: 'web', component: 'cpu', value: 1 } as const;
  test.each([
    { row: 'none', annotations: undefined },
    { row: 'garbled', annotations: { [markName(target)]: '{"key":' } },
    { row: 'of another shape', annotations: { [markName(target)]: '{"key":7}' } },
  ])('$row is no mark', ({ annotations }) => expect(readMark(annotations, target)).toBeNull());
});
