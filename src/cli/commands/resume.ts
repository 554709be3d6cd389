import { resumeSignal } from '../../../workflows/messages.js';
import { printJson, withExamples, type RegisterCommand } from '../command.js';
import { withSession } from '../session.js';

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('resume')
      .description('end a pause before its time')
      .argument('<account>')
      .option('--reason <text>', 'why', '')
      .option('--json', 'for machines')
      .action(async (name: string, options: { reason: string; json?: boolean }) => {
        await withSession(terminal, async (session) => {
          await session.account(name).signal(resumeSignal, { author: session.author, reason: options.reason });
        });
        if (options.json === true) printJson(terminal, { account: name, paused: false });
        else terminal.out(`${name} resumed`);
      }),
    'resume shop',
  );
};
