import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isoTime, parseTime, type EpochSeconds } from '../../src/domain/time.js';
import { ownBucket, type OwnBucket } from '../real/influxdb-bucket.js';
import { field } from '../real/kubernetes-pools-world.js';
import { applyObjects, eventually, ownNamespace, real, uniqueName } from '../real/real.js';
import { feedUsage, openStand, startAccount, writeUsage, type Stand } from '../real/stand.js';
import { applyNodePool, claims, deploymentOn, removeNodePool, TOLERATION } from './karpenter-world.js';
import { recordObject, type Recording } from './record.js';

/*
 * The whole loop beside Karpenter: usage in InfluxDB, `headroom worker`, a NodePool whose limit Headroom writes and whose
 * nodes it warms, and Karpenter, which alone makes and takes nodes. A surge comes at noon; time runs 60 times as fast.
 */

const SPEED = 60;
const STEP = 300;
const DAY = 86_400;
const HOUR = 3600;
const BEGIN = parseTime('2026-06-15T11:00:00Z');
const NOON = parseTime('2026-06-15T12:00:00Z');

/** Cores: six times as much from noon to one. Replicas of 1.5 cores, used to nine tenths: two, and ten. */
const demand = (at: EpochSeconds): number => {
  const hour = (((at % DAY) + DAY) % DAY) / HOUR;
  return (hour >= 12 && hour < 13 ? 12 : 2) + 0.1 * Math.sin(at / 1300);
};

describe('a surge, and Karpenter’s nodes for it', () => {
  const pool = uniqueName('loop');
  let namespace: Awaited<ReturnType<typeof ownNamespace>>;
  let bucket: OwnBucket;
  let stand: Stand;
  let endFeed: () => Promise<void> = () => Promise.resolve();
  let web: Recording;
  let nodePool: Recording;
  let began = 0;
  const now = (): EpochSeconds => BEGIN + ((Date.now() - began) / 1000) * SPEED;
  const status = async (name: 'replicas' | 'readyReplicas') =>
    Number(await field(`{.status.${name}}`, 'deployment', 'web', '-n', namespace.name));

  beforeAll(async () => {
    namespace = await ownNamespace('loop');
    bucket = await ownBucket();
    await applyNodePool({ name: pool, limits: { cpu: '100' }, consolidateAfter: '2s' });
    const selector = { 'karpenter.sh/nodepool': pool };
    await applyObjects(deploymentOn(namespace.name, 'web', selector, { replicas: 2 }));
    await eventually(async () => (await status('readyReplicas')) === 2);
    const key = { account: namespace.name, workload: 'web', component: 'cpu' as const };
    await writeUsage(bucket, key, { from: BEGIN - 14 * DAY, to: BEGIN, step: STEP }, demand);
    [web, nodePool] = await Promise.all([
      recordObject(namespace.name, 'deployment/web', 'replicas'),
      recordObject(null, `nodepool/${pool}`, 'limits.cpu'),
    ]);
    stand = await openStand({ kubeconfig: real.cluster.kubeconfig, influx: bucket.access });
    began = Date.now();
    await stand.startWorker('--speed', String(SPEED), '--clock', isoTime(BEGIN));
    endFeed = feedUsage(bucket, [key], { from: BEGIN, step: STEP, now }, demand);
    await startAccount(stand, namespace.name, {
      version: 'headroom/v1',
      account: namespace.name,
      mode: 'auto',
      ownership: 'own',
      history: '14d',
      horizons: ['2h', '1d'],
      workloads: [
        {
          name: 'web',
          components: { cpu: { request: 1.5, utilization: 0.9 } },
          replicas: { min: 1, max: 20 },
          takeOwnership: true,
          leadTime: '10m',
          verification: { for: '5m', every: '2m' },
        },
      ],
      pools: [
        {
          name: pool,
          pricePerHour: 0.2,
          // Of 4 cores Karpenter's nodes offer 3.9: two replicas.
          node: { cpu: 3.9, memory: '15Gi' },
          leadTime: '15m',
          max: 12,
          provisioning: {
            placeholders: { share: 0.9, tolerations: [TOLERATION] },
            karpenter: { limit: 'cpu' },
            takeOwnership: true,
          },
        },
      ],
    });
  });
  afterAll(async () => {
    await Promise.all([web, nodePool].map((recording) => recording?.stop().catch(() => undefined)));
    await endFeed();
    await stand?.close();
    await bucket?.remove();
    await namespace?.remove();
    await removeNodePool(pool);
  });

  it('pods have their nodes before it comes; after it Karpenter has taken them away', async () => {
    const raised = await eventually(async () => (await status('readyReplicas')) >= 9 && now());
    expect(raised).toBeLessThan(NOON);
    expect((await claims(pool)).length).toBeGreaterThanOrEqual(5);
    const lowered = await eventually(
      async () => now() > NOON + HOUR && (await status('replicas')) <= 3 && (await claims(pool)).length <= 2 && now(),
      300,
    );
    expect(lowered).toBeLessThan(NOON + 3 * HOUR);
    const { changes } = await stand.history(namespace.name);
    expect(changes.length).toBeGreaterThanOrEqual(2);
    expect(changes.filter(({ result }) => result !== 'kept')).toEqual([]);
  });

  it('and in all this each has written its own: no value came back that the other had replaced', async () => {
    await Promise.all([web.stop(), nodePool.stop()]);
    const replicas = web.values().map(Number);
    const limits = nodePool.values();
    expect(web.managers()).toContain('headroom');
    // One peak: from the first time at the top it only falls.
    const top = replicas.indexOf(Math.max(...replicas));
    const falls = replicas.slice(top);
    expect(falls).toEqual([...falls].sort((a, b) => b - a));
    expect(web.writes()).toBe(replicas.length - 1);
    expect(nodePool.writes()).toBe(limits.length - 1);
    // Not one that was written over and written again.
    expect(new Set(limits).size).toBe(limits.length);
  });
});
