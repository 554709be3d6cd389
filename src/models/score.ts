import { setImmediate } from 'node:timers/promises';
import { calendarOf } from '../forecast/calendar.js';
import { withFoundTasks } from '../forecast/found-tasks.js';
import { withSystemLoad } from '../forecast/system-load.js';
import type { GlobalModel, GlobalRequest } from '../forecast/global.js';
import type { ModelMetrics } from './card.js';
import type { TrainingSeries } from './port.js';

/*
 * Models side by side on bins that none of them was fitted on. Every origin sees what was known at it and nothing more;
 * all models are asked at the same origins, and count where all of them had something to say.
 */

export interface ScoringWindow {
  /** Targets lie in bins labelled from (inclusive) to (exclusive), epoch seconds. */
  from: number;
  to: number;
  levels: readonly number[];
  /** Seconds ahead that are scored, at most. */
  horizon: number;
}

/** Losses of one model on one stretch of one series, comparable with another model's of the same unit. */
export interface ScoredUnit {
  series: string;
  /** Number of the day, from 1970. */
  day: number;
  /** Weighted quantile loss: 2 · Σ pinball / (levels · Σ |demand|). */
  wql: number;
}

export interface ModelScore {
  model: string;
  /** Null where there was nothing to score. */
  metrics: ModelMetrics | null;
  units: ScoredUnit[];
  /** Share of the targets at which it said something. */
  said: number;
}

const DAY = 86_400;
/** Origins of a series and day: enough for a steady mean, few enough for a network without a GPU. */
const ORIGINS_A_DAY = 24;
/** Steps ahead that are scored between one and the horizon. */
const AHEADS = 6;

interface Sums {
  pinball: number;
  level: number;
  count: number;
}

/**
 * @param series what they were all trained on, and on to the end of the window.
 * @returns one score a model, in the order of `models`, over the same units in the same order.
 * @throws the signal's reason, between two series.
 */
export async function scoreModels(
  models: readonly GlobalModel[],
  series: readonly TrainingSeries[],
  window: ScoringWindow,
  signal?: AbortSignal,
): Promise<ModelScore[]> {
  const tallies = models.map(() => createTally(window.levels));
  for (const one of withSystemLoad(series)) {
    scoreSeries(models, one, window, tallies);
    // Each series takes some ten milliseconds of the thread that speaks with Temporal; hundreds at once would hold up every
    // heartbeat.
    await setImmediate();
    signal?.throwIfAborted();
  }
  return models.map((model, index) => (tallies[index] ?? createTally(window.levels)).score(model.name));
}

function scoreSeries(
  models: readonly GlobalModel[],
  series: TrainingSeries,
  { from, to, levels, horizon }: ScoringWindow,
  tallies: readonly Tally[],
): void {
  const { start, step, values } = series;
  const aheads = aheadsOf(Math.max(1, Math.floor(horizon / step)));
  const longest = aheads.at(-1) ?? 1;
  const first = Math.max(0, Math.ceil((from - start) / step) - 1);
  const last = Math.min(values.length, Math.floor((to - start) / step)) - 1 - longest;
  const every = Math.max(1, Math.round(DAY / step / ORIGINS_A_DAY));
  const calendar = calendarOf(series.timeZone);
  const context = Math.max(1, ...models.map((model) => model.context));
  const requests: GlobalRequest[] = [];
  const told = models.some(({ asksTasks }) => asksTasks === true) ? withFoundTasks(series, from) : series;
  const beside = told.inputs === undefined ? {} : { inputs: told.inputs };
  const origins: number[] = [];
  for (let origin = first; origin <= last; origin += every) {
    const seen = values.subarray(Math.max(0, origin + 1 - context), origin + 1);
    requests.push({ values: seen, origin: start + origin * step, step, calendar, ...beside });
    origins.push(origin);
  }
  if (requests.length === 0) return;
  const answers = models.map((model) => model.predict(requests, aheads));
  const scale = naiveError(values.subarray(0, first + 1));
  for (const [at, origin] of origins.entries()) {
    for (const [ahead, steps] of aheads.entries()) {
      const actual = values[origin + steps] ?? Number.NaN;
      // A bound for the truth would favour whoever stays at it.
      if (Number.isNaN(actual) || series.censored?.[origin + steps] === 1) continue;
      const rows = models.map((model, index) =>
        rowAt(model, answers[index] ?? new Float32Array(), at * aheads.length + ahead, levels),
      );
      const all = rows.every((row) => row !== null);
      rows.forEach((row, index) => {
        tallies[index]?.ask(row !== null);
        if (row !== null && all) {
          tallies[index]?.take(series.id, Math.floor((start + (origin + steps) * step) / DAY), row, actual, scale);
        }
      });
    }
    for (const tally of tallies) tally.origin();
  }
}

/** Spread over the horizon: 1, …, the horizon itself. */
export function aheadsOf(horizon: number): number[] {
  const aheads = Array.from({ length: AHEADS }, (_, k) => Math.round(horizon ** (k / (AHEADS - 1))));
  return [...new Set(aheads)].sort((a, b) => a - b);
}

/** A model's quantiles at the wanted levels, straight lines between its own; null where it said nothing. */
function rowAt(model: GlobalModel, answers: Float32Array, row: number, levels: readonly number[]): number[] | null {
  const own = model.levels;
  const at = (k: number): number => answers[row * own.length + k] ?? Number.NaN;
  const wanted = levels.map((level) => {
    const above = own.findIndex((candidate) => candidate >= level - 1e-9);
    if (above === -1) return at(own.length - 1);
    const below = above - 1;
    if (below < 0) return at(above);
    const [low, high] = [own[below] ?? 0, own[above] ?? 1];
    return at(below) + ((at(above) - at(below)) * (level - low)) / (high - low);
  });
  return wanted.every((value) => Number.isFinite(value)) ? wanted : null;
}

/** Mean absolute one-step change: what MASE scales by. */
function naiveError(values: Float32Array): number {
  let sum = 0;
  let count = 0;
  for (let index = 1; index < values.length; index++) {
    const move = Math.abs((values[index] ?? Number.NaN) - (values[index - 1] ?? Number.NaN));
    if (Number.isNaN(move)) continue;
    sum += move;
    count++;
  }
  return count === 0 ? Number.NaN : sum / count;
}

interface Tally {
  ask(answered: boolean): void;
  origin(): void;
  take(series: string, day: number, row: readonly number[], actual: number, scale: number): void;
  score(model: string): ModelScore;
}

/** Errors of the median of one series, for figures that are relative to its level. */
interface SeriesSums {
  count: number;
  actual: number;
  squares: number;
  error: number;
  squaredError: number;
  scale: number;
}

function createTally(levels: readonly number[]): Tally {
  const units = new Map<string, { series: string; day: number } & Sums>();
  const series = new Map<string, SeriesSums>();
  const under = new Float64Array(levels.length);
  let scored = 0;
  let asked = 0;
  let answered = 0;
  let origins = 0;
  const middle = nearest(levels, 0.5);
  return {
    ask(said) {
      asked++;
      if (said) answered++;
    },
    origin: () => void origins++,
    take(id, day, row, actual, scale) {
      const key = `${id} ${day}`;
      const unit = units.get(key) ?? { series: id, day, pinball: 0, level: 0, count: 0 };
      units.set(key, unit);
      row.forEach((quantile, k) => {
        const level = levels[k] ?? 0.5;
        unit.pinball += actual >= quantile ? level * (actual - quantile) : (1 - level) * (quantile - actual);
        if (actual <= quantile) under[k] = (under[k] ?? 0) + 1;
      });
      unit.level += Math.abs(actual);
      unit.count++;
      scored++;
      const sums = series.get(id) ?? { count: 0, actual: 0, squares: 0, error: 0, squaredError: 0, scale };
      series.set(id, sums);
      const error = (row[middle] ?? Number.NaN) - actual;
      sums.count++;
      sums.actual += actual;
      sums.squares += actual * actual;
      sums.error += Math.abs(error);
      sums.squaredError += error * error;
    },
    score(model) {
      const wqlOf = (sums: { pinball: number; level: number }): number =>
        (2 * sums.pinball) / (levels.length * sums.level);
      const said = asked === 0 ? 0 : answered / asked;
      // Where nothing was used a share of it says nothing.
      const rows = [...units.values()].filter(({ level }) => level > 0);
      const listed = rows.map(({ series: id, day, ...sums }) => ({ series: id, day, wql: wqlOf(sums) }));
      const whole = [...series.values()].filter((sums) => sums.actual > 0);
      if (scored === 0 || whole.length === 0 || origins === 0) return { model, metrics: null, units: listed, said };
      return {
        model,
        units: listed,
        said,
        metrics: { ...relative(whole), wql: meanWql(rows, wqlOf), coverage: reached(), origins },
      };
    },
  };

  function reached(): ModelMetrics['coverage'] {
    return levels.map((level, k) => ({ level, reached: (under[k] ?? 0) / scored }));
  }
}

const nearest = (levels: readonly number[], wanted: number): number =>
  levels.reduce((best, level, k) => (Math.abs(level - wanted) < Math.abs((levels[best] ?? 2) - wanted) ? k : best), 0);

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

/** Mean over series of each series' own loss. */
function meanWql(
  units: readonly ({ series: string } & Sums)[],
  wqlOf: (sums: { pinball: number; level: number }) => number,
): number {
  const bySeries = new Map<string, { pinball: number; level: number }>();
  for (const { series, pinball, level } of units) {
    const sums = bySeries.get(series) ?? { pinball: 0, level: 0 };
    bySeries.set(series, { pinball: sums.pinball + pinball, level: sums.level + level });
  }
  return mean([...bySeries.values()].map(wqlOf));
}

/** Errors in units of each series' mean, over all scored bins at once; MASE as the mean over series. */
function relative(series: readonly SeriesSums[]): Pick<ModelMetrics, 'rmse' | 'mae' | 'r2' | 'mase'> {
  let [count, error, squaredError, spread] = [0, 0, 0, 0];
  for (const sums of series) {
    const level = sums.actual / sums.count;
    count += sums.count;
    error += sums.error / level;
    squaredError += sums.squaredError / level ** 2;
    spread += Math.max(0, sums.squares - sums.count * level ** 2) / level ** 2;
  }
  const scaled = series.filter(({ scale }) => scale > 0).map((sums) => sums.error / sums.count / sums.scale);
  return {
    rmse: Math.sqrt(squaredError / count),
    mae: error / count,
    // A series that never moves has no spread to explain.
    r2: spread > 0 ? 1 - squaredError / spread : 0,
    mase: mean(scaled),
  };
}
