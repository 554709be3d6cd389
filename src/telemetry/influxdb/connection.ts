import { HttpError, InfluxDB, type ParameterizedQuery } from '@influxdata/influxdb-client';
import { z } from 'zod';
import { errorsOf, HeadroomError } from '../../domain/errors.js';
import { createCsvReader, type CsvRow } from './annotated-csv.js';

export const COMPONENT = 'telemetry/influxdb';

const optionsSchema = z.strictObject({
  url: z.url({ protocol: /^https?$/ }),
  token: z.string().min(1),
  org: z.string().min(1),
  timeout: z.number().positive().default(30),
});

export interface InfluxConnectionOptions {
  url: string;
  token: string;
  org: string;
  /** Seconds that one call may take, from sending to the last byte; default 30. */
  timeout?: number;
}

/** One InfluxDB 2 server and organisation: what the reader, the writer and the set-up speak through. */
export interface InfluxConnection {
  url: string;
  org: string;
  /** The official client, for its management APIs. */
  client: InfluxDB;
  /**
   * Runs Flux and hands each row over as it arrives: nothing is kept of the answer. Resolves when all of it was there.
   * @throws HeadroomError `unavailable`: down, slow, cut off in the middle; `refused`: the token; `not-found`: the
   * bucket or the organisation; `invalid-input`: the data are not of the layout.
   */
  query(flux: ParameterizedQuery, visit: (row: CsvRow) => void, action: string, signal: AbortSignal): Promise<void>;
  /**
   * Writes lines once, without a repeat; times are in milliseconds or nanoseconds, as `precision` says.
   * @throws WriteFailure
   */
  write(bucket: string, lines: string, precision: 'ms' | 'ns', signal: AbortSignal): Promise<void>;
}

/** A write that the server did not take, and whether a repeat can help. */
export class WriteFailure extends Error {
  override readonly name = 'WriteFailure';
  constructor(
    readonly error: HeadroomError,
    /** `again`: the server is down or busy. `rejected`: these points will never be taken; all others of the body were. */
    readonly verdict: 'again' | 'rejected' | 'refused',
    /** What the server asked to wait, in milliseconds; null where it did not say. */
    readonly retryAfterMs: number | null,
  ) {
    super(error.message, { cause: error });
  }
}

export const influxError = errorsOf(COMPONENT);

/** What a failed call means; `HttpError` is the client's for every answer that is no success. */
export function translateInflux(cause: unknown, action: string, url: string): HeadroomError {
  if (cause instanceof HeadroomError) return cause;
  if (!(cause instanceof HttpError)) {
    const problem = cause instanceof Error ? cause.message || cause.name : String(cause);
    return influxError('unavailable', action, problem, `see that InfluxDB answers at ${url}`, cause);
  }
  const said = saidBy(cause);
  switch (cause.statusCode) {
    case 401:
    case 403:
      return influxError('refused', action, said, 'give a token with the rights that `headroom telemetry check` names');
    case 404:
      return influxError(
        'not-found',
        action,
        said,
        'run `headroom telemetry init`, or correct INFLUX_BUCKET and INFLUX_ORG',
      );
    case 400:
    case 422:
      return influxError('invalid-input', action, said, 'docs/telemetry.md names the layout of the bucket', cause);
    default:
      return influxError('unavailable', action, said, 'try again when InfluxDB is well', cause);
  }
}

const messageSchema = z.looseObject({ message: z.string() });

function saidBy(error: HttpError): string {
  const parsed = messageSchema.safeParse(error.json);
  return `InfluxDB answered ${error.statusCode}: ${(parsed.success ? parsed.data.message : error.message).slice(0, 300)}`;
}

/** A number of seconds, or a date; null where there is none. */
function retryAfterOf(error: unknown): number | null {
  if (!(error instanceof HttpError)) return null;
  const value = error.headers?.['retry-after'];
  const text = Array.isArray(value) ? value[0] : value;
  if (text === undefined) return null;
  const seconds = Number(text);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(wait) ? Math.max(0, wait) : null;
}

export function createInfluxConnection(options: InfluxConnectionOptions): InfluxConnection {
  const { url, token, org, timeout } = optionsSchema.parse(options);
  const client = new InfluxDB({ url, token, timeout: Math.ceil(timeout * 1000) });

  /** One call; the bytes go to `next` as they come. A failure of `next` ends the call and is its error. */
  const call = async (
    path: string,
    body: string,
    headers: Record<string, string>,
    next: (bytes: Uint8Array) => void,
    action: string,
    signal: AbortSignal,
  ): Promise<void> => {
    signal.throwIfAborted();
    const ended = new AbortController();
    const onAbort = (): void => ended.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    // The client's own limit is one of silence: a server that drips for ever would never meet it.
    const deadline = setTimeout(
      () =>
        ended.abort(
          influxError('unavailable', action, `no whole answer within ${timeout}s`, 'ask for less, or try again'),
        ),
      timeout * 1000,
    );
    try {
      // Leaving the loop closes the connection, so that the server stops working on what nobody waits for.
      for await (const bytes of client.transport.iterate(path, body, {
        method: 'POST',
        headers,
        signal: ended.signal,
      })) {
        next(bytes);
      }
    } catch (cause) {
      if (ended.signal.aborted) throw ended.signal.reason;
      throw cause;
    } finally {
      clearTimeout(deadline);
      signal.removeEventListener('abort', onAbort);
    }
  };

  return {
    url,
    org,
    client,

    async query(flux, visit, action, signal) {
      const reader = createCsvReader((row) => {
        // A query that fails halfway has sent its status long ago: the error comes as a table.
        const failed = row.text('error');
        if (failed === '') visit(row);
        else throw failedQuery(failed, action);
      });
      const body = JSON.stringify({
        query: flux.toString(),
        type: 'flux',
        dialect: { header: true, delimiter: ',', annotations: ['datatype', 'default'] },
      });
      const headers = { 'content-type': 'application/json; encoding=utf-8', 'accept-encoding': 'identity' };
      try {
        await call(
          `/api/v2/query?org=${encodeURIComponent(org)}`,
          body,
          headers,
          (bytes) => reader.push(bytes),
          action,
          signal,
        );
        reader.end();
      } catch (cause) {
        if (signal.aborted && cause === signal.reason) throw cause;
        if (cause instanceof HttpError && cause.statusCode === 400) throw failedQuery(saidBy(cause), action, cause);
        throw translateInflux(cause, action, url);
      }
    },

    async write(bucket, lines, precision, signal) {
      const action = `writing to bucket ${bucket}`;
      const where = new URLSearchParams({ org, bucket, precision });
      const headers = { 'content-type': 'text/plain; charset=utf-8', accept: 'application/json' };
      try {
        await call(`/api/v2/write?${where.toString()}`, lines, headers, () => undefined, action, signal);
      } catch (cause) {
        if (signal.aborted && cause === signal.reason) throw cause;
        const error = translateInflux(cause, action, url);
        const verdict =
          error.kind === 'invalid-input' ? 'rejected' : error.kind === 'unavailable' ? 'again' : 'refused';
        throw new WriteFailure(error, verdict, retryAfterOf(cause));
      }
    },
  };
}

/** The server's own trouble can pass; data of another type stays what it is. */
function failedQuery(problem: string, action: string, cause?: unknown): HeadroomError {
  return /unsupported (input|aggregate|column)|type conflict|schema collision|unsupported.* type/i.test(problem)
    ? influxError('invalid-input', action, problem, 'docs/telemetry.md names the types of the fields', cause)
    : influxError('unavailable', action, problem, 'try again; if it stays, look at the log of InfluxDB', cause);
}
