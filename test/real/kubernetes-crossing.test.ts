import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startControlPlane, type ControlPlane } from '../../infra/servers/index.js';
import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import type { Migrating, MoveLook, MoveRequest, MoveResult, MoveWrite } from '../../src/cluster/migrating.js';
import type { Cluster } from '../../src/cluster/port.js';
import type { Side } from '../../src/domain/cluster-migration.js';
import { httpRouteCrd } from './http-route-crd.js';
import { deployment, hpa, kubeConfigFile } from './kubernetes-world.js';
import { eventually, kubectl, ownNamespace, poolNodes, real, uniqueName } from './real.js';
import { serviceImportCrd } from './service-import-crd.js';

/*
 * Workloads that move from one API server to another, each with its controllers. What a user loses where this fails: requests,
 * an object of somebody else's that is written over, or one that is left behind.
 */

const never = () => new AbortController().signal;
type Where = 'east' | 'west';

describe('a workload that moves to another cluster', () => {
  const POOL = uniqueName('there');
  let folder: string;
  let plane: ControlPlane;
  let namespace: Awaited<ReturnType<typeof ownNamespace>>;
  const clusters: Partial<Record<Where, Cluster>> = {};

  const ask = (where: Where, args: readonly string[], input?: string): Promise<string> =>
    where === 'east'
      ? kubectl(args, input === undefined ? {} : { input })
      : plane.kubectl(args, input === undefined ? {} : { input });
  const applied = (where: Where, ...items: unknown[]): Promise<string> =>
    ask(where, ['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headroom-west-'));
    plane = await startControlPlane({ folder, nodes: 0, metricsServer: false });
    namespace = await ownNamespace('crossing');
    await ask('west', ['create', 'namespace', namespace.name]);
    for (const where of ['east', 'west'] as const) {
      await applied(where, httpRouteCrd, serviceImportCrd);
      const crds = [httpRouteCrd, serviceImportCrd].map(({ metadata }) => `crd/${metadata.name}`);
      await ask(where, ['wait', '--for=condition=Established', ...crds, '--timeout=120s']);
    }
    await applied('west', ...poolNodes(POOL, 2));
    const kubeconfigs = { east: real.cluster.kubeconfig, west: plane.kubeconfig };
    for (const where of ['east', 'west'] as const)
      clusters[where] = createKubernetesCluster({ kubeConfig: kubeConfigFile(kubeconfigs[where]), name: where });
  });
  afterAll(async () => {
    for (const cluster of Object.values(clusters)) await cluster.close();
    await namespace?.remove();
    await plane?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  interface Move {
    name: string;
    number: number;
    from: Where;
    to: Where;
    backend: string | null;
    old?: 'keep' | 'remove';
    manifests?: string;
    before: Partial<Record<Side, string>>;
  }
  const portOf = (move: Move, side: Side): Migrating => {
    // The routes are in the east all along.
    const found = clusters[side === 'traffic' ? 'east' : side === 'source' ? move.from : move.to]?.crossing;
    if (found === undefined) throw new Error('the cluster cannot move workloads to others');
    return found;
  };
  const request = (move: Move, side: Side): MoveRequest => ({
    ...{ id: `acme/@${move.to}/${move.number}/${move.name}`, account: 'acme', copy: move.name },
    at: { workload: move.name, kind: 'Deployment', namespace: namespace.name, name: move.name },
    to: { pool: null, namespace: null, cluster: move.to },
    ...(move.to === 'west'
      ? {
          nodeSelector: { 'headroom.dev/pool': POOL },
          tolerations: [{ key: 'pool', operator: 'Equal' as const, value: POOL, effect: 'NoSchedule' as const }],
        }
      : { nodeSelector: {}, tolerations: [] }),
    ...{ copyVolumes: false, noTraffic: false, backend: move.backend, steps: [10, 100], old: move.old ?? 'keep' },
    before: move.before[side] ?? null,
    cross: {
      ...{ side, from: move.from, to: move.to, pools: [POOL] },
      traffic: move.from === 'east' ? 'route-at-source' : 'route-at-target',
      ...(move.manifests === undefined ? {} : { manifests: move.manifests }),
    },
  });
  const surveyed = async (move: Move): Promise<string[]> => {
    const refusals: string[] = [];
    for (const side of ['source', 'target', 'traffic'] as const) {
      const survey = await portOf(move, side).survey(request(move, side), never());
      refusals.push(...survey.refusals);
      move.before[side] = survey.before;
      if (survey.manifests !== undefined) move.manifests = survey.manifests;
    }
    return refusals;
  };
  /** Each write twice: a worker may die between a write and its answer. */
  const write = async (move: Move, side: Side, what: MoveWrite): Promise<MoveResult> => {
    const first = await portOf(move, side).write(request(move, side), what, never());
    if (first.kind === 'done')
      expect((await portOf(move, side).write(request(move, side), what, never())).kind).toBe('done');
    return first;
  };
  const writes = async (move: Move, ...all: [Side, MoveWrite][]): Promise<void> => {
    for (const [side, what] of all)
      expect({ what, ...(await write(move, side, what)) }).toMatchObject({ kind: 'done' });
  };
  const looked = (move: Move, side: Side, so: (look: MoveLook) => boolean): Promise<MoveLook> =>
    eventually(async () => {
      const look = await portOf(move, side).look(request(move, side), never());
      return so(look) && look;
    });

  const metadata = (name: string) => ({ name, namespace: namespace.name });
  const world = (name: string) => {
    const made = deployment({ namespace: namespace.name, name, replicas: 2 });
    const { template } = made.spec;
    const [container] = template.spec.containers;
    const uses = [{ configMapRef: { name: `${name}-settings` } }, { secretRef: { name: `${name}-key` } }];
    return [
      {
        ...made,
        spec: { ...made.spec, template: { ...template, spec: { containers: [{ ...container, envFrom: uses }] } } },
      },
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata(`${name}-settings`), data: { colour: 'blue' } },
      { apiVersion: 'v1', kind: 'Secret', metadata: metadata(`${name}-key`), stringData: { key: 'east' } },
      {
        ...{ apiVersion: 'v1', kind: 'Service', metadata: metadata(name) },
        spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
      },
      {
        ...{ apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: metadata(name) },
        spec: { minAvailable: 1, selector: { matchLabels: { app: name } } },
      },
      hpa(namespace.name, name, 2, 9),
      {
        ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: metadata(name) },
        spec: {
          rules: [
            { matches: [{ path: { type: 'PathPrefix', value: '/' } }], backendRefs: [{ name, port: 80 }] },
            { matches: [{ path: { type: 'PathPrefix', value: '/x' } }], backendRefs: [{ name: 'other', port: 80 }] },
          ],
        },
      },
      {
        ...{ apiVersion: 'multicluster.x-k8s.io/v1alpha1', kind: 'ServiceImport', metadata: metadata(`${name}-west`) },
        spec: { type: 'ClusterSetIP', ports: [{ port: 80 }] },
      },
    ];
  };
  const opened = async (name: string): Promise<void> => {
    await applied('east', ...world(name));
    await ask('east', ['-n', namespace.name, 'rollout', 'status', `deployment/${name}`, '--timeout=180s']);
  };
  const anySchema = z.looseObject({
    metadata: z.looseObject({ annotations: z.record(z.string(), z.string()).optional() }),
    spec: z.looseObject({ replicas: z.number().optional(), rules: z.array(z.unknown()).optional() }).optional(),
    data: z.record(z.string(), z.string()).optional(),
  });
  const get = async (where: Where, kind: string, name: string) =>
    anySchema.parse(JSON.parse(await ask(where, ['-n', namespace.name, 'get', kind, name, '-o', 'json'])));
  const namesIn = async (where: Where, kinds: string): Promise<string[]> =>
    (await ask(where, ['-n', namespace.name, 'get', kinds, '-o', 'name'])).split('\n').filter((line) => line !== '');
  const weightsOf = async (name: string): Promise<Record<string, number>> => {
    const refs = z.array(
      z.object({ backendRefs: z.array(z.object({ kind: z.string(), name: z.string(), weight: z.number() })) }),
    );
    const { spec } = await get('east', 'httproute', name);
    return Object.fromEntries(
      refs
        .parse(spec?.rules)
        .flatMap(({ backendRefs }) => backendRefs.map((ref) => [`${ref.kind}/${ref.name}`, ref.weight])),
    );
  };
  const RELATED = 'deployments,services,configmaps,poddisruptionbudgets,horizontalpodautoscalers';

  test('is made there with what it needs, led over by its route to a ServiceImport, and left here without replicas; then back', async () => {
    await opened('shop');
    const move: Move = {
      ...{ name: 'shop', number: 1, from: 'east', to: 'west', backend: 'ServiceImport/shop-west', before: {} },
    };
    expect(await surveyed(move)).toEqual([]);
    expect(await namesIn('west', 'deployments,services,poddisruptionbudgets')).toEqual([]);
    await writes(move, ['source', { kind: 'claim' }], ['target', { kind: 'copy', replicas: 2 }]);
    // Its Secret is nobody's to carry: without it no pod there starts.
    await applied('west', {
      ...{ apiVersion: 'v1', kind: 'Secret', metadata: metadata('shop-key'), stringData: { key: 'west' } },
    });
    await looked(move, 'target', ({ copy }) => copy?.ready === 2);
    expect((await get('west', 'configmap', 'shop-settings')).data).toEqual({ colour: 'blue' });
    expect(await namesIn('west', 'deployments,services,poddisruptionbudgets,horizontalpodautoscalers')).toEqual(
      expect.arrayContaining(['deployment.apps/shop', 'service/shop', 'poddisruptionbudget.policy/shop']),
    );
    await writes(move, ['traffic', { kind: 'route', weight: 10, from: 0 }]);
    expect(await weightsOf('shop')).toEqual({
      'Service/shop': 90,
      'ServiceImport/shop-west': 10,
      'Service/other': 1,
    });
    await writes(move, ['traffic', { kind: 'route', weight: 100, from: 10 }]);
    await looked(move, 'traffic', ({ weight }) => weight === 100);
    // A copy that traffic is led to is never taken away before that.
    await writes(move, ['target', { kind: 'hand-over' }], ['traffic', { kind: 'hand-over' }]);
    expect(await weightsOf('shop')).toEqual({ 'ServiceImport/shop-west': 1, 'Service/other': 1 });
    expect(await namesIn('west', 'horizontalpodautoscalers')).toEqual(['horizontalpodautoscaler.autoscaling/shop']);
    await writes(move, ['source', { kind: 'lower', replicas: 0 }], ['source', { kind: 'retire' }]);
    expect(await get('east', 'deployment', 'shop')).toMatchObject({
      metadata: { annotations: { 'headroom.dev/left-by-migration': 'acme/@west/1/shop' } },
      spec: { replicas: 0 },
    });

    const back: Move = {
      ...{ name: 'shop', number: 1, from: 'west', to: 'east', backend: 'ServiceImport/shop-west:shop', before: {} },
    };
    expect(await surveyed(back)).toEqual([]);
    await writes(back, ['source', { kind: 'claim' }], ['target', { kind: 'copy', replicas: 3 }]);
    await looked(back, 'target', ({ copy }) => copy?.ready === 3);
    await writes(back, ['traffic', { kind: 'route', weight: 50, from: 0 }]);
    // Called off: all as it was, and what was left here rests again.
    await writes(
      back,
      ['traffic', { kind: 'unroute' }],
      ['target', { kind: 'discard' }],
      ['source', { kind: 'release' }],
    );
    expect(await weightsOf('shop')).toEqual({ 'ServiceImport/shop-west': 1, 'Service/other': 1 });
    expect(await get('east', 'deployment', 'shop')).toMatchObject({
      metadata: { annotations: { 'headroom.dev/left-by-migration': 'acme/@west/1/shop' } },
      spec: { replicas: 0 },
    });
    const again: Move = { ...back, number: 2, before: {} };
    expect(await surveyed(again)).toEqual([]);
    await writes(again, ['source', { kind: 'claim' }], ['target', { kind: 'copy', replicas: 2 }]);
    await looked(again, 'target', ({ copy }) => copy?.ready === 2);
    await writes(
      again,
      ['traffic', { kind: 'route', weight: 100, from: 0 }],
      ['target', { kind: 'hand-over' }],
      ['traffic', { kind: 'hand-over' }],
      ['source', { kind: 'lower', replicas: 0 }],
      ['source', { kind: 'retire' }],
    );
    expect(await weightsOf('shop')).toEqual({ 'Service/shop': 1, 'Service/other': 1 });
  });

  test('taken back leaves nothing in the target, and the route as its owner had it', async () => {
    await opened('cafe');
    const before = { spec: (await get('east', 'httproute', 'cafe')).spec, there: await namesIn('west', RELATED) };
    const move: Move = {
      ...{ name: 'cafe', number: 1, from: 'east', to: 'west', backend: 'ServiceImport/cafe-west', before: {} },
    };
    expect(await surveyed(move)).toEqual([]);
    await writes(
      move,
      ['source', { kind: 'claim' }],
      ['target', { kind: 'copy', replicas: 2 }],
      ['traffic', { kind: 'route', weight: 50, from: 0 }],
      ['traffic', { kind: 'unroute' }],
      ['target', { kind: 'discard' }],
      ['source', { kind: 'release' }],
    );
    await eventually(async () => (await namesIn('west', RELATED)).join() === before.there.join());
    expect((await get('east', 'httproute', 'cafe')).spec).toEqual(before.spec);
    const { metadata: left } = await get('east', 'deployment', 'cafe');
    expect(Object.keys(left.annotations ?? {}).filter((name) => name.startsWith('headroom.dev/'))).toEqual([]);
  });

  test('what is another one’s there is named and never written over; volumes, nobody who leads, and no backend are refused', async () => {
    await opened('bar');
    await applied('west', {
      ...{ apiVersion: 'v1', kind: 'ResourceQuota', metadata: metadata('tight') },
      spec: { hard: { 'requests.cpu': '150m' } },
    });
    await eventually(async () => {
      const quota = ['-n', namespace.name, 'get', 'resourcequota', 'tight', '-o', 'jsonpath={.status.hard}'];
      return (await ask('west', quota)).includes('150m');
    });
    const theirs = { apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata('bar-settings'), data: { colour: 'red' } };
    await applied('west', theirs, deployment({ namespace: namespace.name, name: 'bar', replicas: 1 }));
    const move: Move = { ...{ name: 'bar', number: 1, from: 'east', to: 'west', backend: null, before: {} } };
    const refusals = (await surveyed(move)).join('\n');
    expect(refusals).toContain(`there is another ConfigMap ${namespace.name}/bar-settings in cluster west`);
    expect(refusals).toContain(`there is a Deployment ${namespace.name}/bar in cluster west already`);
    expect(refusals).toContain('nothing leads traffic of bar to cluster west');
    expect(refusals).toMatch(
      /ResourceQuota \S+\/tight of cluster west leaves 0.\d+ requests.cpu, and 2 replicas ask for 0.2/,
    );
    await ask('west', ['-n', namespace.name, 'delete', 'resourcequota', 'tight']);
    // Told to go on all the same, it writes nothing of theirs.
    expect((await write(move, 'target', { kind: 'copy', replicas: 2 })).kind).toBe('refused');
    expect((await get('west', 'configmap', 'bar-settings')).data).toEqual({ colour: 'red' });
    expect((await write(move, 'target', { kind: 'discard' })).kind).toBe('done');
    expect(await namesIn('west', 'deployments')).toContain('deployment.apps/bar');
    await applied('east', {
      ...deployment({ namespace: namespace.name, name: 'disk', replicas: 0 }),
    });
    await ask('east', [
      ...['-n', namespace.name, 'patch', 'deployment', 'disk', '--type=merge', '-p'],
      JSON.stringify({
        spec: { template: { spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] } } },
      }),
    ]);
    const disk: Move = { ...{ name: 'disk', number: 1, from: 'east', to: 'west', backend: 'x', before: {} } };
    const { refusals: why } = await portOf(disk, 'source').survey(request(disk, 'source'), never());
    expect(why.join()).toContain('has volumes (data), and none travels between clusters');
  });
});
