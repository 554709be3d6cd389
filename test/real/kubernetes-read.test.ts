import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import type { Cluster, ObserveRequest, WorkloadTarget } from '../../src/cluster/port.js';
import type { ClusterState, Mutation, WorkloadState } from '../../src/domain/cluster.js';
import { openApiProxy } from '../../infra/servers/api-proxy.js';
import { deployment, hpa, kubeConfigFile, serviceAccount } from './kubernetes-world.js';
import { applyObjects, eventually, kubectl, ownNamespace, real, uniqueName } from './real.js';

/** What is observed of a real control plane: by name and by label, with its limits, its pods and its nodes. */

const never = () => new AbortController().signal;

let cluster: Cluster;
let ns: string;
const ends: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  cluster = createKubernetesCluster({ kubeConfig: kubeConfigFile(real.cluster.kubeconfig), name: 'main' });
  ends.push(() => cluster.close());
  ns = await namespace('read');
});
afterAll(async () => {
  for (const end of ends.reverse()) await end();
});

async function namespace(prefix: string): Promise<string> {
  const own = await ownNamespace(prefix);
  ends.push(own.remove);
  return own.name;
}

const target = (workload: string, more: Partial<WorkloadTarget> = {}): WorkloadTarget => ({
  workload,
  kind: 'Deployment',
  namespace: ns,
  name: workload,
  ...more,
});
const byLabels = (workload: string, labels: Record<string, string>, more: Partial<WorkloadTarget> = {}) =>
  target(workload, { labels, anyName: true, ...more });
const look = (workloads: WorkloadTarget[], more: Partial<ObserveRequest> = {}, at = cluster): Promise<ClusterState> =>
  at.observe({ account: ns, workloads, pools: [], ...more }, never());
async function see(of: WorkloadTarget, at = cluster): Promise<WorkloadState> {
  const [state] = (await look([of], {}, at)).workloads;
  if (state === undefined) throw new Error(`${of.workload} was not answered`);
  return state;
}
const seeing = (of: WorkloadTarget, so: (state: WorkloadState) => boolean): Promise<WorkloadState> =>
  eventually(async () => {
    const state = await see(of);
    return so(state) ? state : null;
  });

describe('a workload', () => {
  test('is seen with its HPA, values and owners; and what somebody else changes of it', async () => {
    await applyObjects(deployment({ namespace: ns, name: 'web' }), hpa(ns, 'web', 2, 9));
    const state = await seeing(
      target('web'),
      ({ readyReplicas, autoscaler }) => readyReplicas === 2 && autoscaler !== null,
    );
    expect(state).toMatchObject({
      exists: true,
      replicas: 2,
      request: { cpu: 0.1, memory: 64 * 2 ** 20 },
      autoscaler: { kind: 'hpa', name: 'web', floor: 2, ceiling: 9 },
      owners: { request: 'kubectl-client-side-apply', floor: 'kubectl-client-side-apply' },
    });
    await kubectl(['-n', ns, 'patch', 'hpa', 'web', '--type=merge', '-p', '{"spec":{"minReplicas":4}}']);
    const changed = await seeing(target('web'), ({ autoscaler }) => autoscaler?.floor === 4);
    expect(changed.owners.floor).toBe('kubectl-patch');
  });

  test('that is deleted and made again is the new one, with none of the old one’s pods', async () => {
    await applyObjects(deployment({ namespace: ns, name: 'again', replicas: 3 }));
    await seeing(target('again'), ({ readyReplicas }) => readyReplicas === 3);
    await kubectl(['-n', ns, 'delete', 'deployment', 'again', '--wait=true']);
    expect(await seeing(target('again'), ({ exists }) => !exists)).toMatchObject({
      absent: `there is no Deployment ${ns}/again`,
    });
    await applyObjects(deployment({ namespace: ns, name: 'again', replicas: 1, requests: { cpu: '300m' } }));
    const state = await seeing(target('again'), ({ exists, readyReplicas }) => exists && readyReplicas === 1);
    expect(state).toMatchObject({ replicas: 1, request: { cpu: 0.3 } });
    expect(state.request.memory).toBeUndefined();
  });

  test('of kind StatefulSet is seen, too', async () => {
    const set = deployment({ namespace: ns, name: 'db', replicas: 2 });
    await applyObjects({ ...set, kind: 'StatefulSet', spec: { ...set.spec, serviceName: 'db' } });
    const state = await seeing(target('db', { kind: 'StatefulSet' }), ({ readyReplicas }) => readyReplicas === 2);
    expect(state).toMatchObject({ exists: true, replicas: 2, autoscaler: null });
  });
});

describe('by label', () => {
  let shared: string;
  beforeAll(async () => {
    shared = await namespace('shared');
    await applyObjects(
      deployment({ namespace: shared, name: 'acme-web', labels: { app: 'web', tenant: 'acme' }, replicas: 1 }),
      deployment({ namespace: shared, name: 'globex-web', labels: { app: 'web', tenant: 'globex' }, replicas: 2 }),
      deployment({ namespace: shared, name: 'acme-api-1', labels: { app: 'api', tenant: 'acme' }, replicas: 1 }),
      deployment({ namespace: shared, name: 'acme-api-2', labels: { app: 'api', tenant: 'acme' }, replicas: 1 }),
    );
  });
  const at = () => ({ namespace: shared });

  test('two accounts in one namespace see each their own', async () => {
    for (const [tenant, replicas] of [
      ['acme', 1],
      ['globex', 2],
    ] as const) {
      const state = await seeing(byLabels('web', { tenant, app: 'web' }, at()), ({ exists }) => exists);
      expect(state.replicas).toBe(replicas);
    }
  });

  test.each<{ row: string; labels: Record<string, string>; name: string | null; words: string }>([
    {
      row: 'none matches',
      labels: { tenant: 'acme', app: 'db' },
      name: null,
      words: 'has the labels tenant=acme,app=db',
    },
    {
      row: 'several match',
      labels: { tenant: 'acme', app: 'api' },
      name: null,
      words: 'have the labels tenant=acme,app=api (acme-api-1, acme-api-2): one is wanted',
    },
    {
      row: 'another account’s object is named',
      labels: { tenant: 'acme' },
      name: 'globex-web',
      words: 'does not have the account’s labels tenant=acme',
    },
  ])('$row: said in words, neither read nor written', async ({ labels, name, words }) => {
    const of = name === null ? byLabels('one', labels, at()) : target('one', { ...at(), name, labels });
    expect(await see(of)).toMatchObject({ exists: false, replicas: 0, absent: expect.stringContaining(words) });
    const mutation: Mutation = {
      key: uniqueName('change'),
      account: 'acme',
      target: { field: 'replicas', workload: 'one', value: 7 },
      expect: { value: 1, owner: 'kubectl-client-side-apply' },
      reason: 'test',
    };
    const result = await cluster.apply(mutation, of, never());
    expect(result).toMatchObject({ kind: 'not-found', detail: expect.stringContaining(words) });
  });

  test('one object is not two workloads of an account', async () => {
    const state = await look([
      byLabels('web', { tenant: 'acme', app: 'web' }, at()),
      target('front', { ...at(), name: 'acme-web' }),
    ]);
    expect(state.workloads.map(({ exists }) => exists)).toEqual([true, false]);
    expect(state.workloads[1]?.absent).toContain('is the account’s workload web already');
  });

  test('what is written by label is written to that object, and seen at once', async () => {
    const of = byLabels('web', { tenant: 'acme', app: 'web' }, at());
    const before = await see(of);
    const mutation: Mutation = {
      key: uniqueName('change'),
      account: 'acme',
      target: { field: 'replicas', workload: 'web', value: 3 },
      expect: { value: 1, owner: before.owners.replicas },
      reason: 'test',
    };
    expect(await cluster.apply(mutation, { ...of, takeOwnership: true }, never())).toMatchObject({
      kind: 'applied',
      value: 3,
    });
    expect((await see(of)).replicas).toBe(3);
    expect(await kubectl(['-n', shared, 'get', 'deployment', '-o', 'jsonpath={.items[*].spec.replicas}'])).toBe(
      '1 1 3 2',
    );
  });
});

describe('limits of a namespace', () => {
  let tight: string;
  beforeAll(async () => {
    tight = await namespace('tight');
    await applyObjects(
      {
        apiVersion: 'v1',
        kind: 'ResourceQuota',
        metadata: { name: 'compute', namespace: tight },
        spec: { hard: { 'requests.cpu': '1', 'limits.memory': '2Gi', pods: '4', 'count/secrets': '9' } },
      },
      {
        apiVersion: 'v1',
        kind: 'ResourceQuota',
        metadata: { name: 'batch', namespace: tight },
        spec: { hard: { pods: '1' }, scopes: ['Terminating'] },
      },
      {
        apiVersion: 'v1',
        kind: 'LimitRange',
        metadata: { name: 'sizes', namespace: tight },
        spec: { limits: [{ type: 'Container', min: { cpu: '50m' }, max: { cpu: '2', memory: '1Gi' } }] },
      },
      {
        apiVersion: 'policy/v1',
        kind: 'PodDisruptionBudget',
        metadata: { name: 'web', namespace: tight },
        spec: { minAvailable: 2, selector: { matchLabels: { app: 'web' } } },
      },
    );
    const limits = { cpu: '1', memory: '256Mi' };
    await eventually(
      async () =>
        (await kubectl(['-n', tight, 'get', 'resourcequota', 'compute', '-o', 'jsonpath={.status.hard.pods}'])) === '4',
    );
    await applyObjects(
      deployment({ namespace: tight, name: 'web', replicas: 2, requests: { cpu: '200m', memory: '64Mi' }, limits }),
      deployment({ namespace: tight, name: 'other', replicas: 1, requests: { cpu: '300m', memory: '64Mi' }, limits }),
    );
    await seeing(target('web', { namespace: tight }), ({ readyReplicas }) => readyReplicas === 2);
  });

  test('are what is left to the account: quotas less what others use, sizes, promises', async () => {
    const state = await eventually(async () => {
      const one = await look([target('web', { namespace: tight })]);
      return one.quotas?.some(({ room }) => room === 3) === true ? one : null;
    });
    const rooms = Object.fromEntries(
      (state.quotas ?? []).map(({ quota, room }) => [quota, Number(room.toPrecision(12))]),
    );
    expect(rooms).toEqual({
      [`${tight}/compute requests.cpu`]: 0.7,
      [`${tight}/compute limits.memory`]: 2 ** 31 - 2 ** 28,
      [`${tight}/compute pods`]: 3,
    });
    expect(state.quotas).toContainEqual({ quota: `${tight}/compute pods`, each: { web: 1 }, room: 3 });
    expect(state.quotas).toContainEqual(expect.objectContaining({ component: 'cpu', each: { web: 0.2 } }));
    expect(state.workloads[0]).toMatchObject({
      bounds: { cpu: { min: 0.05, max: 1 }, memory: { max: 2 ** 28 } },
      disruption: { name: 'web', minAvailable: 2 },
    });
  });

  test('that stop replicas from being made are why they are not there', async () => {
    await kubectl(['-n', tight, 'scale', 'deployment', 'web', '--replicas=6']);
    const state = await seeing(
      target('web', { namespace: tight }),
      ({ troubles }) => troubles?.[0]?.reason === 'not-created',
    );
    expect(state.troubles?.[0]?.words).toContain('exceeded quota: compute');
    expect(state.troubles?.[0]?.pods).toBeGreaterThan(0);
  });
});

describe('pods that do not get ready', () => {
  test('that no node has room for are counted, in the scheduler’s words; a rollout says how far it is', async () => {
    await applyObjects(
      deployment({ namespace: ns, name: 'stuck', replicas: 2, nodeSelector: { disk: 'of-unobtainium' } }),
    );
    const state = await seeing(
      target('stuck'),
      ({ troubles }) => troubles?.[0]?.reason === 'unschedulable' && troubles[0].pods === 2,
    );
    expect(state.troubles?.[0]?.words).toMatch(/nodes are available/);
    expect(state.readyReplicas).toBe(0);
    await applyObjects(deployment({ namespace: ns, name: 'roll', replicas: 2 }));
    await seeing(target('roll'), ({ readyReplicas, rollout }) => readyReplicas === 2 && rollout === undefined);
    await applyObjects(
      deployment({ namespace: ns, name: 'roll', replicas: 2, nodeSelector: { disk: 'of-unobtainium' } }),
    );
    const rolling = await seeing(target('roll'), ({ rollout }) => rollout?.startsWith('1 of 2') === true);
    expect(rolling.rollout).toBe('1 of 2 replicas run the present template');
  });
});

describe('pools', () => {
  const pool = uniqueName('pool');
  const nodes = [0, 1, 2].map((index) => `${pool}-${index}`);
  beforeAll(async () => {
    await applyObjects(
      ...nodes.map((name) => ({
        apiVersion: 'v1',
        kind: 'Node',
        metadata: {
          name,
          labels: { 'headroom.dev/pool': pool, tier: pool, type: 'kwok', 'kubernetes.io/hostname': name },
          annotations: { 'kwok.x-k8s.io/node': 'fake' },
        },
        spec: { taints: [{ key: pool, effect: 'NoSchedule' }] },
        status: {
          allocatable: { cpu: '4', memory: '8Gi', pods: '10' },
          capacity: { cpu: '4', memory: '8Gi', pods: '10' },
        },
      })),
    );
    ends.push(() => kubectl(['delete', 'node', ...nodes, '--wait=false']));
  });
  const pools = async (names: string[], nodeSelectors: Record<string, Record<string, string>> = {}) =>
    (await look([target('web')], { pools: names, nodeSelectors })).pools;

  test('are told by label, or by the labels that the account names; with what is offered, asked for, closed, leaving', async () => {
    await eventually(async () => (await pools([pool]))[0]?.readyNodes === 3);
    expect((await pools(['fast'], { fast: { tier: pool } }))[0]).toMatchObject({
      nodes: 3,
      readyNodes: 3,
      allocatable: { cpu: 12, memory: 3 * 8 * 2 ** 30 },
    });
    const pinned = deployment({ namespace: ns, name: 'pinned', replicas: 2, nodeSelector: { tier: pool } });
    const tolerant = { ...pinned.spec.template.spec, tolerations: [{ key: pool, operator: 'Exists' }] };
    await applyObjects({
      ...pinned,
      spec: { ...pinned.spec, template: { ...pinned.spec.template, spec: tolerant } },
    });
    await eventually(async () => Math.abs(((await pools([pool]))[0]?.requested?.cpu ?? 0) - 0.2) < 1e-9);
    await kubectl(['cordon', nodes[0] ?? '']);
    await kubectl(['taint', 'node', nodes[1] ?? '', 'karpenter.sh/disrupted=:NoSchedule']);
    const [state] = await eventually(async () => {
      const found = await pools([pool]);
      return found[0]?.leaving === 1 && found[0].cordoned === 1 ? found : null;
    });
    expect(state).toMatchObject({ nodes: 2, readyNodes: 1, cordoned: 1, leaving: 1, allocatable: { cpu: 4 } });
  });
});

describe('rights', () => {
  const rule = (apiGroups: string[], resources: string[], verbs = ['list', 'watch', 'get']) => ({
    apiGroups,
    resources,
    verbs,
  });
  const needed = [rule(['apps'], ['deployments', 'statefulsets']), rule(['autoscaling'], ['horizontalpodautoscalers'])];
  const optional = [
    rule([''], ['pods', 'resourcequotas', 'limitranges']),
    rule(['policy'], ['poddisruptionbudgets']),
    rule(['keda.sh'], ['scaledobjects']),
  ];

  test('in the namespaces alone: watched one by one, and said so; nodes are not seen, and not taken for none', async () => {
    const as = await serviceAccount({ namespace: ns, rules: [...needed, ...optional], cluster: false });
    const said: string[] = [];
    const narrow = createKubernetesCluster({ kubeConfig: as, watches: { say: (line) => said.push(line) } });
    ends.push(() => narrow.close());
    await applyObjects(deployment({ namespace: ns, name: 'narrow', replicas: 1 }));
    const state = await look([target('narrow')], { pools: ['general'] }, narrow);
    expect(state).toMatchObject({ workloads: [{ exists: true }], pools: [], unseen: ['nodes'] });
    expect(
      said.filter((line) => line.startsWith('deployments.apps may not be listed over all namespaces')),
    ).toHaveLength(1);
    // And it is a watch, not one list: what changes is seen.
    await kubectl(['-n', ns, 'scale', 'deployment', 'narrow', '--replicas=2']);
    await eventually(async () => (await see(target('narrow'), narrow)).replicas === 2);
    const other = await namespace('foreign');
    await expect(look([target('web', { namespace: other })], {}, narrow)).rejects.toThrow(/grant list and watch on/);
    expect((await see(target('narrow'), narrow)).exists).toBe(true);
  });

  test('without pods and limits: the rest is seen, and what is not is named', async () => {
    const as = await serviceAccount({ namespace: ns, rules: [...needed, rule([''], ['nodes'])], cluster: true });
    const poor = createKubernetesCluster({ kubeConfig: as });
    ends.push(() => poor.close());
    const state = await look([target('web')], { pools: ['general'] }, poor);
    expect(state.workloads[0]).toMatchObject({ exists: true });
    expect(state.unseen?.sort()).toEqual(['disruptions', 'limitRanges', 'pods', 'quotas']);
    expect(state.pools[0]?.requested).toBeUndefined();
  });

  test('that are granted meanwhile are found by the next look', async () => {
    const as = await serviceAccount({ namespace: ns, rules: [], cluster: false });
    const late = createKubernetesCluster({ kubeConfig: as });
    ends.push(() => late.close());
    await expect(look([target('web')], {}, late)).rejects.toMatchObject({ kind: 'refused' });
    await serviceAccount({
      namespace: ns,
      rules: [...needed, ...optional],
      cluster: false,
      name: as.getCurrentUser()?.name ?? '',
    });
    const state = await eventually(() => look([target('web')], {}, late));
    expect(state.workloads[0]?.exists).toBe(true);
  });
});

describe('one’s own writes', () => {
  const replicas = (value: number, seen: number, owner: string | null): Mutation => ({
    key: uniqueName('change'),
    account: ns,
    target: { field: 'replicas', workload: 'own', value },
    expect: { value: seen, owner },
    reason: 'test',
  });

  test('are in the next look, every time, however fast; by another worker, where it is asked for', async () => {
    await applyObjects(deployment({ namespace: ns, name: 'own', replicas: 1 }));
    const of = { ...target('own'), takeOwnership: true };
    const first = await seeing(of, ({ exists }) => exists);
    const other = createKubernetesCluster({ kubeConfig: kubeConfigFile(real.cluster.kubeconfig) });
    ends.push(() => other.close());
    await look([of], {}, other);
    let seen = 1;
    let owner = first.owners.replicas;
    for (let value = 2; value <= 15; value++) {
      expect(await cluster.apply(replicas(value, seen, owner), of, never())).toMatchObject({ kind: 'applied' });
      expect((await see(of)).replicas).toBe(value);
      const [state] = (await look([of], { fresh: ['own'] }, other)).workloads;
      expect(state?.replicas).toBe(value);
      seen = value;
      owner = 'headroom';
    }
  });

  test('and an idle look asks the API server nothing', async () => {
    const proxy = await openApiProxy(real.cluster.kubeconfig);
    const quiet = createKubernetesCluster({ kubeConfig: proxy.kubeConfig });
    await look([target('web')], { pools: ['general'] }, quiet);
    const before = proxy.requests.length;
    for (let turn = 0; turn < 20; turn++) await look([target('web'), target('again')], { pools: ['general'] }, quiet);
    expect(proxy.requests.slice(before)).toEqual([]);
    await quiet.close();
    await proxy.close();
  });
});
