import { createClusterProvisioner } from '../../src/cluster/provision.js';
import { createSimulatedCluster } from '../../src/cluster/simulated/adapter.js';
import { createEngineHost } from '../../src/cluster/simulated/host.js';
import { buildScenario } from '../../src/cluster/simulated/scenario.js';
import { provisionerContract } from './provisioner.js';

provisionerContract('simulated', () => {
  const scenario = buildScenario(
    {
      version: 'headroom-scenario/v1',
      clock: { start: '2026-05-04T00:00:00Z', mode: 'manual' },
      pools: [{ name: 'general', node: { cpu: 4 }, pricePerHour: 1, nodes: 2, max: 20, owner: 'ops' }],
      accounts: [
        { name: 'acme', workloads: [{ name: 'web', replicas: 1, components: { cpu: { request: 1, demand: 1 } } }] },
      ],
    },
    { what: 'contract', directory: '.' },
  );
  const host = createEngineHost({ model: scenario.model, begin: scenario.clock.start });
  const cluster = createSimulatedCluster(host);
  const fault = async (given: Parameters<typeof cluster.inject>[0]): Promise<void> => cluster.inject(given);
  const from = scenario.clock.start;
  return Promise.resolve({
    provisioner: createClusterProvisioner(cluster),
    place: (pool: string) => ({ kind: 'Pool', pool }),
    target: (pool: string, nodes: number) => ({ field: 'nodes', pool, value: nodes }),
    foreignWrite: async (nodes: number, owner: string) => {
      const at = await cluster.now();
      await fault({ kind: 'foreign-write', at, owner, target: { field: 'nodes', pool: 'general', value: nodes } });
      await cluster.advance(at + 15);
    },
    loseNextAnswer: () => fault({ kind: 'lost-answer', from, to: from + 3600, count: 1 }),
    goDown: () => fault({ kind: 'api-down', from, to: from + 3600 }),
    goSlow: () => fault({ kind: 'api-slow', from, to: from + 3600, delay: 5 }),
    tearDown: () => cluster.close(),
  });
});
