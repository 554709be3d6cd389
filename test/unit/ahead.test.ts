import { describe, expect, it } from 'vitest';
import { askedAgain } from '../../src/temporal/connection.js';
import { AHEAD, createAheadGuard } from '../../workflows/ahead.js';

type Activation = Parameters<ReturnType<typeof createAheadGuard>>[0];

const activation = (seconds: number, historyLength: number, job: string | null, isReplaying = false): Activation =>
  ({
    timestamp: { seconds, nanos: 5 },
    historyLength,
    isReplaying,
    jobs: job === null ? [] : [{ [job]: {} }],
  }) as unknown as Activation;

describe('events ahead of their workflow task', () => {
  it.each([
    ['a new task', [activation(10, 8, 'signalWorkflow')], false],
    ['more of the same task', [activation(0, 3, 'resolveActivity')], false],
    ['a query of a run that is there', [activation(0, 5, 'queryWorkflow')], false],
    ['a query that nothing came with', [activation(0, 5, null)], false],
    ['events that no task has', [activation(0, 7, 'signalWorkflow')], true],
    ['events that no task has, of a history on record', [activation(0, 7, 'signalWorkflow', true)], false],
    ['events after a query', [activation(0, 5, 'queryWorkflow'), activation(0, 7, 'fireTimer')], true],
    ['a new task after a query', [activation(0, 5, 'queryWorkflow'), activation(4, 7, 'fireTimer')], false],
  ])('%s: refused %o', (_, then, refused) => {
    const guard = createAheadGuard();
    guard(activation(0, 3, 'initializeWorkflow'));
    const run = (): void => {
      for (const one of then) guard(one);
    };
    if (refused) expect(run).toThrow(AHEAD);
    else expect(run).not.toThrow();
  });
});

describe('a query that came ahead of its task', () => {
  const input = {} as Parameters<typeof askedAgain>[0];

  it('is asked again until it is answered', async () => {
    let times = 0;
    const next = async (): Promise<string> => {
      times += 1;
      if (times < 3) throw new Error(`Failed: ${AHEAD}`);
      return 'an answer';
    };
    await expect(askedAgain(input, next)).resolves.toBe('an answer');
  });

  it('is asked once where something else is wrong', async () => {
    let times = 0;
    const next = async (): Promise<never> => {
      times += 1;
      throw new Error('no such query');
    };
    await expect(askedAgain(input, next)).rejects.toThrow('no such query');
    expect(times).toBe(1);
  });
});
