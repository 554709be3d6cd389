/**
 * While a wild value waits for the next ones to say what it was, or a new level is young, demand may go one of two ways: as
 * expected, or all of it moved. A forecast states both bin by bin; a path goes one of them.
 */
export interface Ways {
  /** By bin, how likely it is that demand is moved by then; it never falls. */
  shares: number[];
  /** `[bin][level]`: quantiles of what is expected otherwise, and of what is moved. */
  expected: number[][];
  moved: number[][];
}
