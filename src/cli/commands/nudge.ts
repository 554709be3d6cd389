import { nudgeSignal } from '../../../workflows/messages.js';
import { printJson, withExamples, type RegisterCommand } from '../command.js';
import { withSession } from '../session.js';

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('nudge')
      .description('begin a cycle now instead of at its time, as when usage is known to have jumped')
      .argument('<account>')
      .option('--reason <text>', 'why', 'asked for by hand')
      .option('--json', 'for machines')
      .action(async (name: string, options: { reason: string; json?: boolean }) => {
        await withSession(terminal, async (session) => {
          await session.account(name).signal(nudgeSignal, { reason: `${session.author}: ${options.reason}` });
        });
        if (options.json === true) printJson(terminal, { account: name, nudged: true });
        else terminal.out(`${name} begins a cycle`);
      }),
    'nudge shop --reason "the campaign went live early"',
  );
};
