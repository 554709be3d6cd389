import type { QuantileForecast } from '../domain/forecast.js';
import type { Series } from '../domain/series.js';
import type { EpochSeconds } from '../domain/time.js';
import { chooseAnchors } from './anchors.js';
import type { Calendar } from './calendar.js';
import { createCalibration } from './conformal.js';
import type { GlobalModel } from './global.js';
import type { FeatureInputs } from './feature-inputs.js';
import { createGlobalBank } from './global-bank.js';
import { createHistory } from './history.js';
import { readLevel, straighten } from './levels.js';
import type { Model, ModelEntry } from './models/model.js';
import { createScaleBank, type Scale } from './scales.js';
import { createStateTracker, STATES } from './state.js';
import { createShocks, movedAt, statesBoth, type Shift } from './shocks.js';
import type { Ways } from './ways.js';
import { createSketchBank } from './sketch.js';
import { createWeightBank } from './weights.js';

const DAY = 86_400;
/** Levels that are always learnt, so that others can be read between them. */
export const BASE_LEVELS = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999] as const;
/** Sketch quantiles move slowly: read anew every so many bins. */
const REFRESH = 4;
/** No single bin moves a weight by more than this, in usual spreads: a peak is what a forecast is for, a mistake is not. */
const LARGEST_GAIN = 16;
/** An error counts as so many usual spreads at most. */
const WILDEST = 24;
/**
 * What a global model's own quantiles count beside all other members together, before anything is known of the series:
 * they have proven themselves on bins of many series that they had not seen (its card), the others on none.
 */
const TRUST = 2;
const DEGENERATE = 1000;
/**
 * Spreads between a member and the ensemble at which half of its gain is its own loss, the rest being the gradient of
 * the ensemble's. The gradient alone finds the best combination, but a calibrated ensemble's is zero on average, and
 * would not tell a member that is hundreds of spreads away from one that is right.
 */
const FAR = 50;
/** No quantile goes beyond this many times the (slowly forgotten) peak; a young series has not seen its peak yet. */
const FARTHEST = 3;
const FARTHEST_YOUNG = 10;
/** How far below zero, in spreads, a correction may fall that is not seen there. */
const BELOW_ZERO = 0.1;
/** A spread so many times the usual one is a change of regime, and a correction by it would be no correction. */
const WIDEST = 4;

/**
 * One way to forecast quantiles: a model's middle, with its residuals relative to a scale. A global model says quantiles
 * itself: they are taken as `stated`, and beside it their `own` width is a scale, on which its errors are learnt like
 * those of the others, so that one whose shape is off for this series is put right.
 */
interface Member {
  model: number;
  scale: Scale | 'own' | 'stated';
  /** First of its rows in the sketches. */
  row: number;
  states: number;
}

export interface EnsembleOptions {
  step: number;
  horizon: number;
  levels: readonly number[];
  calendar: Calendar;
  models: readonly ModelEntry[];
  /** Scales that each model stands with. */
  scales: readonly Scale[];
  /** Models trained on many series; they are asked once {@link Ensemble.prepare} was called. */
  globals?: readonly GlobalModel[];
  /** What is known besides the series, for these. */
  inputs?: () => FeatureInputs | undefined;
  /** Horizons that must be learnt exactly, beside those chosen by default. */
  exactly: readonly number[];
}

/** What was stated for a bin, when it came: by the forecast made `ahead` steps before it. */
export interface Scored {
  ahead: number;
  /** Stated quantiles at the ensemble's levels. */
  stated: Float64Array;
  /** False where the bin at the origin of that forecast was itself missing. */
  settled: boolean;
}

/** One series at one resolution. */
export interface Ensemble {
  readonly lastBin: EpochSeconds;
  readonly levels: readonly number[];
  /**
   * Takes the next bin; `onScored` sees what had been stated for it.
   * @param estimate of a lower bound, what demand may have been; without it the models go on with their own.
   * @returns the value, or what was estimated of a lower bound: a window for {@link Ensemble.fit} is made of these.
   */
  observe(
    label: EpochSeconds,
    value: number,
    censored: boolean,
    onScored?: (scored: Scored) => void,
    estimate?: number,
  ): number;
  forecast(horizon: number, levels: readonly number[]): QuantileForecast;
  /** The two ways that a suspected shock may go, bin by bin; null where none is suspected. */
  ways(horizon: number, levels: readonly number[]): Ways | null;
  /**
   * Announces the values of the next bins, for the global models to answer for all of them in one batch (nothing else
   * looks at them), and wakes those models up.
   */
  prepare(values: Float64Array): void;
  /** Lets the models that need a whole window learn from one; it ends with the last bin. */
  fit(window: Series): void;
  /** Known bins taken in. */
  readonly known: number;
}

export function createEnsemble(start: EpochSeconds, options: EnsembleOptions): Ensemble {
  const { step, calendar } = options;
  const levels = [...new Set([...BASE_LEVELS, ...options.levels])].sort((a, b) => a - b);
  const L = levels.length;
  const anchors = chooseAnchors(options.horizon, options.exactly);
  const A = anchors.length;
  const binsPerDay = DAY / step;
  const globals = options.globals ?? [];
  const G = globals.length;
  const history = createHistory(
    step,
    Math.max(Math.ceil(Math.min(2016, Math.max(64, 7 * binsPerDay))) + 1, ...globals.map((one) => one.context)),
  );
  const context = { step, calendar, anchors, history };
  const entries = options.models.flatMap((entry): { model: Model; scales: readonly Scale[] }[] => {
    const model = entry.create(context);
    const scales = entry.byState === true ? options.scales : options.scales.filter((scale) => scale !== 'state');
    return model === null ? [] : [{ model, scales }];
  });
  const models = entries.map(({ model }) => model);
  // Global models come after the others.
  const M = models.length + G;
  const firstGlobal = models.length;
  const names = [...models, ...globals].map(({ name }) => name);
  // Each member's residual distributions: one an anchor, or one an anchor and state.
  let rows = 0;
  const standing = [
    ...entries.map(({ scales }): readonly Member['scale'][] => scales),
    ...globals.map((): readonly Member['scale'][] => ['own', 'stated']),
  ];
  const members = standing.flatMap((each, model) =>
    each.map((scale): Member => {
      const member = { model, scale, row: rows, states: scale === 'state' ? STATES : scale === 'stated' ? 0 : 1 };
      rows += member.states * A;
      return member;
    }),
  );
  const rowOf = (member: Member, anchor: number, state: number): number =>
    member.row + anchor * member.states + (member.states === STATES ? state : 0);
  const Q = members.length;
  const scales = createScaleBank({ models: firstGlobal, anchors, binsPerDay, calendar });
  const halfLife = Math.max(200, Math.min(10 * binsPerDay, 3000));
  const sketches = createSketchBank(rows, levels, { halfLife, prior: 20 });
  const finished = members.map(({ states }) => states === 0);
  const trust = (TRUST * (Q - G)) / Math.max(1, G);
  const cellAheads = anchors.flatMap((ahead) => levels.map(() => ahead));
  const weightBank = createWeightBank(cellAheads, Q, {
    halfLife: Math.max(100, Math.min(4 * binsPerDay, 1200)),
    finished,
    prior: finished.map((one) => (one ? trust : 1)),
  });
  const calibration = createCalibration(anchors, levels);
  const low = levels.indexOf(0.1);
  const high = levels.indexOf(0.9);
  const middleLevel = levels.indexOf(0.5);

  const bank = createGlobalBank({
    ...{ globals, levels, anchors, step, calendar, history },
    ...(options.inputs === undefined ? {} : { inputs: options.inputs }),
  });
  /** Global models are asked only once somebody has prepared for it: they cost more than all others together. */
  let asking = false;
  const globalStated = new Float64Array(G * L);

  // What was forecast and not yet scored: a ring for each anchor, as long as the anchor.
  const width = M + Q + (G + 2) * L + 2;
  const rings = anchors.map((ahead) => new Float32Array(ahead * width).fill(Number.NaN));
  const ringOrigins = anchors.map((ahead) => new Float64Array(ahead).fill(Number.NaN));
  /** What {@link moved} was at each origin. */
  const ringMoved = anchors.map((ahead) => new Float64Array(ahead));
  const standard = new Float32Array(rows * L);
  const states = createStateTracker(binsPerDay);
  const memberWeights = new Float32Array(A * L * Q);
  const shocks = createShocks(step);
  /** By how much shifts of level have moved what was learnt, in all. */
  let moved = 0;
  const awake: boolean[] = members.map(() => false);
  const weightRow = new Float64Array(Q);

  let lastBin = start - step;
  let lastKnown = Number.NaN;
  let known = 0;
  let peak = 0;
  const peakKeep = 2 ** (-1 / Math.max(100, 7 * binsPerDay));
  let sinceRefresh = REFRESH;

  const wakes = (model: number): boolean =>
    model < firstGlobal
      ? !Number.isNaN(models[model]?.predict(lastKnown + step, 1) ?? Number.NaN)
      : asking && bank.read(model - firstGlobal, lastBin + step, globalStated, (model - firstGlobal) * L);
  const refresh = (): void => {
    for (let row = 0; row < rows; row++) sketches.quantiles(row, standard, row * L);
    for (let q = 0; q < Q; q++) {
      awake[q] = wakes(members[q]?.model ?? 0);
    }
    for (let cell = 0; cell < A * L; cell++) {
      weightBank.weights(cell, awake, weightRow);
      memberWeights.set(weightRow, cell * Q);
    }
  };

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

  const usualSpread = new Float64Array(A);
  /** The widest spread that corrections are taken in: what they were learnt in. */
  const widest = (anchor: number): number => {
    const usual = usualSpread[anchor] ?? 0;
    return usual > 0 ? WIDEST * usual : Number.POSITIVE_INFINITY;
  };

  /** Quantiles before calibration, for a target `ahead` bins after the last known one, between two anchors. */
  const point = new Float64Array(M);
  const memberScale = new Float64Array(Q);
  const raw = new Float64Array(L);
  const own = new Float64Array(L);
  const stated = new Float64Array(L);
  const combine = (target: EpochSeconds, ahead: number): void => {
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
      const member = members[q];
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
      const nearRow = rowOf(member, lower, current) * L;
      const farRow = rowOf(member, upper, current) * L;
      for (let l = 0; l < L; l++) {
        const zNear = standard[nearRow + l] ?? 0;
        const zFar = standard[farRow + l] ?? 0;
        const wNear = memberWeights[(lower * L + l) * Q + q] ?? 0;
        const wFar = memberWeights[(upper * L + l) * Q + q] ?? 0;
        const weight = wNear + share * (wFar - wNear);
        const quantile =
          member.states === 0 ? (globalStated[said + l] ?? 0) : middle + scale * (zNear + share * (zFar - zNear));
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
  /** What is stated: while a wild value waits for the next ones to say what it was, both ways that it may go. */
  const state = (target: EpochSeconds, ahead: number): void => {
    combine(target, ahead);
    const suspected = shocks.suspected(ahead);
    if (suspected === null) return;
    statesBoth(levels, suspected, (level) => readLevel(levels, stated, level), own);
    straighten(own, stated, [low, high]);
  };

  const told = new Float64Array(L);
  const usualRate = 1 - 2 ** (-1 / Math.max(24, 2 * binsPerDay));
  const learn = (
    anchor: number,
    label: EpochSeconds,
    value: number,
    censored: boolean,
    isWild: boolean,
  ): Scored | null => {
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
      const member = members[q];
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

  const remember = (label: EpochSeconds): void => {
    const index = Math.round(label / step);
    const gap = Math.round((label - lastKnown) / step);
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

  const take = (label: EpochSeconds, value: number): void => {
    sketches.age();
    history.set(label, value);
    peak = Math.max(value, peak * peakKeep);
    scales.level(value);
    states.observe(value);
    shocks.see(label, value);
    for (const model of models) model.observe(label, value);
    lastKnown = label;
    known++;
    sinceRefresh++;
  };
  /** A new level: what was learnt of the old one goes along. */
  const move = ({ delta, keeps }: Shift): void => {
    moved += delta;
    history.move(delta, keeps ?? Number.POSITIVE_INFINITY);
    states.move(delta);
    for (const model of models) model.move?.(delta);
    peak = Math.max(0, peak + delta);
    sinceRefresh = REFRESH;
  };

  return {
    get lastBin() {
      return lastBin;
    },
    get known() {
      return known;
    },
    levels,
    observe(label, value, censored, onScored, estimate = Number.NaN) {
      lastBin = label;
      let taken = value;
      if (!Number.isNaN(value)) {
        // A bound says too little of where demand was to be wild.
        let expected = Number.NaN;
        const expect = (): number => {
          if (Number.isNaN(expected)) {
            combine(label, Math.round((label - lastKnown) / step));
            expected = stated[middleLevel] ?? 0;
          }
          return expected;
        };
        const isWild = !censored && (shocks.isWild(value) || shocks.goesBack(label, value, expect));
        for (let a = 0; a < A; a++) {
          const scored = learn(a, label, value, censored, isWild);
          if (scored !== null) onScored?.(scored);
        }
        if (isWild) {
          // What global models were asked ahead of time knows nothing of this.
          bank.forget();
          const shift = shocks.hold(label, value, expect());
          if (shift !== null) {
            move(shift);
            for (const held of shocks.release()) take(held.label, held.value);
          }
        } else {
          for (const spike of shocks.dismiss()) history.set(spike.label, spike.value);
          // The bound is the least that demand was; the middle of what was expected may be more.
          if (censored && known > 0) taken = Math.max(value, Number.isNaN(estimate) ? expect() : estimate);
          take(label, taken);
        }
      }
      if (asking) bank.moveTo(label);
      if (sinceRefresh >= REFRESH) {
        refresh();
        sinceRefresh = 0;
      }
      if (known > 0) remember(label);
      return taken;
    },
    prepare(values) {
      if (G === 0) return;
      asking = true;
      bank.prepare(lastBin + step, values);
    },
    fit(window) {
      const clean = withoutShocks(window);
      for (const model of models) model.fit?.(clean);
      if (known > 0) refresh();
    },
    ways,
    forecast(horizon, asked) {
      const gap = Math.round((lastBin - lastKnown) / step);
      const quantiles: number[][] = [];
      if (asking) bank.ask(horizon);
      for (let ahead = 1; ahead <= horizon; ahead++) {
        state(lastBin + ahead * step, ahead + gap);
        quantiles.push(asked.map((level) => readLevel(levels, stated, level)));
      }
      return { origin: lastBin, step, levels: [...asked], quantiles, weights: modelWeights() };
    },
  };

  function ways(horizon: number, asked: readonly number[]): Ways | null {
    if (shocks.suspected(horizon) === null) return null;
    const gap = Math.round((lastBin - lastKnown) / step);
    if (asking) bank.ask(horizon);
    const both: Ways = { shares: [], expected: [], moved: [] };
    for (let ahead = 1; ahead <= horizon; ahead++) {
      combine(lastBin + ahead * step, ahead + gap);
      const read = (level: number): number => readLevel(levels, stated, level);
      const suspected = shocks.suspected(ahead + gap);
      both.shares.push(suspected?.share ?? 0);
      both.expected.push(asked.map(read));
      both.moved.push(
        asked.map((level) => Math.max(0, suspected === null ? read(level) : movedAt(suspected, read, level))),
      );
    }
    return both;
  }

  /** As it would have been at today's level, spikes left out. */
  function withoutShocks(window: Series): Series {
    const { shifts, spikes } = shocks.since(window.start);
    if (shifts.length === 0 && spikes.length === 0) return window;
    const values = window.values.slice();
    const indexOf = (label: EpochSeconds): number => Math.round((label - window.start) / step);
    for (const { from, delta } of shifts) {
      for (let k = 0; k < Math.min(values.length, indexOf(from)); k++) values[k] = (values[k] ?? Number.NaN) + delta;
    }
    // Once all are in: down and up again is where it was.
    for (let k = 0; k < values.length; k++) values[k] = Math.max(0, values[k] ?? Number.NaN);
    for (const label of spikes) values[indexOf(label)] = Number.NaN;
    return { ...window, values };
  }

  /** Of each model, over all horizons and levels. */
  function modelWeights(): Record<string, number> {
    const sums = new Float64Array(M);
    let total = 0;
    for (let cell = 0; cell < A * L; cell++) {
      for (let q = 0; q < Q; q++) {
        const weight = memberWeights[cell * Q + q] ?? 0;
        const model = members[q]?.model ?? 0;
        sums[model] = (sums[model] ?? 0) + weight;
        total += weight;
      }
    }
    return Object.fromEntries(names.map((name, m) => [name, (sums[m] ?? 0) / total]));
  }
}
