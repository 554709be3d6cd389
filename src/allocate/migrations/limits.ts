import type { AccountPolicy, PoolPolicy, WorkloadPolicy } from '../../domain/account.js';
import { MIGRATION_DEFAULTS } from '../../domain/migration.js';
import { mayHold } from '../../domain/residency.js';
import { formatDuration, type EpochSeconds } from '../../domain/time.js';
import { blackoutAt } from '../blackout.js';
import { budgetWords } from '../constraints/budget.js';

/*
 * The account's own limits, which a pool may be against that could hold the workload: the same for a pool that a plan proposes
 * and for one that a person names. A person may go on all the same, knowing what it is against.
 */

/** What of the file's limits on places a migration breaks, since it moves all of a workload; each with its remedy. */
export function placeLimits(policy: AccountPolicy, workload: WorkloadPolicy, pool: PoolPolicy): string[] {
  const { name } = workload;
  const problems: string[] = [];
  const shared: [share: number, field: string][] =
    pool.capacityType === 'spot'
      ? [
          [policy.spotMaxShare, 'spotMaxShare'],
          [policy.spotMarketMaxShare ?? 1, 'spotMarketMaxShare'],
        ]
      : [];
  for (const [share, field] of shared) {
    if (share >= 1) continue;
    problems.push(
      `at most ${Math.round(share * 100)} % of ${name} may be there (${field}), and a migration moves all of it; give it both pools in the account file instead`,
    );
  }
  const survive = workload.surviveZone ?? policy.surviveZone ?? 0;
  const places = policy.pools.filter((one) => (workload.pools?.includes(one.name) ?? true) && mayHold(workload, one));
  if (survive > 0 && places.length > 1) {
    problems.push(
      `${Math.round(survive * 100)} % of ${name} have to survive the loss of a zone, and a migration puts all of it on one pool; leave it where it is, or set its surviveZone: 0`,
    );
  }
  return problems;
}

/** Between two looks for a blackout while it lasts, seconds. */
const BLACKOUT_LOOK = 300;

/** A blackout that falls into the time that a migration takes. @param takes seconds. */
export function blackoutLimit(policy: AccountPolicy, from: EpochSeconds, takes: number): string[] {
  for (let at = from; at <= from + takes; at += BLACKOUT_LOOK) {
    const blackout = blackoutAt(policy, at);
    if (blackout !== null)
      return [`blackout ${blackout.name} falls into the ${formatDuration(takes)} that it takes (${blackout.reason})`];
  }
  return [];
}

/** A budget that does not bear the workload twice. @param bill money per hour while both serve. */
export function budgetLimit({ budget, currency }: AccountPolicy, bill: number): string[] {
  if (budget === undefined || bill <= budget.perHour * (1 + 1e-9)) return [];
  return [
    `while both serve it would cost ${Number(bill.toPrecision(4))} an hour, over the ${budgetWords(budget.perHour, currency)}; raise the budget for that time`,
  ];
}

/** Seconds: the copy gets ready, traffic is led over in steps, what it does is verified. */
export function takesOn(policy: AccountPolicy, workload: WorkloadPolicy, pool: PoolPolicy): number {
  const { steps, stepFor } = MIGRATION_DEFAULTS;
  const verification = workload.verification ?? policy.verification;
  const nodes = pool.size === 'variable' ? pool.leadTime : 0;
  return workload.leadTime + nodes + steps.length * stepFor + verification.for;
}
