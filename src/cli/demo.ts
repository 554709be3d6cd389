import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { usageQuery } from '../../activities/observe.js';
import { HeadroomError } from '../domain/errors.js';
import { isoTime, simulatedNow } from '../domain/time.js';
import { PACKAGE_ROOT, readRuntimeFile } from '../temporal/home.js';
import { startDev, type Dev } from '../temporal/dev.js';
import { installLogger } from '../temporal/worker.js';
import { createTerminal, type Terminal } from './command.js';
import { reportAccount, tableOf, type DemoReport } from './demo/report.js';
import { actions, DAY_END, headroom, judge, look, type Sightings } from './demo/story.js';
import { DAY_START, demoAccounts, STEP, writeHistory, writeScenario, type DemoAccount } from './demo/world.js';

/*
 * `make demo`: a day of three accounts in about three minutes, everything real but the cluster: a Temporal server, the
 * embedded store, a simulated cluster in its own process, and an operator who uses the command line.
 */

/** Simulated seconds in a second: a day in three minutes. */
const FACTOR = 480;
const LOOK_EVERY_MS = 1000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { once: { type: 'boolean', default: false }, speed: { type: 'string', default: String(FACTOR) } },
  });
  const terminal = createTerminal();
  const began = Date.now();
  const home = join(PACKAGE_ROOT, '.headroom', 'demo');
  const env = { ...process.env, HEADROOM_HOME: home, HEADROOM_AUTHOR: 'operator' };
  await prepareHome(home);
  installLogger();
  const accounts = await demoAccounts();
  const scenario = join(home, 'scenario.json');
  await writeScenario(scenario, accounts);
  terminal.out('three accounts, four weeks of history, one day to live through');
  const dev = await startDev({
    home,
    env,
    scenario,
    say: (line) => terminal.err(line),
    prepare: (store) => writeHistory(store, accounts),
  });
  try {
    terminal.out(`Temporal UI: ${dev.temporalUi ?? 'your server’s own'}`);
    terminal.out('fitting the models …');
    await fitAhead(dev, accounts);
    await dev.run(Number(values.speed));
    for (const { name, file } of accounts) terminal.out(await headroom(['start', name, '-f', file], env));
    const sightings = await live(dev, accounts, terminal, env);
    const report = await judgeDay(dev, accounts, sightings, began);
    await writeFile(join(PACKAGE_ROOT, 'demo-report.json'), `${JSON.stringify(report, null, 2)}\n`);
    show(terminal, report);
    if (terminal.interactive && !values.once) {
      terminal.out(`\nthe Temporal UI stays up at ${report.temporalUi ?? ''} until Ctrl-C`);
      await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    }
    return report.ok ? 0 : 1;
  } finally {
    await dev.close();
  }
}

/** The demo's own folder is new each time; one that is in use is left alone. */
async function prepareHome(home: string): Promise<void> {
  const running = await readRuntimeFile(home);
  if (running !== null) {
    throw new HeadroomError({
      kind: 'refused',
      component: 'demo',
      action: 'starting',
      problem: `a demo runs already (process ${running.pid})`,
      remedy: 'end it first, with Ctrl-C in its terminal',
    });
  }
  await rm(home, { recursive: true, force: true });
  await mkdir(home, { recursive: true });
}

/** Models are fitted while the clock stands: at this speed seconds of fitting would be hours of the day. */
async function fitAhead(dev: Dev, accounts: readonly DemoAccount[]): Promise<void> {
  await Promise.all(
    accounts.map(async ({ name, policy }) => {
      const query = usageQuery(policy, DAY_START);
      const window = await dev.store.readUsage(query, AbortSignal.timeout(60_000));
      await dev.decider.forecast({
        account: name,
        policyId: `${name}@fit`,
        policy,
        snapshotId: 'fit',
        at: DAY_START,
        leadTimes: {},
        events: [],
        bins: window.series,
      });
    }),
  );
}

/** Lets the day pass: the operator's actions at their time, a look at every account each second, a line an hour. */
async function live(
  dev: Dev,
  accounts: readonly DemoAccount[],
  terminal: Terminal,
  env: NodeJS.ProcessEnv,
): Promise<Sightings> {
  const scale = dev.scale();
  const waiting = actions();
  const sightings: Sightings = { statuses: [] };
  const pending: Promise<void>[] = [];
  let hour = -1;
  for (;;) {
    const now = simulatedNow(scale, Date.now());
    while (waiting[0] !== undefined && waiting[0].at <= now) {
      const { command } = waiting.shift() ?? { command: [] };
      pending.push(
        headroom(command, env).then((said) => {
          terminal.out(`${terminal.color.cyan(`$ headroom ${command.join(' ')}`)}\n    ${said}`);
        }),
      );
    }
    const statuses = await Promise.all(
      accounts.map(async ({ name }) => ({ at: now, account: name, status: await look(dev, name) })),
    );
    sightings.statuses.push(...statuses);
    const current = Math.floor((now - DAY_START) / 3600);
    if (current > hour) {
      hour = current;
      terminal.out(progressLine(now, statuses, terminal));
    }
    // One bin more than the day, so that its last bin is whole.
    if (now > DAY_END + STEP) break;
    await Promise.race([delay(LOOK_EVERY_MS), dev.finished]);
  }
  await Promise.all(pending);
  return sightings;
}

function progressLine(now: number, statuses: Sightings['statuses'], terminal: Terminal): string {
  const { color } = terminal;
  const parts = statuses.map(({ account, status }) => {
    const expected = status.forecast
      .filter((series) => series.component === 'cpu')
      .map(({ workload, median, atLevel }) => `${workload} ${median.toFixed(1)}–${atLevel.toFixed(1)}`)
      .join(', ');
    const { kept } = status.results;
    return `${color.bold(account)} ${expected} cores, ${kept} kept, ${color.dim(doing(status))}`;
  });
  return `${isoTime(now).slice(11, 16)}  ${parts.join('  ·  ')}`;
}

const doing = (status: Sightings['statuses'][number]['status']): string => {
  if (status.change !== null) return 'changing';
  return status.verdict?.kind === 'hold' ? status.verdict.reason : 'acted';
};

async function judgeDay(
  dev: Dev,
  accounts: readonly DemoAccount[],
  sightings: Sightings,
  began: number,
): Promise<DemoReport> {
  if (dev.simulation === null) throw new TypeError('the demo runs on a simulated cluster');
  const timeline = await dev.simulation.timeline({ from: DAY_START, to: DAY_END, step: STEP });
  const reports = await Promise.all(accounts.map((account) => reportAccount(dev, account, timeline)));
  const events = await judge(dev, accounts, timeline, sightings);
  return {
    ok: Object.values(events).every((event) => event.ok),
    wallSeconds: Math.round((Date.now() - began) / 1000),
    accounts: reports,
    events,
    temporalUi: dev.temporalUi,
  };
}

function show(terminal: Terminal, report: DemoReport): void {
  const { color } = terminal;
  terminal.out('');
  for (const [name, event] of Object.entries(report.events)) {
    terminal.out(`${event.ok ? color.green('happened') : color.red('missing ')}  ${name}: ${event.detail}`);
  }
  terminal.out(`\n${tableOf(report.accounts)}`);
  terminal.out(`${report.wallSeconds} s; demo-report.json has it all`);
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`headroom: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
