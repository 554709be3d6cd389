import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createApply, createConfirm, createRevalidate, createRollback } from '../../activities/apply.js';
import type { Dependencies } from '../../activities/dependencies.js';
import { observeRequest, type Policies } from '../../activities/policies.js';
import type { ApplyResult } from '../../activities/types.js';
import { createAwaitReady } from '../../activities/verify.js';
import { createAllocator, summarizePlan } from '../../src/allocate/index.js';
import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import type { Cluster } from '../../src/cluster/port.js';
import { accountFileSchema, type AccountPolicy } from '../../src/domain/account.js';
import { fieldName, orderChange } from '../../src/domain/change.js';
import type { ChangeOrder } from '../../src/domain/plan.js';
import { REAL_TIME } from '../../src/domain/time.js';
import { demandOf } from '../unit/allocate-fixtures.js';
import { field, lines } from './kubernetes-pools-world.js';
import { deployment, kubeConfigFile } from './kubernetes-world.js';
import { applyObjects, eventually, onPool, ownNamespace, poolNodes, real, removeNodes, uniqueName } from './real.js';

/*
 * A surge that is an hour away, from its plan to the cluster and back: the activities of a change on a real control plane.
 * The clock, the nodes and the demand are given; everything in between is what runs in production.
 */

const HOUR = 3600;
const never = () => new AbortController().signal;
const addressSchema = z.object({ port: z.number() });

describe('a surge an hour ahead', () => {
  const pool = uniqueName('surge');
  let namespace: Awaited<ReturnType<typeof ownNamespace>>;
  let policy: AccountPolicy;
  let cluster: Cluster;
  let cache: Server;
  const heard: string[] = [];
  let changes = 0;

  beforeAll(async () => {
    namespace = await ownNamespace('provision');
    cache = createServer((request, response) => {
      heard.push(`${request.method} ${request.url} ${request.headers['idempotency-key']}`);
      request.resume().on('end', () => response.writeHead(202).end('filling'));
    }).listen(0, '127.0.0.1');
    await once(cache, 'listening');
    const { port } = addressSchema.parse(cache.address());
    const web = deployment({
      namespace: namespace.name,
      name: 'web',
      replicas: 4,
      requests: { cpu: '1500m', memory: '64Mi' },
    });
    Object.assign(web.spec.template.spec, onPool(pool));
    await applyObjects(...poolNodes(pool, 4), web);
    policy = accountFileSchema.parse({
      version: 'headroom/v1',
      account: namespace.name,
      mode: 'auto',
      ownership: 'own',
      workloads: [
        {
          name: 'web',
          components: { cpu: { request: 1.5 } },
          replicas: { min: 1, max: 40 },
          takeOwnership: true,
          prefetch: [{ name: 'catalogue', url: `http://127.0.0.1:${port}/warm`, ahead: '2h' }],
          prepull: { ahead: '2h' },
        },
      ],
      pools: [
        {
          name: pool,
          pricePerHour: 0.4,
          // Five replicas a node; four run.
          node: { cpu: 7.5, memory: '16Gi' },
          leadTime: '1h',
          max: 4,
          provisioning: {
            placeholders: { tolerations: [{ key: 'pool', value: pool, effect: 'NoSchedule' }] },
          },
        },
      ],
    });
    cluster = createKubernetesCluster({ kubeConfig: kubeConfigFile(real.cluster.kubeconfig), name: 'main' });
    await eventually(async () => (await observe()).workloads[0]?.readyReplicas === 4);
  });
  afterAll(async () => {
    await cluster.close();
    cache.close();
    await namespace.remove();
    await removeNodes(pool);
  });

  const observe = () => cluster.observe(observeRequest(policy), never());
  const environment = new MockActivityEnvironment();
  const policies: Policies = { get: () => Promise.resolve(policy), remember: () => Promise.resolve() };
  // Of a worker's ports these activities use two; nobody has frozen anything.
  const deps = () =>
    ({ cluster: () => cluster, fence: { read: () => Promise.resolve(null) } }) as unknown as Dependencies;
  const common = () => ({ account: policy.account, policyId: 'p' });

  /** What the account would do now, as a change of its own. */
  async function order(demand: number[]): Promise<ChangeOrder> {
    const at = Date.now() / 1000;
    const allocator = await createAllocator();
    const { plan } = allocator.allocate({
      account: policy.account,
      at,
      snapshotId: 's',
      forecastId: 'f',
      policy,
      blocks: demand.map((_, index) => ({ from: at + index * HOUR, to: at + (index + 1) * HOUR })),
      demand: [demandOf('web', 'cpu', demand)],
      state: await observe(),
      overrides: [],
    });
    changes += 1;
    return orderChange(summarizePlan(plan), `${policy.account}/${changes}`, policy.account, at, 60);
  }

  async function carryOut(change: ChangeOrder): Promise<string[]> {
    const { revalidate } = createRevalidate(deps(), policies);
    expect(await environment.run(revalidate, { ...common(), mutations: change.mutations })).toEqual({ kind: 'fresh' });
    const { apply } = createApply(deps(), policies);
    const notes: string[] = [];
    for (const mutation of change.mutations) {
      const result: ApplyResult = await environment.run(apply, { policyId: 'p', mutation, fenced: true });
      expect(result).toMatchObject({ kind: 'applied' });
      if (result.kind === 'applied' && result.note !== undefined) notes.push(result.note);
    }
    const { awaitReady } = createAwaitReady(deps(), policies);
    const targets = change.mutations.map(({ target }) => target);
    const ready = await environment.run(awaitReady, { ...common(), targets, scale: REAL_TIME, limit: 300 });
    expect(ready).toMatchObject({ ready: true });
    return notes;
  }

  const told = (change: ChangeOrder) => change.mutations.map(({ target }) => `${fieldName(target)} ${target.value}`);

  test('before it: nodes are warm, images pulled, the cache told; the replicas are as they were', async () => {
    const change = await order([6, 21, 21]);
    const [hook, pull, ...rest] = told(change).sort((a, b) => (a < b ? 1 : -1));
    expect([hook, pull]).toEqual([
      expect.stringContaining('web.prepared.prepull'),
      expect.stringContaining('web.prepared.prefetch.catalogue'),
    ]);
    expect(rest).toEqual([`${pool}.warm 8`]);
    const notes = await carryOut(change);
    expect(notes).toEqual([expect.stringMatching(/^prefetch.catalogue: 202 in \d+ ms: filling$/)]);
    expect(heard).toEqual([expect.stringMatching(/^POST \/warm change\/.+#\d$/)]);
    await eventually(async () =>
      (await lines('{.status.succeeded}', 'jobs', '-n', namespace.name, '-l', 'headroom.dev/action=prepull')).includes(
        '4',
      ),
    );
    await eventually(async () => (await observe()).pools[0]?.warm?.ready === 8);
    expect((await observe()).pools[0]?.warm).toEqual({ replicas: 8, ready: 8, owner: 'headroom' });
    // Nothing is left to do for it: the next cycle is quiet.
    expect(told(await order([6, 21, 21]))).toEqual([]);
  });

  test('when it comes: placeholders make room and the replicas are ready at once', async () => {
    const change = await order([21, 21]);
    expect(told(change)).toEqual([`${pool}.warm 0`, 'web.replicas 14']);
    await carryOut(change);
    expect((await observe()).workloads[0]?.readyReplicas).toBe(14);
    expect((await observe()).pools[0]?.warm).toMatchObject({ replicas: 0 });
  });

  test('rolled back: replicas and placeholders are as before the change, and that is confirmed', async () => {
    const change = await order([6, 6]);
    const written = change.mutations.map(({ key }) => key);
    await carryOut(change);
    const { rollback } = createRollback(deps(), policies);
    for (const [index, step] of change.contingency.reverse.entries()) {
      const result = await environment.run(rollback, {
        ...common(),
        changeId: change.changeId,
        changeKeys: written,
        step,
        index,
        reason: 'a check failed',
      });
      expect(result).toMatchObject({ kind: 'applied' });
    }
    const { confirm } = createConfirm(deps(), policies);
    expect(await environment.run(confirm, { ...common(), steps: change.contingency.reverse })).toEqual({
      restored: true,
      detail: '',
    });
    expect(await field('{.spec.replicas}', 'deployment', 'web', '-n', namespace.name)).toBe('14');
  });
});
