import { pauseSignal } from '../../../workflows/messages.js';
import { isoTime } from '../../domain/time.js';
import { printJson, withExamples, type RegisterCommand } from '../command.js';
import { untilOf, withSession } from '../session.js';

const A_DAY = 86_400;

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('pause')
      .description('begin no more changes; one that runs ends as the policy says (whenPaused)')
      .argument('<account>')
      .option('--for <duration>', 'how long (default 1d)')
      .option('--until <time>', 'until when')
      .option('--reason <text>', 'why', '')
      .option('--json', 'for machines')
      .action(async (name: string, options: { for?: string; until?: string; reason: string; json?: boolean }) => {
        await withSession(terminal, async (session) => {
          const since = session.now();
          const until = untilOf(options, since, A_DAY);
          const pause = { kind: 'pause' as const, author: session.author, reason: options.reason, since, until };
          await session.account(name).signal(pauseSignal, pause);
          if (options.json === true) printJson(terminal, { account: name, pause });
          else terminal.out(`${name} paused until ${isoTime(until)}`);
        });
      }),
    'pause shop --for 2h --reason "database migration"',
  );
};
