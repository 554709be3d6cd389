import { z } from 'zod';
import { HeadroomError } from '../domain/errors.js';
import type { StoreErasure } from './erasure.js';
import type { BehaviorStore } from './events/port.js';
import type { MetricBatch, Store, UsageBatch, UsageCatalogue, UsageWindow } from './port.js';
import type { RecordFeed } from './record-feed.js';
import { answers, decodeWindow, encodeMetrics, encodeUsage, errorSchema } from './wire.js';

const COMPONENT = 'telemetry/client';

const optionsSchema = z.strictObject({
  url: z.url({ protocol: /^https?$/ }),
  token: z.string().min(1),
  timeout: z.number().positive().default(60),
});

export interface StoreClientOptions {
  /** Of the owner's service, `http://127.0.0.1:PORT`. */
  url: string;
  token: string;
  /** Seconds that one call may take; default 60. */
  timeout?: number;
}

/** So many samples go in one request: some 3.4 MB, well below what the service takes. */
const MOST_SAMPLES = 200_000;

/** Cuts batches into requests; a write is idempotent, so that a cut-off import is repeated and not repaired. */
function* inRequests<Batch extends UsageBatch | MetricBatch>(batches: readonly Batch[]): Generator<Batch[]> {
  let request: Batch[] = [];
  let count = 0;
  for (const batch of batches) {
    for (let first = 0; first < batch.samples.length; first += MOST_SAMPLES) {
      const part = { ...batch, samples: batch.samples.slice(first, first + MOST_SAMPLES) };
      if (count > 0 && count + part.samples.length > MOST_SAMPLES) {
        yield request;
        request = [];
        count = 0;
      }
      request.push(part);
      count += part.samples.length;
    }
  }
  if (request.length > 0) yield request;
}

/**
 * The store of another process, behind the same port. Closing it leaves the owner alone.
 * @throws HeadroomError as the owner does, and `unavailable` where the owner is down, slow or cut off in the middle.
 */
export function createStoreClient(
  options: StoreClientOptions,
): Store & BehaviorStore & StoreErasure & UsageCatalogue & RecordFeed {
  const { url, token, timeout } = optionsSchema.parse(options);
  const base = url.replace(/\/$/, '');

  const error = (kind: HeadroomError['kind'], action: string, problem: string, remedy: string, cause?: unknown) =>
    new HeadroomError({
      kind,
      component: COMPONENT,
      action,
      problem,
      remedy,
      ...(cause === undefined ? {} : { cause }),
    });

  /** One request; the answer's bytes, all of them. */
  const call = async (path: string, body: string | Uint8Array[], signal?: AbortSignal): Promise<ArrayBuffer> => {
    signal?.throwIfAborted();
    const action = `calling ${path} of ${base}`;
    const limit = AbortSignal.timeout(timeout * 1000);
    let response: Response;
    let answer: ArrayBuffer;
    try {
      response = await fetch(`${base}/v1/${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: typeof body === 'string' ? body : new Blob(body),
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      });
      answer = await response.arrayBuffer();
    } catch (cause) {
      if (signal?.aborted === true) throw signal.reason;
      if (limit.aborted) {
        throw error('unavailable', action, `no answer within ${timeout}s`, 'try again, or ask for less at once', cause);
      }
      const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
      const problem = reason instanceof Error ? reason.message : String(reason);
      throw error('unavailable', action, problem, 'see that `headroom dev` or the worker is running', cause);
    }
    if (response.ok) return answer;
    if (response.status === 401 || response.status === 400) {
      const known = errorSchema.safeParse(parse(answer));
      if (known.success) throw new HeadroomError(known.data);
      throw error('refused', action, 'the token is not accepted', 'run the command again; the owner was started anew');
    }
    const known = errorSchema.safeParse(parse(answer));
    if (known.success) throw new HeadroomError(known.data);
    throw error('unavailable', action, `it answered ${response.status}`, 'see what else listens on that address');
  };

  const understand = <T>(path: string, read: () => T): T => {
    try {
      return read();
    } catch (cause) {
      const problem = `its answer makes no sense (${cause instanceof Error ? cause.message.slice(0, 200) : String(cause)})`;
      throw error('unavailable', `calling ${path} of ${base}`, problem, 'use the owner’s version of headroom', cause);
    }
  };
  const ask = async <Schema extends z.ZodType>(
    path: string,
    body: unknown,
    schema: Schema,
    signal?: AbortSignal,
  ): Promise<z.output<Schema>> => {
    const answer = await call(path, JSON.stringify(body), signal);
    return understand(path, () => schema.parse(parse(answer)));
  };
  const askWindow = async (path: string, body: unknown, signal: AbortSignal): Promise<UsageWindow> => {
    const answer = await call(path, JSON.stringify(body), signal);
    return understand(path, () => decodeWindow(answer));
  };
  const write = async (path: string, requests: Iterable<Uint8Array[]>): Promise<{ written: number }> => {
    let written = 0;
    for (const request of requests) {
      const answer = await call(path, request);
      written += understand(path, () => answers.written.parse(parse(answer))).written;
    }
    return { written };
  };

  return {
    name: 'embedded',
    writeUsage: (batches) => write('write-usage', [...inRequests(batches)].map(encodeUsage)),
    writeMetrics: (batches) => write('write-metrics', [...inRequests(batches)].map(encodeMetrics)),
    readUsage: (query, signal) => askWindow('read-usage', query, signal),
    readMetric: async (query, signal) => (await ask('read-metric', query, answers.metric, signal)).value,
    takeSnapshot: (query, takenAt, signal) => ask('take-snapshot', { query, takenAt }, answers.snapshot, signal),
    readSnapshot: (id, signal, since) => askWindow('read-snapshot', { id, since }, signal),
    putRecord: async (record) => {
      await ask('put-record', record, answers.done);
    },
    putRecords: async (kind, records) => {
      await ask('put-records', { kind, records }, answers.done);
    },
    getRecord: (kind, id) => ask('get-record', { kind, id }, answers.record),
    getRecords: (kind, ids) => ask('get-records', { kind, ids }, answers.records),
    listRecords: (kind, account, options) => ask('list-records', { kind, account, ...options }, answers.records),
    recordsAfter: (kind, account, after, limit) =>
      ask('records-after', { kind, account, after, limit }, answers.records),
    newestRecords: (kind) => ask('newest-records', { kind }, answers.newest),
    async nextRecord(kind, account, seen, signal) {
      // The owner answers null where nothing came for a while, so that no connection is held for ever.
      for (;;) {
        const record = await ask('next-record', { kind, account, seen }, answers.record, signal);
        if (record !== null) return record;
      }
    },
    holdings: (account) => ask('holdings', { account }, answers.holdings),
    eraseAccount: (account) => ask('erase-account', { account }, answers.holdings),
    scrubLabels: (id) => ask('scrub-labels', { id }, answers.scrubbed),
    usageSeries: (account) => ask('usage-series', { account }, answers.usageSeries),
    behaviorAccounts: () => ask('behavior-accounts', {}, answers.accounts),
    writeBehavior: (part) => ask('write-behavior', part, answers.written),
    readEvents: (query, signal) => ask('read-events', query, answers.behavior, signal),
    close: () => Promise.resolve(),
  };
}

function parse(bytes: ArrayBuffer): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
