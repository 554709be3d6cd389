import type { EpochSeconds } from '../domain/time.js';
import type { Calibration } from './conformal.js';
import type { GlobalBank } from './global-bank.js';
import { straighten } from './levels.js';
import type { Members } from './members.js';
import type { Scale, ScaleBank } from './scales.js';
import type { SketchBank } from './sketch.js';
import type { StateTracker } from './state.js';
import type { WeightBank } from './weights.js';

/* From what members say of a bin to what the ensemble says of it: weighed by horizon and level, corrected, put in order. */

/** No quantile goes beyond this many times the (slowly forgotten) peak; a young series has not seen its peak yet. */
const FARTHEST = 3;
const FARTHEST_YOUNG = 10;
/** A spread so many times the usual one is a change of regime, and a correction by it would be no correction. */
const WIDEST = 4;

/** What the series has been like, as far as quantiles are bounded by it. */
export interface Seen {
  /** The highest value, slowly forgotten. */
  peak: number;
  /** Known bins taken in. */
  known: number;
}

export interface Combination {
  /**
   * Quantiles of a target `ahead` bins after the last known one, between two anchors: into `stated`, as they go out, and
   * with all that they were made of into the arrays beside it, which are the same at every call.
   */
  combine(target: EpochSeconds, ahead: number, seen: Seen): void;
  readonly stated: Float64Array;
  /** Before they were put in order, and before they were corrected. */
  readonly own: Float64Array;
  readonly raw: Float64Array;
  /** By model the middle, by member the scale. */
  readonly point: Float64Array;
  readonly memberScale: Float64Array;
  /** Of the global models, `[global][level]`. */
  readonly globalStated: Float64Array;
  /** Residual quantiles, `[row][level]`, in scales. */
  readonly standard: Float32Array;
  /** By anchor how far the outer levels usually lie apart; whoever learns keeps it. */
  readonly usualSpread: Float64Array;
  /** Reads sketches and weights anew. @param next label of the next bin by the clock, and after the last known one. */
  refresh(next: EpochSeconds, afterKnown: EpochSeconds): void;
  /** Global models are asked only once somebody has prepared for it: they cost more than all others together. */
  wakeGlobals(): void;
  readonly asksGlobals: boolean;
  /** Of each model, over all horizons and levels. */
  modelWeights(): Record<string, number>;
}

export function createCombination(
  members: Members,
  parts: {
    bank: GlobalBank;
    scales: ScaleBank;
    sketches: SketchBank;
    weights: WeightBank;
    calibration: Calibration;
    states: StateTracker;
    binsPerDay: number;
  },
): Combination {
  const { levels, anchors, models, low, high, middle: middleLevel, rowOf, rows } = members;
  const { bank, scales, sketches, calibration, states, binsPerDay } = parts;
  const L = levels.length;
  const A = anchors.length;
  const Q = members.all.length;
  const G = members.globals.length;
  const firstGlobal = models.length;
  const M = firstGlobal + G;
  const names = [...models, ...members.globals].map(({ name }) => name);
  let asking = false;
  const globalStated = new Float64Array(G * L);
  const standard = new Float32Array(rows * L);
  /** [anchor][member][level]: the levels of a member lie side by side, as they are read. */
  const memberWeights = new Float32Array(A * Q * L);
  const awake: boolean[] = members.all.map(() => false);
  const weightRow = new Float64Array(Q);
  const point = new Float64Array(M);
  const memberScale = new Float64Array(Q);
  const raw = new Float64Array(L);
  const own = new Float64Array(L);
  const stated = new Float64Array(L);
  const usualSpread = new Float64Array(A);

  const scaleBetween = (
    kind: Scale,
    model: number,
    lower: number,
    upper: number,
    share: number,
    target: EpochSeconds,
  ): number => {
    const near = scales.scale(kind, model, lower, target);
    return lower === upper ? near : near + share * (scales.scale(kind, model, upper, target) - near);
  };

  /** The widest spread that corrections are taken in: what they were learnt in. */
  const widest = (anchor: number): number => {
    const usual = usualSpread[anchor] ?? 0;
    return usual > 0 ? WIDEST * usual : Number.POSITIVE_INFINITY;
  };

  const combine = (target: EpochSeconds, ahead: number, { peak, known }: Seen): void => {
    let upper = anchors.findIndex((anchor) => anchor >= ahead);
    // Past the last anchor (data are missing) errors go on growing as those of a random walk.
    const stretch = upper === -1 ? Math.sqrt(ahead / (anchors[A - 1] ?? 1)) : 1;
    if (upper === -1) upper = A - 1;
    const from = anchors[upper] ?? 1;
    const lower = from > ahead && upper > 0 ? upper - 1 : upper;
    const to = anchors[lower] ?? 1;
    const share = lower === upper ? 1 : (ahead - to) / (from - to);
    for (let m = 0; m < firstGlobal; m++) point[m] = models[m]?.predict(target, ahead) ?? Number.NaN;
    for (let g = 0; g < G; g++) {
      const says = asking && bank.read(g, target, globalStated, g * L);
      point[firstGlobal + g] = says ? (globalStated[g * L + middleLevel] ?? Number.NaN) : Number.NaN;
    }
    raw.fill(0);
    const current = states.current();
    const sums = stated.fill(0);
    for (let q = 0; q < Q; q++) {
      const member = members.all[q];
      const middle = point[member?.model ?? 0] ?? Number.NaN;
      if (member === undefined || Number.isNaN(middle)) {
        memberScale[q] = Number.NaN;
        continue;
      }
      const said = (member.model - firstGlobal) * L;
      const scale =
        member.scale === 'stated' || member.scale === 'own'
          ? scales.atLeast((globalStated[said + high] ?? 0) - (globalStated[said + low] ?? 0))
          : stretch * scaleBetween(member.scale, member.model, lower, upper, share, target);
      memberScale[q] = scale;
      const isStated = member.states === 0;
      const nearRow = rowOf(member, lower, current) * L;
      const nearCell = (lower * Q + q) * L;
      if (lower === upper) {
        for (let l = 0; l < L; l++) {
          const weight = memberWeights[nearCell + l] ?? 0;
          const quantile = isStated ? (globalStated[said + l] ?? 0) : middle + scale * (standard[nearRow + l] ?? 0);
          raw[l] = (raw[l] ?? 0) + weight * Math.max(0, quantile);
          sums[l] = (sums[l] ?? 0) + weight;
        }
        continue;
      }
      const farRow = rowOf(member, upper, current) * L;
      const farCell = (upper * Q + q) * L;
      for (let l = 0; l < L; l++) {
        const wNear = memberWeights[nearCell + l] ?? 0;
        const weight = wNear + share * ((memberWeights[farCell + l] ?? 0) - wNear);
        const zNear = standard[nearRow + l] ?? 0;
        const quantile = isStated
          ? (globalStated[said + l] ?? 0)
          : middle + scale * (zNear + share * ((standard[farRow + l] ?? 0) - zNear));
        raw[l] = (raw[l] ?? 0) + weight * Math.max(0, quantile);
        sums[l] = (sums[l] ?? 0) + weight;
      }
    }
    for (let l = 0; l < L; l++) raw[l] = (sums[l] ?? 0) > 0 ? (raw[l] ?? 0) / (sums[l] ?? 1) : 0;
    raw.sort();
    // Sketches that a change of regime has scattered can ask for a hundred times what was ever seen; nobody has that.
    const most = peak * (known < 2 * binsPerDay ? FARTHEST_YOUNG : FARTHEST);
    const spread = Math.min(raw[high] ?? 0, most) - Math.min(raw[low] ?? 0, most);
    for (let l = 0; l < L; l++) {
      // A correction was learnt in the spreads of its time.
      const near = calibration.offset(lower, l) * Math.min(spread, widest(lower));
      const far = calibration.offset(upper, l) * Math.min(spread, widest(upper));
      const value = Math.max(0, (raw[l] ?? 0) + near + share * (far - near));
      // Rounding must not make a constant series miss its own value.
      own[l] = Math.min(value, most) * (1 + 1e-9);
    }
    straighten(own, stated, [low, high]);
  };
  return {
    ...{ combine, stated, own, raw, point, memberScale, globalStated, standard, usualSpread },
    get asksGlobals() {
      return asking;
    },
    wakeGlobals() {
      asking = true;
    },
    refresh(next, afterKnown) {
      const wakes = (model: number): boolean =>
        model < firstGlobal
          ? !Number.isNaN(models[model]?.predict(afterKnown, 1) ?? Number.NaN)
          : asking && bank.read(model - firstGlobal, next, globalStated, (model - firstGlobal) * L);
      for (let row = 0; row < rows; row++) sketches.quantiles(row, standard, row * L);
      for (let q = 0; q < Q; q++) {
        awake[q] = wakes(members.all[q]?.model ?? 0);
      }
      for (let a = 0; a < A; a++) {
        for (let l = 0; l < L; l++) {
          parts.weights.weights(a * L + l, awake, weightRow);
          for (let q = 0; q < Q; q++) memberWeights[(a * Q + q) * L + l] = weightRow[q] ?? 0;
        }
      }
    },
    modelWeights() {
      const sums = new Float64Array(M);
      let total = 0;
      for (let a = 0; a < A; a++) {
        for (let l = 0; l < L; l++) {
          for (let q = 0; q < Q; q++) {
            const weight = memberWeights[(a * Q + q) * L + l] ?? 0;
            const model = members.all[q]?.model ?? 0;
            sums[model] = (sums[model] ?? 0) + weight;
            total += weight;
          }
        }
      }
      return Object.fromEntries(names.map((name, m) => [name, (sums[m] ?? 0) / total]));
    },
  };
}
