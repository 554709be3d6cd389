import { decideCapacity, type DecidedCapacity, type Evidence } from '../allocate/capacity.js';
import type { GuardInput } from '../allocate/guard.js';
import type { DemandBlocks } from '../allocate/problem.js';
import type { AccountPolicy } from '../domain/account.js';
import type { ClusterState } from '../domain/cluster.js';
import type { Component } from '../domain/component.js';
import { levelOf } from '../domain/policy-rules.js';
import { binLabel } from '../domain/series.js';
import type { EpochSeconds } from '../domain/time.js';
import type { AllocationRequest } from './port.js';

/*
 * What the plan has to cover, forecast and guard together, by the rule that replay runs: `decideCapacity`. The guard lies
 * beneath every forecast, and stands alone where there is none or where its gate is closed.
 */

export interface CoveredDemand {
  demand: DemandBlocks[];
  /** Series that the guard decides, and why. */
  guarded: { workload: string; component: Component; reason: string; closed: boolean }[];
}

/** Ready capacity over a past bin, as cycles saw it; NaN where none did. */
export type CapacityDuring = (workload: string, component: Component, label: EpochSeconds, step: number) => number;

/** The ceiling is on the forecast already (evidence.ts), beneath announced events, which may well go beyond it. */
const BOUNDED: Evidence = { peak: Number.NaN, bins: 0 };

export interface DemandToCover {
  /** By block of the plan, bounded by the evidence; empty where there is no forecast. */
  forecast: readonly DemandBlocks[];
  /** The highest until the first block begins: in one block, or empty where that begins at once. */
  until: readonly DemandBlocks[];
  /** How many blocks the plan has. */
  blocks: number;
  during: CapacityDuring;
}

/**
 * What to cover in each block. What is lowered goes at once, what is raised comes a lead later: so the first block keeps
 * what the bins before it still need of the capacity that is there.
 */
export function coverDemand(request: AllocationRequest, cover: DemandToCover): CoveredDemand {
  const demand: DemandBlocks[] = [];
  const guarded: CoveredDemand['guarded'] = [];
  for (const workload of request.policy.workloads) {
    for (const component of Object.keys(workload.components) as Component[]) {
      const same = (one: { workload: string; component: Component }) =>
        one.workload === workload.name && one.component === component;
      const known = cover.forecast.find(same);
      const gate = request.forecast?.series.find(same)?.gate;
      const level = known?.level ?? levelOf(request.policy, workload, component);
      const { guard, most } = guardInput(request, workload.name, component, cover.during);
      const decide = (quantile: number | null): DecidedCapacity => {
        const decided = decideCapacity({
          quantile,
          gateOpen: gate?.open !== false,
          level,
          evidence: BOUNDED,
          guard,
        });
        // What usage alone asks for ends at the policy's maximum; what the forecast asks for is the allocation's to refuse.
        return { ...decided, capacity: Math.min(decided.capacity, Math.max(most, quantile ?? 0)) };
      };
      const first = decide(known?.blocks[0]?.atLevel ?? null);
      if (!Number.isFinite(first.capacity)) continue; // Nothing was ever known: the allocation leaves it as it is.
      const usable = guard.asked * (workload.components[component]?.utilization ?? 1);
      const before = cover.until.find(same)?.blocks[0]?.atLevel ?? 0;
      const standing = Number.isNaN(usable) ? 0 : Math.min(before, usable);
      const closed = known === undefined || gate?.open === false;
      if (first.by !== 'forecast' && (closed || first.by !== 'hold')) {
        guarded.push({ workload: workload.name, component, reason: gate?.reason ?? first.reason, closed });
      }
      demand.push(
        known === undefined
          ? flat(workload.name, component, level, first.capacity, cover.blocks)
          : raised(known, closed, Math.max(first.capacity, standing), (quantile) => decide(quantile).capacity),
      );
    }
  }
  return { demand, guarded };
}

function flat(workload: string, component: Component, level: number, capacity: number, blocks: number): DemandBlocks {
  const block = { lower: capacity, median: capacity, atLevel: capacity, far: capacity };
  return {
    workload,
    component,
    level,
    farLevel: Math.max(0.999, level),
    blocks: Array.from({ length: blocks }, () => block),
  };
}

/** Blocks of the next while that a floor lifts: beyond them the forecast has its say again. */
const LIFTED_BLOCKS = 3;

/** While the gate is closed the forecast has no say in how low any block may be. */
function raised(
  known: DemandBlocks,
  closed: boolean,
  first: number,
  capacityFor: (quantile: number) => number,
): DemandBlocks {
  return {
    ...known,
    blocks: known.blocks.map((block, index) => {
      if (!closed && index >= LIFTED_BLOCKS) return block;
      const capacity = index === 0 ? first : capacityFor(block.atLevel);
      return capacity > block.atLevel ? { ...block, atLevel: capacity, far: Math.max(block.far, capacity) } : block;
    }),
  };
}

/** The guard looks at the last quarter of an hour. */
const GUARD_SECONDS = 900;

function guardInput(
  request: AllocationRequest,
  workload: string,
  component: Component,
  during: CapacityDuring,
): { guard: GuardInput; most: number } {
  const recent = request.recent.find((one) => one.workload === workload && one.component === component)?.series;
  const length = recent?.values.length ?? 0;
  const count = Math.min(length, Math.max(1, Math.round(GUARD_SECONDS / request.policy.step)));
  const from = length - count;
  return {
    guard: {
      usage: recent?.values.slice(from) ?? [],
      throttled: recent?.censored.slice(from) ?? [],
      capacity: Array.from({ length: count }, (_, index) =>
        recent === undefined ? Number.NaN : during(workload, component, binLabel(recent, from + index), recent.step),
      ),
      asked: askedCapacity(request.state, workload, component),
      bounds: { min: 0, max: Number.POSITIVE_INFINITY },
    },
    most: mostCapacity(request.policy, workload, component),
  };
}

function askedCapacity(state: ClusterState, workload: string, component: Component): number {
  const found = state.workloads.find((one) => one.workload === workload);
  const request = found?.request[component];
  return found === undefined || !found.exists || request === undefined ? Number.NaN : found.replicas * request;
}

function mostCapacity(policy: AccountPolicy, name: string, component: Component): number {
  const workload = policy.workloads.find((one) => one.name === name);
  const settings = workload?.components[component];
  if (workload === undefined || settings === undefined) return Number.POSITIVE_INFINITY;
  return workload.replicas.max * Math.max(settings.request, ...(settings.grid ?? []));
}
