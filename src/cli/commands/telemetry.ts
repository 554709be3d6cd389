import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../../domain/time.js';
import { checkInflux, initInflux } from '../../telemetry/influxdb/setup.js';
import {
  CommandFailure,
  durationOption,
  EXIT,
  printJson,
  withExamples,
  type RegisterCommand,
  type Terminal,
} from '../command.js';
import { influxOfEnvironment } from '../influxdb.js';

interface InitOptions {
  raw: number;
  hourly: number;
  loop: number;
  shorten?: true;
  backfill?: true;
  json?: true;
}

const HOUR = 3600;
const DAY = 86_400;

/** `90d`; 0 for ever. InfluxDB keeps nothing shorter than an hour. */
function keep(text: string): number {
  if (text === 'forever') return 0;
  let seconds: number;
  try {
    seconds = Math.round(parseDuration(text));
  } catch {
    throw new InvalidArgumentError(`"${text}" is no length of time: write for example 90d, 52w or forever`);
  }
  if (seconds < HOUR) throw new InvalidArgumentError('a bucket keeps an hour at least');
  return seconds;
}

export const register: RegisterCommand = (program, terminal) => {
  const parent = program
    .command('telemetry')
    .description('Set InfluxDB 2 up for Headroom, and check it (INFLUX_URL, INFLUX_TOKEN, INFLUX_ORG, INFLUX_BUCKET)');
  const init = parent
    .command('init')
    .description('Make buckets with retention and the down-sampling task; a second run changes nothing')
    .addOption(durationOption('--raw <length>', 'how long samples are kept', keep, 90 * DAY))
    .addOption(durationOption('--hourly <length>', 'how long sums and counts by the hour are kept', keep, 730 * DAY))
    .addOption(durationOption('--loop <length>', 'how long forecasts, plans and outcomes are kept', keep, 730 * DAY))
    .option('--shorten', 'allow retention to become shorter, which deletes what is older')
    .option('--backfill', 'down-sample all samples that are there, not only new ones')
    .option('--json', 'for machines')
    .action((options: InitOptions) => runInit(options, terminal));
  const check = parent
    .command('check')
    .description('Look at server, token, buckets and task; exit code 1 where something is not right')
    .option('--json', 'for machines')
    .action((options: { json?: true }) => runCheck(options, terminal));
  withExamples(parent, 'telemetry init', 'telemetry check');
  withExamples(init, 'telemetry init', 'telemetry init --raw 30d --hourly 52w --backfill');
  withExamples(check, 'telemetry check --json');
};

async function runInit(options: InitOptions, terminal: Terminal): Promise<void> {
  const { connection, names } = influxOfEnvironment(terminal.env, 'telemetry init');
  const { raw, hourly, loop } = options;
  if (hourly !== 0 && (raw === 0 || raw > hourly)) {
    throw new CommandFailure(
      EXIT.usage,
      '--hourly must be as long as --raw at least: it is read where samples have gone',
    );
  }
  const steps = await initInflux(
    connection,
    {
      names,
      keep: { raw, hourly, loop },
      shorten: options.shorten === true,
      backfill: options.backfill === true,
      now: Date.now() / 1000,
    },
    new AbortController().signal,
  );
  if (options.json === true) {
    printJson(terminal, { url: connection.url, org: connection.org, steps });
    return;
  }
  for (const { what, name, did, detail } of steps) {
    const word = did === 'unchanged' ? terminal.color.dim(did) : terminal.color.green(did);
    terminal.out(`${what} ${terminal.color.bold(name)}: ${word}, ${detail}`);
  }
  if (steps.every(({ did }) => did === 'unchanged')) terminal.out('nothing to do: all of it was there');
}

async function runCheck(options: { json?: true }, terminal: Terminal): Promise<void> {
  const { connection, names } = influxOfEnvironment(terminal.env, 'telemetry check');
  const checks = await checkInflux(connection, names, new AbortController().signal);
  if (options.json === true) printJson(terminal, { url: connection.url, org: connection.org, checks });
  else {
    for (const { name, ok, detail } of checks) {
      terminal.out(`${ok ? terminal.color.green('ok') : terminal.color.red('no')}  ${name}: ${detail}`);
    }
  }
  if (checks.some(({ ok }) => !ok)) process.exitCode = EXIT.failed;
}
