import type { AccountPolicy, PoolPolicy } from '../../domain/account.js';
import type { FleetPolicy } from '../../domain/fleet.js';
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

type PricedPool = Pick<
  PoolPolicy,
  'name' | 'provider' | 'region' | 'zone' | 'capacityType' | 'pricePerHour' | 'interruptionsPerHour'
>;

const FIELDS = ['pool', 'provider', 'region', 'zone', 'capacityType'] as const;

/** How many of a pool's properties a row names; null where it names another's. The pool's own name outweighs all else. */
function fit(row: PriceRow, pool: PricedPool): number | null {
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
export function priceOf(book: PriceBook, pool: PricedPool): PriceRow | null {
  let best: { row: PriceRow; named: number } | null = null;
  for (const row of book.prices) {
    const named = fit(row, pool);
    if (named !== null && (best === null || named >= best.named)) best = { row, named };
  }
  return best?.row ?? null;
}

const figure = (price: number): number => Number(price.toPrecision(6));

/** The prices of the account file, where there is no other source. */
export const ownPrices = (policy: AccountPolicy): PlanPrice[] =>
  policy.pools.map((pool) => ({
    ...{ pool: pool.name, pricePerHour: pool.pricePerHour, interruptionsPerHour: pool.interruptionsPerHour },
    ...{ words: `${figure(pool.pricePerHour)} ${policy.currency}/h of the account file`, at: null },
  }));

/** What a pool costs by what is known, and the book's row behind it; null: what the file itself says counts. */
function priceIn(
  pool: PricedPool,
  { book, problem }: KnownPrices,
  currency: string,
  file: string,
): { row: PriceRow | null; used: PlanPrice } {
  const row = book === null ? null : priceOf(book, pool);
  const money = (price: number): string => `${figure(price)} ${currency}/h`;
  if (book === null || row === null) {
    const why = book === null ? (problem ?? 'there are no others') : `${book.source} has none of it`;
    const used = {
      ...{ pool: pool.name, pricePerHour: pool.pricePerHour, interruptionsPerHour: pool.interruptionsPerHour },
      ...{ words: `${money(pool.pricePerHour)} of the ${file}: ${why}`, at: null },
    };
    return { row: null, used };
  }
  const { pricePerHour, interruptionsPerHour = pool.interruptionsPerHour } = row;
  const at = row.at ?? book.at;
  const kept = problem === null ? '' : ` (kept: ${problem})`;
  const words = `${money(pricePerHour)} from ${book.source} of ${isoTime(at)}${kept}`;
  return { row, used: { pool: pool.name, pricePerHour, interruptionsPerHour, words, at } };
}

/** The fleet with the prices that are known now, as {@link withPrices}; its placement and moves stay as the file has them. */
export function withFleetPrices(policy: FleetPolicy, known: KnownPrices): { policy: FleetPolicy; used: PlanPrice[] } {
  const used: PlanPrice[] = [];
  const pools = policy.pools.map((pool) => {
    const found = priceIn(pool, known, policy.currency, 'fleet file');
    used.push(found.used);
    const { pricePerHour, interruptionsPerHour } = found.used;
    return { ...pool, pricePerHour, interruptionsPerHour };
  });
  return { policy: { ...policy, pools }, used };
}

/** Policies as they came, with the last book that was put into each: both are the same from cycle to cycle. */
const memory = new WeakMap<AccountPolicy, { key: string; priced: PricedPolicy }>();

/** The account with the prices that are known now; one that is missing is the account file's, and is said to be. */
export function withPrices(policy: AccountPolicy, known: KnownPrices): PricedPolicy {
  const key = JSON.stringify(known);
  const before = memory.get(policy);
  if (before?.key === key) return before.priced;
  const { book } = known;
  const used: PlanPrice[] = [];
  const pools = policy.pools.map((pool) => {
    const found = priceIn(pool, known, policy.currency, 'account file');
    used.push(found.used);
    if (found.row === null) return pool;
    const { pricePerHour, interruptionsPerHour } = found.used;
    const volatility = found.row.volatility ?? pool.priceVolatility;
    return {
      ...pool,
      ...{ pricePerHour, interruptionsPerHour },
      ...(volatility === undefined ? {} : { priceVolatility: volatility }),
    };
  });
  const egress = book === null || book.egress.length === 0 ? {} : { egress: book.egress };
  const priced = { policy: { ...policy, pools, ...egress }, used };
  memory.set(policy, { key, priced });
  return priced;
}
