import type { EpochSeconds } from '../domain/time.js';

/** The last values of a series, by label. */
export interface History {
  /** Bins that it can hold. */
  readonly capacity: number;
  set(label: EpochSeconds, value: number): void;
  /** The value of the bin that holds `label`; NaN where it is missing, too old or not yet there. */
  at(label: EpochSeconds): number;
  /** The series has a new level: what is held from before `until` moves by `delta`, and may come out below zero. */
  move(delta: number, until: EpochSeconds): void;
}

/** A ring of float64: what moves there and back must come out as it was. */
export function createHistory(step: number, capacity: number): History {
  const values = new Float64Array(capacity).fill(Number.NaN);
  let newest = Number.NEGATIVE_INFINITY;
  const slot = (index: number): number => ((index % capacity) + capacity) % capacity;
  return {
    capacity,
    set(label, value) {
      const index = Math.floor(label / step);
      for (let k = Math.max(newest + 1, index - capacity + 1); k < index; k++) values[slot(k)] = Number.NaN;
      values[slot(index)] = value;
      newest = Math.max(newest, index);
    },
    at(label) {
      const index = Math.floor(label / step);
      if (index > newest || index <= newest - capacity) return Number.NaN;
      return values[slot(index)] ?? Number.NaN;
    },
    move(delta, until) {
      if (newest === Number.NEGATIVE_INFINITY) return;
      const end = Math.min(newest, Math.ceil(until / step) - 1);
      for (let index = newest - capacity + 1; index <= end; index++) {
        values[slot(index)] = (values[slot(index)] ?? Number.NaN) + delta;
      }
    },
  };
}
