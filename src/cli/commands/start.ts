import { dirname, resolve } from 'node:path';
import { WorkflowExecutionAlreadyStartedError, WorkflowIdConflictPolicy } from '@temporalio/client';
import type { account } from '../../../workflows/account.js';
import { accountWorkflowId, policyQuery, type Queues } from '../../../workflows/messages.js';
import type { AccountPolicy } from '../../domain/account.js';
import { readAccountFile } from '../../domain/account-file.js';
import { differences } from '../../domain/differences.js';
import { printJson, withExamples, CommandFailure, EXIT, type RegisterCommand, type Terminal } from '../command.js';
import { refuseForeignFleet } from '../fleet-currency.js';
import { keptJson, keptLines, whereMoved } from '../moved-workloads.js';
import { refuseTooLarge } from '../policy-size.js';
import { readNamedFile } from '../read-file.js';
import { withSession, type Session } from '../session.js';
import { warnOfSharedPools } from '../shared-pools.js';
import { ensureFleet } from './freeze.js';

/**
 * Reads an account file from disk. A file that it names by a relative path lies beside it, whoever reads the policy later and from
 * whatever folder: the policy carries the whole path.
 */
export async function readPolicyFile(path: string): Promise<AccountPolicy> {
  const policy = readAccountFile(await readNamedFile(path, 'name an account file; examples/shop.yaml is one'), path);
  return withPricesBeside(policy, path);
}

/** The same policy, with the whole path of a file of prices that lies beside its own. */
export function withPricesBeside<Policy extends Pick<AccountPolicy, 'prices'>>(policy: Policy, path: string): Policy {
  const { prices } = policy;
  if (prices?.file === undefined) return policy;
  return { ...policy, prices: { ...prices, file: resolve(dirname(path), prices.file) } };
}

/** @throws CommandFailure (refused) where the account file names trained models that serve nobody. */
export async function refuseAbsent({ env }: Terminal, policy: AccountPolicy): Promise<void> {
  if (policy.models === undefined) return;
  const { absentOf, openLibrary } = await import('../models.js');
  const absent = await absentOf(openLibrary(env), policy.account, policy);
  if (absent.length > 0) throw new CommandFailure(EXIT.refused, absent.join('\n'));
}

/** Where an account's activities go: the embedded worker's queue, or one queue a role. */
export function queuesOf({ runtime }: Session, policy: AccountPolicy): Queues {
  const { light, compute, cluster } = runtime?.queues ?? {
    light: 'headroom',
    compute: 'headroom-compute',
    cluster: '',
  };
  // `headroom dev` serves all as one queue. A worker's own file says which cluster that worker serves, not which ones the
  // accounts are on that are started beside it.
  return { light, compute, cluster: cluster === light ? cluster : `headroom-cluster-${policy.cluster}` };
}

/** Starts an account; the same again is nothing, another file is refused with what differs. */
export async function startAccount(
  session: Session,
  name: string,
  policy: AccountPolicy,
): Promise<{ started: boolean }> {
  await ensureFleet(session);
  try {
    await session.client.workflow.start<typeof account>('account', {
      workflowId: accountWorkflowId(name),
      taskQueue: queuesOf(session, policy).light,
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
      staticSummary: `${name}: ${policy.workloads.map((workload) => workload.name).join(', ')}`,
      args: [{ account: name, policy, scale: session.scale, queues: queuesOf(session, policy) }],
    });
    return { started: true };
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
  const running = await session.account(name).query(policyQuery);
  const changed = differences(running.policy, policy);
  if (changed.length === 0) return { started: false };
  throw new CommandFailure(
    EXIT.refused,
    `${name} runs already with another policy:\n` +
      changed.map(({ path, before, after }) => `  ${path}: ${before} → ${after}`).join('\n') +
      `\nto change it, run: headroom policy set ${name} -f FILE`,
  );
}

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('start')
      .description('start an account’s loop; the same again does nothing')
      .argument('<account>')
      .requiredOption('-f, --file <file>', 'the account file (YAML)')
      .option('--back-to-file', 'also where a migration has moved a workload since: look for it where the file says')
      .option('--json', 'for machines')
      .action(async (name: string, options: { file: string; backToFile?: boolean; json?: boolean }) => {
        const policy = await readPolicyFile(options.file);
        if (policy.account !== name) {
          throw new CommandFailure(EXIT.usage, `${options.file} is for account "${policy.account}", not "${name}"`);
        }
        refuseTooLarge(policy);
        await refuseAbsent(terminal, policy);
        const { started, carried, warnings } = await withSession(terminal, async (session) => {
          const carried = await whereMoved(session, policy, null, options.backToFile === true);
          if (session.store !== null) await refuseForeignFleet(session.store, carried.policy);
          const { started } = await startAccount(session, name, carried.policy);
          if (started) await carried.settle();
          return { started, carried, warnings: await warnOfSharedPools(session, carried.policy) };
        });
        for (const line of warnings) terminal.err(line);
        if (options.json === true) {
          const { kept, across } = carried;
          printJson(terminal, {
            ...{ account: name, started },
            ...(across === null ? {} : { cluster: carried.policy.cluster, since: across.id }),
            ...(kept.length === 0 ? {} : { kept: keptJson(kept) }),
          });
        } else {
          terminal.out(
            started
              ? `${name} started in mode ${policy.mode}; headroom status ${name} shows what it does`
              : `${name} runs already with this very policy; nothing done`,
          );
          keptLines(carried).forEach((line) => terminal.out(line));
        }
      }),
    'start shop -f examples/shop.yaml',
  );
};
