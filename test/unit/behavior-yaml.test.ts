import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { WorkloadTask } from '../../src/behavior/tasks/find.js';
import { fetcherLines, signalWords } from '../../src/cli/commands/behavior.js';
import { yamlOf } from '../../src/cli/found-tasks.js';
import { HOUR, MONDAY } from './behavior-world.js';

const DAY = 24 * HOUR;
const AT = MONDAY + 21 * DAY;

const task = (more: Partial<WorkloadTask>): WorkloadTask => ({
  ...{ workload: 'web', period: DAY, phase: 2 * HOUR, days: null, cron: '0 2 * * *', jitter: 0 },
  ...{ duration: { median: 1800, most: 2000 }, footprint: { median: 3, most: 4 } },
  ...{ due: 21, runs: 20, probability: 0.91, active: true, last: AT - DAY, next: AT + 2 * HOUR },
  ...{ footprints: { cpu: { median: 3, most: 4 } }, ...more },
});

const policyWith = (cron: string) => ({
  ...{ timeZone: 'UTC', step: 300, workloads: [] },
  tasks: [{ name: 'nightly', workload: 'web', cron }],
});

describe('an operator pipes the tasks into an account file and learns what is missing from it', () => {
  it.each<{ name: string; found: Partial<Parameters<typeof yamlOf>[0]>; written: number; says: string | null }>([
    { name: 'what cron says is written', found: { usageTasks: [task({})] }, written: 1, says: null },
    {
      name: 'what no cron line says',
      found: { usageTasks: [task({ period: 5400, cron: null })] },
      ...{ written: 0, says: 'left out: web, every 1h30m: no cron line' },
    },
    {
      name: 'what has ended',
      found: { usageTasks: [task({ active: false, last: AT - 9 * DAY })] },
      ...{ written: 0, says: 'left out: web, 0 2 * * *: it has not come since 2026-06-13T00:00:00Z' },
    },
    {
      name: 'what is declared',
      found: { usageTasks: [task({})], policy: policyWith('0 2 * * *') },
      ...{ written: 0, says: 'the account file has it already, as nightly' },
    },
    {
      name: 'what events alone show, under a label that tries to leave its comment',
      found: { eventTasks: [{ ...task({}), operation: 'report\ntasks: [evil]' }] },
      ...{ written: 0, says: 'left out: operation report' },
    },
  ])('$name', ({ found, written, says }) => {
    const { yaml, left } = yamlOf({
      ...{ policy: null, usageTasks: [], eventTasks: [], timeZone: 'UTC', at: AT },
      ...found,
    });
    const parsed: unknown = parse(yaml);
    if (written === 0) expect(parsed).toBeNull();
    else expect(parsed).toMatchObject({ tasks: [{ cron: '0 2 * * *', workload: 'web', demand: { cpu: 4 } }] });
    expect(left.length).toBe(says === null ? 0 : 1);
    if (says === null) return;
    expect(left[0]).toContain(says);
    expect(yaml).toContain(`# ${left[0] ?? ''}`);
  });
});

describe('signals that come with events are said, those that do not are not', () => {
  const none = { sessions: null, inputRate: null, programs: [], regions: [] };
  it.each([
    { name: 'none', signals: none, words: '' },
    { name: 'a quiet account says zero', signals: { ...none, sessions: 0 }, words: '0 active sessions on average' },
    {
      name: 'all',
      signals: {
        ...{ sessions: 12.34, inputRate: 0.5, regions: [{ name: 'eu', share: 1 }] },
        programs: [
          { name: 'web', share: 0.95 },
          { name: 'cli', share: 0.05 },
        ],
      },
      words: '12.3 active sessions on average; 0.5 inputs a second; programs: web 95 %, cli 5.0 %; regions: eu 100 %',
    },
  ])('$name', ({ signals, words }) => expect(signalWords(signals)).toBe(words));
});

it('an operator sees who is told of data sets, and who is not', () => {
  const workload = {
    ...{ name: 'web', prestage: [], prefetch: [{ name: 'catalogue', atLeast: null }] },
    warmUp: [{ name: 'fill', atLeast: 0.5 }],
  };
  expect(fetcherLines({ workloads: [workload] })).toEqual([
    'told of them by the loop: web/warm-up.fill from 50 %',
    'not told of them: web/prefetch.catalogue (dataSets in the account file)',
  ]);
  expect(fetcherLines(null)).toEqual([]);
});
