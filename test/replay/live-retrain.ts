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

const untilOf =
  (handle: WorkflowHandle<typeof retrain>) =>
  async (what: string, reached: (status: RetrainStatus) => boolean): Promise<void> => {
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
  const until = untilOf(handle);

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

/**
 * The same scope as it goes on since runs search: a run in which nothing was trained and the one after it, a search that
 * fails, drift that is told again and again, a search that is cancelled.
 * @returns the handle of the ended workflow.
 */
export async function liveSearch(
  client: Client,
  fakes: RetrainFakes,
  scale: TimeScale,
  taskQueue: string,
): Promise<WorkflowHandle<typeof retrain>> {
  const settings = settingsOf({ every: 2 * DAY, shadow: 0, kinds: ['booster', 'neural-tcn'], fits: 4 });
  const handle = await client.workflow.start<typeof retrain>('retrain', {
    workflowId: retrainWorkflowId('searching'),
    taskQueue,
    args: [{ scope: 'searching', account: null, settings, scale, queues: { compute: taskQueue } }],
  });
  const until = untilOf(handle);
  // Both kinds of the first run fail, and the search of the second.
  fakes.failNext = { train: ['final: no backend', 'final: no backend'], search: [] };
  await until('a run that trained nothing', ({ attention }) => typeof attention === 'string');
  fakes.verdicts = [verdictOf('better', null), verdictOf('better', null)];
  await until('the run after it', ({ attention, run }) => run >= 2 && attention === null);
  fakes.failNext = { search: ['final: too little history'] };
  await handle.signal(retrainNowSignal, { author: 'ann', reason: 'recorded', fits: 9 });
  await until('a run without its search', logged('the usual settings are trained with'));
  const tell = (...series: string[]) => handle.signal(driftSignal, { reason: 'web/cpu errs', series });
  await tell('acme/web/cpu');
  await tell('acme/web/cpu', 'globex/web/cpu');
  await tell('globex/web/cpu');
  await until('a run brought forward', logged('drift:'));
  await handle.signal(retrainSettingsSignal, { settings: { every: DAY }, author: 'ann' });
  fakes.searching = true;
  await handle.signal(retrainNowSignal, { author: 'ann', reason: 'once more' });
  await until('a search', ({ phase }) => phase === 'searching');
  await handle.signal(cancelRunSignal, { author: 'ann' });
  await until('a search that was cancelled', logged('was cancelled by ann'));
  fakes.searching = false;
  await handle.signal(stopRetrainSignal, { author: 'ann' });
  await handle.result();
  return handle;
}
