import type { EpochSeconds } from '../../domain/time.js';
import { solveRidge } from '../ridge.js';
import { createProfile } from './profile.js';
import type { Model, ModelContext, ModelEntry } from './model.js';

/*
 * The house's own member: a seasonal profile corrected by how the series departs from it now. For each horizon a
 * ridge regression on a few smoothed departures, its normal equations updated with forgetting, decides how fast
 * a departure decays (persistence, mean reversion and AR(1) are special cases) and how far the profile and the same
 * time yesterday and last week are to be trusted. It earns its place because a weighted average of persistence and a
 * seasonal naive forecast can't say "half-way back to normal in an hour", which is what most services do.
 */

/** Half-lives, in bins, of the smoothed departures. */
const SMOOTHED = [2, 8, 36] as const;
/** Departures kept of an origin: now, and the smoothed ones. */
const KEPT = 2 + SMOOTHED.length;
/** What the regression sees: those, yesterday's and last week's departure, the profile's move and its distance from the mean. */
const FEATURES = KEPT + 4;
/** Ridge: evidence, in observations, for "the profile is right and departures vanish". */
const RIDGE = 5;
/** Observations beyond this many scales count less. */
const WILD = 4;
const SOLVE_EVERY = 12;
/** One value moves mean and spread by no more than this many spreads: enough to wake up within hours, too little for a
 * single spike to leave a mark. */
const BOUND = 20;
/** Spreads beyond which a departure is no departure that coefficients were learnt from: one value of a thousand times as
 * much would be carried on for a day. */
const REACH = 100;

/** The normal equations of one horizon, in units of the spread, and their last solution. */
interface Solver {
  weights: Float64Array;
  /** Lower triangle, row by row. */
  moments: Float64Array;
  products: Float64Array;
}

const TRIANGLE = (FEATURES * (FEATURES + 1)) / 2;

export const regression: ModelEntry = {
  name: 'profile-regression',
  byState: true,
  create: (context: ModelContext): Model => createRegression(context),
};

function createRegression({ step, calendar, anchors, history }: ModelContext): Model {
  const profile = createProfile(step, calendar);
  const longest = anchors[anchors.length - 1] ?? 1;
  const size = longest + 1;
  const ring = new Float64Array(size * (KEPT + 1)).fill(Number.NaN);
  const solvers = anchors.map((): Solver => ({
    weights: new Float64Array(FEATURES),
    moments: new Float64Array(TRIANGLE),
    products: new Float64Array(FEATURES),
  }));
  const forget = 2 ** (-1 / Math.max(200, (7 * 86_400) / step));
  const rates = SMOOTHED.map((halfLife) => 1 - 2 ** (-1 / halfLife));
  const slow = 1 - 2 ** (-1 / Math.max(24, 86_400 / step));
  const state = new Float64Array(KEPT);
  const x = new Float64Array(FEATURES);
  let mean = Number.NaN;
  let spread = 0;
  let known = 0;
  let lastIndex = Number.NaN;
  const offScale = new Float64Array(anchors.length);

  /** Fills `x` for a target, in units of the series; false where there is nothing to go by. */
  const describe = (from: Float64Array, at: number, origin: EpochSeconds, target: EpochSeconds): void => {
    const there = profile.at(target, mean);
    for (let k = 0; k < KEPT; k++) x[k] = from[at + k] ?? 0;
    const past = (days: number): number => {
      const label = calendar.daysBefore(target, days);
      const value = label > origin ? Number.NaN : history.at(label);
      return Number.isNaN(value) ? 0 : value - there;
    };
    x[KEPT] = past(1);
    x[KEPT + 1] = past(7);
    x[KEPT + 2] = there - profile.at(origin, mean);
    x[KEPT + 3] = there - mean;
  };
  const bound = (): void => {
    const most = REACH * spread;
    if (!(most > 0)) return;
    for (let k = 0; k < FEATURES; k++) x[k] = Math.max(-most, Math.min(most, x[k] ?? 0));
  };
  const dot = (solver: Solver): number => {
    let sum = 0;
    for (let k = 0; k < FEATURES; k++) sum += (solver.weights[k] ?? 0) * (x[k] ?? 0);
    return sum;
  };

  const learn = (anchor: number, solver: Solver, departure: number): void => {
    const error = departure - dot(solver);
    const scale = spread || 1;
    // A wild residual or a wild input counts less (Huber's weight): one spike must not bend the coefficients.
    let reach = 0;
    for (let k = 0; k < FEATURES; k++) reach = Math.max(reach, Math.abs(x[k] ?? 0));
    const off = Math.max(offScale[anchor] ?? 0, 1e-12);
    const weight =
      Math.min(1, (WILD * off) / Math.max(Math.abs(error), 1e-300)) *
      Math.min(1, (2 * WILD * scale) / Math.max(reach, 1e-300)) ** 2;
    offScale[anchor] = off + Math.max(slow, 1 / known) * (Math.min(Math.abs(error), 6 * off + scale / known) - off);
    const { moments, products } = solver;
    let at = 0;
    for (let i = 0; i < FEATURES; i++) {
      const scaled = (weight * (x[i] ?? 0)) / scale;
      products[i] = (products[i] ?? 0) * forget + (scaled * departure) / scale;
      for (let j = 0; j <= i; j++, at++) moments[at] = (moments[at] ?? 0) * forget + (scaled * (x[j] ?? 0)) / scale;
    }
    // Coefficients move slowly once there is evidence: solving every few bins is enough.
    if (known < 4 * SOLVE_EVERY || (known + anchor) % SOLVE_EVERY === 0) {
      solveRidge(moments, products, RIDGE, solver.weights);
    }
  };

  return {
    name: 'profile-regression',
    observe(label, value) {
      const index = Math.round(label / step);
      known++;
      if (known === 1) mean = value;
      for (let a = 0; a < anchors.length; a++) {
        const origin = index - (anchors[a] ?? 1);
        const at = (((origin % size) + size) % size) * (KEPT + 1);
        const solver = solvers[a];
        if (ring[at + KEPT] !== origin || solver === undefined || known < 4) continue;
        describe(ring, at, origin * step, label);
        learn(a, solver, value - profile.at(label, mean));
      }
      const departure = value - profile.at(label, mean);
      spread +=
        Math.max(slow, 1 / known) * (Math.min(Math.abs(departure), spread > 0 ? BOUND * spread : Infinity) - spread);
      const kept = spread > 0 ? Math.max(-20 * spread, Math.min(20 * spread, departure)) : departure;
      state[0] = departure;
      for (let k = 0; k < rates.length; k++) {
        const now = state[k + 1] ?? 0;
        state[k + 1] = now + Math.max(rates[k] ?? 1, 1 / known) * (kept - now);
      }
      state[KEPT - 1] = spread * 0.1;
      mean += Math.max(slow / 3, 1 / known) * (Math.max(-BOUND * spread, Math.min(BOUND * spread, value - mean)) || 0);
      profile.observe(label, value, mean, spread);
      lastIndex = index;
      const at = (((index % size) + size) % size) * (KEPT + 1);
      ring.set(state, at);
      ring[at + KEPT] = index;
    },
    move(delta) {
      mean += delta;
    },
    predict(target, ahead) {
      if (known < 2) return Number.NaN;
      describe(state, 0, lastIndex * step, target);
      bound();
      let upper = anchors.findIndex((anchor) => anchor >= ahead);
      if (upper === -1) upper = anchors.length - 1;
      const far = anchors[upper] ?? 1;
      const lower = far > ahead && upper > 0 ? upper - 1 : upper;
      const near = anchors[lower] ?? 1;
      const share = lower === upper ? 1 : (ahead - near) / (far - near);
      const first = solvers[lower];
      const second = solvers[upper];
      if (first === undefined || second === undefined) return Number.NaN;
      const low = dot(first);
      const departure = lower === upper ? low : low + share * (dot(second) - low);
      return Math.max(0, profile.at(target, mean) + departure);
    },
  };
}
