import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { targetOf } from '../../activities/policies.js';
import { createAllocator, mutationsFor } from '../../src/allocate/index.js';
import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import type { Cluster, WorkloadTarget } from '../../src/cluster/port.js';
import { readAccountFile } from '../../src/domain/account-file.js';
import type { FieldTarget, MutationResult, WorkloadState } from '../../src/domain/cluster.js';
import { openApiProxy, type ApiProxy } from '../../infra/servers/api-proxy.js';
import { applyObjects, eventually, kubectl, ownNamespace, real } from './real.js';

/* The CPU target of an HPA: raised with consent, given back whole, and never against somebody's edit. */

const never = () => new AbortController().signal;
let namespace: { name: string; remove(): Promise<void> };
let proxy: ApiProxy;
let cluster: Cluster;
let serial = 0;
const FIRST = 'change/acme/9001#0';
const SECOND = 'change/acme/9002#0';

beforeEach(async () => {
  namespace = await ownNamespace('target');
  proxy = await openApiProxy(real.cluster.kubeconfig);
  cluster = createKubernetesCluster({ kubeConfig: proxy.kubeConfig });
  await applyObjects({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: namespace.name },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'main', image: 'shop:1', resources: { requests: { cpu: '400m' } } }] },
      },
    },
  });
});
afterEach(async () => {
  await cluster.close();
  await proxy.close();
  await namespace.remove();
});

const web = (more: Partial<WorkloadTarget> = {}): WorkloadTarget => ({
  workload: 'web',
  kind: 'Deployment',
  namespace: namespace.name,
  name: 'web',
  mostTarget: 0.9,
  ...more,
});
const target = (value: number): FieldTarget => ({ field: 'target', workload: 'web', value });
const floor = (value: number): FieldTarget => ({ field: 'floor', workload: 'web', value });

const apply = (
  field: FieldTarget,
  seen: [value: number, owner: string | null],
  options: { key?: string; at?: WorkloadTarget } = {},
): Promise<MutationResult> =>
  cluster.apply(
    {
      key: options.key ?? `change/acme/${++serial}#0`,
      account: 'acme',
      target: field,
      expect: { value: seen[0], owner: seen[1] },
      reason: 'the plan covers what the forecast asks for',
    },
    options.at ?? web(),
    never(),
  );
const restore = (field: FieldTarget, owner: string | null, changeKeys: string[], at = web()): Promise<MutationResult> =>
  cluster.restore(
    { key: `change/acme/${++serial}#back`, changeKeys, account: 'acme', target: field, owner, reason: 'no help' },
    at,
    never(),
  );
async function see(): Promise<WorkloadState> {
  const state = await cluster.observe({ account: 'acme', workloads: [web()], pools: [] }, never());
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

const run = (...args: string[]): Promise<string> => kubectl(['-n', namespace.name, ...args]);
const MEMORY = {
  type: 'Resource',
  resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '500Mi' } },
};
const QUEUE = {
  type: 'External',
  external: {
    metric: { name: 'queue', selector: { matchLabels: { q: 'orders' } } },
    target: { type: 'AverageValue', averageValue: '30' },
  },
};
const cpu = (percent: number): unknown => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } },
});
const BEHAVIOR = { scaleDown: { stabilizationWindowSeconds: 120 } };
const hpa = (metrics: unknown[], min = 2): unknown => ({
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'web', namespace: namespace.name },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
    minReplicas: min,
    maxReplicas: 10,
    metrics,
    behavior: BEHAVIOR,
  },
});
const applyAs = (manager: string, object: unknown, ...more: string[]): Promise<string> =>
  kubectl(['apply', '--server-side', `--field-manager=${manager}`, ...more, '-f', '-'], {
    input: JSON.stringify(object),
  });
const replaceMetrics = (manager: string, metrics: unknown[]): Promise<string> =>
  run('patch', 'hpa', 'web', '--type=merge', `--field-manager=${manager}`, '-p', JSON.stringify({ spec: { metrics } }));

const specSchema = z.object({
  metadata: z.object({
    annotations: z.record(z.string(), z.string()).default({}),
    managedFields: z.array(
      z.object({
        manager: z.string(),
        operation: z.string(),
        subresource: z.string().optional(),
        fieldsV1: z.unknown(),
      }),
    ),
  }),
  spec: z.looseObject({ metrics: z.array(z.unknown()), minReplicas: z.number() }),
});
async function live() {
  const { metadata, spec } = specSchema.parse(
    JSON.parse(await run('get', 'hpa', 'web', '-o', 'json', '--show-managed-fields')),
  );
  const owners = metadata.managedFields
    .filter(({ subresource, fieldsV1 }) => subresource !== 'status' && JSON.stringify(fieldsV1).includes('"f:metrics"'))
    .map(({ manager, operation }) => `${manager}/${operation}`);
  return { metadata, spec, owners };
}

describe('raised', () => {
  test('with consent, and nothing else of the autoscaler is touched', async () => {
    await applyAs('argocd', hpa([MEMORY, cpu(60), QUEUE]));
    await sees({
      autoscaler: { kind: 'hpa', floor: 2, target: 0.6, userTarget: 0.6 },
      owners: { floor: 'argocd', target: 'argocd' },
    });
    expect(await apply(target(0.9), [0.6, 'argocd'])).toEqual({ kind: 'applied', value: 0.9 });
    const { spec, owners, metadata } = await live();
    expect(spec.metrics).toEqual([MEMORY, cpu(90), QUEUE]);
    expect(spec).toMatchObject({ minReplicas: 2, maxReplicas: 10, behavior: BEHAVIOR });
    expect(owners).toEqual(['headroom/Apply']);
    expect(metadata.annotations['headroom.dev/user-target']).toBe('60');
    expect(await see()).toMatchObject({
      autoscaler: { target: 0.9, userTarget: 0.6 },
      owners: { floor: 'argocd', target: 'headroom' },
    });
  });

  test.each<{ what: string; at: Partial<WorkloadTarget>; value: number; words: string }>([
    {
      what: 'without consent',
      at: {},
      value: 0.8,
      words: 'autoscaler.target.max in the account file',
    },
    {
      what: 'with consent to take fields in general alone',
      at: { takeOwnership: true },
      value: 0.8,
      words: 'autoscaler.target.max in the account file',
    },
    { what: 'beyond what was agreed to', at: { mostTarget: 0.8 }, value: 0.81, words: 'above 80 %' },
    { what: 'below what the user set', at: { mostTarget: 0.8 }, value: 0.5, words: 'below 60 %' },
  ])('not $what: refused in words', async ({ at, value, words }) => {
    await applyAs('argocd', hpa([cpu(60)]));
    const { mostTarget: _, ...plain } = web();
    const result = await apply(target(value), [0.6, 'argocd'], { at: { ...plain, ...at } });
    expect(result).toMatchObject({ kind: 'refused', detail: expect.stringContaining(words) });
    expect(await live()).toMatchObject({ spec: { metrics: [cpu(60)] }, owners: ['argocd/Apply'] });
  });

  test('its key is known again, and a floor that is written later keeps it', async () => {
    await applyAs('argocd', hpa([cpu(60), MEMORY]));
    await apply(target(0.9), [0.6, 'argocd'], { key: FIRST });
    expect(await apply(target(0.9), [0.6, 'argocd'], { key: FIRST })).toEqual({ kind: 'repeated', value: 0.9 });
    expect(await apply(floor(5), [2, 'argocd'], { at: web({ takeOwnership: true }) })).toMatchObject({
      kind: 'applied',
    });
    expect(await live()).toMatchObject({ spec: { metrics: [cpu(90), MEMORY], minReplicas: 5 } });
    // And the other way round: the floor stays when the target goes back to what its user set.
    expect(await apply(target(0.6), [0.9, 'headroom'])).toEqual({ kind: 'applied', value: 0.6 });
    expect(await live()).toMatchObject({ spec: { metrics: [cpu(60), MEMORY], minReplicas: 5 } });
    expect((await see()).autoscaler).toMatchObject({ target: 0.6, userTarget: 0.6, floor: 5, userFloor: 2 });
  });

  test.each<{ what: string; metrics: unknown[] }>([
    { what: 'of memory alone', metrics: [MEMORY] },
    {
      what: 'of an amount of CPU',
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'AverageValue', averageValue: '300m' } } },
      ],
    },
    {
      what: 'of one container',
      metrics: [
        {
          type: 'ContainerResource',
          containerResource: {
            name: 'cpu',
            container: 'main',
            target: { type: 'Utilization', averageUtilization: 60 },
          },
        },
      ],
    },
  ])('a metric $what is no CPU target', async ({ metrics }) => {
    await applyAs('argocd', hpa(metrics));
    const state = await see();
    expect(state.autoscaler).not.toHaveProperty('target');
    expect(state.owners).not.toHaveProperty('target');
    expect(await apply(target(0.9), [0.6, 'argocd'])).toMatchObject({ kind: 'not-found' });
  });

  test('the API’s own default, which nobody set, is the user’s', async () => {
    await applyAs('argocd', hpa([]));
    await sees({ autoscaler: { target: 0.8, userTarget: 0.8 } });
    const { owners } = await see();
    expect(await apply(target(0.9), [0.8, owners.target ?? null])).toEqual({ kind: 'applied', value: 0.9 });
    expect(await see()).toMatchObject({ autoscaler: { target: 0.9, userTarget: 0.8 } });
  });

  test('what was applied as autoscaling/v1 has an owner, too', async () => {
    await applyAs('flux', {
      apiVersion: 'autoscaling/v1',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'web', namespace: namespace.name },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        maxReplicas: 10,
        targetCPUUtilizationPercentage: 55,
      },
    });
    await sees({ autoscaler: { target: 0.55, userTarget: 0.55 }, owners: { target: 'flux' } });
    expect(await apply(target(0.9), [0.55, 'flux'], { key: FIRST })).toEqual({ kind: 'applied', value: 0.9 });
    expect(await see()).toMatchObject({
      autoscaler: { target: 0.9, userTarget: 0.55 },
      owners: { target: 'headroom' },
    });
    expect(await restore(target(0.55), 'flux', [FIRST])).toEqual({ kind: 'applied', value: 0.55 });
    expect(await see()).toMatchObject({ autoscaler: { target: 0.55 }, owners: { target: 'flux' } });
  });
});

describe('a person’s edit', () => {
  test('between plan and write stands, and is named', async () => {
    await applyAs('argocd', hpa([cpu(60)]));
    await replaceMetrics('kubectl-edit', [cpu(50)]);
    expect(await apply(target(0.9), [0.6, 'argocd'])).toEqual({ kind: 'moved', value: 0.5, owner: 'kubectl-edit' });
    expect((await live()).spec.metrics).toEqual([cpu(50)]);
  });

  test('in the very moment of the write wins', async () => {
    await applyAs('argocd', hpa([cpu(60)]));
    proxy.beforePatch = async () => {
      proxy.beforePatch = null;
      await replaceMetrics('kubectl-edit', [cpu(70)]);
    };
    expect(await apply(target(0.9), [0.6, 'argocd'])).toEqual({ kind: 'moved', value: 0.7, owner: 'kubectl-edit' });
  });

  test('after the write is not taken back over, and is the new bound', async () => {
    await applyAs('argocd', hpa([cpu(60)]));
    await apply(target(0.9), [0.6, 'argocd'], { key: FIRST });
    await replaceMetrics('kubectl-edit', [cpu(75)]);
    expect(await restore(target(0.6), 'argocd', [FIRST])).toEqual({
      kind: 'moved',
      value: 0.75,
      owner: 'kubectl-edit',
    });
    await sees({ autoscaler: { target: 0.75, userTarget: 0.75 } });
    expect(await apply(target(0.9), [0.75, 'kubectl-edit'])).toEqual({ kind: 'applied', value: 0.9 });
    expect(await see()).toMatchObject({ autoscaler: { target: 0.9, userTarget: 0.75 } });
  });

  test('of another metric counts as one of the list, which is one field', async () => {
    await applyAs('argocd', hpa([cpu(60), MEMORY]));
    await apply(target(0.9), [0.6, 'argocd'], { key: FIRST });
    await replaceMetrics('kubectl-edit', [cpu(90), QUEUE]);
    expect(await restore(target(0.6), 'argocd', [FIRST])).toEqual({ kind: 'moved', value: 0.9, owner: 'kubectl-edit' });
    expect((await live()).spec.metrics).toEqual([cpu(90), QUEUE]);
  });
});

describe('given back', () => {
  test('it is the tool’s again, with its old value: its next apply meets no conflict', async () => {
    await applyAs('argocd', hpa([MEMORY, cpu(60), QUEUE]));
    await apply(target(0.9), [0.6, 'argocd'], { key: FIRST });
    await expect(applyAs('argocd', hpa([cpu(65)]))).rejects.toThrow(/conflict with "headroom".*\.spec\.metrics/s);
    expect(await restore(target(0.6), 'argocd', [FIRST])).toEqual({ kind: 'applied', value: 0.6 });
    expect(await live()).toMatchObject({ spec: { metrics: [MEMORY, cpu(60), QUEUE] }, owners: ['argocd/Apply'] });
    await applyAs('argocd', hpa([cpu(65)]));
    await sees({ autoscaler: { target: 0.65, userTarget: 0.65 }, owners: { target: 'argocd' } });
    // A late repeat of the change is known to be over.
    expect(await apply(target(0.9), [0.6, 'argocd'], { key: FIRST })).toEqual({ kind: 'repeated', value: 0.65 });
  });

  test('one who updates gets it as an update, without consent and all', async () => {
    await kubectl(['create', '--field-manager=setup', '-f', '-'], { input: JSON.stringify(hpa([cpu(60), MEMORY])) });
    await apply(target(0.9), [0.6, 'setup'], { key: FIRST });
    const { mostTarget: _, ...plain } = web();
    expect(await restore(target(0.6), 'setup', [FIRST], plain)).toEqual({ kind: 'applied', value: 0.6 });
    expect(await live()).toMatchObject({ spec: { metrics: [cpu(60), MEMORY] }, owners: ['setup/Update'] });
  });

  test('a change that lowered it is put back to what was agreed to then', async () => {
    await applyAs('argocd', hpa([cpu(60)]));
    await apply(target(0.9), [0.6, 'argocd'], { key: FIRST });
    await apply(target(0.6), [0.9, 'headroom'], { key: SECOND });
    const { mostTarget: _, ...plain } = web();
    expect(await restore(target(0.9), 'headroom', [SECOND], plain)).toEqual({ kind: 'applied', value: 0.9 });
    expect(await see()).toMatchObject({ autoscaler: { target: 0.9, userTarget: 0.6 } });
  });
});

describe('from plan to plan', () => {
  test('the floor goes up and then the target; when the gate closes, the target comes back first', async () => {
    await applyAs('argocd', hpa([MEMORY, cpu(60)]));
    const policy = readAccountFile(
      `version: headroom/v1
account: acme
namespace: ${namespace.name}
workloads:
  - name: web
    components: { cpu: { request: 400m } }
    replicas: { min: 1, max: 10 }
    takeOwnership: true
    autoscaler: { target: { max: 0.85 } }
pools: [{ name: general, pricePerHour: 0.2, size: fixed, node: { cpu: 40 } }]
`,
      'acme.yaml',
    );
    const allocator = await createAllocator();
    const at = Date.now() / 1000;
    /** A plan for so many cores over what is seen now, carried out. */
    const round = async (cores: number, distrust: string | null): Promise<string[]> => {
      const state = await cluster.observe(
        { account: 'acme', workloads: [targetOf(policy, 'web')], pools: [] },
        never(),
      );
      const block = { lower: cores, median: cores, atLevel: cores, far: cores };
      const { plan } = allocator.allocate({
        account: 'acme',
        at,
        snapshotId: 's',
        forecastId: 'f',
        policy,
        blocks: [{ from: at, to: at + 3600 }],
        demand: [{ workload: 'web', component: 'cpu', level: 0.99, farLevel: 0.999, blocks: [block] }],
        state: { ...state, pools: [{ pool: 'general', nodes: 1, readyNodes: 1, owner: null }] },
        overrides: [],
        trust: [{ workload: 'web', distrust }],
      });
      const written: string[] = [];
      for (const mutation of mutationsFor(plan, `acme/${++serial}`, 'acme')) {
        const result = await cluster.apply(mutation, targetOf(policy, 'web'), never());
        const { value } = 'value' in result ? result : { value: Number.NaN };
        written.push(`${mutation.target.field} ${value} ${result.kind}`);
      }
      return written;
    };
    expect(await round(2, null)).toEqual(['floor 5 applied', 'target 0.85 applied']);
    expect(await round(2, null)).toEqual([]);
    expect((await live()).spec).toMatchObject({ minReplicas: 5, metrics: [MEMORY, cpu(85)] });
    expect(await round(3.2, 'the gate of cpu is closed')).toEqual(['target 0.6 applied', 'floor 8 applied']);
    expect((await live()).spec).toMatchObject({ minReplicas: 8, metrics: [MEMORY, cpu(60)] });
    expect(await round(3.2, 'the gate of cpu is closed')).toEqual([]);
  });
});
