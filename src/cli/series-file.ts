import type { Command } from 'commander';
import { parseQuantity } from '../domain/component.js';
import { HeadroomError } from '../domain/errors.js';
import type { Series } from '../domain/series.js';
import { readCsvSeries, type CsvCensoring } from '../telemetry/csv.js';
import { argument, type Terminal } from './command.js';

/* One column of a file as `forecast` and `backtest` take it in. */

export interface CensoringOptions {
  /** A column that says which values are lower bounds. */
  censored?: string;
  /** An amount, or the column that holds it. */
  limit?: number | string;
}

/** Reads `2`, `500m`, `16Gi` as an amount; anything else names a column. */
export const limitOf = (text: string): number | string => {
  if (text.trim() === '') throw new RangeError('name a column, or give an amount, as 2 or 500m');
  if (!/^[+-]?[\d.]/.test(text)) return text;
  const amount = parseQuantity(text);
  if (!(amount > 0)) throw new RangeError(`"${text}" is no limit; give one above 0`);
  return amount;
};

/** Adds what says which bins of a file are lower bounds. */
export const withCensoring = (command: Command): Command =>
  command
    .option('--censored <column>', 'a column of yes and no (1, 0, a share): where usage was throttled, demand was more')
    .option(
      '--limit <amount|column>',
      'the capacity limit: usage within 1 % of it is a lower bound of demand',
      argument(limitOf),
    );

export const censoringOf = ({ censored, limit }: CensoringOptions): CsvCensoring | undefined =>
  censored === undefined && limit === undefined
    ? undefined
    : { ...(censored === undefined ? {} : { flag: censored }), ...(limit === undefined ? {} : { limit }) };

/** Below this a peak is nothing to the arithmetic of forecasts. */
const LEAST_PEAK = 1e-9;

/**
 * Reads the series; what a person should know of it goes to standard error.
 * @throws HeadroomError as {@link readCsvSeries}, and `invalid-input` where its values are too small to be told from nothing.
 */
export async function readSeriesFile(
  options: CensoringOptions & { csv: string; column: string; step: number },
  terminal: Terminal,
): Promise<Series> {
  const { csv, column, step } = options;
  const censoring = censoringOf(options);
  const series = await readCsvSeries(csv, {
    column,
    step,
    onNote: (note) => terminal.err(terminal.color.yellow(note)),
    ...(censoring === undefined ? {} : { censoring }),
  });
  const peak = series.values.reduce((most, value) => (value > most ? value : most), 0);
  if (peak > 0 && peak < LEAST_PEAK) {
    throw new HeadroomError({
      kind: 'invalid-input',
      component: 'telemetry/csv',
      action: `reading ${csv}`,
      problem: `the largest value of column "${column}" is ${peak}, too small to be told from nothing`,
      remedy: 'give the column in a smaller unit',
    });
  }
  return series;
}
