import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { COMPONENTS, type Component } from '../../domain/component.js';
import { isoTime } from '../../domain/time.js';
import { createStoreClient } from '../../telemetry/client.js';
import { censoringColumns, csvSamples, readCsvColumns, type CsvCensoring } from '../../telemetry/csv.js';
import { createEmbeddedStore, storeMemory } from '../../telemetry/embedded/store.js';
import type { StoreErasure } from '../../telemetry/erasure.js';
import type { BehaviorStore } from '../../telemetry/events/port.js';
import type { Store } from '../../telemetry/port.js';
import { homeFolder, readRuntimeFile } from '../../temporal/home.js';
import type { ImportTarget } from '../import-target.js';
import { CommandFailure, EXIT, printJson, withExamples, type RegisterCommand, type Terminal } from '../command.js';
import { censoringOf, limitOf } from '../series-file.js';

interface Options {
  account: string;
  workload: string;
  column: Map<Component, string>;
  scale?: Map<Component, number>;
  censored?: Map<Component, string>;
  limit?: Map<Component, number | string>;
  to: string;
  json?: true;
}

/**
 * What came of one component. The store says which rows were new (`written`); InfluxDB takes a repeat for the same
 * point without a word, so that all it was given counts as `sent`. `skipped` were there already, with the same value, or
 * are past retention.
 */
interface Imported {
  component: Component;
  column: string;
  rows: number;
  written?: number;
  sent?: number;
  skipped: number;
  /** Rows that were throttled or at their limit; absent where nothing says which are. */
  bounds?: number;
  from: string | null;
  to: string | null;
}

/** So many samples are one write: small enough for a progress line that moves, large enough to cost nothing. */
const AT_ONCE = 50_000;

const isComponent = (text: string): text is Component => COMPONENTS.some((one) => one === text);

/** Reads `cpu=a,memory=b`, and adds to what the option had before. */
function pairs<T>(what: string, read: (value: string, component: Component) => T) {
  return (text: string, before: Map<Component, T> | undefined): Map<Component, T> => {
    const all = new Map(before ?? []);
    for (const pair of text.split(',')) {
      const [component, value, ...rest] = pair.split('=').map((part) => part.trim());
      if (component === undefined || value === undefined || value === '' || rest.length > 0) {
        throw new InvalidArgumentError(`"${pair}" is not component=${what}; write for example cpu=${what}`);
      }
      if (!isComponent(component)) {
        throw new InvalidArgumentError(`"${component}" is no component; they are ${COMPONENTS.join(', ')}`);
      }
      if (all.has(component)) throw new InvalidArgumentError(`${component} is given twice`);
      all.set(component, read(value, component));
    }
    return all;
  };
}

const factor = (text: string): number => {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError(`"${text}" is no factor above 0`);
  return value;
};

const limitArgument = (text: string): number | string => {
  try {
    return limitOf(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
};

const NAME = /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/;
const named = (text: string): string => {
  if (!NAME.test(text)) {
    throw new InvalidArgumentError(`"${text}" is not a name: lower-case letters, digits, "-" and ".", at most 63`);
  }
  return text;
};

export const register: RegisterCommand = (program, terminal) => {
  const parent = program.command('import').description('Load history into the telemetry store');
  const command = parent
    .command('csv')
    .description('Load columns of a CSV file as usage of one workload; a repeat writes nothing twice')
    .argument('<file>', 'a header, `timestamp` in epoch seconds or ISO-8601 UTC, numeric columns')
    .requiredOption('--account <name>', 'the account that the usage belongs to', named)
    .requiredOption('--workload <name>', 'the workload within it', named)
    .requiredOption(
      '--column <component=column,...>',
      `which column holds which component (${COMPONENTS.join(', ')})`,
      pairs('column', (value) => value),
    )
    .option(
      '--scale <component=factor,...>',
      'multiply to get cores, bytes and bytes/s, as cpu=0.01 for percent of one core',
      pairs('factor', factor),
    )
    .option(
      '--censored <component=column,...>',
      'which column says, by yes and no, 1 and 0, or a share, where usage was throttled: demand was more',
      pairs('column', (value) => value),
    )
    .option(
      '--limit <component=amount|column,...>',
      'the capacity limit in the unit of the file: usage within 1 % of it is a lower bound of demand',
      pairs('limit', limitArgument),
    )
    .option('--to <where>', 'store, or influxdb (INFLUX_URL, INFLUX_TOKEN, INFLUX_ORG, INFLUX_BUCKET)', 'store')
    .option('--json', 'for machines');
  withExamples(parent, 'import csv web.csv --account acme --workload web --column cpu=cpu_cores,memory=memory_bytes');
  withExamples(
    command,
    'import csv web.csv --account acme --workload web --column cpu=cpu_cores,memory=memory_bytes',
    'import csv vm.csv --account acme --workload db --column cpu=cpu_percent,memory=memory_kb \\\n' +
      '      --scale cpu=0.04,memory=1024 --json',
    'import csv web.csv --account acme --workload web --column cpu=cpu_cores --limit cpu=cpu_limit --censored cpu=throttled',
    'import csv web.csv --account acme --workload web --column cpu=cpu_cores --to influxdb',
  );
  command.action(async (file: string, options: Options) => {
    await importCsv(file, options, terminal);
  });
};

/** How long an import waits for another process that has the file. */
const PATIENCE_MS = 60_000;

/**
 * The store of the running owner; where none runs, the file itself, which this process then owns until it ends. Another
 * import may have it for a moment, or an owner may just be starting: that is waited for, since two at once are no
 * mistake. HEADROOM_STORE_URL and HEADROOM_STORE_TOKEN name an owner elsewhere.
 */
export async function openStore(
  env: NodeJS.ProcessEnv,
): Promise<{ store: Store & BehaviorStore & StoreErasure; through: string }> {
  const url = env['HEADROOM_STORE_URL'];
  if (url !== undefined && url !== '') {
    return { store: createStoreClient({ url, token: env['HEADROOM_STORE_TOKEN'] ?? '' }), through: url };
  }
  const home = homeFolder(env);
  const path = join(home, 'telemetry.duckdb');
  await mkdir(home, { recursive: true });
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const runtime = await readRuntimeFile(home);
    if (runtime !== null) {
      const store = createStoreClient({ url: runtime.storeUrl, token: runtime.storeToken });
      return { store, through: `process ${runtime.pid}` };
    }
    try {
      return { store: await createEmbeddedStore({ path, ...storeMemory(env) }), through: path };
    } catch (error) {
      const inUse = error instanceof Error && error.message.includes(' is in use by ');
      if (!inUse || Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 200));
    }
  }
}

async function targetOf(to: string, terminal: Terminal): Promise<ImportTarget> {
  if (to === 'influxdb') {
    const { influxTarget } = await import('../import-target.js');
    return influxTarget(terminal.env, (line) => terminal.err(line));
  }
  if (to !== 'store') throw new CommandFailure(EXIT.usage, `--to ${to}: known are store, influxdb`);
  const { store, through } = await openStore(terminal.env);
  return {
    through,
    counts: 'written',
    write: async (batch) => (await store.writeUsage([batch])).written,
    finish: () => Promise.resolve(),
    close: () => store.close(),
  };
}

async function importCsv(path: string, options: Options, terminal: Terminal): Promise<void> {
  const { account, workload, column, scale = new Map<Component, number>() } = options;
  const { censored = new Map<Component, string>(), limit = new Map<Component, number | string>() } = options;
  for (const [option, named] of Object.entries({ scale, censored, limit })) {
    const other = [...named.keys()].find((component) => !column.has(component));
    if (other !== undefined)
      throw new CommandFailure(EXIT.usage, `--${option} names ${other}, which --column does not`);
  }
  const censoring = new Map<Component, CsvCensoring>();
  for (const component of column.keys()) {
    const flag = censored.get(component);
    const most = limit.get(component);
    const one = censoringOf({
      ...(flag === undefined ? {} : { censored: flag }),
      ...(most === undefined ? {} : { limit: most }),
    });
    if (one !== undefined) censoring.set(component, one);
  }
  const beside = [...censoring.values()].map(censoringColumns);
  // The whole file is read and checked before anything is written: a bad row at its end leaves nothing behind.
  const file = await readCsvColumns(path, {
    columns: [...new Set([...column.values(), ...beside.flatMap(({ columns }) => columns)])],
    flags: [...new Set(beside.flatMap(({ flags }) => flags))],
  });
  for (const note of file.notes) terminal.err(terminal.color.yellow(note));

  const target = await targetOf(options.to, terminal);
  const { through } = target;
  const total = [...column.values()].reduce((sum, name) => sum + known(file.columns.get(name)), 0);
  let done = 0;
  const result: Imported[] = [];
  try {
    for (const [component, name] of column) {
      const by = scale.get(component) ?? 1;
      const bounding = censoring.get(component);
      const part: Imported = {
        ...{ component, column: name, rows: 0, [target.counts]: 0, skipped: 0 },
        ...(bounding === undefined ? {} : { bounds: 0 }),
        ...{ from: null, to: null },
      };
      for (const samples of csvSamples(file, name, AT_ONCE, bounding)) {
        const scaled = by === 1 ? samples : samples.map((sample) => ({ ...sample, value: sample.value * by }));
        const taken = await target.write({ key: { account, workload, component }, samples: scaled });
        part.rows += samples.length;
        part[target.counts] = (part[target.counts] ?? 0) + taken;
        part.skipped += samples.length - taken;
        if (part.bounds !== undefined) part.bounds += samples.filter((sample) => sample.censored === true).length;
        part.from ??= isoTime(samples[0]?.at ?? 0);
        part.to = isoTime(samples.at(-1)?.at ?? 0);
        done += samples.length;
        if (terminal.interactive && options.json === undefined) {
          terminal.err(`${component}: ${done} of ${total} rows (${Math.floor((100 * done) / total)} %)`);
        }
      }
      result.push(part);
    }
    await target.finish();
  } finally {
    await target.close();
  }
  if (options.json === true) {
    printJson(terminal, { account, workload, file: path, through, components: result });
    return;
  }
  for (const { component, column: name, rows, written, sent, skipped, bounds, from, to } of result) {
    const span = from === null ? 'no filled cell' : `${from} to ${to}`;
    const taken =
      written === undefined
        ? `${sent ?? 0} sent (a repeat changes nothing), ${skipped} skipped as past retention`
        : `${written} written, ${skipped} skipped as already there`;
    terminal.out(
      `${terminal.color.bold(component)} of ${account}/${workload} from column ${name}: ${rows} rows, ` +
        `${taken}; ${bounds === undefined ? '' : `${bounds} of them throttled or at their limit; `}${span}`,
    );
  }
}

const known = (cells: Float64Array | undefined): number =>
  cells === undefined ? 0 : cells.reduce((count, cell) => (Number.isNaN(cell) ? count : count + 1), 0);
