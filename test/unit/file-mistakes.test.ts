import { describe, expect, test } from 'vitest';
import { checkAccountFile } from '../../src/domain/account-file.js';

const fileOf = (more: string, workload = '') => `version: headroom/v1
account: acme
workloads:
  - name: api
    components: { cpu: { request: 1 } }
    replicas: { min: 2, max: 30 }
${workload}
pools:
  - { name: od, pricePerHour: 0.4, node: { cpu: 8 }, max: 4 }
${more}
`;
const blackout = (cron: string, duration: string) =>
  `blackouts: [{ name: night, cron: '${cron}', duration: ${duration}, reason: batch }]`;
const task = (cpu: number) =>
  `tasks: [{ name: nightly, workload: api, cron: 0 2 * * *, duration: 1h, demand: { cpu: ${cpu} } }]`;

describe('what surely was not meant is refused with its line', () => {
  test.each([
    { name: 'a blackout that never ends', text: fileOf(blackout('0 2 * * *', '25h')), path: 'blackouts[0].duration' },
    { name: 'a blackout that never comes', text: fileOf(blackout('0 18 31 2 *', '1h')), path: 'blackouts[0].cron' },
    { name: 'a window within one step', text: fileOf('', '    window: 2m'), path: 'workloads[0].window' },
    { name: 'a task that its pools cannot carry', text: fileOf(task(400)), path: 'tasks[0].demand.cpu' },
  ])('$name', ({ text, path }) => {
    const result = checkAccountFile(text);
    expect('problems' in result ? result.problems.map((one) => one.path) : []).toEqual([path]);
  });

  test.each([
    { name: 'a blackout of most of the day', text: fileOf(blackout('0 2 * * *', '22h')) },
    { name: 'a blackout of weekends', text: fileOf(blackout('0 0 * * 6', '48h')) },
    { name: 'a leap day', text: fileOf(blackout('0 0 29 2 *', '24h')) },
    { name: 'a task as large as its pools', text: fileOf(task(32)) },
  ])('and nothing else: $name', ({ text }) => {
    expect(checkAccountFile(text)).toHaveProperty('policy');
  });
});
