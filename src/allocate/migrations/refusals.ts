import { poolProblems } from '../../domain/choose-pool.js';
import { COMPONENTS } from '../../domain/component.js';
import { MIGRATION_DEFAULTS } from '../../domain/migration.js';
import type { Plan } from '../../domain/plan.js';
import { formatDuration } from '../../domain/time.js';
import { blackoutAt } from '../blackout.js';
import { budgetWords } from '../constraints/budget.js';
import { grantOf, grantWords } from '../constraints/grant.js';
import { quotasOf } from '../constraints/quota.js';
import type { Prepared, PreparedPool, PreparedWorkload } from '../prepare.js';

/** Between two looks for a blackout while it lasts, seconds. */
const BLACKOUT_LOOK = 300;

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
  const { name } = workload.policy;
  // What runs is what would be moved, whatever size the file names.
  const running = workload.options[workload.reference]?.request;
  const refusals = poolProblems(policy, workload.policy, to.policy.name, running);
  const shared: [share: number, words: string][] =
    to.policy.capacityType === 'spot'
      ? [
          [policy.spotMaxShare, 'spotMaxShare'],
          [policy.spotMarketMaxShare ?? 1, 'spotMarketMaxShare'],
        ]
      : [];
  for (const [share, field] of shared) {
    if (share >= 1) continue;
    refusals.push(
      `at most ${Math.round(share * 100)} % of ${name} may be there (${field}), and a migration moves all of it; give it both pools in the account file instead`,
    );
  }
  const survive = workload.policy.surviveZone ?? policy.surviveZone ?? 0;
  if (survive > 0 && workload.pools.length > 1) {
    refusals.push(
      `${Math.round(survive * 100)} % of ${name} have to survive the loss of a zone, and a migration puts all of it on one pool; leave it where it is, or set its surviveZone: 0`,
    );
  }
  const takes = takesFor(prepared, workload, to);
  for (let at = input.at; at <= input.at + takes; at += BLACKOUT_LOOK) {
    const blackout = blackoutAt(policy, at);
    if (blackout === null) continue;
    const words = `blackout ${blackout.name} falls into the ${formatDuration(takes)} that it takes (${blackout.reason})`;
    refusals.push(`${words}; it is weighed again after that`);
    break;
  }
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
  if (prepared.budget !== null && bill > prepared.budget * (1 + 1e-9)) {
    refusals.push(
      `${both} it would cost ${Number(bill.toPrecision(4))} an hour, over the ${budgetWords(prepared.budget, prepared.currency)}; raise the budget for that time`,
    );
  }
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
export function takesFor(prepared: Prepared, workload: PreparedWorkload, to: PreparedPool): number {
  const { steps, stepFor } = MIGRATION_DEFAULTS;
  const verification = workload.policy.verification ?? prepared.input.policy.verification;
  const ready = Math.max(workload.policy.leadTime, to.variable ? to.policy.leadTime + workload.policy.leadTime : 0);
  return ready + steps.length * stepFor + verification.for;
}
