import { rejectUpdate } from '../../../workflows/messages.js';
import { printJson, withExamples, type RegisterCommand } from '../command.js';
import { withSession } from '../session.js';

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('reject')
      .description('refuse the plan that waits for approval; no other is offered for the policy’s coolDown')
      .argument('<account>')
      .option('--plan <id>', 'only if this is still the pending plan')
      .option('--reason <text>', 'why', '')
      .option('--json', 'for machines')
      .action(async (name: string, options: { plan?: string; reason: string; json?: boolean }) => {
        const result = await withSession(terminal, (session) =>
          session.account(name).update(rejectUpdate, {
            author: session.author,
            reason: options.reason,
            ...(options.plan === undefined ? {} : { planId: options.plan }),
          }),
        );
        if (options.json === true) printJson(terminal, { account: name, ...result });
        else terminal.out(`plan ${result.planId} rejected`);
      }),
    'reject shop --reason "not during the audit"',
  );
};
