import { z } from 'zod';
import { duration } from './values.js';
import type { EpochSeconds } from './time.js';

/*
 * What capacity costs now, from outside of the account file: a book of prices, each for the pools that it fits.
 */

/** One price. It is of every pool that has all of what it names; of several, the one that names most counts. */
export interface PriceRow {
  pool?: string;
  provider?: string;
  region?: string;
  zone?: string;
  capacityType?: 'reserved' | 'on-demand' | 'spot';
  /** Of one node, in the book's currency. */
  pricePerHour: number;
  /** Expected interruptions of one node in an hour. */
  interruptionsPerHour?: number;
  /** Standard deviation of the price over the next day, as a share of it. */
  volatility?: number;
  /** When it was taken; the book's own time where absent. */
  at?: EpochSeconds;
}

/** Moving data from one place to another: a provider, or `provider/region`. */
export interface EgressRow {
  from: string;
  to: string;
  /** Money for 2^30 bytes. */
  perGiB: number;
}

export interface PriceBook {
  /** Where it comes from, in words: `prices.csv`, `https://prices.example/now`. */
  source: string;
  /** When it was true: the newest of its rows, or when it was read. */
  at: EpochSeconds;
  currency?: string;
  prices: PriceRow[];
  egress: EgressRow[];
}

/** What the account has of its price source: a book, or why there is none. */
export interface KnownPrices {
  book: PriceBook | null;
  /** Why there is none, or why it is an older one; null where all is well. */
  problem: string | null;
}

/** The price that a plan was made with, of one pool. */
export interface PlanPrice {
  pool: string;
  pricePerHour: number;
  interruptionsPerHour: number;
  /** `0.21 USD/h from prices.csv of 2026-…`, `0.4 USD/h from the account file (no price of it in …)`. */
  words: string;
  /** When the price was taken; null for the account file's own. */
  at: EpochSeconds | null;
}

/** Environment variables that may hold a token for prices: no other secret of a worker can be named in an account file. */
const TOKEN_NAME = /^HEADROOM_PRICES_TOKEN(_[A-Z0-9_]+)?$/;

export const pricesSchema = z
  .strictObject({
    file: z
      .string()
      .min(1)
      .optional()
      .describe(
        'CSV, JSON or YAML, read by the worker at this path on its machine; a relative one lies beside the account file',
      ),
    url: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('JSON over HTTP; asked again with its ETag'),
    prometheus: z
      .strictObject({
        url: z.url({ protocol: /^https?$/ }),
        price: z.string().min(1).describe('A query whose labels name pool, provider, region, zone, capacity_type'),
        interruptions: z
          .string()
          .min(1)
          .optional()
          .describe('The same for expected interruptions of a node in an hour'),
        volatility: z.string().min(1).optional(),
      })
      .optional(),
    tokenEnv: z
      .string()
      .regex(TOKEN_NAME, 'must be HEADROOM_PRICES_TOKEN, or begin with HEADROOM_PRICES_TOKEN_')
      .optional()
      .describe('Environment variable of the worker with a bearer token'),
    every: duration.default(300).describe('How often the source is asked'),
    timeout: duration.default(10),
    staleAfter: duration.default(86_400).describe('Prices older than this are refused'),
    keep: duration.default(21_600).describe('How long the last good prices stand in where the source fails'),
  })
  .refine(
    ({ file, url, prometheus }) => [file, url, prometheus].filter((one) => one !== undefined).length === 1,
    'needs one of file, url and prometheus',
  );

export type PricesPolicy = z.output<typeof pricesSchema>;
