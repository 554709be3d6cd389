import type { Series } from '../../domain/series.js';

/**
 * The cheapest capacity with at most the given share of violations among the scored bins, with all demand known. A
 * violated bin need not be served at all, and each costs the same one violation: so the largest bins are given up, and
 * every other has exactly its demand. With a share of 0 it is demand itself.
 */
export function clairvoyantCapacities(demand: Series, firstScored: number, violations: number): Float64Array {
  const capacities = demand.values.slice();
  const scored: number[] = [];
  for (let index = firstScored; index < capacities.length; index++) {
    if (!Number.isNaN(capacities[index])) scored.push(index);
  }
  // The count is a share of a whole number: 0.29 × 100 must give 29, not 28.999….
  const given = Math.floor(violations * scored.length + 1e-9);
  scored.sort((a, b) => (capacities[b] ?? 0) - (capacities[a] ?? 0) || a - b);
  for (const index of scored.slice(0, given)) capacities[index] = 0;
  let last = 0;
  for (let index = 0; index < capacities.length; index++) {
    const value = capacities[index] ?? Number.NaN;
    if (Number.isNaN(value)) capacities[index] = last;
    else last = value;
  }
  return capacities;
}
