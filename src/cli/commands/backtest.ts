import { open, type FileHandle } from 'node:fs/promises';
import Table from 'cli-table3';
import { parseQuantity } from '../../domain/component.js';
import { HeadroomError } from '../../domain/errors.js';
import { binLabel } from '../../domain/series.js';
import { formatDuration, isoTime, parseDuration } from '../../domain/time.js';
import { wilsonInterval } from '../../replay/interval.js';
import { parsePolicies, policyForms } from '../../replay/registry.js';
import { scoredBins } from '../../replay/score.js';
import { replay, type Replay } from '../../replay/simulate.js';
import { timelineRows } from '../../replay/timeline.js';
import {
  argument,
  durationOption,
  EXIT,
  printJson,
  withExamples,
  type RegisterCommand,
  type Terminal,
} from '../command.js';
import { readSeriesFile, withCensoring, type CensoringOptions } from '../series-file.js';
import { seriesModels, withModels, type ModelOptions } from '../series-models.js';

interface Options extends CensoringOptions, ModelOptions {
  csv: string;
  column: string;
  step: number;
  lead: number;
  level: number;
  warmup: number;
  policies: string;
  timeZone: string;
  replicaSize?: number;
  censor?: true;
  timeline?: string;
  json?: true;
}

const DEFAULT_POLICIES = 'headroom,hpa:0.5,hpa:0.7,yesterday:1.2,clairvoyant';

const number = (low: number, high: number, example: string) => (text: string) => {
  const value = Number(text);
  if (text.trim() === '' || !(value > low && value < high)) {
    throw new RangeError(`"${text}" is not a number between ${low} and ${high}; write for example ${example}`);
  }
  return value;
};

const share = (text: string): number => {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text.trim());
  const value = percent === null ? Number(text) : Number(percent[1]) / 100;
  if (text.trim() === '' || !(value >= 0 && value < 1)) {
    throw new RangeError(`"${text}" is not a share below 1; write for example 60% or 0.6`);
  }
  return value;
};

const positive = (reader: (text: string) => number) => (text: string) => {
  const value = reader(text);
  if (!(value > 0)) throw new RangeError(`"${text}" must be above 0`);
  return value;
};

const zone = (text: string): string => {
  new Intl.DateTimeFormat('en', { timeZone: text });
  return text;
};

export const register: RegisterCommand = (program, terminal) => {
  const command = program
    .command('backtest')
    .description('Replay capacity policies over your own history: cost and violations, side by side')
    .requiredOption('--csv <file>', 'demand: a header, `timestamp` in epoch seconds or ISO-8601 UTC, numeric columns')
    .option('--column <name>', 'the column that holds demand', 'cpu')
    .addOption(durationOption('--step <duration>', 'length of a bin', argument(positive(parseDuration)), 300))
    .addOption(durationOption('--lead <duration>', 'from a decision to ready capacity', argument(parseDuration), 600))
    .option('--level <share>', 'bins whose demand shall be covered', argument(number(0, 1, '0.99')), 0.99)
    .option('--warmup <share>', 'beginning of the file that is learnt from and not scored', argument(share), 0.6)
    .option('--policies <list>', 'what to compare', DEFAULT_POLICIES)
    .option('--censor', 'policies see min(demand, capacity) and a throttling signal, as real telemetry does')
    .option('--replica-size <amount>', 'capacity in whole replicas of this size', argument(positive(parseQuantity)))
    .option('--time-zone <zone>', 'IANA name, for the hour of week', argument(zone), 'UTC')
    .option('--timeline <file>', 'write demand and capacities of every scored bin as CSV')
    .option('--json', 'for machines');
  withCensoring(withModels(command));
  command.addHelpText(
    'after',
    `\nPolicies:\n${policyForms()
      .map(({ form, says }) => `  ${form.padEnd(16)} ${says}`)
      .join('\n')}`,
  );
  withExamples(
    command,
    'backtest --csv web.csv --column cpu --level 0.99',
    'backtest --csv web.csv --column cpu --step 5m --lead 10m --level 0.99 --warmup 60% \\\n' +
      '      --policies headroom,hpa:0.5,hpa:0.7,yesterday:1.2,clairvoyant@0.01 --json --timeline out.csv',
    'backtest --csv web.csv --column cpu --censor --replica-size 500m',
    'backtest --csv web.csv --column cpu --models default,booster --limit cpu_limit',
  );
  command.action(async (options: Options) => {
    await backtest(options, terminal);
  });
};

async function backtest(options: Options, terminal: Terminal): Promise<void> {
  // Before the file is read: a misspelt policy should not cost a minute.
  const policies = parsePolicies(options.policies);
  const models = await seriesModels(options, terminal);
  const demand = await readSeriesFile(options, terminal);
  models.check(binLabel(demand, Math.floor(options.warmup * demand.values.length)));
  const result = replay(demand, policies, {
    lead: options.lead,
    level: options.level,
    warmup: options.warmup,
    timeZone: options.timeZone,
    fit: models.fit,
    censor: options.censor === true,
    ...(options.replicaSize === undefined ? {} : { replicaSize: options.replicaSize }),
  });
  if (options.timeline !== undefined) await writeTimeline(options.timeline, result);
  if (options.json === true) {
    printJson(terminal, {
      ...(options.models === undefined && options.withChampions === undefined ? {} : models.tookPart()),
      step: demand.step,
      lead: options.lead,
      level: options.level,
      bins: result.bins,
      policies: result.policies.map(({ name, cost, violations, depth, slack, changes }) => ({
        name,
        cost,
        violations,
        depth,
        slack,
        changes,
      })),
    });
  } else {
    print(terminal, options, result);
  }
  process.exitCode = EXIT.ok;
}

async function writeTimeline(path: string, result: Replay): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'w');
    let chunk: string[] = [];
    for (const row of timelineRows(result)) {
      chunk.push(row);
      if (chunk.length < 5000) continue;
      await file.write(`${chunk.join('\n')}\n`);
      chunk = [];
    }
    if (chunk.length > 0) await file.write(`${chunk.join('\n')}\n`);
  } catch (cause) {
    throw new HeadroomError({
      kind: 'unavailable',
      component: 'cli/backtest',
      action: `writing the timeline to ${path}`,
      problem: cause instanceof Error ? cause.message : String(cause),
      remedy: 'give --timeline a path that can be written',
      cause,
    });
  } finally {
    await file?.close();
  }
}

function print(terminal: Terminal, options: Options, result: Replay): void {
  const { color } = terminal;
  const { demand } = result;
  const percent = (value: number | null, digits = 2) => (value === null ? '–' : `${(value * 100).toFixed(digits)} %`);
  const table = new Table({
    head: ['policy', 'cost', 'violations', 'depth', 'slack', 'changes'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  for (const { name, cost, violations, depth, slack, changes } of result.policies) {
    const met = violations <= 1 - options.level + 1e-12;
    const share = percent(violations);
    table.push([
      name,
      cost === null ? '–' : cost.toFixed(3),
      met ? color.green(share) : color.red(share),
      percent(depth, 1),
      percent(slack, 1),
      String(changes),
    ]);
  }
  terminal.out(table.toString());
  const bounds = scoredBins(demand, result.firstScored).filter((index) => demand.censored[index] === 1).length;
  if (bounds > 0) {
    const share = percent(bounds / result.bins, 1);
    terminal.out(
      color.yellow(
        `In ${bounds} bins (${share}) usage was throttled: scored by what was seen, the least that demand was.`,
      ),
    );
  }
  terminal.out(
    `${result.bins} bins of ${formatDuration(demand.step)} scored, from ${isoTime(binLabel(demand, result.firstScored))}; ` +
      `a decision takes ${formatDuration(options.lead)} to be ready; level asked: ${options.level}.\n` +
      'cost: mean capacity / mean demand; violations: bins with demand above capacity; depth: mean shortfall in them.',
  );
  for (const { name, violations } of result.policies) {
    if (name.startsWith('headroom')) terminal.out(`${name}: ${reachedWords(violations, result.bins, options.level)}`);
  }
  for (const { name, notes } of result.policies) {
    for (const note of notes) terminal.out(color.dim(`${name}: ${note}`));
  }
}

/** What was asked of a policy that plans at a level, what it reached, and whether so many bins tell the two apart. */
export function reachedWords(violations: number, bins: number, level: number): string {
  const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;
  const missed = Math.round(violations * bins);
  const asked = 1 - level;
  const { low, high } = wilsonInterval(missed, bins);
  const told =
    low > asked
      ? 'more than was asked'
      : high < asked
        ? 'fewer than was asked'
        : 'which so many bins do not tell apart from what was asked';
  return (
    `at most ${percent(asked)} of bins above capacity asked, ${percent(violations)} reached (${missed} of ${bins}): ${told}. ` +
    `95 % interval ${percent(low)} to ${percent(high)} (Wilson, as if bins were independent; misses come in runs, so it is wider)`
  );
}
