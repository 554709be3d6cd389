import { KubeConfig } from '@kubernetes/client-node';
import { z } from 'zod';
import { createKubernetesCluster } from '../../src/cluster/kubernetes/adapter.js';
import { connectWorker } from '../../src/temporal/connection.js';
import { createWorkers } from '../../src/temporal/worker.js';
import { deploymentOf, namespaceOf } from './scene.js';

/*
 * The process that is measured: a worker of the cluster's queue as `headroom worker --roles cluster` has it, with the
 * cluster that it observes. It looks at an account when it is told to, and answers how long that took and how much
 * would travel through a history.
 */

const optionsSchema = z.object({
  url: z.string(),
  token: z.string(),
  temporal: z.string(),
  deployments: z.number(),
});
const orderSchema = z.object({ look: z.number().nullable() });

const { url, token, temporal, deployments } = optionsSchema.parse(JSON.parse(process.argv[2] ?? '{}'));
const kubeConfig = new KubeConfig();
kubeConfig.loadFromClusterAndUser({ name: 'bench', server: url, skipTLSVerify: true }, { name: 'bench', token });
const cluster = createKubernetesCluster({ kubeConfig, name: 'bench' });
const connection = await connectWorker({ options: { address: temporal }, namespace: 'default' });
const worker = await createWorkers({
  connection,
  namespace: 'default',
  queues: { light: 'headroom', compute: 'headroom-compute', cluster: 'headroom-cluster-bench' },
  serve: ['cluster'],
  versioning: true,
  activities: { observe: () => Promise.resolve() },
});
const finished = worker.run();

async function look(account: number): Promise<{ milliseconds: number; bytes: number; workloads: number }> {
  const namespace = namespaceOf(account);
  const began = performance.now();
  const state = await cluster.observe(
    {
      account: namespace,
      workloads: Array.from({ length: deployments }, (_, index) => ({
        workload: deploymentOf(index),
        kind: 'Deployment' as const,
        namespace,
        name: deploymentOf(index),
      })),
      pools: ['general'],
    },
    new AbortController().signal,
  );
  const milliseconds = performance.now() - began;
  const workloads = state.workloads.filter(({ exists, readyReplicas }) => exists && readyReplicas > 0).length;
  return { milliseconds, bytes: JSON.stringify(state).length, workloads };
}

process.on('message', (message) => {
  const { look: account } = orderSchema.parse(message);
  if (account === null) {
    worker.shutdown();
    void finished
      .then(() => cluster.close())
      .then(() => connection.close())
      .then(() => process.disconnect());
    return;
  }
  look(account).then(
    (answer) => process.send?.({ ...answer, account }),
    (error: unknown) => process.send?.({ account, error: String(error) }),
  );
});
process.send?.({ ready: true });
