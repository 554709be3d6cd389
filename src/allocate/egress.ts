import type { AccountPolicy, PoolPolicy, WorkloadPolicy } from '../domain/account.js';

/**
 * Money per hour that one replica of a workload moves data for, on a pool: what it reads elsewhere, by the dearest fitting
 * price from there to the pool (`provider/region` before `provider`). It is part of what a place costs, and not of the
 * account's bill for capacity, nor of its budget.
 */
export function egressPrice(policy: AccountPolicy, workload: WorkloadPolicy, pool: PoolPolicy): number {
  let money = 0;
  for (const { at, gibPerReplicaHour } of workload.data ?? [])
    money += gibPerReplicaHour * pricePerGiB(policy, at, pool);
  return money;
}

/** Money for 2^30 bytes from one pool to another; nothing where a pool does not say where it is. */
export function gibBetween(policy: AccountPolicy, from: PoolPolicy, to: PoolPolicy): number {
  if (from.provider === undefined) return 0;
  return pricePerGiB(policy, from.region === undefined ? from.provider : `${from.provider}/${from.region}`, to);
}

/** Nothing within one place, and nothing where nobody says what it costs. */
function pricePerGiB(policy: AccountPolicy, from: string, pool: PoolPolicy): number {
  const { provider, region } = pool;
  if (provider === undefined) return 0;
  const here = region === undefined ? [provider] : [`${provider}/${region}`, provider];
  if (here.includes(from)) return 0;
  const there = [from, from.split('/')[0] ?? from];
  for (const source of there) {
    for (const target of here) {
      const prices = (policy.egress ?? []).filter((row) => row.from === source && row.to === target);
      if (prices.length > 0) return Math.max(...prices.map((row) => row.perGiB));
    }
  }
  return 0;
}
