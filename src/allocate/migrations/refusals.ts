import { poolProblems } from '../../domain/choose-pool.js';
import { COMPONENTS } from '../../domain/component.js';
import type { Plan } from '../../domain/plan.js';
import { grantOf, grantWords } from '../constraints/grant.js';
import { quotasOf } from '../constraints/quota.js';
import type { Prepared, PreparedPool, PreparedWorkload } from '../prepare.js';
import { blackoutLimit, budgetLimit, placeLimits, takesOn } from './limits.js';

/** Why it cannot be begun now, each with what to do about it. */
export function refusalsOf(
  prepared: Prepared,
  plan: Plan,
  workload: PreparedWorkload,
  to: PreparedPool,
  replicas: number,
): string[] {
  const { input } = prepared;
  const { policy } = input;
  // What runs is what would be moved, whatever size the file names.
  const running = workload.options[workload.reference]?.request;
  const refusals = poolProblems(policy, workload.policy, to.policy.name, running);
  refusals.push(...placeLimits(policy, workload.policy, to.policy));
  const [blackout] = blackoutLimit(policy, input.at, takesFor(prepared, workload, to));
  if (blackout !== undefined) refusals.push(`${blackout}; it is weighed again after that`);
  return [...refusals, ...noRoomForBoth(prepared, plan, workload, to, replicas)];
}

/** Limits that do not bear the workload twice for the time that both serve. */
function noRoomForBoth(
  prepared: Prepared,
  plan: Plan,
  workload: PreparedWorkload,
  to: PreparedPool,
  replicas: number,
): string[] {
  const refusals: string[] = [];
  const { name } = workload.policy;
  const option = workload.options[workload.reference];
  const both = 'while both serve';
  const bill = plan.costPerHour + replicas * (option?.price[to.index] ?? 0);
  refusals.push(...budgetLimit(prepared.input.policy, bill));
  const planned = new Map(plan.blocks[0]?.workloads.map((one) => [one.workload, one]));
  for (const component of COMPONENTS) {
    const most = grantOf(prepared, component, 0);
    if (most === null) continue;
    let asked = replicas * (option?.request[component] ?? 0);
    for (const one of planned.values()) asked += one.replicas * (one.request[component] ?? 0);
    if (asked <= most * (1 + 1e-9)) continue;
    refusals.push(`${both} it asks for more than ${grantWords(prepared, component) ?? ''}; raise its guaranteedShare`);
  }
  for (const quota of quotasOf(prepared)) {
    let used = replicas * quota.count(workload, workload.reference);
    for (const other of prepared.workloads) {
      used += (planned.get(other.policy.name)?.replicas ?? 0) * quota.count(other, other.reference);
    }
    if (used > quota.bound * (1 + 1e-9))
      refusals.push(`${both} ${name} is counted twice, and ${quota.words}; raise the quota for that time`);
  }
  return refusals;
}

/** Seconds: the copy gets ready, traffic is led over in steps, what it does is verified. */
export const takesFor = ({ input }: Prepared, workload: PreparedWorkload, to: PreparedPool): number =>
  takesOn(input.policy, workload.policy, to.policy);
