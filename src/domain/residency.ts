import type { PoolPolicy, WorkloadPolicy } from './account.js';

/** Whether data of a workload may be on a pool. A pool that does not say where it is, is nowhere that is allowed. */
export function mayHold(
  { residency }: Pick<WorkloadPolicy, 'residency'>,
  { provider, region }: Pick<PoolPolicy, 'provider' | 'region'>,
): boolean {
  if (residency === undefined) return true;
  const { providers, regions } = residency;
  if (providers !== undefined && (provider === undefined || !providers.includes(provider))) return false;
  return regions === undefined || (region !== undefined && regions.includes(region));
}

/** `eu-1 of aws or gcp`: where a workload's data may be, in words. */
export function residencyWords({ residency }: Pick<WorkloadPolicy, 'residency'>): string {
  const regions = residency?.regions?.join(' or ');
  const providers = residency?.providers?.join(' or ');
  if (regions === undefined) return providers ?? 'anywhere';
  return providers === undefined ? regions : `${regions} of ${providers}`;
}
