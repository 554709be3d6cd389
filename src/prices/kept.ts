import type { KnownPrices, PriceBook, PricesPolicy } from '../domain/prices.js';
import { formatDuration, isoTime, type EpochSeconds } from '../domain/time.js';
import { createFilePrices } from './file.js';
import { createHttpPrices } from './http.js';
import type { Priced, Prices, PriceSource } from './port.js';
import { createPrometheusPrices } from './prometheus.js';

export interface PricesOptions {
  env: NodeJS.ProcessEnv;
  /** Time of the wall, in epoch seconds: prices are of today, however fast a rehearsal runs. */
  now: () => EpochSeconds;
  /** How much faster than the wall the accounts' clock runs: `every` is of their time. Default 1. */
  speed?: () => number;
  /** Makes a source; replaced in tests. */
  open?: (policy: PricesPolicy) => PriceSource;
}

interface Kept {
  source: PriceSource;
  asked: EpochSeconds;
  good: { book: PriceBook; read: EpochSeconds } | null;
  problem: string | null;
  running: Promise<void> | null;
}

/** A rehearsal that runs fast asks its source no more often than this, in seconds of the wall. */
const LEAST = 1;

/** The prices of every account's source: asked at most so often, the last good ones kept for as long as the policy says. */
export function createPrices(options: PricesOptions): Prices {
  const { now } = options;
  const open = options.open ?? ((policy: PricesPolicy) => sourceOf(policy, options));
  const kept = new Map<string, Kept>();
  const between = ({ every }: PricesPolicy): number => {
    const speed = options.speed?.() ?? 1;
    return speed <= 1 ? every : Math.min(every, Math.max(LEAST, every / speed));
  };

  async function ask(one: Kept, policy: PricesPolicy, whose: Priced, signal?: AbortSignal): Promise<void> {
    one.asked = now();
    try {
      const book = await one.source.read(signal);
      if (book.currency !== undefined && book.currency !== whose.currency) {
        throw new Error(
          `${book.source} is in ${book.currency}, the ${whose.fleet === undefined ? 'account' : 'fleet'} in ${whose.currency}`,
        );
      }
      const age = now() - book.at;
      if (age > policy.staleAfter) {
        throw new Error(
          `prices of ${book.source} are of ${isoTime(book.at)}, older than ${formatDuration(policy.staleAfter)}`,
        );
      }
      one.good = { book, read: now() };
      one.problem = null;
    } catch (error) {
      one.problem = error instanceof Error ? error.message : String(error);
    }
  }

  return {
    async of(whose: Priced, signal): Promise<KnownPrices | null> {
      const policy = whose.prices;
      if (policy === undefined) return null;
      const key = JSON.stringify([policy, whose.currency, whose.fleet === undefined]);
      let one = kept.get(key);
      if (one === undefined) {
        try {
          one = { source: open(policy), asked: Number.NEGATIVE_INFINITY, good: null, problem: null, running: null };
        } catch (error) {
          return { book: null, problem: error instanceof Error ? error.message : String(error) };
        }
        kept.set(key, one);
      }
      const state = one;
      if (now() - state.asked >= between(policy) || state.running !== null) {
        state.running ??= ask(state, policy, whose, signal).finally(() => (state.running = null));
        await state.running;
      }
      const { good, problem } = state;
      if (good === null) return { book: null, problem };
      const age = now() - good.read;
      if (problem !== null && age > policy.keep) {
        return {
          book: null,
          problem: `${problem}; the last good prices, of ${isoTime(good.book.at)}, are kept no longer`,
        };
      }
      return { book: good.book, problem };
    },
  };
}

function sourceOf(policy: PricesPolicy, { env, now }: PricesOptions): PriceSource {
  const token = policy.tokenEnv === undefined ? undefined : env[policy.tokenEnv];
  const common = { timeoutMs: policy.timeout * 1000, now, ...(token === undefined ? {} : { token }) };
  if (policy.prometheus !== undefined) {
    const { url, price, interruptions, volatility } = policy.prometheus;
    const queries = {
      price,
      ...(interruptions === undefined ? {} : { interruptions }),
      ...(volatility === undefined ? {} : { volatility }),
    };
    return createPrometheusPrices({ url, queries, ...common });
  }
  if (policy.url !== undefined) return createHttpPrices({ url: policy.url, ...common });
  return createFilePrices(policy.file ?? '', now);
}
