import { guardFloor, reactiveCapacity, type GuardInput } from './guard.js';

/*
 * From a forecast to the capacity that is asked for: quantile, ceiling, guard. Pure, so that the live cycle and replay
 * run the same rule.
 */

/** What the last days saw of the series: the evidence for or against a far quantile. */
export interface Evidence {
  /** Highest known bin of the window; NaN where nothing is known. */
  peak: number;
  /** Known bins in the window. */
  bins: number;
}

/** Window of {@link Evidence} in seconds: a week and a day, so that every weekday has been seen. */
export const EVIDENCE_WINDOW = 8 * 86_400;

export interface CapacityInput {
  /** Demand at the level, at the bin that a decision still reaches; null where there is no forecast. */
  quantile: number | null;
  /** False where the forecast's coverage is off. */
  gateOpen: boolean;
  level: number;
  evidence: Evidence;
  guard: GuardInput;
}

export interface DecidedCapacity {
  capacity: number;
  /** What decided: the forecast, the ceiling on it, the guard, or reacting to usage without a forecast. */
  by: 'forecast' | 'ceiling' | 'guard' | 'reactive' | 'hold';
  /** In words, for `why`. */
  reason: string;
}

/**
 * What the evidence lets one believe at most. Over a window in which (1 − level) × bins exceedances of the quantile are
 * expected, the quantile lies below the window's peak unless demand has outgrown it; the fewer are expected, the more
 * room the ceiling leaves above the peak. A model that asks for more has run into its own tails: a burst's residuals
 * on a quiet hour, a scale that was near zero.
 */
export function plausibleCeiling(evidence: Evidence, level: number): number {
  const expected = (1 - level) * evidence.bins;
  if (!(expected > 0) || Number.isNaN(evidence.peak)) return Number.POSITIVE_INFINITY;
  return evidence.peak * (1 + 0.7 / Math.sqrt(expected));
}

/**
 * Capacity for the next bin that can be reached. The forecast's quantile under the ceiling, over the guard's floor. While
 * the gate is closed, usage decides: the test that closed it says that the forecast asks for too little, so it may
 * still raise capacity and never lower it. Where the newest bin is missing, capacity is not lowered.
 */
export function decideCapacity(input: CapacityInput): DecidedCapacity {
  const decided = decide(input);
  const { usage, asked } = input.guard;
  if (Number.isNaN(usage[usage.length - 1] ?? Number.NaN) && asked > decided.capacity) {
    return { capacity: asked, by: 'hold', reason: 'the newest bin is missing: capacity is not lowered on that' };
  }
  return decided;
}

function decide({ quantile, gateOpen, level, evidence, guard }: CapacityInput): DecidedCapacity {
  const ceiling = plausibleCeiling(evidence, level);
  const believed =
    quantile === null ? Number.NaN : Math.min(Math.max(quantile, guard.bounds.min), guard.bounds.max, ceiling);
  if (Number.isNaN(believed) || !gateOpen) {
    const reactive = reactiveCapacity(guard);
    const why = quantile === null ? 'there is no forecast' : 'the forecast covers less than it states';
    return believed > reactive
      ? { capacity: believed, by: 'forecast', reason: `${why}, and still asks for more than usage does` }
      : { capacity: reactive, by: 'reactive', reason: `${why}: usage of the last bins decides` };
  }
  const floor = guardFloor(guard);
  if (floor.floor > believed) {
    return { capacity: floor.floor, by: floor.state === 'blind' ? 'hold' : 'guard', reason: floor.reason };
  }
  return quantile !== null && believed < quantile && believed === ceiling
    ? { capacity: believed, by: 'ceiling', reason: 'the forecast is far beyond anything that was seen in eight days' }
    : { capacity: believed, by: 'forecast', reason: `demand stays below at level ${level}` };
}
