import Table from 'cli-table3';
import { HeadroomError } from '../../domain/errors.js';
import type { QuantileForecast } from '../../domain/forecast.js';
import { formatDuration, isoTime, parseDuration, parseTime } from '../../domain/time.js';
import { fitForecaster } from '../../forecast/forecaster.js';
import { forecastAtOrigins, originAt, rollingOrigins } from '../../forecast/rolling.js';
import { coveringCapacity, pathTotals, quantilesOf } from '../../forecast/scenarios/joint.js';
import { loadModels, modelNames } from '../../forecast/models/registry.js';
import type { FittedForecaster } from '../../forecast/port.js';
import { samplePaths } from '../../forecast/scenarios/paths.js';
import { readCsvSeries } from '../../telemetry/csv.js';
import { readable } from '../readable.js';
import { printSystem } from '../system-load.js';
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
  csv?: string;
  system?: true;
  column: string;
  step: number;
  horizon: number;
  at?: number;
  rolling?: number;
  levels: number[];
  timeZone: string;
  models?: string[];
  joint?: true;
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

const names = (text: string): string[] => {
  const given = text.split(',').map((part) => part.trim());
  const unknown = given.find((name) => !modelNames().includes(name));
  if (unknown !== undefined) {
    throw new RangeError(`"${unknown}" is no model; there are ${modelNames().join(', ')}`);
  }
  return [...new Set(given)];
};

const zone = (text: string): string => {
  new Intl.DateTimeFormat('en', { timeZone: text });
  return text;
};

export const register: RegisterCommand = (program, terminal) => {
  const command = program
    .command('forecast')
    .description('Forecast a series from a CSV file, or the whole system: calibrated quantiles for each step ahead')
    .option('--csv <file>', 'a header, `timestamp` in epoch seconds or ISO-8601 UTC, numeric columns')
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
    .option(
      '--models <list>',
      `instead of the default ones, beside persistence: ${modelNames().join(', ')}`,
      argument(names),
    )
    .option('--joint', 'also what covers the whole horizon at once, and its mean: from sample paths')
    .option('--system', 'instead of a file: all accounts together, from their newest forecasts in the store')
    .option('--json', 'for machines');
  withExamples(
    command,
    'forecast --csv web.csv --column cpu --horizon 2h',
    'forecast --csv web.csv --column cpu --step 5m --horizon 2h --at 2026-05-01T12:00:00Z --levels 0.5,0.99',
    'forecast --csv web.csv --column cpu --step 5m --horizon 1h --rolling 24 --json',
    'forecast --csv web.csv --column cpu --horizon 2h --levels 0.5,0.99 --joint',
    'forecast --system --horizon 2h',
  );
  command.action(async (given: Partial<Options> & Pick<Options, 'column' | 'timeZone'>) => {
    const { step = 300, horizon = 7200, levels: asked = [0.1, 0.5, 0.9, 0.99] } = given;
    if ((given.csv === undefined) === (given.system === undefined)) {
      throw new CommandFailure(EXIT.usage, 'give --csv with a file, or --system for all accounts; one of them');
    }
    if (given.csv === undefined) {
      if (given.at !== undefined || given.rolling !== undefined || given.models !== undefined || given.joint === true) {
        throw new CommandFailure(EXIT.usage, '--at, --rolling, --models and --joint are of a file; leave them out');
      }
      await printSystem({ horizon, levels: asked, ...(given.json === true ? { json: true } : {}) }, terminal);
      return;
    }
    await forecast({ ...given, csv: given.csv, step, horizon, levels: asked }, terminal);
  });
};

async function forecast(options: Options & { csv: string }, terminal: Terminal): Promise<void> {
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
  const end = series.start + series.values.length * series.step;
  if (options.at !== undefined && options.at >= end + series.step) {
    const note = `the data end at ${isoTime(end)}: it is forecast from there, not from ${isoTime(options.at)}`;
    terminal.err(terminal.color.yellow(note));
  }
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
  await loadModels(options.models);
  const joints: Joint[] = [];
  const forecasts = forecastAtOrigins(series, origins, {
    fit: fitForecaster,
    horizon: steps,
    levels: options.levels,
    timeZone: options.timeZone,
    ...(options.models === undefined ? {} : { models: options.models }),
    ...(options.joint === true
      ? { scenarios: { steps }, onOrigin: (fitted) => joints.push(jointly(fitted, steps, options.levels)) }
      : {}),
  });
  if (options.json === true) {
    printJson(terminal, {
      forecasts: forecasts.map((one, index) => ({
        ...one,
        origin: isoTime(one.origin),
        ...(joints[index] === undefined ? {} : { joint: joints[index] }),
      })),
    });
    return;
  }
  forecasts.forEach((one, index) => terminal.out(table(one, joints[index], terminal)));
}

/** What sample paths say of a horizon as a whole, at the levels asked. */
interface Joint {
  /** The capacity that covers every bin of that share of the paths. */
  covering: number[];
  /** Of the mean over the horizon. */
  mean: number[];
  /** Past forecasts that tell how its bins hang together. */
  rows: number;
}

const PATHS = 4096;
/** What paths are drawn between. */
const DRAWN = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999];

function jointly(fitted: FittedForecaster, steps: number, levels: readonly number[]): Joint {
  const drawn = [...new Set([...DRAWN, ...levels])].sort((a, b) => a - b);
  const dependence = fitted.dependence ?? null;
  const paths = samplePaths([{ forecast: fitted.forecast(steps, drawn), dependence }], { paths: PATHS, seed: 1 });
  return {
    covering: levels.map((level) => coveringCapacity(paths, level)),
    mean: quantilesOf(
      pathTotals(paths).map((total) => total / steps),
      levels,
    ),
    rows: dependence?.origins.length ?? 0,
  };
}

/** A forecast as a person reads it: one row a bin, one column a level. */
function table(one: QuantileForecast, joint: Joint | undefined, { color }: Terminal): string {
  const rows = new Table({
    head: ['bin', ...one.levels.map((level) => `p${+(level * 100).toFixed(3)}`)],
    style: { head: [], border: [] },
    colAligns: ['left', ...one.levels.map(() => 'right' as const)],
  });
  one.quantiles.forEach((values, index) => {
    rows.push([isoTime(one.origin + (index + 1) * one.step), ...values.map((value) => readable(value))]);
  });
  if (joint !== undefined) {
    rows.push(['mean of all bins', ...joint.mean.map(readable)]);
    rows.push(['covers all bins', ...joint.covering.map(readable)]);
  }
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
