import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { because, environment, headroom, json, NOT_BUILT, temporaryFolder, within, type Folder } from './headroom.js';

const HOUR = 3600;
/** Three weeks that end at the last full hour: an account of the present. */
const END = Math.floor(Date.now() / 1000 / HOUR) * HOUR - HOUR;
const START = END - 21 * 24 * HOUR;

function events(): string {
  const lines: string[] = [];
  for (let at = START; at < END; at += HOUR) {
    const hour = Math.floor((at % 86_400) / HOUR);
    const people = hour >= 8 && hour < 18 ? 8 : 0;
    for (let person = 0; person < people; person++) {
      const who = { account: 'acme', user: `secret-person-${person}`, group: 'analysts' };
      lines.push(JSON.stringify({ ...who, at: at + person, operation: 'login' }));
      lines.push(JSON.stringify({ ...who, at: at + 60 + person, operation: 'query', dataset: 'orders' }));
    }
    if (hour === 2) lines.push(JSON.stringify({ account: 'acme', at, system: true, operation: 'report' }));
  }
  return lines.join('\n');
}

function usage(): string {
  const rows = ['timestamp,cpu'];
  for (let at = START; at < END; at += 300) {
    const second = at % 86_400;
    const task = second >= 2 * HOUR && second < 2.75 * HOUR ? 3 : 0;
    rows.push(`${at},${2 + task + 0.05 * Math.sin(at)}`);
  }
  return rows.join('\n');
}

const reportSchema = z.object({
  rates: z.array(z.object({ operation: z.string().nullable(), mean: z.number(), low: z.number(), high: z.number() })),
  transitions: z.array(z.object({ from: z.string() })),
  prefetch: z.array(z.object({ dataSet: z.string(), probability: z.number() })),
  classes: z.array(z.object({ workload: z.string(), class: z.string(), probability: z.number() })),
  tasks: z.array(z.object({ cron: z.string().nullable(), runs: z.number() })),
});
const erasedSchema = z.object({
  store: z.object({
    series: z.array(z.object({ samples: z.number() })),
    behavior: z.number(),
    records: z.record(z.string(), z.number()),
  }),
});

describe.skipIf(NOT_BUILT !== null)(`an operator looks at an account and erases it${because(NOT_BUILT)}`, () => {
  let folder: Folder;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    folder = await temporaryFolder();
    // Nothing listens there: no server says whether a loop runs.
    env = environment(folder.path, { TEMPORAL_ADDRESS: '127.0.0.1:9' });
    await headroom(env, 'events', 'key');
    const file = await folder.write('events.jsonl', events());
    expect(await headroom(env, 'events', 'import', file)).toMatchObject({ code: 0 });
    const csv = await folder.write('cpu.csv', usage());
    const ran = await headroom(
      env,
      ...['import', 'csv', csv, '--account', 'acme', '--workload', 'web', '--column', 'cpu=cpu'],
    );
    expect(ran.code, ran.err).toBe(0);
  });
  afterAll(() => folder.remove());

  it('rates, what follows, what to fetch, kinds and tasks; the task goes into an account file', async () => {
    const report = await json(env, reportSchema, 'behavior', 'acme', '--at', String(END));
    expect(report.rates.map(({ operation }) => operation)).toEqual(expect.arrayContaining(['login', 'query']));
    expect(report.transitions.map(({ from }) => from)).toContain('login');
    expect(report.tasks.map(({ cron }) => cron)).toContain('0 2 * * *');
    expect(report.classes).toMatchObject([{ workload: 'web' }]);
    const noon = START + (12 - Math.floor((START % 86_400) / HOUR) + 24 * 14) * HOUR;
    const { prefetch } = await json(env, reportSchema, 'behavior', 'acme', '--at', String(noon));
    expect(prefetch[0]).toMatchObject({ dataSet: 'orders' });
    const yaml = await headroom(env, 'behavior', 'acme', '--at', String(END), '--yaml');
    expect(yaml.out).toContain('cron: 0 2 * * *');
    expect(yaml.out).toContain('workload: web');
    // The schedule that events alone show is named, and why it is not in the file.
    expect(yaml.err).toContain('left out: operation report, 0 2 * * *');
    expect(yaml.out).toContain('# left out: operation report');
    const table = await headroom(env, 'behavior', 'acme');
    expect(table.out).toContain('task found in');
    expect(table.out + yaml.out + JSON.stringify(report)).not.toContain('secret-person');
  });

  it.each([['--json'], ['--yaml'], ['--at', String(START - 1e8)], []])(
    'an account that nobody knows is refused, and not answered with what others lend: %s',
    async (...flags) => {
      const ran = await within(env, 'behavior', 'nobody', ...flags);
      expect(ran.code, ran.out).toBe(3);
      expect(ran.out).toBe('');
      expect(ran.err).toContain('headroom events');
    },
  );

  it('a group that nobody is in is refused, with those that there are', async () => {
    const ran = await within(env, 'behavior', 'acme', '--group', 'analyst', '--json');
    expect(ran).toMatchObject({ code: 3, out: '' });
    expect(ran.err).toContain('known are analysts');
    expect((await within(env, 'behavior', 'acme', '--group', 'analysts')).code).toBe(0);
  });

  it('the present is that of the loop: a home whose clock runs elsewhere is asked at its own time', async () => {
    const clock = { wallEpochMs: Date.now(), epoch: END - 7 * 24 * HOUR, factor: 60 };
    const path = await folder.write('clock.json', JSON.stringify(clock));
    const ran = await within(env, 'behavior', 'acme', '--json');
    await rm(path);
    const { at, tasks } = z
      .object({ at: z.string(), tasks: z.array(z.object({ next: z.string() })) })
      .parse(JSON.parse(ran.out));
    expect(Date.parse(at) / 1000 - clock.epoch).toBeGreaterThanOrEqual(0);
    expect(Date.parse(at) / 1000 - clock.epoch).toBeLessThan(3 * HOUR);
    for (const { next } of tasks) expect(Date.parse(next)).toBeGreaterThan(Date.parse(at));
  });

  it('what comes next comes later, in the second before it, too', async () => {
    const schema = z.object({ at: z.string(), tasks: z.array(z.object({ next: z.string().nullable() })) });
    const now = await json(env, schema, 'behavior', 'acme', '--at', String(END));
    const due = Math.min(...now.tasks.flatMap(({ next }) => (next === null ? [] : [Date.parse(next)])));
    const just = await json(env, schema, 'behavior', 'acme', '--at', new Date(due - 300).toISOString());
    expect(Date.parse(just.at)).toBe(due - 1000);
    for (const { next } of just.tasks) expect(Date.parse(next ?? '')).toBeGreaterThan(Date.parse(just.at));
  });

  it('erasing is refused while nobody can say that the loop has ended; then it is thorough, and repeats', async () => {
    const refused = await headroom(env, 'erase', 'acme');
    expect(refused.code).toBe(4);
    expect(refused.err).toContain('--even-if-running');
    expect((await headroom(env, 'erase')).code).toBe(2);
    // What is wrong with the environment is said before anything is removed.
    const half = { ...env, INFLUX_URL: 'http://127.0.0.1:9' };
    expect(await within(half, 'erase', 'acme', '--even-if-running')).toMatchObject({ code: 2, out: '' });
    expect((await within(env, 'erase', 'acme', '--even-if-running', '--influxdb-usage')).code).toBe(2);
    const dry = await json(env, erasedSchema, 'erase', 'acme', '--dry-run');
    const erased = await json(env, erasedSchema, 'erase', 'acme', '--even-if-running');
    expect(erased.store.behavior).toBeGreaterThan(100);
    expect(erased.store).toMatchObject({ behavior: dry.store.behavior, records: { profile: 1 } });
    expect(erased.store.series.map(({ samples }) => samples)).toEqual([21 * 288]);
    const again = await headroom(env, 'erase', 'acme', '--even-if-running');
    expect(again.out).toContain('nothing of acme is here');
  });

  it('a user is erased by the raw id, which no answer repeats', async () => {
    const ran = await headroom(env, 'erase', '--user', 'secret-person-1');
    expect(ran.code, ran.err).toBe(0);
    expect(ran.out).toContain('removed:');
    expect(ran.out + ran.err).not.toContain('secret-person');
  });
});
