import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { HeadroomError } from '../src/domain/errors.js';
import { importHistory, play } from './first-run/play.js';
import { writeReport } from './first-run/report.js';
import { resultOf } from './first-run/results.js';
import { STEP } from './first-run/setting.js';
import { CLOCK_START, cutTrace, TRACES, type CutTrace } from './first-run/traces.js';
import { checkoutRoot } from './result.js';

/*
 * The loop on real traces: `node dist/bench/first-run.js FOLDER`. Each trace is an account; its past goes in by
 * `headroom import csv`, its last day is the demand of a simulated cluster, which the whole loop then runs.
 */

const HOUR = 3600;
/** Played before the scores begin: models are fitted in wall time, which is a good while of simulated time. */
const START_UP = 2 * HOUR;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    hours: { type: 'string', default: '24' },
    // A second of wall time is this much of simulated time: faster, and the loop's own latency outgrows its cycle.
    factor: { type: 'string', default: '165' },
    out: { type: 'string', default: 'docs/first-run.md' },
    dump: { type: 'string' },
  },
});

const folder = resolve(positionals[0] ?? join(checkoutRoot(), '..', 'shared', 'traces'));
const number = (text: string, name: string): number => {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new HeadroomError({
    kind: 'invalid-input',
    component: 'bench/first-run',
    action: 'reading the command line',
    problem: `--${name} ${text} is no number above 0`,
    remedy: 'give one, as --hours 24 --factor 165',
  });
};

async function main(): Promise<void> {
  if (!existsSync(folder)) {
    console.log(`skipped: there are no traces at ${folder}; name their folder: make first-run TRACES=FOLDER`);
    return;
  }
  const length = START_UP + number(options.hours, 'hours') * HOUR;
  const factor = number(options.factor, 'factor');
  const only = options.only?.split(',');
  const began = Date.now();
  const say = (line: string): void =>
    console.error(`${((Date.now() - began) / 1000).toFixed(0).padStart(4)} s  ${line}`);
  const home = await mkdtemp(join(tmpdir(), 'headroom-first-run-'));
  try {
    const traces: CutTrace[] = [];
    for (const choice of TRACES) {
      if (only !== undefined && !only.includes(choice.account)) continue;
      const trace = await cutTrace(choice, folder, home, length);
      await importHistory(trace, home);
      say(`${trace.path}: ${trace.historyDays.toFixed(1)} days of past imported`);
      traces.push(trace);
    }
    const played = await play(traces, { home, factor, length, say });
    if (options.dump !== undefined) {
      const plain = Object.fromEntries(
        Object.entries(played).map(([name, value]) => [name, value instanceof Map ? Object.fromEntries(value) : value]),
      );
      await writeFile(options.dump, JSON.stringify({ start: CLOCK_START, ...plain }));
    }
    say('scoring');
    const results = [];
    for (const trace of traces) results.push(await resultOf(trace, played, START_UP / STEP));
    const wall = (Date.now() - began) / 1000;
    await mkdir(join(checkoutRoot(), 'docs'), { recursive: true });
    await writeReport(resolve(checkoutRoot(), options.out), results, {
      hours: (length - START_UP) / HOUR,
      startUp: START_UP / HOUR,
      factor,
      wall,
    });
    say(`wrote ${options.out}`);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

await main();
