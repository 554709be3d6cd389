import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startControlPlane, type ControlPlane } from '../../infra/servers/index.js';
import { isoTime } from '../../src/domain/time.js';
import { httpRouteCrd } from './http-route-crd.js';
import { eventually, onPool, poolNodes } from './real.js';
import { snapshotCrds } from './snapshot-crds.js';
import { openStand, startAccount, type Stand, type WorkerProcess } from './stand.js';
import { WORLD_BEGIN } from './world.js';

/*
 * `headroom migrate` as a user runs it: the built command, a worker of its own, a Temporal server, an API server with its
 * controllers. What a user loses where this fails: requests, or a workload between two places.
 */

const ACCOUNT = 'shop';
/** Simulated seconds in a second: the account's clock runs so fast, the cluster's does not. */
const SPEED = 30;
const HOME = 'home';
const TARGET = 'spot';
const WORKLOADS = ['web', 'api', 'till'];
/** No machine is as slow as that. */
const PATIENT = ['--ready-within', '7d'];

/** A StatefulSet; its volumes are of a driver that can snapshot them. */
const LEDGER = 'ledger';
const DRIVER = 'saga.csi.example.com';
const CLASS = 'snapshots';

const AUDIT = JSON.stringify({
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'Request', verbs: ['create', 'patch', 'update', 'delete'], namespaces: [ACCOUNT] },
    { level: 'None' },
  ],
});

const outcomeSchema = z.object({
  result: z.string(),
  detail: z.string(),
  restored: z.boolean(),
  downtime: z.object({ seconds: z.number(), resolution: z.number() }),
  steps: z.array(z.object({ name: z.string(), state: z.string() })),
});
const objectSchema = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
    managedFields: z.array(z.looseObject({ manager: z.string(), operation: z.string(), fieldsV1: z.unknown() })),
  }),
  spec: z.looseObject({}),
});
const eventSchema = z.object({
  verb: z.string(),
  userAgent: z.string().optional(),
  objectRef: z.object({ resource: z.string(), name: z.string().optional(), subresource: z.string().optional() }),
  responseStatus: z.object({ code: z.number() }),
  requestObject: z.unknown(),
});
describe('the saga of a migration on a real cluster', () => {
  let folder: string;
  let plane: ControlPlane;
  let stand: Stand;
  let worker: WorkerProcess;

  const startWorker = async (): Promise<void> => {
    worker = await stand.startWorker('--speed', String(SPEED), '--clock', isoTime(WORLD_BEGIN));
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headroom-saga-'));
    await writeFile(join(folder, 'audit.yaml'), AUDIT);
    plane = await startControlPlane({
      folder: join(folder, 'kubernetes'),
      nodes: 0,
      metricsServer: false,
      apiServerFlags: [
        '--audit-policy-file',
        join(folder, 'audit.yaml'),
        '--audit-log-path',
        join(folder, 'audit.log'),
      ],
    });
    await applied(httpRouteCrd);
    await applied(...snapshotCrds);
    const crds = [httpRouteCrd, ...snapshotCrds].map(({ metadata }) => `crd/${metadata.name}`);
    await plane.kubectl(['wait', '--for=condition=Established', ...crds, '--timeout=300s']);
    await applied({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: ACCOUNT } });
    await applied(...poolNodes(HOME, 2), ...poolNodes(TARGET, 2), ...WORKLOADS.flatMap(objectsOf), ...ledgerObjects());
    await bound(LEDGER);
    for (const name of WORKLOADS) {
      await plane.kubectl(['-n', ACCOUNT, 'rollout', 'status', `deployment/${name}`, '--timeout=300s']);
    }
    stand = await openStand({
      kubeconfig: plane.kubeconfig,
      influx: { url: '', token: '', org: '', bucket: '' },
      source: 'store',
    });
    await startWorker();
    await startAccount(stand, ACCOUNT, FILE);
  });
  afterAll(async () => {
    await stand?.close();
    await plane?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const applied = (...items: unknown[]): Promise<string> =>
    plane.kubectl(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) });
  const got = async <T>(schema: z.ZodType<T>, ...what: string[]): Promise<T> =>
    schema.parse(
      JSON.parse(await plane.kubectl(['-n', ACCOUNT, 'get', ...what, '--show-managed-fields', '-o', 'json'])),
    );

  /** All that a person would see of a workload and of what stands around it: nothing may be left of what goes back. */
  const seen = async (name: string) => {
    const kinds =
      'deployments,statefulsets,services,httproutes,poddisruptionbudgets,jobs,persistentvolumeclaims,volumesnapshots';
    const { items } = await got(z.object({ items: z.array(objectSchema) }), kinds);
    return items
      .filter(({ metadata }) => metadata.name.includes(name))
      .map(({ kind, metadata, spec }) => {
        const { 'deployment.kubernetes.io/revision': _revision, ...annotations } = metadata.annotations ?? {};
        const owners = metadata.managedFields
          .filter(({ fieldsV1 }) => typeof fieldsV1 === 'object' && fieldsV1 !== null && 'f:spec' in fieldsV1)
          .map(({ manager, operation }) => `${manager} ${operation}`);
        return {
          object: `${kind} ${metadata.name}`,
          labels: metadata.labels,
          annotations,
          spec,
          owners: new Set(owners),
        };
      })
      .sort((a, b) => a.object.localeCompare(b.object));
  };
  /** Every write that the API server took, in order: what, and what was sent, but for what pins it. */
  const taken = async (): Promise<{ name: string; line: string; ours: boolean }[]> => {
    const lines = (await readFile(join(folder, 'audit.log'), 'utf8')).split('\n').filter((line) => line.endsWith('}'));
    return lines
      .map((line) => eventSchema.parse(JSON.parse(line)))
      .filter(({ responseStatus: { code } }) => code < 300)
      .map(({ verb, objectRef, requestObject, userAgent }) => {
        const { kind: _kind, apiVersion: _version, ...sent } = z.looseObject({}).catch({}).parse(requestObject);
        const body = JSON.stringify(sent, (key, value: unknown) =>
          key === 'resourceVersion' || key === 'uid' ? undefined : value,
        );
        const made = z.object({ metadata: z.object({ name: z.string() }) }).safeParse(requestObject).data?.metadata;
        const name = objectRef.name ?? made?.name ?? '';
        const line = `${verb} ${objectRef.resource} ${name} ${verb === 'delete' ? '' : body}`;
        return { name, line, ours: isHeadroom(userAgent) };
      });
  };
  /** Headroom’s own, of what is named after a workload. */
  const writes = async (workload: string): Promise<string[]> =>
    (await taken()).flatMap(({ name, line, ours }) => (ours && name.includes(workload) ? [line] : []));
  const written = (name: string, start: string): Promise<true> =>
    eventually(async () => (await writes(name)).some((line) => line.startsWith(start)));
  const twice = (all: readonly string[]): string[] => all.filter((line, index) => all.indexOf(line) !== index);

  /** What the driver's provisioner would do: a volume for each claim of these pods. */
  const bound = async (pods: string): Promise<void> => {
    const claims = z.object({ items: z.array(claimSchema) });
    const wanted = [0, 1].map((index) => `data-${pods}-${index}`);
    const made = new Set<string>();
    await eventually(async () => {
      const found = (await got(claims, 'pvc')).items.filter(({ metadata }) => wanted.includes(metadata.name));
      const pending = found.filter(({ metadata, status }) => status.phase === 'Pending' && !made.has(metadata.name));
      if (pending.length > 0) await applied(...pending.map(({ metadata: { name } }) => volumeFor(name)));
      for (const { metadata } of pending) made.add(metadata.name);
      return found.filter(({ status }) => status.phase === 'Bound').length === wanted.length;
    });
  };
  const pods = async (owner: string): Promise<number> => {
    const schema = z.object({ status: z.object({ readyReplicas: z.number().default(0) }) });
    return (await got(schema, 'statefulset', owner)).status.readyReplicas;
  };

  const migrate = (name: string, ...flags: string[]) =>
    stand.headroom('migrate', ACCOUNT, name, '--to', TARGET, ...PATIENT, ...flags, '--json');
  const outcomeOf = ({ out, err }: { out: string; err: string }) => {
    try {
      return outcomeSchema.parse(JSON.parse(out));
    } catch (error) {
      throw new Error(`no outcome: ${out}${err}${worker.said().slice(-3000)}`, { cause: error });
    }
  };

  /** What the documentation says of a workload that has moved. */
  const hasMoved = async (name: string, before: Awaited<ReturnType<typeof seen>>): Promise<void> => {
    const copy = `${name}-1`;
    const after = await eventually(async () => {
      const now = await seen(name);
      return !now.some(({ object }) => object === `Deployment ${name}`) && now;
    });
    const objects = (of: typeof after): string[] =>
      of.map(({ object }) => object).filter((one) => !one.startsWith('Job'));
    expect(objects(after)).toEqual(
      [`Deployment ${copy}`, `HTTPRoute ${name}`, `PodDisruptionBudget ${name}`, `Service ${name}`].sort(),
    );
    const of = (all: typeof after, object: string) => all.find((one) => one.object === object);
    expect(of(after, `HTTPRoute ${name}`)).toEqual(of(before, `HTTPRoute ${name}`));
    expect(of(after, `Service ${name}`)?.spec).toEqual({
      ...of(before, `Service ${name}`)?.spec,
      selector: { app: copy },
    });
    expect(of(after, `PodDisruptionBudget ${name}`)?.spec).toEqual({
      ...of(before, `PodDisruptionBudget ${name}`)?.spec,
      selector: { matchLabels: { app: copy } },
    });
    const pods = await got(
      z.object({ items: z.array(z.object({ spec: z.object({ nodeName: z.string() }) })) }),
      ...['pods', '-l', `app=${copy}`],
    );
    expect(pods.items).toHaveLength(3);
    expect(pods.items.every(({ spec }) => spec.nodeName.startsWith(TARGET))).toBe(true);
    const file = JSON.parse(await stand.done('policy', 'show', ACCOUNT, '--json'));
    expect(file.policy.workloads).toContainEqual(
      expect.objectContaining({ name, pools: [TARGET], target: expect.objectContaining({ name: copy }) }),
    );
    // Made ready before anything was led to it, led over in steps, each thing once.
    const all = await writes(name);
    expect(twice(all)).toEqual([]);
    const at = (start: string): number => all.findIndex((line) => line.startsWith(start));
    expect(at(`create deployments ${copy}`)).toBeGreaterThan(-1);
    expect(at(`create deployments ${copy}`)).toBeLessThan(at(`patch httproutes ${name}`));
    expect(at(`patch httproutes ${name}`)).toBeLessThan(at(`delete deployments ${name} `));
  };

  test('moves: pre-staged, led over in steps, verified, drained; then all is as the documentation says', async () => {
    const before = await seen('web');
    const ran = await migrate('web', '--steps', '10,50', '--step-for', '30s');
    expect({ code: ran.code, outcome: outcomeOf(ran) }).toMatchObject({
      code: 0,
      outcome: { result: 'moved', restored: true, downtime: { seconds: 0 } },
    });
    expect(new Set(outcomeOf(ran).steps.map(({ state }) => state))).toEqual(new Set(['done', 'left-out']));
    await hasMoved('web', before);
    const routes = (await writes('web')).filter((line) => line.startsWith('patch httproutes'));
    const led = routes.map((line) => /"name":"web-1"[^}]*"weight":(\d+)/.exec(line)?.[1]);
    expect(led.slice(0, 3)).toEqual(['10', '50', '100']);
    expect(await stand.done('migrations', ACCOUNT)).toContain('moved');
  });

  test('that is cancelled midway is as if it had never been, to the owner of each field', async () => {
    const before = await seen('api');
    const run = migrate('api', '--steps', '10', '--step-for', '7d');
    await written('api', 'patch httproutes api');
    const cancelled = await stand.headroom('migrate', 'cancel', ACCOUNT, 'api', '--reason', 'no', '--json');
    const back = { result: 'went-back', detail: 'cancelled by ada: no', restored: true, downtime: { seconds: 0 } };
    expect({ code: cancelled.code, outcome: outcomeOf(cancelled) }).toMatchObject({ code: 0, outcome: back });
    const ended = await run;
    expect({ code: ended.code, outcome: outcomeOf(ended) }).toMatchObject({ code: 1, outcome: back });
    await eventually(async () => (await seen('api')).length === before.length);
    expect(await seen('api')).toEqual(before);
    expect(twice(await writes('api'))).toEqual([]);
  });

  test('of a StatefulSet stops it while its volumes are restored from snapshots: nothing is written after them', async () => {
    await eventually(async () => (await pods(LEDGER)) === 2);
    const before = await seen(LEDGER);
    const refused = await migrate(LEDGER);
    expect({ code: refused.code, says: refused.out.includes('--stop-for-volumes') }).toEqual({ code: 4, says: true });
    const dry = await stand.done('migrate', ACCOUNT, LEDGER, '--to', TARGET, '--stop-for-volumes', '--dry-run');
    expect(dry).toContain('nobody serves from when its replicas are stopped');
    expect(dry).toContain(`data-${LEDGER}-0 → data-${LEDGER}-2-0 by snapshot`);
    expect(await seen(LEDGER)).toEqual(before);

    // The driver makes no volume: the copy waits for it until the migration is cancelled.
    const waiting = migrate(LEDGER, '--stop-for-volumes');
    await written(LEDGER, `create statefulsets ${LEDGER}-`);
    const cancelled = await stand.headroom('migrate', 'cancel', ACCOUNT, LEDGER, '--reason', 'no', '--json');
    expect(outcomeOf(cancelled)).toMatchObject({ result: 'went-back', restored: true });
    expect((await waiting).code).toBe(1);
    await eventually(async () => (await seen(LEDGER)).length === before.length);
    expect(await seen(LEDGER)).toEqual(before);
    expect(await pods(LEDGER)).toBe(2);

    const [first, begun] = [(await writes(LEDGER)).length, (await taken()).length];
    // A pod that takes its time to end, and may write until then.
    const lingering = (finalizers: string[]): Promise<string> => {
      const patch = JSON.stringify({ metadata: { finalizers } });
      return plane.kubectl(['-n', ACCOUNT, 'patch', 'pod', `${LEDGER}-1`, '--type=merge', '-p', patch]);
    };
    await lingering(['saga.example.com/writes']);
    const run = migrate(LEDGER, '--stop-for-volumes');
    const told = async () =>
      (await taken()).slice(begun).some(({ line }) => line.startsWith(`delete pods ${LEDGER}-1`));
    await eventually(told);
    await lingering([]);
    // The third: what was refused had a number, too.
    const copy = `${LEDGER}-3`;
    await bound(copy);
    const ended = await run;
    expect({ code: ended.code, outcome: outcomeOf(ended) }).toMatchObject({ code: 0, outcome: { result: 'moved' } });
    expect(outcomeOf(ended).downtime.seconds).toBeGreaterThan(0);
    await eventually(async () => !(await seen(LEDGER)).some(({ object }) => object === `StatefulSet ${LEDGER}`));
    const after = await seen(LEDGER);
    expect(after.map(({ object }) => object).filter((one) => !one.startsWith('Job'))).toEqual(
      [
        ...[0, 1].map((index) => `PersistentVolumeClaim data-${copy}-${index}`),
        ...[0, 1].map((index) => `PersistentVolumeClaim data-${LEDGER}-${index}`),
        ...[`Service ${LEDGER}`, `StatefulSet ${copy}`],
      ].sort((a, b) => a.localeCompare(b)),
    );
    expect(after.find(({ object }) => object.endsWith(`data-${copy}-1`))?.spec).toMatchObject({
      dataSource: { kind: 'VolumeSnapshot', name: `data-${copy}-1`, apiGroup: 'snapshot.storage.k8s.io' },
    });
    expect(after.find(({ object }) => object === `Service ${LEDGER}`)?.spec).toMatchObject({ selector: { app: copy } });
    // Each snapshot was taken when no pod was there any more that could write.
    const all = (await taken()).slice(begun).map(({ line }) => line);
    const at = (start: string): number => all.findIndex((line) => line.startsWith(start));
    const lowered = at(`patch statefulsets ${LEDGER} `);
    expect(lowered).toBeGreaterThan(-1);
    const lingered = all.findLastIndex((line) =>
      line.startsWith(`patch pods ${LEDGER}-1 {"metadata":{"finalizers":[]`),
    );
    const other = at(`delete pods ${LEDGER}-0 `);
    for (const gone of [other, lingered]) {
      expect(gone).toBeGreaterThan(lowered);
      expect(gone).toBeLessThan(at('create volumesnapshots'));
    }
    expect(twice((await writes(LEDGER)).slice(first))).toEqual([]);
  });

  test('whose worker is killed again and again goes on with the next, does nothing twice, and ends as it would have', async () => {
    const before = await seen('till');
    const run = migrate('till', '--steps', '50', '--step-for', '2m');
    // What a kill is to come right after; where it comes later than that, the end is the same.
    for (const write of ['create deployments till-1', 'patch httproutes till', 'patch services till']) {
      await written('till', write);
      await worker.kill();
      await startWorker();
    }
    const ended = await run;
    expect({ code: ended.code, outcome: outcomeOf(ended) }).toMatchObject({
      code: 0,
      outcome: { result: 'moved', restored: true, downtime: { seconds: 0 } },
    });
    await hasMoved('till', before);
  });
});

const claimSchema = z.object({
  metadata: z.object({ name: z.string() }),
  status: z.object({ phase: z.string().optional() }).prefault({}),
});
const volumeFor = (claim: string): object => ({
  ...{ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: `volume-of-${claim}` } },
  spec: {
    ...{ capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], storageClassName: CLASS },
    ...{ hostPath: { path: `/data/${claim}` }, claimRef: { namespace: ACCOUNT, name: claim } },
  },
});

const ledgerObjects = (): object[] => {
  const [, service] = objectsOf(LEDGER);
  return [
    { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name: CLASS }, provisioner: DRIVER },
    {
      ...{ apiVersion: 'snapshot.storage.k8s.io/v1', kind: 'VolumeSnapshotClass', metadata: { name: DRIVER } },
      ...{ driver: DRIVER, deletionPolicy: 'Delete' },
    },
    ...(service === undefined ? [] : [service]),
    {
      ...{ apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: LEDGER, namespace: ACCOUNT } },
      spec: {
        ...{ replicas: 2, serviceName: LEDGER, selector: { matchLabels: { app: LEDGER } }, template: podsOf(LEDGER) },
        volumeClaimTemplates: [
          {
            metadata: { name: 'data' },
            spec: {
              ...{ accessModes: ['ReadWriteOnce'], storageClassName: CLASS },
              resources: { requests: { storage: '1Gi' } },
            },
          },
        ],
      },
    },
  ];
};

const isHeadroom = (userAgent = ''): boolean => !/^(kubectl|kube-|kwok)/.test(userAgent);

const podsOf = (name: string): object => ({
  metadata: { labels: { app: name } },
  spec: {
    ...onPool(HOME),
    containers: [{ name: 'main', image: 'registry.example/app:1', resources: { requests: { cpu: '100m' } } }],
  },
});
const objectsOf = (name: string): object[] => {
  const metadata = { name, namespace: ACCOUNT };
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: name } },
        template: podsOf(name),
      },
    },
    {
      ...{ apiVersion: 'v1', kind: 'Service', metadata },
      spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
    },
    {
      ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata },
      spec: { rules: [{ backendRefs: [{ name, port: 80 }] }] },
    },
    {
      ...{ apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata },
      spec: { minAvailable: 2, selector: { matchLabels: { app: name } } },
    },
  ];
};

const pool = (name: string) => ({ name, pricePerHour: 0.2, node: { cpu: 8, memory: '32Gi' }, max: 10 });
const FILE = {
  version: 'headroom/v1',
  account: ACCOUNT,
  mode: 'approve',
  workloads: [...WORKLOADS, LEDGER].map((name) => ({
    name,
    ...(name === LEDGER ? { target: { kind: 'StatefulSet' } } : {}),
    components: { cpu: { request: '100m' } },
    replicas: { min: 2, max: 9 },
    verification: { for: '60s', every: '30s', checks: [] },
  })),
  pools: [
    pool('home'),
    { ...pool('spot'), provisioning: { placeholders: { tolerations: [{ key: 'pool', operator: 'Exists' }] } } },
  ],
};
