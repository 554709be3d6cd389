import { HeadroomError } from '../../domain/errors.js';
import { binLabel, type Series } from '../../domain/series.js';
import { formatDuration, isoTime, parseDuration, parseTime } from '../../domain/time.js';
import { forecastAtOrigins, originAt, rollingOrigins } from '../../forecast/rolling.js';
import { coveringCapacity, pathTotals, quantilesOf } from '../../forecast/scenarios/joint.js';
import type { FittedForecaster } from '../../forecast/port.js';
import { samplePaths } from '../../forecast/scenarios/paths.js';
import { forecastTable, type Joint } from '../forecast-table.js';
import { readSeriesFile, withCensoring, type CensoringOptions } from '../series-file.js';
import { seriesModels, withModels, type ModelOptions } from '../series-models.js';
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

interface Options extends CensoringOptions, ModelOptions {
  csv?: string;
  system?: true;
  column: string;
  step: number;
  horizon: number;
  at?: number;
  rolling?: number;
  levels: number[];
  timeZone: string;
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
    .option('--joint', 'also what covers the whole horizon at once, and its mean: from sample paths')
    .option('--system', 'instead of a file: all accounts together, from their newest forecasts in the store')
    .option('--json', 'for machines');
  withCensoring(withModels(command));
  withExamples(
    command,
    'forecast --csv web.csv --column cpu --horizon 2h',
    'forecast --csv web.csv --column cpu --step 5m --horizon 2h --at 2026-05-01T12:00:00Z --levels 0.5,0.99',
    'forecast --csv web.csv --column cpu --step 5m --horizon 1h --rolling 24 --json',
    'forecast --csv web.csv --column cpu --horizon 2h --levels 0.5,0.99 --joint',
    'forecast --csv web.csv --column cpu --models default,booster --with-champions --json',
    'forecast --csv web.csv --column cpu --limit 4 --censored throttled',
    'forecast --system --horizon 2h',
  );
  command.action(async (given: Partial<Options> & Pick<Options, 'column' | 'timeZone'>) => {
    const { step = 300, horizon = 7200, levels: asked = [0.1, 0.5, 0.9, 0.99] } = given;
    if ((given.csv === undefined) === (given.system === undefined)) {
      throw new CommandFailure(EXIT.usage, 'give --csv with a file, or --system for all accounts; one of them');
    }
    if (given.csv === undefined) {
      const ofFile = [
        given.at,
        given.rolling,
        given.models,
        given.joint,
        given.withChampions,
        given.censored,
        given.limit,
      ];
      if (ofFile.some((one) => one !== undefined)) {
        const names = '--at, --rolling, --models, --with-champions, --joint, --censored and --limit';
        throw new CommandFailure(EXIT.usage, `${names} are of a file; leave them out`);
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
  const steps = stepsOf(options, terminal);
  const models = await seriesModels(options, terminal);
  const series = await readSeriesFile(options, terminal);
  const end = series.start + series.values.length * series.step;
  if (options.at !== undefined && options.at >= end + series.step) {
    const note = `the data end at ${isoTime(end)}: it is forecast from there, not from ${isoTime(options.at)}`;
    terminal.err(terminal.color.yellow(note));
  }
  const origins = originsOf(options, series, steps);
  models.check(binLabel(series, origins[0] ?? 0));
  const joints: Joint[] = [];
  let isCold = false;
  const forecasts = forecastAtOrigins(series, origins, {
    fit: models.fit,
    horizon: steps,
    levels: options.levels,
    timeZone: options.timeZone,
    ...(options.joint === true ? { scenarios: { steps } } : {}),
    onOrigin(fitted) {
      if (options.joint === true) joints.push(jointly(fitted, steps, options.levels));
      isCold ||= fitted.data === 'cold';
    },
  });
  if (options.json === true) {
    printJson(terminal, {
      ...(options.withChampions === undefined ? {} : { champions: models.tookPart().champions }),
      forecasts: forecasts.map((one, index) => ({
        ...one,
        origin: isoTime(one.origin),
        ...(joints[index] === undefined ? {} : { joint: joints[index] }),
      })),
    });
    return;
  }
  if (isCold) {
    terminal.err(terminal.color.yellow('Less than two days, or 24 bins, are known: the forecast is a wide guess.'));
  }
  forecasts.forEach((one, index) => terminal.out(forecastTable(one, joints[index], terminal)));
}

/** More than this, over all origins, is more than a year of five minutes each: a slip of the keyboard. */
const MOST_STEPS = 200_000;
/** What sample paths are drawn over: two weeks of five minutes. */
const MOST_JOINT_STEPS = 4032;

/** Steps of the horizon, up to the bin in which it ends. */
function stepsOf({ horizon, step, rolling = 1, joint }: Options, terminal: Terminal): number {
  const refuse = (problem: string, remedy: string): CommandFailure =>
    new CommandFailure(EXIT.usage, `a horizon of ${formatDuration(horizon)} ${problem}; ${remedy}`);
  if (horizon < step) {
    throw refuse(`is less than the step of ${formatDuration(step)}`, 'give a longer --horizon or a shorter --step');
  }
  const steps = Math.ceil(horizon / step - 1e-9);
  const all = `${steps} bins of ${formatDuration(step)}`;
  if (steps * rolling > MOST_STEPS) {
    const problem = `is ${all}${rolling === 1 ? '' : ` from each of ${rolling} origins`}, more than ${MOST_STEPS}`;
    throw refuse(problem, 'give a shorter --horizon or a longer --step');
  }
  if (joint === true && steps > MOST_JOINT_STEPS) {
    throw refuse(
      `is ${all}, more than ${MOST_JOINT_STEPS} that --joint looks at`,
      'give a shorter one, or a longer --step',
    );
  }
  if (Math.abs(horizon - steps * step) > 1e-6 * step) {
    terminal.err(
      terminal.color.yellow(`a horizon of ${formatDuration(horizon)} ends within a bin: it is taken as ${all}`),
    );
  }
  return steps;
}

/** Indices of the bins that are forecast from. */
function originsOf(options: Options & { csv: string }, series: Series, steps: number): number[] {
  if (options.rolling === undefined) return [originAt(series, options.at)];
  const origins = rollingOrigins(series.values.length, steps, options.rolling);
  if (origins.length > 0) return origins;
  throw new HeadroomError({
    kind: 'invalid-input',
    component: 'cli/forecast',
    action: `choosing origins in ${options.csv}`,
    problem: `${series.values.length} bins leave no room for ${steps} steps after 70 % of them`,
    remedy: 'give a longer file or a shorter --horizon',
  });
}

const PATHS = 4096;
/** What paths are drawn between. */
const DRAWN = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999];

function jointly(fitted: FittedForecaster, steps: number, levels: readonly number[]): Joint {
  const drawn = [...new Set([...DRAWN, ...levels])].sort((a, b) => a - b);
  const dependence = fitted.dependence ?? null;
  const series = { forecast: fitted.forecast(steps, drawn), dependence, ways: fitted.ways?.(steps, drawn) ?? null };
  const paths = samplePaths([series], { paths: PATHS, seed: 1 });
  return {
    covering: levels.map((level) => coveringCapacity(paths, level)),
    mean: quantilesOf(
      pathTotals(paths).map((total) => total / steps),
      levels,
    ),
    rows: dependence?.origins.length ?? 0,
  };
}
