import { accountFileSchema, type AccountPolicy } from '../../src/domain/account.js';
import type { EpochSeconds } from '../../src/domain/time.js';
import { gridDemand } from '../../src/cluster/simulated/demand.js';
import type { EngineModel } from '../../src/cluster/simulated/model.js';
import { generateDemand, type DemandProfile } from '../../src/replay/synthetic.js';
import type { UsageBatch } from '../../src/telemetry/port.js';

/*
 * Accounts for the bench: one service each, with processor time and memory, a daily and a weekly cycle, bursts, and two
 * weeks of history.
 */

export const STEP = 300;
const DAY = 86_400;
export const HISTORY = 14 * DAY;
/** What the simulated clock may run through; beyond it demand begins again. */
const AHEAD = 4 * DAY;
/** 2026-03-02T00:00:00Z, a Monday. */
export const START = 1_772_409_600;
const GiB = 2 ** 30;
/** Different courses of demand; account k has the k-th of them at a size of its own. */
const COURSES = 12;
const CLUSTER = 'bench';
const WORKLOAD = 'web';

export interface BenchAccount {
  policy: AccountPolicy;
  course: number;
  size: number;
}

export const benchAccounts = (count: number): BenchAccount[] =>
  Array.from({ length: count }, (_, index) => ({
    policy: policyOf(`acme-${index}`),
    course: index % COURSES,
    size: 0.5 + (index % 17) / 16,
  }));

function courseOf(index: number): DemandProfile {
  return {
    name: `course-${index}`,
    timeZone: 'Europe/Berlin',
    anchor: START,
    workloads: [
      {
        workload: WORKLOAD,
        weekday: Array.from({ length: 24 }, (_, hour) => 6 + 4 * Math.sin(((hour - 7 - (index % 5)) / 12) * Math.PI)),
        weekend: 0.6 + (index % 4) / 8,
        growthPerWeek: 0.01,
        noise: { fast: 0.06 + (index % 3) / 50, slow: 0.05 },
        bursts: { perDay: index % 4, height: 0.3 },
        batches: index % 3 === 0 ? [{ at: 7200, duration: 3600, cores: 3 }] : [],
        memory: { base: 4 * GiB, perCore: 0.5 * GiB },
      },
    ],
    releases: [],
    campaigns: [],
    outages: [],
  };
}

/** Demand of the courses from bin to bin, by component; the same for every process that asks. */
function coursesOver(from: EpochSeconds, to: EpochSeconds): { cpu: number[]; memory: number[] }[] {
  return Array.from({ length: COURSES }, (_, index) => {
    const generated = generateDemand({ profile: courseOf(index), seed: index, from, to, step: STEP });
    const of = (component: string): number[] =>
      generated.find((one) => one.component === component)?.samples.map(({ value }) => value) ?? [];
    return { cpu: of('cpu'), memory: of('memory') };
  });
}

/** Mode `recommend`: every cycle decides and holds. */
const policyOf = (account: string): AccountPolicy =>
  accountFileSchema.parse({
    version: 'headroom/v1',
    account,
    mode: 'recommend',
    ownership: 'own',
    cluster: CLUSTER,
    timeZone: 'Europe/Berlin',
    currency: 'EUR',
    history: '14d',
    budget: { perHour: 20 },
    workloads: [
      {
        name: WORKLOAD,
        components: {
          cpu: { request: 1, grid: [0.5, 1, 2], utilization: 0.9 },
          memory: { request: '2Gi', grid: ['1Gi', '2Gi', '4Gi'] },
        },
        replicas: { min: 2, max: 40 },
        leadTime: '2m',
      },
    ],
    pools: [{ name: poolOf(account), pricePerHour: 0.4, node: { cpu: 8, memory: '32Gi' }, min: 1, max: 40 }],
  });

const poolOf = (account: string): string => `pool-${account}`;

/** The past of each account in turn, as `import csv` would write it. */
export function* histories(accounts: readonly BenchAccount[]): Generator<UsageBatch[]> {
  const courses = coursesOver(START - HISTORY, START);
  for (const { policy, course, size } of accounts) {
    yield (['cpu', 'memory'] as const).map((component) => ({
      key: { account: policy.account, workload: WORKLOAD, component },
      samples: (courses[course]?.[component] ?? []).map((value, index) => ({
        at: START - HISTORY + index * STEP,
        value: value * size,
      })),
    }));
  }
}

/** A cluster that all of them run on, each on a pool of its own. */
export function benchCluster(accounts: readonly BenchAccount[]): EngineModel {
  const courses = coursesOver(START, START + AHEAD).map(({ cpu, memory }) => ({
    cpu: gridDemand({ start: START, step: STEP, values: cpu, repeat: true }),
    memory: gridDemand({ start: START, step: STEP, values: memory, repeat: true }),
  }));
  const demandOf =
    ({ course, size }: BenchAccount, component: 'cpu' | 'memory') =>
    (at: EpochSeconds): number =>
      size * (courses[course]?.[component](at) ?? Number.NaN);
  return {
    name: CLUSTER,
    seed: 1,
    tick: 60,
    start: START,
    pools: accounts.map(({ policy }) => ({
      name: poolOf(policy.account),
      node: { cpu: 8, memory: 32 * GiB },
      pricePerHour: 0.4,
      size: 'variable',
      nodes: 2,
      min: 1,
      max: 40,
      provision: { median: 60, spread: 0.2 },
      interruptionsPerHour: 0,
      owner: null,
    })),
    workloads: accounts.map((one) => ({
      account: one.policy.account,
      workload: WORKLOAD,
      replicas: 12,
      components: [
        { component: 'cpu', request: 1, demand: demandOf(one, 'cpu') },
        { component: 'memory', request: 2 * GiB, demand: demandOf(one, 'memory') },
      ],
      hpa: null,
      owners: { replicas: null, request: null, floor: null },
      podStart: { median: 20, spread: 0.2 },
      service: { latency: 0.05, timeout: 5, errorRate: 0.001 },
      pools: [poolOf(one.policy.account)],
    })),
    faults: [],
  };
}
