import type { AccountPolicy } from './account.js';
import { placeable } from './placement-room.js';
import type { PolicyProblem } from './policy-rules.js';
import { mayHold } from './residency.js';

/**
 * Shares of zones and spot, all of them the file's own words, that no replicas could keep together. Looked at where a file is read: an
 * account that runs with such a policy goes on, and its plans say what gives. A strategy's shares are made to fit instead.
 */
export function placementProblems(policy: AccountPolicy): PolicyProblem[] {
  if (policy.strategy !== undefined) return [];
  const { spotMaxShare, spotMarketMaxShare = 1 } = policy;
  return policy.workloads
    .flatMap((workload, index): PolicyProblem[] => {
      const surviveZone = workload.surviveZone ?? policy.surviveZone ?? 0;
      const places = policy.pools.flatMap((pool) => {
        const usable = pool.max > 0 && (workload.pools?.includes(pool.name) ?? true) && mayHold(workload, pool);
        const zone =
          pool.zone === undefined ? `pool ${pool.name}` : `${pool.provider ?? ''}/${pool.region ?? ''}/${pool.zone}`;
        return usable ? [{ zone, spot: pool.capacityType === 'spot' }] : [];
      });
      // So few replicas may keep in whole numbers what more of them cannot.
      if (surviveZone === 0 || places.length === 0 || workload.replicas.max <= places.length) return [];
      // No spot where there is nothing else is another contradiction, and none of zones.
      if (!placeable(places, { surviveZone: 0, spotMaxShare, spotMarketMaxShare })) return [];
      if (placeable(places, { surviveZone, spotMaxShare, spotMarketMaxShare })) return [];
      const shares =
        spotMarketMaxShare < spotMaxShare ? `spotMarketMaxShare ${spotMarketMaxShare}` : `spotMaxShare ${spotMaxShare}`;
      const problem = `${surviveZone} of "${workload.name}" cannot survive the loss of each zone of its pools with ${shares}: what the other zones may hold is too little; lower one, or give it pools in other zones`;
      return [
        { path: workload.surviveZone === undefined ? ['surviveZone'] : ['workloads', index, 'surviveZone'], problem },
      ];
    })
    .filter((one, index, all) => all.findIndex((other) => other.path.join() === one.path.join()) === index);
}
