import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HeadroomError } from '../../src/domain/errors.js';
import { readCsvColumns } from '../../src/telemetry/csv.js';

const DAY = 86_400;

/** The moment at which every trace's played part begins: midnight, so that a shift by whole days keeps the hours. */
export const CLOCK_START = Date.parse('2026-03-04T00:00:00Z') / 1000;

export interface TraceChoice {
  account: string;
  /** Below the folder of traces. */
  path: string;
  column: string;
  character: string;
}

/** Chosen by character, before anything was run on them. */
export const TRACES: readonly TraceChoice[] = [
  { account: 'vm228', path: 'bitbrains_rnd/vm228.csv', column: 'cpu', character: 'a business VM over three months' },
  { account: 'vm0341', path: 'bitbrains_faststorage/vm0341.csv', column: 'cpu', character: 'a VM on fast storage' },
  { account: 'ec2', path: 'nab/ec2_cpu_77c1ca.csv', column: 'value', character: 'a cloud VM: idle with bursts' },
  { account: 'tweets', path: 'nab/tweets_AMZN.csv', column: 'value', character: 'mentions: flash bursts' },
  { account: 'crane01', path: 'crane_tke/input01.csv', column: 'value', character: 'spiky daily' },
  { account: 'crane08', path: 'crane_tke/input08.csv', column: 'value', character: 'weekdays and weekends' },
  {
    account: 'worldcup',
    path: 'worldcup98/before_tournament.csv',
    column: 'requests',
    character: 'a web site before its event',
  },
  { account: 'machine', path: 'google2011_machines/m1094470.csv', column: 'cpu', character: 'a shared batch machine' },
];

/** One trace, cut into a past and a played part, both moved to the simulated clock. */
export interface CutTrace extends TraceChoice {
  /** CSV files with the columns `timestamp` and `value`, raw values. */
  history: string;
  played: string;
  /** Cores for one unit of the trace: the 99th percentile of the past is {@link PEAK_CORES}. */
  scale: number;
  /** Highest value of the past, in cores. */
  peak: number;
  historyDays: number;
  /** The newest known value of the past, in cores. */
  last: number;
}

/**
 * The 99th percentile of the past, in cores; with replicas of one core, one is a tenth of it. The very peak would make one
 * replica enough for all but a flash of some series, whatever a policy does.
 */
export const PEAK_CORES = 10;
export const REPLICA_CORES = 1;

/**
 * Cuts a trace so that its last whole days are played.
 * @param length seconds to play.
 * @throws HeadroomError `not-found` where the file is not there, `invalid-input` where less than six days of past are left.
 */
export async function cutTrace(choice: TraceChoice, folder: string, target: string, length: number): Promise<CutTrace> {
  const path = join(folder, choice.path);
  const refuse = (kind: 'not-found' | 'invalid-input', problem: string): HeadroomError =>
    new HeadroomError({
      kind,
      component: 'bench/first-run',
      action: `cutting ${choice.path}`,
      problem,
      remedy: 'name the folder of the traces, or leave this one out with --only',
    });
  if (!existsSync(path)) throw refuse('not-found', 'the file is not there');
  const { times, columns } = await readCsvColumns(path, { columns: [choice.column] });
  const values = columns.get(choice.column) ?? new Float64Array(0);
  const end = times.at(-1) ?? 0;
  const begin = Math.floor((end - length) / DAY) * DAY;
  const shift = CLOCK_START - begin;
  const history: string[] = [];
  const played: string[] = [];
  const past: number[] = [];
  for (const [row, time] of times.entries()) {
    const value = values[row] ?? Number.NaN;
    const line = `${time + shift},${Number.isNaN(value) ? '' : value}`;
    if (time >= begin) {
      if (time < begin + length) played.push(line);
      continue;
    }
    history.push(line);
    if (!Number.isNaN(value)) past.push(value);
  }
  const historyDays = (begin - (times[0] ?? begin)) / DAY;
  const last = past.at(-1) ?? 0;
  past.sort((a, b) => a - b);
  const usual = past[Math.floor(0.99 * past.length)] ?? 0;
  if (historyDays < 6 || !(usual > 0))
    throw refuse('invalid-input', `only ${historyDays.toFixed(1)} days of past are left`);
  const scale = PEAK_CORES / usual;
  const file = async (name: string, lines: readonly string[]): Promise<string> => {
    const written = join(target, `${choice.account}-${name}.csv`);
    await writeFile(written, `timestamp,value\n${lines.join('\n')}\n`);
    return written;
  };
  return {
    ...choice,
    history: await file('history', history),
    played: await file('played', played),
    scale,
    peak: (past.at(-1) ?? 0) * scale,
    historyDays,
    last: last * scale,
  };
}
