/*
 * How a forecast is scored. Pure: numbers in, numbers out.
 */

/** Quantiles of one series from several origins, flat: [origin][ahead][level]. */
export interface Forecasts {
  /** Indices of bins in the series. */
  origins: readonly number[];
  /** Steps ahead of each origin. */
  aheads: number;
  /** Ascending. */
  levels: readonly number[];
  quantiles: Float64Array;
}

export interface Score {
  /** Weighted quantile loss; null where the bins' sum is zero, or none is known. */
  wql: number | null;
  /** Error of the median in units of the seasonal naive's (a day) before the first origin; null where that is zero. */
  mase: number | null;
  /** By level: bins at or under the stated quantile. */
  covered: number[];
  /** Known bins that were scored. */
  bins: number;
}

/** Pinball loss of a stated quantile: what missing above costs at this level, or stating too much. */
export const pinball = (level: number, stated: number, truth: number): number =>
  truth > stated ? level * (truth - stated) : (1 - level) * (stated - truth);

/**
 * WQL = 2 · Σ pinball / (levels · Σ |truth|), both sums over all origins and over the bins 1 … `steps` ahead of each;
 * missing bins are left out of both.
 * @param values the whole series; NaN is missing.
 * @param season bins of a day.
 */
export function score(forecasts: Forecasts, values: Float64Array, steps: number, season: number): Score {
  const { origins, aheads, levels, quantiles } = forecasts;
  const L = levels.length;
  const middle = levels.indexOf(0.5);
  const covered = new Array<number>(L).fill(0);
  let loss = 0;
  let weight = 0;
  let error = 0;
  let bins = 0;
  origins.forEach((origin, o) => {
    for (let ahead = 1; ahead <= Math.min(steps, aheads); ahead++) {
      const truth = values[origin + ahead] ?? Number.NaN;
      if (Number.isNaN(truth)) continue;
      const row = (o * aheads + ahead - 1) * L;
      for (let l = 0; l < L; l++) {
        const stated = quantiles[row + l] ?? Number.NaN;
        loss += pinball(levels[l] ?? 0.5, stated, truth);
        if (truth <= stated) covered[l] = (covered[l] ?? 0) + 1;
      }
      error += Math.abs(truth - (quantiles[row + middle] ?? Number.NaN));
      weight += Math.abs(truth);
      bins++;
    }
  });
  const naive = naiveError(values.subarray(0, (origins[0] ?? -1) + 1), season);
  return {
    wql: bins > 0 && weight > 0 ? (2 * loss) / (L * weight) : null,
    mase: bins > 0 && naive > 0 ? error / bins / naive : null,
    covered,
    bins,
  };
}

/** Mean absolute difference to the same time a day before; 0 where there is none. */
export function naiveError(values: Float64Array, season: number): number {
  let sum = 0;
  let count = 0;
  for (let index = season; index < values.length; index++) {
    const difference = Math.abs((values[index] ?? Number.NaN) - (values[index - season] ?? Number.NaN));
    if (Number.isNaN(difference)) continue;
    sum += difference;
    count++;
  }
  return count === 0 ? 0 : sum / count;
}

/** Geometric mean; null of nothing. */
export function geometricMean(ratios: readonly number[]): number | null {
  if (ratios.length === 0) return null;
  return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
}
