import { stopSignal } from '../../../workflows/messages.js';
import { EXIT, printJson, withExamples, type RegisterCommand } from '../command.js';
import { withSession } from '../session.js';

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('stop')
      .description('end an account’s loop; what runs stays as it is')
      .argument('<account>')
      .option('--restore', 'put back what was there before Headroom’s first change')
      .option('--no-wait', 'do not wait for a running change to end')
      .option('--json', 'for machines')
      .action(async (name: string, options: { restore?: boolean; wait: boolean; json?: boolean }) => {
        await withSession(terminal, async (session) => {
          const account = session.account(name);
          await account.signal(stopSignal, { restore: options.restore === true, author: session.author });
          const result = options.wait ? await account.handle.result() : null;
          if (options.json === true) printJson(terminal, result ?? { account: name, stopping: true });
          else if (result === null) terminal.out(`${name} is stopping`);
          else {
            terminal.out(`${name} stopped`);
            for (const { field, result: how } of result.restored) terminal.out(`  ${field}: ${how}`);
          }
          if (result?.restored.some(({ result: how }) => !how.startsWith('back to')) === true) {
            process.exitCode = EXIT.failed;
          }
        });
      }),
    'stop shop',
    'stop shop --restore',
  );
};
