import { logit } from './levels.js';

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

/** Levels so far apart in logits learn from each other: 0.75 and 0.8 do, 0.9 and 0.95 hardly. */
const NEAR = 0.4;

/** Steps ahead at which corrections move half as fast as for the next step. */
const SLOWER = 12;
/** With this power of the steps ahead: of the levels that capacity is asked for at, and of those below. */
const UPPER_POWER = 1.5;
const LOWER_POWER = 1.75;
const UPPER = 0.85;

export interface Calibration {
  /** Correction in spreads. */
  offset(anchor: number, level: number): number;
  /** Whether a level was missed; one that says nothing is left out. All of them count once `settle` is called. */
  judge(level: number, missed: boolean): void;
  /** Moves the corrections of an anchor by what was judged. */
  settle(anchor: number): void;
}

export function createCalibration(horizons: readonly number[], levels: readonly number[]): Calibration {
  const offsets = new Float64Array(horizons.length * levels.length);
  // Capacity is asked for at the upper levels, and a miss there is worse than a little slack: aim a shade above them.
  const targets = levels.map((level) => (1 - level) * (level > 0.9 ? CAUTION : 1));
  // A miss at 0.99 is worth ninety-nine hits. The gain is the largest move at once: smaller in the middle, where every
  // bin moves it one way or the other and quantiles are known well anyway.
  const gains = levels.map((level) => 0.025 * Math.sqrt(Math.abs(2 * level - 1)) + 0.01);
  // Far horizons move far more slowly: the answer to a move comes a horizon later, and until then every bin errs the same
  // way. A day ahead, moves as quick as those of the next hours swing, and cost more than they put right: most so in the
  // middle, where a move costs at every bin.
  const slowness = horizons.map((ahead) =>
    levels.map((level) => 1 + (ahead / SLOWER) ** (level > UPPER || ahead <= SLOWER ? UPPER_POWER : LOWER_POWER)),
  );
  const L = levels.length;
  // Levels close together learn from each other, by their distance in logits: each by itself wanders, and where two
  // cross, what is stated of both is off.
  const near = new Float64Array(L * L);
  for (let level = 0; level < L; level++) {
    const row = levels.map((p) => Math.exp(-0.5 * ((logit(p) - logit(levels[level] ?? 0.5)) / NEAR) ** 2));
    const sum = row.reduce((all, one) => all + one, 0);
    row.forEach((one, other) => (near[level * L + other] = one / sum));
  }
  const errors = new Float64Array(L);
  return {
    offset: (anchor, level) => offsets[anchor * L + level] ?? 0,
    judge(level, missed) {
      errors[level] = (missed ? 1 : 0) - (targets[level] ?? 0.5);
    },
    settle(anchor) {
      for (let level = 0; level < L; level++) {
        let error = 0;
        for (let other = 0; other < L; other++) error += (near[level * L + other] ?? 0) * (errors[other] ?? 0);
        const at = anchor * L + level;
        offsets[at] = Math.max(
          -FARTHEST,
          Math.min(FARTHEST, (offsets[at] ?? 0) + ((gains[level] ?? 0) / (slowness[anchor]?.[level] ?? 1)) * error),
        );
      }
      errors.fill(0);
    },
  };
}
