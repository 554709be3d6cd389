import { nearest } from '../domain/nearest.js';
import type { PriceBook } from '../domain/prices.js';

/**
 * In words: the rows that name a pool which the account does not have. Not an error, since a book may be of several
 * files; a misspelt one leaves its pool at the account file's price.
 */
export function unknownPools(
  book: PriceBook,
  { owner, pools }: { owner: string; pools: readonly { name: string }[] },
): string[] {
  const known = pools.map((pool) => pool.name);
  const named = new Set(book.prices.flatMap(({ pool }) => (pool === undefined ? [] : [pool])));
  return [...named]
    .filter((pool) => !known.includes(pool))
    .map((pool) => {
      const near = nearest(pool, known);
      const hint = near === null ? `its pools: ${known.join(', ')}` : `did you mean "${near}"?`;
      return `${book.source} has a price of pool "${pool}", which ${owner} does not have; ${hint}`;
    });
}
