import type { EpochSeconds } from '../domain/time.js';

/** The last values of a series, by label. */
export interface History {
  /** Bins that it can hold. */
  readonly capacity: number;
  set(label: EpochSeconds, value: number): void;
  /** The value of the bin that holds `label`; NaN where it is missing, too old or not yet there. */
  at(label: EpochSeconds): number;
  /** The series has a new level: all that is held moves by `delta`, and may come out below zero. */
  move(delta: number): void;
}

/** A ring of float32: half the memory, and its 7 digits are finer than any residual that matters. */
export function createHistory(step: number, capacity: number): History {
  const values = new Float32Array(capacity).fill(Number.NaN);
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
    move(delta) {
      for (let k = 0; k < capacity; k++) values[k] = (values[k] ?? Number.NaN) + delta;
    },
  };
}
