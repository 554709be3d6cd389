import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { flux } from '@influxdata/influxdb-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startInflux } from '../../infra/servers/index.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { erasePoints } from '../../src/telemetry/influxdb/erase.js';
import { createInfluxSink, withInfluxSink, type InfluxSink } from '../../src/telemetry/influxdb/sink.js';
import { createInfluxWriter } from '../../src/telemetry/influxdb/writer.js';
import type { StoredRecord } from '../../src/telemetry/port.js';
import { ownBucket, type OwnBucket } from './influxdb-bucket.js';
import { forecastRecord, outcomeRecord, planRecord } from './influxdb-records.js';
import { eventually } from './real.js';

/* What the loop leaves behind arrives in InfluxDB: every point, once, whatever happens to the server or to us. */

const T = 1_767_571_200;
const signal = new AbortController().signal;
const ACCOUNT = '") |> drop(';

describe('the sink', () => {
  let bucket: OwnBucket;
  let store: EmbeddedStore;
  const open: InfluxSink[] = [];

  const sinkOf = (at: OwnBucket): InfluxSink => {
    const writer = createInfluxWriter(at.connection, {
      bucket: at.name,
      precision: 'ns',
      patience: Number.POSITIVE_INFINITY,
      skipRejected: true,
      longestPause: 0.5,
    });
    const sink = createInfluxSink({ store, connection: at.connection, bucket: at.name, writer, lookEvery: 0.5 });
    open.push(sink);
    return sink;
  };
  /** Points of a measurement: their count, and one field by time. */
  const points = async (at: OwnBucket, measurement: string, field: string, account = ACCOUNT) => {
    const found: [seconds: number, value: string][] = [];
    await at.connection.query(
      flux`from(bucket: ${at.name}) |> range(start: 0, stop: 2030-01-01T00:00:00Z)
        |> filter(fn: (r) => r._measurement == ${measurement} and r._field == ${field} and r.account == ${account})
        |> keep(columns: ["_time", "_value"])`,
      (row) => found.push([Math.floor(row.seconds('_time')), row.text('_value')]),
      'counting',
      signal,
    );
    return found.sort(([a], [b]) => a - b);
  };

  beforeEach(async () => {
    bucket = await ownBucket();
    store = await createEmbeddedStore({ path: ':memory:' });
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((sink) => sink.close()));
    await store.close();
    await bucket.remove();
  });

  it('an account’s points are erased, past and future, and another’s stay', async () => {
    const sink = sinkOf(bucket);
    const through = withInfluxSink(store, sink);
    for (const account of ['acme', 'other']) {
      for (const record of [forecastRecord(account, T, 1), planRecord(account, T, { replicas: 3 })]) {
        await through.putRecord(record);
      }
    }
    await sink.drain();
    const before = await erasePoints(bucket.connection, bucket.name, 'acme', true, signal);
    expect(before.points).toBeGreaterThan(10);
    expect(await erasePoints(bucket.connection, bucket.name, 'acme', false, signal)).toEqual(before);
    expect(await erasePoints(bucket.connection, bucket.name, 'acme', true, signal)).toMatchObject({ points: 0 });
    expect(await erasePoints(bucket.connection, bucket.name, 'other', true, signal)).toEqual(before);
    const none = await erasePoints(bucket.connection, `${bucket.name}-none`, 'acme', true, signal);
    expect(none.points).toBeNull();
  });

  it('writes forecasts, plans and outcomes, and a record that is put again overwrites its points', async () => {
    const sink = sinkOf(bucket);
    const through = withInfluxSink(store, sink);
    const records: StoredRecord[] = [
      forecastRecord(ACCOUNT, T, 1),
      planRecord(ACCOUNT, T, { replicas: 3 }),
      forecastRecord(ACCOUNT, T + 300, 2),
      planRecord(ACCOUNT, T + 300, { replicas: 4 }),
      outcomeRecord(ACCOUNT, T + 200, 'one'),
      outcomeRecord(ACCOUNT, T + 200, 'two'),
    ];
    for (const record of records) await through.putRecord(record);
    await sink.drain();
    for (const record of records) await through.putRecord(record);
    await sink.drain();
    // Three bins each, two of them in both: the later forecast stands.
    expect(await points(bucket, 'forecast', 'q0.5')).toEqual([
      [T, '1'],
      [T + 300, '2'],
      [T + 600, '2'],
      [T + 900, '2'],
    ]);
    expect(await points(bucket, 'plan', 'cost_per_hour')).toHaveLength(2);
    expect((await points(bucket, 'plan_workload', 'replicas')).map(([, value]) => value)).toEqual(['3', '4']);
    expect(await points(bucket, 'plan_pool', 'nodes')).toHaveLength(2);
    expect((await points(bucket, 'plan_number', 'binding')).map(([, value]) => value)).toEqual(['demand', 'demand']);
    // Two outcomes of one moment are two points.
    expect((await points(bucket, 'outcome', 'change')).map(([, value]) => value).sort()).toEqual(['one', 'two']);
    expect(await points(bucket, 'check', 'passed')).toHaveLength(2);
    expect(await points(bucket, 'plan', 'id', 'umbrella')).toEqual([]);
  });

  it('what was put while nobody listened is written by the next one, in order', async () => {
    const first = sinkOf(bucket);
    const through = withInfluxSink(store, first);
    await through.putRecord(planRecord(ACCOUNT, T, { replicas: 1 }));
    await first.drain();
    await first.close();
    for (let cycle = 1; cycle <= 45; cycle++) {
      await store.putRecord(planRecord(ACCOUNT, T + cycle * 300, { replicas: cycle }));
      await store.putRecord(planRecord('another', T + cycle * 300, { replicas: cycle }));
    }
    await sinkOf(bucket).drain();
    const replicas = (await points(bucket, 'plan_workload', 'replicas')).map(([, value]) => Number(value));
    expect(replicas).toEqual([1, ...Array.from({ length: 45 }, (_, index) => index + 1)]);
    expect(await points(bucket, 'plan_workload', 'replicas', 'another')).toHaveLength(45);
    // The watermark is the last plan's time.
    expect((await points(bucket, 'written', 'id')).at(-1)).toEqual([T + 45 * 300, `plan/${ACCOUNT}/${T + 45 * 300}`]);
  });

  it('a record that comes late is written although later ones are', async () => {
    const sink = sinkOf(bucket);
    const through = withInfluxSink(store, sink);
    await through.putRecord(outcomeRecord(ACCOUNT, T + 900, 'late one’s successor'));
    await sink.drain();
    await through.putRecord(outcomeRecord(ACCOUNT, T, 'late'));
    await sink.drain();
    expect((await points(bucket, 'outcome', 'change')).map(([, value]) => value)).toEqual([
      'late',
      'late one’s successor',
    ]);
  });

  it('a record that cannot be told in points holds nothing up', async () => {
    const sink = sinkOf(bucket);
    const through = withInfluxSink(store, sink);
    await through.putRecord({ kind: 'plan', id: 'odd', account: ACCOUNT, at: T, body: { of: 'another version' } });
    await through.putRecord(planRecord(ACCOUNT, T + 300, { replicas: 2 }));
    await sink.drain();
    expect(await points(bucket, 'plan', 'id')).toHaveLength(1);
  });
});

describe('a server that stops and starts again', () => {
  it('puts go on at once meanwhile, and every point is there afterwards, once', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'headroom-influx-'));
    const server = await startInflux({ folder });
    const store = await createEmbeddedStore({ path: ':memory:' });
    const bucket = await ownBucket(server);
    const said: string[] = [];
    const writer = createInfluxWriter(
      bucket.connection,
      {
        bucket: bucket.name,
        precision: 'ns',
        patience: Number.POSITIVE_INFINITY,
        skipRejected: true,
        batchLines: 50,
        mostQueued: 100,
        firstPause: 0.05,
        longestPause: 0.3,
      },
      { say: (line) => said.push(line) },
    );
    const sink = createInfluxSink({ store, connection: bucket.connection, bucket: bucket.name, writer });
    const through = withInfluxSink(store, sink);
    const put = async (from: number, to: number): Promise<void> => {
      for (let cycle = from; cycle < to; cycle++) {
        await through.putRecord(forecastRecord(ACCOUNT, T + cycle * 300, cycle));
        await through.putRecord(planRecord(ACCOUNT, T + cycle * 300, { replicas: cycle }));
      }
    };
    try {
      await put(0, 5);
      await sink.drain();
      await server.process.stop();
      // Five cycles and more: none of them waits, although the queue is full after the first few.
      await put(5, 60);
      await eventually(async () => said.length > 2);
      await server.process.start();
      await put(60, 65);
      await sink.drain();
      const counts = new Map<string, number>();
      await bucket.connection.query(
        flux`from(bucket: ${bucket.name}) |> range(start: 0, stop: 2030-01-01T00:00:00Z)
          |> filter(fn: (r) => r.account == ${ACCOUNT})
          |> filter(fn: (r) => r._field == "id" or r._field == "q0.5" or r._field == "replicas")
          |> group(columns: ["_measurement"]) |> count()`,
        (row) => counts.set(row.text('_measurement'), row.number('_value')),
        'counting',
        signal,
      );
      expect(counts.get('plan')).toBe(65);
      expect(counts.get('plan_workload')).toBe(65);
      // Each forecast has three bins, and shares two of them with the next one.
      expect(counts.get('forecast')).toBe(67);
    } finally {
      await sink.close();
      await store.close();
      await server.process.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
