/*
 * Weights of the ensemble's members, by horizon and level: pointwise aggregation of quantiles ("CRPS learning",
 * Berrisch and Ziel, Journal of Econometrics 2023), each weight falling with the member's discounted pinball loss.
 */

/** Discounted losses of the members at every (anchor, level), and the weights they earn. */
export interface WeightBank {
  /** Scores a member that took part. The ensemble's own loss stands in for one that sat out. */
  score(cell: number, member: number, loss: number): void;
  /** Writes the weights of the members that take part (`awake`), summing to 1. */
  weights(cell: number, awake: readonly boolean[], out: Float64Array): void;
}

export function createWeightBank(
  cells: number,
  members: number,
  options: { halfLife: number; power: number; prior: readonly number[] },
): WeightBank {
  const losses = new Float64Array(cells * members);
  const counts = new Float64Array(cells * members);
  const keep = 2 ** (-1 / options.halfLife);
  return {
    score(cell, member, loss) {
      const at = cell * members + member;
      losses[at] = (losses[at] ?? 0) * keep + loss;
      counts[at] = (counts[at] ?? 0) * keep + 1;
    },
    weights(cell, awake, out) {
      let best = Number.POSITIVE_INFINITY;
      const base = cell * members;
      for (let m = 0; m < members; m++) {
        const n = counts[base + m] ?? 0;
        if (awake[m] === true && n > 0) best = Math.min(best, (losses[base + m] ?? 0) / n);
      }
      let sum = 0;
      for (let m = 0; m < members; m++) {
        let weight = 0;
        if (awake[m] === true) {
          const n = counts[base + m] ?? 0;
          const mean = n > 0 ? (losses[base + m] ?? 0) / n : Number.NaN;
          // Few scores are weak evidence: the weight leans on the prior until some twenty are in.
          const trust = n / (n + 20);
          const ratio = !Number.isFinite(best) || Number.isNaN(mean) ? 1 : mean <= 0 ? 1 : best / mean;
          weight = (options.prior[m] ?? 1) * Math.max(ratio, 1e-3) ** (options.power * trust);
        }
        out[m] = weight;
        sum += weight;
      }
      for (let m = 0; m < members; m++) out[m] = sum > 0 ? (out[m] ?? 0) / sum : 0;
    },
  };
}
