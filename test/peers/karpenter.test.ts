import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PoolTarget } from '../../src/cluster/port.js';
import { PAUSE_IMAGE } from '../../src/domain/preparation.js';
import { actor, field, lines, type Actor } from '../real/kubernetes-pools-world.js';
import { applyObjects, eventually, kubectl, ownNamespace, uniqueName } from '../real/real.js';
import {
  applyNodePool,
  claims,
  GROUP,
  deploymentOn,
  measureNodes,
  removeNodePool,
  TOLERATION,
} from './karpenter-world.js';
import { recordObject } from './record.js';

/*
 * Karpenter beside Headroom: what Headroom raises makes pods pending, Karpenter gives them nodes and takes these away
 * again, and neither writes what the other has written.
 */

describe('a raised floor, and Karpenter’s nodes for it', () => {
  const pool = uniqueName('floor');
  const selector = { 'karpenter.sh/nodepool': pool };
  let namespace: Awaited<ReturnType<typeof ownNamespace>>;
  let acme: Actor;
  const floor = (value: number) => ({ field: 'floor' as const, workload: 'web', value });
  const ready = async () => Number(await field('{.status.readyReplicas}', 'deployment', 'web', '-n', namespace.name));

  beforeAll(async () => {
    namespace = await ownNamespace('floor');
    await applyNodePool({ name: pool });
    await applyObjects(deploymentOn(namespace.name, 'web', selector), {
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
    });
    acme = actor(namespace.name, {
      workloads: [{ workload: 'web', kind: 'Deployment', namespace: namespace.name, name: 'web', takeOwnership: true }],
    });
    await eventually(async () => (await ready()) === 2);
  });
  afterAll(async () => {
    await acme?.close();
    await namespace?.remove();
    await removeNodePool(pool);
  });

  it('raised: Karpenter adds nodes until all pods are ready; lowered: it takes them away', async () => {
    const recordings = await Promise.all([
      recordObject(namespace.name, 'hpa/web', 'minReplicas'),
      recordObject(namespace.name, 'deployment/web', 'replicas'),
      recordObject(null, `nodepool/${pool}`, 'limits'),
    ]);
    const [hpa, deployment, nodePool] = recordings;
    const before = await claims(pool);
    // Two replicas of 1.5 cores fit a node of 4.
    expect(before.length).toBe(1);
    expect(await acme.apply(floor(8), 'change/acme/1#0')).toEqual({ kind: 'applied', value: 8 });
    await eventually(async () => (await ready()) === 8);
    await measureNodes(pool);
    expect((await claims(pool)).length).toBe(4);
    expect(await claims(pool)).toEqual(expect.arrayContaining(before));
    // The nodes that were there stay: Karpenter adds.
    const back = await acme.restore(floor(2), ['change/acme/1#0'], 'change/acme/1#back-0', 'kubectl-client-side-apply');
    expect(back).toEqual({ kind: 'applied', value: 2 });
    await eventually(async () => (await ready()) === 2);
    await eventually(async () => (await claims(pool)).length === 1);
    await delay(5_000);
    await Promise.all(recordings.map((recording) => recording.stop()));
    expect(hpa.values()).toEqual([2, 8, 2]);
    // The HPA lowers in steps as its measurements have it; nobody raises in between.
    const [first, top, ...falls] = deployment.values().map(Number);
    expect([first, top, falls.at(-1)]).toEqual([2, 8, 2]);
    expect(falls).toEqual([...falls].sort((a, b) => b - a));
    expect([hpa.writes(), deployment.writes(), nodePool.writes()]).toEqual([2, 1 + falls.length, 0]);
    expect(deployment.managers()).not.toContain('headroom');
    expect(nodePool.managers()).not.toContain('headroom');
    expect(await ready()).toBe(2);
  });
});

describe('warm capacity by placeholders', () => {
  const pool = uniqueName('warm');
  const selector = { 'karpenter.sh/nodepool': pool };
  let namespace: Awaited<ReturnType<typeof ownNamespace>>;
  let acme: Actor;
  const warm = (value: number) => ({ field: 'warm' as const, pool, value });
  const state = async () => (await acme.observe()).pools[0];
  const nodes = async () => (await lines('{.metadata.name}', 'nodes', '-l', `karpenter.sh/nodepool=${pool}`)).sort();
  const place = (): PoolTarget => ({
    kind: 'Pool',
    pool,
    nodeSelector: selector,
    placeholders: {
      namespace: namespace.name,
      // Of 4 cores Karpenter's nodes offer 3.9.
      share: 1,
      node: { cpu: 3.5, memory: 8 * 2 ** 30 },
      image: PAUSE_IMAGE,
      priorityClass: 'headroom-warm',
      priority: -10,
      tolerations: [TOLERATION],
    },
  });

  beforeAll(async () => {
    namespace = await ownNamespace('warm');
    // Long enough for a look at what is there.
    await applyNodePool({ name: pool, consolidateAfter: '5s' });
    acme = actor(namespace.name, { pools: [place()] });
  });
  afterAll(async () => {
    await acme?.close();
    await namespace?.remove();
    await removeNodePool(pool);
  });

  it('placeholders make nodes exist ahead, and Karpenter keeps them while they stand there', async () => {
    expect(await acme.apply(warm(2), 'change/acme/1#0')).toEqual({ kind: 'applied', value: 2 });
    await eventually(async () => (await state())?.warm?.ready === 2);
    const ahead = await nodes();
    expect(ahead.length).toBe(2);
    await delay(12_000);
    expect(await nodes()).toEqual(ahead);
  });

  it('pods that serve take their place at once, on nodes that are there; Karpenter makes room again', async () => {
    const ahead = await nodes();
    await applyObjects(deploymentOn(namespace.name, 'web', selector, { replicas: 2, cpu: '3' }));
    await eventually(
      async () => (await field('{.status.readyReplicas}', 'deployment', 'web', '-n', namespace.name)) === '2',
    );
    const placed = await lines('{.spec.nodeName}', 'pods', '-n', namespace.name, '-l', 'app=web');
    expect(placed.sort()).toEqual(ahead);
    // The placeholders that gave way wait, and so Karpenter adds as many nodes as were taken.
    await eventually(async () => (await state())?.warm?.ready === 2);
    expect((await nodes()).length).toBe(4);
  });

  it('lowered: Karpenter takes away as many nodes as nobody needs, and all that serves still does', async () => {
    expect(await acme.apply(warm(0), 'change/acme/2#0')).toEqual({ kind: 'applied', value: 0 });
    await eventually(async () => (await nodes()).length === 2);
    // Which ones is its choice: it may move a pod from a full node to one that has just become free.
    await eventually(
      async () => (await field('{.status.readyReplicas}', 'deployment', 'web', '-n', namespace.name)) === '2',
    );
    expect((await nodes()).length).toBe(2);
  });
});

describe('what Headroom writes to NodePools', () => {
  const group = uniqueName('group');
  const pools = [`${group}-one`, `${group}-two`] as const;
  let namespace: Awaited<ReturnType<typeof ownNamespace>>;
  let acme: Actor;
  const limit = (value: number) => ({ field: 'limit' as const, pool: pools[0], resource: 'cpu' as const, value });
  const weight = (pool: string, value: number) => ({ field: 'weight' as const, pool, value });
  const seen = async (pool: string) => (await acme.observe()).pools.find((one) => one.pool === pool)?.nodePool ?? null;
  const ready = async (name: string) =>
    Number(await field('{.status.readyReplicas}', 'deployment', name, '-n', namespace.name));
  const scale = (name: string, replicas: number) =>
    kubectl(['scale', 'deployment', name, '-n', namespace.name, `--replicas=${replicas}`]);

  beforeAll(async () => {
    namespace = await ownNamespace('pools');
    for (const name of pools) await applyNodePool({ name, group, limits: { cpu: '8' }, consolidateAfter: '15s' });
    acme = actor(namespace.name, {
      pools: pools.map((pool) => ({
        kind: 'Pool',
        pool,
        nodeSelector: { 'karpenter.sh/nodepool': pool },
        karpenter: { nodePool: pool, limit: 'cpu', weight: true },
      })),
    });
  });
  afterAll(async () => {
    await acme?.close();
    await namespace?.remove();
    for (const name of pools) await removeNodePool(name);
  });

  it('a limit holds Karpenter back, a raised one lets it, and one below what runs takes no node away', async () => {
    const [pool] = pools;
    const recording = await recordObject(null, `nodepool/${pool}`, 'limits.cpu');
    await applyObjects(deploymentOn(namespace.name, 'bound', { 'karpenter.sh/nodepool': pool }, { replicas: 8 }));
    // Two nodes of 4 cores, two replicas of 1.5 on each.
    await eventually(async () => (await ready('bound')) === 4);
    await delay(6_000);
    expect(await ready('bound')).toBe(4);
    expect((await claims(pool)).length).toBe(2);
    // Karpenter's kwok nodes count what was asked for, 3 cores, where those of a cloud count all that they have.
    expect(await seen(pool)).toMatchObject({ limit: { value: 8, owner: 'argocd', perNode: 3 } });

    expect(await acme.apply(limit(16), 'change/acme/1#0')).toEqual({ kind: 'applied', value: 16 });
    await eventually(async () => (await ready('bound')) === 8);
    expect((await claims(pool)).length).toBe(4);

    const back = await acme.restore(limit(8), ['change/acme/1#0'], 'change/acme/1#back-0', 'argocd');
    expect(back).toEqual({ kind: 'applied', value: 8 });
    await delay(6_000);
    expect(await ready('bound')).toBe(8);
    expect((await claims(pool)).length).toBe(4);
    expect(await seen(pool)).toMatchObject({ limit: { value: 8, owner: 'argocd' } });
    await recording.stop();
    expect(recording.values()).toEqual(['8', '16', '8']);
    expect(recording.writes()).toBe(2);
    await kubectl(['delete', 'deployment', 'bound', '-n', namespace.name]);
    await eventually(async () => (await claims(pool)).length === 0);
  });

  it.each([
    [pools[1], pools[0]],
    [pools[0], pools[1]],
  ])('a weight says which pool comes first: %s, not %s', async (first, other) => {
    const recording = await recordObject(null, `nodepool/${first}`, 'weight');
    const key = `change/acme/${first}#0`;
    expect(await acme.apply(weight(first, 90), key)).toEqual({ kind: 'applied', value: 90 });
    // Karpenter has to have heard of it.
    await delay(5_000);
    await applyObjects(deploymentOn(namespace.name, first, { [GROUP]: group }, { replicas: 2 }));
    await eventually(async () => (await ready(first)) === 2);
    expect([(await claims(first)).length, (await claims(other)).length]).toEqual([1, 0]);
    expect(await acme.restore(weight(first, 0), [key], `change/acme/${first}#back-0`)).toEqual({
      kind: 'applied',
      value: 0,
    });
    await recording.stop();
    expect(recording.values()).toEqual([undefined, 90, undefined]);
    expect(recording.writes()).toBe(2);
    await scale(first, 0);
    await eventually(async () => (await claims(first)).length === 0);
  });
});
