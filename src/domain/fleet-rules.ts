import type { FleetPolicy } from './fleet.js';
import { reservationProblems } from './held.js';
import { notDefined } from './nearest.js';
import type { PolicyProblem } from './policy-rules.js';

/*
 * Rules over a whole fleet file. Types alone are imported, no schema library: the fleet workflow runs this to refuse an
 * update, and what a workflow runs is versioned by replay.
 */

/** Seconds: the fleet’s plan reaches no further. */
export const MOST_AHEAD = 86_400;

/** What a schema cannot say: contradictions between fields. */
export function fleetProblems(policy: FleetPolicy): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const say = (path: (string | number)[], problem: string) => problems.push({ path, problem });
  const pools = new Map<string, FleetPolicy['pools'][number]>();
  policy.pools.forEach((pool, index) => {
    if (pools.has(pool.name)) say(['pools', index, 'name'], `pool "${pool.name}" is named twice`);
    pools.set(pool.name, pool);
    if (pool.min > pool.max) say(['pools', index, 'min'], `minimum ${pool.min} is above maximum ${pool.max}`);
    if (pool.warm > pool.max) say(['pools', index, 'warm'], `${pool.warm} warm nodes are above maximum ${pool.max}`);
    const { provisioning } = pool;
    if (
      provisioning.kind === 'karpenter' &&
      provisioning.limit !== 'nodes' &&
      pool.node[provisioning.limit] === undefined
    )
      say(['pools', index, 'node'], `names no ${provisioning.limit}, which the NodePool’s limit is counted in`);
  });
  const members = new Set<string>();
  policy.accounts.forEach(({ account, placementPerHour = {} }, index) => {
    if (members.has(account)) say(['accounts', index, 'account'], `account "${account}" is named twice`);
    members.add(account);
    for (const pool of Object.keys(placementPerHour)) {
      if (!pools.has(pool)) {
        say(['accounts', index, 'placementPerHour', pool], notDefined('pool', pool, pools.keys()));
      }
    }
  });
  if (policy.cycle < 30) say(['cycle'], `a cycle of ${policy.cycle}s is shorter than 30s`);
  if (policy.step < 60) say(['step'], `a step of ${policy.step}s is shorter than a minute`);
  if (policy.horizon > MOST_AHEAD) {
    say(['horizon'], `of ${policy.horizon}s is above a day: the fleet plans a day ahead at most; write 24h or less`);
  }
  if (policy.horizon < policy.step) say(['horizon'], `is shorter than the step of ${policy.step}s`);
  if (policy.grantsFor < 2 * policy.cycle) {
    const problem = `of ${policy.grantsFor}s is shorter than two cycles of ${policy.cycle}s: one late cycle would let every grant expire`;
    say(['grantsFor'], problem);
  }
  if (policy.forgetAfter < policy.staleAfter) {
    say(['forgetAfter'], `of ${policy.forgetAfter}s is shorter than staleAfter of ${policy.staleAfter}s`);
  }
  policy.commitments?.terms.forEach((term, index) => {
    const at = ['commitments', 'terms', index];
    const pool = pools.get(term.pool);
    if (pool === undefined) say([...at, 'pool'], notDefined('pool', term.pool, pools.keys()));
    else if (pool.capacityType !== 'on-demand') {
      say([...at, 'pool'], `pool "${term.pool}" is ${pool.capacityType}: a commitment stands for on-demand nodes`);
    } else if (term.pricePerHour >= pool.pricePerHour) {
      const problem = `${term.pricePerHour} is not below the pool’s own price of ${pool.pricePerHour}: it would never pay`;
      say([...at, 'pricePerHour'], problem);
    }
    if (!(term.length > 0)) say([...at, 'length'], 'must be above 0');
  });
  problems.push(...reservationProblems(policy.reservations, policy.pools, { fixed: true }));
  return problems;
}
