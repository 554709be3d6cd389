import type { prefetch } from '../../../workflows/prefetch.js';
import { prefetchWorkflowId } from '../../../workflows/migration-messages.js';
import { policyQuery, statusQuery } from '../../../workflows/messages.js';
import { modeProblem } from '../../domain/mode-problem.js';
import { isoTime, parseTime } from '../../domain/time.js';
import { argument, CommandFailure, EXIT, printJson, withExamples, type RegisterCommand } from '../command.js';
import { namedWorkload } from '../named.js';
import { withSession } from '../session.js';

const momentOf = argument((text: string): number => parseTime(text));

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('prefetch')
      .description(
        'fill caches now, ahead of the reads that are likely next: hooks and warm-ups that ask for data sets',
      )
      .argument('<account>')
      .option('--workload <name>', 'of this one alone')
      .option('--at <time>', 'as if it were then: for the hour that each action prepares for', momentOf)
      .option('--dry-run', 'say what would be fetched, and fetch nothing')
      .option('--json', 'for machines')
      .action(
        async (account: string, options: { workload?: string; at?: number; dryRun?: boolean; json?: boolean }) => {
          await withSession(terminal, async (session) => {
            const running = session.account(account);
            const [{ policy }, { policyId }] = [await running.query(policyQuery), await running.query(statusQuery)];
            if (options.workload !== undefined) namedWorkload(policy, options.workload);
            const problem = modeProblem(policy, 'the prefetch');
            if (problem !== null && options.dryRun !== true) throw new CommandFailure(EXIT.refused, problem);
            const { light, cluster } = session.runtime?.queues ?? {
              light: 'headroom',
              cluster: 'headroom-cluster-main',
            };
            const at = Math.round(options.at ?? session.now());
            const { actions } = await session.client.workflow.execute<typeof prefetch>('prefetch', {
              workflowId: `${prefetchWorkflowId(account, at)}${options.dryRun === true ? '/dry' : ''}`,
              taskQueue: light,
              staticSummary: `caches of ${account}`,
              args: [
                {
                  ...{ account, policyId, at, workload: options.workload ?? null },
                  ...{ dry: options.dryRun === true, queues: { cluster } },
                },
              ],
            });
            if (options.json === true) printJson(terminal, { account, at, actions, refused: problem });
            else if (actions.length === 0) {
              terminal.err(
                `no action of ${options.workload === undefined ? account : `${account}/${options.workload}`} asks for data sets: give one a \`dataSets\` in the account file`,
              );
            }
            for (const { workload, action, neededAt, dataSets, result } of options.json === true ? [] : actions) {
              terminal.out(`${workload} ${action}, for ${isoTime(neededAt)}: ${result ?? 'would be told'}`);
              for (const { dataSet, probability } of dataSets) {
                terminal.out(`  ${(probability * 100).toFixed(0)}%  ${dataSet}`);
              }
            }
            if (actions.some(({ ok }) => !ok)) process.exitCode = EXIT.failed;
            // Only a dry run gets here with one.
            if (problem !== null) {
              if (options.json !== true) terminal.out(`refused  ${problem}`);
              process.exitCode = EXIT.refused;
            }
          });
        },
      ),
    'prefetch shop --dry-run',
    'prefetch shop --workload web',
  );
};
