import { BucketsAPI, OrgsAPI, TasksAPI, type Bucket } from '@influxdata/influxdb-client-apis';
import { flux } from '@influxdata/influxdb-client';
import { formatDuration, type EpochSeconds } from '../../domain/time.js';
import { influxError, translateInflux, WriteFailure, type InfluxConnection } from './connection.js';
import { downsample, taskFlux, taskName } from './downsample.js';
import { HOUR, type InfluxNames } from './layout.js';

/* What `headroom telemetry init` makes, and what `headroom telemetry check` looks at. */

export interface InfluxBuckets extends InfluxNames {
  /** Forecasts, plans, outcomes. */
  loopBucket: string;
}

export interface SetupOptions {
  names: InfluxBuckets;
  /** Seconds that each bucket keeps its data; 0 is for ever. */
  keep: { raw: number; hourly: number; loop: number };
  /** Allows retention to become shorter, which deletes data. */
  shorten: boolean;
  /** Down-samples all that the raw bucket has, also where the hourly one was there before. */
  backfill: boolean;
  now: EpochSeconds;
}

export interface SetupStep {
  what: 'bucket' | 'task' | 'history';
  name: string;
  did: 'created' | 'changed' | 'unchanged';
  detail: string;
}

export const keepWords = (seconds: number): string => (seconds === 0 ? 'for ever' : formatDuration(seconds));

const DAY = 86_400;

/** Any span is shorter than for ever. */
const longer = (a: number, b: number): boolean => a !== b && b !== 0 && (a === 0 || a > b);

async function translated<T>(connection: InfluxConnection, action: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw translateInflux(cause, action, connection.url);
  }
}

async function orgId(connection: InfluxConnection): Promise<string> {
  const { org } = connection;
  const action = `finding organisation ${org}`;
  const { orgs = [] } = await translated(connection, action, () => new OrgsAPI(connection.client).getOrgs({ org }));
  const id = orgs.find((one) => one.name === org)?.id;
  if (id !== undefined) return id;
  throw influxError(
    'not-found',
    action,
    'there is none, or the token may not see it',
    'correct INFLUX_ORG, or give an all-access token: only it can make buckets and tasks',
  );
}

async function findBucket(connection: InfluxConnection, name: string): Promise<Bucket | null> {
  try {
    const { buckets = [] } = await new BucketsAPI(connection.client).getBuckets({ org: connection.org, name });
    return buckets.find((bucket) => bucket.name === name) ?? null;
  } catch (cause) {
    const error = translateInflux(cause, `finding bucket ${name}`, connection.url);
    if (error.kind === 'not-found') return null;
    throw error;
  }
}

/** How long a bucket keeps its data, in seconds, 0 for ever; null where there is none that the token may read. */
export async function bucketKeeps(connection: InfluxConnection, name: string): Promise<number | null> {
  const found = await findBucket(connection, name);
  return found === null ? null : keepsOf(found);
}

/** Seconds; 0 is for ever. */
const keepsOf = (bucket: Bucket): number => bucket.retentionRules[0]?.everySeconds ?? 0;

/**
 * Seconds of data that InfluxDB keeps in one shard, and drops as one. It would take days up to half a year; a month's
 * window then opens 28 shards and takes a quarter longer than from weeks (179 against 136 ms). Never longer than the
 * retention, which the server refuses.
 */
function shardGroupOf(keep: number): number {
  if (keep === 0 || keep >= 28 * DAY) return 7 * DAY;
  return keep < 2 * DAY ? HOUR : DAY;
}

async function ensureBucket(
  connection: InfluxConnection,
  orgID: string,
  wanted: { name: string; keep: number; description: string },
  shorten: boolean,
): Promise<SetupStep> {
  const { name, keep, description } = wanted;
  const api = new BucketsAPI(connection.client);
  const retentionRules =
    keep === 0 ? [] : [{ type: 'expire' as const, everySeconds: keep, shardGroupDurationSeconds: shardGroupOf(keep) }];
  const found = await findBucket(connection, name);
  if (found === null) {
    await translated(connection, `creating bucket ${name}`, () =>
      api.postBuckets({ body: { orgID, name, description, retentionRules } }),
    );
    return { what: 'bucket', name, did: 'created', detail: `keeps ${keepWords(keep)}` };
  }
  const keeps = keepsOf(found);
  const id = found.id;
  if (keeps === keep || id === undefined) {
    return { what: 'bucket', name, did: 'unchanged', detail: `keeps ${keepWords(keeps)}` };
  }
  if (longer(keeps, keep) && !shorten) {
    const detail = `keeps ${keepWords(keeps)}; --shorten makes it ${keepWords(keep)}, which deletes what is older`;
    return { what: 'bucket', name, did: 'unchanged', detail };
  }
  await translated(connection, `changing the retention of bucket ${name}`, () =>
    api.patchBucketsID({
      bucketID: id,
      body: {
        retentionRules: [{ type: 'expire', everySeconds: keep, shardGroupDurationSeconds: shardGroupOf(keep) }],
      },
    }),
  );
  return { what: 'bucket', name, did: 'changed', detail: `keeps ${keepWords(keep)}, before ${keepWords(keeps)}` };
}

async function ensureTask(connection: InfluxConnection, orgID: string, names: InfluxNames): Promise<SetupStep> {
  const api = new TasksAPI(connection.client);
  const name = taskName(names);
  const wanted = taskFlux(names);
  const action = `setting up task ${name}`;
  return translated(connection, action, async () => {
    const { tasks = [] } = await api.getTasks({ name, orgID });
    const found = tasks.find((task) => task.name === name);
    const step = (did: SetupStep['did']): SetupStep => ({
      what: 'task',
      name,
      did,
      detail: `every hour into ${names.hourlyBucket}`,
    });
    if (found === undefined) {
      await api.postTasks({ body: { orgID, flux: wanted } });
      return step('created');
    }
    if (found.flux === wanted && found.status === 'active') return step('unchanged');
    await api.patchTasksID({ taskID: found.id, body: { flux: wanted, status: 'active' } });
    return step('changed');
  });
}

/**
 * Makes buckets, retention and the down-sampling task as wanted; what is so already stays untouched.
 * @throws HeadroomError `refused`: the token lacks rights; `not-found`: the organisation.
 */
export async function initInflux(
  connection: InfluxConnection,
  options: SetupOptions,
  signal: AbortSignal,
): Promise<SetupStep[]> {
  const { names, keep, shorten, backfill, now } = options;
  const { bucket, hourlyBucket, loopBucket } = names;
  const orgID = await orgId(connection);
  const steps: SetupStep[] = [];
  const wanted = [
    { name: bucket, keep: keep.raw, description: 'Headroom: usage and metrics as sampled' },
    { name: hourlyBucket, keep: keep.hourly, description: `Headroom: sums and counts of ${bucket} by the hour` },
    { name: loopBucket, keep: keep.loop, description: 'Headroom: forecasts, plans, outcomes' },
  ];
  for (const one of wanted) {
    signal.throwIfAborted();
    steps.push(await ensureBucket(connection, orgID, one, shorten));
  }
  steps.push(await ensureTask(connection, orgID, names));
  const isNew = (name: string): boolean => steps.some((step) => step.name === name && step.did === 'created');
  // A raw bucket that is new has no history, an hourly one that is new lacks all of it.
  if (backfill || (isNew(hourlyBucket) && !isNew(bucket))) {
    const oldest = await oldestSample(connection, names, signal);
    if (oldest !== null) await downsample(connection, names, { from: oldest, to: now }, signal);
    const detail = oldest === null ? 'nothing to down-sample yet' : `down-sampled ${formatDuration(now - oldest)}`;
    steps.push({ what: 'history', name: bucket, did: oldest === null ? 'unchanged' : 'changed', detail });
  }
  return steps;
}

async function oldestSample(
  connection: InfluxConnection,
  { bucket, usageMeasurement }: InfluxNames,
  signal: AbortSignal,
): Promise<EpochSeconds | null> {
  let oldest = Number.POSITIVE_INFINITY;
  await connection.query(
    flux`from(bucket: ${bucket})
  |> range(start: 0)
  |> filter(fn: (r) => r._measurement == ${usageMeasurement} and r._field == "value")
  |> first()
  |> keep(columns: ["_time"])
`,
    (row) => (oldest = Math.min(oldest, row.seconds('_time'))),
    `looking for the first sample of ${bucket}`,
    signal,
  );
  return Number.isFinite(oldest) ? oldest : null;
}

export interface Check {
  name: string;
  ok: boolean;
  detail: string;
}

/** Looks at everything that Headroom needs of InfluxDB, one by one; a failed one says what to do. Writes nothing. */
export async function checkInflux(
  connection: InfluxConnection,
  names: InfluxBuckets,
  signal: AbortSignal,
): Promise<Check[]> {
  const checks: Check[] = [];
  const check = async (name: string, work: () => Promise<string>): Promise<boolean> => {
    try {
      checks.push({ name, ok: true, detail: await work() });
      return true;
    } catch (error) {
      if (signal.aborted) throw error;
      checks.push({ name, ok: false, detail: error instanceof Error ? error.message : String(error) });
      return false;
    }
  };
  const reachable = await check('server', async () => {
    await translated(connection, 'asking for its health', () =>
      connection.client.transport.request('/health', '', { method: 'GET', signal }),
    );
    return `answers at ${connection.url}`;
  });
  if (!reachable) return checks;
  for (const name of [names.bucket, names.hourlyBucket, names.loopBucket]) {
    const there = await check(`bucket ${name}`, async () => {
      const found = await findBucket(connection, name);
      if (found !== null) return `keeps ${keepWords(keepsOf(found))}`;
      throw influxError(
        'not-found',
        `finding bucket ${name}`,
        'there is none, or the token may not read it',
        'run `headroom telemetry init`, or correct INFLUX_BUCKET',
      );
    });
    if (!there) continue;
    await check(`reading ${name}`, async () => {
      const query = flux`from(bucket: ${name}) |> range(start: -1m) |> limit(n: 1)`;
      await connection.query(query, () => undefined, `reading bucket ${name}`, signal);
      return 'allowed';
    });
    // Nothing at all is written, which still takes the right to.
    await check(`writing ${name}`, async () => {
      await connection.write(name, '', 'ms', signal).catch((error: unknown) => {
        throw error instanceof WriteFailure ? error.error : error;
      });
      return 'allowed';
    });
  }
  await check('down-sampling', async () => {
    const name = taskName(names);
    const action = `finding task ${name}`;
    const { tasks = [] } = await translated(connection, action, () =>
      new TasksAPI(connection.client).getTasks({ name }),
    );
    const found = tasks.find((task) => task.name === name);
    const remedy = 'run `headroom telemetry init`';
    if (found === undefined)
      throw influxError('not-found', action, 'there is none, or the token may not see it', remedy);
    if (found.status !== 'active') throw influxError('refused', action, 'it is switched off', remedy);
    if (found.lastRunStatus === 'failed') {
      throw influxError('unavailable', action, found.lastRunError ?? 'its last run failed', 'see its log in InfluxDB');
    }
    return `task runs every hour, last ${found.latestCompleted ?? 'never'}`;
  });
  return checks;
}
