import { errorsOf } from '../../domain/errors.js';
import type { EpochSeconds } from '../../domain/time.js';
import { createFeatureState, FEATURE_CONTEXT, type FeatureState } from '../features.js';
import type { GlobalModel, GlobalRequest } from '../global.js';
import { FOREST_DEFAULTS, trainForest, type ForestOptions } from './forest.js';
import { parseBooster, predictRows, serialiseBooster, type Booster } from './booster.js';
import { pack, unpack } from './container.js';
import {
  fitLocationScale,
  LOCATION_SIZES,
  placeRow,
  standardise,
  type LocationScale,
  type Placed,
} from './location-scale.js';
import { knowTasks, withFoundTasks } from '../found-tasks.js';
import { FEWEST_COLUMNS, ROW_NAMES, ROW_WIDTH, TASK_COLUMNS, writeRow } from './relative.js';
import {
  BOOSTER_DEFAULTS,
  trainBooster,
  type BoosterOptions,
  type BoosterProgress,
  type TrainingRows,
} from './train.js';
import { inHours, joinRows, sampleRows, type Rows, type TrainingSeries } from './training-rows.js';

/*
 * One booster for many series: rows of features at drawn origins and horizons (features.ts), made relative to each series
 * (relative.ts), straightened by a regression (location-scale.ts), and what is left learnt by trees (train.ts).
 */

export const GLOBAL_LEVELS = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999] as const;

/** Boosted trees, or a random forest: less sharp, and hard to mislead. */
export type GlobalMethod = 'boosting' | 'forest';

export interface GlobalBoosterOptions {
  method?: GlobalMethod;
  levels?: readonly number[];
  /** About how many rows are drawn from all series together. */
  rows?: number;
  /** Share of each series, at its end, that says when to stop; never learnt from. */
  validation?: number;
  /** Learn hours too, from the same series in hourly bins: then it can say a week of hours. */
  hourly?: boolean;
  /** Hyper-parameters of boosted trees, where they shall differ from the defaults. */
  trees?: Partial<Omit<BoosterOptions, 'levels' | 'seed'>>;
  /** Those of a forest. */
  forest?: Partial<Omit<ForestOptions, 'levels' | 'seed'>>;
  seed?: number;
}

export interface GlobalBooster extends LocationScale {
  readonly method: GlobalMethod;
  readonly booster: Booster;
  /** Seconds between bins of what it was trained on, ascending; none of one that was trained before they were noted. */
  readonly steps: readonly number[];
}

const TREES: Partial<BoosterOptions> = {
  rounds: 400,
  leaves: 31,
  minLeaf: 300,
  learningRate: 0.1,
  columnShare: 0.5,
  rowShare: 0.5,
  patience: 40,
};

/** Rows of hours beside those of the series' own bins. */
const HOURLY_SHARE = 0.4;

/** A target further than this from its middle, in scales, says no more than that it is far. */
const FARTHEST = 40;

const fail = errorsOf('forecast/booster');

/**
 * Trains on all series at once, in this thread (see train-in-thread.ts for another); a few tens of seconds for some 100,000
 * rows. The same series, options and seed give the same bytes.
 * @param onRound called after each round; what it throws ends the training.
 * @returns the artifact, for {@link loadGlobalBooster}.
 * @throws HeadroomError `invalid-input` where the series give too few rows.
 */
export function trainGlobalBooster(
  series: readonly TrainingSeries[],
  options: GlobalBoosterOptions = {},
  onRound?: (progress: BoosterProgress) => void,
): Uint8Array {
  const {
    method = 'boosting',
    levels = GLOBAL_LEVELS,
    rows = 150_000,
    validation = 0.15,
    trees = {},
    hourly = false,
    seed = 1,
  } = options;
  const drawn = { aheads: 4, young: 0.15, bounds: true };
  const cut = 1 - validation;
  const looked = series.map((one) => withFoundTasks(one));
  // Where nobody has any, when one began to look would be all that they say.
  const told = knowTasks(looked) ? looked : series;
  const hours = hourly ? told.flatMap(inHours) : [];
  const draw = (part: { from: number; to: number }, count: number, from: number): Rows =>
    joinRows(
      sampleRows(told, part, { ...drawn, rows: count, seed: from }),
      sampleRows(hours, part, { ...drawn, rows: count * HOURLY_SHARE, seed: from + 2 }),
    );
  const training = draw({ from: 0, to: cut }, rows, seed);
  const watched = draw({ from: cut, to: 1 }, rows * 0.25, seed + 1);
  if (training.count < 200) {
    const problem = `${series.length} series give ${training.count} rows`;
    throw fail('invalid-input', 'training on many series', problem, 'give series of some days, 200 rows at least');
  }
  const straight = fitLocationScale(training.values, training.targets, training.count, training.bounds);
  const rowsOfTrees = standardised(training, straight);
  const hooks = onRound === undefined ? {} : { onRound };
  const booster =
    method === 'forest'
      ? trainForest(rowsOfTrees, { ...FOREST_DEFAULTS, ...options.forest, levels, seed }, hooks)
      : trainBooster(
          rowsOfTrees,
          { ...BOOSTER_DEFAULTS, ...TREES, ...trees, levels, seed },
          watched.count < 100 ? null : standardised(watched, straight),
          hooks,
        );
  const steps = [...new Set([...told, ...hours].map(({ step }) => step))].sort((a, b) => a - b);
  return serialiseGlobalBooster({ method, booster, steps, ...straight });
}

/** Rows as the trees see them, column by column; the given ones are rewritten. */
export function standardised({ count, values, targets, bounds }: Rows, straight: LocationScale): TrainingRows {
  const placed: Placed = { middle: 0, scale: 1 };
  const matrix = { rows: count, columns: ROW_WIDTH, values: new Float32Array(count * ROW_WIDTH) };
  const target = new Float32Array(count);
  for (let row = 0; row < count; row++) {
    const at = row * ROW_WIDTH;
    placeRow(straight, values, at, placed);
    standardise(values, at, placed);
    // A leaf of few rows would follow a single one that woke up from nothing.
    target[row] = Math.max(-FARTHEST, Math.min(FARTHEST, ((targets[row] ?? 0) - placed.middle) / placed.scale));
    for (let k = 0; k < ROW_WIDTH; k++) matrix.values[k * count + row] = values[at + k] ?? Number.NaN;
  }
  return { matrix, target, ...(bounds === undefined ? {} : { bounds }) };
}

const KIND = 'global-booster';
const VERSION = 1;

export function serialiseGlobalBooster({ method, booster, steps, middles, widths }: GlobalBooster): Uint8Array {
  return pack(
    KIND,
    VERSION,
    { method, columns: ROW_NAMES.slice(0, booster.columns), steps },
    { booster: serialiseBooster(booster), middles, widths },
  );
}

/**
 * @throws HeadroomError `invalid-input`: other or changed bytes, a newer version, another set of features.
 */
export function parseGlobalBooster(bytes: Uint8Array): GlobalBooster {
  const { header, read } = unpack(KIND, VERSION, bytes);
  const bad = (problem: string): Error =>
    fail('invalid-input', 'reading a global booster', problem, 'train it again with this version');
  const columns: unknown = header['columns'];
  const isKnown =
    Array.isArray(columns) && columns.length >= FEWEST_COLUMNS && columns.every((name, k) => name === ROW_NAMES[k]);
  if (!isKnown) throw bad('it was trained on other features');
  const method: unknown = header['method'];
  if (method !== 'boosting' && method !== 'forest') throw bad('it does not say what its trees are');
  const steps: unknown = header['steps'] ?? [];
  if (!Array.isArray(steps) || !steps.every((step): step is number => typeof step === 'number' && step > 0)) {
    throw bad('its steps are none');
  }
  const booster = parseBooster(read('booster', Uint8Array));
  const middles = read('middles', Float64Array);
  const widths = read('widths', Float64Array);
  if (booster.columns !== columns.length) throw bad(`its trees ask ${booster.columns} features`);
  if (middles.length !== LOCATION_SIZES.middles || widths.length !== LOCATION_SIZES.widths) {
    throw bad('its coefficients are of another size');
  }
  if (![middles, widths].every((part) => part.every(Number.isFinite))) throw bad('a coefficient is not finite');
  return { method, booster, steps, middles, widths };
}

/** The model of an artifact. @throws HeadroomError as {@link parseGlobalBooster}. */
export function loadGlobalBooster(bytes: Uint8Array): GlobalModel {
  return createGlobalBooster(parseGlobalBooster(bytes));
}

export function createGlobalBooster(fitted: GlobalBooster): GlobalModel {
  const { booster } = fitted;
  const { levels } = booster;
  let rows = new Float32Array(0);
  const placed: Placed = { middle: 0, scale: 1 };
  /** Whoever asks for more steps ahead of an origin hands in the same values: their features are made once. */
  let last: { values: Float32Array; origin: EpochSeconds; state: FeatureState } | null = null;

  const stateOf = ({ values, origin, step, calendar }: GlobalRequest): FeatureState => {
    if (last !== null && last.origin === origin && isSame(last.values, values)) return last.state;
    const state = createFeatureState({ step, calendar });
    const first = Math.max(0, values.length - FEATURE_CONTEXT);
    for (let index = first; index < values.length; index++) {
      state.observe(origin - (values.length - 1 - index) * step, values[index] ?? Number.NaN);
    }
    return state;
  };

  return {
    name: fitted.method === 'forest' ? 'global-forest' : 'global-booster',
    levels,
    context: FEATURE_CONTEXT,
    steps: fitted.steps,
    asksTasks: TASK_COLUMNS.some((column) => booster.column.includes(column)),
    predict(requests, aheads) {
      const width = levels.length;
      const out = new Float32Array(requests.length * aheads.length * width).fill(Number.NaN);
      if (rows.length < aheads.length * ROW_WIDTH) rows = new Float32Array(aheads.length * ROW_WIDTH);
      const said = new Float32Array(aheads.length * width);
      let state: FeatureState | null = null;
      let previous: GlobalRequest | null = null;
      for (const [r, request] of requests.entries()) {
        const { values, origin, inputs } = request;
        if (state !== null && previous !== null && follows(request, previous)) {
          state.observe(origin, values[values.length - 1] ?? Number.NaN);
        } else {
          state = stateOf(request);
        }
        previous = request;
        last = { values, origin, state };
        /** Of the steps that there is anything to say of: where they stand, and what their rows are relative to. */
        const asked: { to: number; last: number; unit: number; middle: number; scale: number }[] = [];
        for (const [a, ahead] of aheads.entries()) {
          const at = asked.length * ROW_WIDTH;
          const frame = writeRow(state.describe(ahead, inputs), rows, at);
          if (frame === null) continue;
          placeRow(fitted, rows, at, placed);
          standardise(rows, at, placed);
          asked.push({ to: (r * aheads.length + a) * width, ...frame, ...placed });
        }
        predictRows(booster, rows, { count: asked.length, width: ROW_WIDTH }, said);
        for (const [row, one] of asked.entries()) {
          for (let level = 0; level < width; level++) {
            const relative = one.middle + one.scale * (said[row * width + level] ?? 0);
            out[one.to + level] = Math.max(0, one.last + one.unit * relative);
          }
        }
      }
      return out;
    },
  };
}

/** Views of the same numbers. */
const isSame = (one: Float32Array, other: Float32Array): boolean =>
  one.buffer === other.buffer && one.byteOffset === other.byteOffset && one.length === other.length;

/**
 * Whether a request is the one before it a bin later, as views of one array: then its features are one bin's work away.
 * Windows shorter than the context have to begin at the same bin, since a state forgets nothing that lies within it.
 */
function follows(request: GlobalRequest, before: GlobalRequest): boolean {
  const { values, origin, step, calendar } = request;
  if (step !== before.step || calendar !== before.calendar || origin !== before.origin + step) return false;
  const end = values.byteOffset + values.byteLength;
  const endBefore = before.values.byteOffset + before.values.byteLength;
  if (values.buffer !== before.values.buffer || end !== endBefore + values.BYTES_PER_ELEMENT) return false;
  return values.byteOffset === before.values.byteOffset || values.length >= FEATURE_CONTEXT;
}
