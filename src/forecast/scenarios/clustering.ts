/*
 * How misses of a running plan cluster. A plan is made anew every step, so that a window of n bins is covered by n
 * forecasts, each made a lead before its bin; the chance that all of them hold is p^(nθ) where each holds with p, and θ,
 * the extremal index, says how much misses come together: 1 for independent ones, 1/n where they fill a window. It is
 * estimated from the highest share of each sliding window (Northrop, Extremes 2015; Berghaus and Bücher, Annals of
 * Statistics 2018): −n·log(max) is then exponential with rate θ.
 */

/** Learns from the share of its stated distribution that each bin turned out to be; an observation is O(1). */
export interface Clustering {
  /** @param share in (0, 1); NaN for a missing bin, which starts the window anew. */
  observe(share: number): void;
  /** Level of each bin with which a window of so many bins is covered with probability `share`. */
  binLevel(share: number): number;
  /** The extremal index: 1/n … 1. */
  index(): number;
}

/** Windows, in bins, that the first guess (independence: the dearest) counts for. */
const PRIOR = 3;

/**
 * @param bins of a window, ≥ 1.
 * @param halfLife bins until a window counts half.
 */
export function createClustering(bins: number, halfLife: number): Clustering {
  const recent = new Float64Array(bins);
  /** Bins that may yet be the highest, falling. */
  const peaks = new Int32Array(bins);
  let head = 0;
  let held = 0;
  let count = 0;
  const keep = 2 ** (-1 / halfLife);
  let weight = PRIOR * bins;
  let sum = PRIOR * bins;
  const place = (k: number): number => (head + k) % bins;
  const index = (): number => Math.min(1, Math.max(1 / bins, weight / sum));
  return {
    observe(share) {
      if (Number.isNaN(share)) {
        count = 0;
        held = 0;
        return;
      }
      if (held > 0 && (peaks[head] ?? 0) <= count - bins) {
        head = place(1);
        held--;
      }
      while (held > 0 && (recent[(peaks[place(held - 1)] ?? 0) % bins] ?? 0) <= share) held--;
      recent[count % bins] = share;
      peaks[place(held)] = count;
      held++;
      count++;
      if (count < bins) return;
      const highest = recent[(peaks[head] ?? 0) % bins] ?? share;
      weight = weight * keep + 1;
      sum = sum * keep - bins * Math.log(highest);
    },
    binLevel: (share) => share ** (1 / (bins * index())),
    index,
  };
}
