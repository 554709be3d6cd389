import type { Traffic } from './traffic.js';

/*
 * How much to reserve for one block: the newsvendor's answer. A block is reserved by itself and is over when it ends, so
 * blocks do not depend on each other, and no program over all of them is needed: the cost of a reservation is convex, and
 * the last unit that pays is found by halving. (A contract that binds for longer is a longer block.)
 */

export interface Terms {
  /** Reserved in multiples of so many bytes/s. */
  unit: number;
  /** Units at most. */
  most: number;
  /** Money per hour of one byte/s reserved, and of one byte/s that is wanted beyond (paid, or missed and weighed). */
  price: number;
  beyondPrice: number;
  /** Bytes/s that have to be reserved where that can be had: a demand at its level. 0 where what is beyond is carried too. */
  least: number;
}

export interface Reserved {
  units: number;
  bound: 'price' | 'level' | 'maximum';
}

/** Sums of a distribution that any reservation is judged by. */
export interface Excess {
  /** Mean of what is beyond `reserve`, bytes/s. */
  beyond(reserve: number): number;
  /** Share of the time in which more is wanted. */
  busy(reserve: number): number;
  /** The value that is not exceeded in this share of the time. */
  quantile(level: number): number;
}

export function excessOf({ values, weights }: Traffic): Excess {
  const count = values.length;
  // From the top, so that what is small beyond a high reservation keeps its digits.
  const shareFrom = new Float64Array(count + 1);
  const sumFrom = new Float64Array(count + 1);
  for (let index = count - 1; index >= 0; index--) {
    const weight = weights[index] ?? 0;
    shareFrom[index] = (shareFrom[index + 1] ?? 0) + weight;
    sumFrom[index] = (sumFrom[index + 1] ?? 0) + weight * (values[index] ?? 0);
  }
  const above = (reserve: number): number => firstWhere(count, (index) => (values[index] ?? 0) > reserve);
  return {
    beyond(reserve) {
      const from = above(reserve);
      return Math.max(0, (sumFrom[from] ?? 0) - reserve * (shareFrom[from] ?? 0));
    },
    busy: (reserve) => shareFrom[above(reserve)] ?? 0,
    quantile(level) {
      const at = firstWhere(count, (index) => (shareFrom[index + 1] ?? 0) <= 1 - level + 1e-12);
      return values[Math.min(at, count - 1)] ?? 0;
    },
  };
}

/** The first of `count` indices for which this holds, where it holds for all after it; `count` where for none. */
function firstWhere(count: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Money per hour of so many units: the reservation, and what is expected beyond it. */
export const costOf = (excess: Excess, { unit, price, beyondPrice }: Terms, units: number): number =>
  price * unit * units + beyondPrice * excess.beyond(unit * units);

/** The cheapest number of units; the smallest of several. */
export function reserveFor(excess: Excess, terms: Terms): Reserved {
  const { unit, price, beyondPrice, least } = terms;
  const pays = (units: number): boolean =>
    beyondPrice * (excess.beyond(unit * (units - 1)) - excess.beyond(unit * units)) > price * unit * (1 + 1e-12);
  /** Beyond this not one byte is expected. */
  const all = Math.ceil(excess.quantile(1) / unit);
  const cheapest = firstWhere(all, (units) => !pays(units + 1));
  const wanted = Math.ceil(least / unit - 1e-9);
  const units = Math.max(cheapest, wanted);
  if (units > terms.most) return { units: terms.most, bound: 'maximum' };
  return { units, bound: wanted > cheapest ? 'level' : 'price' };
}
