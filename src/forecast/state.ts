/**
 * In which state a series is: its last value against its recent mean, in mean departures. What follows a burst is
 * spread otherwise than what follows calm, in shape and not only in size; residuals are learnt for each state apart.
 */
export interface StateTracker {
  /** The state after the last value taken in: 0 … {@link STATES} − 1. */
  current(): number;
  observe(value: number): void;
  /** The series has a new level. */
  move(delta: number): void;
}

/** Upper bounds of the states but the last: low, usual, raised, high, extreme. */
const BOUNDS = [-0.5, 0.5, 1.5, 4] as const;
export const STATES = BOUNDS.length + 1;
const WILD = 8;

export function createStateTracker(binsPerDay: number): StateTracker {
  const rate = 1 - 2 ** (-1 / Math.max(12, binsPerDay / 4));
  let mean = 0;
  let spread = 0;
  let known = 0;
  let state = 1;
  return {
    current: () => state,
    move(delta) {
      mean += delta;
    },
    observe(value) {
      known++;
      const departure = value - mean;
      const relative = spread > 0 ? departure / spread : 0;
      const above = BOUNDS.findIndex((bound) => relative <= bound);
      state = above === -1 ? BOUNDS.length : above;
      const bounded =
        known > 12 && spread > 0 ? Math.max(-WILD * spread, Math.min(WILD * spread, departure)) : departure;
      mean += Math.max(rate, 1 / known) * bounded;
      spread += Math.max(rate, 1 / known) * (Math.abs(known === 1 ? 0 : bounded) - spread);
    },
  };
}
