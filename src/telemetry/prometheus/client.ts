import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { z } from 'zod';
import { HeadroomError, type ErrorKind } from '../../domain/errors.js';
import type { EpochSeconds } from '../../domain/time.js';

/** How to reach a server that speaks Prometheus' HTTP API: Prometheus, Thanos, Mimir, Cortex. */
export interface ConnectionOptions {
  /** With its path prefix where it has one. */
  url: string;
  /** Bearer token. */
  token?: string;
  /** File with the bearer token, read again for each query: mounted tokens are renewed. */
  tokenFile?: string;
  basic?: { user: string; password: string };
  /** More headers, as X-Scope-OrgID. */
  headers?: Record<string, string>;
  /** PEM of the authority that signed the server's certificate. */
  ca?: string;
  /** Seconds that one query may take, from sending to the last byte; default 20. */
  timeout?: number;
  /** Bytes that one answer may have; default 128 MiB. */
  mostBytes?: number;
}

export interface VectorSample {
  labels: Record<string, string>;
  value: number;
}

export interface MatrixSeries {
  labels: Record<string, string>;
  /** Seconds since 1970, ascending. */
  times: Float64Array;
  values: Float64Array;
}

export interface PrometheusClient {
  instant(query: string, at: EpochSeconds, action: string, signal: AbortSignal): Promise<VectorSample[]>;
  /** Evaluated at start, start + step, … up to end. */
  range(
    query: string,
    range: { start: EpochSeconds; end: EpochSeconds; step: number },
    action: string,
    signal: AbortSignal,
  ): Promise<MatrixSeries[]>;
  close(): void;
}

/** The answer was more than the server or this side takes at once: the caller may ask for less. */
export class TooMuch extends Error {
  override readonly name = 'TooMuch';
}

const labels = z.record(z.string(), z.string());
const point = z.tuple([z.number(), z.string()]);
const answerSchema = z.looseObject({
  status: z.enum(['success', 'error']),
  errorType: z.string().optional(),
  error: z.string().optional(),
  warnings: z.array(z.string()).nullish(),
  data: z.unknown().optional(),
});
const vectorSchema = z.looseObject({
  resultType: z.enum(['vector', 'scalar']),
  result: z.union([z.array(z.looseObject({ metric: labels, value: point })), point]),
});
const matrixSchema = z.looseObject({
  resultType: z.literal('matrix'),
  // The points are read by hand: there are tens of thousands of them.
  result: z.array(z.looseObject({ metric: labels, values: z.array(z.unknown()) })),
});

const MOST_SOCKETS = 4;
const MOST_BYTES = 128 * 2 ** 20;

export function createPrometheusClient(options: ConnectionOptions): PrometheusClient {
  const { url, timeout = 20, mostBytes = MOST_BYTES } = options;
  const base = new URL(url.endsWith('/') ? url : `${url}/`);
  const secure = base.protocol === 'https:';
  const agent = secure
    ? new HttpsAgent({
        keepAlive: true,
        maxSockets: MOST_SOCKETS,
        ...(options.ca === undefined ? {} : { ca: options.ca }),
      })
    : new HttpAgent({ keepAlive: true, maxSockets: MOST_SOCKETS });

  const fail = (kind: ErrorKind, action: string, problem: string, remedy: string, cause?: unknown): HeadroomError =>
    new HeadroomError({
      kind,
      component: 'telemetry/prometheus',
      action,
      problem,
      remedy,
      ...(cause === undefined ? {} : { cause }),
    });

  async function authorization(action: string): Promise<Record<string, string>> {
    if (options.basic !== undefined) {
      const { user, password } = options.basic;
      return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
    }
    if (options.tokenFile !== undefined) {
      try {
        return { authorization: `Bearer ${(await readFile(options.tokenFile, 'utf8')).trim()}` };
      } catch (error) {
        throw fail('unavailable', action, String(error), 'see that the token file is mounted and readable', error);
      }
    }
    return options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
  }

  /** A POST with a form: an alternation of many names would not fit in a URL. The whole body or an error. */
  async function post(
    path: string,
    form: Record<string, string>,
    action: string,
    signal: AbortSignal,
  ): Promise<{ status: number; body: string }> {
    signal.throwIfAborted();
    const body = new URLSearchParams({ ...form, timeout: `${timeout}s` }).toString();
    const headers = {
      ...options.headers,
      ...(await authorization(action)),
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(Buffer.byteLength(body)),
    };
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        clearTimeout(deadline);
        signal.removeEventListener('abort', onAbort);
        end();
      };
      const give = (up: unknown): void => {
        settle(() => reject(up));
        sent.destroy();
      };
      const onAbort = (): void => give(signal.reason);
      // Of the whole answer, not of silence: a server that drips for ever would never be silent.
      const deadline = setTimeout(
        () => give(fail('unavailable', action, `no whole answer within ${timeout}s`, 'ask for less, or try again')),
        timeout * 1000,
      );
      signal.addEventListener('abort', onAbort, { once: true });
      const unreachable = (error: Error): void =>
        give(fail('unavailable', action, error.message, `see that Prometheus answers at ${base.origin}`, error));
      const onAnswer = (answer: IncomingMessage): void => {
        const chunks: Buffer[] = [];
        let size = 0;
        answer.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > mostBytes) give(new TooMuch(`an answer of more than ${mostBytes} bytes`));
          else chunks.push(chunk);
        });
        answer.on('error', unreachable);
        answer.on('close', () => {
          if (!answer.complete) unreachable(new Error('the answer was cut off'));
        });
        answer.on('end', () =>
          settle(() => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') })),
        );
      };
      const target = new URL(path, base);
      const sent = secure
        ? httpsRequest(target, { method: 'POST', headers, agent }, onAnswer)
        : httpRequest(target, { method: 'POST', headers, agent }, onAnswer);
      sent.on('error', unreachable);
      sent.end(body);
    });
  }

  function refusal(status: number, said: string, errorType: string | undefined, action: string): Error {
    const text = said.replaceAll(/\s+/g, ' ').trim().slice(0, 300) || `status ${status}`;
    if (status === 401 || status === 403) {
      return fail('refused', action, text, 'give a token that may read metrics');
    }
    if (status === 404) return fail('not-found', action, text, 'give the URL of Prometheus with its path prefix');
    if (/too many samples|exceeded maximum resolution|response.*too large|limit.*series/i.test(text)) {
      return new TooMuch(text);
    }
    if (errorType === 'bad_data' || status === 400 || /many-to-many|duplicate series|same labelset/i.test(text)) {
      return fail('invalid-input', action, text, 'correct the template of this component or metric');
    }
    return fail('unavailable', action, text, 'try again when Prometheus is well');
  }

  /** The data of a whole answer; one that warns is not whole, since stores behind a querier may have been left out. */
  async function ask(path: string, form: Record<string, string>, action: string, signal: AbortSignal) {
    const { status, body } = await post(path, form, action, signal);
    let value: unknown;
    try {
      value = JSON.parse(body);
    } catch (error) {
      if (status !== 200) throw refusal(status, body, undefined, action);
      throw fail('unavailable', action, 'the answer is no JSON', 'see that the URL is that of Prometheus', error);
    }
    const parsed = answerSchema.safeParse(value);
    if (!parsed.success) {
      if (status !== 200) throw refusal(status, body, undefined, action);
      throw misunderstood(action, parsed.error);
    }
    const { error, errorType, warnings, data } = parsed.data;
    if (status !== 200 || parsed.data.status === 'error') throw refusal(status, error ?? '', errorType, action);
    // Remarks on the query itself say nothing about what is missing.
    const doubts = (warnings ?? []).filter((warning) => !warning.startsWith('PromQL info'));
    if (doubts.length > 0) {
      throw fail('unavailable', action, `it warns: ${doubts.join('; ').slice(0, 300)}`, 'mend what it warns of');
    }
    return data;
  }

  const misunderstood = (action: string, error: z.ZodError): HeadroomError =>
    fail(
      'unavailable',
      action,
      `an answer is not as expected (${z.prettifyError(error).replaceAll('\n', ' ').slice(0, 200)})`,
      'see that the URL is that of a server with Prometheus’ HTTP API',
    );

  return {
    async instant(query, at, action, signal) {
      const data = await ask('api/v1/query', { query, time: at.toFixed(3) }, action, signal);
      const parsed = vectorSchema.safeParse(data);
      if (!parsed.success) throw misunderstood(action, parsed.error);
      const { result } = parsed.data;
      return result.flatMap((entry) =>
        typeof entry === 'object' && 'metric' in entry
          ? [{ labels: entry.metric, value: numberOf(entry.value[1]) }]
          : [],
      );
    },

    async range(query, { start, end, step }, action, signal) {
      const form = { query, start: start.toFixed(3), end: end.toFixed(3), step: String(step) };
      const parsed = matrixSchema.safeParse(await ask('api/v1/query_range', form, action, signal));
      if (!parsed.success) throw misunderstood(action, parsed.error);
      return parsed.data.result.map(({ metric, values }) => {
        const times = new Float64Array(values.length);
        const numbers = new Float64Array(values.length);
        for (const [index, entry] of values.entries()) {
          const [time, value]: unknown[] = Array.isArray(entry) ? entry : [];
          if (typeof time !== 'number' || typeof value !== 'string') {
            throw fail('unavailable', action, 'a point is not as expected', 'see that the URL is that of Prometheus');
          }
          times[index] = time;
          numbers[index] = numberOf(value);
        }
        return { labels: metric, times, values: numbers };
      });
    },

    close: () => agent.destroy(),
  };
}

/** Not a number and the infinities are missing: Prometheus writes them as NaN, +Inf and -Inf. */
function numberOf(text: string): number {
  const value = Number(text);
  return Number.isFinite(value) && text !== '' ? value : Number.NaN;
}
