import { unitDraw } from './draws.js';
import type { QuantileForecast } from '../../domain/forecast.js';
import type { EpochSeconds } from '../../domain/time.js';
import { probit } from '../../domain/normal.js';
import { scoresOf, transform } from './marginal.js';
import { createShape, type Shape } from './shape.js';

/*
 * How a series' bins of one forecast hang together: whether a forecast that is too low in its first bin is too low in
 * its twelfth. It is learnt from what came: at evenly spaced origins (the same for every series, so that series can be
 * laid beside each other) the whole forecast is kept, each bin that comes is put into its stated distribution, and a
 * row of such shares is one way in which the next hours may go. An empirical copula in bounded memory: the newest rows
 * stay (Clark et al., "The Schaake shuffle", J. Hydrometeorology 2004; Schefzik et al., "Ensemble copula coupling",
 * Statistical Science 2013).
 */

/** Rows kept: three weeks of hourly origins. Older ones make room. */
export const ROWS = 512;
/** A share of 1 in 16 bits; 0 is "not known", and in no row that is kept. */
export const FULL = 65_535;

/** One series' rows. */
export interface Dependence {
  /** Seconds between bins. */
  readonly step: number;
  /** Bins of a row. */
  readonly steps: number;
  /** Seconds between origins; origins are its multiples. */
  readonly stride: number;
  /** Where bins fell between the stated levels. */
  readonly shape: Pick<Shape, 'bend'>;
  /** Origins of the rows, oldest first: label of the last bin known. */
  readonly origins: readonly EpochSeconds[];
  /**
   * All shares, {@link FULL} for 1: each uniform where the forecast is calibrated. Row k, by age, begins at `begin(k)`.
   */
  readonly shares: Uint16Array;
  begin(row: number): number;
}

/** A {@link Dependence} that learns; an observation is O(steps / stride), bounded by the forecasts under way. */
export interface DependenceLearner extends Dependence {
  /** Whether the forecast from this origin is to be remembered. */
  due(origin: EpochSeconds): boolean;
  /** Keeps what was stated for the next `steps` bins. */
  remember(forecast: QuantileForecast): void;
  /** Takes a bin that has become known; a missing one (NaN) leaves its place in the rows open. */
  observe(label: EpochSeconds, value: number, censored: boolean): void;
}

/** Origins once an hour, or at every bin where bins are longer: the same for all series of a step. */
export const strideOf = (step: number): number => Math.max(1, Math.round(3600 / step)) * step;

/** @param stride seconds between remembered origins; a whole multiple of the step. */
export function createDependence(options: {
  step: number;
  steps: number;
  stride: number;
  seed: number;
}): DependenceLearner {
  const { step, steps, stride, seed } = options;
  const shares = new Uint16Array(ROWS * steps);
  const shape = createShape();
  /** Oldest first; the row of the first of them begins at `oldest`. */
  const origins: EpochSeconds[] = [];
  let oldest = 0;
  /** Forecasts whose bins have not all come. */
  let open: { origin: EpochSeconds; scores: Float64Array; values: number[][]; shares: Uint16Array; known: number }[] =
    [];

  const begin = (row: number): number => ((oldest + row) % ROWS) * steps;
  const keep = (origin: EpochSeconds, row: Uint16Array): void => {
    if (origins.length === ROWS) {
      origins.shift();
      oldest = (oldest + 1) % ROWS;
    }
    origins.push(origin);
    shares.set(row, begin(origins.length - 1));
  };

  return {
    step,
    steps,
    stride,
    shape,
    due: (origin) => origin % stride === 0,
    remember(forecast) {
      open.push({
        origin: forecast.origin,
        scores: scoresOf(forecast.levels),
        values: forecast.quantiles.slice(0, steps),
        shares: new Uint16Array(steps),
        known: 0,
      });
    },
    observe(label, value, censored) {
      let done = false;
      for (const one of open) {
        const ahead = Math.round((label - one.origin) / step);
        if (ahead >= steps) done = true;
        const stated = one.values[ahead - 1];
        if (stated === undefined || Number.isNaN(value)) continue;
        const draw = unitDraw(seed, label, ahead);
        let share = transform(one.scores, stated, value, draw);
        if (!censored) shape.observe(probit(share));
        // Of a lower bound all that is known is that demand lay above it.
        if (censored) share += unitDraw(seed + 1, label, ahead) * (1 - share);
        one.shares[ahead - 1] = Math.max(1, Math.min(FULL, Math.round(share * FULL)));
        one.known++;
      }
      if (!done) return;
      const ended = (one: { origin: EpochSeconds }): boolean => label - one.origin >= steps * step;
      for (const one of open) if (ended(one) && bridge(one.shares, one.known)) keep(one.origin, one.shares);
      open = open.filter((one) => !ended(one));
    },
    origins,
    shares,
    begin,
  };
}

/** Lets the nearest known bin stand for a missing one; false where more than half are missing. */
function bridge(row: Uint16Array, known: number): boolean {
  if (known < row.length / 2) return false;
  if (known === row.length) return true;
  const before = row.slice();
  for (let k = 0; k < row.length; k++) {
    for (let away = 1; row[k] === 0 && away < row.length; away++) row[k] = before[k - away] || before[k + away] || 0;
  }
  return true;
}
