import type { UsageBatch } from '../telemetry/port.js';
import { downsample } from '../telemetry/influxdb/downsample.js';
import { usageLines } from '../telemetry/influxdb/lines.js';
import { bucketKeeps } from '../telemetry/influxdb/setup.js';
import { createInfluxWriter } from '../telemetry/influxdb/writer.js';
import { HeadroomError } from '../domain/errors.js';
import { influxOfEnvironment } from './influxdb.js';

/** Where an import goes. */
export interface ImportTarget {
  /** In words, for the result. */
  through: string;
  /** What a count of {@link write} stands for: new rows, or samples sent, where the far end does not say which were new. */
  counts: 'written' | 'sent';
  /** Resolves with how many samples of the batch were taken; the others were there already, or are past retention. */
  write(batch: UsageBatch): Promise<number>;
  /** After the last write: what is still on its way is there when it resolves. */
  finish(): Promise<void>;
  close(): Promise<void>;
}

/**
 * InfluxDB, as the environment names it. Samples past the bucket's retention are left out, since the server would refuse
 * them; hours that the down-sampling task no longer looks at are down-sampled here.
 */
export async function influxTarget(env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<ImportTarget> {
  const { connection, names } = influxOfEnvironment(env, 'import --to influxdb');
  const keeps = await bucketKeeps(connection, names.bucket);
  if (keeps === null) {
    throw new HeadroomError({
      kind: 'not-found',
      component: 'telemetry/influxdb',
      action: `importing into bucket ${names.bucket}`,
      problem: 'there is no such bucket, or the token may not read it',
      remedy: 'run `headroom telemetry init`, or correct INFLUX_BUCKET and INFLUX_ORG',
    });
  }
  // A minute of grace, so that the server's clock does not find older what ours does not.
  const oldest = keeps === 0 ? Number.NEGATIVE_INFINITY : Date.now() / 1000 - keeps + 60;
  const writer = createInfluxWriter(connection, { bucket: names.bucket }, { say });
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  return {
    through: `${connection.url}, bucket ${names.bucket}`,
    counts: 'sent',
    async write({ key, samples }) {
      const kept = samples.filter(({ at }) => at >= oldest);
      await writer.write(usageLines({ key, samples: kept }));
      for (const { at } of kept) {
        from = Math.min(from, at);
        to = Math.max(to, at);
      }
      return kept.length;
    },
    async finish() {
      await writer.flush();
      if (from > to || (await bucketKeeps(connection, names.hourlyBucket)) === null) return;
      await downsample(
        connection,
        names,
        { from, to: Math.min(to + 1, Date.now() / 1000) },
        new AbortController().signal,
      );
    },
    close: () => {
      writer.close();
      return Promise.resolve();
    },
  };
}
