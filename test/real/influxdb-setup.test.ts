import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuthorizationsAPI, BucketsAPI, OrgsAPI, TasksAPI } from '@influxdata/influxdb-client-apis';
import { flux } from '@influxdata/influxdb-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { EXIT, type Terminal } from '../../src/cli/command.js';
import { main } from '../../src/cli/main.js';
import { createInfluxConnection } from '../../src/telemetry/influxdb/connection.js';
import { usageLines } from '../../src/telemetry/influxdb/lines.js';
import { createInfluxTelemetry } from '../../src/telemetry/influxdb/source.js';
import { createInfluxWriter } from '../../src/telemetry/influxdb/writer.js';
import pc from 'picocolors';
import { eventually, real, uniqueName } from './real.js';

/* `headroom telemetry init`, `check` and `import csv --to influxdb`, as a user runs them, on the real server. */

const HOUR = 3600;
const DAY = 86_400;
const { url, token, org } = real.influx;
const signal = new AbortController().signal;
const connection = createInfluxConnection({ url, token, org });
const made: string[] = [];
let folder: string;

async function headroom(args: string[], env: NodeJS.ProcessEnv): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const terminal: Terminal = {
    out: (text) => void (said.out += `${text}\n`),
    err: (text) => void (said.err += `${text}\n`),
    color: pc.createColors(false),
    interactive: false,
    env,
    cwd: folder,
  };
  process.exitCode = undefined;
  const code = await main(args, terminal);
  process.exitCode = undefined;
  return { code, ...said };
}
const environment = (bucket: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  INFLUX_URL: url,
  INFLUX_TOKEN: token,
  INFLUX_ORG: org,
  INFLUX_BUCKET: bucket,
  HEADROOM_HOME: folder,
  ...more,
});
const newBucket = (): string => {
  const name = uniqueName('setup');
  made.push(name);
  return name;
};
const steps = z.object({ steps: z.array(z.object({ what: z.string(), name: z.string(), did: z.string() })) });
const init = async (bucket: string, ...args: string[]): Promise<string[]> => {
  const { code, out, err } = await headroom(['telemetry', 'init', '--json', ...args], environment(bucket));
  expect({ code, err }).toEqual({ code: EXIT.ok, err: '' });
  return steps.parse(JSON.parse(out)).steps.map(({ what, did }) => `${what} ${did}`);
};
/** Count of points by bucket and field. */
const count = async (bucket: string, field: string): Promise<number> => {
  let total = 0;
  await connection.query(
    flux`from(bucket: ${bucket}) |> range(start: 0) |> filter(fn: (r) => r._field == ${field}) |> group() |> count()`,
    (row) => (total += row.number('_value')),
    'counting',
    signal,
  );
  return total;
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headroom-setup-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  const buckets = new BucketsAPI(connection.client);
  const tasks = new TasksAPI(connection.client);
  for (const { id, name } of (await buckets.getBuckets({ org, limit: 100 })).buckets ?? []) {
    if (id !== undefined && made.some((one) => name.startsWith(one))) await buckets.deleteBucketsID({ bucketID: id });
  }
  for (const { id, name } of (await tasks.getTasks({ org, limit: 100 })).tasks ?? []) {
    if (made.some((one) => name.includes(one))) await tasks.deleteTasksID({ taskID: id });
  }
});

describe('headroom telemetry init', () => {
  it('makes buckets and task, and changes nothing the second time', async () => {
    const bucket = newBucket();
    expect(await init(bucket)).toEqual(['bucket created', 'bucket created', 'bucket created', 'task created']);
    expect(await init(bucket)).toEqual(['bucket unchanged', 'bucket unchanged', 'bucket unchanged', 'task unchanged']);
    const { out } = await headroom(['telemetry', 'init'], environment(bucket));
    expect(out).toContain('nothing to do: all of it was there');
    expect(out).toContain(`bucket ${bucket}_1h: unchanged, keeps 730d`);
  });

  it('makes retention longer, and shorter only when it is told to', async () => {
    const bucket = newBucket();
    await init(bucket, '--raw', '10d');
    expect((await init(bucket, '--raw', '20d'))[0]).toBe('bucket changed');
    expect((await init(bucket, '--raw', '5d'))[0]).toBe('bucket unchanged');
    const { out } = await headroom(['telemetry', 'init', '--raw', '5d'], environment(bucket));
    expect(out).toContain('keeps 20d; --shorten makes it 5d, which deletes what is older');
    expect((await init(bucket, '--raw', '5d', '--shorten'))[0]).toBe('bucket changed');
  });

  it('down-samples what was there before, and long windows are read from both buckets', async () => {
    const bucket = newBucket();
    const buckets = new BucketsAPI(connection.client);
    const { orgs = [] } = await new OrgsAPI(connection.client).getOrgs({ org });
    await buckets.postBuckets({ body: { name: bucket, orgID: orgs[0]?.id ?? '', retentionRules: [] } });
    const end = Math.floor(Date.now() / 1000 / HOUR) * HOUR;
    const from = end - 4 * DAY;
    const writer = createInfluxWriter(connection, { bucket });
    const key = { account: '") |> drop(', workload: 'web', component: 'cpu' as const };
    // Hours of one to four samples, so that the mean of a day is not the mean of its hours' means.
    const samples = Array.from({ length: 4 * 24 }, (_, hour) =>
      Array.from({ length: 1 + (hour % 4) }, (_unused, index) => ({
        at: from + hour * HOUR + index * 600,
        value: hour + index,
        censored: hour % 24 === 5 && index === 0,
      })),
    ).flat();
    await writer.write(usageLines({ key, samples }));
    await writer.write(usageLines({ key: { ...key, account: 'another' }, samples }));
    await writer.flush();
    const window = { account: key.account, series: [{ workload: 'web', component: 'cpu' as const }], from, to: end };
    const read = async (step: number, now: number) => {
      const source = createInfluxTelemetry({ url, token, org, bucket, now: () => now });
      const { series } = await source.readUsage({ ...window, step }, signal);
      return { values: [...(series[0]?.series.values ?? [])], censored: [...(series[0]?.series.censored ?? [])] };
    };
    const raw = { hours: await read(HOUR, end), days: await read(DAY, end) };
    expect(raw.hours.values).toHaveLength(96);

    // The raw bucket keeps two days from here on; the server drops older samples in its own time.
    expect(await init(bucket, '--raw', '2d', '--shorten')).toEqual([
      'bucket changed',
      'bucket created',
      'bucket created',
      'task created',
      'history changed',
    ]);
    const { hours, days } = { hours: await read(HOUR, end), days: await read(DAY, end) };
    hours.values.forEach((value, bin) => expect(value).toBeCloseTo(raw.hours.values[bin] ?? NaN, 9));
    days.values.forEach((value, bin) => expect(value).toBeCloseTo(raw.days.values[bin] ?? NaN, 9));
    expect(hours.censored).toEqual(raw.hours.censored);
    // A second time overwrites: no hour counts twice.
    expect(await count(`${bucket}_1h`, 'sum')).toBe(2 * 96);
    expect(await init(bucket, '--raw', '2d', '--backfill')).toContain('history changed');
    expect(await count(`${bucket}_1h`, 'sum')).toBe(2 * 96);

    // All of it from the hourly bucket: as if every raw sample had gone.
    const later = await read(DAY, end + 10 * DAY);
    later.values.forEach((value, bin) => expect(value).toBeCloseTo(raw.days.values[bin] ?? NaN, 9));
  });

  it('the task runs and writes the same hours', async () => {
    const bucket = newBucket();
    await init(bucket);
    const hour = Math.floor(Date.now() / 1000 / HOUR) * HOUR - HOUR;
    const writer = createInfluxWriter(connection, { bucket });
    const key = { account: 'acme', workload: 'web', component: 'cpu' as const };
    await writer.write(
      usageLines({ key, samples: [1, 2, 6].map((value, index) => ({ at: hour + index * 60, value })) }),
    );
    await writer.flush();
    const tasks = new TasksAPI(connection.client);
    const task = (await tasks.getTasks({ org, limit: 100 })).tasks?.find(({ name }) => name.includes(bucket));
    await tasks.postTasksIDRuns({ taskID: task?.id ?? '', body: {} });
    const written = async (): Promise<number[]> => {
      const found: number[] = [];
      await connection.query(
        flux`from(bucket: ${`${bucket}_1h`}) |> range(start: 0) |> group()`,
        (row) => found.push(row.number('_value')),
        'reading',
        signal,
      );
      return found.sort((a, b) => a - b);
    };
    // Count and sum; asked for by what they leave, since a run that has just ended is found nowhere for a moment.
    await eventually(async () => (await written()).length === 2);
    expect(await written()).toEqual([3, 9]);
  });

  it.each([
    ['a token that is none', { INFLUX_TOKEN: 'nobody' }, EXIT.refused, 'headroom telemetry check'],
    ['an organisation that is none', { INFLUX_ORG: 'nowhere' }, EXIT.notFound, 'INFLUX_ORG'],
    ['a server that is not there', { INFLUX_URL: 'http://127.0.0.1:9' }, EXIT.unavailable, 'see that InfluxDB answers'],
    ['a variable that is not set', { INFLUX_TOKEN: '' }, EXIT.usage, 'telemetry init needs INFLUX_TOKEN'],
    ['an address that is none', { INFLUX_URL: 'localhost' }, EXIT.usage, 'begin with http'],
  ])('%s is told with what to do', async (_, env, code, text) => {
    const ended = await headroom(['telemetry', 'init'], environment(newBucket(), env));
    expect(ended.code).toBe(code);
    expect(ended.err).toContain(text);
  });
});

describe('headroom telemetry check', () => {
  const checks = z.object({ checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })) });
  const check = async (env: NodeJS.ProcessEnv): Promise<{ code: number; failed: string[] }> => {
    const { code, out } = await headroom(['telemetry', 'check', '--json'], env);
    return { code, failed: checks.parse(JSON.parse(out)).checks.flatMap(({ name, ok }) => (ok ? [] : [name])) };
  };

  it('is content after init, and names what is missing before it', async () => {
    const bucket = newBucket();
    expect(await check(environment(bucket))).toEqual({
      code: EXIT.failed,
      failed: [`bucket ${bucket}`, `bucket ${bucket}_1h`, `bucket ${bucket}_loop`, 'down-sampling'],
    });
    await init(bucket);
    expect(await check(environment(bucket))).toEqual({ code: EXIT.ok, failed: [] });
  });

  it('a token that may only read one bucket is told what it may not', async () => {
    const bucket = newBucket();
    await init(bucket);
    const found = (await new BucketsAPI(connection.client).getBuckets({ org, name: bucket })).buckets?.[0];
    const { token: reader } = await new AuthorizationsAPI(connection.client).postAuthorizations({
      body: {
        orgID: found?.orgID ?? '',
        permissions: [
          { action: 'read', resource: { type: 'buckets', id: found?.id ?? '', orgID: found?.orgID ?? '' } },
        ],
      },
    });
    const { code, failed } = await check(environment(bucket, { INFLUX_TOKEN: reader ?? '' }));
    expect(code).toBe(EXIT.failed);
    expect(failed).toEqual([`writing ${bucket}`, `bucket ${bucket}_1h`, `bucket ${bucket}_loop`, 'down-sampling']);
    // To make anything is refused, with the reason.
    const ended = await headroom(['telemetry', 'init'], environment(bucket, { INFLUX_TOKEN: reader ?? '' }));
    expect(ended.code).toBe(EXIT.notFound);
    expect(ended.err).toContain('all-access token');
  });
});

describe('headroom import csv --to influxdb', () => {
  const csv = async (from: number, rows: number): Promise<string> => {
    const path = join(folder, `${uniqueName('rows')}.csv`);
    const lines = Array.from({ length: rows }, (_, index) => `${from + index * 300},${(1 + (index % 7)).toFixed(1)}`);
    await writeFile(path, ['timestamp,cores', ...lines, ''].join('\n'));
    return path;
  };
  const imported = z.object({
    components: z.array(z.object({ rows: z.number(), sent: z.number(), skipped: z.number() })),
  });

  it('writes what the source then reads; past retention is told as skipped; hours are down-sampled', async () => {
    const bucket = newBucket();
    await init(bucket, '--raw', '10d');
    const end = Math.floor(Date.now() / 1000 / DAY) * DAY;
    const path = await csv(end - 12 * DAY, 11 * 288);
    const args = ['import', 'csv', path, '--account', 'acme', '--workload', 'web', '--column', 'cpu=cores'];
    const run = () => headroom([...args, '--to', 'influxdb', '--json'], environment(bucket));
    const first = await run();
    expect(first.code).toBe(EXIT.ok);
    const [part] = imported.parse(JSON.parse(first.out)).components;
    expect(part?.rows).toBe(11 * 288);
    // Two days and what has passed of today lie past retention.
    expect(part?.skipped).toBeGreaterThanOrEqual(2 * 288);
    expect(part?.skipped).toBeLessThanOrEqual(3 * 288 + 1);
    expect(await count(bucket, 'value')).toBe(part?.sent);
    // InfluxDB does not say what it knew already: it is told as sent, never as written anew.
    const again = await headroom([...args, '--to', 'influxdb'], environment(bucket));
    expect(again.out).toContain(`${part?.sent} sent (a repeat changes nothing)`);
    expect(again.out).not.toContain('written');
    expect(await count(bucket, 'value')).toBe(part?.sent);
    const source = createInfluxTelemetry({ url, token, org, bucket });
    const { series } = await source.readUsage(
      {
        account: 'acme',
        series: [{ workload: 'web', component: 'cpu' }],
        from: end - 3 * DAY,
        to: end - DAY,
        step: 300,
      },
      signal,
    );
    const expected = Array.from({ length: 576 }, (_, index) => 1 + ((index + 9 * 288) % 7));
    expect([...(series[0]?.series.values ?? [])]).toEqual(expected);
    expect(await count(`${bucket}_1h`, 'count')).toBeGreaterThanOrEqual(8 * 24);
  });

  it('a bucket that is not there is named, with the command that makes it', async () => {
    const path = await csv(Math.floor(Date.now() / 1000) - DAY, 3);
    const ended = await headroom(
      ['import', 'csv', path, '--account', 'a', '--workload', 'w', '--column', 'cpu=cores', '--to', 'influxdb'],
      environment(newBucket()),
    );
    expect(ended.code).toBe(EXIT.notFound);
    expect(ended.err).toContain('headroom telemetry init');
  });
});
