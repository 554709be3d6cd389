import { WorkflowIdConflictPolicy } from '@temporalio/client';
import type { fleet } from '../../../workflows/fleet.js';
import { fleetStatusQuery } from '../../../workflows/fleet-messages.js';
import { FLEET_WORKFLOW_ID, freezeSignal, unfreezeSignal } from '../../../workflows/messages.js';
import { isoTime } from '../../domain/time.js';
import { CommandFailure, EXIT, printJson, withExamples, type RegisterCommand } from '../command.js';
import { untilOf, withSession, type Session } from '../session.js';

/** The fleet workflow holds the freeze; it is started with the first account, and once. */
export async function ensureFleet(session: Session): Promise<void> {
  await session.client.workflow.start<typeof fleet>('fleet', {
    workflowId: FLEET_WORKFLOW_ID,
    taskQueue: session.runtime?.queues.light ?? 'headroom',
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    staticSummary: 'all accounts: the freeze',
    args: [{ freeze: null, scale: session.scale, recommends: true }],
  });
}

const A_DAY = 86_400;
/** A freeze that nobody remembers stops every account: whoever means longer says it again. */
const MOST_DAYS = 90;

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('freeze')
      .description('stop every new change of all accounts, before its next write')
      .option('--for <duration>', 'how long (default 1d)')
      .option('--until <time>', 'until when')
      .option('--reason <text>', 'why', '')
      .option('--json', 'for machines')
      .action(async (options: { for?: string; until?: string; reason: string; json?: boolean }) => {
        await withSession(terminal, async (session) => {
          const until = untilOf(options, session.now(), A_DAY);
          if (until > session.now() + MOST_DAYS * A_DAY) {
            const given = options.for === undefined ? `--until ${options.until ?? ''}` : `--for ${options.for}`;
            throw new CommandFailure(
              EXIT.usage,
              `${given}: a freeze holds ${MOST_DAYS}d at most; give less, and freeze again before it ends`,
            );
          }
          await ensureFleet(session);
          const freeze = {
            kind: 'freeze' as const,
            author: session.author,
            reason: options.reason,
            since: session.now(),
            until,
          };
          await session.client.workflow.getHandle(FLEET_WORKFLOW_ID).signal(freezeSignal, freeze);
          if (options.json === true) printJson(terminal, freeze);
          else terminal.out(`all accounts frozen until ${isoTime(until)}; putting back the last known good goes on`);
        });
      }),
    'freeze --for 2h --reason "incident 4711"',
  );
  withExamples(
    program
      .command('unfreeze')
      .description('let changes begin again')
      .option('--reason <text>', 'why', '')
      .option('--json', 'for machines')
      .action(async (options: { reason: string; json?: boolean }) => {
        await withSession(terminal, async (session) => {
          await ensureFleet(session);
          const fleetHandle = session.client.workflow.getHandle(FLEET_WORKFLOW_ID);
          // Only words hang on it: where no worker answers, the signal is sent all the same.
          const before = await fleetHandle.query(fleetStatusQuery).catch(() => null);
          const nothing = before !== null && (before.freeze === null || before.freeze.until <= session.now());
          await fleetHandle.signal(unfreezeSignal, { author: session.author, reason: options.reason });
          if (options.json === true)
            printJson(terminal, { frozen: false, wasFrozen: before === null ? null : !nothing });
          else terminal.out(nothing ? 'nothing was frozen' : 'unfrozen');
        });
      }),
    'unfreeze --reason "incident over"',
  );
};
