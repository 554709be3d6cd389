import { readAccountFile } from '../../src/domain/account-file.js';
import type { AccountPolicy } from '../../src/domain/account.js';
import type { ScenarioFile } from '../../src/cluster/simulated/scenario.js';
import { CLOCK_START, PEAK_CORES, REPLICA_CORES, type CutTrace } from './traces.js';

/** Seconds: median start of a pod, and of a node where one is needed first. */
export const POD_START = 30;
export const NODE_START = 120;
/** What the peers are given: a pod on a new node, rounded up by them to whole bins. */
export const LEAD = POD_START + NODE_START;
export const STEP = 300;
export const LEVEL = 0.99;

const poolOf = (trace: CutTrace): string => `pool-${trace.account}`;

/**
 * A node holds one replica, so that the bill is what the scores count: capacity. On larger nodes that are paid for
 * anyway the plan rightly keeps idle replicas, which a tenant of a shared cluster would pay.
 */
const NODE = { cores: REPLICA_CORES, pricePerHour: 0.05 };
const most = (trace: CutTrace): number => Math.ceil(2.5 * Math.max(trace.peak, PEAK_CORES));

/** One simulated cluster; each account with a workload and a pool of its own. */
export function scenarioOf(traces: readonly CutTrace[]): ScenarioFile {
  return {
    version: 'headroom-scenario/v1',
    name: 'main',
    seed: 1,
    clock: { start: String(CLOCK_START), mode: 'held' },
    pools: traces.map((trace) => ({
      name: poolOf(trace),
      node: { cpu: NODE.cores },
      pricePerHour: NODE.pricePerHour,
      nodes: startReplicas(trace),
      max: most(trace),
      provision: { median: NODE_START },
    })),
    accounts: traces.map((trace) => ({
      name: trace.account,
      workloads: [
        {
          name: 'web',
          replicas: startReplicas(trace),
          components: {
            cpu: { request: REPLICA_CORES, demand: { csv: trace.played, column: 'value', scale: trace.scale } },
          },
          podStart: { median: POD_START },
          pools: [poolOf(trace)],
        },
      ],
    })),
  };
}

/** What an autoscaler at 50 % would have left running. */
export const startReplicas = (trace: CutTrace): number => Math.max(1, Math.ceil(trace.last / 0.5 / REPLICA_CORES));

/** The account file as an operator would write it, in mode `auto`. */
export const accountFileOf = (trace: CutTrace): string => `version: headroom/v1
account: ${trace.account}
mode: auto
ownership: own
level: ${LEVEL}
cycle: 5m
step: 5m
history: 28d
workloads:
  - name: web
    components:
      cpu: { request: ${REPLICA_CORES} }
    replicas: { min: 1, max: ${most(trace)} }
    leadTime: ${LEAD}s
    verification:
      for: 10m
      every: 5m
      checks:
        - { metric: latency_p99, max: 5 }
        - { metric: error_rate, max: 0.2 }
pools:
  - { name: ${poolOf(trace)}, pricePerHour: ${NODE.pricePerHour}, node: { cpu: ${NODE.cores} }, max: ${most(trace)}, leadTime: ${NODE_START}s }
`;

export const policyOf = (trace: CutTrace): AccountPolicy =>
  readAccountFile(accountFileOf(trace), `${trace.account}.yaml`);
