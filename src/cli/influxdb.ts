import { setTimeout as delay } from 'node:timers/promises';
import { createInfluxConnection, type InfluxConnection } from '../telemetry/influxdb/connection.js';
import { DEFAULT_MEASUREMENTS, hourlyBucketOf, loopBucketOf } from '../telemetry/influxdb/layout.js';
import type { InfluxBuckets } from '../telemetry/influxdb/setup.js';
import { createInfluxSink, type InfluxSink } from '../telemetry/influxdb/sink.js';
import { createInfluxWriter } from '../telemetry/influxdb/writer.js';
import type { Store } from '../telemetry/port.js';
import { CommandFailure, EXIT } from './command.js';

/** What the environment says of InfluxDB. */
export interface InfluxOfEnvironment {
  url: string;
  token: string;
  org: string;
  names: InfluxBuckets;
  connection: InfluxConnection;
}

/**
 * INFLUX_URL, INFLUX_TOKEN, INFLUX_ORG, INFLUX_BUCKET; INFLUX_BUCKET_HOURLY and INFLUX_BUCKET_LOOP where the names that
 * follow from INFLUX_BUCKET do not suit. The token comes from the environment alone: a command line is seen by others.
 * @param what needs it, for the message.
 * @param timeout seconds that one call may take; default 30.
 */
export function influxOfEnvironment(env: NodeJS.ProcessEnv, what: string, timeout?: number): InfluxOfEnvironment {
  const given = (name: string): string | undefined => (env[name] === '' ? undefined : env[name]);
  const read = (name: string): string => {
    const value = given(name);
    if (value === undefined) throw new CommandFailure(EXIT.usage, `${what} needs ${name}`);
    return value;
  };
  const [url, token, org, bucket] = [
    read('INFLUX_URL'),
    read('INFLUX_TOKEN'),
    read('INFLUX_ORG'),
    read('INFLUX_BUCKET'),
  ];
  if (!/^https?:\/\/./.test(url))
    throw new CommandFailure(EXIT.usage, `INFLUX_URL ${url}: begin with http:// or https://`);
  return {
    url,
    token,
    org,
    names: {
      ...DEFAULT_MEASUREMENTS,
      bucket,
      hourlyBucket: given('INFLUX_BUCKET_HOURLY') ?? hourlyBucketOf(bucket),
      loopBucket: given('INFLUX_BUCKET_LOOP') ?? loopBucketOf(bucket),
    },
    connection: createInfluxConnection({ url, token, org, ...(timeout === undefined ? {} : { timeout }) }),
  };
}

/** Long enough for what a last cycle left; what is not written by then is written by the next worker. */
const LAST_WORDS_MS = 5_000;

/** What `--sink` names; null for none. */
export function sinkOfEnvironment(
  kind: string,
  store: Store,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): InfluxSink | null {
  if (kind === 'none') return null;
  if (kind !== 'influxdb') throw new CommandFailure(EXIT.usage, `--sink ${kind}: known are none, influxdb`);
  const { connection, names } = influxOfEnvironment(env, '--sink influxdb');
  const bucket = names.loopBucket;
  const writer = createInfluxWriter(
    connection,
    { bucket, precision: 'ns', patience: Number.POSITIVE_INFINITY, skipRejected: true },
    { say },
  );
  return createInfluxSink({ store, connection, bucket, writer, say });
}

/** Lets it write what it has, for a moment, and ends it. */
export async function endSink(sink: InfluxSink | null): Promise<void> {
  if (sink === null) return;
  await Promise.race([sink.drain(), delay(LAST_WORDS_MS, undefined, { ref: false })]);
  await sink.close();
}
