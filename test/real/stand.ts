import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { letGo, startWorker, watchOver, type WorkerProcess } from '../../infra/servers/index.js';
import type { Component } from '../../src/domain/component.js';
import { binStart, type EpochSeconds } from '../../src/domain/time.js';
import { usageLines } from '../../src/telemetry/influxdb/lines.js';
import { startDevServer, type DevServer } from '../../src/temporal/server.js';
import { environment, headroom, type Ran } from '../cli/headroom.js';
import type { OwnBucket } from './influxdb-bucket.js';

/*
 * The whole product as its users run it, on real servers: a Temporal server with its database file, `headroom worker` as a
 * process, usage in InfluxDB, objects on a Kubernetes API server. Everything but the account's own time is as it is.
 */

export type { WorkerProcess };

export interface Stand {
  folder: string;
  env: NodeJS.ProcessEnv;
  temporal: DevServer;
  /** Starts a worker and waits until it serves. */
  startWorker(...flags: string[]): Promise<WorkerProcess>;
  headroom(...argv: string[]): Promise<Ran>;
  /** @throws Error with what it said, where it does not end with 0. */
  done(...argv: string[]): Promise<string>;
  status(account: string): Promise<Status>;
  history(account: string): Promise<History>;
  /** Ends everything that was started here. */
  close(): Promise<void>;
}

const statusSchema = z.object({
  cycle: z.number(),
  phase: z.string(),
  verdict: z.object({ kind: z.string(), reason: z.string().optional(), detail: z.string().optional() }).nullable(),
  holds: z.record(z.string(), z.number()),
  results: z.record(z.string(), z.number()),
  planId: z.string().nullable().optional(),
});
export type Status = z.infer<typeof statusSchema>;

const historySchema = z.object({
  changes: z.array(
    z.object({
      changeId: z.string(),
      result: z.string(),
      detail: z.string(),
      applied: z.number(),
      restored: z.boolean(),
      leadTime: z.number().nullable().optional(),
    }),
  ),
});
export type History = z.infer<typeof historySchema>;

export interface StandOptions {
  kubeconfig: string;
  influx: { url: string; token: string; org: string; bucket: string };
  /** More environment of the processes. */
  env?: Record<string, string>;
  /** Where the store and the Temporal server keep theirs; default in a folder of the stand's own. */
  home?: string;
  temporalFolder?: string;
  /** An InfluxDB, or the embedded store. */
  source?: 'influxdb' | 'store';
}

export async function openStand(options: StandOptions): Promise<Stand> {
  const folder = await mkdtemp(join(tmpdir(), 'headroom-stand-'));
  const databaseFile = join(options.temporalFolder ?? folder, 'temporal.db');
  const temporal = await startDevServer({ databaseFile, env: process.env });
  // Neither it nor a worker outlives a run that is killed.
  if (temporal.pid !== null) watchOver(temporal.pid);
  const env = environment(options.home ?? join(folder, 'home'), {
    TEMPORAL_ADDRESS: temporal.address,
    KUBECONFIG: options.kubeconfig,
    INFLUX_URL: options.influx.url,
    INFLUX_TOKEN: options.influx.token,
    INFLUX_ORG: options.influx.org,
    INFLUX_BUCKET: options.influx.bucket,
    ...options.env,
  });
  const workers: WorkerProcess[] = [];
  const done = async (...argv: string[]): Promise<string> => {
    const ran = await headroom(env, ...argv);
    if (ran.code !== 0) throw new Error(`headroom ${argv.join(' ')} ended with ${ran.code}: ${ran.err}${ran.out}`);
    return ran.out;
  };
  return {
    folder,
    env,
    temporal,
    async startWorker(...flags) {
      const worker = await startWorker(env, [
        '--source',
        options.source ?? 'influxdb',
        '--metrics-port',
        '0',
        ...flags,
      ]);
      workers.push(worker);
      return worker;
    },
    headroom: (...argv) => headroom(env, ...argv),
    done,
    status: async (account) => statusSchema.parse(JSON.parse(await done('status', account, '--json'))),
    history: async (account) =>
      historySchema.parse(JSON.parse(await done('history', account, '--json', '--limit', '1000'))),
    async close() {
      for (const worker of workers) await worker.stop();
      await temporal.close();
      if (temporal.pid !== null) letGo(temporal.pid);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Writes an account file and starts the account. */
export async function startAccount(stand: Stand, account: string, file: unknown): Promise<void> {
  const path = join(stand.folder, `${account}.yaml`);
  // JSON is YAML.
  await writeFile(path, JSON.stringify(file));
  await stand.done('start', account, '-f', path);
}

/** Usage of one workload as a function of time, written for the bins in [from, to). */
export async function writeUsage(
  bucket: OwnBucket,
  key: { account: string; workload: string; component: Component },
  window: { from: EpochSeconds; to: EpochSeconds; step: number },
  demand: (at: EpochSeconds) => number,
): Promise<void> {
  const samples = [];
  for (let at = window.from; at < window.to; at += window.step) samples.push({ at, value: demand(at) });
  const lines = [...usageLines({ key, samples })];
  for (let first = 0; first < lines.length; first += 5000) {
    const part = lines.slice(first, first + 5000).join('\n');
    await bucket.connection.write(bucket.name, part, 'ms', AbortSignal.timeout(120_000));
  }
}

/**
 * Goes on writing usage as the stand's time passes: each bin when it is over, as an agent would.
 * @returns how to end it.
 */
export function feedUsage(
  bucket: OwnBucket,
  keys: readonly { account: string; workload: string; component: Component }[],
  clock: { from: EpochSeconds; step: number; now(): EpochSeconds },
  demand: (at: EpochSeconds, workload: string) => number,
): () => Promise<void> {
  let ended = false;
  const run = (async () => {
    let from = clock.from;
    while (!ended) {
      const to = binStart(clock.now(), clock.step);
      if (to > from) {
        try {
          for (const key of keys) {
            await writeUsage(bucket, key, { from, to, step: clock.step }, (at) => demand(at, key.workload));
          }
          from = to;
        } catch {
          // Its server is down: what it could not write now it writes when the server is back.
        }
      }
      await delay(100);
    }
  })();
  return async () => {
    ended = true;
    await run;
  };
}
