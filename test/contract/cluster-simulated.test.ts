import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FieldTarget } from '../../src/domain/cluster.js';
import { createSimulatedCluster, type Simulation } from '../../src/cluster/simulated/adapter.js';
import { connectSimulatedCluster } from '../../src/cluster/simulated/client.js';
import { faultSchema } from '../../src/cluster/simulated/faults.js';
import { createEngineHost } from '../../src/cluster/simulated/host.js';
import { serveSimulation } from '../../src/cluster/simulated/server.js';
import { ACCOUNT, clusterContract, type ClusterWorld } from './cluster.js';
import { contractScenario } from './cluster-simulated-world.js';

/** The world's faults are the simulation's own, injected while it runs. */
function worldOf(simulation: Simulation, tearDown: () => Promise<void>): ClusterWorld {
  const inject = async (fault: unknown) => simulation.inject(faultSchema.parse(fault));
  const always = { from: 0, to: 1e11 };
  return {
    cluster: simulation,
    async foreignWrite(target: FieldTarget, owner) {
      const at = await simulation.now();
      const place = target.field === 'nodes' ? target : { account: ACCOUNT, ...target };
      await inject({ kind: 'foreign-write', at, owner, target: place });
      await simulation.advance(at + 15);
    },
    loseNextAnswer: () => inject({ kind: 'lost-answer', ...always }),
    goDown: () => inject({ kind: 'api-down', ...always }),
    goSlow: () => inject({ kind: 'api-slow', ...always, delay: 5 }),
    tearDown,
  };
}

clusterContract('simulated, in process', () => {
  const { model, clock } = contractScenario();
  const simulation = createSimulatedCluster(createEngineHost({ model, begin: clock.start }));
  return Promise.resolve(worldOf(simulation, () => simulation.close()));
});

clusterContract('simulated, over HTTP, with its state in a file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headroom-cluster-'));
  const server = await serveSimulation({ scenario: contractScenario(), state: join(folder, 'state.jsonl') });
  const simulation = await connectSimulatedCluster(server);
  return worldOf(simulation, async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
});
