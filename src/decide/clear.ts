import type { DemandBlocks } from '../allocate/problem.js';
import type { AccountPolicy } from '../domain/account.js';
import type { KnownBins } from './port.js';

/*
 * A replica that uses exactly its request stands at its limit, and cannot be told from one that is throttled there: the
 * guard would raise it, see that nothing more comes, lower it, and raise it again. Where a forecast knows demand exactly (a
 * constant load has no spread) and asks for no unused share (`utilization` 1), the plan keeps clear of that limit by a
 * hair, which is a whole replica only where demand fills the replicas to the last bit.
 */

/** As a share of demand. */
const HAIR = 0.001;

/**
 * @param recent the last hour of usage: a forecast at the very peak of it knows demand exactly, whatever it says of its tails.
 * @returns the demand, with blocks that are known exactly raised by a hair.
 */
export function clearOfLimit(
  demand: DemandBlocks[],
  policy: AccountPolicy,
  recent: readonly KnownBins[],
): DemandBlocks[] {
  return demand.map((series) => {
    const settings = policy.workloads.find(({ name }) => name === series.workload)?.components[series.component];
    if ((settings?.utilization ?? 1) < 1) return series;
    const peak = peakOf(
      recent.find(({ workload, component }) => workload === series.workload && component === series.component),
    );
    const exact = ({ median, atLevel, far }: DemandBlocks['blocks'][number]): boolean =>
      atLevel > 0 && (far <= median * (1 + HAIR) || Math.abs(peak - atLevel) <= HAIR * atLevel);
    if (!series.blocks.some(exact)) return series;
    return {
      ...series,
      blocks: series.blocks.map((block) => {
        if (!exact(block)) return block;
        const atLevel = block.atLevel * (1 + HAIR);
        return { ...block, atLevel, far: Math.max(block.far, atLevel) };
      }),
    };
  });
}

/** NaN where nothing is known. */
function peakOf(bins: KnownBins | undefined): number {
  let peak = Number.NaN;
  for (const value of bins?.series.values ?? []) if (!(value <= peak) && !Number.isNaN(value)) peak = value;
  return peak;
}
