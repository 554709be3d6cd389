import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { z } from 'zod';
import { toolPath } from '../../infra/servers/index.js';
import { ROOT } from '../../infra/servers/locate.js';
import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import type { MoveRequest, MoveWrite } from '../../src/cluster/migrating.js';
import { headroom } from '../cli/headroom.js';
import { askAs, everyAttempt, type Asker, type Attempt } from './api-requests.js';
import { eventually, kubectl, ownNamespace, real, uniqueName } from './real.js';

const CHART = join(ROOT, 'infra', 'helm', 'headroom');

type Values = Record<string, unknown>;

/** @throws Error with what helm said. */
async function helm(args: readonly string[], values: Values = {}): Promise<string> {
  const running = promisify(execFile)(
    toolPath('helm'),
    [...args, '--values', '-', '--kubeconfig', real.cluster.kubeconfig],
    { maxBuffer: 64 << 20, env: { PATH: process.env['PATH'], HOME: '/nonexistent', HELM_CACHE_HOME: '/nonexistent' } },
  );
  // One that has ended before it was told anything (EPIPE) says why by its exit code.
  running.child.stdin?.on('error', () => undefined).end(stringify(values));
  return (await running).stdout;
}

const withoutValues = async (args: readonly string[]): Promise<string> =>
  (await promisify(execFile)(toolPath('helm'), [...args, '--kubeconfig', real.cluster.kubeconfig])).stdout;

/** Of a Deployment, what tells how its containers are started. */
const workerSchema = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({
        containers: z.array(
          z.object({
            name: z.string(),
            args: z.array(z.string()),
            env: z.array(z.object({ name: z.string(), value: z.string().optional() })),
          }),
        ),
      }),
    }),
  }),
});

let home: string;
let shop: string;
let rival: string;
const removals: (() => Promise<void>)[] = [];
const released: string[] = [];

beforeAll(async () => {
  const own = async (prefix: string, labels: readonly string[] = []): Promise<string> => {
    const { name, remove } = await ownNamespace(prefix);
    removals.push(remove);
    if (labels.length > 0) await kubectl(['label', 'namespace', name, ...labels]);
    return name;
  };
  // What does not hold to the strictest standard for pods is refused here.
  home = await own('headroom-home', ['pod-security.kubernetes.io/enforce=restricted']);
  shop = await own('helm-shop');
  rival = await own('helm-rival');
});
afterAll(async () => {
  for (const release of released) await withoutValues(['uninstall', release, '-n', home, '--ignore-not-found']);
  await Promise.all(removals.map((remove) => remove()));
});

const temporal = { address: 'temporal.example:7233' };
const clusters = (...list: Values[]): Values => ({ temporal, clusters: list });
const main = (parts: Values = {}): Values => ({ name: 'main', namespaces: [{ name: shop }], ...parts });

describe('what the chart renders', () => {
  const cases: [string, () => Values][] = [
    ['recommend, in a namespace', () => clusters(main())],
    ['auto, over all namespaces', () => clusters({ name: 'main', mode: 'auto', clusterWide: true })],
    [
      'another cluster by its kubeconfig',
      () => clusters(main(), { name: 'eu-1', kubeconfigSecret: 'eu-1', context: 'eu' }),
    ],
    ['all actuators', () => clusters(main({ mode: 'auto', actuators: allOf(true) }))],
    ['no actuator', () => clusters(main({ mode: 'auto', actuators: allOf(false) }))],
    ['the scaler in plain text', () => ({ ...clusters(main()), scaler: { enabled: true, plain: true, replicas: 2 } })],
    [
      'the scaler with client certificates',
      () => ({ ...clusters(main()), scaler: { enabled: true, tlsSecret: 'tls' } }),
    ],
    [
      'Temporal with TLS and a key',
      () => ({
        ...clusters(main()),
        temporal: {
          ...temporal,
          apiKeySecret: 'key',
          tls: { enabled: true, secret: 'tls', clientCertificate: true, authority: true, serverName: 'temporal' },
        },
      }),
    ],
    [
      'InfluxDB, closed egress, scraped',
      () => ({
        ...clusters(main()),
        telemetry: { source: 'influxdb', influxdb: { url: 'http://i:8086', org: 'o', bucket: 'b', tokenSecret: 'i' } },
        networkPolicy: { workerEgress: [{ ports: [{ protocol: 'TCP', port: 7233 }] }] },
        metrics: { from: [{ namespaceSelector: {} }] },
      }),
    ],
    [
      'Prometheus',
      () => ({ ...clusters(main()), telemetry: { source: 'prometheus', prometheus: { url: 'http://p:9090' } } }),
    ],
    [
      'a digest and a token of one’s own',
      () => ({
        ...clusters(main()),
        image: { digest: `sha256:${'a'.repeat(64)}`, pullSecrets: [{ name: 'pull' }] },
        store: { tokenSecret: 'mine', persistence: { storageClassName: 'fast' } },
      }),
    ],
    ['roles alone', () => ({ rbacOnly: true, ...clusters(main({ mode: 'auto' })) })],
  ];

  it.each(cases)('%s: lint, and the API server takes every object', async (_, valuesOf) => {
    const values = valuesOf();
    await helm(['lint', CHART, '--strict', '--namespace', home], values);
    const release = uniqueName('dry');
    const manifests = await helm(['template', release, CHART, '--namespace', home], values);
    const said = await kubectl(['apply', '--dry-run=server', '-f', '-'], { input: manifests });
    const objects = manifests.split('\n').filter((line) => line.startsWith('kind: ')).length;
    expect(said.trim().split('\n')).toHaveLength(objects);
  });

  it('the command lines of the workers are understood, and their environment is read', async () => {
    const values = {
      ...clusters(main(), { name: 'eu-1', kubeconfigSecret: 'eu-1', context: 'eu' }),
      telemetry: { source: 'prometheus', prometheus: { url: 'http://p:9090' } },
      workers: { compute: { threads: 2 } },
    };
    const manifests = await helm(['template', 'headroom', CHART, '--namespace', home], values);
    const workers = parseAllDocuments(manifests)
      .map((document) => workerSchema.safeParse(document.toJS()))
      .flatMap(({ data }) => data?.spec.template.spec.containers ?? [])
      .filter(({ name }) => name === 'worker');
    expect(workers).toHaveLength(4);
    for (const { args, env } of workers) {
      const named = Object.fromEntries(env.map(({ name, value }) => [name, value ?? 'from-a-secret-of-the-test']));
      const given = { ...named, HEADROOM_HOME: '/nonexistent', KUBECONFIG: real.cluster.kubeconfig };
      const ran = await headroom({ ...given, TEMPORAL_ADDRESS: '127.0.0.1:1', PATH: process.env['PATH'] }, ...args);
      // Every option is known; what is not there is Temporal.
      expect(ran.err).toContain('connecting to Temporal at 127.0.0.1:1');
      expect(ran.code).toBe(5);
    }
  });

  it('installs: pods under the restricted standard, a token that stays, and goes again', async () => {
    const release = uniqueName('headroom');
    released.push(release);
    const values = { ...clusters(main()), scaler: { enabled: true, plain: true } };
    const said = await helm(['install', release, CHART, '--namespace', home], values);
    expect(said).toContain(`${shop}: recommend: nothing can be written`);
    const parts = ['light', 'compute', 'cluster-main', 'scaler'];
    for (const part of parts) {
      // Under the restricted standard a pod that breaks it is never created.
      await eventually(async () => {
        const ready = ['get', 'deployment', `${release}-${part}`, '-o', 'jsonpath={.status.readyReplicas}'];
        return Number(await kubectl(['-n', home, ...ready])) > 0;
      });
    }
    const pods = await kubectl([
      '-n',
      home,
      'get',
      'pods',
      '-l',
      `app.kubernetes.io/instance=${release}`,
      '-o',
      'json',
    ]);
    const mounted = [...pods.matchAll(/kube-api-access/g)].length;
    // The cluster worker's pod alone has a token of the API server's: once as a volume, once as its mount.
    expect(mounted).toBe(2);
    const token = () => kubectl(['-n', home, 'get', 'secret', `${release}-store`, '-o', 'jsonpath={.data.token}']);
    const before = await token();
    await helm(['upgrade', release, CHART, '--namespace', home], values);
    expect(await token()).toBe(before);
    expect(Buffer.from(before, 'base64').length).toBeGreaterThanOrEqual(16);
    await withoutValues(['uninstall', release, '-n', home]);
  });

  it.each<[string, () => Values, RegExp]>([
    ['a misspelt value', () => ({ ...clusters(main()), sclaer: {} }), /sclaer/],
    ['a mode that is none', () => clusters(main({ mode: 'yolo' })), /mode.*must be one of.*'observe'/s],
    ['no cluster', () => ({ temporal }), /clusters.*minItems/s],
    ['an actuator that is none', () => clusters(main({ actuators: { pods: true } })), /actuators.*pods/s],
    ['no namespace', () => clusters({ name: 'main' }), /name the namespaces of its accounts/],
    ['all and some namespaces', () => clusters(main({ clusterWide: true })), /leave namespaces out, or clusterWide/],
    ['no Temporal', () => ({ clusters: [main()] }), /temporal\.address: give host:port/],
    ['a Temporal URL', () => ({ clusters: [main()], temporal: { address: 'http://t' } }), /temporal.*address/s],
    ['a scaler in plain text by accident', () => ({ ...clusters(main()), scaler: { enabled: true } }), /scaler\.plain/],
    ['InfluxDB without a bucket', () => ({ ...clusters(main()), telemetry: { source: 'influxdb' } }), /influxdb/],
    [
      'replicas in words',
      () => ({ ...clusters(main()), workers: { light: { replicas: 'two' } } }),
      /replicas.*integer/s,
    ],
  ])('%s is refused in clear words', async (_, valuesOf, words) => {
    await expect(helm(['template', 'bad', CHART, '--namespace', home], valuesOf())).rejects.toThrow(words);
  });
});

const ACTUATORS = [
  'hpaFloor',
  'replicas',
  'scaledObjects',
  'requests',
  'placeholders',
  'karpenter',
  'cronJobs',
  'jobs',
  'migrations',
  'migrationVolumes',
  'clusterMigrations',
] as const;
const allOf = (on: boolean): Values => Object.fromEntries(ACTUATORS.map((name) => [name, on]));
const onlyOne = (name: string): Values => ({ ...allOf(false), [name]: true });

describe('what each role may do, by trying everything', () => {
  let attempts: Attempt[];
  beforeAll(async () => {
    attempts = await everyAttempt();
    // Else the tests below would prove little.
    expect(attempts.length).toBeGreaterThan(250);
    for (const resource of [
      'secrets',
      'pods/exec',
      'nodes',
      'keda.sh/scaledobjects',
      'rbac.authorization.k8s.io/clusterrolebindings',
    ]) {
      expect(attempts.map((attempt) => attempt.resource)).toContain(resource);
    }
  });

  /** The roles of some values, in this cluster; and who has them. */
  async function roleOf(cluster: Values): Promise<Asker> {
    const release = uniqueName('role');
    released.push(release);
    await helm(['install', release, CHART, '--namespace', home], { rbacOnly: true, ...clusters(cluster) });
    return askAs(home, `${release}-headroom-cluster-main`);
  }

  it.each([
    ['observe', false],
    ['recommend', false],
    ['observe', true],
    ['recommend', true],
  ])('%s (cluster-wide: %s): every write of every kind is refused, everywhere', async (mode, clusterWide) => {
    const where = clusterWide ? { clusterWide } : { namespaces: [{ name: shop }] };
    const asker = await roleOf({ name: 'main', mode, actuators: allOf(true), ...where });
    for (const namespace of [shop, rival, home, 'kube-system']) {
      expect(await asker.allowed(attempts, namespace)).toEqual([]);
    }
    // It is no role of nobody: it reads what it has to.
    for (const path of ['apps/v1/namespaces/NS/deployments', 'autoscaling/v2/namespaces/NS/horizontalpodautoscalers']) {
      expect(await asker.status('GET', `/apis/${path.replace('NS', shop)}`)).toBe(200);
      expect(await asker.status('GET', `/apis/${path.replace('NS', rival)}`)).toBe(clusterWide ? 200 : 403);
    }
  });

  const WRITES: Record<(typeof ACTUATORS)[number], string[]> = {
    hpaFloor: ['patch autoscaling/horizontalpodautoscalers'],
    replicas: ['patch apps/deployments', 'patch apps/statefulsets'],
    scaledObjects: ['patch keda.sh/scaledobjects'],
    requests: ['patch apps/deployments', 'patch apps/statefulsets', 'patch pods/resize'],
    placeholders: ['create apps/deployments', 'patch apps/deployments'],
    karpenter: ['patch karpenter.sh/nodepools'],
    cronJobs: ['create batch/jobs', 'delete batch/jobs', 'patch batch/jobs'],
    jobs: ['create batch/jobs', 'delete batch/jobs', 'patch apps/deployments', 'patch apps/statefulsets'],
    migrations: [
      ...['apps/deployments', 'apps/statefulsets', 'batch/jobs', 'policy/poddisruptionbudgets', 'services'].flatMap(
        (resource) => [`create ${resource}`, `delete ${resource}`],
      ),
      ...['apps/deployments', 'apps/statefulsets', 'autoscaling/horizontalpodautoscalers', 'services'].map(
        (resource) => `patch ${resource}`,
      ),
      ...['gateway.networking.k8s.io/httproutes', 'keda.sh/scaledobjects', 'policy/poddisruptionbudgets'].map(
        (resource) => `patch ${resource}`,
      ),
    ].sort(),
    migrationVolumes: ['persistentvolumeclaims', 'snapshot.storage.k8s.io/volumesnapshots']
      .flatMap((resource) => [`create ${resource}`, `delete ${resource}`])
      .sort(),
    clusterMigrations: [
      ...['apps/deployments', 'apps/statefulsets', 'configmaps', 'policy/poddisruptionbudgets', 'services'].flatMap(
        (resource) => [`create ${resource}`, `delete ${resource}`],
      ),
      ...['create', 'delete'].map((verb) => `${verb} autoscaling/horizontalpodautoscalers`),
      ...['apps/deployments', 'apps/statefulsets', 'gateway.networking.k8s.io/httproutes'].map(
        (resource) => `patch ${resource}`,
      ),
    ].sort(),
  };

  it.each(ACTUATORS)(
    'auto with %s alone: exactly its writes in its namespace, none of them elsewhere',
    async (name) => {
      const asker = await roleOf(main({ mode: 'auto', actuators: onlyOne(name) }));
      expect(await asker.allowed(attempts, shop)).toEqual(WRITES[name]);
      const beyond = name === 'karpenter' ? WRITES.karpenter : [];
      expect(await asker.allowed(attempts, rival)).toEqual(beyond);
      expect(await asker.allowed(attempts, home)).toEqual(beyond);
    },
  );

  it('auto over all namespaces: the same writes everywhere, and nothing of the cluster’s own', async () => {
    const asker = await roleOf({ name: 'main', mode: 'auto', clusterWide: true });
    const expected = [...WRITES.hpaFloor, ...WRITES.replicas].sort();
    expect(await asker.allowed(attempts, shop)).toEqual(expected);
    expect(await asker.allowed(attempts, rival)).toEqual(expected);
  });

  it('one namespace in auto, one in recommend: a write in the one, none in the other', async () => {
    const asker = await roleOf(
      main({ mode: 'recommend', namespaces: [{ name: shop, mode: 'auto' }, { name: rival }] }),
    );
    expect(await asker.allowed(attempts, shop)).not.toEqual([]);
    expect(await asker.allowed(attempts, rival)).toEqual([]);
  });

  it('a migration goes through with `migrations` alone, and is refused what it may not where the role lacks it', async () => {
    const items = [
      deployment(shop, 'mover'),
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'mover', namespace: shop },
        spec: { selector: { app: 'mover' }, ports: [{ port: 80 }] },
      },
      {
        apiVersion: 'policy/v1',
        kind: 'PodDisruptionBudget',
        metadata: { name: 'mover', namespace: shop },
        spec: { maxUnavailable: 1, selector: { matchLabels: { app: 'mover' } } },
      },
      autoscaler(shop, 'mover'),
    ];
    await kubectl(['apply', '--server-side', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    });
    const request: MoveRequest = {
      ...{ id: 'shop/mover/1', account: 'shop', copy: 'mover-1', to: { pool: 'spot', namespace: null, cluster: null } },
      at: { workload: 'mover', kind: 'Deployment', namespace: shop, name: 'mover' },
      ...{ nodeSelector: {}, tolerations: [], copyVolumes: false, noTraffic: false, backend: null },
      ...{ steps: [100], old: 'remove', before: null },
    };
    const signal = AbortSignal.timeout(120_000);
    const without = createKubernetesCluster({
      kubeConfig: (await roleOf(main({ mode: 'auto' }))).kubeConfig,
      name: 'main',
    });
    await expect(without.migrating?.survey(request, signal)).rejects.toThrow(/services/);
    await without.close();
    const asker = await roleOf(main({ mode: 'auto', actuators: onlyOne('migrations') }));
    const { migrating, close } = createKubernetesCluster({ kubeConfig: asker.kubeConfig, name: 'main' });
    const survey = await migrating?.survey(request, signal);
    expect(survey).toMatchObject({ refusals: [], traffic: { kind: 'service' } });
    const of = { ...request, before: survey?.before ?? null };
    const writes: MoveWrite[] = [
      ...([
        { kind: 'claim' },
        { kind: 'images' },
        { kind: 'copy', replicas: 1 },
        { kind: 'route', weight: 100, from: 0 },
      ] as const),
      ...([{ kind: 'hand-over' }, { kind: 'lower', replicas: 0 }, { kind: 'retire' }] as const),
    ];
    for (const write of writes) {
      expect({ write, ...(await migrating?.write(of, write, signal)) }).toMatchObject({ write, kind: 'done' });
      await migrating?.look(of, signal);
    }
    expect(await kubectl(['-n', shop, 'get', 'pdb', 'mover', '-o', 'jsonpath={.spec.selector.matchLabels.app}'])).toBe(
      'mover-1',
    );
    expect(await kubectl(['-n', shop, 'get', 'hpa', 'mover', '-o', 'jsonpath={.spec.scaleTargetRef.name}'])).toBe(
      'mover-1',
    );
    await close();
  });

  it('the adapter works with the role, and is told what it may not', async () => {
    const asker = await roleOf(main({ mode: 'auto' }));
    const items = [deployment(shop), autoscaler(shop), deployment(rival), autoscaler(rival)];
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    await kubectl(['apply', '--server-side', '-f', '-'], { input });
    const cluster = createKubernetesCluster({ kubeConfig: asker.kubeConfig, name: 'main' });
    const signal = AbortSignal.timeout(60_000);
    const target = (namespace: string) => ({ workload: 'web', kind: 'Deployment', namespace, name: 'web' }) as const;
    const asked = { account: 'shop', workloads: [target(shop)], pools: ['general'] };
    const [seen] = (await cluster.observe(asked, signal)).workloads;
    expect(seen).toMatchObject({ exists: true, autoscaler: { floor: 1, ceiling: 9 } });
    const write = (namespace: string) =>
      cluster.apply(
        {
          key: 'change/shop/1#0',
          account: 'shop',
          target: { field: 'floor', workload: 'web', value: 3 },
          expect: { value: 1, owner: seen?.owners.floor ?? null },
          reason: 'a test',
        },
        target(namespace),
        signal,
      );
    expect(await write(shop)).toEqual({ kind: 'applied', value: 3 });
    expect(await kubectl(['-n', shop, 'get', 'hpa', 'web', '-o', 'jsonpath={.spec.minReplicas}'])).toBe('3');
    // Another's namespace: told, and nothing written.
    await expect(
      cluster.observe({ ...asked, workloads: [target(rival)] }, signal).then(() => write(rival)),
    ).rejects.toThrow(/forbidden|may not/i);
    expect(await kubectl(['-n', rival, 'get', 'hpa', 'web', '-o', 'jsonpath={.spec.minReplicas}'])).toBe('1');
    await cluster.close();
  });
});

const deployment = (namespace: string, name = 'web') => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace },
  spec: {
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'main', image: 'web', resources: { requests: { cpu: '100m' } } }] },
    },
  },
});

const autoscaler = (namespace: string, name = 'web') => ({
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name, namespace },
  // Its floor is the server's default: nobody's field.
  spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, maxReplicas: 9 },
});
