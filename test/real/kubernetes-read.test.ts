import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import type { Cluster, WorkloadTarget } from '../../src/cluster/port.js';
import type { ClusterState, WorkloadState } from '../../src/domain/cluster.js';
import { deployment, hpa, kubeConfigFile } from './kubernetes-world.js';
import { applyObjects, eventually, kubectl, ownNamespace, real } from './real.js';

const never = () => new AbortController().signal;

let cluster: Cluster;
let ns: string;
let removals: (() => Promise<void>)[] = [];
beforeAll(async () => {
  cluster = createKubernetesCluster({ kubeConfig: kubeConfigFile(real.cluster.kubeconfig), name: 'main' });
  const own = await ownNamespace('read');
  ns = own.name;
  removals.push(own.remove);
});
afterAll(async () => {
  await cluster.close();
  for (const remove of removals) await remove();
  removals = [];
});

const target = (workload: string, more: Partial<WorkloadTarget> = {}): WorkloadTarget => ({
  workload,
  kind: 'Deployment',
  namespace: ns,
  name: workload,
  ...more,
});
const look = (...workloads: WorkloadTarget[]): Promise<ClusterState> =>
  cluster.observe({ account: ns, workloads, pools: [] }, never());
const see = async (of: WorkloadTarget): Promise<WorkloadState> => {
  const [state] = (await look(of)).workloads;
  if (state === undefined) throw new Error(`${of.workload} was not answered`);
  return state;
};

describe('what is there', () => {
  test('a Deployment and its HPA, with values and owners; then a change of it by somebody else', async () => {
    await applyObjects(deployment({ namespace: ns, name: 'web' }), hpa(ns, 'web', 2, 9));
    const state = await eventually(async () => {
      const one = await see(target('web'));
      return one.exists && one.readyReplicas === 2 && one.autoscaler !== null ? one : null;
    });
    expect(state).toMatchObject({
      replicas: 2,
      request: { cpu: 0.1, memory: 64 * 2 ** 20 },
      autoscaler: { kind: 'hpa', name: 'web', floor: 2, ceiling: 9 },
      owners: { request: 'kubectl-client-side-apply', floor: 'kubectl-client-side-apply' },
    });
    expect(state.troubles).toBeUndefined();
    await kubectl(['-n', ns, 'patch', 'hpa', 'web', '--type=merge', '-p', '{"spec":{"minReplicas":4}}']);
    await eventually(async () => (await see(target('web'))).autoscaler?.floor === 4, 5);
    expect((await see(target('web'))).owners.floor).toBe('kubectl-patch');
  });

  test('what is not there is said so', async () => {
    expect(await see(target('ghost'))).toMatchObject({ exists: false, absent: `there is no Deployment ${ns}/ghost` });
  });
});
