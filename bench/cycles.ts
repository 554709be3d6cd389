import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connectClient } from '../src/temporal/connection.js';
import { startDevServer } from '../src/temporal/server.js';
import { startChild, type Child } from './cycles/child.js';
import { largest, median, readHistories, type Span } from './cycles/histories.js';
import { processorSeconds, residentMemory } from './cycles/process.js';
import { writeResults, type BenchResult } from './result.js';

/*
 * Cycles a second of many accounts on one Temporal dev server, beside as many plain loops of three no-op activities and
 * a timer on the same server, by turns: peer, Headroom, peer, Headroom … Both are asked for more cycles than the machine
 * can do. bench/README.md says how to read the figures.
 */

const { values: flags } = parseArgs({
  options: {
    /** Accounts, and plain loops, at once. */
    accounts: { type: 'string', default: '200' },
    /** Turns of each side. */
    rounds: { type: 'string', default: '4' },
    /** Seconds of a turn that are measured, after those that are not. */
    seconds: { type: 'string', default: '10' },
    settle: { type: 'string', default: '4' },
    /** Cycles a second that the timers ask for; above what the machine can do. */
    offered: { type: 'string', default: '60' },
    /** Without worker versioning on either side. */
    unversioned: { type: 'boolean', default: false },
    /** Folder for processor profiles of Headroom's worker. */
    profile: { type: 'string' },
    /** Print, and leave bench/results as it is. */
    dry: { type: 'boolean', default: false },
  },
});
const accounts = Number(flags.accounts);
const everyMs = Math.round((accounts / Number(flags.offered)) * 1000);
/** An activity that waits at the gate has 30 s; a turn of the other side must be shorter. */
const LONGEST_TURN = 25;
if (Number(flags.seconds) + Number(flags.settle) > LONGEST_TURN) {
  throw new RangeError(`a turn of more than ${LONGEST_TURN} s would run into the time limit of observe`);
}

interface Turn {
  cycles: number;
  seconds: number;
  failures: number;
  server: number | null;
  worker: number | null;
}

const home = await mkdtemp(join(tmpdir(), 'headroom-cycles-'));
const say = (text: string): void => console.log(text);
const children: Child[] = [];
const server = await startDevServer({ databaseFile: join(home, 'temporal.db'), env: process.env });

async function end(): Promise<void> {
  for (const child of children.splice(0)) await child.end();
  await server.close();
  await rm(home, { recursive: true, force: true });
}
// The server has a process group of its own and would outlive an interrupted bench.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void end().finally(() => process.exit(130)));

async function turn(child: Child): Promise<Turn> {
  child.gate(true);
  await delay(Number(flags.settle) * 1000);
  const read = async () => ({
    at: performance.now(),
    server: server.pid === null ? null : processorSeconds(server.pid),
    worker: processorSeconds(child.pid),
    ...(await child.count()),
  });
  const before = await read();
  await delay(Number(flags.seconds) * 1000);
  const after = await read();
  child.gate(false);
  const since = (from: number | null, to: number | null): number | null =>
    from === null || to === null ? null : to - from;
  return {
    cycles: after.cycles - before.cycles,
    failures: after.failures - before.failures,
    seconds: (after.at - before.at) / 1000,
    server: since(before.server, after.server),
    worker: since(before.worker, after.worker),
  };
}

interface Total {
  perSecond: number;
  failures: number;
  /** Processor milliseconds a cycle. */
  serverMs: number | null;
  workerMs: number | null;
  /** Processor seconds of the server a second. */
  serverLoad: number | null;
  workerLoad: number | null;
}

function total(turns: readonly Turn[]): Total {
  const sum = (pick: (turn: Turn) => number | null): number | null =>
    turns.reduce((all: number | null, one) => {
      const value = pick(one);
      return all === null || value === null ? null : all + value;
    }, 0);
  const cycles = sum((one) => one.cycles) ?? 0;
  const seconds = sum((one) => one.seconds) ?? 0;
  const [serverSum, workerSum] = [sum((one) => one.server), sum((one) => one.worker)];
  const per = (value: number | null, by: number, digits: number): number | null =>
    value === null || by === 0 ? null : round(value / by, digits);
  return {
    perSecond: round(cycles / seconds, 2),
    failures: sum((one) => one.failures) ?? 0,
    serverMs: per(serverSum === null ? null : serverSum * 1000, cycles, 1),
    workerMs: per(workerSum === null ? null : workerSum * 1000, cycles, 1),
    serverLoad: per(serverSum, seconds, 2),
    workerLoad: per(workerSum, seconds, 2),
  };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

try {
  const common = { address: server.address, everyMs, versioning: !flags.unversioned };
  say(`server ${server.pid ?? ''}, ${accounts} accounts, a cycle every ${everyMs} ms at most`);
  const headroom = await startChild(
    'headroom.js',
    { ...common, home, accounts },
    {
      seconds: 900,
      say,
      execArgv: flags.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${flags.profile}`],
    },
  );
  children.push(headroom);
  say(`headroom: ${headroom.note}`);
  headroom.gate(false);
  const peer = await startChild('peer.js', { ...common, loops: accounts }, { seconds: 120, say });
  children.push(peer);

  const turns: { peer: Turn[]; headroom: Turn[] } = { peer: [], headroom: [] };
  for (let number = 0; number < Number(flags.rounds); number++) {
    for (const side of ['peer', 'headroom'] as const) {
      const one = await turn(side === 'peer' ? peer : headroom);
      turns[side].push(one);
      say(`${side}: ${JSON.stringify(total([one]))}`);
    }
  }
  const memory = residentMemory(headroom.pid);
  const peerMemory = residentMemory(peer.pid);
  const { client, connection } = await connectClient({ options: { address: server.address }, namespace: 'default' });
  const figures = await readHistories(client, headroom.workflowIds.slice(0, 10));
  const plain = await readHistories(client, peer.workflowIds.slice(0, 10));
  await connection.close();
  say(`headroom, median ms waited + taken: ${spansOf(figures.spans)}`);
  say(`peer, median ms waited + taken: ${spansOf(plain.spans)}`);
  const results = resultsOf(total(turns.headroom), total(turns.peer), { memory, peerMemory, figures, plain });
  if (flags.dry) for (const result of results) say(JSON.stringify(result));
  else writeResults('cycles', results);
} finally {
  await end();
}

function spansOf(spans: ReadonlyMap<string, readonly Span[]>): string {
  const middle = (values: number[]): number => Math.round(median(values) ?? Number.NaN);
  return [...spans]
    .map(([name, all]) => `${name} ${middle(all.map(({ wait }) => wait))} + ${middle(all.map(({ run }) => run))}`)
    .join(', ');
}

function resultsOf(
  ours: Total,
  peer: Total,
  rest: {
    memory: { now: number; peak: number } | null;
    peerMemory: { now: number; peak: number } | null;
    figures: Awaited<ReturnType<typeof readHistories>>;
    plain: Awaited<ReturnType<typeof readHistories>>;
  },
): BenchResult[] {
  const beside = `${accounts} loops of three no-op activities and a timer`;
  const inMegabytes = (bytes: number | undefined): number | null =>
    bytes === undefined ? null : round(bytes / 1e6, 0);
  const with_ = (peerValue: number | null): Pick<BenchResult, 'peer' | 'peerValue'> =>
    peerValue === null ? {} : { peer: beside, peerValue };
  const bytes = largest(rest.figures.payloads);
  return [
    {
      metric: 'cycles, against plain loops',
      value: peer.perSecond === 0 ? null : round(ours.perSecond / peer.perSecond, 3),
      unit: 'ratio',
      goal: 0.8,
      better: 'higher',
      note: `${accounts} accounts, ${flags.rounds} turns of ${flags.seconds} s each; ${ours.failures} activities failed`,
    },
    {
      metric: 'cycles',
      value: ours.perSecond,
      unit: '1/s',
      goal: round(0.8 * peer.perSecond, 2),
      better: 'higher',
      ...with_(peer.perSecond),
    },
    {
      metric: 'server processor time, a cycle',
      value: ours.serverMs,
      unit: 'ms',
      goal: null,
      better: 'lower',
      ...with_(peer.serverMs),
      note: `${ours.serverLoad} cores of the server in use, by the plain loops ${peer.serverLoad}`,
    },
    {
      metric: 'worker processor time, a cycle',
      value: ours.workerMs,
      unit: 'ms',
      goal: null,
      better: 'lower',
      ...with_(peer.workerMs),
      note: `forecasts, plans, store and simulated cluster are in it; ${ours.workerLoad} cores, by the plain loops ${peer.workerLoad}`,
    },
    {
      metric: 'worker resident memory',
      value: inMegabytes(rest.memory?.now),
      unit: 'MB',
      goal: 800,
      better: 'lower',
      ...with_(inMegabytes(rest.peerMemory?.now)),
      note: `${accounts} accounts of two series with 14 days of 5-minute history; peak ${inMegabytes(rest.memory?.peak)} MB`,
    },
    {
      metric: 'history events, a holding cycle',
      value: median(rest.figures.eventsPerCycle),
      unit: 'events',
      goal: 32,
      better: 'lower',
      ...with_(median(rest.plain.eventsPerCycle)),
      note: `median; most ${largest(rest.figures.eventsPerCycle)}, workflow tasks ${median(rest.figures.tasksPerCycle)}`,
    },
    {
      metric: 'payload, median',
      value: median(rest.figures.payloads),
      unit: 'bytes',
      goal: 8192,
      better: 'lower',
      note: `arguments and results of ten histories; largest ${bytes}`,
    },
  ];
}
