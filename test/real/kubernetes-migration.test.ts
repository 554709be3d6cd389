import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import type { Migrating, MoveLook, MoveRequest, MoveResult, MoveWrite } from '../../src/cluster/migrating.js';
import type { Cluster, WorkloadTarget } from '../../src/cluster/port.js';
import { httpRouteCrd } from './http-route-crd.js';
import { deployment, hpa, kubeConfigFile } from './kubernetes-world.js';
import { applyObjects, eventually, kubectl, ownNamespace, poolNodes, real, removeNodes, uniqueName } from './real.js';

/* Moving workloads on a real API server. What a user loses where this fails: requests, or an object that is left changed. */

const never = () => new AbortController().signal;

describe('a workload that moves', () => {
  const POOL = uniqueName('target');
  let namespace: Awaited<ReturnType<typeof ownNamespace>>;
  let cluster: Cluster;
  let migrating: Migrating;

  beforeAll(async () => {
    await applyObjects(httpRouteCrd);
    await kubectl(['wait', '--for=condition=Established', 'crd/httproutes.gateway.networking.k8s.io', '--timeout=60s']);
    namespace = await ownNamespace('moves');
    await applyObjects(...poolNodes(POOL, 2));
    cluster = createKubernetesCluster({ kubeConfig: kubeConfigFile(real.cluster.kubeconfig), name: 'main' });
    if (cluster.migrating === undefined) throw new Error('the cluster cannot move workloads');
    migrating = cluster.migrating;
  });
  afterAll(async () => {
    await cluster?.close();
    await namespace?.remove();
    await removeNodes(POOL);
  });

  const at = (name: string, kind: WorkloadTarget['kind'] = 'Deployment'): WorkloadTarget => ({
    ...{ workload: name, kind, namespace: namespace.name, name },
  });
  const request = (name: string, over: Partial<MoveRequest> = {}): MoveRequest => ({
    ...{ id: `acme/${name}/1`, account: 'acme', at: at(name), copy: `${name}-1` },
    ...{ to: { pool: POOL, namespace: null, cluster: null }, nodeSelector: { 'headroom.dev/pool': POOL } },
    tolerations: [{ key: 'pool', operator: 'Equal', value: POOL, effect: 'NoSchedule' }],
    ...{ copyVolumes: false, noTraffic: false, backend: null, steps: [10, 50, 100], old: 'remove', before: null },
    ...over,
  });
  const surveyed = async (name: string, over: Partial<MoveRequest> = {}): Promise<MoveRequest> => {
    const survey = await migrating.survey(request(name, over), never());
    expect(survey.refusals).toEqual([]);
    return request(name, { ...over, before: survey.before });
  };
  /** Each write twice: a worker may die between a write and its answer. */
  const write = async (of: MoveRequest, what: MoveWrite): Promise<MoveResult> => {
    const first = await migrating.write(of, what, never());
    if (first.kind === 'done') expect((await migrating.write(of, what, never())).kind).toBe('done');
    return first;
  };
  const writes = async (of: MoveRequest, ...all: MoveWrite[]): Promise<void> => {
    for (const what of all) expect({ what, ...(await write(of, what)) }).toMatchObject({ what, kind: 'done' });
  };
  const looked = (of: MoveRequest, so: (look: MoveLook) => boolean): Promise<MoveLook> =>
    eventually(async () => {
      const look = await migrating.look(of, never());
      return so(look) && look;
    });
  const service = (name: string) => ({
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: namespace.name } },
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
  });
  const route = (name: string) => ({
    ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name, namespace: namespace.name } },
    spec: {
      rules: [
        { matches: [{ path: { type: 'PathPrefix', value: '/' } }], backendRefs: [{ name, port: 80 }] },
        { matches: [{ path: { type: 'PathPrefix', value: '/else' } }], backendRefs: [{ name: 'elsewhere', port: 80 }] },
      ],
    },
  });
  const get = async <T>(schema: z.ZodType<T>, ...what: string[]): Promise<T> =>
    schema.parse(
      JSON.parse(await kubectl(['-n', namespace.name, 'get', ...what, '--show-managed-fields', '-o', 'json'])),
    );
  const objectSchema = z.looseObject({
    metadata: z.looseObject({
      annotations: z.record(z.string(), z.string()).optional(),
      managedFields: z.array(z.looseObject({ manager: z.string(), operation: z.string(), fieldsV1: z.unknown() })),
    }),
    spec: z.looseObject({}),
  });
  /** What a person would see of an object: its spec, its annotations, and who owns which part of the spec. */
  const shown = async (...what: string[]) => {
    const { metadata, spec } = await get(objectSchema, ...what);
    const owners = metadata.managedFields
      .filter(({ fieldsV1 }) => typeof fieldsV1 === 'object' && fieldsV1 !== null && 'f:spec' in fieldsV1)
      .map(({ manager, operation }) => `${manager} ${operation}`);
    const { 'deployment.kubernetes.io/revision': _, ...annotations } = metadata.annotations ?? {};
    return { spec, annotations, owners };
  };
  const weightsOf = async (name: string): Promise<Record<string, number>> => {
    const schema = z.object({
      spec: z.object({
        rules: z.array(z.object({ backendRefs: z.array(z.object({ name: z.string(), weight: z.number() })) })),
      }),
    });
    const { spec } = await get(schema, 'httproute', name);
    return Object.fromEntries(
      spec.rules.flatMap(({ backendRefs }) => backendRefs).map((ref) => [ref.name, ref.weight]),
    );
  };
  const serving = async (name: string): Promise<void> => {
    await applyObjects(deployment({ namespace: namespace.name, name, replicas: 3 }), service(name), route(name));
    await kubectl(['-n', namespace.name, 'rollout', 'status', `deployment/${name}`, '--timeout=120s']);
  };
  const nodesOf = async (name: string): Promise<string[]> =>
    (
      await kubectl([
        ...['-n', namespace.name, 'get', 'pods', '-l', `headroom.dev/copy=${name}`],
        ...['-o', 'jsonpath={range .items[*]}{.spec.nodeName}{"\\n"}{end}'],
      ])
    )
      .split('\n')
      .filter((line) => line !== '');

  test('by the weights of its HTTPRoute, in steps; in the end others call the same Service, and the route is its owner’s', async () => {
    await serving('shop');
    await applyObjects(hpa(namespace.name, 'shop', 2, 10));
    const route0 = await shown('httproute', 'shop');
    const of = await surveyed('shop');
    // A survey touches nothing.
    expect(await shown('httproute', 'shop')).toEqual(route0);
    await writes(of, { kind: 'claim' }, { kind: 'images' }, { kind: 'copy', replicas: 3 });
    await looked(of, ({ copy }) => copy?.ready === 3);
    expect((await nodesOf('shop-1')).every((node) => node.startsWith(POOL))).toBe(true);
    // Its pods are ready, and nobody is led to them: the Service of the source does not find them.
    expect((await migrating.look(of, never())).weight).toBe(0);

    await writes(of, { kind: 'route', weight: 10, from: 0 });
    expect(await weightsOf('shop')).toEqual({ shop: 90, 'shop-1': 10, elsewhere: 1 });
    expect(await migrating.look(of, never())).toMatchObject({ weight: 10, claim: 'acme/shop/1', source: { ready: 3 } });
    await writes(of, { kind: 'route', weight: 100, from: 10 });
    expect(await weightsOf('shop')).toEqual({ shop: 0, 'shop-1': 100, elsewhere: 1 });

    await writes(of, { kind: 'hand-over' });
    expect((await shown('service', 'shop')).spec).toMatchObject({ selector: { app: 'shop-1' } });
    expect(await shown('httproute', 'shop')).toEqual(route0);
    expect(await get(z.unknown(), 'hpa', 'shop')).toMatchObject({ spec: { scaleTargetRef: { name: 'shop-1' } } });
    expect(await migrating.look(of, never())).toMatchObject({ weight: 100, mayTake: 3 });
    await writes(of, { kind: 'lower', replicas: 0 });
    expect(await migrating.look(of, never())).toMatchObject({ copy: { ready: 3 }, weight: 100 });
    await writes(of, { kind: 'retire' });
    await eventually(async () => (await migrating.look(of, never())).source === null);
    expect(await kubectl(['-n', namespace.name, 'get', 'services', '-o', 'name'])).toBe('service/shop\n');
    // It can move again, from where it is now.
    const again = await migrating.survey(
      { ...request('shop'), id: 'acme/shop/2', at: at('shop-1'), copy: 'shop-2' },
      never(),
    );
    expect(again).toMatchObject({ refusals: [], traffic: { kind: 'http-route' } });
  });

  test.each([
    ['kubectl apply', []],
    ['a GitOps tool that applies on the server', ['--server-side', '--field-manager=gitops', '--force-conflicts']],
  ])('that is taken back, of %s: everything is as it was, to its owner', async (who, flags) => {
    const name = flags.length === 0 ? 'plain' : 'gitops';
    await serving(name);
    if (flags.length > 0) {
      await kubectl(['apply', ...flags, '-f', '-'], { input: JSON.stringify(route(name)) });
    }
    const before = [await shown('httproute', name), await shown('service', name), await shown('deployment', name)];
    const of = await surveyed(name);
    await writes(of, { kind: 'claim' }, { kind: 'copy', replicas: 3 });
    await looked(of, ({ copy }) => copy?.ready === 3);
    await writes(of, { kind: 'route', weight: 50, from: 0 });
    expect(await write(of, { kind: 'discard' })).toMatchObject({
      kind: 'moved',
      detail: expect.stringContaining('50%'),
    });
    await writes(of, { kind: 'raise', replicas: 3 }, { kind: 'unroute' }, { kind: 'discard' }, { kind: 'release' });
    const after = [await shown('httproute', name), await shown('service', name), await shown('deployment', name)];
    const known = (all: typeof after) =>
      all.map(({ spec, annotations, owners }) => ({ spec, annotations, owners: new Set(owners) }));
    expect({ who, after: known(after) }).toEqual({ who, after: known(before) });
    await eventually(async () => (await migrating.look(of, never())).made.length === 0);
  });

  test('by the selector of its Service, at once, where no route leads to it; and back', async () => {
    await applyObjects(deployment({ namespace: namespace.name, name: 'direct', replicas: 2 }), service('direct'));
    await kubectl(['-n', namespace.name, 'rollout', 'status', 'deployment/direct', '--timeout=120s']);
    const before = await shown('service', 'direct');
    const survey = await migrating.survey(request('direct'), never());
    expect(survey.traffic).toMatchObject({ kind: 'service', steps: [100] });
    const of = request('direct', { before: survey.before });
    await writes(of, { kind: 'claim' }, { kind: 'copy', replicas: 2 });
    await looked(of, ({ copy }) => copy?.ready === 2);
    await writes(of, { kind: 'route', weight: 100, from: 0 });
    expect((await shown('service', 'direct')).spec).toMatchObject({ selector: { app: 'direct-1' } });
    expect((await migrating.look(of, never())).weight).toBe(100);
    await writes(of, { kind: 'unroute' }, { kind: 'discard' }, { kind: 'release' });
    const after = await shown('service', 'direct');
    expect({ ...after, owners: new Set(after.owners) }).toEqual({ ...before, owners: new Set(before.owners) });
  });

  test('a route that somebody changes meanwhile stays as they set it, is named, and keeps its copy', async () => {
    await serving('edited');
    const of = await surveyed('edited');
    await writes(of, { kind: 'claim' }, { kind: 'copy', replicas: 3 });
    await writes(of, { kind: 'route', weight: 10, from: 0 });
    const rules = [
      {
        backendRefs: [
          { name: 'edited', port: 80, weight: 7 },
          { name: 'edited-1', port: 80, weight: 3 },
        ],
      },
    ];
    await kubectl([
      ...['-n', namespace.name, 'patch', 'httproute', 'edited', '--type=merge', '--field-manager=ann'],
      ...['-p', JSON.stringify({ spec: { rules } })],
    ]);
    expect(await write(of, { kind: 'route', weight: 50, from: 10 })).toMatchObject({
      kind: 'moved',
      detail: expect.stringContaining('ann'),
    });
    expect(await write(of, { kind: 'unroute' })).toMatchObject({
      kind: 'moved',
      detail: expect.stringContaining('ann'),
    });
    expect(await write(of, { kind: 'discard' })).toMatchObject({
      kind: 'moved',
      detail: expect.stringContaining('30%'),
    });
    expect(await weightsOf('edited')).toEqual({ edited: 7, 'edited-1': 3 });
  });

  test('one migration at a time: another finds the claim, and touches nothing', async () => {
    await serving('busy');
    const first = await surveyed('busy');
    const second = { ...(await surveyed('busy')), id: 'acme/busy/2', copy: 'busy-2' };
    await writes(first, { kind: 'claim' });
    expect(await write(second, { kind: 'claim' })).toMatchObject({
      kind: 'moved',
      detail: expect.stringContaining('acme/busy/1'),
    });
    expect((await migrating.survey(second, never())).refusals.join()).toContain('acme/busy/1');
  });

  test('what cannot be done is refused before anything is touched, each with what to do', async () => {
    const refusals = async (name: string, over: Partial<MoveRequest> = {}) =>
      (await migrating.survey(request(name, over), never())).refusals.join('; ');
    expect(await refusals('absent')).toContain('there is no Deployment');
    await applyObjects(deployment({ namespace: namespace.name, name: 'lonely' }));
    expect(await refusals('lonely')).toContain('--no-traffic');
    expect(await refusals('lonely', { noTraffic: true })).toBe('');
    expect(
      await refusals('lonely', { noTraffic: true, to: { pool: null, namespace: 'other', cluster: null } }),
    ).toContain('same namespace');
  });

  test('volumes: only with consent, only where the class can; then each claim is cloned, and goes again', async () => {
    const provisioner = `${uniqueName('csi')}.example.com`;
    const [good, bad] = [uniqueName('clones'), uniqueName('local')];
    const claims = (className: string) => [
      {
        metadata: { name: 'data' },
        spec: {
          accessModes: ['ReadWriteOnce'],
          storageClassName: className,
          resources: { requests: { storage: '1Gi' } },
        },
      },
    ];
    const set = (name: string, className: string) => {
      const { spec, ...rest } = deployment({ namespace: namespace.name, name, replicas: 1 });
      return {
        ...rest,
        kind: 'StatefulSet',
        spec: { ...spec, serviceName: name, volumeClaimTemplates: claims(className) },
      };
    };
    const storageClass = (name: string, by: string) => ({
      ...{ apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name }, provisioner: by },
    });
    await applyObjects(
      storageClass(good, provisioner),
      storageClass(bad, 'kubernetes.io/no-provisioner'),
      { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: { name: provisioner }, spec: {} },
      ...[set('ledger', good), set('local', bad)],
    );
    const over = { noTraffic: true };
    const asked = (name: string, more: Partial<MoveRequest>) => ({ ...over, at: at(name, 'StatefulSet'), ...more });
    await eventually(async () =>
      (await kubectl(['-n', namespace.name, 'get', 'pvc', '-o', 'name'])).includes('data-local-0'),
    );
    const refusal = (await migrating.survey(request('ledger', asked('ledger', {})), never())).refusals.join();
    expect(refusal).toContain('--copy-volumes');
    const local = await migrating.survey(request('local', asked('local', { copyVolumes: true })), never());
    expect(local.refusals.join()).toContain('no CSI driver');
    const of = await surveyed('ledger', asked('ledger', { copyVolumes: true }));
    await writes(of, { kind: 'claim' }, { kind: 'volumes' });
    expect(await get(z.unknown(), 'pvc', 'data-ledger-1-0')).toMatchObject({
      spec: { dataSource: { kind: 'PersistentVolumeClaim', name: 'data-ledger-0' }, storageClassName: good },
    });
    await writes(of, { kind: 'discard' }, { kind: 'release' });
    await eventually(
      async () => !(await kubectl(['-n', namespace.name, 'get', 'pvc', '-o', 'name'])).includes('ledger-1'),
    );
    await kubectl(['delete', 'storageclass', good, bad, '--wait=false']);
    await kubectl(['delete', 'csidriver', provisioner, '--wait=false']);
  });
});
