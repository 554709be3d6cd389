import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { FREEZE_MEMO, type Freeze } from '../../src/domain/control.js';
import { REAL_TIME } from '../../src/domain/time.js';
import type { fleet } from '../../workflows/fleet.js';
import { FLEET_WORKFLOW_ID, freezeSignal, unfreezeSignal } from '../../workflows/messages.js';
import { withWorker } from './environment.js';
import { createFakes } from './fakes.js';

const HOUR = 3600;

interface World {
  handle: WorkflowHandle<typeof fleet>;
  pass(seconds: number): Promise<void>;
  freezeOf(author: string, seconds: number): Promise<Freeze>;
  /** The fence as a worker reads it before every write. */
  fence(): Promise<unknown>;
}

async function live(
  start: (environment: TestWorkflowEnvironment) => Promise<Freeze | null>,
  work: (world: World) => Promise<void>,
): Promise<void> {
  await withWorker(createFakes(), async (environment, taskQueue) => {
    const handle = await environment.client.workflow.start<typeof fleet>('fleet', {
      workflowId: FLEET_WORKFLOW_ID,
      taskQueue,
      args: [{ freeze: await start(environment), scale: REAL_TIME }],
    });
    await work({
      handle,
      pass: (seconds) => environment.sleep(seconds * 1000),
      freezeOf: (author, seconds) => stamp(environment, author, seconds),
      fence: async () => (await handle.describe()).memo?.[FREEZE_MEMO] ?? null,
    });
    await handle.terminate('end of test');
  });
}

async function stamp(environment: TestWorkflowEnvironment, author: string, seconds: number): Promise<Freeze> {
  const since = (await environment.currentTimeMs()) / 1000;
  return { kind: 'freeze', author, reason: 'incident', since, until: since + seconds };
}

const none = (): Promise<null> => Promise.resolve(null);

describe('fleet workflow', () => {
  it('a freeze stands in the memo until it expires', async () => {
    await live(none, async ({ handle, pass, freezeOf, fence }) => {
      await pass(60);
      expect(await fence()).toBeNull();
      const freeze = await freezeOf('ann', 2 * HOUR);
      await handle.signal(freezeSignal, freeze);
      await pass(HOUR);
      expect(await fence()).toEqual(freeze);
      await pass(1.1 * HOUR);
      expect(await fence()).toBeNull();
    });
  });

  it('an unfreeze ends it before its time', async () => {
    await live(none, async ({ handle, pass, freezeOf, fence }) => {
      await handle.signal(freezeSignal, await freezeOf('ann', 24 * HOUR));
      await pass(60);
      expect(await fence()).toMatchObject({ author: 'ann' });
      await handle.signal(unfreezeSignal, { author: 'ben', reason: 'over' });
      await pass(60);
      expect(await fence()).toBeNull();
    });
  });

  it('a second freeze replaces the first: the first one’s end is none', async () => {
    await live(none, async ({ handle, pass, freezeOf, fence }) => {
      await handle.signal(freezeSignal, await freezeOf('ann', HOUR));
      await pass(60);
      await handle.signal(freezeSignal, await freezeOf('ben', 10 * HOUR));
      await pass(3 * HOUR);
      expect(await fence()).toMatchObject({ author: 'ben' });
      await pass(8 * HOUR);
      expect(await fence()).toBeNull();
    });
  });

  it('one that has expired on arrival freezes nothing', async () => {
    await live(none, async ({ handle, pass, freezeOf, fence }) => {
      await pass(HOUR);
      await handle.signal(freezeSignal, await freezeOf('ann', -60));
      await pass(60);
      expect(await fence()).toBeNull();
    });
  });

  it('starts frozen where it is told so', async () => {
    await live(
      (environment) => stamp(environment, 'ann', HOUR),
      async ({ pass, fence }) => {
        await pass(60);
        expect(await fence()).toMatchObject({ author: 'ann' });
        await pass(HOUR);
        expect(await fence()).toBeNull();
      },
    );
  });

  it('a freeze beyond any calendar holds, and the fleet lives on', async () => {
    await live(none, async ({ handle, pass, freezeOf, fence }) => {
      await handle.signal(freezeSignal, { ...(await freezeOf('ann', 0)), until: Number.MAX_SAFE_INTEGER });
      await pass(HOUR);
      expect(await fence()).toMatchObject({ author: 'ann' });
      await handle.signal(unfreezeSignal, { author: 'ann', reason: '' });
      await pass(60);
      expect(await fence()).toBeNull();
    });
  });
});
