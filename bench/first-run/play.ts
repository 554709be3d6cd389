import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pc from 'picocolors';
import { statusQuery, type AccountStatus } from '../../workflows/messages.js';
import type { Timeline } from '../../src/cluster/simulated/samples.js';
import type { Terminal } from '../../src/cli/command.js';
import { startAccount } from '../../src/cli/commands/start.js';
import { withSession } from '../../src/cli/session.js';
import { HeadroomError } from '../../src/domain/errors.js';
import type { ChangeOutcome, Plan } from '../../src/domain/plan.js';
import { isoTime, simulatedNow } from '../../src/domain/time.js';
import { startDev } from '../../src/temporal/dev.js';
import { installLogger } from '../../src/temporal/worker.js';
import { checkoutRoot } from '../result.js';
import { policyOf, scenarioOf, STEP } from './setting.js';
import { CLOCK_START, type CutTrace } from './traces.js';

const run = promisify(execFile);

/** What a run left behind, for scores and for looking into why. */
export interface Played {
  timeline: Timeline;
  /** By account. */
  status: Map<string, AccountStatus>;
  outcomes: Map<string, ChangeOutcome[]>;
  plans: Map<string, Plan[]>;
}

/** The past goes in as an operator would bring it in: by the command line, before anything runs. */
export async function importHistory(trace: CutTrace, home: string): Promise<void> {
  await run(
    process.execPath,
    [
      join(checkoutRoot(), 'bin', 'headroom'),
      ...['import', 'csv', trace.history, '--account', trace.account, '--workload', 'web'],
      ...['--column', 'cpu=value', '--scale', `cpu=${trace.scale}`, '--json'],
    ],
    { env: { ...process.env, HEADROOM_HOME: home } },
  );
}

/** Plays the traces through the whole loop: real Temporal server, store, simulated cluster, worker. */
export async function play(
  traces: readonly CutTrace[],
  options: { home: string; factor: number; length: number; say: (line: string) => void },
): Promise<Played> {
  const { home, factor, length, say } = options;
  const env = { ...process.env, HEADROOM_HOME: home };
  const scenario = join(home, 'scenario.json');
  await writeFile(scenario, JSON.stringify(scenarioOf(traces)));
  installLogger();
  const dev = await startDev({ home, env, scenario, say });
  try {
    const scale = await dev.run(factor);
    await withSession(quietTerminal(env), async (session) => {
      for (const trace of traces) await startAccount(session, trace.account, policyOf(trace));
    });
    const end = CLOCK_START + length;
    // A signal ends the worker in good order: the run is over then, too.
    const ended = dev.finished.then(() => {
      throw new HeadroomError({
        kind: 'unavailable',
        component: 'bench/first-run',
        action: 'playing the traces',
        problem: 'the worker was ended before the run was',
        remedy: 'run it again, and let it run',
      });
    });
    ended.catch(() => undefined);
    // A minute of simulated time more, so that the last bin is settled.
    for (let now = CLOCK_START; now < end + 60; now = simulatedNow(scale, Date.now())) {
      say(`${isoTime(now)}: ${Math.floor((100 * (now - CLOCK_START)) / length)} %`);
      await Promise.race([ended, sleep(Math.min(20_000, Math.max(100, ((end + 60 - now) / factor) * 1000)))]);
    }
    const { simulation } = dev;
    if (simulation === null) throw new TypeError('there is no simulated cluster');
    const timeline = await simulation.timeline({ from: CLOCK_START, to: end, step: STEP });
    const status = new Map<string, AccountStatus>();
    const outcomes = new Map<string, ChangeOutcome[]>();
    const plans = new Map<string, Plan[]>();
    for (const { account } of traces) {
      status.set(account, await dev.client.workflow.getHandle(`account/${account}`).query(statusQuery));
      // Records of the loop's own types, written by this very run.
      const records = await dev.store.listRecords('outcome', account, { limit: 10_000 });
      outcomes.set(account, records.map(({ body }) => body as ChangeOutcome).reverse());
      const made = await dev.store.listRecords('plan', account, { limit: 10_000 });
      plans.set(account, made.map(({ body }) => body as Plan).reverse());
    }
    return { timeline, status, outcomes, plans };
  } finally {
    await dev.close();
  }
}

const quietTerminal = (env: NodeJS.ProcessEnv): Terminal => ({
  out: () => undefined,
  err: () => undefined,
  color: pc.createColors(false),
  interactive: false,
  env,
  cwd: process.cwd(),
});
