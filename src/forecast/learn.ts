import type { EpochSeconds } from '../domain/time.js';
import type { Combination } from './combine.js';
import type { Calibration } from './conformal.js';
import { straighten } from './levels.js';
import type { Members } from './members.js';
import type { ScaleBank } from './scales.js';
import type { SketchBank } from './sketch.js';
import type { StateTracker } from './state.js';
import type { WeightBank } from './weights.js';

/* What was forecast and not yet scored, and what is learnt from it when its bin comes. */

/** No single bin moves a weight by more than this, in usual spreads: a peak is what a forecast is for, a mistake is not. */
const LARGEST_GAIN = 16;
/** An error counts as so many usual spreads at most. */
const WILDEST = 24;
const DEGENERATE = 1000;
/** How far below zero, in spreads, a correction may fall that is not seen there. */
const BELOW_ZERO = 0.1;
/**
 * Spreads between a member and the ensemble at which half of its gain is its own loss, the rest being the gradient of
 * the ensemble's. The gradient alone finds the best combination, but a calibrated ensemble's is zero on average, and
 * would not tell a member that is hundreds of spreads away from one that is right.
 */
const FAR = 50;

/** What was stated for a bin, when it came: by the forecast made `ahead` steps before it. */
export interface Scored {
  ahead: number;
  /** Stated quantiles at the ensemble's levels. */
  stated: Float64Array;
  /** False where the bin at the origin of that forecast was itself missing. */
  settled: boolean;
}

/** A bin that has come. */
export interface Come {
  label: EpochSeconds;
  value: number;
  /** The value is a lower bound. */
  censored: boolean;
  /** It is a spike, or a new level: forecasts of before are scored by it, and nothing is learnt from it. */
  isWild: boolean;
}

export interface Learner {
  /** Weighs, calibrates and remembers residuals by what had been forecast for this bin; null where nothing had. */
  learn(anchor: number, come: Come): Scored | null;
  /**
   * Keeps what is stated from the origin `label` on.
   * @param gap bins since the last known one.
   * @param state writes what is stated of a target into the combination.
   */
  remember(label: EpochSeconds, gap: number, state: (target: EpochSeconds, ahead: number) => void): void;
  /** The series has a new level: what members said moves with it. */
  move(delta: number): void;
}

export function createLearner(
  members: Members,
  parts: {
    step: number;
    combination: Combination;
    scales: ScaleBank;
    sketches: SketchBank;
    weights: WeightBank;
    calibration: Calibration;
    states: StateTracker;
    binsPerDay: number;
  },
): Learner {
  const { levels, anchors, low, high, middle: middleLevel, rowOf } = members;
  const { step, combination, scales, sketches, calibration, states, binsPerDay } = parts;
  const { own, raw, point, memberScale, globalStated, standard, usualSpread } = combination;
  const weightBank = parts.weights;
  const L = levels.length;
  const A = anchors.length;
  const Q = members.all.length;
  const G = members.globals.length;
  const firstGlobal = members.models.length;
  const M = firstGlobal + G;
  // A ring for each anchor, as long as the anchor.
  const width = M + Q + (G + 2) * L + 2;
  const rings = anchors.map((ahead) => new Float32Array(ahead * width).fill(Number.NaN));
  const ringOrigins = anchors.map((ahead) => new Float64Array(ahead).fill(Number.NaN));
  /** What {@link moved} was at each origin. */
  const ringMoved = anchors.map((ahead) => new Float64Array(ahead));
  /** By how much shifts of level have moved what was learnt, in all. */
  let moved = 0;

  const told = new Float64Array(L);
  const usualRate = 1 - 2 ** (-1 / Math.max(24, 2 * binsPerDay));
  const learn = (anchor: number, { label, value, censored, isWild }: Come): Scored | null => {
    const ahead = anchors[anchor] ?? 1;
    const ring = rings[anchor];
    const origins = ringOrigins[anchor];
    const index = Math.round(label / step);
    const place = ((index % ahead) + ahead) % ahead;
    if (ring === undefined || origins?.[place] !== index - ahead) return null;
    const base = place * width;
    const settled = ring[base] === 1;
    const state = ring[base + 1] ?? 0;
    const statedAt = base + 2 + M + Q + L;
    const globalAt = statedAt + L;
    // Each level's correction is judged by its own value, not by what a neighbour raised it to: otherwise two
    // corrections that crossed would drive each other away for ever.
    const ownAt = ring.subarray(statedAt, statedAt + L);
    straighten(ownAt, told, [low, high]);
    if (!settled || isWild) return { ahead, stated: told, settled };
    // Gains are in units of the usual spread, so that the bins that cost most count most; but a series that wakes up
    // after weeks of nothing must not carry a gain of thousands of spreads along.
    const rawAt = base + 2 + M + Q;
    // A shift of level since then is nothing that members are to be judged by, or to learn as a residual: what they said
    // moves with it. What was stated does not, and its misses count.
    const since = moved - (ringMoved[anchor]?.[place] ?? 0);
    const off = Math.abs(value - since - (ring[rawAt + middleLevel] ?? 0));
    const spread = (ring[rawAt + high] ?? 0) - (ring[rawAt + low] ?? 0);
    const usual = usualSpread[anchor] ?? 0;
    usualSpread[anchor] = usual === 0 ? spread : usual + usualRate * (spread - usual);
    const unit = Math.max(usualSpread[anchor] ?? 0, off / WILDEST, 1e-12);
    for (let q = 0; q < Q; q++) {
      const member = members.all[q];
      const middle = (ring[base + 2 + (member?.model ?? 0)] ?? Number.NaN) + since;
      const scale = ring[base + 2 + M + q] ?? Number.NaN;
      if (member === undefined || Number.isNaN(middle) || Number.isNaN(scale)) continue;
      const row = rowOf(member, anchor, state) * L;
      for (let l = 0; l < L; l++) {
        const quantile =
          member.states === 0
            ? Math.max(0, (ring[globalAt + (member.model - firstGlobal) * L + l] ?? 0) + since)
            : Math.max(0, middle + scale * (standard[row + l] ?? 0));
        // A bound that the ensemble already covers says nothing of where demand was.
        const ensemble = Math.max(0, (ring[base + 2 + M + Q + l] ?? 0) + since);
        const below = value <= ensemble;
        if (censored && below) continue;
        const slope = (below ? 1 : 0) - (levels[l] ?? 0.5);
        const level = levels[l] ?? 0.5;
        const linear = slope * (ensemble - quantile);
        const real = slope * (ensemble - value) - (value <= quantile ? 1 - level : level) * Math.abs(value - quantile);
        const far = Math.abs(ensemble - quantile) / unit;
        const gain = (linear + (far * (real - linear)) / (FAR + far)) / unit;
        weightBank.score(anchor * L + l, q, Math.max(-LARGEST_GAIN, Math.min(LARGEST_GAIN, gain)));
      }
      if (member.states === 0) continue;
      const residual = value - middle;
      // Where a residual is thousands of scales, the scale was wrong, and says nothing of the shape.
      if (Math.abs(residual) > DEGENERATE * scale) continue;
      if (!censored || residual > 0) sketches.add(rowOf(member, anchor, state), residual / scale, censored);
    }
    for (let m = 0; m < firstGlobal; m++) {
      const residual = value - since - (ring[base + 2 + m] ?? Number.NaN);
      if (!Number.isNaN(residual) && (!censored || residual > 0)) scales.learn(m, anchor, label, residual);
    }
    for (let l = 0; l < L; l++) {
      const said = ownAt[l] ?? 0;
      const missed = value > said;
      // A value that equals what was said (a constant, an idle series) is neither above nor below. What is said of zero
      // can't be lowered, but its correction falls a little further, and no more, so that a rare miss does not raise it
      // above zero at once, nor many days of nothing wind it up for the day things change.
      const zero = !missed && said <= 0;
      const tied = !missed && !zero && said - value <= 1e-6 * said;
      const asked = (ring[rawAt + l] ?? 0) + calibration.offset(anchor, l) * spread;
      if (tied || (zero && asked <= -BELOW_ZERO * spread) || (censored && !missed)) continue;
      calibration.judge(l, missed);
    }
    calibration.settle(anchor);
    return { ahead, stated: told, settled };
  };

  const remember: Learner['remember'] = (label, gap, state) => {
    const index = Math.round(label / step);
    for (let a = 0; a < A; a++) {
      const ahead = anchors[a] ?? 1;
      const ring = rings[a];
      const origins = ringOrigins[a];
      if (ring === undefined || origins === undefined) continue;
      const place = ((index % ahead) + ahead) % ahead;
      const base = place * width;
      state(label + ahead * step, ahead + gap);
      origins[place] = index;
      const then = ringMoved[a];
      if (then !== undefined) then[place] = moved;
      ring[base] = gap === 0 ? 1 : 0;
      ring[base + 1] = states.current();
      ring.set(point, base + 2);
      ring.set(memberScale, base + 2 + M);
      ring.set(raw, base + 2 + M + Q);
      ring.set(globalStated, base + 2 + M + Q + 2 * L);
      // What is kept in float32 must not fall below what was stated.
      for (let l = 0; l < L; l++) ring[base + 2 + M + Q + L + l] = (own[l] ?? 0) * (1 + 2e-7);
    }
  };

  return {
    learn,
    remember,
    move(delta) {
      moved += delta;
    },
  };
}
