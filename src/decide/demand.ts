import type { DemandBlocks } from '../allocate/problem.js';
import { guardFloor, reactiveCapacity, type GuardInput } from '../allocate/guard.js';
import type { AccountPolicy } from '../domain/account.js';
import type { ClusterState } from '../domain/cluster.js';
import type { Component } from '../domain/component.js';
import { levelOf } from '../domain/policy-rules.js';
import type { AllocationRequest, KnownBins } from './port.js';

/*
 * What the plan has to cover, forecast and guard together. The guard lies beneath every forecast, and stands alone
 * where there is none or where its gate is closed.
 */

export interface CoveredDemand {
  demand: DemandBlocks[];
  /** Series that the guard decides, and why. */
  guarded: { workload: string; component: Component; reason: string; closed: boolean }[];
}

/**
 * @param forecast demand by block from the forecast; empty where there is none.
 * @param blocks how many blocks the plan has.
 */
export function coverDemand(request: AllocationRequest, forecast: DemandBlocks[], blocks: number): CoveredDemand {
  const demand: DemandBlocks[] = [];
  const guarded: CoveredDemand['guarded'] = [];
  for (const workload of request.policy.workloads) {
    for (const component of Object.keys(workload.components) as Component[]) {
      const known = forecast.find((one) => one.workload === workload.name && one.component === component);
      const gate = request.forecast?.series.find(
        (one) => one.workload === workload.name && one.component === component,
      )?.gate;
      const input = guardInput(request, workload.name, component);
      if (known !== undefined && gate?.open !== false) {
        const { floor, state, reason } = guardFloor(input);
        const first = known.blocks[0];
        if (first !== undefined && floor > first.atLevel && state !== 'blind') {
          guarded.push({ workload: workload.name, component, reason, closed: false });
          demand.push(raised(known, floor));
        } else demand.push(known);
        continue;
      }
      // No forecast, or one that is not to be trusted: what was used of late, with room above it.
      const capacity = reactiveCapacity(input);
      if (!Number.isFinite(capacity)) continue; // Nothing was ever known: the allocation leaves it as it is.
      guarded.push({
        workload: workload.name,
        component,
        reason: gate?.reason ?? 'there is no forecast; the recent peak with room above it',
        closed: true,
      });
      const level = levelOf(request.policy, workload, component);
      const block = { lower: capacity, median: capacity, atLevel: capacity, far: capacity };
      demand.push({
        workload: workload.name,
        component,
        level,
        farLevel: Math.max(0.999, level),
        blocks: Array.from({ length: blocks }, () => block),
      });
    }
  }
  return { demand, guarded };
}

/** Blocks of the next while that a floor lifts: beyond them the forecast has its say again. */
const LIFTED_BLOCKS = 3;

function raised(known: DemandBlocks, floor: number): DemandBlocks {
  return {
    ...known,
    blocks: known.blocks.map((block, index) =>
      index < LIFTED_BLOCKS && block.atLevel < floor
        ? { ...block, atLevel: floor, far: Math.max(block.far, floor) }
        : block,
    ),
  };
}

function guardInput(request: AllocationRequest, workload: string, component: Component): GuardInput {
  const recent = request.recent.find((one) => one.workload === workload && one.component === component);
  const { ready, asked } = capacities(request.state, request.policy, workload, component);
  const usage = lastBins(recent);
  return {
    usage: usage.values,
    throttled: usage.throttled,
    capacity: usage.values.map(() => ready),
    asked,
    bounds: boundsOf(request.policy, workload, component),
  };
}

/** The guard looks at the last quarter of an hour, at least three bins. */
const GUARD_SECONDS = 900;

function lastBins(recent: KnownBins | undefined): { values: number[]; throttled: number[] } {
  if (recent === undefined) return { values: [], throttled: [] };
  const count = Math.max(3, Math.ceil(GUARD_SECONDS / recent.series.step));
  return {
    values: [...recent.series.values].slice(-count),
    throttled: [...recent.series.censored].slice(-count),
  };
}

function capacities(
  state: ClusterState,
  policy: AccountPolicy,
  workload: string,
  component: Component,
): { ready: number; asked: number } {
  const found = state.workloads.find((one) => one.workload === workload);
  const request =
    found?.request[component] ?? policy.workloads.find((one) => one.name === workload)?.components[component]?.request;
  if (found === undefined || !found.exists || request === undefined) return { ready: Number.NaN, asked: Number.NaN };
  return { ready: found.readyReplicas * request, asked: found.replicas * request };
}

function boundsOf(policy: AccountPolicy, name: string, component: Component): { min: number; max: number } {
  const workload = policy.workloads.find((one) => one.name === name);
  const settings = workload?.components[component];
  if (workload === undefined || settings === undefined) return { min: 0, max: Number.POSITIVE_INFINITY };
  const sizes = [settings.request, ...(settings.grid ?? [])];
  return { min: 0, max: workload.replicas.max * Math.max(...sizes) };
}
