import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowNotFoundError,
  type WorkflowHandle,
} from '@temporalio/client';
import type { Command } from 'commander';
import type { retrain } from '../../../workflows/retrain.js';
import {
  cancelRunSignal,
  driftSignal,
  retrainNowSignal,
  retrainSettingsSignal,
  retrainStatusQuery,
  retrainWorkflowId,
  stopRetrainSignal,
  type RetrainSettings,
} from '../../../workflows/retrain-messages.js';
import { HeadroomError } from '../../domain/errors.js';
import { formatDuration, isoTime, parseDuration } from '../../domain/time.js';
import { BASE_LEVELS } from '../../forecast/ensemble.js';
import { shortId } from '../../models/artifact.js';
import { USUAL_KINDS } from '../../models/trainers/index.js';
import {
  argument,
  CommandFailure,
  durationOption,
  EXIT,
  printJson,
  withExamples,
  type RegisterCommand,
} from '../command.js';
import { openLibrary, scopeOf } from '../models.js';
import { whole } from '../numbers.js';
import { explain, withSession, type Session } from '../session.js';

const DAY = 86_400;

interface Common {
  account?: string;
  json?: boolean;
}

interface StartOptions extends Common {
  kinds?: string[];
  every: number;
  days: number;
  holdOut: number;
  shadow: number;
  horizon: number;
  seed: number;
  mostSeries: number;
  fits: number;
}

const seconds = argument((text: string): number => parseDuration(text));
const period = argument((text: string): number => {
  const length = parseDuration(text);
  if (length > 0) return length;
  throw new RangeError(`"${text}" must be above 0`);
});
/** Fits of search before a run's own: enough to hold what is in use against what suits the class. */
const USUAL_FITS = 4;
const MOST_FITS = 200;

export const register: RegisterCommand = (program, terminal) => {
  const command = program
    .command('retrain')
    .description('train the models that serve many series: schedule, runs, state');
  withExamples(command, 'retrain start', 'retrain status');
  const common = (one: Command): Command =>
    one.option('--account <name>', 'models of this account alone').option('--json', 'for machines');

  /** The workflow of the scope that is meant, and its name for people. */
  const within = async <T>(
    { account }: Common,
    action: string,
    work: (handle: WorkflowHandle<typeof retrain>, session: Session, scope: string) => Promise<T>,
  ): Promise<T> => {
    const scope = await scopeOf(openLibrary(terminal.env), account);
    return withSession(terminal, async (session) => {
      const handle = session.client.workflow.getHandle<typeof retrain>(retrainWorkflowId(scope));
      try {
        return await work(handle, session, scope);
      } catch (error) {
        throw explain(error, `retraining of ${account ?? 'all accounts'}`, action, notRunning);
      }
    });
  };
  const answer = (options: Common, value: unknown, line: string): void =>
    options.json === true ? printJson(terminal, value) : terminal.out(line);

  withExamples(
    common(command.command('start').description('begin, or go on with other settings: what is not repeated stays'))
      .option('--kinds <list>', 'what to train (default: booster,neural-tcn; random-forest and neural-gru too)', listOf)
      .addOption(durationOption('--every <duration>', 'time between runs', period, 7 * DAY))
      .option('--days <n>', 'of history to train on', whole(1, 3650), 28)
      .addOption(durationOption('--hold-out <duration>', 'at the end of it, to compare on', period, 3 * DAY))
      .addOption(
        durationOption('--shadow <duration>', 'a better one is scored beside the champion so long', seconds, 2 * DAY),
      )
      .addOption(durationOption('--horizon <duration>', 'how far ahead they answer', period, DAY))
      .option('--seed <n>', 'of all that is random', whole(0, 2 ** 31 - 1), 1)
      .option('--most-series <n>', 'to train on', whole(1, 100_000), 500)
      .option(
        '--fits <n>',
        'of a search over kinds and settings before each run; 0 for none, 3 or more to choose',
        whole(0, MOST_FITS),
        USUAL_FITS,
      )
      .action(async (options: StartOptions, self: Command) => {
        const given = givenOf(options, (name) => self.getOptionValueSource(name) === 'cli');
        const library = openLibrary(terminal.env);
        for (const kind of given.kinds ?? []) library.trainer(kind);
        const end = await within(options, 'starting', (handle, session, scope) =>
          startOrTell(handle, session, { scope, account: options.account ?? null, given }, (line) =>
            terminal.err(line),
          ),
        );
        const { settings, began } = end;
        const changed = Object.keys(given).length > 0;
        const words = `${settings.kinds.join(', ')}, every ${formatDuration(settings.every)}`;
        const line = began
          ? `retraining begins with ${settings.kinds.join(', ')}, then every ${formatDuration(settings.every)}`
          : changed
            ? `it runs already; from now on with ${words}; what was not repeated stays`
            : `it runs already, with ${words}; nothing was changed`;
        answer(options, { started: began, settings }, line);
      }),
    'retrain start',
    'retrain start --account shop --every 3d --kinds booster',
    'retrain start --fits 12 # where it runs already: the rest stays as it is',
  );
  withExamples(
    common(command.command('now').description('begin a run now instead of at its time'))
      .option('--reason <text>', 'why', 'asked for by hand')
      .option('--fits <n>', 'of a search over kinds and settings, for this run', whole(0, MOST_FITS))
      .action(async ({ reason, fits, ...options }: Common & { reason: string; fits?: number }) => {
        const search = fits === undefined ? {} : { fits };
        await within(options, 'asking', (handle, session) =>
          handle.signal(retrainNowSignal, { author: session.author, reason, ...search }),
        );
        answer(options, { asked: true }, 'a run begins; headroom retrain status shows it');
      }),
    'retrain now --reason "ten new workloads"',
    'retrain now --fits 24 --reason "look for better settings, once"',
  );
  withExamples(
    common(command.command('drift').description('say that demand has changed its ways: a run is brought forward'))
      .requiredOption('--reason <text>', 'what has changed')
      .action(async (options: Common & { reason: string }) => {
        await within(options, 'telling', (handle, session) =>
          handle.signal(driftSignal, { reason: `${options.reason} (${session.author})` }),
        );
        answer(options, { told: true }, 'told; headroom retrain status shows when it trains');
      }),
    'retrain drift --reason "the shop opened in Spain"',
  );
  withExamples(
    common(
      command.command('cancel').description('end the run that is under way; the next one comes at its time'),
    ).action(async (options: Common) => {
      await within(options, 'cancelling', async (handle, session) => {
        const { phase, nextRunAt } = await handle.query(retrainStatusQuery);
        if (phase === 'waiting' || phase === 'stopping') {
          const next = phase === 'waiting' ? `; the next run is at ${isoTime(nextRunAt)}` : '';
          throw new CommandFailure(EXIT.refused, `no run is under way, nothing was cancelled${next}`);
        }
        await handle.signal(cancelRunSignal, { author: session.author });
      });
      answer(options, { cancelled: true }, 'the run ends; what serves goes on serving');
    }),
    'retrain cancel',
  );
  withExamples(
    common(command.command('stop').description('no more runs; what serves goes on serving')).action(
      async (options: Common) => {
        await within(options, 'stopping', (handle, session) =>
          handle.signal(stopRetrainSignal, { author: session.author }),
        );
        answer(options, { stopped: true }, 'stopped; headroom models list shows what serves');
      },
    ),
    'retrain stop',
  );
  withExamples(
    common(
      command.command('status').description('what it does, when it trains next, what became of the last runs'),
    ).action(async (options: Common) => {
      const status = await within(options, 'asking', (handle) => handle.query(retrainStatusQuery));
      if (options.json === true) return printJson(terminal, status);
      terminal.out(`run ${status.run}, ${status.phase}: ${status.detail}`);
      if (typeof status.attention === 'string') terminal.out(terminal.color.red(status.attention));
      terminal.out(nextRunLine(status));
      terminal.out(settingsLine(status.settings));
      for (const { kind, id, until } of status.shadows) {
        terminal.out(`${kind} ${shortId(id)} is scored beside the champion until ${isoTime(until)}`);
      }
      for (const { at, text } of status.log) terminal.out(terminal.color.dim(`${isoTime(at)} ${text}`));
    }),
    'retrain status --json',
  );
};

const notRunning = (what: string): HeadroomError =>
  new HeadroomError({
    kind: 'not-found',
    component: 'cli',
    action: `finding ${what}`,
    problem: 'it is not running',
    remedy: '`headroom retrain start` begins it',
  });

const settingsLine = (settings: RetrainSettings): string => {
  const { kinds, days, holdOut, shadow, horizon, seed, mostSeries, fits = 0 } = settings;
  const lengths = `holds out ${formatDuration(holdOut)}, shadow ${formatDuration(shadow)}, horizon ${formatDuration(horizon)}`;
  return `${kinds.join(', ')} on ${days} days of at most ${mostSeries} series; ${lengths}; ${fits} fits of search, seed ${seed}`;
};

function listOf(text: string): string[] {
  const names = [...new Set(text.split(',').map((name) => name.trim()))].filter((name) => name !== '');
  if (names.length > 0) return names;
  throw new CommandFailure(EXIT.usage, `--kinds "${text}" names none`);
}

/** The settings that stand on the command line, and no others. */
function givenOf(options: StartOptions, isGiven: (name: keyof StartOptions) => boolean): Partial<RetrainSettings> {
  const { every, days, holdOut, shadow, horizon, seed, mostSeries, fits, kinds } = options;
  const numbers = Object.entries({ every, days, holdOut, shadow, horizon, seed, mostSeries, fits } as const);
  const given: Partial<RetrainSettings> = kinds === undefined ? {} : { kinds };
  return {
    ...given,
    ...Object.fromEntries(numbers.filter(([name]) => NUMBERS.some((one) => one === name && isGiven(one)))),
  };
}

const NUMBERS = ['every', 'days', 'holdOut', 'shadow', 'horizon', 'seed', 'mostSeries', 'fits'] as const;

const USUAL: RetrainSettings = {
  kinds: [...USUAL_KINDS],
  every: 7 * DAY,
  days: 28,
  holdOut: 3 * DAY,
  shadow: 2 * DAY,
  levels: [...BASE_LEVELS],
  horizon: DAY,
  seed: 1,
  mostSeries: 500,
  fits: USUAL_FITS,
};

/** What no option by itself can be wrong about. */
function checked(settings: RetrainSettings): RetrainSettings {
  const { days, holdOut } = settings;
  if (holdOut < days * DAY) return settings;
  const problem = `--hold-out ${formatDuration(holdOut)} leaves nothing of --days ${days} to train on`;
  throw new CommandFailure(EXIT.usage, `${problem}; give more days or a shorter hold-out`);
}

/** Whether anything is known of an account: models of one that nobody has would never be trained. */
async function refuseUnknown({ store }: Session, account: string, say: (line: string) => void): Promise<void> {
  if (store === null) {
    say(`no store is in reach from here: nobody can tell whether there is an account ${account}`);
    return;
  }
  const [record] = await store.listRecords('account', account, { limit: 1 });
  if (record !== undefined || (await store.usageSeries(account)).length > 0) return;
  throw new HeadroomError({
    ...{ kind: 'not-found', component: 'cli', action: `starting retraining of ${account}` },
    problem: `the store knows no account ${account}`,
    remedy: '`headroom list` shows what runs; `headroom import csv` brings usage in',
  });
}

/** Starts it, or tells the running one what is given; `settings` are what it goes on with. */
async function startOrTell(
  handle: WorkflowHandle<typeof retrain>,
  session: Session,
  { scope, account, given }: { scope: string; account: string | null; given: Partial<RetrainSettings> },
  say: (line: string) => void,
): Promise<{ began: boolean; settings: RetrainSettings }> {
  if (!(await isRunning(handle))) {
    if (account !== null) await refuseUnknown(session, account, say);
    const settings = checked({ ...USUAL, ...given });
    const queues = session.runtime?.queues ?? { light: 'headroom', compute: 'headroom-compute' };
    try {
      await session.client.workflow.start<typeof retrain>('retrain', {
        workflowId: handle.workflowId,
        taskQueue: queues.light,
        workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
        staticSummary: `models of ${account ?? 'all accounts'}: ${settings.kinds.join(', ')}`,
        args: [{ scope, account, settings, scale: session.scale, queues: { compute: queues.compute } }],
      });
      return { began: true, settings };
    } catch (error) {
      // Somebody else was faster: it is told like any other that runs.
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  }
  const current = (await handle.query(retrainStatusQuery)).settings;
  const settings = checked({ ...current, ...given });
  if (Object.keys(given).length > 0)
    await handle.signal(retrainSettingsSignal, { settings: given, author: session.author });
  return { began: false, settings };
}

async function isRunning(handle: WorkflowHandle<typeof retrain>): Promise<boolean> {
  try {
    return (await handle.describe()).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

/** A run that trained nothing is tried again long before the next one of the schedule. */
function nextRunLine({
  nextRunAt,
  failures = 0,
  settings,
}: {
  nextRunAt: number;
  failures?: number;
  settings: { every: number };
}): string {
  const every = formatDuration(settings.every);
  const runs = failures === 1 ? 'the last run' : `the last ${failures} runs`;
  return failures === 0
    ? `next run at ${isoTime(nextRunAt)}, every ${every}`
    : `next run at ${isoTime(nextRunAt)}: another try, since ${runs} trained nothing; every ${every} otherwise`;
}
