import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import type { Cluster, WorkloadTarget } from '../../src/cluster/port.js';
import type { FieldTarget, MutationResult, WorkloadState } from '../../src/domain/cluster.js';
import { openApiProxy, type ApiProxy } from '../../infra/servers/api-proxy.js';
import { hpa } from './kubernetes-world.js';
import { applyObjects, eventually, kubectl, ownNamespace, real } from './real.js';
import { scaledObjectCrd } from './scaled-object-crd.js';

/* What Headroom writes, and what it leaves alone, beside people and tools that write the same objects. */

const never = () => new AbortController().signal;
let namespace: { name: string; remove(): Promise<void> };
let proxy: ApiProxy;
let cluster: Cluster;
let serial = 0;

beforeAll(async () => {
  await applyObjects(scaledObjectCrd);
  await kubectl(['wait', '--for=condition=Established', 'crd/scaledobjects.keda.sh', '--timeout=300s']);
  // Its storage takes a moment longer.
  await eventually(() => kubectl(['get', 'scaledobjects', '--all-namespaces']).then(() => true));
});
beforeEach(async () => {
  namespace = await ownNamespace('write');
  proxy = await openApiProxy(real.cluster.kubeconfig);
  cluster = createKubernetesCluster({ kubeConfig: proxy.kubeConfig });
});
afterEach(async () => {
  await cluster.close();
  await proxy.close();
  await namespace.remove();
});
afterAll(async () => {
  if (!real.cluster.own) await kubectl(['delete', 'crd', 'scaledobjects.keda.sh', '--wait=false']);
});

const web = (more: Partial<WorkloadTarget> = {}): WorkloadTarget => ({
  workload: 'web',
  kind: 'Deployment',
  namespace: namespace.name,
  name: 'web',
  takeOwnership: true,
  ...more,
});
const replicas = (value: number): FieldTarget => ({ field: 'replicas', workload: 'web', value });
const floor = (value: number): FieldTarget => ({ field: 'floor', workload: 'web', value });
const cpu = (value: number): FieldTarget => ({ field: 'request', workload: 'web', component: 'cpu', value });

const apply = (
  target: FieldTarget,
  seen: [value: number, owner: string | null],
  options: { key?: string; at?: WorkloadTarget } = {},
): Promise<MutationResult> =>
  cluster.apply(
    {
      key: options.key ?? `change/acme/${++serial}#0`,
      account: 'acme',
      target,
      expect: { value: seen[0], owner: seen[1] },
      reason: 'forecast above capacity',
    },
    options.at ?? web(),
    never(),
  );
const restore = (
  target: FieldTarget,
  owner: string | null,
  changeKeys: string[],
  at = web(),
): Promise<MutationResult> =>
  cluster.restore(
    { key: `change/acme/${++serial}#back`, changeKeys, account: 'acme', target, owner, reason: 'it did not help' },
    at,
    never(),
  );
async function see(at = web()): Promise<WorkloadState> {
  const state = await cluster.observe({ account: 'acme', workloads: [at], pools: [] }, never());
  const [found] = state.workloads;
  if (found === undefined) throw new Error('web was not answered');
  return found;
}
/** What others wrote is seen when the watch has heard of it. */
const sees = (expected: object): Promise<true> =>
  eventually(async () => {
    expect(await see()).toMatchObject(expected);
    return true as const;
  });

/** `kubectl … -n NAMESPACE`. */
const run = (...args: string[]): Promise<string> => kubectl(['-n', namespace.name, ...args]);
const get = (what: string, path: string): Promise<string> => run('get', what, '-o', `jsonpath=${path}`);
const deployment = (spec: object = { replicas: 3 }, container: object = {}): unknown => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: namespace.name },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        containers: [
          { name: 'main', image: 'shop:1', resources: { requests: { cpu: '400m', memory: '768Mi' } }, ...container },
        ],
      },
    },
    ...spec,
  },
});
/** `kubectl apply --server-side --field-manager=…`. */
const applyAs = (manager: string, object: unknown, ...more: string[]): Promise<string> =>
  kubectl(['apply', '--server-side', `--field-manager=${manager}`, ...more, '-f', '-'], {
    input: JSON.stringify(object),
  });
const ready = async (): Promise<void> => {
  await run('rollout', 'status', 'deployment/web', '--timeout=300s');
};

const entrySchema = z.array(
  z.object({
    manager: z.string(),
    operation: z.string(),
    subresource: z.string().optional(),
    fieldsV1: z.unknown(),
  }),
);
/** `headroom/Apply` of each who owns something whose FieldsV1 say so. */
async function ownersOf(what: string, field: string): Promise<string[]> {
  const entries = entrySchema.parse(
    JSON.parse(await run('get', what, '-o', 'json', '--show-managed-fields')).metadata.managedFields,
  );
  return entries
    .filter(
      ({ subresource, fieldsV1 }) => subresource !== 'status' && JSON.stringify(fieldsV1).includes(`"f:${field}"`),
    )
    .map(({ manager, operation }) => `${manager}/${operation}`);
}

describe('one intent', () => {
  test('a later write of another field keeps what was written before, and leaves nothing out', async () => {
    await applyAs('argocd', deployment());
    expect(await apply(cpu(0.5), [0.4, 'argocd'])).toEqual({ kind: 'applied', value: 0.5 });
    expect(await apply(replicas(5), [3, 'argocd'])).toEqual({ kind: 'applied', value: 5 });
    expect(
      await apply({ ...cpu(2 ** 30), component: 'memory' } as FieldTarget, [768 * 2 ** 20, 'argocd']),
    ).toMatchObject({
      kind: 'applied',
    });
    expect(await get('deployment/web', '{.spec.replicas} {.spec.template.spec.containers[0].resources.requests}')).toBe(
      '5 {"cpu":"500m","memory":"1Gi"}',
    );
    expect(await get('deployment/web', '{.spec.template.spec.containers[0].image}')).toBe('shop:1');
    expect(await ownersOf('deployment/web', 'replicas')).toEqual(['headroom/Apply']);
    expect(await ownersOf('deployment/web', 'cpu')).toEqual(['headroom/Apply']);
    const marks = JSON.parse(await get('deployment/web', '{.metadata.annotations}')) as Record<string, string>;
    expect(Object.keys(marks).filter((name) => name.startsWith('headroom.dev/'))).toEqual([
      'headroom.dev/change-replicas',
      'headroom.dev/change-request.cpu',
      'headroom.dev/change-request.memory',
    ]);
  });

  test('without consent somebody else’s field is not taken, and the answer says whose it is', async () => {
    await applyAs('flux', deployment());
    const result = await apply(replicas(5), [3, 'flux'], { at: web({ takeOwnership: false }) });
    expect(result).toMatchObject({ kind: 'refused', detail: expect.stringContaining('it belongs to flux') });
    expect(await ownersOf('deployment/web', 'replicas')).toEqual(['flux/Apply']);
  });
});

describe('beside GitOps tools', () => {
  test('one that leaves replicas out of its manifest leaves Headroom’s alone', async () => {
    await applyAs('argocd', deployment());
    await apply(replicas(5), [3, 'argocd']);
    await applyAs('argocd', deployment({}));
    expect(await get('deployment/web', '{.spec.replicas}')).toBe('5');
    expect(await see()).toMatchObject({ replicas: 5, owners: { replicas: 'headroom' } });
  });

  test('one that states replicas is told that they are Headroom’s; where it forces them, Headroom says who did', async () => {
    await applyAs('argocd', deployment());
    await apply(replicas(5), [3, 'argocd']);
    await expect(applyAs('argocd', deployment())).rejects.toThrow(/conflict with "headroom".*\.spec\.replicas/s);
    await applyAs('argocd', deployment(), '--force-conflicts');
    expect(await apply(replicas(6), [5, 'headroom'])).toEqual({ kind: 'moved', value: 3, owner: 'argocd' });
  });

  test('what is given back is the tool’s again: its next apply meets no conflict', async () => {
    await applyAs('argocd', deployment());
    await apply(replicas(5), [3, 'argocd'], { key: '#1' });
    expect(await restore(replicas(3), 'argocd', ['#1'])).toEqual({ kind: 'applied', value: 3 });
    expect(await ownersOf('deployment/web', 'replicas')).toEqual(['argocd/Apply']);
    await applyAs('argocd', deployment({ replicas: 4 }));
    await sees({ replicas: 4, owners: { replicas: 'argocd' } });
    // A late repeat of the change is known to be over.
    expect(await apply(replicas(5), [3, 'argocd'], { key: '#1' })).toEqual({ kind: 'repeated', value: 4 });
  });
});

describe('beside people', () => {
  beforeEach(async () => {
    await kubectl(['create', '--field-manager=setup', '-f', '-'], { input: JSON.stringify(deployment()) });
  });

  test('who scales between plan and write is left alone, and named', async () => {
    await run('scale', 'deployment/web', '--replicas=7');
    expect(await apply(replicas(5), [3, 'setup'])).toEqual({ kind: 'moved', value: 7, owner: 'kubectl' });
    expect(await get('deployment/web', '{.spec.replicas}')).toBe('7');
  });

  test('who scales between write and way back is left alone, and named', async () => {
    await apply(replicas(5), [3, 'setup'], { key: '#1' });
    await run('scale', 'deployment/web', '--replicas=7');
    expect(await restore(replicas(3), 'setup', ['#1'])).toEqual({ kind: 'moved', value: 7, owner: 'kubectl' });
  });

  test('who is faster than the write itself wins', async () => {
    proxy.beforePatch = async () => {
      proxy.beforePatch = null;
      await run('scale', 'deployment/web', '--replicas=12');
    };
    expect(await apply(replicas(5), [3, 'setup'])).toEqual({ kind: 'moved', value: 12, owner: 'kubectl' });
  });

  test('a status that moves meanwhile is no reason to give up', async () => {
    let times = 3;
    proxy.beforePatch = async () => {
      if (times-- > 0) await run('annotate', 'deployment/web', `note=${times}`, '--overwrite');
    };
    expect(await apply(replicas(5), [3, 'setup'])).toEqual({ kind: 'applied', value: 5 });
  });

  test('an object that is deleted meanwhile is not made again', async () => {
    proxy.beforePatch = async () => {
      proxy.beforePatch = null;
      await run('delete', 'deployment/web', '--wait=true', '--cascade=background');
    };
    expect(await apply(replicas(5), [3, 'setup'])).toMatchObject({ kind: 'not-found' });
    await expect(run('get', 'deployment/web')).rejects.toThrow('NotFound');
  });

  test('one of the same name that came instead is not taken for it', async () => {
    proxy.beforePatch = async () => {
      proxy.beforePatch = null;
      await run('delete', 'deployment/web', '--wait=true', '--cascade=background');
      await kubectl(['create', '--field-manager=setup', '-f', '-'], {
        input: JSON.stringify(deployment({ replicas: 2 })),
      });
    };
    expect(await apply(replicas(5), [3, 'setup'])).toEqual({ kind: 'moved', value: 2, owner: 'setup' });
  });

  test('what admission rejects is refused in its words', async () => {
    const name = namespace.name;
    await applyObjects(
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name },
        spec: {
          matchConstraints: {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
            resourceRules: [
              { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['deployments'] },
            ],
          },
          validations: [{ expression: 'object.spec.replicas <= 7', message: 'finance says seven at most' }],
        },
      },
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name },
        spec: { policyName: name, validationActions: ['Deny'] },
      },
    );
    try {
      // The policy takes a moment to be known.
      await eventually(() =>
        run('patch', 'deployment/web', '-p', '{"spec":{"replicas":8}}', '--dry-run=server').then(
          () => false,
          () => true,
        ),
      );
      const result = await apply(replicas(9), [3, 'setup']);
      expect(result).toMatchObject({ kind: 'refused', detail: expect.stringContaining('finance says seven at most') });
      expect(await apply(replicas(6), [3, 'setup'])).toEqual({ kind: 'applied', value: 6 });
    } finally {
      await kubectl(['delete', 'validatingadmissionpolicybinding,validatingadmissionpolicy', name]);
    }
  });
});

describe('floors', () => {
  test('are never below what the user set, by then or since', async () => {
    await applyAs('argocd', deployment());
    await applyAs('argocd', hpa(namespace.name, 'web', 2, 10));
    expect(await apply(floor(6), [2, 'argocd'])).toEqual({ kind: 'applied', value: 6 });
    expect((await see()).autoscaler).toMatchObject({ floor: 6, userFloor: 2 });
    expect(await apply(floor(1), [6, 'headroom'])).toMatchObject({
      kind: 'refused',
      detail: expect.stringContaining('below 2, the floor that the user'),
    });
    expect(await apply(floor(2), [6, 'headroom'])).toEqual({ kind: 'applied', value: 2 });
    // The user raises it: that is the new bound.
    await applyAs('argocd', hpa(namespace.name, 'web', 4, 10), '--force-conflicts');
    await sees({ autoscaler: { floor: 4, userFloor: 4 } });
    expect(await apply(floor(8), [4, 'argocd'])).toEqual({ kind: 'applied', value: 8 });
    expect(await apply(floor(3), [8, 'headroom'])).toMatchObject({ kind: 'refused' });
    expect((await see()).autoscaler).toMatchObject({ floor: 8, userFloor: 4 });
  });

  const scaledObject = (spec: object = {}): unknown => ({
    apiVersion: 'keda.sh/v1alpha1',
    kind: 'ScaledObject',
    metadata: { name: 'web', namespace: namespace.name },
    spec: { scaleTargetRef: { name: 'web' }, minReplicaCount: 2, maxReplicaCount: 20, ...spec },
  });
  /** As KEDA makes it. */
  const kedaHpa = async (): Promise<unknown> => ({
    ...hpa(namespace.name, 'web', 2, 20),
    metadata: {
      name: 'keda-hpa-web',
      namespace: namespace.name,
      ownerReferences: [
        {
          apiVersion: 'keda.sh/v1alpha1',
          kind: 'ScaledObject',
          name: 'web',
          uid: await get('scaledobject/web', '{.metadata.uid}'),
          controller: true,
        },
      ],
    },
  });

  test('of KEDA are written on the ScaledObject, and given back; KEDA’s own HPA is not touched', async () => {
    await applyAs('argocd', deployment());
    await applyAs('argocd', scaledObject());
    await applyAs('keda-operator', await kedaHpa());
    const version = await get('hpa/keda-hpa-web', '{.metadata.generation}');
    expect(await apply(floor(7), [2, 'argocd'], { key: '#1' })).toEqual({ kind: 'applied', value: 7 });
    expect(await get('scaledobject/web', '{.spec.minReplicaCount} {.spec.maxReplicaCount}')).toBe('7 20');
    expect((await see()).autoscaler).toMatchObject({ kind: 'scaledobject', floor: 7, userFloor: 2 });
    expect(await apply(floor(21), [7, 'headroom'])).toMatchObject({ kind: 'refused' });
    expect(await apply(floor(1), [7, 'headroom'])).toMatchObject({ kind: 'refused' });
    expect(await apply(replicas(9), [3, 'argocd'])).toMatchObject({
      kind: 'refused',
      detail: expect.stringContaining('ScaledObject web scales it'),
    });
    expect(await restore(floor(2), 'argocd', ['#1'])).toEqual({ kind: 'applied', value: 2 });
    expect(await ownersOf('scaledobject/web', 'minReplicaCount')).toEqual(['argocd/Apply']);
    await applyAs('argocd', scaledObject({ minReplicaCount: 3 }));
    expect(await get('hpa/keda-hpa-web', '{.metadata.generation}')).toBe(version);
  });

  test('of a ScaledObject that is paused are refused', async () => {
    await applyAs('argocd', deployment());
    await applyAs('argocd', scaledObject());
    await run('annotate', 'scaledobject/web', 'autoscaling.keda.sh/paused=true');
    expect(await apply(floor(7), [2, 'argocd'])).toMatchObject({
      kind: 'refused',
      detail: expect.stringContaining('paused'),
    });
  });

  test('that nobody set are the default, and go back to it in so many words', async () => {
    await applyAs('argocd', deployment());
    await applyAs('argocd', scaledObject({ minReplicaCount: undefined }));
    expect(await apply(floor(4), [0, null], { key: '#1' })).toEqual({ kind: 'applied', value: 4 });
    expect(await restore(floor(0), null, ['#1'])).toEqual({ kind: 'applied', value: 0 });
    expect(await get('scaledobject/web', '{.spec.minReplicaCount}')).toBe('0');
  });
});

describe('sizes in place', () => {
  const at = (): WorkloadTarget => web({ resize: 'in-place' });
  const sizes = async (): Promise<string[]> => {
    const text = await get(
      'pods',
      '{range .items[?(@.status.phase=="Running")]}{.metadata.uid}={.spec.containers[0].resources.requests.cpu} {end}',
    );
    return text.trim().split(' ').sort();
  };
  const templateCpu = () => get('deployment/web', '{.spec.template.spec.containers[0].resources.requests.cpu}');

  /** What a kubelet says of its pods, which kwok's nodes do not: their resources, or that it has no room. */
  let playing: { stop(): Promise<void> } | null = null;
  function playKubelet(room: (cpu: string) => 'Infeasible' | 'Deferred' | null = () => null): void {
    let on = true;
    const podsSchema = z.object({
      items: z.array(
        z.object({
          metadata: z.object({ name: z.string() }),
          spec: z.object({
            containers: z.array(z.object({ resources: z.looseObject({ requests: z.record(z.string(), z.string()) }) })),
          }),
          status: z.object({
            phase: z.string(),
            conditions: z.array(z.looseObject({ type: z.string() })).default([]),
            containerStatuses: z.array(z.looseObject({ resources: z.unknown().optional() })).default([]),
          }),
        }),
      ),
    });
    const look = async (): Promise<void> => {
      const { items } = podsSchema.parse(JSON.parse(await run('get', 'pods', '-o', 'json')));
      for (const { metadata, spec, status } of items) {
        const [container] = spec.containers;
        const [reported] = status.containerStatuses;
        if (status.phase !== 'Running' || container === undefined || reported === undefined) continue;
        const lack = room(container.resources.requests['cpu'] ?? '');
        const conditions = status.conditions.filter(({ type }) => type !== 'PodResizePending');
        if (lack !== null) {
          conditions.push({ type: 'PodResizePending', status: 'True', reason: lack, message: 'the node has no room' });
        }
        const resources = lack === null ? container.resources : (reported.resources ?? { requests: { cpu: '1m' } });
        const said = { conditions, containerStatuses: [{ ...reported, resources }] };
        if (JSON.stringify(said) === JSON.stringify({ conditions: status.conditions, containerStatuses: [reported] })) {
          continue;
        }
        const body = JSON.stringify({ status: said });
        await run('patch', 'pod', metadata.name, '--subresource=status', '--type=merge', '-p', body);
      }
    };
    const loop = async (): Promise<void> => {
      while (on) {
        // A pod may go, or move, between the two.
        await look().catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    const running = loop();
    playing = {
      stop: () => {
        on = false;
        return running;
      },
    };
  }
  const spoken = (): Promise<unknown> =>
    eventually(async () => {
      const said = await get('pods', '{range .items[*]}{.status.containerStatuses[0].resources.requests.cpu} {end}');
      return said.trim().split(' ').length === 3;
    });

  beforeEach(async () => {
    await applyAs('argocd', deployment());
    await ready();
  });
  afterEach(async () => {
    await playing?.stop();
    playing = null;
  });

  test('are carried to the pods that run; the template and its owner stay; the way back is the same', async () => {
    playKubelet();
    await spoken();
    const before = await sizes();
    expect(await apply(cpu(0.6), [0.4, 'argocd'], { at: at(), key: '#1' })).toEqual({ kind: 'applied', value: 0.6 });
    expect(await sizes()).toEqual(before.map((pod) => pod.replace('400m', '600m')));
    expect(await templateCpu()).toBe('400m');
    expect(await see()).toMatchObject({ request: { cpu: 0.6 } });
    // GitOps sees no difference to its manifest.
    await applyAs('argocd', deployment());
    expect(await restore(cpu(0.4), 'argocd', ['#1'], at())).toEqual({ kind: 'applied', value: 0.4 });
    expect(await sizes()).toEqual(before);
    expect(await see()).toMatchObject({ request: { cpu: 0.4 }, owners: { request: 'argocd' } });
  });

  test('are overridden by whoever changes the template', async () => {
    playKubelet();
    await spoken();
    await apply(cpu(0.6), [0.4, 'argocd'], { at: at(), key: '#1' });
    await run('set', 'resources', 'deployment/web', '--requests=cpu=450m,memory=768Mi');
    expect(await restore(cpu(0.4), 'argocd', ['#1'], at())).toMatchObject({ kind: 'moved', value: 0.45 });
  });

  test('are carried on by whoever repeats the key after a crash, and to pods that came since by who observes', async () => {
    playKubelet();
    await spoken();
    await apply(cpu(0.6), [0.4, 'argocd'], { at: at(), key: '#1' });
    const pod = (await get('pods', '{.items[0].metadata.name}')).trim();
    const smaller = { spec: { containers: [{ name: 'main', resources: { requests: { cpu: '400m' } } }] } };
    await run('patch', 'pod', pod, '--subresource=resize', '--patch', JSON.stringify(smaller));
    expect(await apply(cpu(0.6), [0.4, 'argocd'], { at: at(), key: '#1' })).toEqual({ kind: 'repeated', value: 0.6 });
    expect((await sizes()).join()).not.toContain('400m');
    await run('delete', 'pod', pod, '--wait=true');
    await ready();
    await eventually(async () => {
      await see(at());
      const now = await sizes();
      return now.length === 3 && !now.join().includes('400m');
    });
    expect(await templateCpu()).toBe('400m');
  });

  test.each([
    { row: 'a kubelet that knows no resize', room: null },
    { row: 'a node that will never have the room', room: 'Infeasible' as const },
    { row: 'a node that has no room for long', room: 'Deferred' as const },
  ])('$row: the pods are rolled out with the size instead, and back', async ({ room }) => {
    if (room !== null) {
      playKubelet((wanted) => (wanted === '400m' ? null : room));
      await spoken();
    }
    expect(await apply(cpu(0.6), [0.4, 'argocd'], { at: at(), key: '#1' })).toEqual({ kind: 'applied', value: 0.6 });
    expect(await templateCpu()).toBe('600m');
    expect(await get('deployment/web', '{.metadata.annotations}')).not.toContain('in-place-request');
    await playing?.stop();
    await ready();
    expect(await restore(cpu(0.4), 'argocd', ['#1'], at())).toEqual({ kind: 'applied', value: 0.4 });
    expect(await templateCpu()).toBe('400m');
    expect(await see()).toMatchObject({ request: { cpu: 0.4 }, owners: { request: 'argocd' } });
  });
});

describe('limits of the namespace, read before the write', () => {
  beforeEach(async () => {
    await applyAs('setup', deployment());
    await ready();
  });

  test('a disruption budget', async () => {
    await run('create', 'poddisruptionbudget', 'web', '--selector=app=web', '--min-available=2');
    expect(await apply(replicas(1), [3, 'setup'])).toMatchObject({
      kind: 'refused',
      detail: expect.stringContaining('PodDisruptionBudget web wants 2 available'),
    });
    expect(await apply(replicas(2), [3, 'setup'])).toEqual({ kind: 'applied', value: 2 });
  });

  test('a quota', async () => {
    await run('create', 'quota', 'compute', '--hard=requests.cpu=2');
    await eventually(() => get('quota/compute', '{.status.used.requests\\.cpu}'));
    expect(await apply(replicas(6), [3, 'setup'])).toMatchObject({
      kind: 'refused',
      detail: expect.stringContaining('leaves room for 5 replicas of web'),
    });
    expect(await apply(cpu(0.7), [0.4, 'setup'])).toMatchObject({
      kind: 'refused',
      detail: expect.stringContaining('requests.cpu leaves 2'),
    });
    expect(await apply(replicas(5), [3, 'setup'])).toEqual({ kind: 'applied', value: 5 });
  });

  test('a limit range', async () => {
    await applyObjects({
      apiVersion: 'v1',
      kind: 'LimitRange',
      metadata: { name: 'sizes', namespace: namespace.name },
      spec: { limits: [{ type: 'Container', max: { cpu: '500m' } }] },
    });
    expect(await apply(cpu(0.6), [0.4, 'setup'])).toMatchObject({
      kind: 'refused',
      detail: expect.stringContaining('LimitRange sizes'),
    });
  });

  test('the way back minds none of them', async () => {
    await apply(replicas(5), [3, 'setup'], { key: '#1' });
    await run('create', 'poddisruptionbudget', 'web', '--selector=app=web', '--min-available=4');
    expect(await restore(replicas(3), 'setup', ['#1'])).toEqual({ kind: 'applied', value: 3 });
  });
});
