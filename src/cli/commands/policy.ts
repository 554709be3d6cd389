import { stringify } from 'yaml';
import { policyQuery, setPolicyUpdate } from '../../../workflows/messages.js';
import { differences } from '../../domain/differences.js';
import { printJson, withExamples, type RegisterCommand } from '../command.js';
import { refuseForeignFleet } from '../fleet-currency.js';
import { keptJson, keptLines, whereMoved } from '../moved-workloads.js';
import { refuseTooLarge } from '../policy-size.js';
import { withSession } from '../session.js';
import { queuesOf, readPolicyFile, refuseAbsent } from './start.js';

export const register: RegisterCommand = (program, terminal) => {
  const policy = program.command('policy').description('an account’s policy: show it, set another');
  withExamples(policy, 'policy show shop', 'policy set shop -f examples/shop.yaml');
  withExamples(
    policy
      .command('show')
      .description('the policy in force, with every default filled in')
      .argument('<account>')
      .option('--json', 'for machines')
      .action(async (name: string, options: { json?: boolean }) => {
        const running = await withSession(terminal, (session) => session.account(name).query(policyQuery));
        if (options.json === true) printJson(terminal, running);
        else
          terminal.out(
            `# revision ${running.revision}; amounts in cores and bytes, durations in seconds\n${stringify(running.policy)}`,
          );
      }),
    'policy show shop',
  );
  withExamples(
    policy
      .command('set')
      .description('take another account file from the next cycle on')
      .argument('<account>')
      .requiredOption('-f, --file <file>', 'the account file (YAML)')
      .option('--back-to-file', 'also where a migration has moved a workload since: look for it where the file says')
      .option('--json', 'for machines')
      .action(async (name: string, options: { file: string; backToFile?: boolean; json?: boolean }) => {
        const file = await readPolicyFile(options.file);
        refuseTooLarge(file);
        await refuseAbsent(terminal, file);
        await withSession(terminal, async (session) => {
          const account = session.account(name);
          const before = await account.query(policyQuery);
          const carried = await whereMoved(session, file, before.policy, options.backToFile === true);
          const { policy, kept } = carried;
          // One that has another currency already may go on with another file.
          if (session.store !== null && policy.currency !== before.policy.currency) {
            await refuseForeignFleet(session.store, policy);
          }
          const changed = differences(before.policy, policy);
          const { revision } = await account.update(setPolicyUpdate, {
            ...{ policy, author: session.author },
            // Another cluster is looked at by another worker.
            ...(policy.cluster === before.policy.cluster ? {} : { clusterQueue: queuesOf(session, policy).cluster }),
          });
          await carried.settle();
          if (options.json === true) {
            return printJson(terminal, {
              account: name,
              revision,
              changed,
              ...(carried.across === null ? {} : { cluster: policy.cluster, since: carried.across.id }),
              ...(kept.length === 0 ? {} : { kept: keptJson(kept) }),
            });
          }
          terminal.out(`${name} has policy revision ${revision}`);
          for (const { path, before: was, after } of changed) terminal.out(`  ${path}: ${was} → ${after}`);
          for (const line of keptLines(carried)) terminal.out(line);
        });
      }),
    'policy set shop -f examples/shop.yaml',
  );
};
