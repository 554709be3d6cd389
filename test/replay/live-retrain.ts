import { setTimeout as delay } from 'node:timers/promises';
import type { Client, WorkflowHandle } from '@temporalio/client';
import type { TimeScale } from '../../src/domain/time.js';
import type { retrain } from '../../workflows/retrain.js';
import {
  cancelRunSignal,
  driftSignal,
  retrainNowSignal,
  retrainSettingsSignal,
  retrainStatusQuery,
  retrainWorkflowId,
  stopRetrainSignal,
  type RetrainStatus,
} from '../../workflows/retrain-messages.js';
import { settingsOf, verdictOf, type RetrainFakes } from '../workflow/retrain-fakes.js';

/* The life of a scope's models: a first champion, a shadow that is promoted, one that fails, drift, a cancelled fit. */

const DAY = 86_400;
const DEADLINE_MS = 30_000;

/** @returns the handle of the ended workflow. */
export async function liveRetrain(
  client: Client,
  fakes: RetrainFakes,
  scale: TimeScale,
  taskQueue: string,
): Promise<WorkflowHandle<typeof retrain>> {
  const handle = await client.workflow.start<typeof retrain>('retrain', {
    workflowId: retrainWorkflowId('main'),
    taskQueue,
    args: [
      {
        scope: 'main',
        account: null,
        settings: settingsOf({ every: 2 * DAY, shadow: DAY / 2 }),
        scale,
        queues: { compute: taskQueue },
      },
    ],
  });
  const until = async (what: string, reached: (status: RetrainStatus) => boolean): Promise<void> => {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const status = await handle.query(retrainStatusQuery);
      if (reached(status)) return;
      if (Date.now() > deadline) throw new Error(`recording: ${what} did not come: ${JSON.stringify(status)}`);
      await delay(30);
    }
  };
  const logged =
    (text: string) =>
    ({ log }: RetrainStatus): boolean =>
      log.some((line) => line.text.includes(text));

  fakes.verdicts = [verdictOf('better', null), verdictOf('better'), verdictOf('unknown'), verdictOf('better')];
  await until('a first champion', logged('is champion'));
  await handle.signal(retrainNowSignal, { author: 'ann', reason: 'recorded' });
  await until('a shadow', ({ shadows }) => shadows.length === 1);
  await until('a shadow that goes on', logged('goes on as a shadow'));
  await until('a shadow promoted', logged('as a shadow: it is better'));
  fakes.failNext = { gather: ['connection refused'], train: ['final: no backend'] };
  await handle.signal(driftSignal, { reason: 'web/cpu has shifted' });
  await until('a kind that was not trained', logged('was not trained'));
  await handle.signal(retrainSettingsSignal, { settings: settingsOf({ every: DAY, shadow: 0 }), author: 'ann' });
  fakes.training = true;
  const { run } = await handle.query(retrainStatusQuery);
  await until('a fit', (status) => status.run > run && status.phase === 'training');
  await handle.signal(cancelRunSignal, { author: 'ann' });
  await until('a fit that was cancelled', logged('was cancelled by ann'));
  fakes.training = false;
  const after = (await handle.query(retrainStatusQuery)).run;
  await until('one that was let go', (status) => status.run > after && logged('is let go')(status));
  await handle.signal(stopRetrainSignal, { author: 'ann' });
  await handle.result();
  return handle;
}
