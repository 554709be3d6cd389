import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isoTime, parseTime, type EpochSeconds } from '../../src/domain/time.js';
import { ownBucket, type OwnBucket } from './influxdb-bucket.js';
import { applyObjects, eventually, kubectl, onPool, ownNamespace, poolNodes, real, removeNodes } from './real.js';
import { feedUsage, openStand, startAccount, writeUsage, type Stand } from './stand.js';

/*
 * A surge that comes every day at noon: the floor is up before it comes, an hour's forecast ahead, and down again after
 * it. InfluxDB, Temporal, API server, HPA controller, scheduler and nodes are real; time runs up to 120 times as fast.
 */

/** Simulated seconds in a second. */
const FASTEST = 120;
const SLOWEST = 30;
/** A cycle takes no longer than that many commands: else a slow machine is late for any surge. */
const COMMANDS = 3;
const STEP = 300;
const DAY = 86_400;
const HOUR = 3600;
/** A Monday. */
const BEGIN = parseTime('2026-06-15T10:50:00Z');
const NOON = parseTime('2026-06-15T12:00:00Z');

/** Cores. The noon hour takes six times what the rest of the day takes. */
const demand = (at: EpochSeconds): number => {
  const hour = (((at % DAY) + DAY) % DAY) / HOUR;
  const ripple = 0.05 * Math.sin(at / 1300);
  return (hour >= 12 && hour < 13 ? 4.2 : 0.7) + ripple;
};

describe('a surge an hour ahead', () => {
  let namespace: { name: string; remove(): Promise<void> };
  let bucket: OwnBucket;
  let stand: Stand;
  let endFeed: () => Promise<void>;
  let began = 0;
  let speed = FASTEST;
  const now = (): EpochSeconds => BEGIN + ((Date.now() - began) / 1000) * speed;

  beforeAll(async () => {
    namespace = await ownNamespace('surge');
    bucket = await ownBucket();
    await applyObjects(
      ...poolNodes(namespace.name, 8, '2'),
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'web', namespace: namespace.name },
        spec: {
          selector: { matchLabels: { app: 'web' } },
          template: {
            metadata: { labels: { app: 'web' } },
            spec: {
              ...onPool(namespace.name),
              containers: [{ name: 'web', image: 'web', resources: { requests: { cpu: '500m', memory: '256Mi' } } }],
            },
          },
        },
      },
      {
        apiVersion: 'autoscaling/v2',
        kind: 'HorizontalPodAutoscaler',
        metadata: { name: 'web', namespace: namespace.name },
        spec: {
          minReplicas: 2,
          maxReplicas: 20,
          scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
          metrics: [
            { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } },
          ],
        },
      },
    );
    const key = { account: namespace.name, workload: 'web', component: 'cpu' as const };
    const from = BEGIN - 14 * DAY;
    await writeUsage(bucket, key, { from, to: BEGIN, step: STEP }, demand);
    stand = await openStand({ kubeconfig: real.cluster.kubeconfig, influx: bucket.access });
    const asked = performance.now();
    await stand.done('help');
    const command = (performance.now() - asked) / 1000;
    speed = Math.round(Math.min(FASTEST, Math.max(SLOWEST, STEP / (COMMANDS * command))));
    began = Date.now();
    await stand.startWorker('--speed', String(speed), '--clock', isoTime(BEGIN));
    endFeed = feedUsage(bucket, [key], { from: BEGIN, step: STEP, now }, demand);
    await startAccount(stand, namespace.name, {
      version: 'headroom/v1',
      account: namespace.name,
      mode: 'auto',
      ownership: 'floor',
      history: '14d',
      horizons: ['2h', '1d'],
      workloads: [
        {
          name: 'web',
          components: { cpu: { request: '500m', utilization: 0.9 } },
          replicas: { min: 1, max: 20 },
          takeOwnership: true,
          leadTime: '10m',
          verification: { for: '5m', every: '2m' },
        },
      ],
      pools: [
        {
          name: namespace.name,
          pricePerHour: 0.2,
          node: { cpu: 2, memory: '32Gi' },
          min: 1,
          max: 8,
          // Nodes take longer than pods: they are kept warm ahead of them.
          leadTime: '30m',
          provisioning: {
            placeholders: {
              namespace: namespace.name,
              tolerations: [{ key: 'pool', value: namespace.name, effect: 'NoSchedule' }],
            },
          },
        },
      ],
    });
  });
  afterAll(async () => {
    await endFeed?.();
    await stand?.close();
    await bucket?.remove();
    await removeNodes(namespace?.name ?? '');
    await namespace?.remove();
  });

  const hpa = async (): Promise<{ floor: number; current: number }> => {
    const text = await kubectl(['-n', namespace.name, 'get', 'hpa', 'web', '-o', 'json']);
    const read: { spec: { minReplicas: number }; status?: { currentReplicas?: number } } = JSON.parse(text);
    return { floor: read.spec.minReplicas, current: read.status?.currentReplicas ?? 0 };
  };
  const ready = async (): Promise<number> =>
    Number(await kubectl(['-n', namespace.name, 'get', 'deployment', 'web', '-o', 'jsonpath={.status.readyReplicas}']));

  const placeholders = async (): Promise<number> =>
    Number(
      await kubectl([
        ...['-n', namespace.name, 'get', 'deployment', `headroom-warm-${namespace.name}`, '--ignore-not-found'],
        ...['-o', 'jsonpath={.spec.replicas}'],
      ]),
    );

  it('warms nodes and raises the floor before it comes, pods are ready when it does, and lowers both after', async () => {
    const warmed = await eventually(async () => (await placeholders()) > 0 && now());
    expect(warmed).toBeLessThan(NOON);
    // 4.2 cores at 500m a replica and 90 %: ten replicas; the forecast's upper quantile asks for no fewer than nine.
    const raised = await eventually(async () => (await hpa()).floor >= 9 && now());
    expect(raised).toBeLessThan(NOON);
    expect(warmed).toBeLessThan(raised);
    await eventually(async () => (await ready()) >= 9);
    const lowered = await eventually(async () => {
      const late = now() > NOON + HOUR;
      return late && (await hpa()).floor <= 3 && (await placeholders()) === 0 && now();
    }, 600);
    expect(lowered).toBeLessThan(NOON + 3 * HOUR);
    const changes = await eventually(async () => {
      const history = await stand.history(namespace.name);
      return history.changes.length >= 2 && history.changes;
    });
    expect(changes.filter(({ result }) => result !== 'kept')).toEqual([]);
    const why = await stand.done('why', namespace.name);
    expect(why).toContain('web');
  });
});
