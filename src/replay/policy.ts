import type { FitForecaster } from '../forecast/port.js';
import type { Series } from '../domain/series.js';
import type { EpochSeconds } from '../domain/time.js';

/** What a policy knows before it begins: how the replay is set up, and nothing of the demand. */
export interface PolicySetup {
  /** Label of bin 0. */
  start: EpochSeconds;
  /** Seconds. */
  step: number;
  /** Seconds from a decision to ready capacity. */
  lead: number;
  /** ⌈lead / step⌉: the decision at the start of bin k is in effect from bin k + leadBins. */
  leadBins: number;
  /** The first bin that is scored; the decision for it is made at the start of bin firstScored − leadBins. */
  firstScored: number;
  /** P(demand of a bin ≤ capacity) that is asked for. */
  level: number;
  /** IANA name, for the hour of week. */
  timeZone: string;
  /** How forecasting policies fit; passed in, so that replay names no forecaster. */
  fit: FitForecaster;
  /** Seeds whatever is random. */
  seed: number;
}

/** The newest bin, handed over at its end. A policy sees bins one after another: the future is never in its hands. */
export interface Observation {
  /** Index of the bin; the decision is made at the start of bin index + 1. */
  index: number;
  label: EpochSeconds;
  /** NaN where the bin is missing. With censoring, what was served; without, demand. */
  usage: number;
  /** Usage was cut off at capacity; always false without censoring. */
  throttled: boolean;
  /** Demand was more than usage: cut off here, or already where it was recorded. */
  censored: boolean;
  /** Capacity in effect in this bin; NaN before the first decision took effect. */
  capacity: number;
  /** Capacity that was decided last; NaN before the first decision. */
  asked: number;
}

/** A rule that decides capacity at every bin boundary. */
export interface CapacityPolicy {
  /**
   * Capacity from bin index + 1 + leadBins on, in the component's unit. NaN while nothing is known yet.
   */
  decide(seen: Observation): number;
  /** What a reader of the score should know, as how long the policy was reactive. */
  notes?(): string[];
}

/**
 * A causal policy is made from the setup alone and fed bin by bin. A clairvoyant one is a yardstick that sees all the
 * demand: nobody can buy it.
 */
export type PolicyKind =
  | { kind: 'causal'; create(setup: PolicySetup): CapacityPolicy }
  | { kind: 'clairvoyant'; capacities(demand: Series, firstScored: number): Float64Array };

/** A policy as the user names it: `hpa:0.5`. */
export type NamedPolicy = PolicyKind & { name: string };
