import type { CapacityPolicy, PolicySetup } from '../policy.js';

/** As long as the vertical pod autoscaler remembers by default. */
const WINDOW = 8 * 86_400;

/** The P-th percentile (linear between ranks) of the known bins of the last 8 days. */
export function createPercentile(setup: PolicySetup, percentile: number): CapacityPolicy {
  const length = Math.max(1, Math.round(WINDOW / setup.step));
  const recent = new Float64Array(length).fill(Number.NaN);
  const ascending = new Float64Array(length);
  let count = 0;
  return {
    decide(seen) {
      const slot = seen.index % length;
      const leaving = recent[slot] ?? Number.NaN;
      if (!Number.isNaN(leaving)) {
        const at = rank(ascending, count, leaving);
        ascending.copyWithin(at, at + 1, count);
        count -= 1;
      }
      recent[slot] = seen.usage;
      if (!Number.isNaN(seen.usage)) {
        const at = rank(ascending, count, seen.usage);
        ascending.copyWithin(at + 1, at, count);
        ascending[at] = seen.usage;
        count += 1;
      }
      return count === 0 ? seen.asked : quantileOf(ascending, count, percentile / 100);
    },
  };
}

/** Position of the first of the `count` ascending values that is not below `value`. */
function rank(ascending: Float64Array, count: number, value: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function quantileOf(ascending: Float64Array, count: number, share: number): number {
  const position = (count - 1) * share;
  const below = Math.floor(position);
  const low = ascending[below] ?? 0;
  const high = ascending[Math.min(below + 1, count - 1)] ?? low;
  return low + (high - low) * (position - below);
}
