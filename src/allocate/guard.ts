/*
 * The reactive guard: what capacity must not fall below, from the last few bins alone. It needs neither a forecast nor
 * a solver, so that it holds where both are wrong or absent. The live cycle and replay run this very code.
 */

/** The last bins of one component of one workload, oldest first; the arrays have equal lengths. */
export interface GuardInput {
  /** Component's unit; NaN where a bin is missing. */
  usage: ArrayLike<number>;
  /** 1 where usage was throttled at its limit: demand was above what was seen. */
  throttled: ArrayLike<number>;
  /** Capacity in effect in each bin, in the same unit; NaN where it is not known. */
  capacity: ArrayLike<number>;
  /** Capacity that was asked for last, whether it is in effect yet or not; NaN where nothing was. */
  asked: number;
  /** What the policy allows; the floor stays within. */
  bounds: { min: number; max: number };
}

export interface GuardFloor {
  floor: number;
  /**
   * - `quiet`: usage stands clear of capacity; the floor is the minimum alone.
   * - `saturated`: usage came close to its capacity or above it.
   * - `throttled`: usage was cut off at capacity, so that demand is unknown and larger.
   * - `blind`: no recent bin is known; capacity stays as it is.
   */
  state: 'quiet' | 'saturated' | 'throttled' | 'blind';
  /** In words, for `why`. */
  reason: string;
}

export interface GuardSettings {
  /** Share of capacity from which on a bin counts as saturated. */
  saturation: number;
  /** What a saturated bin's usage is multiplied with. */
  headroom: number;
  /** What a throttled bin's capacity is multiplied with: demand is hidden, so the way up is geometric. */
  growth: number;
}

export const GUARD_SETTINGS: GuardSettings = { saturation: 1, headroom: 1.1, growth: 1.5 };

const within = (value: number, bounds: GuardInput['bounds']): number =>
  Math.min(Math.max(value, bounds.min), bounds.max);

/** The floor beneath whatever the plan says. Pure; O(length of the window). */
export function guardFloor(input: GuardInput, settings: GuardSettings = GUARD_SETTINGS): GuardFloor {
  const { usage, throttled, capacity, asked, bounds } = input;
  let known = 0;
  let floor = 0;
  let state: GuardFloor['state'] = 'quiet';
  let reason = 'usage stands clear of capacity';
  for (let index = 0; index < usage.length; index++) {
    const used = usage[index] ?? Number.NaN;
    const limit = capacity[index] ?? Number.NaN;
    if (Number.isNaN(used)) continue;
    known += 1;
    if (throttled[index] === 1) {
      const raised = Math.max(used, Number.isNaN(limit) ? 0 : limit) * settings.growth;
      if (raised >= floor) {
        floor = raised;
        state = 'throttled';
        reason = `usage was throttled at ${round(used)}: what it would have been is hidden, so capacity grows by ${percent(settings.growth - 1)}`;
      }
    } else if (!Number.isNaN(limit) && used >= limit * settings.saturation) {
      const raised = used * settings.headroom;
      if (raised > floor) {
        floor = raised;
        state = 'saturated';
        reason = `usage of ${round(used)} reached the capacity of ${round(limit)}: at least ${percent(settings.headroom - 1)} above it`;
      }
    }
  }
  if (known === 0) {
    return Number.isNaN(asked)
      ? { floor: bounds.min, state: 'blind', reason: 'no recent bin is known, and nothing was asked for before' }
      : { floor: within(asked, bounds), state: 'blind', reason: 'no recent bin is known: capacity stays as it is' };
  }
  return { floor: within(floor, bounds), state, reason };
}

/**
 * Capacity without a forecast: the peak of the last bins with room above it, the answer while an account is reactive.
 * @param utilization share of the capacity that the recent peak may take, in (0, 1].
 * @returns the capacity, never below {@link guardFloor}'s; NaN where nothing was ever known.
 */
export function reactiveCapacity(input: GuardInput, utilization = 0.7): number {
  let peak = Number.NaN;
  for (let index = 0; index < input.usage.length; index++) {
    const used = input.usage[index] ?? Number.NaN;
    if (!Number.isNaN(used) && !(used <= peak)) peak = used;
  }
  if (Number.isNaN(peak)) return input.asked;
  return Math.max(within(peak / utilization, input.bounds), guardFloor(input).floor);
}

const round = (value: number): string => String(Number(value.toPrecision(4)));
const percent = (share: number): string => `${Math.round(share * 100)} %`;
