import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import type { Migrating, MoveRequest, MoveWrite } from '../../src/cluster/migrating.js';
import type { Cluster } from '../../src/cluster/port.js';
import { kubeConfigOf } from './kube-config.js';
import { createFakeApiServer, type FakeApiServer } from './kubernetes-api-server.js';
import { isObject, type Json, type JsonObject } from './managed-object.js';

/*
 * What stands around a workload that moves: disruption budgets and autoscalers. What a user loses where this fails: a drain of
 * nodes that takes all pods which serve, or an autoscaler that scales what is no longer there.
 */

const never = () => new AbortController().signal;
const object = (
  apiVersion: string,
  kind: string,
  name: string,
  spec: JsonObject,
  more: JsonObject = {},
): JsonObject => ({
  ...{ apiVersion, kind, metadata: { name, namespace: 'acme', ...more }, spec },
});
const budget = (name: string, selector: JsonObject, bounds: JsonObject = { minAvailable: 2 }): JsonObject => ({
  ...object('policy/v1', 'PodDisruptionBudget', name, { ...bounds, selector }),
  status: { disruptionsAllowed: 1 },
});
const at = (value: JsonObject | null, ...path: string[]): Json | undefined =>
  path.reduce<Json | undefined>((now, key) => (isObject(now) ? now[key] : undefined), value ?? undefined);

describe('around a workload that moves', () => {
  let api: FakeApiServer;
  let cluster: Cluster;
  let migrating: Migrating;
  let of: MoveRequest;
  const BUDGETS = 'poddisruptionbudgets';

  beforeEach(async () => {
    api = await createFakeApiServer();
    cluster = createKubernetesCluster({ kubeConfig: kubeConfigOf(api.url), name: 'main' });
    if (cluster.migrating === undefined) throw new Error('the cluster cannot move workloads');
    migrating = cluster.migrating;
    api.install('services', object('v1', 'Service', 'web', { selector: { app: 'web' }, ports: [{ port: 80 }] }), 'ops');
    api.install(BUDGETS, budget('others', { matchLabels: { app: 'api' } }), 'ops');
  });
  afterEach(async () => {
    await cluster.close();
    await api.close();
  });

  const request: MoveRequest = {
    ...{ id: 'acme/web/1', account: 'acme', copy: 'web-1', to: { pool: 'spot', namespace: null, cluster: null } },
    at: { workload: 'web', kind: 'Deployment', namespace: 'acme', name: 'web' },
    ...{ nodeSelector: { pool: 'spot' }, tolerations: [], copyVolumes: false, noTraffic: false, backend: null },
    ...{ steps: [100], old: 'remove', before: null },
  };
  const begun = async (): Promise<void> => {
    const survey = await migrating.survey(request, never());
    expect(survey.refusals).toEqual([]);
    of = { ...request, before: survey.before };
    await writes({ kind: 'claim' }, { kind: 'copy', replicas: 3 });
  };
  /** Each twice: a worker may die between a write and its answer. */
  const writes = async (...all: MoveWrite[]): Promise<string> => {
    let said = '';
    for (const write of all) {
      const first = await migrating.write(of, write, never());
      expect({ write, ...first }).toMatchObject({ write, kind: 'done', detail: expect.any(String) as string });
      expect((await migrating.write(of, write, never())).kind).toBe('done');
      said = first.detail;
    }
    return said;
  };
  const THERE: MoveWrite[] = [{ kind: 'route', weight: 100, from: 0 }, { kind: 'hand-over' }];
  const BACK: MoveWrite[] = [{ kind: 'unroute' }, { kind: 'discard' }, { kind: 'release' }];
  const selects = (name: string): Json | undefined => at(api.custom(BUDGETS, name), 'spec', 'selector');
  const scales = (kind: string, name: string): Json | undefined =>
    at(kind === 'hpa' ? api.autoscaler(name).read() : api.custom(kind, name), 'spec', 'scaleTargetRef', 'name');

  test('a budget holds each side while both are there, and the copy from the hand-over on; another one is let be', async () => {
    api.install(BUDGETS, budget('web', { matchLabels: { app: 'web' } }), 'ops');
    await begun();
    expect(selects('web')).toEqual({ matchLabels: { app: 'web' } });
    expect(at(api.custom(BUDGETS, 'web-1'), 'spec')).toEqual({
      ...{ minAvailable: 2, selector: { matchLabels: { 'headroom.dev/copy': 'web-1' } } },
    });
    expect(await migrating.look(of, never())).toMatchObject({ mayTake: 1 });
    const said = await writes(...THERE);
    expect(said).toContain('budget web counts web-1');
    expect(selects('web')).toEqual({ matchLabels: { app: 'web-1' } });
    expect(at(api.custom(BUDGETS, 'web'), 'spec', 'minAvailable')).toBe(2);
    expect(api.custom(BUDGETS, 'web-1')).toBeNull();
    expect(selects('others')).toEqual({ matchLabels: { app: 'api' } });
    // What serves nobody is let go, all of it.
    expect(await migrating.look(of, never())).toMatchObject({ mayTake: 3 });
  });

  test.each([
    ['a ScaledObject that is not paused', {}, true],
    ['one that is', { annotations: { 'autoscaling.keda.sh/paused': 'true' } }, false],
  ])('that is to be stopped for its volumes, with %s: nothing may start it again', async (_, more, refused) => {
    api.install(
      'scaledobjects',
      object('keda.sh/v1alpha1', 'ScaledObject', 'web', { scaleTargetRef: { name: 'web' } }, more),
      'ops',
    );
    const { refusals } = await migrating.survey({ ...request, copyVolumes: true, stop: true }, never());
    expect(refusals.join()).toContain('it has no volumes');
    expect(refusals.join().includes('ScaledObject acme/web would start it again')).toBe(refused);
    expect((await migrating.survey(request, never())).refusals).toEqual([]);
  });

  test('taken back, budgets are as they were, to the last', async () => {
    api.install(BUDGETS, budget('web', { matchLabels: { app: 'web' } }), 'ops');
    const before = api.custom(BUDGETS, 'web');
    await begun();
    expect((await migrating.look(of, never())).made).toContain('PodDisruptionBudget acme/web-1');
    await writes({ kind: 'route', weight: 100, from: 0 }, ...BACK);
    expect(api.custom(BUDGETS, 'web')).toEqual(before);
    expect(api.custom(BUDGETS, 'web-1')).toBeNull();
    expect((await migrating.look(of, never())).made).toEqual([]);
  });

  test.each<[string, JsonObject]>([
    ['that finds all pods of the namespace', {}],
    ['by an expression that the copy, too, is found by', { matchExpressions: [{ key: 'app', operator: 'Exists' }] }],
  ])('a budget %s counts the copy from its start: none is made, and nothing is written', async (_, selector) => {
    api.install(BUDGETS, budget('all', selector), 'ops');
    await begun();
    expect(api.custom(BUDGETS, 'all-1')).toBeNull();
    expect(await migrating.look(of, never())).toMatchObject({ mayTake: 1 });
    await writes(...THERE);
    expect(selects('all')).toEqual(selector);
    expect(api.requests.filter((one) => one.startsWith('PATCH') && one.includes(BUDGETS))).toEqual([]);
  });

  test('a budget by expressions that do not find the copy stays, is named, and the copy keeps its own', async () => {
    const selector = { matchExpressions: [{ key: 'app', operator: 'In', values: ['web'] }] };
    api.install(BUDGETS, budget('picky', selector), 'ops');
    await begun();
    const said = await writes(...THERE);
    expect(said).toContain('budget picky selects by expressions: it stays as it is, and picky-1 counts web-1');
    expect(selects('picky')).toEqual(selector);
    expect(selects('picky-1')).toEqual({ matchLabels: { 'headroom.dev/copy': 'web-1' } });
  });

  test('a ScaledObject and an HPA scale the copy from the hand-over on; those of others, and KEDA’s own, are let be', async () => {
    const scaler = (name: string, of: string, more: JsonObject = {}): JsonObject =>
      object('keda.sh/v1alpha1', 'ScaledObject', name, { scaleTargetRef: { name: of, ...more }, minReplicaCount: 2 });
    const hpa = (name: string, labels: JsonObject): JsonObject =>
      object(
        'autoscaling/v2',
        'HorizontalPodAutoscaler',
        name,
        { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } },
        { labels },
      );
    api.install('scaledobjects', scaler('web', 'web'), 'ops');
    api.install('scaledobjects', scaler('set', 'web', { kind: 'StatefulSet' }), 'ops');
    api.install('scaledobjects', scaler('others', 'api'), 'ops');
    api.install('horizontalpodautoscalers', hpa('own', {}), 'ops');
    api.install(
      'horizontalpodautoscalers',
      hpa('keda-hpa-web', { 'app.kubernetes.io/managed-by': 'keda-operator' }),
      'keda',
    );
    await begun();
    expect(scales('scaledobjects', 'web')).toBe('web');
    const said = await writes(...THERE);
    expect(said).toContain('ScaledObject web scales web-1');
    expect(at(api.custom('scaledobjects', 'web'), 'spec')).toEqual({
      scaleTargetRef: { name: 'web-1' },
      minReplicaCount: 2,
    });
    expect(scales('scaledobjects', 'set')).toBe('web');
    expect(scales('scaledobjects', 'others')).toBe('api');
    expect(at(api.custom('horizontalpodautoscalers', 'own'), 'spec', 'scaleTargetRef')).toEqual({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      name: 'web-1',
    });
    expect(scales('horizontalpodautoscalers', 'keda-hpa-web')).toBe('web');
  });
});
