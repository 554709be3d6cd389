import type { TrainingSeries } from '../../models/port.js';
import { calendarOf, type Calendar } from '../calendar.js';
import type { Batch, Masks } from './graph.js';
import { bend, contextOf, describe, viewOf, type SeriesView } from './inputs.js';
import { FEATURES, PATCHES, patchInputs, type NetworkShape } from './network.js';
import type { Random } from './random.js';
import { neuralError, type NeuralSettings } from './settings.js';

/*
 * Batches out of many series: origins drawn evenly over series, then over time, targets dense near the origin and thin far
 * off. Some origins forget most of their past, so that the network learns what to say of a young account.
 */

/** Share of each series, at its end, that validation is done on. */
const VALIDATION = 1 / 7;
/** Share of the origins whose past is cut short. */
const YOUNG = 0.15;
/** Bins that an origin has behind it at least. */
const LEAST_PAST = 8;
/** Draws of an origin until one is given up. */
const TRIES = 20;

interface Source {
  view: SeriesView;
  start: number;
  step: number;
  calendar: Calendar;
  context: number;
  /** Steps ahead at most. */
  longest: number;
  /** First bin of the validation part. */
  cut: number;
}

export interface Batches {
  draw(random: Random, part: 'fit' | 'validation', origins: number): Batch;
  masks(random: Random, origins: number): Masks | null;
  /** Bins of the fit's part, over all series. */
  bins: number;
  /** Seconds between bins, of the finest and of the coarsest series. */
  steps: [number, number];
}

/** @throws HeadroomError `invalid-input` where no series is long enough. */
export function createBatches(
  series: readonly TrainingSeries[],
  shape: NetworkShape,
  settings: NeuralSettings,
  horizon: number,
): Batches {
  const sources: Source[] = [];
  // In the order of their pseudonyms: the same data in another order is the same fit.
  for (const one of [...series].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const { values, start, step, timeZone } = one;
    const cut = Math.floor(values.length * (1 - VALIDATION));
    const longest = Math.min(Math.floor(horizon / step), Math.floor((values.length - cut) / 2));
    if (cut < 2 * LEAST_PAST || longest < 1) continue;
    const calendar = calendarOf(timeZone);
    sources.push({ view: viewOf(values), start, step, calendar, context: contextOf(step, shape.patch), longest, cut });
  }
  if (sources.length === 0) {
    throw neuralError(
      'invalid-input',
      `training a network on ${series.length} series`,
      'none is long enough to fit on and to validate with',
      `give series of ${Math.ceil((2 * LEAST_PAST) / (1 - VALIDATION))} bins and more`,
    );
  }
  const { targets, dropout } = settings;
  const width = patchInputs(shape);
  const aheads = new Uint16Array(targets);

  /** Fills row `o`; false where this draw was of no use. */
  const fill = (random: Random, part: 'fit' | 'validation', batch: Batch, o: number): boolean => {
    const source = sources[random.below(sources.length)];
    if (source === undefined) return false;
    const { view, start, step, calendar, context, longest, cut } = source;
    const end = part === 'fit' ? cut : view.values.length;
    const from = part === 'fit' ? LEAST_PAST : cut;
    const last = from + random.below(Math.max(1, end - 1 - from));
    const reach = Math.min(longest, end - 1 - last);
    let past = context;
    if (part === 'fit' && random.uniform() < YOUNG) {
      past = Math.ceil(LEAST_PAST * (context / LEAST_PAST) ** random.uniform());
    }
    // The last bin is what a forecast begins from: a hole there is no origin.
    if (reach < 1 || Number.isNaN(view.values[last])) return false;
    for (let t = 0; t < targets; t++) {
      const spread = t % 2 === 0 ? reach ** random.uniform() : 1 + random.uniform() * (reach - 1);
      aheads[t] = Math.max(1, Math.min(reach, Math.round(spread)));
    }
    const recurrent = shape.network === 'gru';
    const normal = describe(
      { view, first: last + 1 - past, last, label: start + last * step, step, calendar },
      shape.patch,
      aheads,
      {
        to: batch.tokens,
        at: (recurrent ? o : o * PATCHES) * width,
        stride: (recurrent ? batch.origins : 1) * width,
      },
      { to: batch.features, at: o * targets * FEATURES, stride: FEATURES },
    );
    if (normal === null) return false;
    for (let t = 0; t < targets; t++) {
      const value = view.values[last + (aheads[t] ?? 1)] ?? Number.NaN;
      const known = !Number.isNaN(value);
      batch.truth[o * targets + t] = known ? bend(normal, value) : 0;
      batch.weight[o * targets + t] = known ? 1 : 0;
    }
    return true;
  };

  return {
    bins: sources.reduce((sum, { cut }) => sum + cut, 0),
    steps: [Math.min(...sources.map(({ step }) => step)), Math.max(...sources.map(({ step }) => step))],
    draw(random, part, origins) {
      const batch: Batch = {
        origins,
        targets,
        tokens: new Float32Array(origins * PATCHES * width),
        features: new Float32Array(origins * targets * FEATURES),
        truth: new Float32Array(origins * targets),
        weight: new Float32Array(origins * targets),
      };
      for (let o = 0; o < origins; o++) {
        for (let tries = 0; tries < TRIES && !fill(random, part, batch, o); tries++);
      }
      return batch;
    },
    masks(random, origins) {
      if (dropout === 0) return null;
      const kept = 1 / (1 - dropout);
      const mask = (size: number): Float32Array =>
        Float32Array.from({ length: size }, () => (random.coarse() < dropout ? 0 : kept));
      return { state: mask(origins * shape.units), head: mask(origins * targets * shape.hidden) };
    },
  };
}
