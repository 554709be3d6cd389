import type { Component } from './component.js';
import type { AnnouncedEvent } from './control.js';
import type { EpochSeconds } from './time.js';

/** Quantiles of one series ahead of one origin. */
export interface QuantileForecast {
  /** Label of the last known bin. */
  origin: EpochSeconds;
  /** Seconds between the rows; the series' own step, or coarser for the long horizons. */
  step: number;
  /** Ascending, each in (0, 1). */
  levels: number[];
  /** `quantiles[i][j]`: the value of bin origin + (i+1)·step at `levels[j]`; non-decreasing in j, finite, ≥ 0. */
  quantiles: number[][];
  /** The ensemble's weights at the origin, summing to 1. */
  weights: Record<string, number>;
}

/**
 * Whether the stated level can be trusted enough to act on. Closes when, over the last 288 scored bins, a one-sided
 * binomial test rejects the stated level at 1 %; opens when over the next 288 it no longer does.
 */
export interface GateState {
  open: boolean;
  /** The level under test. */
  level: number;
  /** Bins scored in the window (≤ 288) and those above the stated quantile. */
  scored: number;
  misses: number;
  /** Share of scored bins at or under the stated quantile, since the account started; NaN-free: null before any. */
  coverage: number | null;
  /** Why it is closed, in words. */
  reason?: string;
}

/** What it takes to cover a whole window with a probability, as learnt from how misses came together. */
export interface WindowLevel {
  /** Seconds. */
  length: number;
  /** Of the window. */
  level: number;
  /** Of each of its bins. */
  binLevel: number;
  /** Past forecasts that it rests on; 0: too few yet, each bin may miss with the nth part of what is allowed. */
  rows: number;
}

/** The forecast of one component of one workload, at several resolutions (steps ascending). */
export interface SeriesForecast {
  workload: string;
  component: Component;
  resolutions: QuantileForecast[];
  gate: GateState;
  /** Where the policy asks for a window jointly: the level of each bin that covers it. */
  window?: WindowLevel;
  /** Since when the forecasts have been erring more than they used to, and how many times; absent where they have not. */
  drift?: { since: EpochSeconds; times: number };
  /** How the data behind it were. `cold`: too little history for more than a wide guess. */
  data: 'fresh' | 'cold';
}

/** A series that could not be forecast, and why; the account holds or goes reactive on it. */
export interface MissingForecast {
  workload: string;
  component: Component;
  reason: 'no-data' | 'stale';
  detail: string;
}

export interface AccountForecast {
  id: string;
  account: string;
  snapshotId: string;
  at: EpochSeconds;
  series: SeriesForecast[];
  missing: MissingForecast[];
  /** The policy that it was made under, by id; absent in records of earlier releases. */
  policyId?: string;
  /** What was announced then, besides the policy's own events; absent where nothing was. */
  events?: AnnouncedEvent[];
}
