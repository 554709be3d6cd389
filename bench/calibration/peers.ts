/*
 * The two peers of our calibration, on the very same middles, with the settings of their papers: adaptive conformal
 * inference (Gibbs and Candès, NeurIPS 2021) and ensemble batch prediction intervals (Xu and Xie, ICML 2021), the latter
 * with its sliding window of signed residuals and its narrowest split of the misses.
 */

/** Residuals that a peer looks back on. */
const WINDOW = 1000;
/** The step of ACI: its paper's. */
const GAMMA = 0.005;
/** Splits of the misses between below and above that EnbPI tries. */
const SPLITS = 20;

export type Interval = readonly [low: number, high: number];

/** A way to put an interval around a middle, learning from what came. */
export interface Peer {
  readonly name: string;
  interval(middle: number): Interval;
  /** What came, for a forecast made earlier. */
  learn(value: number, middle: number, stated: Interval): void;
}

/** The last {@link WINDOW} numbers, kept in order. */
export function createSortedWindow(size: number) {
  const ring = new Float64Array(size);
  const sorted = new Float64Array(size);
  let count = 0;
  let next = 0;
  /** The first place whose number is at least `value`. */
  const placeOf = (value: number): number => {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[middle] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    add(value: number): void {
      if (count === size) {
        const at = placeOf(ring[next] ?? 0);
        sorted.copyWithin(at, at + 1, count);
        count--;
      }
      const at = placeOf(value);
      sorted.copyWithin(at + 1, at, count);
      sorted[at] = value;
      count++;
      ring[next] = value;
      next = (next + 1) % size;
    },
    /** The ⌈p·(n + 1)⌉-th of n, the conformal quantile; the extremes beyond. NaN where there is none. */
    quantile(p: number): number {
      if (count === 0) return Number.NaN;
      return sorted[Math.min(count - 1, Math.max(0, Math.ceil(p * (count + 1)) - 1))] ?? Number.NaN;
    },
  };
}

/** @param alpha share of misses asked for. */
export function createAci(alpha: number): Peer {
  const scores = createSortedWindow(WINDOW);
  let current = alpha;
  return {
    name: 'ACI',
    interval(middle) {
      const reach = scores.quantile(Math.max(0, Math.min(1, 1 - current)));
      return [Math.max(0, middle - reach), middle + reach];
    },
    learn(value, middle, [low, high]) {
      if (!Number.isNaN(low)) current += GAMMA * (alpha - (value < low || value > high ? 1 : 0));
      scores.add(Math.abs(value - middle));
    },
  };
}

/** @param alpha share of misses asked for. */
export function createEnbpi(alpha: number): Peer {
  const residuals = createSortedWindow(WINDOW);
  return {
    name: 'EnbPI',
    interval(middle) {
      let best: Interval = [Number.NaN, Number.NaN];
      for (let k = 0; k <= SPLITS; k++) {
        const below = (alpha * k) / SPLITS;
        const low = residuals.quantile(below);
        const high = residuals.quantile(1 - alpha + below);
        if (!(best[1] - best[0] <= high - low)) best = [low, high];
      }
      return [Math.max(0, middle + best[0]), middle + best[1]];
    },
    learn(value, middle) {
      residuals.add(value - middle);
    },
  };
}
