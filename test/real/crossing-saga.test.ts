import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { startControlPlane, type ControlPlane } from '../../infra/servers/index.js';
import { isoTime } from '../../src/domain/time.js';
import { httpRouteCrd } from './http-route-crd.js';
import { deployment } from './kubernetes-world.js';
import { eventually } from './real.js';
import { serviceImportCrd } from './service-import-crd.js';
import { openStand, startAccount, type Stand } from './stand.js';
import { WORLD_BEGIN } from './world.js';

/*
 * `headroom migrate --to-cluster` as a user runs it: two API servers, a worker for each with its own credentials, one for the
 * workflows. What a user loses where this fails: an account whose workloads are in one cluster and whose worker is in another.
 */

const ACCOUNT = 'shop';
/** Simulated seconds in a second: the account's clock runs so fast, the clusters' do not. */
const SPEED = 30;
const CLUSTERS = ['east', 'west'] as const;

const outcomeSchema = z.object({
  ...{ result: z.string(), detail: z.string(), restored: z.boolean() },
  steps: z.array(z.object({ name: z.string(), state: z.string() })),
});

describe('the move of an account between two real clusters', () => {
  let folder: string;
  const planes: Partial<Record<(typeof CLUSTERS)[number], ControlPlane>> = {};
  let stand: Stand;

  const kubectl = (where: (typeof CLUSTERS)[number], args: string[], input?: unknown): Promise<string> => {
    const plane = planes[where];
    if (plane === undefined) throw new Error(`cluster ${where} does not run`);
    return plane.kubectl(args, input === undefined ? {} : { input: JSON.stringify(input) });
  };
  const applied = (where: (typeof CLUSTERS)[number], ...items: unknown[]): Promise<string> =>
    kubectl(where, ['apply', '-f', '-'], { apiVersion: 'v1', kind: 'List', items });
  const metadata = (name: string) => ({ name, namespace: ACCOUNT });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headroom-crossing-'));
    for (const where of CLUSTERS) {
      planes[where] = await startControlPlane({ folder: join(folder, where), nodes: 2, metricsServer: false });
      await applied(where, httpRouteCrd, serviceImportCrd);
      const crds = [httpRouteCrd, serviceImportCrd].map((crd) => `crd/${crd.metadata.name}`);
      await kubectl(where, ['wait', '--for=condition=Established', ...crds, '--timeout=300s']);
      await applied(where, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: ACCOUNT } });
    }
    await applied(
      'east',
      deployment({ namespace: ACCOUNT, name: 'web', replicas: 2 }),
      {
        ...{ apiVersion: 'v1', kind: 'Service', metadata: metadata('web') },
        spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
      },
      {
        ...{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: metadata('web') },
        spec: { rules: [{ backendRefs: [{ name: 'web', port: 80 }] }] },
      },
      {
        ...{ apiVersion: 'multicluster.x-k8s.io/v1alpha1', kind: 'ServiceImport', metadata: metadata('web-west') },
        spec: { type: 'ClusterSetIP' },
      },
    );
    await kubectl('east', ['-n', ACCOUNT, 'rollout', 'status', 'deployment/web', '--timeout=300s']);
    stand = await openStand({
      kubeconfig: planes.east?.kubeconfig ?? '',
      influx: { url: '', token: '', org: '', bucket: '' },
      source: 'store',
    });
    const clock = ['--speed', String(SPEED), '--clock', isoTime(WORLD_BEGIN)];
    await stand.startWorker('--roles', 'light,compute', ...clock);
    for (const where of CLUSTERS) {
      stand.env['KUBECONFIG'] = planes[where]?.kubeconfig ?? '';
      await stand.startWorker('--roles', 'cluster', '--cluster', where, ...clock);
    }
    await startAccount(stand, ACCOUNT, {
      version: 'headroom/v1',
      account: ACCOUNT,
      mode: 'approve',
      cluster: 'east',
      workloads: [
        {
          name: 'web',
          components: { cpu: { request: '100m' } },
          replicas: { min: 2, max: 9 },
          verification: { for: '60s', every: '30s', checks: [] },
        },
      ],
      pools: [{ name: 'general', pricePerHour: 1, node: { cpu: 4 } }],
    });
  });
  afterAll(async () => {
    await stand?.close();
    for (const plane of Object.values(planes)) await plane.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const replicasIn = async (where: (typeof CLUSTERS)[number]): Promise<string> =>
    kubectl(where, [
      '-n',
      ACCOUNT,
      'get',
      'deployment',
      'web',
      '--ignore-not-found',
      '-o',
      'jsonpath={.spec.replicas}',
    ]);

  test('a cluster without a worker is refused at once; to one with a worker it moves, and is looked at there', async () => {
    const refused = await stand.headroom('migrate', ACCOUNT, '--to-cluster', 'north', '--no-wait');
    expect(refused).toMatchObject({
      code: 4,
      err: expect.stringContaining('no worker serves cluster north') as string,
    });
    const ran = await stand.headroom(
      ...['migrate', ACCOUNT, 'web', '--to-cluster', 'west', '--backend', 'ServiceImport/web-west', '--json'],
      ...['--step-for', '30s', '--ready-within', '7d'],
    );
    expect({ err: ran.err, ...outcomeSchema.parse(JSON.parse(ran.out)) }).toMatchObject({ result: 'moved' });
    expect(await replicasIn('west')).toBe('2');
    expect(await replicasIn('east')).toBe('0');
    const route = await kubectl('east', ['-n', ACCOUNT, 'get', 'httproute', 'web', '-o', 'jsonpath={.spec.rules}']);
    expect(route).toContain('ServiceImport');
    expect(route).not.toContain('"Service"');
    // The worker of the west looks at it by now: it sees what the other cannot.
    const { cycle } = await stand.status(ACCOUNT);
    await eventually(async () => (await stand.status(ACCOUNT)).cycle > cycle);
    expect(await stand.done('policy', 'show', ACCOUNT)).toContain('cluster: west');
  });
});
