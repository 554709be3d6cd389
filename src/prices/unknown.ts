import { closest, distance } from 'fastest-levenshtein';
import type { AccountPolicy } from '../domain/account.js';
import type { PriceBook } from '../domain/prices.js';

/**
 * In words: the rows that name a pool which the account does not have. Not an error, since a book may be of several
 * accounts; a misspelt one leaves its pool at the account file's price.
 */
export function unknownPools(book: PriceBook, { account, pools }: AccountPolicy): string[] {
  const known = pools.map((pool) => pool.name);
  const named = new Set(book.prices.flatMap(({ pool }) => (pool === undefined ? [] : [pool])));
  return [...named]
    .filter((pool) => !known.includes(pool))
    .map((pool) => {
      const near = known.length === 0 ? null : closest(pool, known);
      const hint =
        near !== null && distance(pool, near) <= Math.max(2, Math.floor(near.length / 3))
          ? `did you mean "${near}"?`
          : `its pools: ${known.join(', ')}`;
      return `${book.source} has a price of pool "${pool}", which ${account} does not have; ${hint}`;
    });
}
