import { describe, expect, test } from 'vitest';
import { taskRuns } from '../../src/allocate/tasks.js';
import { AT, blocksOf, demandOf, inputOf, simple } from './allocate-fixtures.js';

const HOUR = 3600;

/** Runs of a task at 12:00 UTC, two hours after the plan begins, on a plan of so many hours. */
const runsOf = (hours: number, task: { duration: string; earlier?: string; later?: string }, moved?: number) =>
  taskRuns(
    inputOf(
      simple({ tasks: [{ name: 'nightly', workload: 'web', cron: '0 12 * * *', demand: { cpu: 2 }, ...task }] }),
      [demandOf('web', 'cpu', new Array<number>(hours).fill(1))],
      {
        blocks: blocksOf(hours),
        ...(moved === undefined
          ? {}
          : { placements: [{ task: 'nightly', scheduled: AT + 2 * HOUR, start: moved, reason: '' }] }),
      },
    ),
  ).map(({ starts, settled, beyond }) => ({
    starts: starts.map((start) => (start - AT) / HOUR),
    settled,
    beyond: beyond === true,
  }));

describe('a movable task is weighed where all that it takes is within the plan', () => {
  // What a user loses: a task was moved to where a short plan no longer saw its load, as if that were for free.
  test.each([
    {
      name: 'a plan that holds it wherever it may be: from earlier to later',
      runs: runsOf(6, { duration: '1h', earlier: '2h', later: '2h' }),
      first: 0,
      last: 4,
      beyond: false,
    },
    {
      name: 'starts that would end after the plan are left out',
      runs: runsOf(4, { duration: '2h', earlier: '2h', later: '2h' }),
      first: 0,
      last: 2,
      beyond: false,
    },
    {
      name: 'what ends after the plan as scheduled stays there, and its load counts',
      runs: runsOf(3, { duration: '2h', earlier: '2h' }),
      first: 2,
      last: 2,
      beyond: true,
    },
    {
      name: 'what an earlier plan moved stays where it put it',
      runs: runsOf(3, { duration: '2h', earlier: '2h' }, AT + HOUR),
      first: 1,
      last: 1,
      beyond: true,
    },
  ])('$name', ({ runs, first, last, beyond }) => {
    expect(runs).toHaveLength(1);
    expect(runs[0]?.starts[0]).toBe(first);
    expect(runs[0]?.starts.at(-1)).toBe(last);
    expect(runs[0]?.beyond).toBe(beyond);
  });

  test('what begins after the plan is not pulled into it', () => {
    expect(runsOf(2, { duration: '1h', earlier: '2h' })).toEqual([]);
  });
});
