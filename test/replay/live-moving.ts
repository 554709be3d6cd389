import { setTimeout as delay } from 'node:timers/promises';
import type { Client, WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import type { TimeScale } from '../../src/domain/time.js';
import type { account } from '../../workflows/account.js';
import { accountWorkflowId, statusQuery, stopSignal } from '../../workflows/messages.js';
import { policyOf, steady, type Fakes } from '../workflow/fakes.js';
import { migratedSince } from './live-migration.js';

/** An account that begins what its plan proposes, learns what became of it, and lets the workload rest; then the end. */
export async function liveMoving(
  client: Client,
  fakes: Fakes,
  scale: TimeScale,
  queue: string,
): Promise<WorkflowHandleWithFirstExecutionRunId<typeof account>> {
  const name = 'moving';
  const outcomes = migratedSince();
  const move = { workload: 'web', from: 'general', to: 'spot', confidence: 0.9, words: 'saves 0.8 EUR/h over 1d' };
  fakes.plans = () => ({ ...steady, moves: [move] });
  fakes.symptoms = [];
  fakes.migrations = ({ began }) => {
    const ended = outcomes();
    const outcome = ended.find(({ id }) => id === began) ?? null;
    const running = began !== null && outcome === null ? [began] : [];
    return { running, last: ended.length, endedAt: ended.at(-1)?.endedAt ?? null, outcome };
  };
  const handle = await client.workflow.start<typeof account>('account', {
    workflowId: accountWorkflowId(name),
    taskQueue: queue,
    args: [
      {
        account: name,
        policy: { ...policyOf(), account: name, migrations: 'auto' },
        scale,
        queues: { light: queue, compute: queue, cluster: queue },
      },
    ],
  });
  const moved = async (): Promise<boolean> => {
    const { moving, rests } = await handle.query(statusQuery);
    return moving === undefined && rests?.['web'] !== undefined;
  };
  while (!(await moved())) await delay(30);
  const { cycle } = await handle.query(statusQuery);
  while ((await handle.query(statusQuery)).cycle < cycle + 2) await delay(30);
  fakes.plans = () => steady;
  await handle.signal(stopSignal, { restore: false, author: 'ann' });
  await handle.result();
  return handle;
}
