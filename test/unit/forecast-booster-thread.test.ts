import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { trainGlobalBooster } from '../../src/forecast/booster/global-booster.js';
import type * as InThread from '../../src/forecast/booster/train-in-thread.js';
import type { TrainingSeries } from '../../src/forecast/booster/training-rows.js';

/* A thread runs compiled code: the one of the build, as it ships. What a user loses: a worker that stands still while it
 * trains, or a training that nobody can stop. */

const BUILT = fileURLToPath(new URL('../../dist/src/forecast/booster/train-in-thread.js', import.meta.url));
const because = existsSync(BUILT) ? '' : ' (skipped: dist/ is not built, make setup)';

const series: TrainingSeries[] = [1, 2, 3].map((seed) => ({
  start: 0,
  step: 3600,
  values: Float64Array.from(
    { length: 480 },
    (_, k) => 5 + 3 * Math.sin((k * Math.PI) / 12 + seed) + ((k * 37 * seed) % 11) / 10,
  ),
  timeZone: 'Europe/Berlin',
}));
const options = { rows: 2000, trees: { rounds: 10, minLeaf: 30 }, seed: 2 };

describe.skipIf(because !== '')(`training in a thread${because}`, () => {
  const load = async (): Promise<typeof InThread> => (await import(BUILT)) as typeof InThread;
  it('gives the bytes that it gives here, and says how far it is', async () => {
    const { trainGlobalBoosterInThread } = await load();
    const rounds: number[] = [];
    const bytes = await trainGlobalBoosterInThread(
      { series, options },
      { onProgress: ({ round }) => void rounds.push(round) },
    );
    expect(Buffer.from(bytes).equals(Buffer.from(trainGlobalBooster(series, options)))).toBe(true);
    expect(rounds).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });
  it('ends when it is given up, with the reason', async () => {
    const { trainGlobalBoosterInThread } = await load();
    const giveUp = new AbortController();
    const long = { ...options, rows: 20_000, trees: { rounds: 100_000, patience: 100_000 } };
    const training = trainGlobalBoosterInThread(
      { series, options: long },
      { signal: giveUp.signal, onProgress: ({ round }) => void (round === 2 && giveUp.abort(new Error('enough'))) },
    );
    await expect(training).rejects.toThrow('enough');
    await expect(trainGlobalBoosterInThread({ series, options }, { signal: giveUp.signal })).rejects.toThrow('enough');
  });
  it('fails as it fails here, with what to do', async () => {
    const { trainGlobalBoosterInThread } = await load();
    await expect(trainGlobalBoosterInThread({ series: [], options })).rejects.toMatchObject({
      kind: 'invalid-input',
      message: expect.stringMatching(
        /training on many series: 0 series give 0 rows; give series of some days/,
      ) as string,
    });
  });
});
