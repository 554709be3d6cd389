import Table from 'cli-table3';
import { HeadroomError } from '../../domain/errors.js';
import type { QuantileForecast } from '../../domain/forecast.js';
import { formatDuration, isoTime, parseDuration, parseTime } from '../../domain/time.js';
import { fitForecaster } from '../../forecast/forecaster.js';
import { forecastAtOrigins, originAt, rollingOrigins } from '../../forecast/rolling.js';
import { readCsvSeries } from '../../telemetry/csv.js';
import {
  argument,
  CommandFailure,
  EXIT,
  printJson,
  withExamples,
  type RegisterCommand,
  type Terminal,
} from '../command.js';

interface Options {
  csv: string;
  column: string;
  step: number;
  horizon: number;
  at?: number;
  rolling?: number;
  levels: number[];
  timeZone: string;
  json?: true;
}

const duration = (text: string): number => {
  const seconds = parseDuration(text);
  if (!(seconds > 0)) throw new RangeError(`"${text}" must be above 0`);
  return seconds;
};

const count = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new RangeError(`"${text}" is not a whole number above 0; write for example 24`);
  }
  return value;
};

/** Ascending and each once, however they were typed. */
const levels = (text: string): number[] => {
  const values = text.split(',').map((part) => {
    const value = Number(part);
    if (part.trim() === '' || !(value > 0 && value < 1)) {
      throw new RangeError(`"${part}" is not a level between 0 and 1; write for example 0.1,0.5,0.9,0.99`);
    }
    return value;
  });
  return [...new Set(values)].sort((a, b) => a - b);
};

const zone = (text: string): string => {
  new Intl.DateTimeFormat('en', { timeZone: text });
  return text;
};

export const register: RegisterCommand = (program, terminal) => {
  const command = program
    .command('forecast')
    .description('Forecast a series from a CSV file: calibrated quantiles for each step ahead')
    .requiredOption('--csv <file>', 'a header, `timestamp` in epoch seconds or ISO-8601 UTC, numeric columns')
    .option('--column <name>', 'the column to forecast', 'cpu')
    .option('--step <duration>', 'length of a bin (default: 5m)', argument(duration))
    .option('--horizon <duration>', 'how far ahead (default: 2h)', argument(duration))
    .option(
      '--at <time>',
      'forecast with what is known at this time; default: with the whole file',
      argument(parseTime),
    )
    .option('--rolling <n>', 'instead, from n evenly spaced origins in the last 30 % of the file', argument(count))
    .option('--levels <list>', 'quantiles (default: 0.1,0.5,0.9,0.99)', argument(levels))
    .option('--time-zone <zone>', 'IANA name, for the hour of day and the day of week', argument(zone), 'UTC')
    .option('--json', 'for machines');
  withExamples(
    command,
    'forecast --csv web.csv --column cpu --horizon 2h',
    'forecast --csv web.csv --column cpu --step 5m --horizon 2h --at 2026-05-01T12:00:00Z --levels 0.5,0.99',
    'forecast --csv web.csv --column cpu --step 5m --horizon 1h --rolling 24 --json',
  );
  command.action(async (given: Partial<Options> & Pick<Options, 'csv' | 'column' | 'timeZone'>) => {
    const { step = 300, horizon = 7200, levels: asked = [0.1, 0.5, 0.9, 0.99] } = given;
    await forecast({ ...given, step, horizon, levels: asked }, terminal);
  });
};

async function forecast(options: Options, terminal: Terminal): Promise<void> {
  if (options.at !== undefined && options.rolling !== undefined) {
    throw new CommandFailure(EXIT.usage, '--at and --rolling name origins in two ways; give one of them');
  }
  const steps = Math.round(options.horizon / options.step);
  if (steps < 1) {
    throw new CommandFailure(
      EXIT.usage,
      `a horizon of ${formatDuration(options.horizon)} is less than the step of ${formatDuration(options.step)}; ` +
        'give a longer --horizon or a shorter --step',
    );
  }
  const series = await readCsvSeries(options.csv, {
    column: options.column,
    step: options.step,
    onNote: (note) => terminal.err(terminal.color.yellow(note)),
  });
  const origins =
    options.rolling === undefined
      ? [originAt(series, options.at)]
      : rollingOrigins(series.values.length, steps, options.rolling);
  if (origins.length === 0) {
    throw new HeadroomError({
      kind: 'invalid-input',
      component: 'cli/forecast',
      action: `choosing origins in ${options.csv}`,
      problem: `${series.values.length} bins leave no room for ${steps} steps after 70 % of them`,
      remedy: 'give a longer file or a shorter --horizon',
    });
  }
  const forecasts = forecastAtOrigins(series, origins, {
    fit: fitForecaster,
    horizon: steps,
    levels: options.levels,
    timeZone: options.timeZone,
  });
  if (options.json === true) {
    printJson(terminal, { forecasts: forecasts.map((one) => ({ ...one, origin: isoTime(one.origin) })) });
    return;
  }
  for (const one of forecasts) terminal.out(table(one, terminal));
}

/** A forecast as a person reads it: one row a bin, one column a level. */
function table(one: QuantileForecast, { color }: Terminal): string {
  const rows = new Table({
    head: ['bin', ...one.levels.map((level) => `p${+(level * 100).toFixed(3)}`)],
    style: { head: [], border: [] },
    colAligns: ['left', ...one.levels.map(() => 'right' as const)],
  });
  one.quantiles.forEach((values, index) => {
    rows.push([isoTime(one.origin + (index + 1) * one.step), ...values.map((value) => readable(value))]);
  });
  const weights = Object.entries(one.weights)
    .filter(([, weight]) => weight >= 0.005)
    .sort(([, a], [, b]) => b - a)
    .map(([model, weight]) => `${model} ${(weight * 100).toFixed(0)} %`);
  return [
    `${color.bold('origin')} ${isoTime(one.origin)}, the last bin known; bins of ${formatDuration(one.step)}`,
    rows.toString(),
    color.dim(`models: ${weights.join(', ')}`),
  ].join('\n');
}

/** Four significant digits, without an exponent where a person would write none. */
const readable = (value: number): string => {
  if (value === 0) return '0';
  return Math.abs(value) >= 1e4 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(4)));
};
