import type { GateState } from '../domain/forecast.js';

/** Bins of the test window: a day at 5 minutes. */
export const GATE_WINDOW = 288;
/** The size of the test. */
const SIGNIFICANCE = 0.01;
/** Below this many scored bins two misses in a row would close a young account for a day. */
const FEWEST = 72;

/** P(X ≥ misses) for X ~ Binomial(n, p), summed exactly from the upper tail. */
export function binomialUpperTail(misses: number, n: number, p: number): number {
  if (misses <= 0) return 1;
  if (misses > n || p <= 0) return 0;
  if (p >= 1) return 1;
  let logChoose = 0;
  for (let k = 1; k <= misses; k++) logChoose += Math.log(n - misses + k) - Math.log(k);
  let term = Math.exp(logChoose + misses * Math.log(p) + (n - misses) * Math.log1p(-p));
  let tail = term;
  for (let k = misses + 1; k <= n; k++) {
    term *= ((n - k + 1) / k) * (p / (1 - p));
    tail += term;
  }
  return Math.min(1, tail);
}

/** Decides whether a stated level can be acted on. */
export interface Gate {
  /** One scored bin: whether demand was above the stated quantile. */
  score(missed: boolean): void;
  state(): GateState;
}

/**
 * A one-sided exact binomial test over the last 288 scored bins. It closes when the level is rejected at 1 %; from then
 * on the bins before count no more, and it comes back when 288 further bins no longer reject.
 * @param level the stated level: a miss should happen in a share 1 − level of bins.
 */
export function createGate(level: number): Gate {
  const window = new Uint8Array(GATE_WINDOW);
  let next = 0;
  let scored = 0;
  let misses = 0;
  let all = 0;
  let hits = 0;
  let closed: { misses: number; scored: number } | null = null;
  const rejects = (): boolean => binomialUpperTail(misses, scored, 1 - level) <= SIGNIFICANCE;
  return {
    score(missed) {
      all++;
      if (!missed) hits++;
      if (scored === GATE_WINDOW) misses -= window[next] ?? 0;
      else scored++;
      window[next] = missed ? 1 : 0;
      misses += missed ? 1 : 0;
      next = (next + 1) % GATE_WINDOW;
      if (closed === null) {
        if (scored >= FEWEST && rejects()) {
          closed = { misses, scored };
          scored = 0;
          misses = 0;
        }
      } else if (scored === GATE_WINDOW && !rejects()) {
        closed = null;
      }
    },
    state() {
      const coverage = all === 0 ? null : hits / all;
      const state: GateState = { open: closed === null, level, scored, misses, coverage };
      if (closed !== null) {
        state.reason =
          `demand was above the ${level} quantile in ${closed.misses} of ${closed.scored} bins, more than the level ` +
          `allows at 1 % significance; ${Math.min(scored, GATE_WINDOW)} of the next ${GATE_WINDOW} bins are scored, ` +
          `${misses} above`;
      }
      return state;
    },
  };
}
