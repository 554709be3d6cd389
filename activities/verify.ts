import { setTimeout as delay } from 'node:timers/promises';
import { heartbeat } from '@temporalio/activity';
import { isCapacity, type ClusterState, type FieldTarget, type WorkloadState } from '../src/domain/cluster.js';
import type { CheckResult } from '../src/domain/plan.js';
import { simulatedNow, wallMilliseconds, type EpochSeconds } from '../src/domain/time.js';
import type { Dependencies } from './dependencies.js';
import { translated } from './failures.js';
import { observeRequest, type Policies } from './policies.js';
import type { Activities } from './types.js';

/** Between two looks at readiness: often against the wait, seldom against the API server. */
const LOOK_EVERY_SECONDS = 15;
const LOOK_AT_LEAST_MS = 100;

/** Waits until what was asked for is ready, and measures how long that took: the lead time. */
export function createAwaitReady(deps: Dependencies, policies: Policies): Pick<Activities, 'awaitReady'> {
  return {
    awaitReady: (input) =>
      translated(async (signal) => {
        const policy = await policies.get(input.policyId);
        const started = simulatedNow(input.scale, Date.now());
        const pause = Math.max(LOOK_AT_LEAST_MS, wallMilliseconds(input.scale, LOOK_EVERY_SECONDS));
        let first = true;
        for (;;) {
          // The first look has to see the change itself, whichever worker wrote it; the watches tell the rest.
          const state = await deps
            .cluster(policy.cluster)
            .observe(observeRequest(policy, first ? input.targets : []), signal);
          first = false;
          const waited = Math.round(simulatedNow(input.scale, Date.now()) - started);
          const unready = input.targets.flatMap((target) => unreadiness(state, target));
          if (unready.length === 0) return { ready: true, waited, detail: 'ready' };
          if (waited >= input.limit) return { ready: false, waited, detail: unready.join('; ') };
          heartbeat(unready);
          await delay(pause, undefined, { signal });
        }
      }),
  };
}

/** What of a target is not there yet, in words. */
function unreadiness(state: ClusterState, target: FieldTarget): string[] {
  if (target.field === 'nodes' || target.field === 'warm') return unreadyPool(state, target);
  // Bounds, an order, a task's time and what was prepared hold as soon as they are written.
  if (!isCapacity(target)) return [];
  const workload = state.workloads.find((candidate) => candidate.workload === target.workload);
  if (workload === undefined || !workload.exists) return [`${target.workload} is gone`];
  const wanted = target.field === 'request' ? workload.replicas : target.value;
  if (workload.readyReplicas < wanted) {
    return [`${target.workload}: ${workload.readyReplicas} of ${wanted} replicas ready${why(workload)}`];
  }
  // As many as before may be ready while all of them still have the size that they had.
  return target.field === 'request' && workload.rollout !== undefined
    ? [`${target.workload}: ${workload.rollout}${why(workload)}`]
    : [];
}

/** ` (2 pods unschedulable: 0/3 nodes are available: …)`: what the cluster says of pods that are not ready. */
function why({ troubles = [] }: WorkloadState): string {
  if (troubles.length === 0) return '';
  const words = troubles.map(
    ({ reason, pods, words: said }) => `${pods} ${pods === 1 ? 'pod' : 'pods'} ${reason}: ${said}`,
  );
  return ` (${words.join('; ')})`;
}

function unreadyPool(state: ClusterState, target: Extract<FieldTarget, { field: 'nodes' | 'warm' }>): string[] {
  const pool = state.pools.find((candidate) => candidate.pool === target.pool);
  const nodes = pool?.readyNodes ?? 0;
  if (target.field === 'nodes') {
    return nodes >= target.value ? [] : [`pool ${target.pool}: ${nodes} of ${target.value} nodes ready`];
  }
  const warm = pool?.warm?.ready ?? 0;
  // Room that pods have moved into meanwhile was there in time.
  const enough = warm >= target.value || (target.nodes !== undefined && nodes >= target.nodes);
  if (enough) return [];
  const trouble = pool?.warm?.trouble;
  const words = `pool ${target.pool}: ${warm} of ${target.value} placeholders placed, ${nodes} nodes ready`;
  return [trouble === undefined ? words : `${words}: ${trouble}`];
}

/** A metric that was beyond its limit before may be so much worse after, relatively, and still not be the change's doing. */
const NO_WORSE = 1.05;

/**
 * Reads the checks of the workloads that a change touched. What cannot be read is null, which is no pass. A limit that
 * was broken before the change, and is no worse after it, is not held against the change: to take back a raise in the
 * middle of a burst would only leave less.
 */
export function createVerify(deps: Dependencies, policies: Policies): Pick<Activities, 'verify'> {
  return {
    verify: (input) =>
      translated(async (signal) => {
        const policy = await policies.get(input.policyId);
        const touched = new Set(input.targets.flatMap((target) => ('workload' in target ? [target.workload] : [])));
        const read = async (workload: string, metric: string, from: EpochSeconds, to: EpochSeconds) => {
          try {
            return await deps.source.readMetric({ account: policy.account, workload, metric, from, to }, signal);
          } catch (error) {
            if (signal.aborted) throw error;
            return null;
          }
        };
        const checks: CheckResult[] = [];
        for (const workload of policy.workloads) {
          if (!touched.has(workload.name)) continue;
          const { checks: wanted } = workload.verification ?? policy.verification;
          for (const { metric, max } of wanted) {
            const value = await read(workload.name, metric, input.from, input.to);
            const check = { workload: workload.name, metric, value, limit: max };
            if (value === null || value <= max) checks.push({ ...check, passed: value !== null });
            else {
              const length = Math.max(60, input.to - input.from);
              const before = await read(workload.name, metric, input.began - length, input.began);
              checks.push({ ...check, before, passed: before !== null && before > max && value <= before * NO_WORSE });
            }
          }
        }
        return { checks };
      }),
  };
}
