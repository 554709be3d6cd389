import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { z } from 'zod';

/*
 * GET requests as the caches need them: documents, and streams of one document a line that notice when the other end
 * has gone quiet. The client library's own Watch leaves out lines that it cannot read, swallows what its callback
 * throws, and has no time limit for a connection that is never answered: a cache built on it could not say how old it is.
 */

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** The API server answered, with something else than was asked for. */
export class Answered extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** The server asks to be left alone for so long; null where it does not say. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
  }
}

export interface Transport {
  /** The API server's address, for messages. */
  readonly server: string;
  /** @throws Answered for a status other than 200; any other error where no whole answer came. */
  get(path: string, query: Query, options: { signal: AbortSignal; timeoutMs: number }): Promise<unknown>;
  /** Is the API server there and ready? A refusal of our credentials is an answer, too. @throws as `get`. */
  ping(timeoutMs: number): Promise<void>;
  /**
   * Reads a stream until the server ends it. `onOpen` once the server has accepted, `onLine` for each document.
   * @throws Answered for a status other than 200; any other error where the stream breaks, is not begun within
   *   `openMs`, or says nothing for `quietMs` (asked anew whenever something was heard).
   */
  stream(
    path: string,
    query: Query,
    options: {
      signal: AbortSignal;
      openMs: number;
      quietMs: () => number;
      onOpen(): void;
      onLine(value: unknown): void;
    },
  ): Promise<void>;
}

/** An idle connection asks the other end for a sign of life this often; ten that stay away break it. */
const KEEP_ALIVE_MS = 10_000;
/** No answer of the API server is longer: a page is limited by its number of objects. */
const MOST_BYTES = 256 * 2 ** 20;

const statusSchema = z.object({ message: z.string() });

export function createTransport(kubeConfig: KubeConfig): Transport {
  const server = kubeConfig.getCurrentCluster()?.server ?? '';

  const open = async (path: string, query: Query, signal: AbortSignal): Promise<IncomingMessage> => {
    signal.throwIfAborted();
    const url = new URL(server.replace(/\/$/, '') + path);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const options: RequestOptions = { headers: { Accept: 'application/json', 'User-Agent': 'headroom' } };
    // Each time afresh: tokens and certificates of a kubeconfig are renewed while a worker runs.
    await kubeConfig.applyToHTTPSOptions(options);
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const send = url.protocol === 'http:' ? requestHttp : requestHttps;
      const request = send(url, { ...options, method: 'GET', signal }, resolve);
      request.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
      request.on('error', reject);
      request.end();
    });
  };

  return {
    server,
    async get(path, query, { signal, timeoutMs }) {
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      try {
        const response = await open(path, query, bounded);
        const text = await textOf(response);
        if (response.statusCode !== 200) throw answered(response, text);
        return JSON.parse(text);
      } catch (error) {
        signal.throwIfAborted();
        if (bounded.aborted) throw new Error(`no answer within ${timeoutMs / 1000} s`, { cause: error });
        throw error;
      }
    },
    async ping(timeoutMs) {
      const bounded = AbortSignal.timeout(timeoutMs);
      try {
        const response = await open('/readyz', {}, bounded);
        const text = await textOf(response);
        if ((response.statusCode ?? 0) >= 500) throw answered(response, text);
      } catch (error) {
        if (bounded.aborted) throw new Error(`no answer within ${timeoutMs / 1000} s`, { cause: error });
        throw error;
      }
    },
    async stream(path, query, { signal, openMs, quietMs, onOpen, onLine }) {
      const broken = new AbortController();
      let timer = setTimeout(() => broken.abort(new Error(`no answer within ${openMs / 1000} s`)), openMs);
      const heard = () => {
        clearTimeout(timer);
        const limit = quietMs();
        timer = setTimeout(() => broken.abort(new Error(`nothing was heard for ${limit / 1000} s`)), limit);
      };
      const either = AbortSignal.any([signal, broken.signal]);
      try {
        const response = await open(path, query, either);
        if (response.statusCode !== 200) throw answered(response, await textOf(response));
        heard();
        onOpen();
        let rest = '';
        response.setEncoding('utf8');
        for await (const chunk of response) {
          rest += String(chunk);
          const lines = rest.split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) if (line !== '') onLine(JSON.parse(line));
          heard();
        }
        // The server ends a watch between two documents; half of one means that the connection broke.
        if (rest.trim() !== '') throw new Error('the stream was cut off in the middle of an event');
      } catch (error) {
        signal.throwIfAborted();
        if (broken.signal.aborted) throw broken.signal.reason;
        throw error;
      } finally {
        clearTimeout(timer);
        broken.abort(new Error('done'));
      }
    },
  };
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length > MOST_BYTES) throw new Error(`the answer is longer than ${MOST_BYTES} characters`);
  }
  return text;
}

function answered(response: IncomingMessage, text: string): Answered {
  const status = response.statusCode ?? 0;
  const seconds = Number(response.headers['retry-after']);
  const retryAfterMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : null;
  return new Answered(status, messageOf(text) ?? `status ${status}`, retryAfterMs);
}

/** The server's own words, out of the Status that it answers with. */
function messageOf(text: string): string | null {
  try {
    const parsed = statusSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data.message : null;
  } catch {
    return text === '' ? null : text.slice(0, 200).trim();
  }
}
