import { notDefined } from './nearest.js';
import type { PolicyProblem } from './policy-rules.js';
import type { Reservation } from './reservation.js';
import { isoTime, type EpochSeconds } from './time.js';

/*
 * Nodes that are paid for a while whether they run or not: what a file states, and what a person approved. It is billing that is
 * held, as with savings plans and reserved instances: a node within it costs nothing more and need not run. Pure, types alone
 * are imported: the workflows run the rules to refuse an update, and replay versions them.
 */

export interface Held {
  /** What it is called in words: the file's name of it, or the term that was approved. */
  name: string;
  nodes: number;
  from: EpochSeconds;
  until: EpochSeconds;
  /** Money per hour of one node, paid in any case. */
  pricePerHour: number;
}

interface Span {
  from: EpochSeconds;
  to: EpochSeconds;
}

/** Of a pool, as a file states it. */
export const statedFor = (reservations: readonly Reservation[] | undefined, pool: string): Held[] =>
  (reservations ?? [])
    .filter((one) => one.pool === pool)
    .map(({ name, nodes, from, until, pricePerHour }) => ({
      ...{ name: name ?? pool, nodes, from: from ?? 0, until, pricePerHour },
    }));

/** Nodes that are paid for all of a span: one that it ends within pays the ordinary price, so that money is never said too low. */
export const heldThrough = (held: readonly Held[], { from, to }: Span): number =>
  held.reduce((sum, one) => sum + (one.from <= from && one.until >= to ? one.nodes : 0), 0);

/** Money per hour that is paid in any case over a span, the mean where one begins or ends within. */
export const heldCost = (held: readonly Held[], { from, to }: Span): number =>
  held.reduce((sum, one) => {
    const seconds = Math.max(0, Math.min(to, one.until) - Math.max(from, one.from));
    return sum + one.nodes * one.pricePerHour * (seconds / (to - from));
  }, 0);

/** `3 by one-year until 2027-01-01T00:00:00Z, 2 by old until …`: those that hold at a time. */
export function heldWords(held: readonly Held[], at: EpochSeconds): string {
  const live = held.filter((one) => one.from <= at && one.until > at);
  const some = live.slice(0, MOST_NAMED).map(({ name, nodes, until }) => `${nodes} by ${name} until ${isoTime(until)}`);
  return `${some.join(', ')}${live.length > MOST_NAMED ? ` and ${live.length - MOST_NAMED} more` : ''}`;
}

const MOST_NAMED = 3;

interface ReservedPool {
  name: string;
  capacityType: string;
  size: 'fixed' | 'variable';
  max: number;
}

/** Reservations of an account whose budget they break alone: nothing that a plan could do would keep it. */
export function budgetProblems(
  reservations: readonly Reservation[] | undefined,
  perHour: number | undefined,
): PolicyProblem[] {
  const all = reservations ?? [];
  if (perHour === undefined) return [];
  return all.flatMap(({ from = 0, until }, index) => {
    if (until <= from) return [];
    // The sum is largest where one of them begins.
    const paid = all.reduce(
      (sum, one) => sum + ((one.from ?? 0) <= from && one.until > from ? one.nodes * one.pricePerHour : 0),
      0,
    );
    if (paid <= perHour * (1 + 1e-9)) return [];
    const cost = Number(paid.toPrecision(6));
    const problem = `costs ${cost} an hour with those beside it, above the budget of ${perHour}: raise the budget, which what is paid in any case is part of`;
    return [{ path: ['reservations', index, 'pricePerHour'], problem }];
  });
}

/**
 * What is wrong with the reservations of a file, by its pools.
 * @param fixed whether pools of a fixed size may have some: an account pays of those what its replicas take.
 */
export function reservationProblems(
  reservations: readonly Reservation[] | undefined,
  pools: readonly ReservedPool[],
  { fixed }: { fixed: boolean },
): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const all = reservations ?? [];
  all.forEach(({ pool: named, from, until }, index) => {
    const at = ['reservations', index];
    const pool = pools.find(({ name }) => name === named);
    const begin = from ?? 0;
    if (pool === undefined) {
      const known = pools.map(({ name }) => name);
      problems.push({ path: [...at, 'pool'], problem: notDefined('pool', named, known) });
      return;
    }
    if (pool.capacityType !== 'on-demand') {
      const other =
        pool.capacityType === 'spot'
          ? 'reservations do not pay for spot nodes'
          : 'all of its nodes are: write as their pricePerHour what one more costs';
      problems.push({ path: [...at, 'pool'], problem: `pool "${named}" is ${pool.capacityType}: ${other}` });
    }
    if (pool.size === 'fixed' && !fixed) {
      const problem = `pool "${named}" is of a fixed size, of which replicas cost their share: write that as its pricePerHour`;
      problems.push({ path: [...at, 'pool'], problem });
    }
    if (until <= begin) {
      problems.push({
        path: [...at, 'until'],
        problem: `${isoTime(until)} is not after its beginning, ${isoTime(begin)}`,
      });
      return;
    }
    // The sum is largest where one of them begins.
    const together = all.filter((one) => one.pool === named && (one.from ?? 0) <= begin && one.until > begin);
    const nodes = together.reduce((sum, one) => sum + one.nodes, 0);
    if (nodes > pool.max) {
      const whole = together.length > 1 ? `, with those beside it ${nodes} in all,` : '';
      const problem = `${all[index]?.nodes ?? 0} nodes${whole} are above the pool’s maximum of ${pool.max}: raise the maximum, or state no more than it can have`;
      problems.push({ path: [...at, 'nodes'], problem });
    }
  });
  return problems;
}
