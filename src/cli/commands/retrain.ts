import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
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
import { argument, durationOption, printJson, withExamples, type RegisterCommand } from '../command.js';
import { openLibrary, scopeOf } from '../models.js';
import { explain, numberOf, withSession, type Session } from '../session.js';

const DAY = 86_400;

interface Common {
  account?: string;
  json?: boolean;
}

interface StartOptions extends Common {
  kinds?: string;
  every: number;
  days: string;
  holdOut: number;
  shadow: number;
  horizon: number;
  seed: string;
  mostSeries: string;
}

const seconds = argument((text: string): number => parseDuration(text));
const period = argument((text: string): number => {
  const length = parseDuration(text);
  if (length > 0) return length;
  throw new RangeError(`"${text}" must be above 0`);
});

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
    common(command.command('start').description('begin, or go on with other settings'))
      .option('--kinds <list>', 'what to train (default: booster,neural-tcn; neural-gru too)')
      .addOption(durationOption('--every <duration>', 'time between runs', period, 7 * DAY))
      .option('--days <n>', 'of history to train on', '28')
      .addOption(durationOption('--hold-out <duration>', 'at the end of it, to compare on', period, 3 * DAY))
      .addOption(
        durationOption('--shadow <duration>', 'a better one is scored beside the champion so long', seconds, 2 * DAY),
      )
      .addOption(durationOption('--horizon <duration>', 'how far ahead they answer', period, DAY))
      .option('--seed <n>', 'of all that is random', '1')
      .option('--most-series <n>', 'to train on', '500')
      .action(async (options: StartOptions) => {
        const library = openLibrary(terminal.env);
        const kinds = options.kinds?.split(',') ?? [...USUAL_KINDS];
        for (const kind of kinds) library.trainer(kind);
        const settings: RetrainSettings = {
          kinds,
          every: options.every,
          days: numberOf(options.days, '--days'),
          holdOut: options.holdOut,
          shadow: options.shadow,
          levels: [...BASE_LEVELS],
          horizon: options.horizon,
          seed: numberOf(options.seed, '--seed'),
          mostSeries: numberOf(options.mostSeries, '--most-series'),
        };
        const began = await within(options, 'starting', (handle, session, scope) =>
          startOrTell(handle, session, { scope, account: options.account ?? null, settings }),
        );
        const line = began
          ? `retraining begins with ${kinds.join(', ')}, then every ${formatDuration(options.every)}`
          : 'it runs already; the settings are its own from now on';
        answer(options, { started: began, settings }, line);
      }),
    'retrain start',
    'retrain start --account shop --every 3d --kinds booster',
  );
  withExamples(
    common(command.command('now').description('begin a run now instead of at its time'))
      .option('--reason <text>', 'why', 'asked for by hand')
      .action(async (options: Common & { reason: string }) => {
        await within(options, 'asking', (handle, session) =>
          handle.signal(retrainNowSignal, { author: session.author, reason: options.reason }),
        );
        answer(options, { asked: true }, 'a run begins; headroom retrain status shows it');
      }),
    'retrain now --reason "ten new workloads"',
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
      await within(options, 'cancelling', (handle, session) =>
        handle.signal(cancelRunSignal, { author: session.author }),
      );
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
      terminal.out(`next run at ${isoTime(status.nextRunAt)}, every ${formatDuration(status.settings.every)}`);
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

/** @returns false where it ran already and was told the settings. */
async function startOrTell(
  handle: WorkflowHandle<typeof retrain>,
  session: Session,
  input: { scope: string; account: string | null; settings: RetrainSettings },
): Promise<boolean> {
  const queues = session.runtime?.queues ?? { light: 'headroom', compute: 'headroom-compute' };
  try {
    await session.client.workflow.start<typeof retrain>('retrain', {
      workflowId: handle.workflowId,
      taskQueue: queues.light,
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
      staticSummary: `models of ${input.account ?? 'all accounts'}: ${input.settings.kinds.join(', ')}`,
      args: [{ ...input, scale: session.scale, queues: { compute: queues.compute } }],
    });
    return true;
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
  await handle.signal(retrainSettingsSignal, { settings: input.settings, author: session.author });
  return false;
}
