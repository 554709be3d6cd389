/*
 * Weights of the ensemble's members, by horizon and level: pointwise aggregation of quantiles, "CRPS learning"
 * (Berrisch and Ziel, Journal of Econometrics 2023), by Bernstein online aggregation (Wintenberger, Machine Learning
 * 2017) with exponential forgetting. Members are judged by the gradient of the ensemble's pinball loss, so that the
 * best combination wins, which can be better than its best member.
 */

/** Scores after which a member counts half of what its gains say. */
const APPRENTICE = 100;
/** The weight, in scores, of one that was never judged. */
const NOVICE = 1e-4;

/** What the members have won and lost against the ensemble at every (anchor, level), and the weights they earn. */
export interface WeightBank {
  /**
   * Scores a member that took part.
   * @param gain how much the ensemble's (linearised) pinball loss would have been less with this member alone.
   */
  score(cell: number, member: number, gain: number): void;
  /** Writes the weights of the members that take part (`awake`), summing to 1. */
  weights(cell: number, awake: readonly boolean[], out: Float64Array): void;
}

/** Steps ahead at which a rate is 1/√2 of what it is for the next step. */
const OVERLAP = 12;

/**
 * @param aheads steps ahead of every cell: what is said h steps ahead is judged h steps late and beside h others that share
 *   most of its error, so that rates shrink with √h (delayed feedback: Joulani, György and Szepesvári, ICML 2013).
 * @param options.halfLife scored bins until a gain counts half.
 * @param options.finished members that have no shape to learn, and are judged from their first bin on.
 * @param options.prior what each member counts where all have won as much, once it has been judged for a while; default 1.
 */
export function createWeightBank(
  aheads: readonly number[],
  members: number,
  options: { halfLife: number; finished?: readonly boolean[]; prior?: readonly number[] },
): WeightBank {
  const cells = aheads.length;
  const gains = new Float32Array(cells * members);
  const squares = new Float32Array(cells * members);
  const largest = new Float32Array(cells * members);
  const scored = new Uint16Array(cells * members);
  const keep = 2 ** (-1 / options.halfLife);
  const graceOf = (member: number): number => (options.finished?.[member] === true ? 0 : APPRENTICE / 4);
  const logMembers = Math.log(Math.max(2, members));
  const patience = Float64Array.from(aheads, (ahead) => Math.sqrt(1 + ahead / OVERLAP));
  const rateOf = (cell: number, variance: number, most: number): number =>
    variance > 0 ? Math.min(1 / most, 2 * Math.sqrt(logMembers / variance)) / (patience[cell] ?? 1) : 0;
  return {
    score(cell, member, gain) {
      const at = cell * members + member;
      const times = Math.min(60_000, (scored[at] ?? 0) + 1);
      scored[at] = times;
      // Its first residuals shape its quantiles: judging those would be judging the wide guess before them.
      if (times <= graceOf(member)) return;
      const variance = (squares[at] ?? 0) * keep + gain * gain;
      squares[at] = variance;
      const most = Math.max((largest[at] ?? 0) * keep, Math.abs(gain));
      largest[at] = most;
      const rate = rateOf(cell, variance, most);
      // The second-order term is what makes the bound hold without knowing the size of gains beforehand.
      gains[at] = (gains[at] ?? 0) * keep + gain * (1 - rate * gain);
    },
    weights(cell, awake, out) {
      const base = cell * members;
      let top = Number.NEGATIVE_INFINITY;
      for (let m = 0; m < members; m++) {
        const variance = squares[base + m] ?? 0;
        const most = largest[base + m] ?? 0;
        const rate = rateOf(cell, variance, most);
        const score = rate * (gains[base + m] ?? 0);
        out[m] = awake[m] === true ? score : Number.NEGATIVE_INFINITY;
        if (awake[m] === true) top = Math.max(top, score);
      }
      let sum = 0;
      for (let m = 0; m < members; m++) {
        // One that joins late has neither won nor lost, and must not be taken at its word for it: a wild one would
        // shake the others' gains for days.
        const judged = Math.max(0, (scored[base + m] ?? 0) - graceOf(m));
        const grown = (judged + NOVICE) / (judged + APPRENTICE);
        const before = 1 + ((options.prior?.[m] ?? 1) - 1) * grown ** 2;
        sum += out[m] = before * Math.exp((out[m] ?? 0) - top) * grown;
      }
      for (let m = 0; m < members; m++) out[m] = sum > 0 ? (out[m] ?? 0) / sum : 0;
    },
  };
}
