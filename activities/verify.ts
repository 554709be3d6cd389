import { setTimeout as delay } from 'node:timers/promises';
import { heartbeat } from '@temporalio/activity';
import type { ClusterState, FieldTarget } from '../src/domain/cluster.js';
import type { CheckResult } from '../src/domain/plan.js';
import { simulatedNow, wallMilliseconds } from '../src/domain/time.js';
import type { Dependencies } from './dependencies.js';
import { translated } from './failures.js';
import { targetsOf, type Policies } from './policies.js';
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
        for (;;) {
          const state = await deps
            .cluster(policy.cluster)
            .observe(
              { account: policy.account, workloads: targetsOf(policy), pools: policy.pools.map((pool) => pool.name) },
              signal,
            );
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
  if (target.field === 'nodes') {
    const pool = state.pools.find((candidate) => candidate.pool === target.pool);
    const ready = pool?.readyNodes ?? 0;
    return ready >= target.value ? [] : [`pool ${target.pool}: ${ready} of ${target.value} nodes ready`];
  }
  const workload = state.workloads.find((candidate) => candidate.workload === target.workload);
  if (workload === undefined || !workload.exists) return [`${target.workload} is gone`];
  const wanted = target.field === 'request' ? workload.replicas : target.value;
  return workload.readyReplicas >= wanted
    ? []
    : [`${target.workload}: ${workload.readyReplicas} of ${wanted} replicas ready`];
}

/** Reads the checks of the workloads that a change touched. What cannot be read is null, which is no pass. */
export function createVerify(deps: Dependencies, policies: Policies): Pick<Activities, 'verify'> {
  return {
    verify: (input) =>
      translated(async (signal) => {
        const policy = await policies.get(input.policyId);
        const touched = new Set(input.targets.flatMap((target) => ('workload' in target ? [target.workload] : [])));
        const checks: CheckResult[] = [];
        for (const workload of policy.workloads) {
          if (!touched.has(workload.name)) continue;
          const { checks: wanted } = workload.verification ?? policy.verification;
          for (const { metric, max } of wanted) {
            const value = await deps.source
              .readMetric(
                { account: policy.account, workload: workload.name, metric, from: input.from, to: input.to },
                signal,
              )
              .catch((error: unknown) => {
                if (signal.aborted) throw error;
                return null;
              });
            checks.push({ workload: workload.name, metric, value, limit: max, passed: value !== null && value <= max });
          }
        }
        return { checks };
      }),
  };
}
