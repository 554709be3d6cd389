import type { KnownPrices, PriceBook } from '../domain/prices.js';
import type { AccountPolicy } from '../domain/account.js';
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

/** What the activities ask. */
export interface Prices {
  /** Never rejects: without prices a plan is made with those of the account file, and says so. Null: none are asked for. */
  of(policy: AccountPolicy, signal?: AbortSignal): Promise<KnownPrices | null>;
}

export const priceError = errorsOf('prices');
