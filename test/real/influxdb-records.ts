import type { AccountForecast } from '../../src/domain/forecast.js';
import type { ChangeOutcome, Plan } from '../../src/domain/plan.js';
import type { StoredRecord } from '../../src/telemetry/port.js';

/* Records as the loop leaves them, small. */

const STEP = 300;

/** Three bins from `at` on, each with the same median. */
export function forecastRecord(account: string, at: number, median: number): StoredRecord {
  const id = `forecast/${account}/${at}`;
  const body: AccountForecast = {
    id,
    account,
    snapshotId: 'snap',
    at,
    series: [
      {
        workload: 'web',
        component: 'cpu',
        resolutions: [
          {
            origin: at - STEP,
            step: STEP,
            levels: [0.5, 0.95],
            quantiles: Array.from({ length: 3 }, () => [median, median + 1]),
            weights: { persistence: 1 },
          },
        ],
        gate: { open: true, level: 0.95, scored: 12, misses: 0, coverage: 1 },
        data: 'fresh',
      },
    ],
    missing: [],
  };
  return { kind: 'forecast', id, account, at, body };
}

export function planRecord(account: string, at: number, { replicas }: { replicas: number }): StoredRecord {
  const id = `plan/${account}/${at}`;
  const body: Plan = {
    id,
    account,
    at,
    snapshotId: 'snap',
    forecastId: `forecast/${account}/${at}`,
    verdict: { kind: 'hold', reason: 'steady', detail: 'as wanted' },
    fields: [],
    blocks: [
      {
        from: at,
        to: at + STEP,
        workloads: [{ workload: 'web', replicas, request: { cpu: 1 }, pools: { general: replicas }, shortfall: {} }],
        nodes: { general: 1 },
        costPerHour: 0.4,
      },
    ],
    placements: [],
    reasons: [
      {
        number: 'web.replicas',
        from: at,
        to: at + STEP,
        value: replicas,
        unit: 'replicas',
        binding: { constraint: 'demand', words: 'demand', pricePerHour: 0.1, unit: 'core' },
        rejected: [],
      },
    ],
    conflict: null,
    costPerHour: 0.4,
    currency: 'EUR',
    solver: { iterations: 1, objective: 0.4, gap: 0, warm: true, status: 'optimal' },
  };
  return { kind: 'plan', id, account, at, body };
}

export function outcomeRecord(account: string, at: number, changeId: string): StoredRecord {
  const body: ChangeOutcome = {
    changeId,
    planId: 'plan',
    result: 'kept',
    detail: 'the checks held',
    startedAt: at - 120,
    endedAt: at,
    leadTime: 60,
    applied: 1,
    checks: [{ workload: 'web', metric: 'latency_p99', value: 0.1, limit: 0.3, passed: true }],
    restored: true,
  };
  return { kind: 'outcome', id: changeId, account, at, body };
}
