import type { AccountPolicy, PoolPolicy } from '../../domain/account.js';
import type { KnownPrices, PlanPrice, PriceBook, PriceRow } from '../../domain/prices.js';
import { isoTime } from '../../domain/time.js';

/*
 * From a book of prices to the prices of an account's pools. Pure: what it returns is a policy like any other, so that bill,
 * budget, reasons and checker all count with the same numbers.
 */

export interface PricedPolicy {
  policy: AccountPolicy;
  /** What each pool costs, and from where. */
  used: PlanPrice[];
}

const FIELDS = ['pool', 'provider', 'region', 'zone', 'capacityType'] as const;

/** How many of a pool's properties a row names; null where it names another's. The pool's own name outweighs all else. */
function fit(row: PriceRow, pool: PoolPolicy): number | null {
  const own = { ...pool, pool: pool.name };
  let named = 0;
  for (const field of FIELDS) {
    const value = row[field];
    if (value === undefined) continue;
    if (value !== own[field]) return null;
    named += field === 'pool' ? FIELDS.length : 1;
  }
  return named === 0 ? null : named;
}

/** The row that names most of what a pool is; the later of equals. */
export function priceOf(book: PriceBook, pool: PoolPolicy): PriceRow | null {
  let best: { row: PriceRow; named: number } | null = null;
  for (const row of book.prices) {
    const named = fit(row, pool);
    if (named !== null && (best === null || named >= best.named)) best = { row, named };
  }
  return best?.row ?? null;
}

/** The prices of the account file, where there is no other source. */
export const ownPrices = (policy: AccountPolicy): PlanPrice[] =>
  policy.pools.map((pool) => ({
    ...{ pool: pool.name, pricePerHour: pool.pricePerHour, interruptionsPerHour: pool.interruptionsPerHour },
    ...{ words: `${Number(pool.pricePerHour.toPrecision(6))} ${policy.currency}/h of the account file`, at: null },
  }));

/** Policies as they came, with the last book that was put into each: both are the same from cycle to cycle. */
const memory = new WeakMap<AccountPolicy, { key: string; priced: PricedPolicy }>();

/** The account with the prices that are known now; one that is missing is the account file's, and is said to be. */
export function withPrices(policy: AccountPolicy, known: KnownPrices): PricedPolicy {
  const key = JSON.stringify(known);
  const before = memory.get(policy);
  if (before?.key === key) return before.priced;
  const { book, problem } = known;
  const used: PlanPrice[] = [];
  const pools = policy.pools.map((pool) => {
    const row = book === null ? null : priceOf(book, pool);
    const money = (price: number): string => `${Number(price.toPrecision(6))} ${policy.currency}/h`;
    if (book === null || row === null) {
      const why = book === null ? (problem ?? 'there are no others') : `${book.source} has none of it`;
      used.push({
        ...{ pool: pool.name, pricePerHour: pool.pricePerHour, interruptionsPerHour: pool.interruptionsPerHour },
        ...{ words: `${money(pool.pricePerHour)} of the account file: ${why}`, at: null },
      });
      return pool;
    }
    const interruptionsPerHour = row.interruptionsPerHour ?? pool.interruptionsPerHour;
    const at = row.at ?? book.at;
    const kept = problem === null ? '' : ` (kept: ${problem})`;
    const words = `${money(row.pricePerHour)} from ${book.source} of ${isoTime(at)}${kept}`;
    used.push({ pool: pool.name, pricePerHour: row.pricePerHour, interruptionsPerHour, words, at });
    const volatility = row.volatility ?? pool.priceVolatility;
    return {
      ...pool,
      ...{ pricePerHour: row.pricePerHour, interruptionsPerHour },
      ...(volatility === undefined ? {} : { priceVolatility: volatility }),
    };
  });
  const egress = book === null || book.egress.length === 0 ? {} : { egress: book.egress };
  const priced = { policy: { ...policy, pools, ...egress }, used };
  memory.set(policy, { key, priced });
  return priced;
}
