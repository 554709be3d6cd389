import { setTimeout as delay } from 'node:timers/promises';
import type { Client, WorkflowHandle, WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import type { TimeScale } from '../../src/domain/time.js';
import type { account } from '../../workflows/account.js';
import type { change } from '../../workflows/change.js';
import {
  accountWorkflowId,
  changeWorkflowId,
  contingencySignal,
  statusQuery,
  stopSignal,
} from '../../workflows/messages.js';
import { act, answerOf, digestOf, field, policyOf, steady, type Fakes } from '../workflow/fakes.js';

/**
 * Answers fired by a signal while another change runs, by what a cycle sees, and by the second cycle without a plan; then
 * the end.
 */
export async function liveContingency(
  client: Client,
  fakes: Fakes,
  scale: TimeScale,
  queue: string,
): Promise<{ account: WorkflowHandleWithFirstExecutionRunId<typeof account>; change: WorkflowHandle<typeof change> }> {
  const name = 'fired';
  fakes.values = new Map([['web.replicas', 2]]);
  fakes.digest = digestOf({ key: 'demand' }, { key: 'spot-market/aws/eu-1a' }, { key: 'forecast' });
  fakes.answers = (input) => {
    const replicas = fakes.values.get('web.replicas') ?? 0;
    return answerOf(input, [field(replicas, replicas + 3)]);
  };
  fakes.plans = (count) => (count === 0 ? act([field(2, 4)]) : steady);
  const policy = policyOf();
  const handle = await client.workflow.start<typeof account>('account', {
    workflowId: accountWorkflowId(name),
    taskQueue: queue,
    args: [
      {
        account: name,
        policy: { ...policy, account: name, verification: { ...policy.verification, for: 1800 } },
        scale,
        queues: { light: queue, compute: queue, cluster: queue },
      },
    ],
  });
  const until = async (reached: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await reached())) await delay(30);
  };
  await until(() => fakes.values.get('web.replicas') === 4);
  await handle.signal(contingencySignal, { key: 'spot-market/aws/eu-1a', what: '0 of 4 nodes are left in spot' });
  await until(() => fakes.values.get('web.replicas') === 7);
  await until(async () => (await handle.query(statusQuery)).results.kept === 2);
  fakes.symptoms = [{ key: 'demand', what: 'web/cpu is 12' }];
  await until(() => fakes.values.get('web.replicas') === 10);
  await until(async () => (await handle.query(statusQuery)).results.kept === 3);
  fakes.symptoms = [];
  fakes.failNext.optimize = ['final: out of memory', 'final: out of memory'];
  await until(() => fakes.values.get('web.replicas') === 13);
  await until(async () => (await handle.query(statusQuery)).results.kept === 4);
  await handle.signal(stopSignal, { restore: false, author: 'ann' });
  await handle.result();
  return { account: handle, change: client.workflow.getHandle<typeof change>(changeWorkflowId(`${name}/2`)) };
}
