import type { ClusterState } from '../src/domain/cluster.js';
import type { Component } from '../src/domain/component.js';
import type { AccountForecast } from '../src/domain/forecast.js';
import { binLabel, type Series } from '../src/domain/series.js';
import { binStart } from '../src/domain/time.js';
import type { Dependencies } from './dependencies.js';
import { translated } from './failures.js';
import type { Policies } from './policies.js';
import type { Activities } from './types.js';

/** The road not taken, scored on the same bins: an HPA at this target, acting on the bin before. */
const REACTIVE_TARGET = 0.7;

/**
 * Scores what was in force against what came: capacity and violations of the newly known bins, beside those of a
 * reactive scaler. Capacity and demand are summed relative to each series' own demand, so that components add up.
 */
export function createLearn(deps: Dependencies, policies: Policies): Pick<Activities, 'learn'> {
  return {
    learn: (input) =>
      translated(async (signal) => {
        const policy = await policies.get(input.policyId);
        const end = binStart(input.at, policy.step);
        const from = binStart(input.scoredTo, policy.step);
        // One bin more: the reactive scaler acts on the bin before.
        const window = await deps.store.readSnapshot(input.snapshotId, signal, from - policy.step);
        const total = { bins: 0, violations: 0, capacity: 0, demand: 0, reactive: { capacity: 0, violations: 0 } };
        for (const { workload, component, series } of window.series) {
          const capacity = capacityOf(input.state, workload, component);
          if (capacity === null) continue;
          scoreSeries(series, from, capacity, total);
        }
        const record = await deps.store.getRecord('forecast', input.forecastId);
        const forecast = record === null ? null : (record.body as AccountForecast);
        return {
          scoredTo: end,
          ...total,
          coverage: (forecast?.series ?? []).map(({ workload, component, gate }) => ({
            workload,
            component,
            level: gate.level,
            coverage: gate.coverage,
            scored: gate.scored,
          })),
        };
      }),
  };
}

interface Total {
  bins: number;
  violations: number;
  capacity: number;
  demand: number;
  reactive: { capacity: number; violations: number };
}

function scoreSeries(series: Series, from: number, capacity: number, total: Total): void {
  for (let index = 1; index < series.values.length; index++) {
    if (binLabel(series, index) < from) continue;
    const used = series.values[index] ?? Number.NaN;
    const before = series.values[index - 1] ?? Number.NaN;
    // A missing bin is not scored: neither as met nor as missed.
    if (Number.isNaN(used) || Number.isNaN(before) || used <= 0) continue;
    const reactive = before / REACTIVE_TARGET;
    total.bins += 1;
    total.demand += 1;
    total.capacity += capacity / used;
    total.reactive.capacity += reactive / used;
    if (used > capacity || series.censored[index] === 1) total.violations += 1;
    if (used > reactive) total.reactive.violations += 1;
  }
}

/** Ready capacity of a workload, in the component's unit; null where it is not known. */
export function capacityOf(state: ClusterState, workload: string, component: Component): number | null {
  const found = state.workloads.find((candidate) => candidate.workload === workload);
  const request = found?.request[component];
  return found === undefined || request === undefined ? null : found.readyReplicas * request;
}
