import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse as parseCsv } from 'csv-parse/sync';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { COMPONENTS } from '../../domain/component.js';
import { HeadroomError } from '../../domain/errors.js';
import { createExplain, oneLine } from '../../domain/issue-words.js';
import { notDefined } from '../../domain/nearest.js';
import { parseTime, type EpochSeconds } from '../../domain/time.js';
import { demandTable, gridDemand, tableDemand, type DemandAt } from './demand.js';
import { faultSchema } from './faults.js';
import { amount, count, name, seconds, time } from './fields.js';
import type { EngineModel, WorkloadModel } from './model.js';
import { MINUTE } from './recorder.js';

/*
 * The scenario file (YAML or JSON): a cluster to simulate. Amounts, durations and times are written as in the account
 * file; unknown fields are refused.
 */

const component = z.enum(COMPONENTS);
const resources = z.partialRecord(component, amount);
const owner = z.string().nullable();
const delay = (median: number) =>
  z.strictObject({ median: seconds.default(median), spread: z.number().min(0).max(3).default(0.2) }).prefault({});

/** Demand over time: a number, a table in the file, or a column of a CSV file (`timestamp`, and one a component). */
const demandSchema = z.union([
  amount,
  z.strictObject({
    /** Default: the beginning of the simulated time. */
    start: time.optional(),
    step: seconds.refine((value) => value > 0, 'must be above 0'),
    values: z.array(z.number().min(0).nullable()).min(1),
    repeat: z.boolean().default(true),
    scale: z.number().min(0).default(1),
  }),
  z.strictObject({
    /** Relative to the scenario file. */
    csv: z.string().min(1),
    column: z.string().min(1),
    /** The moment at which the first row is played; default: the row's own time. */
    start: time.optional(),
    scale: z.number().min(0).default(1),
  }),
]);

const hpaSchema = z.strictObject({
  name: name.optional(),
  floor: z.int().min(1),
  ceiling: z.int().min(1),
  target: z.number().gt(0).max(1),
  component: component.default('cpu'),
});

const workloadSchema = z.strictObject({
  name,
  replicas: count,
  components: z.partialRecord(
    component,
    z.strictObject({ request: amount.refine((value) => value > 0, 'must be above 0'), demand: demandSchema }),
  ),
  hpa: hpaSchema.optional(),
  owners: z
    .strictObject({ replicas: owner.default(null), request: owner.default(null), floor: owner.default(null) })
    .prefault({}),
  podStart: delay(30),
  service: z
    .strictObject({
      latency: seconds.default(0.2),
      timeout: seconds.default(10),
      errorRate: z.number().min(0).max(1).default(0.001),
    })
    .prefault({}),
  pools: z.array(name).default([]),
});

const poolSchema = z.strictObject({
  name,
  /** Of another cluster than the scenario's own: accounts can move there (docs/migration.md). */
  cluster: name.optional(),
  node: resources,
  pricePerHour: z.number().min(0),
  size: z.enum(['fixed', 'variable']).default('variable'),
  nodes: count.default(0),
  min: count.default(0),
  max: count.default(1000),
  provision: delay(120),
  interruptionsPerHour: z.number().min(0).default(0),
  owner: owner.default(null),
  /** With `asked`, nodes come only where somebody asks for them: no autoscaler adds or takes any by itself. */
  grows: z.enum(['by-itself', 'asked']).default('by-itself'),
});

export const scenarioSchema = z.strictObject({
  version: z.literal('headroom-scenario/v1'),
  name: name.default('main'),
  seed: z.int().default(1),
  tick: seconds.default(15).refine((value) => value >= 1 && MINUTE % value === 0, 'must divide a minute'),
  clock: z.strictObject({
    start: time,
    /** Simulated seconds in a wall second. */
    factor: z.number().gt(0).default(1),
    /** `run`: time runs from the first moment on; `held`: once it is told to; `manual`: it is moved by hand. */
    mode: z.enum(['run', 'held', 'manual']).default('run'),
    /** So much has happened before `start`, with nobody but the autoscalers at work. */
    history: seconds.default(0),
  }),
  pools: z.array(poolSchema).default([]),
  accounts: z.array(z.strictObject({ name, workloads: z.array(workloadSchema).min(1) })).min(1),
  faults: z.array(faultSchema).default([]),
});

/** What is written. */
export type ScenarioFile = z.input<typeof scenarioSchema>;
type Parsed = z.output<typeof scenarioSchema>;

export interface Scenario {
  model: EngineModel;
  clock: { start: EpochSeconds; factor: number; mode: 'run' | 'held' | 'manual' };
  /** Of everything that was read: a journal belongs to one scenario. */
  fingerprint: string;
}

const explain = createExplain(scenarioSchema);

const invalid = (what: string, problem: string, remedy: string, cause?: unknown) =>
  new HeadroomError({
    kind: 'invalid-input',
    component: 'cluster/simulated',
    action: `reading scenario ${what}`,
    problem,
    remedy,
    cause,
  });

/** @throws HeadroomError `invalid-input` naming the field, `not-found` naming the file. */
export function loadScenario(file: string): Scenario {
  const text = readText(file);
  let raw: unknown;
  try {
    // JSON is YAML.
    raw = parseYaml(text);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw invalid(file, detail, 'write YAML or JSON', error);
  }
  return buildScenario(raw, { what: file, directory: dirname(resolve(file)) });
}

/** @throws HeadroomError as {@link loadScenario}. */
export function buildScenario(raw: unknown, from: { what: string; directory: string }): Scenario {
  const result = scenarioSchema.safeParse(raw);
  if (!result.success) {
    throw invalid(from.what, oneLine(explain(result.error.issues, raw), 'the file'), 'correct the named fields');
  }
  const parsed = result.data;
  const problem = contradiction(parsed);
  if (problem !== null) throw invalid(from.what, problem, 'correct the named field');
  const hash = createHash('sha256').update(JSON.stringify(parsed));
  const begin = Math.floor((parsed.clock.start - parsed.clock.history) / MINUTE) * MINUTE;
  const readCsv = csvReader(from.directory, (text) => hash.update(text));
  // Where a workload names no pools, all of its own cluster are meant.
  const besides = parsed.pools.filter(isOwn(parsed)).map((pool) => pool.name);
  const workloads = parsed.accounts.flatMap((account) =>
    account.workloads.map((workload): WorkloadModel => {
      const what = `${account.name}/${workload.name}`;
      return {
        account: account.name,
        workload: workload.name,
        replicas: workload.replicas,
        components: COMPONENTS.flatMap((of) => {
          const entry = workload.components[of];
          if (entry === undefined) return [];
          return [{ component: of, request: entry.request, demand: demandOf(entry.demand, begin, what, readCsv) }];
        }),
        hpa: workload.hpa === undefined ? null : { ...workload.hpa, name: workload.hpa.name ?? workload.name },
        owners: workload.owners,
        podStart: workload.podStart,
        service: workload.service,
        pools: workload.pools.length > 0 || besides.length === parsed.pools.length ? workload.pools : besides,
      };
    }),
  );
  const { name: cluster, seed, tick, pools, faults, clock } = parsed;
  return {
    model: { name: cluster, seed, tick, start: begin, pools, workloads, faults },
    clock: { start: clock.start, factor: clock.factor, mode: clock.mode },
    fingerprint: hash.digest('hex'),
  };
}

const isOwn =
  ({ name: own }: Parsed) =>
  ({ cluster }: Parsed['pools'][number]): boolean =>
    cluster === undefined || cluster === own;

type DemandInput = z.output<typeof demandSchema>;
type CsvReader = (file: string) => { text: string; rows: Record<string, string>[] };

function demandOf(input: DemandInput, begin: EpochSeconds, what: string, readCsv: CsvReader): DemandAt {
  if (typeof input === 'number') return () => input;
  const { scale } = input;
  if ('values' in input) {
    const values = input.values.map((value) => (value === null ? Number.NaN : value * scale));
    return gridDemand({ start: input.start ?? begin, step: input.step, values, repeat: input.repeat });
  }
  const { csv, column } = input;
  const { rows } = readCsv(csv);
  const columns = Object.keys(rows[0] ?? {});
  for (const needed of ['timestamp', column]) {
    if (columns.includes(needed)) continue;
    throw invalid(what, `${csv} has no column "${needed}" (it has ${columns.join(', ')})`, 'name one that it has');
  }
  const read = rows.map((row, index) => {
    const value = row[column]?.trim() ?? '';
    const number = value === '' ? Number.NaN : Number(value);
    if (value !== '' && Number.isNaN(number)) {
      throw invalid(what, `${csv} row ${index + 2}, column "${column}": "${value}" is not a number`, 'correct it');
    }
    return { at: timeOfRow(row['timestamp'] ?? '', csv, index, what), value: number * scale };
  });
  const table = demandTable(read, `${what} in ${csv}`);
  const shift = input.start === undefined ? 0 : input.start - (table.times[0] ?? 0);
  const lookUp = tableDemand(table);
  return (at) => lookUp(at - shift);
}

function timeOfRow(text: string, csv: string, index: number, what: string): EpochSeconds {
  try {
    return parseTime(text);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw invalid(what, `${csv} row ${index + 2}, column "timestamp": ${detail}`, 'correct it', error);
  }
}

function csvReader(directory: string, seen: (text: string) => void): CsvReader {
  const files = new Map<string, ReturnType<CsvReader>>();
  return (file) => {
    const known = files.get(file);
    if (known !== undefined) return known;
    const text = readText(resolve(directory, file));
    seen(text);
    const rows: Record<string, string>[] = parseCsv(text, { columns: true, skip_empty_lines: true, bom: true });
    files.set(file, { text, rows });
    return { text, rows };
  };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new HeadroomError({
      kind: 'not-found',
      component: 'cluster/simulated',
      action: `reading ${file}`,
      problem: error instanceof Error ? error.message : String(error),
      remedy: 'name a file that can be read; paths in a scenario are relative to it',
      cause: error,
    });
  }
}

/** What a schema cannot say. */
function contradiction(parsed: Parsed): string | null {
  const pools = new Set(parsed.pools.map((pool) => pool.name));
  const known = new Map<string, Parsed['accounts'][number]['workloads'][number]>();
  for (const [index, pool] of parsed.pools.entries()) {
    if (pool.min > pool.max) return `pools[${index}].min: ${pool.min} is above max ${pool.max}`;
    if (pool.nodes > pool.max) return `pools[${index}].nodes: ${pool.nodes} is above max ${pool.max}`;
  }
  for (const [a, account] of parsed.accounts.entries()) {
    for (const [w, workload] of account.workloads.entries()) {
      const at = `accounts[${a}].workloads[${w}]`;
      const key = `${account.name}/${workload.name}`;
      if (known.has(key)) return `${at}.name: ${key} is there twice`;
      known.set(key, workload);
      if (Object.keys(workload.components).length === 0) return `${at}.components: names none`;
      const { hpa } = workload;
      if (hpa !== undefined && hpa.floor > hpa.ceiling) return `${at}.hpa.floor: is above the ceiling`;
      if (hpa !== undefined && workload.components[hpa.component] === undefined) {
        return `${at}.hpa.component: the workload has no ${hpa.component}`;
      }
      const lost = workload.pools.find((pool) => !pools.has(pool));
      if (lost !== undefined) return `${at}.pools: ${notDefined('pool', lost, pools)}`;
      const clusters = new Set(
        parsed.pools.filter((pool) => workload.pools.includes(pool.name)).map(({ cluster }) => cluster ?? parsed.name),
      );
      if (clusters.size > 1) return `${at}.pools: are in clusters ${[...clusters].join(' and ')}; a workload is in one`;
    }
  }
  for (const [index, fault] of parsed.faults.entries()) {
    const at = `faults[${index}]`;
    if ('from' in fault && fault.to <= fault.from) return `${at}.to: is not after from`;
    const place = fault.kind === 'foreign-write' ? fault.target : fault;
    const where = fault.kind === 'foreign-write' ? `${at}.target` : at;
    if ('pool' in place && !pools.has(place.pool)) return `${where}.pool: ${notDefined('pool', place.pool, pools)}`;
    if (!('workload' in place) || place.account === undefined || place.workload === undefined) continue;
    const workload = known.get(`${place.account}/${place.workload}`);
    if (workload === undefined)
      return `${where}.workload: ${notDefined('workload', `${place.account}/${place.workload}`, known.keys())}`;
    if (fault.kind !== 'foreign-write') continue;
    const { target } = fault;
    if (target.field === 'floor' && workload.hpa === undefined) return `${where}.field: the workload has no hpa`;
    if (target.field === 'request' && workload.components[target.component] === undefined) {
      return `${where}.component: the workload has no ${target.component}`;
    }
  }
  return null;
}
