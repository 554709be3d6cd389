import { calendarOf } from '../../src/forecast/calendar.js';
import type { GlobalModel } from '../../src/forecast/global.js';
import { geometricMean, pinball } from '../forecast/score.js';
import type { BenchTrace } from './traces.js';

/* Weighted quantile loss at the same origins of the last 30 %: the networks beside naive forecasts with residual quantiles. */

export const LEVELS = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99] as const;
/** What is fitted on: networks and residuals alike. */
export const SEEN = 0.7;
const ORIGINS = 24;
const DAY = 86_400;

/** Quantiles [ahead][level] at an origin; NaN where it has nothing to say. */
type Forecast = (trace: BenchTrace, origin: number, aheads: readonly number[]) => Float32Array;

export interface Scored {
  /** Geometric mean over traces of the weighted quantile loss. */
  wql: Record<string, number>;
  /** Share of the bins at or under each level's quantile. */
  coverage: Record<string, number[]>;
  traces: { name: string; wql: Record<string, number> }[];
}

const ofModel =
  (model: GlobalModel): Forecast =>
  ({ values, start, step }, origin, aheads) =>
    model.predict(
      [
        {
          values: values.subarray(Math.max(0, origin + 1 - model.context), origin + 1),
          origin: start + origin * step,
          step,
          calendar: calendarOf('UTC'),
        },
      ],
      aheads,
    );

/** A naive forecast with the quantiles of its own residuals at each distance, on what the networks were fitted on. */
function naive(pointOf: (trace: BenchTrace, origin: number, ahead: number) => number): Forecast {
  const residuals = new Map<string, Float64Array>();
  const learnt = (trace: BenchTrace, ahead: number): Float64Array => {
    const key = `${trace.name} ${ahead}`;
    const known = residuals.get(key);
    if (known !== undefined) return known;
    const seen = Math.floor(trace.values.length * SEEN);
    const all: number[] = [];
    for (let origin = 0; origin + ahead < seen; origin++) {
      const residual = (trace.values[origin + ahead] ?? Number.NaN) - pointOf(trace, origin, ahead);
      if (!Number.isNaN(residual)) all.push(residual);
    }
    const sorted = Float64Array.from(all).sort();
    const read = Float64Array.from(LEVELS, (level) => sorted[Math.floor(level * (sorted.length - 1))] ?? 0);
    residuals.set(key, read);
    return read;
  };
  return (trace, origin, aheads) => {
    const out = new Float32Array(aheads.length * LEVELS.length);
    aheads.forEach((ahead, a) => {
      const point = pointOf(trace, origin, ahead);
      learnt(trace, ahead).forEach((residual, l) => (out[a * LEVELS.length + l] = Math.max(0, point + residual)));
    });
    return out;
  };
}

const lastKnown = (values: Float32Array, from: number): number => {
  for (let k = from; k >= Math.max(0, from - 12); k--) {
    const value = values[k] ?? Number.NaN;
    if (!Number.isNaN(value)) return value;
  }
  return Number.NaN;
};
const persistence = naive(({ values }, origin) => lastKnown(values, origin));
const seasonal = naive(({ values, step }, origin, ahead) => {
  const day = Math.round(DAY / step);
  const back = Math.max(1, Math.ceil(ahead / day)) * day;
  const value = origin + ahead < back ? Number.NaN : (values[origin + ahead - back] ?? Number.NaN);
  return Number.isNaN(value) ? lastKnown(values, origin) : value;
});

/** @param seconds how far ahead; the distances up to it are scored, a dozen of them. */
export function score(traces: readonly BenchTrace[], models: Record<string, GlobalModel>, seconds: number): Scored {
  const forecasts: Record<string, Forecast> = { persistence, 'seasonal naive': seasonal };
  for (const [name, model] of Object.entries(models)) forecasts[name] = ofModel(model);
  const names = Object.keys(forecasts);
  const result: Scored = { wql: {}, coverage: {}, traces: [] };
  const under = new Map(names.map((name) => [name, new Float64Array(LEVELS.length)]));
  let bins = 0;
  for (const trace of traces) {
    const steps = Math.max(1, Math.floor(seconds / trace.step));
    const aheads = [...new Set(Array.from({ length: 12 }, (_, k) => Math.max(1, Math.round(((k + 1) * steps) / 12))))];
    const first = Math.floor(trace.values.length * SEEN);
    const last = trace.values.length - 1 - steps;
    const losses = new Map(names.map((name) => [name, 0]));
    let demand = 0;
    for (let k = 0; k < ORIGINS; k++) {
      const origin = Math.floor(first + ((last - first) * k) / (ORIGINS - 1));
      const said = names.map((name) => forecasts[name]?.(trace, origin, aheads) ?? new Float32Array(0));
      for (const [a, ahead] of aheads.entries()) {
        const truth = trace.values[origin + ahead] ?? Number.NaN;
        if (Number.isNaN(truth) || said.some((one) => Number.isNaN(one[a * LEVELS.length]))) continue;
        demand += Math.abs(truth);
        bins++;
        for (const [n, name] of names.entries()) {
          const hits = under.get(name);
          for (const [l, level] of LEVELS.entries()) {
            const stated = said[n]?.[a * LEVELS.length + l] ?? Number.NaN;
            const loss = (2 * pinball(level, stated, truth)) / LEVELS.length;
            losses.set(name, (losses.get(name) ?? 0) + loss);
            if (truth <= stated && hits !== undefined) hits[l] = (hits[l] ?? 0) + 1;
          }
        }
      }
    }
    if (demand === 0) continue;
    const wql = Object.fromEntries(names.map((name) => [name, (losses.get(name) ?? 0) / demand]));
    // A loss of nothing has no geometric mean.
    if (Object.values(wql).every((one) => one > 0)) result.traces.push({ name: trace.name, wql });
  }
  for (const name of names) {
    result.wql[name] = geometricMean(result.traces.map(({ wql }) => wql[name] ?? Number.NaN)) ?? Number.NaN;
    result.coverage[name] = Array.from(under.get(name) ?? [], (hits) => hits / bins);
  }
  return result;
}
