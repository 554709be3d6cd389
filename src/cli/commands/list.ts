import { ATTRIBUTES } from '../../../workflows/attributes.js';
import { printJson, withExamples, type RegisterCommand } from '../command.js';
import { createTable } from '../table.js';
import { withSession } from '../session.js';

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('list')
      .description('the accounts that run')
      .option('--json', 'for machines')
      .action(async (options: { json?: boolean }) => {
        const accounts = await withSession(terminal, async (session) => {
          const rows = [];
          const running = session.client.workflow.list({
            query: `WorkflowType = 'account' AND ExecutionStatus = 'Running'`,
          });
          for await (const execution of running) {
            const known = execution.typedSearchAttributes;
            rows.push({
              account: known.get(ATTRIBUTES.account) ?? execution.workflowId.replace(/^account\//, ''),
              phase: known.get(ATTRIBUTES.phase) ?? null,
              mode: known.get(ATTRIBUTES.mode) ?? null,
              paused: known.get(ATTRIBUTES.paused) ?? null,
              coverage: known.get(ATTRIBUTES.coverage) ?? null,
              costPerHour: known.get(ATTRIBUTES.costPerHour) ?? null,
            });
          }
          return rows.sort((a, b) => a.account.localeCompare(b.account));
        });
        if (options.json === true) return printJson(terminal, { accounts });
        if (accounts.length === 0) {
          terminal.err('no account runs; headroom start ACCOUNT -f FILE starts one');
          return;
        }
        const table = createTable(['account', 'phase', 'mode', 'paused', 'coverage', 'cost/h']);
        for (const row of accounts) {
          table.push([
            row.account,
            row.phase ?? '–',
            row.mode ?? '–',
            row.paused === true ? 'yes' : 'no',
            row.coverage === null ? '–' : `${(row.coverage * 100).toFixed(1)} %`,
            row.costPerHour === null ? '–' : String(row.costPerHour),
          ]);
        }
        terminal.out(table.toString());
      }),
    'list',
    'list --json',
  );
};
