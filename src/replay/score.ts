import type { Series } from '../domain/series.js';

/** Of the bins after the warm-up whose demand is known. Null where there is none, or no demand to measure against. */
export interface Score {
  /** Mean capacity / mean demand. */
  cost: number | null;
  /** Share of bins with demand > capacity. */
  violations: number;
  /** Mean shortfall in violated bins / mean demand; 0 where none is violated. */
  depth: number | null;
  /** Mean unused capacity / mean capacity. */
  slack: number | null;
  /** How often capacity changed from one counted bin to the next: what a timeline shows. */
  changes: number;
}

/** Bins from `firstScored` on that count: those whose demand is known. */
export function scoredBins(demand: Series, firstScored: number): number[] {
  const bins: number[] = [];
  for (let index = firstScored; index < demand.values.length; index++) {
    if (!Number.isNaN(demand.values[index])) bins.push(index);
  }
  return bins;
}

/** Scores capacities (one a bin of `demand`) by CONTRACTS.md, "headroom backtest". */
export function scoreCapacities(demand: Series, capacities: Float64Array, firstScored: number): Score {
  let count = 0;
  let demanded = 0;
  let provided = 0;
  let unused = 0;
  let violated = 0;
  let shortfall = 0;
  let changes = 0;
  let last = Number.NaN;
  for (let index = firstScored; index < capacities.length; index++) {
    const capacity = capacities[index] ?? Number.NaN;
    const value = demand.values[index] ?? Number.NaN;
    if (Number.isNaN(value)) continue;
    if (count > 0 && capacity !== last) changes += 1;
    last = capacity;
    count += 1;
    demanded += value;
    provided += capacity;
    unused += Math.max(0, capacity - value);
    if (value > capacity) {
      violated += 1;
      shortfall += value - capacity;
    }
  }
  const ratio = (above: number, below: number): number | null => (below > 0 ? above / below : null);
  return {
    cost: ratio(provided, demanded),
    violations: count === 0 ? 0 : violated / count,
    depth: violated === 0 ? 0 : ratio(shortfall / violated, demanded / count),
    slack: ratio(unused, provided),
    changes,
  };
}
