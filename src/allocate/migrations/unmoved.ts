import { poolProblems } from '../../domain/choose-pool.js';
import type { MigrationProposal, Unmoved } from '../../domain/migration-proposal.js';
import { isSound, type ProposeInput } from './candidates.js';

/* Why a plan proposes no migration of a workload. By what the plan was given alone: nothing is solved for it. */

/**
 * Of each workload that `proposed` has not, what keeps it where it is; nothing for an account with one pool, which says it all.
 * @param halt why nothing of the account is weighed now; null where it is.
 */
export function unmovedBut(
  proposed: readonly Pick<MigrationProposal, 'workload'>[],
  { input, plan, distrusted }: Omit<ProposeInput, 'basis'>,
  halt: string | null,
): Unmoved[] {
  const { policy, state } = input;
  if (policy.pools.length < 2) return [];
  const all =
    policy.migrations === 'never'
      ? 'the account file says migrations: never'
      : (halt ??
        (isSound(plan)
          ? null
          : 'the plan could not keep its limits, and says nothing about what another pool would be worth'));
  const moving = new Set(proposed.map(({ workload }) => workload));
  const seen = new Map(state.workloads.map((one) => [one.workload, one]));
  return policy.workloads.flatMap((workload): Unmoved[] => {
    const { name } = workload;
    if (moving.has(name)) return [];
    return [{ workload: name, why: all ?? whyNot(workload) }];
  });

  function whyNot(workload: (typeof policy.workloads)[number]): string {
    const { name, pools, mayMoveTo } = workload;
    const own = seen.get(name);
    if (own === undefined || !own.exists) return 'the cluster shows no such workload';
    const on = Object.entries(own.placed ?? {}).filter(([, count]) => count > 0);
    if (on.length > 1) {
      const places = on.map(([pool, count]) => `${count} on ${pool}`).join(', ');
      return `its replicas are on several pools (${places}), and a migration is from one`;
    }
    const from = on[0]?.[0] ?? (pools?.length === 1 ? pools[0] : undefined);
    if (from === undefined) {
      return 'nobody knows which pool it runs on: no replica of it is seen on one, and it may run on several';
    }
    if (!policy.pools.some((pool) => pool.name === from))
      return `it runs on ${from}, which the account file does not have`;
    if (pools?.includes(from) === false) {
      return `it runs on ${from}, and the account file lets it run on ${pools.join(', ')} alone, where plans count it: correct its pools there, or migrate it`;
    }
    if (distrusted.has(name)) return 'its forecast is not acted on now';
    const allowed = mayMoveTo ?? pools;
    const others = policy.pools.filter(
      (pool) => pool.name !== from && (allowed === undefined || allowed.includes(pool.name)),
    );
    if (others.length === 0) return `it may go to no pool but ${from}: name others in its mayMoveTo`;
    const able = others.filter((pool) => poolProblems(policy, workload, pool.name).length === 0);
    const names = others.map((pool) => pool.name).join(', ');
    return able.length === 0
      ? `it cannot go to ${names}: ${poolProblems(policy, workload, others[0]?.name ?? '').join('; ')}`
      : `by this plan ${names} would not save enough: more than hysteresis (${policy.hysteresis}) of what it costs on ${from}, and what moving it costs`;
  }
}
