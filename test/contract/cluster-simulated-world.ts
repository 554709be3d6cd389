import { buildScenario, type Scenario, type ScenarioFile } from '../../src/cluster/simulated/scenario.js';

const START = '2026-05-04T00:00:00Z';

const workload = (name: string, replicas: number): ScenarioFile['accounts'][number]['workloads'][number] => ({
  name,
  replicas,
  owners: { replicas: 'kubectl', request: 'kubectl', floor: 'kubectl' },
  components: { cpu: { request: '500m', demand: 1 }, memory: { request: '1Gi', demand: '1Gi' } },
});

/** The world of the contract, with a clock that is moved by hand. */
export function contractScenario(): Scenario {
  const file: ScenarioFile = {
    version: 'headroom-scenario/v1',
    clock: { start: START, mode: 'manual' },
    accounts: [
      {
        name: 'acme',
        workloads: [workload('web', 3), { ...workload('api', 4), hpa: { floor: 2, ceiling: 10, target: 0.5 } }],
      },
    ],
  };
  return buildScenario(file, { what: 'contract', directory: '.' });
}
