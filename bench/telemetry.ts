import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startInflux } from '../infra/servers/index.js';
import { COMPONENTS, type Component } from '../src/domain/component.js';
import type { Sample } from '../src/domain/series.js';
import { createEmbeddedStore } from '../src/telemetry/embedded/store.js';
import { createInfluxConnection } from '../src/telemetry/influxdb/connection.js';
import { DEFAULT_MEASUREMENTS, hourlyBucketOf, loopBucketOf } from '../src/telemetry/influxdb/layout.js';
import { usageLines } from '../src/telemetry/influxdb/lines.js';
import { initInflux } from '../src/telemetry/influxdb/setup.js';
import { createInfluxTelemetry } from '../src/telemetry/influxdb/source.js';
import { createInfluxWriter } from '../src/telemetry/influxdb/writer.js';
import type { UsageBatch, UsageQuery, UsageSource, UsageWindow } from '../src/telemetry/port.js';
import { percentile, writeResults } from './result.js';

/*
 * 90 days × 50 workloads × 4 components at 5 minutes, 5.2 million samples, in a real InfluxDB with the buckets that
 * `headroom telemetry init` makes, and in the embedded store: how long each takes to have them, and to give one
 * account's window of 28 days, 5 workloads × 4 components at 5 minutes. Reads of the two take turns, so that what else
 * the machine does meets both; both answers are compared bin by bin.
 */

const STEP = 300;
const DAY = 86_400;
const DAYS = 90;
const WINDOW_DAYS = 28;
const ACCOUNTS = 10;
const WORKLOADS = 5;
const USED: readonly Component[] = COMPONENTS.filter((one) => one !== 'gpu' && one !== 'storage');
const READS = 60;
/** Reads before them, which open files and connections. */
const WARM_UP = 3;
/** One sample in so many stood at its limit. */
const CENSORED_EVERY = 97;

// Within retention whatever the time of day: the oldest samples are an hour younger than what the server would drop.
const to = Math.floor(Date.now() / 1000 / STEP) * STEP;
const from = to - DAYS * DAY + 2 * 3600;
const bins = Math.round((to - from) / STEP);

const scaleOf: Record<Component, number> = { cpu: 1, memory: 2 ** 30, storage: 2 ** 30, io: 1e6, network: 1e6, gpu: 1 };

/** A day's curve, a week's, and noise that is the same in every run. */
function samplesOf(index: number, component: Component): Sample[] {
  let state = (index + 1) * 2_654_435_761;
  const noise = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return Array.from({ length: bins }, (_, bin) => {
    const at = from + bin * STEP;
    const day = Math.sin(((at % DAY) / DAY) * 2 * Math.PI);
    const week = Math.sin(((at % (7 * DAY)) / (7 * DAY)) * 2 * Math.PI);
    const value = scaleOf[component] * (6 + 3 * day + week + noise());
    return { at, value: Number(value.toPrecision(7)), censored: bin % CENSORED_EVERY === index % CENSORED_EVERY };
  });
}

function* batches(): Generator<UsageBatch> {
  let index = 0;
  for (let account = 0; account < ACCOUNTS; account++) {
    for (let workload = 0; workload < WORKLOADS; workload++) {
      for (const component of USED) {
        const key = { account: `account-${account}`, workload: `workload-${workload}`, component };
        yield { key, samples: samplesOf(index, component) };
        index += 1;
      }
    }
  }
}

const queryOf = (account: number): UsageQuery => ({
  account: `account-${account}`,
  series: Array.from({ length: WORKLOADS }, (_, workload) =>
    USED.map((component) => ({ workload: `workload-${workload}`, component })),
  ).flat(),
  from: to - WINDOW_DAYS * DAY,
  to,
  step: STEP,
});

/** Seconds since `begun`, to two digits. */
const secondsSince = (begun: number): number => Math.round((performance.now() - begun) / 10) / 100;
let peak = 0;
const watch = (): void => {
  peak = Math.max(peak, process.memoryUsage().rss);
};

async function read(source: UsageSource, account: number, times: number[]): Promise<UsageWindow> {
  const begun = performance.now();
  const window = await source.readUsage(queryOf(account), new AbortController().signal);
  times.push(performance.now() - begun);
  watch();
  return window;
}

/** @throws Error at the first bin that the two do not agree on. */
function compare(one: UsageWindow, other: UsageWindow): void {
  for (const [place, { workload, component, series }] of one.series.entries()) {
    const beside = other.series[place]?.series;
    series.values.forEach((value, bin) => {
      const expected = beside?.values[bin] ?? Number.NaN;
      const same = Math.abs(value - expected) <= 1e-9 * Math.abs(expected);
      if (same && series.censored[bin] === beside?.censored[bin]) return;
      throw new Error(`${one.account}/${workload} ${component}, bin ${bin}: ${value} is not ${expected}`);
    });
  }
}

const folder = await mkdtemp(join(tmpdir(), 'headroom-bench-telemetry-'));
const server = await startInflux({ folder: join(folder, 'influxdb') });
const store = await createEmbeddedStore({ path: join(folder, 'telemetry.duckdb') });
try {
  const { url, token, org } = server;
  const connection = createInfluxConnection({ url, token, org });
  const bucket = 'bench';
  const names = {
    ...DEFAULT_MEASUREMENTS,
    bucket,
    hourlyBucket: hourlyBucketOf(bucket),
    loopBucket: loopBucketOf(bucket),
  };
  await initInflux(
    connection,
    {
      names,
      keep: { raw: DAYS * DAY, hourly: 730 * DAY, loop: 730 * DAY },
      shorten: false,
      backfill: false,
      now: to,
    },
    new AbortController().signal,
  );

  const writer = createInfluxWriter(connection, { bucket });
  const influxBegun = performance.now();
  for (const { key, samples } of batches()) {
    await writer.write(usageLines({ key, samples }));
    watch();
  }
  await writer.flush();
  const influxSeconds = secondsSince(influxBegun);
  const { lines, repeats } = writer.stats();
  console.log(`${lines} points in InfluxDB in ${influxSeconds} s, ${repeats} repeats`);

  const storeBegun = performance.now();
  let stored = 0;
  for (const batch of batches()) {
    stored += (await store.writeUsage([batch])).written;
    watch();
  }
  const storeSeconds = secondsSince(storeBegun);
  console.log(`${stored} samples in the embedded store in ${storeSeconds} s`);

  const source = createInfluxTelemetry({ url, token, org, bucket });
  const influx: number[] = [];
  const embedded: number[] = [];
  for (let turn = 0; turn < WARM_UP + READS; turn++) {
    const account = turn % ACCOUNTS;
    if (turn === WARM_UP) influx.length = embedded.length = 0;
    const there = await read(source, account, influx);
    const here = await read(store, account, embedded);
    if (turn < ACCOUNTS) compare(there, here);
  }

  const size = `${DAYS} days × ${ACCOUNTS * WORKLOADS} workloads × ${USED.length} components at 5 minutes`;
  const window = `${WINDOW_DAYS} days × ${WORKLOADS} workloads × ${USED.length} components at 5 minutes, ${READS} reads`;
  writeResults('telemetry', [
    {
      metric: 'window out of InfluxDB, p95',
      value: percentile(influx, 0.95),
      unit: 'ms',
      goal: 500,
      better: 'lower',
      peer: 'the same window out of the embedded store, p95',
      peerValue: percentile(embedded, 0.95),
      note: `${window}, out of ${lines} points; answers compared bin by bin`,
    },
    {
      metric: 'window out of InfluxDB, p50',
      value: percentile(influx, 0.5),
      unit: 'ms',
      goal: null,
      better: 'lower',
      peer: 'the same window out of the embedded store, p50',
      peerValue: percentile(embedded, 0.5),
      note: window,
    },
    {
      metric: 'import into InfluxDB',
      value: Math.round(lines / influxSeconds),
      unit: 'points/s',
      goal: null,
      better: 'higher',
      peer: 'import into the embedded store',
      peerValue: Math.round(stored / storeSeconds),
      note: `${size}; ${influxSeconds} s against ${storeSeconds} s, making the samples included`,
    },
    {
      metric: 'memory of the reading and writing process, peak',
      value: Math.round(peak / 2 ** 20),
      unit: 'MiB',
      goal: 512,
      better: 'lower',
      note: 'resident; both stores’ clients and the embedded store itself, the InfluxDB server not',
    },
  ]);
} finally {
  await store.close();
  await server.process.stop();
  await rm(folder, { recursive: true, force: true });
}
