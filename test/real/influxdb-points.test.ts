import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { metricLines, usageLines } from '../../src/telemetry/influxdb/lines.js';
import { createInfluxTelemetry } from '../../src/telemetry/influxdb/source.js';
import { createInfluxWriter } from '../../src/telemetry/influxdb/writer.js';
import type { UsageSource } from '../../src/telemetry/port.js';
import { ownBucket, type OwnBucket } from './influxdb-bucket.js';
import { uniqueName } from './real.js';

/* What is written is what is read, on the real server: names, corrections, and data that others wrote. */

const T = 1_767_571_200;
const STEP = 300;
const signal = new AbortController().signal;

describe('points', () => {
  let bucket: OwnBucket;
  let source: UsageSource;
  beforeAll(async () => {
    bucket = await ownBucket();
    source = createInfluxTelemetry(bucket.access);
  });
  afterAll(() => bucket.remove());

  const write = async (lines: Iterable<string>): Promise<void> => {
    const writer = createInfluxWriter(bucket.connection, { bucket: bucket.name });
    await writer.write(lines);
    await writer.flush();
  };
  const read = async (account: string, workload: string, bins: number) => {
    const { series } = await source.readUsage(
      { account, series: [{ workload, component: 'cpu' }], from: T, to: T + bins * STEP, step: STEP },
      signal,
    );
    return {
      values: [...(series[0]?.series.values ?? [])],
      censored: [...(series[0]?.series.censored ?? [])],
    };
  };

  it('any name that can be written is read back under that name, and under no other', async () => {
    const odd = fc.constantFrom('") |> drop(', 'a=b,c d', 'a\\ b', 'a\\,b', '#x', '${r}', '', 'x\\', 'two\nlines', ' ');
    const name = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 20 }),
      fc.string({ unit: 'binary', maxLength: 8 }),
      odd,
    );
    const names = fc.sample(fc.tuple(name, name), { numRuns: 80, seed: 7 });
    const kept = new Map<string, { account: string; workload: string; value: number }>();
    for (const [index, [account, workload]] of names.entries()) {
      const key = { account: `${account}`, workload: `${workload}`, component: 'cpu' as const };
      const value = index + 1;
      try {
        await write(
          usageLines({
            key,
            samples: [
              { at: T, value },
              { at: T + STEP, value },
            ],
          }),
        );
        kept.set(JSON.stringify([account, workload]), { account, workload, value });
      } catch (error) {
        // Refused when it is written, with the reason: never bent into another name.
        expect(error).toMatchObject({ kind: 'invalid-input' });
        expect(account === '' || workload === '' || /[\n\r\0\\\p{Cs}]/u.test(account + workload)).toBe(true);
      }
    }
    expect(kept.size).toBeGreaterThan(40);
    for (const { account, workload, value } of kept.values()) {
      expect([account, workload, (await read(account, workload, 1)).values]).toEqual([account, workload, [value]]);
    }
  });

  it('an account named `") |> drop(` is written, read and kept apart', async () => {
    const account = '") |> drop(';
    const workload = uniqueName('web');
    const key = { account, workload, component: 'cpu' as const };
    await write(usageLines({ key, samples: [{ at: T, value: 1 }] }));
    await write(usageLines({ key: { ...key, account: 'plain' }, samples: [{ at: T, value: 2 }] }));
    await write(metricLines({ account, workload, metric: 'error_rate', samples: [{ at: T, value: 0.5 }] }));
    expect((await read(account, workload, 1)).values).toEqual([1]);
    expect((await read('plain', workload, 1)).values).toEqual([2]);
    const metric = { workload, metric: 'error_rate', from: T, to: T + 60 };
    expect(await source.readMetric({ ...metric, account }, signal)).toBe(0.5);
    expect(await source.readMetric({ ...metric, account: 'plain' }, signal)).toBeNull();
  });

  it('a point that is written again overwrites itself, value and mark', async () => {
    const key = { account: 'acme', workload: uniqueName('web'), component: 'cpu' as const };
    const samples = [
      { at: T, value: 1, censored: true },
      { at: T + STEP, value: 2, censored: false },
    ];
    await write(usageLines({ key, samples }));
    await write(usageLines({ key, samples }));
    expect(await read('acme', key.workload, 2)).toEqual({ values: [1, 2], censored: [1, 0] });
    await write(usageLines({ key, samples: [{ at: T, value: 5, censored: false }] }));
    expect(await read('acme', key.workload, 2)).toEqual({ values: [5, 2], censored: [0, 0] });
  });

  it('series that differ in a further tag are one: a bin is the mean of all their samples', async () => {
    const workload = uniqueName('web');
    const line = (host: string, value: number, at: number): string =>
      `usage,account=acme,component=cpu,host=${host},workload=${workload} value=${value} ${at * 1000}`;
    // One host left in the second bin, another came: three samples of the one, one of the other.
    await write([
      line('a', 1, T),
      ...[1, 1, 1].map((value, index) => line('a', value, T + STEP + index * 60)),
      line('b', 5, T + STEP + 240),
      line('b', 7, T + 2 * STEP),
    ]);
    expect((await read('acme', workload, 3)).values).toEqual([1, 2, 7]);
  });

  it.each([
    ['whole numbers are read like others', 'value=3i', [3]],
    ['text is refused', 'value="3"', 'invalid-input'],
    ['another unit is refused', 'unit', 'invalid-input'],
    ['the unit of the component is taken', 'cores', [3]],
  ] as const)('%s', async (_, field, expected) => {
    const workload = uniqueName('typed');
    const own = await ownBucket();
    const unit = field === 'unit' ? ',unit=millicores' : field === 'cores' ? ',unit=cores' : '';
    const fields = field.startsWith('value') ? field : 'value=3';
    await own.connection.write(
      own.name,
      `usage,account=acme,component=cpu,workload=${workload}${unit} ${fields} ${T * 1000}`,
      'ms',
      signal,
    );
    const reading = createInfluxTelemetry(own.access)
      .readUsage(
        { account: 'acme', series: [{ workload, component: 'cpu' }], from: T, to: T + STEP, step: STEP },
        signal,
      )
      .then(({ series }) => [...(series[0]?.series.values ?? [])]);
    if (expected === 'invalid-input') await expect(reading).rejects.toMatchObject({ kind: expected });
    else expect(await reading).toEqual(expected);
    await own.remove();
  });
});
