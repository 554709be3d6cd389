import type { RatePrior, RateTable } from './rates.js';
import { DAY_HOURS, SAME_DAY_HOUR } from './rates.js';

/*
 * What the profiles of other accounts say of one that has seen little: how much is done in an hour, what, when, and
 * what follows what; by group of persons where the group is known, of everybody elsewhere.
 */

/** What one account, or one group in it, is worth to others: no counts that only it could have. */
export interface SharedRates {
  level: number;
  shares: Map<string, number>;
  /** By operation, '' for all: relative to its own mean over the week. */
  shapes: Map<string, Float64Array>;
}

/** Below so many hours an account has nothing to teach. */
const LEAST_HOURS = 24;

export function sharedRates(
  table: RateTable,
  exposure: Float64Array,
  exposed: number,
  weight: number,
): SharedRates | null {
  if (exposed / weight < LEAST_HOURS || table.all.total <= 0) return null;
  const shapes = new Map<string, Float64Array>();
  const shares = new Map<string, number>();
  const overall = shapeOf(table.all.events, table.all.total, exposure, exposed, weight, null);
  shapes.set('', overall);
  for (const [name, counts] of table.operations) {
    if (counts.total <= 0) continue;
    shares.set(name, counts.total / table.all.total);
    shapes.set(name, shapeOf(counts.events, counts.total, exposure, exposed, weight, overall));
  }
  return { level: table.all.total / exposed, shares, shapes };
}

function shapeOf(
  events: Float64Array,
  total: number,
  exposure: Float64Array,
  exposed: number,
  weight: number,
  around: Float64Array | null,
): Float64Array {
  const shape = new Float64Array(DAY_HOURS);
  const level = total / exposed;
  for (let cell = 0; cell < DAY_HOURS; cell++) {
    let seen = 0;
    let hours = 0;
    for (const hour of SAME_DAY_HOUR[cell] ?? []) {
      seen += events[hour] ?? 0;
      hours += exposure[hour] ?? 0;
    }
    const prior = around?.[cell] ?? 1;
    shape[cell] = (seen / level / weight + prior) / (hours / weight + 1);
  }
  return shape;
}

/** Several accounts' experience as one prior; each account counts once, however large. */
export function priorOf(accounts: readonly SharedRates[]): RatePrior {
  if (accounts.length === 0) return NO_PRIOR;
  const shares = new Map<string, number>();
  const sums = new Map<string, { shape: Float64Array; accounts: number }>();
  let logLevel = 0;
  for (const account of accounts) {
    logLevel += Math.log(account.level) / accounts.length;
    for (const [name, share] of account.shares) shares.set(name, (shares.get(name) ?? 0) + share / accounts.length);
    for (const [name, shape] of account.shapes) {
      const sum = sums.get(name) ?? { shape: new Float64Array(DAY_HOURS), accounts: 0 };
      sums.set(name, sum);
      sum.accounts += 1;
      for (let cell = 0; cell < DAY_HOURS; cell++) sum.shape[cell] = (sum.shape[cell] ?? 0) + (shape[cell] ?? 0);
    }
  }
  const shapes = new Map(
    [...sums].map(([name, { shape, accounts: count }]) => [name, shape.map((value) => value / count)]),
  );
  return {
    // The geometric mean: one giant does not make a newcomer look huge.
    level: Math.exp(logLevel),
    share: (operation) => shares.get(operation) ?? null,
    shape: (operation) => shapes.get(operation ?? '') ?? null,
  };
}

export const NO_PRIOR: RatePrior = { level: null, share: () => null, shape: () => null };
