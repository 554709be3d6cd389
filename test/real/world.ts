import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppsV1Api, KubeConfig } from '@kubernetes/client-node';
import { startControlPlane, type ControlPlane } from '../../infra/servers/index.js';
import { isoTime, parseTime, type EpochSeconds } from '../../src/domain/time.js';
import { ownBucket, type OwnBucket } from './influxdb-bucket.js';
import { onPool, poolNodes, real } from './real.js';
import { feedUsage, openStand, startAccount, writeUsage, type Stand, type WorkerProcess } from './stand.js';
import { AUDIT_POLICY, auditedWrites, type AuditedWrite } from './trouble.js';

/*
 * A world that a test may break: a control plane of its own that writes down every write, and the whole product beside
 * it. Accounts of two workloads, three replicas each, with a steady demand that they easily carry.
 */

export const WORLD_SPEED = 30;
export const WORLD_BEGIN = parseTime('2026-06-15T08:00:00Z');
const STEP = 300;
export const WORKLOADS = ['web', 'api'] as const;

export interface World {
  plane: ControlPlane;
  stand: Stand;
  bucket: OwnBucket;
  worker: WorkerProcess;
  now(): EpochSeconds;
  /** Replicas that the two Deployments ask for. */
  replicas(account: string): Promise<number[]>;
  writes(): Promise<AuditedWrite[]>;
  /** Another worker takes the place of the one before. */
  restartWorker(...flags: string[]): Promise<void>;
  close(): Promise<void>;
}

export interface WorldOptions {
  accounts: readonly string[];
  influx?: { url: string; token: string; org: string };
  /** More fields of the account files. */
  account?: Record<string, unknown>;
  /** More fields of each workload in them. */
  workload?: Record<string, unknown>;
  /** Folder of the control plane; default beside everything else. */
  planeFolder?: string;
  demand?: (at: EpochSeconds) => number;
  /** What an account has on the API server; default two Deployments, and three nodes of its own. */
  objects?: (account: string) => unknown[];
  /** What else the control plane has before there is any account. */
  prepare?: (plane: ControlPlane) => Promise<void>;
  /** Accounts that have usage, and nothing else yet. */
  known?: readonly string[];
  /** Folders of the store and of the Temporal server; default of the stand's own. */
  home?: string;
  temporalFolder?: string;
}

export const steady = (at: EpochSeconds): number => 0.5 + 0.02 * Math.sin(at / 700);

export async function openWorld(options: WorldOptions): Promise<World> {
  const { accounts, influx = real.influx, demand = steady, objects = accountObjects } = options;
  const folder = await mkdtemp(join(tmpdir(), 'headroom-world-'));
  const closing: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const end of [...closing].reverse()) await end();
  };
  try {
    const policy = join(folder, 'audit.yaml');
    const log = join(folder, 'audit.log');
    await writeFile(policy, AUDIT_POLICY);
    const plane = await startControlPlane({
      folder: options.planeFolder ?? join(folder, 'kubernetes'),
      nodes: 0,
      metricsServer: false,
      apiServerFlags: ['--audit-policy-file', policy, '--audit-log-path', log],
    });
    closing.push(() => plane.stop());
    const bucket = await ownBucket(influx);
    closing.push(() => bucket.remove());
    await options.prepare?.(plane);
    for (const account of accounts) {
      const items = objects(account);
      await plane.kubectl(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) });
    }
    const keys = [...accounts, ...(options.known ?? [])].flatMap((account) =>
      WORKLOADS.map((workload) => ({ account, workload, component: 'cpu' as const })),
    );
    for (const key of keys) {
      await writeUsage(bucket, key, { from: WORLD_BEGIN - 2 * 86_400, to: WORLD_BEGIN, step: STEP }, demand);
    }
    const stand = await openStand({
      kubeconfig: plane.kubeconfig,
      influx: bucket.access,
      ...(options.home === undefined ? {} : { home: options.home }),
      ...(options.temporalFolder === undefined ? {} : { temporalFolder: options.temporalFolder }),
    });
    closing.push(() => stand.close());
    const began = Date.now();
    const now = (): EpochSeconds => WORLD_BEGIN + ((Date.now() - began) / 1000) * WORLD_SPEED;
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromFile(plane.kubeconfig);
    // Not by kubectl: tests look often, and a process a look would be their largest cost.
    const apps = kubeConfig.makeApiClient(AppsV1Api);
    const world: World = {
      plane,
      stand,
      bucket,
      worker: await stand.startWorker('--speed', String(WORLD_SPEED), '--clock', isoTime(WORLD_BEGIN)),
      now,
      replicas: (account) =>
        Promise.all(
          WORKLOADS.map(async (name) => {
            const { spec } = await apps.readNamespacedDeployment({ namespace: account, name });
            return spec?.replicas ?? 1;
          }),
        ),
      writes: () => auditedWrites(log),
      async restartWorker(...flags) {
        world.worker = await stand.startWorker(...flags);
      },
      close,
    };
    closing.push(feedUsage(bucket, keys, { from: WORLD_BEGIN, step: STEP, now }, demand));
    for (const account of accounts) await startAccount(stand, account, accountFile(account, options));
    return world;
  } catch (error) {
    await close();
    throw error;
  }
}

const accountObjects = (account: string): unknown[] => [
  ...poolNodes(account, 3),
  ...deployments(account, onPool(account)),
];

/** The namespace of an account, and its workloads; `where`: what of their pods says which nodes they run on. */
export function deployments(account: string, where: object): unknown[] {
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: account } },
    ...WORKLOADS.map((name) => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace: account },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name } },
          spec: {
            ...where,
            containers: [{ name: 'main', image: name, resources: { requests: { cpu: '500m' } } }],
          },
        },
      },
    })),
  ];
}

export function accountFile(account: string, { account: more, workload }: WorldOptions): object {
  return {
    version: 'headroom/v1',
    account,
    mode: 'auto',
    ownership: 'own',
    history: '2d',
    horizons: ['1h'],
    coolDown: '1s',
    workloads: WORKLOADS.map((name) => ({
      name,
      components: { cpu: { request: '500m' } },
      replicas: { min: 3, max: 20 },
      takeOwnership: true,
      leadTime: '2m',
      verification: { for: '60s', every: '30s' },
      ...workload,
    })),
    pools: [{ name: account, size: 'fixed', pricePerHour: 0.2, node: { cpu: 8, memory: '32Gi' }, min: 0, max: 10 }],
    ...more,
  };
}
