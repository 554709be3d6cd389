import { formatQuantity } from '../../src/domain/component.js';
import { unreachable } from '../../src/domain/errors.js';
import type { CapacityTarget } from '../../src/domain/cluster.js';
import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import { clusterContract, type ClusterWorld } from './cluster.js';
import { kubeConfigOf } from './kube-config.js';
import { createFakeApiServer, type FakeApiServer } from './kubernetes-api-server.js';

function foreignWrite(api: FakeApiServer, target: CapacityTarget, manager: string): void {
  const options = { manager, apply: false, force: false };
  switch (target.field) {
    case 'replicas':
      api
        .deployment(target.workload)
        .patch({ ...options, body: { spec: { replicas: target.value } }, subresource: 'scale' });
      return;
    case 'floor':
      api.autoscaler(target.workload).patch({ ...options, body: { spec: { minReplicas: target.value } } });
      return;
    case 'request': {
      const sidecar = { cpu: 0.1, memory: 2 ** 28, storage: 0, io: 0, network: 0, gpu: 0 }[target.component];
      const requests = { [target.component]: formatQuantity(target.component, target.value - sidecar) };
      const containers = [{ name: 'main', resources: { requests } }];
      api.deployment(target.workload).patch({ ...options, body: { spec: { template: { spec: { containers } } } } });
      return;
    }
    case 'nodes':
      return;
    default:
      unreachable(target);
  }
}

clusterContract('kubernetes', async (): Promise<ClusterWorld> => {
  const api = await createFakeApiServer();
  return {
    cluster: createKubernetesCluster({ kubeConfig: kubeConfigOf(api.url) }),
    foreignWrite: (target, owner) => {
      foreignWrite(api, target, owner);
      return Promise.resolve();
    },
    loseNextAnswer: () => {
      api.loseAnswers = 1;
      return Promise.resolve();
    },
    goDown: () => {
      api.down = true;
      return Promise.resolve();
    },
    goSlow: () => {
      api.delay = 5000;
      return Promise.resolve();
    },
    tearDown: () => api.close(),
  };
});
