import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NO_LIMIT, type FieldTarget } from '../../src/domain/cluster.js';
import type { PoolTarget } from '../../src/cluster/port.js';
import { actor, field, get, lines, nodePoolCrd, warmPool, type Actor } from './kubernetes-pools-world.js';
import { applyObjects, eventually, kubectl, onPool, ownNamespace, poolNodes, removeNodes, uniqueName } from './real.js';

describe('warm capacity by placeholders', () => {
  const pool = uniqueName('warm');
  let namespace: Awaited<ReturnType<typeof ownNamespace>>;
  let acme: Actor;
  const name = `headroom-warm-${pool}`;
  const warm = (value: number): FieldTarget => ({ field: 'warm', pool, value });
  const placed = async () =>
    lines('{.spec.nodeName}', 'pods', '-n', namespace.name, '-l', `headroom.dev/warm-pool=${pool}`);

  beforeAll(async () => {
    namespace = await ownNamespace('warm');
    await applyObjects(...poolNodes(pool, 3));
    acme = actor(namespace.name, { pools: [warmPool(pool, namespace.name)] });
    await eventually(async () => (await acme.observe()).pools[0]?.readyNodes === 3);
  });
  afterAll(async () => {
    await acme.close();
    await namespace.remove();
    await removeNodes(pool);
  });
  const state = async () => (await acme.observe()).pools[0];

  test('a pool that nobody has warmed has none, and is not sized as nodes', async () => {
    expect(await state()).toMatchObject({
      nodes: 3,
      owner: 'node-autoscaler',
      warm: { replicas: 0, ready: 0, owner: null },
    });
    expect(await acme.apply({ field: 'nodes', pool, value: 5 }, 'change/acme/0#0')).toMatchObject({ kind: 'refused' });
  });

  test('raised: placeholders of a node’s worth land on nodes of the pool, one each, in Headroom’s name', async () => {
    expect(await acme.apply(warm(2), 'change/acme/1#0')).toEqual({ kind: 'applied', value: 2 });
    const nodes = await eventually(async () => {
      const found = await placed();
      return found.length === 2 && found.every((node) => node.startsWith(pool)) ? found : null;
    });
    expect(new Set(nodes).size).toBe(2);
    await eventually(async () => (await state())?.warm?.ready === 2);
    expect((await state())?.warm).toEqual({ replicas: 2, ready: 2, owner: 'headroom' });
    expect(await field('{.value} {.preemptionPolicy}', 'priorityclass', 'headroom-warm')).toBe('-10 Never');
    expect(await acme.apply(warm(2), 'change/acme/1#0', { expect: { value: 0, owner: null } })).toEqual({
      kind: 'repeated',
      value: 2,
    });
  });

  test('placeholders without their namespace: said when it is looked, and told as not found when it is written', async () => {
    const homeless = warmPool(pool, `${namespace.name}-gone`);
    const other = actor(namespace.name, { pools: [homeless] });
    const { pools } = await other.observe();
    expect(pools[0]?.warm).toBeUndefined();
    expect(pools[0]?.missing).toEqual([
      `there is no namespace ${namespace.name}-gone for its placeholders: kubectl create namespace ${namespace.name}-gone`,
    ]);
    expect(await other.apply(warm(2), 'change/acme/1#9', { expect: { value: 0, owner: null } })).toMatchObject({
      kind: 'not-found',
      detail: expect.stringContaining(`"${namespace.name}-gone" not found`),
    });
    await other.close();
  });

  test('a pod that serves takes a placeholder’s place at once: the scheduler does it', async () => {
    await applyObjects({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: namespace.name },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: {
            ...onPool(pool),
            containers: [{ name: 'main', image: 'app:1', resources: { requests: { cpu: '6', memory: '8Gi' } } }],
          },
        },
      },
    });
    await eventually(
      async () => (await field('{.status.readyReplicas}', 'deployment', 'web', '-n', namespace.name)) === '2',
    );
    // Three nodes: two serve, one is still warm; the placeholder that gave way waits, which is what asks for a node.
    await eventually(async () => (await state())?.warm?.ready === 1);
    // Its successor comes a moment after it has gone.
    await eventually(async () => {
      const pending = await lines(
        '{.status.phase}',
        ...['pods', '-n', namespace.name, '-l', `headroom.dev/warm-pool=${pool}`],
        ...['--field-selector', 'status.phase=Pending'],
      );
      return pending.join() === 'Pending';
    });
  });

  test('lowered: they go, and what serves stays', async () => {
    expect(await acme.apply(warm(0), 'change/acme/2#0')).toEqual({ kind: 'applied', value: 0 });
    await eventually(async () => (await placed()).length === 0);
    expect(await field('{.status.readyReplicas}', 'deployment', 'web', '-n', namespace.name)).toBe('2');
  });

  test('put back: as many as before the change, and a late repeat of the change writes nothing', async () => {
    await acme.apply(warm(1), 'change/acme/3#0');
    expect(await acme.restore(warm(0), ['change/acme/3#0'], 'change/acme/3#back-0', 'headroom')).toEqual({
      kind: 'applied',
      value: 0,
    });
    expect(await acme.apply(warm(1), 'change/acme/3#0', { expect: { value: 0, owner: 'headroom' } })).toEqual({
      kind: 'repeated',
      value: 0,
    });
  });

  test('a person who scales them in between is seen, named and left alone', async () => {
    await acme.apply(warm(1), 'change/acme/4#0');
    await kubectl(['scale', 'deployment', name, '-n', namespace.name, '--replicas=3']);
    const over = { expect: { value: 1, owner: 'headroom' } };
    const moved = { kind: 'moved', value: 3, owner: 'kubectl' };
    expect(await acme.apply(warm(2), 'change/acme/5#0', over)).toEqual(moved);
    expect(await acme.restore(warm(0), ['change/acme/4#0'], 'change/acme/4#back-0')).toEqual(moved);
    expect(await field('{.spec.replicas}', 'deployment', name, '-n', namespace.name)).toBe('3');
  });

  test('a second account’s claim on the same placeholders is refused in words', async () => {
    const other = actor('other', { pools: [warmPool(pool, namespace.name)] });
    try {
      const seen = (await other.observe()).pools[0]?.warm;
      expect(seen?.owner).toBe(`account ${namespace.name}`);
      const result = await other.apply(warm(1), 'change/other/1#0');
      expect(result.kind).toBe('refused');
      expect('detail' in result ? result.detail : '').toContain(`account ${namespace.name}`);
    } finally {
      await other.close();
    }
  });

  test('a quota that admits none is told in the words of the cluster', async () => {
    const tight = await ownNamespace('tight');
    const poor = actor(tight.name, { pools: [warmPool(pool, tight.name)] });
    try {
      const hard = { pods: '0' };
      await applyObjects({
        apiVersion: 'v1',
        kind: 'ResourceQuota',
        metadata: { name: 'none', namespace: tight.name },
        spec: { hard },
      });
      await eventually(
        async () => (await field('{.status.hard.pods}', 'resourcequota', 'none', '-n', tight.name)) === '0',
      );
      await poor.apply(warm(1), 'change/poor/1#0');
      const warmed = await eventually(async () => {
        const seen = (await poor.observe()).pools[0]?.warm;
        return seen?.trouble === undefined ? null : seen;
      });
      expect(warmed.ready).toBe(0);
      expect(warmed.trouble).toContain('exceeded quota: none');
    } finally {
      await poor.close();
      await tight.remove();
    }
  });
});

describe('NodePools of Karpenter', () => {
  const pool = uniqueName('spot');
  const account = uniqueName('acme');
  const target: PoolTarget = {
    kind: 'Pool',
    pool: 'spot',
    nodeSelector: { 'karpenter.sh/nodepool': pool },
    karpenter: { nodePool: pool, limit: 'cpu', weight: true },
  };
  const limit = (value: number): FieldTarget => ({ field: 'limit', pool: 'spot', resource: 'cpu', value });
  const weight = (value: number): FieldTarget => ({ field: 'weight', pool: 'spot', value });
  const spec = () => field('{.spec}', 'nodepool', pool);
  let acme: Actor;

  beforeAll(async () => {
    await applyObjects(nodePoolCrd);
    await kubectl(['wait', '--for=condition=Established', 'crd/nodepools.karpenter.sh', '--timeout=300s']);
    await eventually(() =>
      kubectl(['apply', '--server-side', '--field-manager=argocd', '-f', '-'], {
        input: JSON.stringify({
          apiVersion: 'karpenter.sh/v1',
          kind: 'NodePool',
          metadata: { name: pool },
          spec: { limits: { cpu: '100' }, disruption: { budgets: [{ nodes: '10%' }] } },
        }),
      }),
    );
    await kubectl(
      ['patch', 'nodepool', pool, '--subresource=status', '--type=merge', '-p', '-']
        .slice(0, 6)
        .concat(JSON.stringify({ status: { resources: { cpu: '32', nodes: '4' } } })),
    );
    acme = actor(account, { pools: [target] });
  });
  afterAll(async () => {
    await acme.close();
    await kubectl(['delete', 'nodepool', pool, '--wait=false']);
  });
  const seen = async () => (await acme.observe()).pools[0]?.nodePool;

  test('one that is not there is said by its name, and the others are seen', async () => {
    const typo: PoolTarget = { ...target, pool: 'typo', karpenter: { nodePool: `${pool}-typo`, weight: true } };
    const both = actor(account, { pools: [target, typo] });
    const { pools } = await both.observe();
    expect(pools.map(({ nodePool }) => nodePool !== undefined)).toEqual([true, false]);
    expect(pools.map(({ missing = [] }) => missing.join())).toEqual([
      '',
      `there is no NodePool ${pool}-typo (karpenter.sh/v1); name it in provisioning.karpenter.nodePool`,
    ]);
    await both.close();
  });

  test('limit and weight are read with their owners, and what one node counts', async () => {
    expect(await seen()).toEqual({
      limit: { resource: 'cpu', value: 100, owner: 'argocd', perNode: 8 },
      weight: { value: 0, owner: null },
    });
  });

  test('both are written side by side; nothing else of the object is', async () => {
    expect(await acme.apply(limit(64), 'change/acme/1#0')).toEqual({ kind: 'applied', value: 64 });
    expect(await acme.apply(weight(90), 'change/acme/1#1')).toEqual({ kind: 'applied', value: 90 });
    expect(await acme.apply(limit(64), 'change/acme/1#0')).toEqual({ kind: 'repeated', value: 64 });
    expect(JSON.parse(await spec())).toEqual({
      limits: { cpu: '64' },
      weight: 90,
      disruption: { budgets: [{ nodes: '10%' }] },
    });
    expect(await seen()).toMatchObject({ limit: { owner: 'headroom' }, weight: { value: 90, owner: 'headroom' } });
  });

  test('given back: the old limit in the old owner’s name, and a weight that was not there is none again', async () => {
    const keys = ['change/acme/1#0', 'change/acme/1#1'];
    expect(await acme.restore(weight(0), keys, 'change/acme/1#back-0')).toEqual({ kind: 'applied', value: 0 });
    expect(await acme.restore(limit(100), keys, 'change/acme/1#back-1', 'argocd')).toEqual({
      kind: 'applied',
      value: 100,
    });
    expect(JSON.parse(await spec())).toEqual({ limits: { cpu: '100' }, disruption: { budgets: [{ nodes: '10%' }] } });
    expect(await seen()).toMatchObject({ limit: { value: 100, owner: 'argocd' }, weight: { value: 0, owner: null } });
  });

  test('a limit that was not there is taken away again', async () => {
    const memory: PoolTarget = { ...target, karpenter: { nodePool: pool, limit: 'memory', weight: false } };
    const same = actor(account, { pools: [memory] });
    const bytes = (value: number): FieldTarget => ({ field: 'limit', pool: 'spot', resource: 'memory', value });
    try {
      expect((await same.observe()).pools[0]?.nodePool?.limit).toMatchObject({ value: NO_LIMIT, owner: null });
      expect(await same.apply(bytes(2 ** 40), 'change/acme/2#0')).toEqual({ kind: 'applied', value: 2 ** 40 });
      expect(await field('{.spec.limits.memory}', 'nodepool', pool)).toBe(String(2 ** 40));
      expect(await same.restore(bytes(NO_LIMIT), ['change/acme/2#0'], 'change/acme/2#back-0')).toEqual({
        kind: 'applied',
        value: NO_LIMIT,
      });
      expect(JSON.parse(await spec())).toMatchObject({ limits: { cpu: '100' } });
      expect(await field('{.spec.limits.memory}', 'nodepool', pool)).toBe('');
    } finally {
      await same.close();
    }
  });

  test('a person’s edit between plan and write wins', async () => {
    const plan = { expect: { value: 100, owner: 'argocd' } };
    await kubectl(['patch', 'nodepool', pool, '--type=merge', '-p', '{"spec":{"limits":{"cpu":"40"}}}']);
    expect(await acme.apply(limit(64), 'change/acme/3#0', plan)).toEqual({
      kind: 'moved',
      value: 40,
      owner: 'kubectl-patch',
    });
  });

  test('an account that writes a NodePool has it to itself, until somebody says that this is over', async () => {
    const other = actor('other', { pools: [target] });
    try {
      const result = await other.apply(weight(50), 'change/other/1#0');
      expect(result.kind).toBe('refused');
      expect('detail' in result ? result.detail : '').toContain(`written for account ${account}`);
      await kubectl(['annotate', 'nodepool', pool, 'headroom.dev/account-']);
      expect(await other.apply(weight(50), 'change/other/1#0')).toEqual({ kind: 'applied', value: 50 });
    } finally {
      await other.close();
    }
  });

  test('a NodePool that is not there is named', async () => {
    const none: PoolTarget = { ...target, karpenter: { nodePool: 'nowhere', limit: 'cpu', weight: true } };
    const lost = actor(account, { pools: [none] });
    try {
      expect((await lost.observe()).pools[0]?.nodePool).toBeUndefined();
      const result = await lost.apply(weight(5), 'change/acme/4#0');
      expect(result).toMatchObject({ kind: 'not-found' });
    } finally {
      await lost.close();
    }
    expect(await get('nodepool', pool)).toMatchObject({ spec: { disruption: { budgets: [{ nodes: '10%' }] } } });
  });
});
