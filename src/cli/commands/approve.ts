import { approveUpdate } from '../../../workflows/messages.js';
import { printJson, withExamples, type RegisterCommand } from '../command.js';
import { withSession } from '../session.js';

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('approve')
      .description('carry out the plan that waits for approval')
      .argument('<account>')
      .option('--plan <id>', 'only if this is still the pending plan')
      .option('--json', 'for machines')
      .action(async (name: string, options: { plan?: string; json?: boolean }) => {
        const result = await withSession(terminal, (session) =>
          session.account(name).update(approveUpdate, {
            author: session.author,
            ...(options.plan === undefined ? {} : { planId: options.plan }),
          }),
        );
        if (options.json === true) printJson(terminal, { account: name, ...result });
        else terminal.out(`approved: change ${result.changeId} is running`);
      }),
    'approve shop',
    'approve shop --plan 1f2e3d4c5b6a7988',
  );
};
