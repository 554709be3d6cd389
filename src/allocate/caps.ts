import type { PoolPolicy, WorkloadPolicy } from '../domain/account.js';
import type { AccountPolicy } from '../domain/account.js';

/** At most a share of a workload's replicas on some pools together: of spot, of one spot market, of one zone. */
export interface Cap {
  /** The constraint's name. */
  limit: 'spot-share' | 'spot-markets' | 'zones';
  /** Of the group in a conflict. */
  id: string;
  words: string;
  pools: ReadonlySet<number>;
  share: number;
  /** The share that was asked for, where this one gives more: caps that contradict each other; see reconcile.ts. */
  asked?: number;
  /** Whole replicas over the share that are allowed: of a zone, the one that cannot be split. */
  spare: 0 | 1;
}

/** Replicas that may be on a cap's pools, of so many in all. */
export const mostOn = ({ share, spare }: Cap, total: number): number =>
  spare === 1 ? Math.ceil(share * total - 1e-6) : Math.floor(share * total + 1e-6);

/** The same cap as it was asked for. */
export const asAsked = (cap: Cap): Cap => (cap.asked === undefined ? cap : { ...cap, share: cap.asked });

/** Of one market: what is taken away together. Spot nodes of a kind, in a zone of a provider. */
const marketOf = (pool: PoolPolicy): string => [pool.provider ?? '', pool.zone ?? '', pool.name].join('/');

/** The caps of a workload over the pools that it may use. Those that no choice of pools could break are left out. */
export function capsOf(
  policy: AccountPolicy,
  workload: WorkloadPolicy,
  pools: readonly { index: number; policy: PoolPolicy }[],
): Cap[] {
  const caps: Cap[] = [];
  const spot = pools.filter((pool) => pool.policy.capacityType === 'spot');
  const percent = (share: number): string => `${Math.round(share * 100)} %`;
  const { name } = workload;
  if (spot.length > 0 && policy.spotMaxShare < 1) {
    caps.push({
      ...{ limit: 'spot-share', id: `spot/${name}`, share: policy.spotMaxShare, spare: 0 },
      words: `at most ${percent(policy.spotMaxShare)} of ${name} on spot`,
      pools: new Set(spot.map((pool) => pool.index)),
    });
  }
  const market = policy.spotMarketMaxShare ?? 1;
  for (const one of market < Math.min(1, policy.spotMaxShare) ? spot : []) {
    caps.push({
      ...{ limit: 'spot-markets', id: `spot-market/${name}/${one.policy.name}`, share: market, spare: 0 },
      words: `at most ${percent(market)} of ${name} on the spot market ${marketOf(one.policy)}`,
      pools: new Set([one.index]),
    });
  }
  const survive = workload.surviveZone ?? policy.surviveZone ?? 0;
  const zones = grouped(pools.filter((pool) => pool.policy.max > 0));
  // Within one zone there is nothing to spread over, as where all others are lost (their pools may have no node); a pool that does not name its zone is taken to be in one of its own.
  for (const [zone, within] of survive > 0 && zones.size > 1 ? zones : []) {
    caps.push({
      ...{ limit: 'zones', id: `zone/${name}/${zone}`, share: 1 - survive, spare: 1 },
      words: `${percent(survive)} of ${name} survive the loss of zone ${zone}`,
      pools: new Set(within),
    });
  }
  return caps;
}

function grouped(pools: readonly { index: number; policy: PoolPolicy }[]): Map<string, number[]> {
  const zones = new Map<string, number[]>();
  for (const { index, policy } of pools) {
    const zone =
      policy.zone === undefined
        ? `of ${policy.name}`
        : [policy.provider, policy.region, policy.zone].filter(Boolean).join('/');
    zones.set(zone, [...(zones.get(zone) ?? []), index]);
  }
  return zones;
}

export const countOn = (cap: Cap, counts: readonly number[]): number => {
  let sum = 0;
  for (const pool of cap.pools) sum += counts[pool] ?? 0;
  return sum;
};

/** Whether one replica may move between pools without a cap being broken that was kept. */
export function mayMove(caps: readonly Cap[], counts: readonly number[], from: number, to: number): boolean {
  if (caps.length === 0) return true;
  const total = counts.reduce((sum, count) => sum + count, 0);
  return caps.every(
    (cap) => !cap.pools.has(to) || cap.pools.has(from) || countOn(cap, counts) + 1 <= mostOn(cap, total),
  );
}

/** Moves replicas, within the pools that they fit, until every cap is kept or no move helps. The first pools are preferred. */
export function keepCaps(caps: readonly Cap[], counts: number[], fitting: readonly number[]): void {
  for (const cap of caps) {
    const total = counts.reduce((sum, count) => sum + count, 0);
    let over = countOn(cap, counts) - mostOn(cap, total);
    while (over > 0) {
      const from = [...cap.pools].reduce(
        (top, pool) => ((counts[pool] ?? 0) > (counts[top] ?? 0) ? pool : top),
        [...cap.pools][0] ?? 0,
      );
      const to = fitting.find((pool) => !cap.pools.has(pool) && mayMove(caps, counts, from, pool));
      if (to === undefined || (counts[from] ?? 0) === 0) break;
      counts[from] = (counts[from] ?? 0) - 1;
      counts[to] = (counts[to] ?? 0) + 1;
      over--;
    }
  }
}
