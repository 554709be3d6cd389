import type { EpochSeconds } from '../../domain/time.js';
import type { Calendar } from '../calendar.js';

const DAY = 86_400;
/** Slots of the local day: the step itself, but no finer than 5 minutes. */
const FINEST = 300;
const HOURS = 168;

/** What the time of day and the day of the week say about a series; an observation is O(1). */
export interface Profile {
  observe(label: EpochSeconds, value: number, mean: number, spread: number): void;
  /** The usual value at this local time; `mean` where nothing was seen of it yet. */
  at(label: EpochSeconds, mean: number): number;
}

/**
 * Usual departures from the mean: a profile of the local day in fine slots, smoothed into its neighbours, plus a
 * profile of the week by the hour for what the day leaves (weekends).
 */
export function createProfile(step: number, calendar: Calendar): Profile {
  const slots = Math.max(1, Math.round(DAY / Math.max(step, FINEST)));
  const day = new Float32Array(slots);
  const seen = new Float32Array(slots);
  const week = new Float32Array(HOURS);
  const weekSeen = new Float32Array(HOURS);
  const slotOf = (label: EpochSeconds): number =>
    Math.min(slots - 1, Math.floor((calendar.secondOfDay(label) / DAY) * slots));
  const hourOf = (label: EpochSeconds): number => Math.min(HOURS - 1, Math.floor(calendar.secondOfWeek(label) / 3600));
  const perSlot = Math.max(1, FINEST / step);
  const perHour = Math.max(1, 3600 / Math.max(step, 1));
  const dayRate = 0.15 / perSlot;
  const weekRate = 0.25 / perHour;
  return {
    observe(label, value, mean, spread) {
      const slot = slotOf(label);
      const hour = hourOf(label);
      const bound = spread > 0 ? 8 * spread : Infinity;
      const departure = Math.max(-bound, Math.min(bound, value - mean));
      for (const [shift, share] of [
        [0, 1],
        [-1, 0.4],
        [1, 0.4],
      ] as const) {
        const k = (slot + shift + slots) % slots;
        const count = (seen[k] = (seen[k] ?? 0) + share / perSlot);
        const rate = share * Math.max(dayRate, Math.min(1, 1 / (1 + count * perSlot)));
        const target = departure - (week[hour] ?? 0);
        day[k] = (day[k] ?? 0) + rate * (target - (day[k] ?? 0));
      }
      const rest = departure - (day[slot] ?? 0);
      const weeks = (weekSeen[hour] = (weekSeen[hour] ?? 0) + 1 / perHour);
      // The first week can't tell a weekday from a trend: the weekly part comes in slowly.
      const rate = weekRate * Math.min(1, weeks / 2);
      week[hour] = (week[hour] ?? 0) + rate * (rest - (week[hour] ?? 0));
    },
    at(label, mean) {
      return mean + (day[slotOf(label)] ?? 0) + (week[hourOf(label)] ?? 0);
    },
  };
}
