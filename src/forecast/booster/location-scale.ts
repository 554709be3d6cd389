import { SCALE_FEATURES } from '../features.js';
import { solveRidge } from '../ridge.js';
import { FIRST_SCALE, levelColumn, ROW_WIDTH, SMALLEST, STEPS_AHEAD } from './relative.js';

/*
 * The straight part of the global model: trees are slow to say "half-way between now and yesterday", a regression says it
 * at once. By horizon, the middle of a row (least absolute deviations on its levels) and the logarithm of how far from it
 * values fall; what is left, in units of that, has much the same shape everywhere, and is what the trees learn.
 */

const MIDDLES = [
  ...(['mean 3', 'mean 12', 'mean 6 h', 'mean day', 'mean week', 'same minute', 'same minute, mean'] as const),
  ...(['day before', 'day before, smooth', 'two days before', 'same time, mean', 'week before'] as const),
  ...(['moved as the day before', 'moved as the mean day'] as const),
].map(levelColumn);
const MEAN_DAY = levelColumn('mean day');
const MEAN_6H = levelColumn('mean 6 h');
const FIRST_MOVED = levelColumn('moved as the day before');
const RANGE = [levelColumn('max 12'), levelColumn('min 12')] as const;
const SAME_TIME = levelColumn('same time, mean');
/** Inputs of the logarithm of the scale: the scales, the short range, the distance from usual, and one. */
const WIDTHS = SCALE_FEATURES.length + 3;
const M = MIDDLES.length;
/** Horizons that coefficients are fitted at: 1, 2, 4, … 2048 steps; linear in the logarithm between. */
const KNOTS = 12;
/**
 * And by how much of the series' movement recurs from day to day: the change against the day before, by the spread. Of noise
 * that is a little above one; where it is a fifth, yesterday is to be trusted.
 */
const SEASONS = 3;
const NOISE = 0.2;
const SEASON_STRIDE = 0.9;
const CELLS = SEASONS * KNOTS;
const DAY_ON_DAY = FIRST_SCALE + SCALE_FEATURES.indexOf('day on day, week');
const SPREAD = FIRST_SCALE + SCALE_FEATURES.indexOf('spread week');
const MOST_DEPARTURE = 12;
const ROUNDS = 5;
const RIDGE = 3;
/** Rows (by weight) for each coefficient, without which a season, or a horizon, has none of its own. */
const OWN = 40;
const POOLED = 20;

/** Coefficients: [season][knot][middle], [season][knot][width]. */
export interface LocationScale {
  readonly middles: Float64Array;
  readonly widths: Float64Array;
}

/** Middle and scale of a row, in its unit. */
export interface Placed {
  middle: number;
  scale: number;
}

export const LOCATION_SIZES = { middles: CELLS * M, widths: CELLS * WIDTHS } as const;

const isKnown = (value: number | undefined): value is number => value !== undefined && !Number.isNaN(value);

function readMiddles(row: Float32Array, at: number, x: Float64Array): void {
  for (let k = 0; k < M; k++) {
    const column = MIDDLES[k] ?? 0;
    let value = row[at + column];
    // What recurs is not known yet: the mean of the day stands in, else the last value (0).
    if (!isKnown(value) && column < FIRST_MOVED && column > MEAN_6H) value = row[at + MEAN_DAY];
    x[k] = isKnown(value) ? Math.max(-MOST_DEPARTURE, Math.min(MOST_DEPARTURE, value)) : 0;
  }
}

function readWidths(row: Float32Array, at: number, x: Float64Array): void {
  let sum = 0;
  let known = 0;
  for (let k = 0; k < SCALE_FEATURES.length; k++) {
    const value = row[at + FIRST_SCALE + k];
    if (!isKnown(value)) continue;
    sum += value;
    known++;
  }
  const usual = known > 0 ? sum / known : 0;
  for (let k = 0; k < SCALE_FEATURES.length; k++) {
    const value = row[at + FIRST_SCALE + k];
    x[k] = isKnown(value) ? Math.min(6, value) : usual;
  }
  const size = (value: number): number => Math.log(Math.max(Math.min(400, Math.abs(value)), SMALLEST));
  const range = (row[at + RANGE[0]] ?? 0) - (row[at + RANGE[1]] ?? 0);
  const fromUsual = row[at + SAME_TIME];
  x[WIDTHS - 3] = isKnown(range) ? size(range) : usual;
  x[WIDTHS - 2] = isKnown(fromUsual) ? size(fromUsual) : usual;
  x[WIDTHS - 1] = 1;
}

const place = { knot: 0, share: 0, season: 0, seasonShare: 0 };
function locate(row: Float32Array, at: number): void {
  const ahead = Math.max(0, Math.min(KNOTS - 1.000001, row[at + STEPS_AHEAD] ?? 0));
  place.knot = Math.floor(ahead);
  place.share = ahead - place.knot;
  const ratio = (row[at + DAY_ON_DAY] ?? Number.NaN) - (row[at + SPREAD] ?? Number.NaN);
  const recurs = isKnown(ratio) ? Math.max(0, Math.min(SEASONS - 1.000001, (NOISE - ratio) / SEASON_STRIDE)) : 0;
  place.season = Math.floor(recurs);
  place.seasonShare = recurs - place.season;
}

/** The coefficients of one season's knots, between two of them. */
function dotAt(weights: Float64Array, x: Float64Array, season: number): number {
  const n = x.length;
  const low = (season * KNOTS + place.knot) * n;
  let sum = 0;
  for (let k = 0; k < n; k++) {
    const near = weights[low + k] ?? 0;
    sum += (near + place.share * ((weights[low + n + k] ?? 0) - near)) * (x[k] ?? 0);
  }
  return sum;
}

function dot(weights: Float64Array, x: Float64Array): number {
  const { season, seasonShare } = place;
  const near = dotAt(weights, x, season);
  return seasonShare > 0 ? near + seasonShare * (dotAt(weights, x, season + 1) - near) : near;
}

const middleInputs = new Float64Array(M);
const widthInputs = new Float64Array(WIDTHS);

/** Of the row that stands at `at`. */
export function placeRow({ middles, widths }: LocationScale, row: Float32Array, at: number, out: Placed): void {
  locate(row, at);
  readMiddles(row, at, middleInputs);
  readWidths(row, at, widthInputs);
  out.middle = dot(middles, middleInputs);
  out.scale = Math.exp(Math.max(-7, Math.min(7, dot(widths, widthInputs))));
}

/** Rewrites a row's levels and scales from its middle, in units of its scale. */
export function standardise(row: Float32Array, at: number, { middle, scale }: Placed): void {
  for (let k = 0; k < FIRST_SCALE; k++) row[at + k] = ((row[at + k] ?? 0) - middle) / scale;
  const shift = Math.log(scale);
  for (let k = FIRST_SCALE; k < FIRST_SCALE + SCALE_FEATURES.length; k++) row[at + k] = (row[at + k] ?? 0) - shift;
}

/**
 * Fits both parts.
 * @param rows `count` rows, each ROW_WIDTH wide.
 * @param targets by row, in its unit, from its last value.
 * @param bounds 1 where a target is a lower bound: once a middle covers it, it says nothing.
 */
export function fitLocationScale(
  rows: Float32Array,
  targets: Float32Array,
  count: number,
  bounds?: Uint8Array,
): LocationScale {
  const middles = new Float64Array(CELLS * M);
  // Least absolute deviations by reweighted least squares; it begins from the mean's, where all weights are one.
  for (let round = 0; round < ROUNDS; round++) {
    const solver = createKnotSolver(M);
    for (let row = 0; row < count; row++) {
      const at = row * ROW_WIDTH;
      locate(rows, at);
      readMiddles(rows, at, middleInputs);
      const target = targets[row] ?? 0;
      const middle = dot(middles, middleInputs);
      if (round > 0 && bounds?.[row] === 1 && target <= middle) continue;
      const off = Math.abs(target - middle);
      solver.add(middleInputs, target, 1 / Math.max(off, round === 0 ? 1 : 0.05));
    }
    solver.solve(middles);
  }
  const widths = new Float64Array(CELLS * WIDTHS);
  const solver = createKnotSolver(WIDTHS);
  for (let row = 0; row < count; row++) {
    const at = row * ROW_WIDTH;
    locate(rows, at);
    readMiddles(rows, at, middleInputs);
    readWidths(rows, at, widthInputs);
    const middle = dot(middles, middleInputs);
    if (bounds?.[row] === 1 && (targets[row] ?? 0) <= middle) continue;
    const off = Math.abs((targets[row] ?? 0) - middle);
    solver.add(widthInputs, Math.log(Math.max(off, SMALLEST)), 1);
  }
  solver.solve(widths);
  return { middles, widths };
}

/** Normal equations at every knot; a row counts at the two beside it, by how near they are. */
function createKnotSolver(n: number): {
  add(x: Float64Array, target: number, weight: number): void;
  solve(out: Float64Array): void;
} {
  const triangle = (n * (n + 1)) / 2;
  const moments = Array.from({ length: CELLS }, () => new Float64Array(triangle));
  const products = Array.from({ length: CELLS }, () => new Float64Array(n));
  const counts = new Float64Array(CELLS);
  const addTo = (cell: number, x: Float64Array, target: number, weight: number): void => {
    const moment = moments[cell];
    const product = products[cell];
    if (moment === undefined || product === undefined || weight <= 0) return;
    counts[cell] = (counts[cell] ?? 0) + weight;
    let at = 0;
    for (let i = 0; i < n; i++) {
      const scaled = weight * (x[i] ?? 0);
      product[i] = (product[i] ?? 0) + scaled * target;
      for (let j = 0; j <= i; j++, at++) moment[at] = (moment[at] ?? 0) + scaled * (x[j] ?? 0);
    }
  };
  return {
    add(x, target, weight) {
      for (const [season, part] of [
        [place.season, 1 - place.seasonShare],
        [place.season + 1, place.seasonShare],
      ] as const) {
        if (part <= 0) continue;
        addTo(season * KNOTS + place.knot, x, target, weight * part * (1 - place.share));
        addTo(season * KNOTS + place.knot + 1, x, target, weight * part * place.share);
      }
    },
    solve(out) {
      const pooled = solvePooled();
      for (let cell = 0; cell < CELLS; cell++) {
        const own = out.subarray(cell * n, (cell + 1) * n);
        const moment = moments[cell];
        const product = products[cell];
        const knot = cell % KNOTS;
        // Few rows would be learnt by heart: there all seasons speak together.
        if (moment === undefined || product === undefined || (counts[cell] ?? 0) < OWN * n) {
          own.set(pooled.subarray(knot * n, (knot + 1) * n));
        } else solveRidge(moment, product, RIDGE, own);
      }
    },
  };

  /** Of all seasons together, [knot][coefficient]; knots that few rows came near take the nearest one's. */
  function solvePooled(): Float64Array {
    const out = new Float64Array(KNOTS * n);
    let solved = -1;
    for (let knot = 0; knot < KNOTS; knot++) {
      const moment = new Float64Array(triangle);
      const product = new Float64Array(n);
      let count = 0;
      for (let cell = knot; cell < CELLS; cell += KNOTS) {
        moments[cell]?.forEach((value, k) => (moment[k] = (moment[k] ?? 0) + value));
        products[cell]?.forEach((value, k) => (product[k] = (product[k] ?? 0) + value));
        count += counts[cell] ?? 0;
      }
      if (count < POOLED * n) continue;
      solveRidge(moment, product, RIDGE, out.subarray(knot * n, (knot + 1) * n));
      for (let k = solved + 1; k < knot; k++) {
        const from = solved < 0 ? knot : solved;
        out.copyWithin(k * n, from * n, (from + 1) * n);
      }
      solved = knot;
    }
    for (let k = solved + 1; solved >= 0 && k < KNOTS; k++) out.copyWithin(k * n, solved * n, (solved + 1) * n);
    return out;
  }
}
