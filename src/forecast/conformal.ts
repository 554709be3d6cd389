/*
 * Adaptive conformal calibration: each (anchor, level) carries a correction, in units of the forecast's own spread,
 * that rises on a miss and falls a little on a hit, so that the long-run share of misses is the stated one whatever
 * the series does. This is quantile tracking, the P part of conformal PID control (Angelopoulos, Candès and
 * Tibshirani, NeurIPS 2023), the sequel of adaptive conformal inference (Gibbs and Candès, NeurIPS 2021).
 */

/** Beyond this many spreads a correction says that the spread is wrong, and the sketches must learn. */
const FARTHEST = 5;

/** Share of the allowed misses that the upper levels are steered to. */
const CAUTION = 0.95;

/** Steps ahead at which corrections move half as fast as for the next step. */
const SLOWER = 12;

export interface Calibration {
  /** Correction in spreads. */
  offset(anchor: number, level: number): number;
  learn(anchor: number, level: number, missed: boolean): void;
}

export function createCalibration(horizons: readonly number[], levels: readonly number[]): Calibration {
  const offsets = new Float64Array(horizons.length * levels.length);
  // Capacity is asked for at the upper levels, and a miss there is worse than a little slack: aim a shade above them.
  const targets = levels.map((level) => (1 - level) * (level > 0.9 ? CAUTION : 1));
  // A miss at 0.99 is worth ninety-nine hits. The gain is the largest move at once: smaller in the middle, where every
  // bin moves it one way or the other and quantiles are known well anyway.
  const gains = levels.map((level) => 0.025 * Math.sqrt(Math.abs(2 * level - 1)) + 0.01);
  // Far horizons move far more slowly: the answer to a move comes a horizon later, and until then every bin errs the same
  // way. A day ahead, moves as quick as those of the next hours swing, and cost more than they put right.
  const slowness = horizons.map((ahead) => 1 + (ahead / SLOWER) ** 1.5);
  return {
    offset: (anchor, level) => offsets[anchor * levels.length + level] ?? 0,
    learn(anchor, level, missed) {
      const at = anchor * levels.length + level;
      const move = ((gains[level] ?? 0) / (slowness[anchor] ?? 1)) * ((missed ? 1 : 0) - (targets[level] ?? 0.5));
      offsets[at] = Math.max(-FARTHEST, Math.min(FARTHEST, (offsets[at] ?? 0) + move));
    },
  };
}
