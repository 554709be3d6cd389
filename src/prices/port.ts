import type { KnownPrices, PriceBook, PricesPolicy } from '../domain/prices.js';
import { errorsOf } from '../domain/errors.js';

/*
 * Where prices come from: a file, HTTP, Prometheus. A source gives a whole book or an error, never a part of one.
 */

export interface PriceSource {
  /** In words, for reasons and errors. */
  readonly name: string;
  /** @throws HeadroomError `invalid-input` where a price cannot be one, `unavailable` where the source is out of reach. */
  read(signal?: AbortSignal): Promise<PriceBook>;
}

/** A file that prices are asked for: an account's or a fleet's. */
export interface Priced {
  prices?: PricesPolicy | undefined;
  currency: string;
  /** The fleet's name; absent in an account file. */
  fleet?: string;
}

/** What the activities ask. */
export interface Prices {
  /** Never rejects: without prices a plan is made with those of the file itself, and says so. Null: none are asked for. */
  of(policy: Priced, signal?: AbortSignal): Promise<KnownPrices | null>;
}

export const priceError = errorsOf('prices');
