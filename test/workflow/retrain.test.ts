import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { REAL_TIME } from '../../src/domain/time.js';
import type { retrain } from '../../workflows/retrain.js';
import {
  cancelRunSignal,
  driftSignal,
  retrainNowSignal,
  retrainSettingsSignal,
  retrainStatusQuery,
  retrainWorkflowId,
  stopRetrainSignal,
  type RetrainSettings,
} from '../../workflows/retrain-messages.js';
import { withWorker } from './environment.js';
import { createRetrainFakes, settingsOf, verdictOf, type RetrainFakes } from './retrain-fakes.js';

/* When models are trained, and what it takes for one to serve. */

const DAY = 86_400;

interface World {
  handle: WorkflowHandle<typeof retrain>;
  fakes: RetrainFakes;
  environment: TestWorkflowEnvironment;
  pass(seconds: number): Promise<void>;
  log(): Promise<string[]>;
  runs(): number;
}

async function live(settings: RetrainSettings, fakes: RetrainFakes, work: (world: World) => Promise<void>) {
  await withWorker(fakes, async (environment, taskQueue) => {
    const handle = await environment.client.workflow.start<typeof retrain>('retrain', {
      workflowId: retrainWorkflowId('main'),
      taskQueue,
      args: [{ scope: 'main', account: null, settings, scale: REAL_TIME, queues: { compute: taskQueue } }],
    });
    await work({
      handle,
      fakes,
      environment,
      pass: (seconds) => environment.sleep(seconds * 1000),
      log: async () => (await handle.query(retrainStatusQuery)).log.map(({ text }) => text),
      runs: () => fakes.calls.filter(({ name }) => name === 'train').length,
    });
    await handle.signal(stopRetrainSignal, { author: 'test' });
    await handle.result();
  });
}

const acts = ({ fakes }: World): string[] => fakes.crowned.map(({ act, id }) => `${act} ${id.slice(0, 1)}`);

describe('retrain', () => {
  it('trains at its start and then on schedule, on what lies before the part that is held back', async () => {
    const fakes = createRetrainFakes();
    await live(settingsOf({ kinds: ['booster', 'gru'] }), fakes, async ({ pass, runs }) => {
      await pass(DAY);
      expect(runs()).toBe(2);
      await pass(13.5 * DAY);
      expect(runs()).toBe(6);
      const trained = fakes.calls.filter(({ name }) => name === 'train');
      expect(trained.map(({ input }) => (input as { kind: string }).kind).slice(0, 2)).toEqual(['booster', 'gru']);
      const gathered = fakes.calls.find(({ name }) => name === 'gather');
      const to = (gathered?.input as { at: number }).at;
      expect(trained[0]?.input).toMatchObject({ cut: to - 2 * DAY, dataId: 'd1' });
    });
  });

  it('the first that beats the last value serves at once: there is nobody to be a shadow of', async () => {
    const fakes = createRetrainFakes();
    fakes.verdicts = [verdictOf('better', null)];
    await live(settingsOf(), fakes, async (world) => {
      await world.pass(DAY / 2);
      expect(acts(world)).toEqual(['challenge 1', 'promote 1']);
      expect(fakes.crowned[1]).toMatchObject({ scope: 'main', kind: 'booster', by: 'retrain', reason: 'it is better' });
    });
  });

  it('a better one is a shadow first, judged again on days that came later, and only then champion', async () => {
    const fakes = createRetrainFakes();
    fakes.verdicts = [verdictOf('better'), verdictOf('better')];
    await live(settingsOf({ shadow: 2 * DAY }), fakes, async (world) => {
      await world.pass(DAY);
      expect(acts(world)).toEqual(['challenge 1']);
      const { shadows } = await world.handle.query(retrainStatusQuery);
      expect(shadows).toHaveLength(1);
      await world.pass(1.5 * DAY);
      expect(acts(world)).toEqual(['challenge 1', 'promote 1']);
      const [first, second] = fakes.calls.filter(({ name }) => name === 'compare').map(({ input }) => input);
      const from = (input: unknown): number => (input as { from: number }).from;
      // The second look begins where the data of the first ended.
      expect(from(second)).toBeCloseTo(from(first) + 2 * DAY, 3);
    });
  });

  it('one that shines on the past and fails as a shadow never serves', async () => {
    const fakes = createRetrainFakes();
    fakes.verdicts = [verdictOf('better'), verdictOf('worse')];
    await live(settingsOf(), fakes, async (world) => {
      await world.pass(2 * DAY);
      expect(acts(world)).toEqual(['challenge 1', 'reject 1']);
    });
  });

  it('a worse one is let go at once', async () => {
    const fakes = createRetrainFakes();
    fakes.verdicts = [verdictOf('worse')];
    await live(settingsOf(), fakes, async (world) => {
      await world.pass(DAY / 2);
      expect(acts(world)).toEqual(['challenge 1', 'reject 1']);
    });
  });

  it('where there is too little to judge by, the shadow goes on, and not for ever', async () => {
    const fakes = createRetrainFakes();
    fakes.verdicts = Array.from({ length: 9 }, () => verdictOf('unknown'));
    await live(settingsOf(), fakes, async (world) => {
      await world.pass(2.5 * DAY);
      expect(acts(world)).toEqual(['challenge 1']);
      await world.pass(2 * DAY);
      expect(acts(world)).toEqual(['challenge 1', 'reject 1']);
    });
  });

  it('without a shadow period the comparison decides alone', async () => {
    const fakes = createRetrainFakes();
    fakes.verdicts = [verdictOf('better'), verdictOf('unknown')];
    await live(settingsOf({ shadow: 0, every: DAY }), fakes, async (world) => {
      await world.pass(1.5 * DAY);
      expect(acts(world)).toEqual(['challenge 1', 'promote 1', 'challenge 2', 'reject 2']);
    });
  });

  it('drift brings the next run forward, and a storm of it brings one', async () => {
    await live(settingsOf(), createRetrainFakes(), async ({ pass, runs, handle, log }) => {
      await pass(2 * DAY);
      expect(runs()).toBe(1);
      for (const series of ['a', 'b', 'c']) await handle.signal(driftSignal, { reason: `${series} has shifted` });
      await pass(DAY / 2);
      expect(runs()).toBe(2);
      await handle.signal(driftSignal, { reason: 'd has shifted' });
      await pass(DAY);
      // Not before a quarter of the time between runs has passed.
      expect(runs()).toBe(2);
      await pass(DAY);
      expect(runs()).toBe(3);
      expect((await log()).filter((text) => text.startsWith('drift:')).length).toBeGreaterThanOrEqual(2);
    });
  });

  it('a run that drift brought forward learns all but the last day, and the next one on schedule holds back as ever', async () => {
    const fakes = createRetrainFakes();
    await live(settingsOf(), fakes, async ({ pass, runs, handle, log }) => {
      await pass(2 * DAY);
      await handle.signal(driftSignal, { reason: 'a has shifted' });
      await pass(8 * DAY);
      expect(runs()).toBe(3);
      const ends = fakes.calls.flatMap(({ name, input }) =>
        name === 'train' ? [z.object({ cut: z.number() }).parse(input).cut] : [],
      );
      const seen = fakes.calls.flatMap(({ name, input }) =>
        name === 'gather' ? [z.object({ at: z.number() }).parse(input).at] : [],
      );
      const heldBack = ends.map((cut, run) => Math.round(((seen[run] ?? 0) - cut) / (DAY / 4)) / 4);
      expect(heldBack[1]).toBe((heldBack[0] ?? 0) - 1);
      expect(heldBack[2]).toBe(heldBack[0]);
      expect((await log()).some((text) => text.includes('learns all but the last day'))).toBe(true);
    });
  });

  it('a shift of a series brings one run forward, however often it is told; another series another one', async () => {
    await live(settingsOf(), createRetrainFakes(), async ({ pass, runs, handle }) => {
      const tell = (...series: string[]) => handle.signal(driftSignal, { reason: `${series.join()} drift`, series });
      await pass(2 * DAY);
      expect(runs()).toBe(1);
      await tell('acme/web/cpu');
      await pass(DAY / 2);
      expect(runs()).toBe(2);
      // A restarted worker tells again, and again.
      await tell('acme/web/cpu');
      await pass(2 * DAY);
      await tell('acme/web/cpu');
      await pass(DAY);
      expect(runs()).toBe(2);
      await tell('acme/web/cpu', 'globex/web/cpu');
      await pass(DAY / 2);
      expect(runs()).toBe(3);
    });
  });

  it('a run in which no kind was trained is tried again soon, then less and less often, and asks for attention', async () => {
    const fakes = createRetrainFakes();
    fakes.failNext = { train: Array.from({ length: 6 }, () => 'final: no backend') };
    await live(settingsOf({ kinds: ['gru', 'booster'] }), fakes, async ({ pass, runs, handle, log }) => {
      const status = () => handle.query(retrainStatusQuery);
      await pass(0.1 * DAY);
      expect(runs()).toBe(2);
      expect((await status()).attention).toBe(
        'the last run trained nothing: no kind was trained (gru: final: no backend; booster: final: no backend)',
      );
      // 0.14 days, then 0.28, then 0.56.
      await pass(0.1 * DAY);
      expect(runs()).toBe(4);
      await pass(0.1 * DAY);
      expect(runs()).toBe(4);
      await pass(0.2 * DAY);
      expect(runs()).toBe(6);
      expect((await status()).attention).toContain('the last 3 runs trained nothing');
      await pass(0.6 * DAY);
      expect(runs()).toBe(8);
      expect((await status()).attention).toBeNull();
      await pass(6 * DAY);
      expect(runs()).toBe(8);
      expect(await log()).toContainEqual('gru was not trained: final: no backend');
    });
  });

  it('searches before it trains, within the fits that it was given, and trains with what was found', async () => {
    const fakes = createRetrainFakes();
    await live(settingsOf({ kinds: ['booster', 'gru'], fits: 4 }), fakes, async ({ pass, handle, log }) => {
      const searches = () => fakes.calls.filter(({ name }) => name === 'search').map(({ input }) => input);
      await pass(DAY);
      expect(searches()).toMatchObject([{ kinds: ['booster', 'gru'], fits: 4, dataId: 'd1' }]);
      const trained = fakes.calls.filter(({ name }) => name === 'train').map(({ input }) => input);
      expect(trained).toMatchObject([
        { kind: 'booster', searchId: 's1' },
        { kind: 'gru', searchId: 's1' },
      ]);
      // Neither a search nor a fit sees what the models are compared on.
      expect((searches()[0] as { cut: number }).cut).toBe((trained[0] as { cut: number }).cut);
      fakes.failNext = { search: ['final: no kind has choices'] };
      await handle.signal(retrainNowSignal, { author: 'ann', reason: 'a wide look', fits: 24 });
      await pass(60);
      expect(searches()[1]).toMatchObject({ fits: 24 });
      const last = fakes.calls.filter(({ name }) => name === 'train').at(-1)?.input;
      expect(last).not.toHaveProperty('searchId');
      expect(await log()).toContainEqual(expect.stringContaining('the usual settings are trained with'));
      await handle.signal(retrainNowSignal, { author: 'ann', reason: 'without', fits: 0 });
      await pass(60);
      expect(searches()).toHaveLength(2);
    });
  });

  it('settings that are not repeated stay as they are', async () => {
    await live(settingsOf({ kinds: ['gru'], days: 40 }), createRetrainFakes(), async ({ pass, handle }) => {
      await handle.signal(retrainSettingsSignal, { settings: { every: 3 * DAY }, author: 'ann' });
      await pass(60);
      const { settings } = await handle.query(retrainStatusQuery);
      expect(settings).toEqual(settingsOf({ kinds: ['gru'], days: 40, every: 3 * DAY }));
    });
  });

  it('begins when asked, and says who asked', async () => {
    await live(settingsOf(), createRetrainFakes(), async ({ pass, runs, handle, log }) => {
      await pass(DAY);
      await handle.signal(retrainNowSignal, { author: 'ann', reason: 'new workloads' });
      await pass(60);
      expect(runs()).toBe(2);
      expect(await log()).toContainEqual('run 2: asked for by ann: new workloads');
    });
  });

  it('a run that is cancelled ends the fit; the champion serves on and the next run comes at its time', async () => {
    const fakes = createRetrainFakes();
    fakes.training = true;
    await live(settingsOf(), fakes, async ({ pass, handle, log, runs }) => {
      while (runs() === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      await handle.signal(cancelRunSignal, { author: 'ann' });
      while (fakes.cancelled === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      fakes.training = false;
      await pass(DAY);
      expect(await log()).toContainEqual('retraining was cancelled by ann');
      expect(fakes.crowned).toEqual([]);
      await pass(6.5 * DAY);
      expect(runs()).toBe(2);
    });
  });

  it('a kind that cannot be trained keeps no other from it; a run that fails is tried again soon', async () => {
    const fakes = createRetrainFakes();
    fakes.failNext = { train: ['final: no backend'], gather: [] };
    fakes.verdicts = [verdictOf('better', null)];
    await live(settingsOf({ kinds: ['gru', 'booster'] }), fakes, async (world) => {
      await world.pass(DAY / 2);
      expect(fakes.crowned.map(({ kind }) => kind)).toEqual(['booster', 'booster']);
      expect(await world.log()).toContainEqual('gru was not trained: final: no backend');
      fakes.failNext = { gather: ['final: the store is away'] };
      await world.pass(6.6 * DAY);
      expect(world.runs()).toBe(2);
      expect(await world.log()).toContainEqual('retraining failed: final: the store is away');
      await world.pass(0.8 * DAY);
      expect(world.runs()).toBe(4);
    });
  });

  it('a shadow that cannot be judged is tried again, then let go, and the workflow never spins', async () => {
    const fakes = createRetrainFakes();
    fakes.verdicts = [verdictOf('better')];
    await live(settingsOf({ every: 30 * DAY }), fakes, async (world) => {
      await world.pass(DAY / 2);
      fakes.failNext = { compare: Array.from({ length: 99 }, () => 'final: its file is damaged') };
      await world.pass(10 * DAY);
      expect((await world.handle.query(retrainStatusQuery)).shadows).toEqual([]);
      expect(fakes.calls.filter(({ name }) => name === 'compare').length).toBeLessThan(7);
      expect(acts(world)).toEqual(['challenge 1']);
    });
  });

  it('without data nothing is trained, and it is said', async () => {
    const fakes = createRetrainFakes();
    fakes.series = 0;
    await live(settingsOf(), fakes, async ({ pass, runs, log }) => {
      await pass(DAY);
      expect(runs()).toBe(0);
      expect(await log()).toContainEqual('no series has data enough to learn from; nothing was trained');
    });
  });
});
