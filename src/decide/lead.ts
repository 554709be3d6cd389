import type { AccountPolicy, WorkloadPolicy } from '../domain/account.js';

/**
 * Seconds from a decision to capacity that an account can count on: of its slowest workload, as measured or first
 * guessed, and never less than a node of the quickest pool that it may grow on takes. Measurements alone run low where
 * nodes stood ready, or where capacity was only lowered; a plan for a bin that no new node can reach is no plan.
 */
export const planLead = (policy: AccountPolicy, measured: Readonly<Record<string, number>>): number =>
  Math.max(
    0,
    ...policy.workloads.map((workload) =>
      Math.max(measured[workload.name] ?? workload.leadTime, quickestNode(policy, workload)),
    ),
  );

/** 0 where a pool of fixed size is allowed: nodes of it are there already. */
function quickestNode(policy: AccountPolicy, workload: WorkloadPolicy): number {
  const allowed = policy.pools.filter((pool) => workload.pools === undefined || workload.pools.includes(pool.name));
  return allowed.length === 0 ? 0 : Math.min(...allowed.map((pool) => (pool.size === 'variable' ? pool.leadTime : 0)));
}
