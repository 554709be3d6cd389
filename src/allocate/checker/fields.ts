import { report, subjectOf, type Check } from './facts.js';

/** What would be written now is what the first block says, or nearer to what is there; never beyond a hard limit. */
export function checkFields(check: Check): void {
  const { facts, plan } = check;
  const first = plan.blocks[0];
  if (first === undefined) return;
  check.checked.add('fields');
  for (const { target, seen } of plan.fields) {
    if (target.field === 'replicas' || target.field === 'floor') {
      const policy = facts.policy.workloads.find((one) => one.name === target.workload);
      const planned = check.planned[0]?.get(target.workload)?.replicas;
      if (policy === undefined || planned === undefined) {
        report(check, 'fields', first, `${target.workload} is written and not planned`);
        continue;
      }
      const { max, override } = subjectOf(check, policy);
      const low = Math.min(planned, seen.value);
      const high = Math.max(planned, seen.value);
      if (target.value < low || target.value > high)
        report(check, 'fields', first, `${target.workload}: ${target.value} is written, ${planned} are planned`);
      if (target.value > max && target.value > seen.value)
        report(check, 'maximum', first, `${target.workload}: ${target.value} is written, at most ${max}`);
      const least = Math.min(policy.replicas.min, override ?? policy.replicas.min, seen.value);
      if (target.value < least)
        report(check, 'fields', first, `${target.workload}: ${target.value} is written, at least ${least}`);
    } else if (target.field === 'request') {
      const planned = check.planned[0]?.get(target.workload)?.request[target.component];
      if (planned !== target.value)
        report(check, 'fields', first, `${target.workload}: a size is written that is not planned`);
    } else if (target.field === 'nodes') {
      const pool = facts.policy.pools.find((one) => one.name === target.pool);
      if (pool === undefined || (target.value > pool.max && target.value > seen.value))
        report(check, 'pool-maximum', first, `pool ${target.pool}: ${target.value} nodes are written`);
    }
  }
}
