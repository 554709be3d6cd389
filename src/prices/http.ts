import type { PriceBook } from '../domain/prices.js';
import type { EpochSeconds } from '../domain/time.js';
import { readBook } from './document.js';
import { priceError, type PriceSource } from './port.js';

export interface HttpPricesOptions {
  url: string;
  token?: string;
  timeoutMs: number;
  now: () => EpochSeconds;
}

/** Where a request ended: never with the query of its address, which may hold a key. */
export const shown = (url: string): string => {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
};

/**
 * Prices over HTTP, as JSON. What is unchanged by its ETag is not sent again: the book known before is then true of now,
 * unless it states a time of its own.
 */
export function createHttpPrices({ url, token, timeoutMs, now }: HttpPricesOptions): PriceSource {
  const name = shown(url);
  let known: { etag: string; body: string } | null = null;
  return {
    name,
    async read(signal): Promise<PriceBook> {
      const answer = await request(name, url, {
        headers: {
          accept: 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(known === null ? {} : { 'if-none-match': known.etag }),
        },
        timeoutMs,
        ...(signal === undefined ? {} : { signal }),
      });
      if (answer.status === 304 && known !== null) return readBook(name, known.body, 'json', now());
      const book = readBook(name, answer.body, 'json', now());
      known = answer.etag === null ? null : { etag: answer.etag, body: answer.body };
      return book;
    },
  };
}

/** @throws HeadroomError `unavailable` where nothing usable comes within the time. */
export async function request(
  name: string,
  url: string,
  options: { headers: Record<string, string>; timeoutMs: number; signal?: AbortSignal },
): Promise<{ status: number; body: string; etag: string | null }> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
  try {
    // A token is for the address that was named, and for no other that it might point to.
    const response = await fetch(url, { headers: options.headers, signal, redirect: 'error' });
    const body = await response.text();
    if (!response.ok && response.status !== 304) {
      const remedy =
        response.status === 401 || response.status === 403
          ? 'set the token in the variable that prices.tokenEnv names'
          : 'look at the server behind prices';
      throw priceError('unavailable', `asking ${name}`, `it answers ${response.status}`, remedy);
    }
    return { status: response.status, body, etag: response.headers.get('etag') };
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'HeadroomError') throw cause;
    const late = timeout.aborted;
    const problem = late ? `no answer within ${options.timeoutMs / 1000}s` : reasonOf(cause);
    throw priceError('unavailable', `asking ${name}`, problem, 'look at the server behind prices', cause);
  }
}

const reasonOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause instanceof Error ? `${cause.message}: ${cause.cause.message}` : cause.message;
};
