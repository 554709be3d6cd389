import type { EpochSeconds } from '../domain/time.js';
import type { Calendar } from './calendar.js';
import type { FeatureInputs } from './feature-inputs.js';
import type { GlobalModel, GlobalRequest } from './global.js';
import type { History } from './history.js';
import { readLevel } from './levels.js';

/** What the global models say of one series, at the ensemble's levels. */
export interface GlobalBank {
  /**
   * Announces the values of the next bins, so that the models answer for all these origins in one batch. A bin reaches
   * no forecast from an origin before it. Without it, they are asked origin by origin.
   */
  prepare(next: EpochSeconds, values: Float64Array): void;
  /** What was announced is no longer what the series is: the models are asked again. */
  forget(): void;
  /** Moves on to an origin, whose value the history holds already. */
  moveTo(origin: EpochSeconds): void;
  /** Asks for more steps ahead of the present origin than the anchors. */
  ask(horizon: number): void;
  /**
   * Quantiles of bin `target` by model `g`, at the ensemble's levels, into `out` from `at`; linear between two steps
   * that were asked for. False, and nothing written, where the model has nothing to say.
   */
  read(g: number, target: EpochSeconds, out: Float64Array, at: number): boolean;
}

/** Steps ahead beyond the dense ones are asked for in strides, so that a day of them costs little more than two hours. */
const DENSE = 24;
const SPARSE = 48;

/** Every step at first, then at most {@link SPARSE} more, the last one among them. */
function stepsTo(horizon: number): number[] {
  const steps = Array.from({ length: Math.min(DENSE, horizon) }, (_, k) => k + 1);
  const stride = Math.max(1, Math.ceil((horizon - DENSE) / SPARSE));
  for (let step = DENSE + stride; step < horizon; step += stride) steps.push(step);
  if (horizon > DENSE) steps.push(horizon);
  return steps;
}

export function createGlobalBank(options: {
  globals: readonly GlobalModel[];
  /** The ensemble's, ascending. */
  levels: readonly number[];
  anchors: readonly number[];
  step: number;
  calendar: Calendar;
  history: History;
  /** What is known besides the series, now. */
  inputs?: () => FeatureInputs | undefined;
}): GlobalBank {
  const { globals, levels, anchors, step, calendar, history } = options;
  const known = (): Pick<GlobalRequest, 'inputs'> => {
    const inputs = options.inputs?.();
    return inputs === undefined ? {} : { inputs };
  };
  const L = levels.length;
  const context = Math.max(1, ...globals.map((model) => model.context));
  let origin = Number.NaN;
  let aheads: readonly number[] = anchors;
  /** Of each model, [ahead][level]. */
  let answers: Float64Array[] = globals.map(() => new Float64Array(0));
  /** What was asked last beside the anchors: of the same origin the answers are the same. */
  let last: { horizon: number; inputs: FeatureInputs | undefined } | null = null;
  /** What was answered of the anchors at the present origin, where it was not answered ahead of time. */
  let asked: { inputs: FeatureInputs | undefined; answers: Float64Array[] } | null = null;
  /** What was answered ahead of time: of each model, [origin][ahead][level]; the first origin's label. */
  let prepared: { from: EpochSeconds; count: number; answers: Float64Array[] } | null = null;

  /** The model's answers to requests, at the ensemble's levels. */
  const answer = (model: GlobalModel, requests: readonly GlobalRequest[], asked: readonly number[]): Float64Array => {
    const given = model.predict(within(requests, model.context), asked);
    const K = model.levels.length;
    const own = new Float64Array(K);
    const rows = requests.length * asked.length;
    const out = new Float64Array(rows * L).fill(Number.NaN);
    for (let row = 0; row < rows; row++) {
      let whole = true;
      for (let k = 0; k < K; k++) {
        const value = given[row * K + k] ?? Number.NaN;
        if (!Number.isFinite(value)) whole = false;
        own[k] = Math.max(value, k > 0 ? (own[k - 1] ?? 0) : 0);
      }
      if (!whole) continue;
      let below = 0;
      for (let l = 0; l < L; l++) {
        // Tails beyond the model's own levels are read on, and must not fall back.
        below = Math.max(below, readLevel(model.levels, own, levels[l] ?? 0.5));
        out[row * L + l] = below;
      }
    }
    return out;
  };

  /** What was known at the present origin: models know by it that they are asked of the same again. */
  let window: { at: EpochSeconds; values: Float32Array } | null = null;
  const requestAt = (label: EpochSeconds): GlobalRequest => {
    if (window?.at !== label) {
      const values = new Float32Array(context);
      for (let k = 0; k < context; k++) values[k] = Math.max(0, history.at(label - (context - 1 - k) * step));
      window = { at: label, values: values.subarray(firstKnown(values)) };
    }
    return { values: window.values, origin: label, step, calendar, ...known() };
  };

  return {
    prepare(next, values) {
      const count = values.length;
      const joined = new Float32Array(context + count).fill(Number.NaN);
      for (let k = 1; k <= context; k++) joined[context - k] = Math.max(0, history.at(next - k * step));
      joined.set(values, context);
      const beside = known();
      const requests = Array.from({ length: count }, (_, k): GlobalRequest => {
        const window = joined.subarray(k + 1, k + 1 + context);
        return { values: window.subarray(firstKnown(window)), origin: next + k * step, step, calendar, ...beside };
      });
      prepared = { from: next, count, answers: globals.map((model) => answer(model, requests, anchors)) };
    },
    forget() {
      prepared = null;
    },
    moveTo(label) {
      origin = label;
      aheads = anchors;
      last = null;
      window = null;
      asked = null;
      const index = prepared === null ? -1 : Math.round((label - prepared.from) / step);
      if (prepared !== null && index >= 0 && index < prepared.count) {
        const size = anchors.length * L;
        answers = prepared.answers.map((one) => one.subarray(index * size, (index + 1) * size));
        return;
      }
      prepared = null;
      const request = requestAt(label);
      answers = globals.map((model) => answer(model, [request], anchors));
      asked = { inputs: request.inputs, answers };
    },
    ask(horizon) {
      if (Number.isNaN(origin)) return;
      const inputs = options.inputs?.();
      if (last !== null && last.horizon === horizon && last.inputs === inputs) return;
      last = { horizon, inputs };
      const request = requestAt(origin);
      // What was said of the anchors stands, where it was said of this very origin and with the same beside it.
      const before = asked !== null && asked.inputs === inputs ? asked.answers : null;
      const steps = stepsTo(horizon);
      const missing = before === null ? steps : steps.filter((one) => !anchors.includes(one));
      aheads = steps;
      answers = globals.map((model, g) => {
        const rest = missing.length === 0 ? new Float64Array(0) : answer(model, [request], missing);
        const known = before?.[g];
        if (known === undefined) return rest;
        const joined = new Float64Array(steps.length * L);
        let next = 0;
        steps.forEach((one, k) => {
          const at = anchors.indexOf(one);
          const from = at >= 0 ? at * L : next++ * L;
          joined.set((at >= 0 ? known : rest).subarray(from, from + L), k * L);
        });
        return joined;
      });
    },
    read(g, target, out, at) {
      const rows = answers[g];
      const ahead = Math.round((target - origin) / step);
      const upper = aheads.findIndex((one) => one >= ahead);
      if (rows === undefined || rows.length === 0 || upper === -1 || !(ahead >= 1)) return false;
      const far = aheads[upper] ?? 1;
      const lower = far > ahead && upper > 0 ? upper - 1 : upper;
      const near = aheads[lower] ?? 1;
      const share = lower === upper ? 1 : (ahead - near) / (far - near);
      if (Number.isNaN(rows[lower * L]) || Number.isNaN(rows[upper * L])) return false;
      for (let l = 0; l < L; l++) {
        const from = rows[lower * L + l] ?? 0;
        out[at + l] = from + share * ((rows[upper * L + l] ?? 0) - from);
      }
      return true;
    },
  };
}

/** Each model sees no more than its own context, which one that looks back further must not lengthen. */
const within = (requests: readonly GlobalRequest[], context: number): readonly GlobalRequest[] =>
  requests.every(({ values }) => values.length <= context)
    ? requests
    : requests.map((request) => {
        const values = request.values.subarray(Math.max(0, request.values.length - context));
        return { ...request, values: values.subarray(firstKnown(values)) };
      });

/** Index of the first value that is known; the last one where none is. */
function firstKnown(values: Float32Array): number {
  const first = values.findIndex((value) => !Number.isNaN(value));
  return first === -1 ? Math.max(0, values.length - 1) : first;
}
